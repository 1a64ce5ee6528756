//! The flags of bhyve(8), a row for each, and getopt(3), which finds them.

use super::tree::veiled;
use crate::diag::Fault;
use crate::model::{Arch, Feature, Target};

/// A word that bhyve refuses while it reads its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub fault: Fault,
    /// The word, as an index of the arguments; 0 for the command line as a whole.
    pub arg: usize,
}

/// A flag of bhyve(8).
#[derive(Debug)]
pub(crate) struct Flag {
    /// The letter that getopt(3) takes, without its dash.
    pub letter: char,
    /// What its argument is, as bhyve(8) names it, if it takes one.
    pub argument: Option<&'static str>,
    /// Whether only bhyve on amd64 has it.
    pub amd64_only: bool,
    /// What bhyve has to have in order to understand it.
    pub feature: Option<Feature>,
    /// What it does.
    pub effect: Effect,
}

/// What a flag does to the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Sets a key to a value.
    Set(&'static str, &'static str),
    /// Sets a key to a value that it has anyway.
    Redundant(&'static str, &'static str),
    /// Sets a key to its argument.
    Store(&'static str),
    /// `-A`: sets `acpi_tables` before FreeBSD 15.0, and nothing since.
    Acpi,
    /// Nothing.
    Ignored,
    /// Prints how bhyve is used, and ends.
    Help,
    /// `-c`.
    Topology,
    /// `-f`.
    FwCfg,
    /// `-G`.
    Gdb,
    /// `-k`.
    File,
    /// `-l`.
    Lpc,
    /// `-n`.
    Numa,
    /// `-o`.
    Option,
    /// `-p`.
    Pin,
    /// `-s`.
    Slot,
    /// The bhyve that is known here never takes it: why, and the way out.
    Gone(&'static str, &'static str),
}

impl Flag {
    const fn without_argument(letter: char, effect: Effect) -> Self {
        Self { letter, argument: None, amd64_only: false, feature: None, effect }
    }

    const fn with(letter: char, argument: &'static str, effect: Effect) -> Self {
        Self { argument: Some(argument), ..Self::without_argument(letter, effect) }
    }

    const fn amd64(self) -> Self {
        Self { amd64_only: true, ..self }
    }

    const fn needs(self, feature: Feature) -> Self {
        Self { feature: Some(feature), ..self }
    }

    /// Finds a flag by its letter.
    pub(crate) fn named(letter: char) -> Option<&'static Self> {
        FLAGS.iter().find(|flag| flag.letter == letter)
    }

    /// Refuses a flag that a bhyve does not have.
    pub(crate) fn check(&self, target: Target) -> Result<(), Fault> {
        let flag = self.letter;
        if let Effect::Gone(why, hint) = self.effect {
            return Err(Fault::new(format!("`-{flag}` {why}")).hint(hint));
        }
        if self.amd64_only && target.arch != Arch::Amd64 {
            let fault = Fault::new(format!("there is no `-{flag}` on {}", target.arch));
            return Err(fault.hint("bhyve has it on amd64 only"));
        }
        match self.feature {
            Some(feature) if !target.has(feature) => {
                let fault = Fault::new(format!("there is no `-{flag}` in {}", target.release));
                Err(fault.hint(format!("it comes with {}", feature.since())))
            }
            _ => Ok(()),
        }
    }
}

const SNAPSHOT: Effect = Effect::Gone(
    "is only in a bhyve that was built WITH_BHYVE_SNAPSHOT",
    "leave it out: that is off by default, and its format is not stable",
);

const ILLUMOS: Effect = Effect::Gone("is a flag of illumos' bhyve, not of FreeBSD's", "leave it out");

