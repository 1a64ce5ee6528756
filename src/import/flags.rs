//! Flags of bhyve as an import takes them: what contradicts itself, and what bhyve once had.

use crate::bhyve::flags::letters;
use crate::diag::Fault;
use crate::model::Size;

/// Returns the arguments that a bhyve of today has to be told, by their numbers, and what is said of those that are left out:
/// `-g 0`, the debug port of old scripts that makes none (bhyve(8) of FreeBSD 10 to 13), and `-S SLOT,DEVICE`, by which bhyve had a
/// legacy device before `-l` came (2013); today `-S` wires the guest's memory and has no argument.
pub(super) fn today(args: &[String]) -> (Vec<usize>, Vec<String>) {
    let (mut kept, mut notes): (Vec<usize>, Vec<String>) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(word) = args.get(at) {
        match args.get(at + 1).map(String::as_str) {
            Some(next) if word == "-S" && is_slot(next) => {
                notes.push(format!(
                    "`-S {next}` is left out: bhyve has no such slots any more, and `-l com1,…` makes the port"
                ));
                at += 2;
            }
            Some("0") if word == "-g" => {
                notes.push("`-g 0` is left out: it means no debug port, and `-g` was removed".into());
                at += 2;
            }
            _ => {
                kept.push(at);
                at += 1;
            }
        }
    }
    (kept, notes)
}

/// `31,uart,stdio`, `1:0,uart`
fn is_slot(word: &str) -> bool {
    let slot = word.split_once(',').map(|(slot, _)| slot).unwrap_or_default();
    !slot.is_empty() && slot.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

/// `-a` and `-x` say the opposite of each other, and the last wins.
pub(super) fn contradiction(args: &[String]) -> Option<(Fault, usize)> {
    let found: Vec<(char, usize)> =
        letters(args).into_iter().filter(|(letter, _)| matches!(letter, 'a' | 'x')).collect();
    let (first, _) = found.first()?;
    let (_, at) = found.iter().find(|(letter, _)| letter != first)?;
    Some((Fault::new("`-a` and `-x` contradict each other").hint("keep one of them: bhyve takes the last"), *at))
}

/// A `-m` that a later one overrides is never looked at by bhyve, and is wrong all the same if it is no size.
pub(super) fn overridden(args: &[String]) -> Vec<(Fault, usize)> {
    let mut sizes: Vec<usize> =
        letters(args).into_iter().filter(|(letter, _)| *letter == 'm').map(|(_, at)| at).collect();
    sizes.pop();
    let wrong = |at: usize| {
        let word = args.get(at)?;
        // The argument may stand in the word of its flag.
        let text = word.strip_prefix('-').map_or(word.as_str(), |flags| flags.split_once('m').map_or("", |(_, m)| m));
        let hint = "take it out: a later `-m` overrides it";
        Some((Size::memory(text).err()?.context("`-m`").hint(hint), at))
    };
    sizes.into_iter().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_old_scripts_say_and_bhyve_has_no_more_is_left_out() {
        let told = |line: &str| {
            let args: Vec<String> = line.split(' ').map(String::from).collect();
            let (kept, notes) = today(&args);
            (kept.iter().map(|at| args[*at].clone()).collect::<Vec<_>>().join(" "), notes.len())
        };
        assert_eq!(told("bhyve -g 0 -S 31,uart,stdio -S -m 1G a"), ("bhyve -S -m 1G a".into(), 2));
        assert_eq!(told("bhyve -g 1234 -S a"), ("bhyve -g 1234 -S a".into(), 0));
        assert_eq!(told("bhyve -S"), ("bhyve -S".into(), 0));
    }
}
