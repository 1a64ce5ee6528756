//! ifconfig(8): lists and changes the interfaces of the fake system.
//!
//! Every word acts at once and on its own, as its ioctl(2) would: what comes before a refused word has been done.

use crate::exit::{Exit, Step, say};
use crate::interface::{self, Interface, Kind};
use crate::release::Release;
use crate::state::{self, State};
use show::{Family, Formats, Mask, View};

mod bridge;
mod clone;
mod show;
mod vnet;
mod vxlan;
mod words;

/// `IFNAMSIZ` of net/if.h, less the NUL.
const NAME_MAX: usize = 15;

const USAGE: &str = "usage: ifconfig [-j jail] [-f type:format] interface address_family\n                \
                     [address [dest_address]] [parameters]\n       \
                     ifconfig [-j jail] interface create\n       \
                     ifconfig [-j jail] -a [-L] [-C] [-g groupname] [-d] [-m] [-u] [-v] [address_family]\n       \
                     ifconfig [-j jail] -l [-d] [-u] [address_family]\n       \
                     ifconfig [-j jail] [-L] [-C] [-g groupname] interface [-d] [-m] [-u] [-v]";

/// The usage of 12.
const OLD_USAGE: &str = "usage: ifconfig [-f type:format] [-g groupname] [-C] [-L] interface address_family\n                \
                         [address [dest_address]] [parameters]\n       \
                         ifconfig interface create\n       \
                         ifconfig -a [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v] [address_family]\n       \
                         ifconfig -l [-d] [-u] [address_family]\n       \
                         ifconfig [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v]";

/// The families of addresses that ifconfig has words for.
const FAMILIES: &[(&str, Family)] = &[
    ("inet", Family::Inet),
    ("inet6", Family::Inet6),
    ("ether", Family::Link),
    ("link", Family::Link),
    ("lladdr", Family::Link),
];

fn family(word: &str) -> Option<Family> {
    FAMILIES.iter().find(|(name, _)| *name == word).map(|(_, family)| *family)
}

/// The system that a call finds.
pub(crate) struct Host<'a> {
    state: &'a State,
    release: Release,
    is_root: bool,
    /// The moment, by the state's clock.
    now: u64,
}

impl Host<'_> {
    /// The moment for an interface that gives itself an address. From 13 on the reference's samples have IPv6 switched off.
    fn link_local(&self) -> Option<u64> {
        (self.release.major < 13).then_some(self.now)
    }

    fn usage(&self) -> &'static str {
        if self.release.major < 13 { OLD_USAGE } else { USAGE }
    }
}

/// The flags before the interface.
#[derive(Debug, Default, PartialEq, Eq)]
struct Flags {
    /// Those without a value.
    letters: String,
    group: Option<String>,
    /// The group that is left out.
    without: Option<String>,
    inet: Option<Mask>,
    inet6_cidr: bool,
}

impl Flags {
    fn has(&self, letter: char) -> bool {
        self.letters.contains(letter)
    }

    /// How the addresses are to be shown.
    fn formats(&self, release: Release) -> Formats {
        // That 15 prints the length of the prefix when nothing is said is likely.
        let usual = if release.major >= 15 { Mask::Cidr } else { Mask::Hex };
        Formats {
            inet: self.inet.unwrap_or(usual),
            inet6_cidr: self.inet6_cidr || (release.major >= 15 && self.inet.is_none()),
        }
    }
}