/// Every flag, in the order of the alphabet.
pub(crate) const FLAGS: &[Flag] = &[
    Flag::without_argument('A', Effect::Acpi).amd64(),
    Flag::without_argument('a', Effect::Redundant("x86.x2apic", "false")).amd64(),
    Flag::with('B', "smbios", ILLUMOS),
    Flag::without_argument('b', Effect::Gone("was removed with the console that it made", "use `-l com1,...`")),
    Flag::without_argument('C', Effect::Set("memory.guest_in_core", "true")),
    Flag::with('c', "topology", Effect::Topology),
    Flag::without_argument('D', Effect::Set("destroy_on_poweroff", "true")),
    Flag::without_argument('d', ILLUMOS),
    Flag::without_argument('e', Effect::Set("x86.strictio", "true")).amd64(),
    Flag::with('f', "fw_cfg item", Effect::FwCfg).amd64(),
    Flag::with('G', "gdb port", Effect::Gdb).amd64(),
    Flag::with('g', "port", Effect::Gone("was removed with the debug port that it made", "use `-G PORT`")),
    Flag::without_argument('H', Effect::Set("x86.vmexit_on_hlt", "true")).amd64(),
    Flag::without_argument('h', Effect::Help),
    Flag::without_argument('I', Effect::Ignored).amd64(),
    Flag::with('K', "keyboard layout", Effect::Store("keyboard.layout")).amd64(),
    Flag::with('k', "configuration file", Effect::File),
    Flag::with('l', "LPC device", Effect::Lpc).amd64(),
    Flag::without_argument('M', Effect::Set("monitor", "true")).amd64().needs(Feature::Monitor),
    Flag::with('m', "memory size", Effect::Store("memory.size")),
    Flag::with('n', "NUMA domain", Effect::Numa).amd64().needs(Feature::Domains),
    Flag::with('o', "KEY=VALUE", Effect::Option),
    Flag::without_argument('P', Effect::Set("x86.vmexit_on_pause", "true")).amd64(),
    Flag::with('p', "VCPU:HOSTCPU", Effect::Pin),
    Flag::with('r', "snapshot", SNAPSHOT),
    Flag::without_argument('S', Effect::Set("memory.wired", "true")),
    Flag::with('s', "slot", Effect::Slot),
    Flag::with('U', "UUID", Effect::Store("uuid")),
    Flag::without_argument('u', Effect::Set("rtc.use_localtime", "false")).amd64(),
    Flag::without_argument('W', Effect::Set("virtio_msix", "false")),
    Flag::without_argument('w', Effect::Set("x86.strictmsr", "false")).amd64(),
    Flag::without_argument('x', Effect::Set("x86.x2apic", "true")).amd64(),
    Flag::without_argument('Y', Effect::Set("x86.mptable", "false")).amd64(),
];

/// A flag that is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) flag: &'static Flag,
    /// Its argument, empty if it takes none.
    pub(super) argument: &'a str,
    /// The word that holds the argument, or else the flag.
    pub(super) at: usize,
}

impl Given<'_> {
    /// Returns the flag with its argument as people may see it.
    pub(super) fn shown(&self) -> String {
        let letter = self.flag.letter;
        match (self.flag.argument, self.argument) {
            (None, _) => format!("`-{letter}`"),
            (Some(_), "") => format!("`-{letter} ''`"),
            (Some(_), argument) => format!("`-{letter} {}`", veiled(argument)),
        }
    }
}

/// Finds the flags as getopt(3) does, from the word `at` on: flags cluster, an argument may be glued to its flag, the first word
/// that is no flag ends them, and so does `--`. Returns them and the word after the last.
pub(super) fn getopt(args: &[String], mut at: usize) -> (Vec<Given<'_>>, Result<usize, Refusal>) {
    let mut found = Vec::new();
    while let Some(word) = args.get(at) {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            break;
        };
        if letters == "-" {
            return (found, Ok(at + 1));
        }
        match cluster(args, at, letters, &mut found) {
            Ok(next) => at = next,
            Err(refusal) => return (found, Err(refusal)),
        }
    }
    (found, Ok(at))
}

/// Returns the letters of the flags that are given, each with the word that holds its argument, or else itself, as an index of the
/// arguments; the program's name may come first.
pub(crate) fn letters(args: &[String]) -> Vec<(char, usize)> {
    let program = args.first().is_some_and(|word| word.rsplit('/').next() == Some("bhyve"));
    getopt(args, usize::from(program)).0.iter().map(|given| (given.flag.letter, given.at)).collect()
}

