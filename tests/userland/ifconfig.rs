//! ifconfig(8): lists and changes the interfaces of the fake system.
//!
//! Every word acts at once and on its own, as its ioctl(2) would: what comes before a refused word has been done.

use std::io;

use crate::exit::{Exit, Step, say};
use crate::interface::{self, Interface};
use crate::state::State;

mod clone;
mod show;
mod words;

/// `IFNAMSIZ` of net/if.h, less the NUL.
const NAME_MAX: usize = 15;

const USAGE: &str = "usage: ifconfig [-j jail] [-f type:format] interface address_family\n                \
                     [address [dest_address]] [parameters]\n       \
                     ifconfig [-j jail] interface create\n       \
                     ifconfig [-j jail] -a [-L] [-C] [-g groupname] [-d] [-m] [-u] [-v] [address_family]\n       \
                     ifconfig [-j jail] -l [-d] [-u] [address_family]\n       \
                     ifconfig [-j jail] [-L] [-C] [-g groupname] interface [-d] [-m] [-u] [-v]";

/// The flags before the interface.
#[derive(Debug, Default, PartialEq, Eq)]
struct Flags {
    /// Those without a value.
    letters: String,
    group: Option<String>,
    cidr: bool,
}

impl Flags {
    fn has(&self, letter: char) -> bool {
        self.letters.contains(letter)
    }
}

/// Runs ifconfig.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let (flags, words) = parse(args).ok_or_else(|| Exit::new(1, USAGE))?;
    let _lock = state.lock()?;
    match (&flags.group, words) {
        (Some(group), _) if !flags.has('a') => list_group(state, group)?,
        _ if flags.has('a') || flags.has('l') || words.is_empty() => list(state, &flags, words.first())?,
        (_, [name]) => {
            let one = existing(state, name)?;
            say(show::interface(&one, &interface::all(state)?, flags.cidr));
        }
        (_, [name, rest @ ..]) => configure(state, name, rest)?,
        (_, []) => {}
    }
    Ok(0)
}

fn parse(args: &[String]) -> Option<(Flags, &[String])> {
    let mut flags = Flags::default();
    let mut at = 0;
    while let Some(word) = args.get(at).filter(|word| word.len() > 1 && word.starts_with('-')) {
        at += 1;
        for (place, letter) in word.char_indices().skip(1) {
            match letter {
                'a' | 'd' | 'k' | 'l' | 'm' | 'n' | 'u' | 'v' => flags.letters.push(letter),
                'f' | 'g' | 'G' => {
                    let rest = &word[place + 1..];
                    let value = if rest.is_empty() { args.get(at)?.as_str() } else { rest };
                    at += usize::from(rest.is_empty());
                    match letter {
                        'f' => flags.cidr = value.split(',').any(|format| format == "inet:cidr"),
                        'g' => flags.group = Some(value.to_string()),
                        _ => {}
                    }
                    break;
                }
                _ => return None,
            }
        }
    }
    let contradiction = (flags.has('l') && flags.has('a')) || (flags.has('u') && flags.has('d'));
    (!contradiction).then(|| (flags, &args[at..]))
}

/// An interface that must be there.
fn existing(state: &State, name: &str) -> Step<Interface> {
    interface::load(state, name)?.ok_or_else(|| Exit::new(1, format!("ifconfig: interface {name} does not exist")))
}

fn list_group(state: &State, group: &str) -> io::Result<()> {
    for one in interface::all(state)?.iter().filter(|one| one.in_group(group)) {
        say(format!("{}\n", one.name));
    }
    Ok(())
}

fn list(state: &State, flags: &Flags, family: Option<&String>) -> Step<()> {
    if let Some(family) = family.filter(|family| !["inet", "inet6", "ether", "link"].contains(&family.as_str())) {
        return Err(Exit::new(1, format!("ifconfig: Address family '{family}' unknown.\n{USAGE}")));
    }
    let all = interface::all(state)?;
    let wanted = all.iter().filter(|one| {
        (!flags.has('u') || one.up)
            && (!flags.has('d') || !one.up)
            && flags.group.as_ref().is_none_or(|group| one.in_group(group))
            && family.is_none_or(|family| family != "inet" || !one.inet.is_empty())
    });
    if flags.has('l') {
        let names: Vec<&str> = wanted.map(|one| one.name.as_str()).collect();
        say(format!("{}\n", names.join(" ")));
    } else {
        wanted.for_each(|one| say(show::interface(one, &all, flags.cidr)));
    }
    Ok(())
}

/// Creates or changes one interface.
fn configure(state: &State, name: &str, words: &[String]) -> Step<()> {
    let known = interface::load(state, name)?.is_some();
    let creates = words.first().is_some_and(|word| word == "create" || word == "plumb");
    let mut target = words::Target::new(state, name);
    let result = match (known, creates, words) {
        (false, true, [_, rest @ ..]) => {
            clone::create(state, name, rest).and_then(|(made, rest)| target.created(&made, rest))
        }
        (true, true, [_]) => Err(Exit::new(1, format!("ifconfig: interface {name} already exists"))),
        // As on FreeBSD: words behind `create` apply to an interface that was there before.
        (true, true, [_, rest @ ..]) => target.apply(rest),
        _ => existing(state, name).and_then(|_| target.apply(words)),
    };
    target.announce();
    result
}

#[cfg(test)]
mod tests {
    use super::{Flags, parse};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn flags_end_where_the_interface_begins() {
        let args = words("-f inet:cidr tap0 group x");
        let (flags, rest) = parse(&args).unwrap();
        assert!(flags.cidr && rest.len() == 3);
    }

    #[test]
    fn a_group_may_be_glued_to_its_flag() {
        let group = |line| parse(&words(line)).unwrap().0.group;
        assert_eq!(group("-gvmrun"), group("-g vmrun"));
    }

    #[test]
    fn contradicting_and_foreign_flags_are_usage_errors() {
        assert_eq!(parse(&words("-a -l")), None::<(Flags, &[String])>);
        assert!(parse(&words("-Z")).is_none() && parse(&words("-g")).is_none());
    }
}