/// Runs ifconfig.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let release = Release::of_environment()?;
    let host = Host { state, release, is_root: state::is_root(), now: state.now()? };
    let (flags, words) = parse(args, release).map_err(|complaint| {
        let mut exit = Exit::silent(1);
        exit.lines.extend(Some(complaint).filter(|complaint| !complaint.is_empty()));
        exit.lines.push(host.usage().to_string());
        exit
    })?;
    if let [name, word] = words
        && word == "destroy"
    {
        words::wait_until_closed(&host, name)?;
    }
    let _lock = state.lock()?;
    let is_whole = flags.has('a') && release.major >= 14;
    match (&flags.group, words) {
        _ if flags.has('C') => say("bridge tun vlan epair lo vmnet tap\n"),
        (Some(group), _) if !is_whole => list_group(state, group)?,
        _ if flags.has('a') || flags.has('l') || words.is_empty() => list(&host, &flags, words.first())?,
        (_, [name]) => show(&host, &flags, name, None)?,
        (_, [name, word]) if family(word).is_some() => show(&host, &flags, name, family(word))?,
        (_, [name, rest @ ..]) => configure(&host, name, rest)?,
        (_, []) => {}
    }
    Ok(0)
}

/// Reads the flags; what is wrong with them is the complaint of getopt(3), which may be empty.
fn parse(args: &[String], release: Release) -> Result<(Flags, &[String]), String> {
    let mut flags = Flags::default();
    let mut at = 0;
    while let Some(word) = args.get(at).filter(|word| word.len() > 1 && word.starts_with('-')) {
        at += 1;
        for (place, letter) in word.char_indices().skip(1) {
            match letter {
                'a' | 'C' | 'd' | 'k' | 'L' | 'l' | 'm' | 'n' | 'u' | 'v' => flags.letters.push(letter),
                'f' | 'g' => {}
                'G' | 'j' if release.major >= 14 => {}
                _ => return Err(format!("ifconfig: illegal option -- {letter}")),
            }
            if !"fgGj".contains(letter) {
                continue;
            }
            let rest = &word[place + 1..];
            let missing = || format!("ifconfig: option requires an argument -- {letter}");
            let value = if rest.is_empty() { args.get(at).ok_or_else(missing)?.as_str() } else { rest };
            at += usize::from(rest.is_empty());
            match letter {
                'f' => choose_formats(&mut flags, value),
                'g' => flags.group = Some(value.to_string()),
                'G' => flags.without = Some(value.to_string()),
                _ => {}
            }
            break;
        }
    }
    let contradiction = (flags.has('l') && flags.has('a')) || (flags.has('u') && flags.has('d'));
    if contradiction { Err(String::new()) } else { Ok((flags, &args[at..])) }
}

fn choose_formats(flags: &mut Flags, value: &str) {
    for format in value.split(',') {
        match format {
            "inet:cidr" => flags.inet = Some(Mask::Cidr),
            "inet:dotted" => flags.inet = Some(Mask::Dotted),
            "inet:hex" => flags.inet = Some(Mask::Hex),
            "inet6:cidr" => flags.inet6_cidr = true,
            _ => {}
        }
    }
}

/// An interface that must be there.
fn existing(state: &State, name: &str) -> Step<Interface> {
    interface::load(state, name)?.ok_or_else(|| Exit::new(1, format!("ifconfig: interface {name} does not exist")))
}

/// Prints the names of a group, one a line: as they came, but the second half of an epair before the first.
fn list_group(state: &State, group: &str) -> Step<()> {
    let all = interface::all(state)?;
    let mut members: Vec<&Interface> = all.iter().filter(|one| one.in_group(group)).collect();
    if group == Kind::Epair.name() {
        let pair = |one: &Interface| halves_of(&all, one.unit).map(|half| half.born).min();
        members.sort_by_key(|one| (pair(one), std::cmp::Reverse(one.born)));
    }
    members.iter().for_each(|one| say(format!("{}\n", one.name)));
    Ok(())
}

/// The halves of an epair.
fn halves_of(all: &[Interface], unit: Option<u32>) -> impl Iterator<Item = &Interface> {
    all.iter().filter(move |one| one.kind == Kind::Epair && one.unit == unit)
}

fn view<'a>(host: &Host, flags: &Flags, all: &'a [Interface], family: Option<Family>) -> View<'a> {
    let formats = flags.formats(host.release);
    View { release: host.release, all, formats, family, has_media: flags.has('m'), now: host.now }
}