/// Reads the letters of one word, and the argument that the last of them takes. Returns the next word.
fn cluster<'a>(args: &'a [String], at: usize, letters: &'a str, found: &mut Vec<Given<'a>>) -> Result<usize, Refusal> {
    for (place, letter) in letters.char_indices() {
        let Some(flag) = Flag::named(letter) else {
            let word =
                if letters.len() > letter.len_utf8() { format!(" in `-{}`", veiled(letters)) } else { String::new() };
            let shown = letter.escape_debug();
            let fault = Fault::new(format!("bhyve has no flag `-{shown}`{word}")).hint("bhyve(8) lists them");
            return Err(Refusal { fault, arg: at });
        };
        let Some(argument) = flag.argument else {
            found.push(Given { flag, argument: "", at });
            continue;
        };
        let glued = letters.get(place + letter.len_utf8()..).unwrap_or_default();
        let (argument, at) = match (glued, args.get(at + 1)) {
            ("", Some(next)) => (next.as_str(), at + 1),
            ("", None) => {
                let fault = Fault::new(format!("`-{letter}` has no argument"));
                return Err(Refusal { fault: fault.hint(format!("its {argument} follows it")), arg: at });
            }
            (glued, _) => (glued, at),
        };
        found.push(Given { flag, argument, at });
        return Ok(at + 1);
    }
    Ok(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Release;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_string).collect()
    }

    fn found(line: &str) -> String {
        let args = words(line);
        let (found, rest) = getopt(&args, 0);
        let flags: Vec<String> = found.iter().map(|given| format!("{}@{}", given.shown(), given.at)).collect();
        let rest = rest.map_or_else(|refusal| refusal.fault.to_string(), |rest| args[rest..].join(" "));
        format!("{} | {rest}", flags.join(" "))
    }

    #[test]
    fn flags_cluster_and_the_first_operand_ends_them() {
        assert_eq!(found("-HPc2 -m 1G vm -w"), "`-H`@0 `-P`@0 `-c 2`@0 `-m 1G`@2 | vm -w");
        assert_eq!(found("-w -- -vm"), "`-w`@0 | -vm");
        assert_eq!(found("- -w"), " | - -w");
        assert_eq!(found("-s -w -c"), "`-s -w`@1 | `-c` has no argument");
        assert_eq!(found("-wqS x"), "`-w`@0 | bhyve has no flag `-q` in `-wqS`");
        assert_eq!(found("-é"), " | bhyve has no flag `-é`");
    }

    #[test]
    fn a_bhyve_that_lacks_a_flag_says_so() {
        let message = |letter, arch, release| {
            let fault = Flag::named(letter).unwrap().check(Target { arch, release }).unwrap_err();
            format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
        };
        assert_eq!(
            message('n', Arch::Amd64, Release::V14_5),
            "there is no `-n` in FreeBSD 14.5 | it comes with FreeBSD 15.0"
        );
        assert_eq!(
            message('M', Arch::Amd64, Release::V15_1),
            "there is no `-M` in FreeBSD 15.1 | it comes with FreeBSD 16"
        );
        assert_eq!(message('u', Arch::Arm64, Release::V16), "there is no `-u` on arm64 | bhyve has it on amd64 only");
        assert_eq!(
            message('b', Arch::Amd64, Release::V15_1),
            "`-b` was removed with the console that it made | use `-l com1,...`"
        );
    }

    #[test]
    fn the_flags_are_those_of_bhyves_option_strings() {
        let letters = |arch, release| {
            let has = |flag: &&Flag| flag.check(Target { arch, release }).is_ok();
            let mut letters: Vec<char> = FLAGS.iter().filter(has).map(|flag| flag.letter).collect();
            letters.sort_unstable();
            letters.into_iter().collect::<String>()
        };
        assert_eq!(letters(Arch::Amd64, Release::V14_5), "ACDGHIKPSUWYacefhklmopsuwx");
        assert_eq!(letters(Arch::Amd64, Release::V16), "ACDGHIKMPSUWYacefhklmnopsuwx");
        assert_eq!(letters(Arch::Riscv64, Release::V15_1), "CDSUWchkmops");
    }
}