fn show(host: &Host, flags: &Flags, name: &str, family: Option<Family>) -> Step<()> {
    existing(host.state, name)?;
    let all = interface::all(host.state)?;
    let view = view(host, flags, &all, family);
    all.iter().filter(|one| one.name == name).for_each(|one| say(view.interface(one)));
    Ok(())
}

fn list(host: &Host, flags: &Flags, word: Option<&String>) -> Step<()> {
    let unknown = |word: &String| Exit::new(1, format!("ifconfig: Address family '{word}' unknown.\n{}", host.usage()));
    let family = word.map(|word| family(word).ok_or_else(|| unknown(word))).transpose()?;
    let all = interface::all(host.state)?;
    let wanted = all.iter().filter(|one| {
        (!flags.has('u') || one.up)
            && (!flags.has('d') || !one.up)
            && flags.group.as_ref().is_none_or(|group| one.in_group(group))
            && flags.without.as_ref().is_none_or(|group| !one.in_group(group))
    });
    if flags.has('l') {
        let is_of = |one: &&Interface| match (word.map(String::as_str), family) {
            (Some("ether"), _) => one.kind != Kind::Lo,
            (_, Some(Family::Inet)) => one.inet().next().is_some(),
            (_, Some(Family::Inet6)) => one.inet6().next().is_some(),
            _ => true,
        };
        let names: Vec<&str> = wanted.filter(is_of).map(|one| one.name.as_str()).collect();
        say(format!("{}\n", names.join(" ")));
    } else {
        let view = view(host, flags, &all, family);
        wanted.for_each(|one| say(view.interface(one)));
    }
    Ok(())
}

/// Creates or changes one interface.
fn configure(host: &Host, name: &str, words: &[String]) -> Step<()> {
    let known = interface::load(host.state, name)?.is_some();
    let creates = words.first().is_some_and(|word| word == "create" || word == "plumb");
    let mut target = words::Target::new(host, name);
    let result = match (known, creates, words) {
        (false, true, [_, rest @ ..]) => {
            clone::create(host, name, rest).and_then(|(made, rest)| target.created(&made, rest))
        }
        (true, true, [_]) => Err(Exit::new(1, format!("ifconfig: interface {name} already exists"))),
        // Words behind `create` apply to an interface that was there before.
        (true, true, [_, rest @ ..]) => target.apply(rest),
        // Known before the interface is looked for, which is elsewhere.
        (_, false, [word, jail]) if word == "-vnet" => vnet::reclaim(host, name, jail),
        _ => existing(host.state, name).and_then(|_| target.apply(words)),
    };
    target.announce();
    result
}

#[cfg(test)]
mod tests {
    use super::{Mask, parse};
    use crate::release::Release;

    const RELEASE: Release = Release::newest(15);

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn flags_end_where_the_interface_begins() {
        let args = words("-f inet:cidr tap0 group x");
        let (flags, rest) = parse(&args, RELEASE).unwrap();
        assert!(flags.inet == Some(Mask::Cidr) && rest.len() == 3);
    }

    #[test]
    fn a_group_may_be_glued_to_its_flag() {
        let group = |line| parse(&words(line), RELEASE).unwrap().0.group;
        assert_eq!(group("-gvmrun"), group("-g vmrun"));
    }

    #[test]
    fn contradicting_and_foreign_flags_are_usage_errors() {
        let wrong = |line, release| parse(&words(line), release).unwrap_err();
        assert_eq!(wrong("-a -l", RELEASE), "");
        assert_eq!(wrong("-Z", RELEASE), "ifconfig: illegal option -- Z");
        assert_eq!(wrong("-g", RELEASE), "ifconfig: option requires an argument -- g");
        assert!(parse(&words("-G vmrun"), RELEASE).is_ok());
        assert_eq!(wrong("-G vmrun", Release::new(13, 2)), "ifconfig: illegal option -- G");
    }
}
