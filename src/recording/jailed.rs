//! Machines that a script boots in a jail: by jexec(8) in one that is there, by jail(8) in one that is made for it.

use super::{Call, Recording, base_name};
use crate::diag::Fault;
use crate::model::{Jail, JailName};

/// A boot in a jail, as a script has it called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jailed {
    /// What runs it, as [`Call::carriers`] has it: `jexec=web`, `jail=web`, `jail+vnet=web`.
    pub(crate) carrier: String,
    /// bhyve's own command line.
    pub(crate) argv: Vec<String>,
}

/// The beginnings of the carriers that are jails, and what they say of one: whether it is made, and has a network of its own.
const CARRIERS: &[(&str, bool, bool)] = &[("jexec=", false, false), ("jail=", true, false), ("jail+vnet=", true, true)];

/// The parameters of jail(8) that one has which vmrun makes; its host name is told by vmrun, and nobody asks for it.
const USUAL: &[&str] = &["path=/", "allow.vmm", "allow.vmm=1", "ip4=inherit", "ip6=inherit", "vnet", "vnet=new"];

/// The options of jexec(8) that have an argument; `-d` and `-e` are of newer ones (from memory).
const OF_JEXEC: &[char] = &['u', 'U', 'd', 'e'];

/// The options of jail(8) that have an argument (from memory).
const OF_JAIL: &[char] = &['e', 'f', 'J', 'n', 'p', 's', 'u', 'U'];

/// Returns the boot of a machine in a jail, if a call is one that a recipe can say: nobody but root boots it (`jexec -u`), and the jail is as
/// vmrun makes it, and goes with the machine.
pub(crate) fn jailed(words: &[String]) -> Option<Jailed> {
    read(words)?.ok()
}

/// Returns the boot of a machine in a jail, or why no recipe says it; nothing if a call boots none in one.
fn read(words: &[String]) -> Option<Result<Jailed, JailGap>> {
    let (program, args) = words.split_first()?;
    match base_name(program) {
        "jexec" => entered(args),
        "jail" => made(args),
        _ => None,
    }
}

/// Whether a word of a command is bhyve, or a line that calls it.
fn is_bhyve(word: &str) -> bool {
    word.trim_start_matches("command=").split([' ', ';', '|', '&']).any(|word| base_name(word) == "bhyve")
}

/// Reads the arguments of jexec(8).
fn entered(args: &[String]) -> Option<Result<Jailed, JailGap>> {
    let (options, rest) = options(args, OF_JEXEC);
    let (name, command) = rest.split_first()?;
    command.iter().any(|word| is_bhyve(word)).then(|| {
        let unusual: Vec<String> = options.into_iter().filter(|option| option != "-l").collect();
        boot(("jexec=", name), (!unusual.is_empty()).then_some(Unsaid::Words(unusual)), command.to_vec())
    })
}

/// Reads the arguments of jail(8).
fn made(args: &[String]) -> Option<Result<Jailed, JailGap>> {
    let is_command = |word: &String| word.starts_with("command=");
    let at = args.iter().position(is_command).or_else(|| args.iter().position(|word| is_bhyve(word)))?;
    let (before, command) = args.split_at(at);
    if !command.iter().any(|word| is_bhyve(word)) {
        return None;
    }
    let (options, parameters) = options(before, OF_JAIL);
    let Some(name) = parameters.iter().find_map(|word| word.strip_prefix("name=")) else {
        return Some(Err(JailGap::Unnamed));
    };
    let is_usual = |word: &&String| {
        USUAL.contains(&word.as_str()) || word.starts_with("name=") || word.starts_with("host.hostname=")
    };
    let options = options.into_iter().filter(|flag| !["-c", "-q", "-qc", "-cq"].contains(&flag.as_str()));
    let mut unusual: Vec<String> = options.chain(parameters.iter().filter(|word| !is_usual(word)).cloned()).collect();
    let mut command = command.to_vec();
    let first = command.first_mut()?;
    match first.strip_prefix("command=") {
        Some(program) => *first = program.into(),
        // It is run by another parameter, as `exec.start=`, or stands there as of old.
        None => unusual.push(first.clone()),
    }
    let lacks = ["path=/", "allow.vmm"].into_iter().find(|word| !parameters.iter().any(|one| one.starts_with(word)));
    let why = (!unusual.is_empty()).then_some(Unsaid::Words(unusual)).or(lacks.map(Unsaid::Lacks));
    let begin = if parameters.iter().any(|word| word.starts_with("vnet")) { "jail+vnet=" } else { "jail=" };
    Some(boot((begin, name), why, command))
}

/// Returns the options before the first word that is none, each with its argument, and the words from there.
fn options<'a>(args: &'a [String], with_argument: &[char]) -> (Vec<String>, &'a [String]) {
    let (mut found, mut rest) = (Vec::new(), args);
    while let Some((option, after)) = rest.split_first().filter(|(word, _)| word.starts_with('-')) {
        rest = after;
        // An argument may be in the same word, as in `-uroot`.
        let is_open = option.find(with_argument).is_some_and(|at| at + 1 == option.len());
        match rest.split_first().filter(|_| is_open) {
            Some((argument, after)) => {
                found.push(format!("{option} {argument}"));
                rest = after;
            }
            None => found.push(option.clone()),
        }
    }
    (found, rest)
}

/// Returns a boot, but where its jail has no name that a recipe may say, or something is unusual.
fn boot((begin, name): (&str, &str), why: Option<Unsaid>, argv: Vec<String>) -> Result<Jailed, JailGap> {
    let jail = name.parse::<JailName>().map_err(JailGap::Misnamed)?.to_string();
    let program = argv.first().map(String::as_str).unwrap_or_default();
    let other = (base_name(program) != "bhyve").then(|| Unsaid::Runs(program.into()));
    match why.or(other) {
        Some(why) => Err(JailGap::Unrecorded { jail, why }),
        None => Ok(Jailed { carrier: format!("{begin}{jail}"), argv }),
    }
}

/// Returns the jail that a carrier is.
fn jail(carrier: &str) -> Option<Jail> {
    CARRIERS.iter().find_map(|(begin, is_made, has_network)| {
        let name = carrier.strip_prefix(begin)?.parse().ok()?;
        Some(Jail { name, is_made: *is_made, has_network: *has_network })
    })
}

/// Whether a carrier is a jail.
pub(crate) fn is_jail(carrier: &str) -> bool {
    jail(carrier).is_some()
}

impl Call {
    /// Returns the jail in which a call of bhyve boots its machine.
    pub(crate) fn jail(&self) -> Option<Jail> {
        self.carriers.split(' ').find_map(jail)
    }
}

/// Why no recipe says how a machine is booted in a jail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsaid {
    /// These options and parameters are not what vmrun has.
    Words(Vec<String>),
    /// The jail is made without a parameter that vmrun's have.
    Lacks(&'static str),
    /// It runs another program, which calls bhyve.
    Runs(String),
}

/// What a script does with jails that no recipe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JailGap {
    /// It boots a machine in a jail, by a command that is not recorded.
    Unrecorded {
        /// The jail.
        jail: String,
        /// The reason.
        why: Unsaid,
    },
    /// It boots a machine in a jail that has no name.
    Unnamed,
    /// It boots a machine in a jail by what is no name of one that a recipe may say, as its number.
    Misnamed(Fault),
    /// It makes the jail itself, and boots the machine in it.
    Made(String),
    /// The machine has a card there, which vmrun would bring there by itself.
    Card {
        /// The jail.
        jail: String,
        /// The tap.
        tap: String,
    },
}

/// Returns what a recording has of it.
pub(crate) fn gap(recording: &Recording) -> Option<JailGap> {
    let calls = || recording.calls.iter().filter(|call| !call.reads);
    if let Some(gap) = calls().find_map(|call| read(&call.argv)?.err()) {
        return Some(gap);
    }
    let (call, jail) = calls().find_map(|call| call.jail().map(|jail| (call, jail)))?;
    let name = jail.name.to_string();
    let is_own =
        |call: &Call| call.program() == "jail" && call.args().iter().any(|word| *word == format!("name={name}"));
    if calls().any(is_own) {
        return Some(JailGap::Made(name));
    }
    let taps = call.args().iter().flat_map(|word| word.split([',', '=']));
    let is_tap = |word: &&str| {
        ["tap", "vmnet"].iter().any(|stem| {
            word.strip_prefix(stem).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    taps.into_iter().find(is_tap).map(|tap| JailGap::Card { jail: name, tap: tap.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(String::from).collect()
    }

    #[test]
    fn a_boot_in_a_jail_is_one_that_a_recipe_can_say() {
        let cases = [
            ("jexec web bhyve -c 1 a", Some("jexec=web bhyve -c 1 a")),
            ("/usr/sbin/jexec -l web /usr/sbin/bhyve a", Some("jexec=web /usr/sbin/bhyve a")),
            ("jail -c name=web path=/ allow.vmm command=bhyve -c 1 a", Some("jail=web bhyve -c 1 a")),
            (
                "jail -qc vnet name=w path=/ allow.vmm=1 host.hostname=x command=/usr/sbin/bhyve a",
                Some("jail+vnet=w /usr/sbin/bhyve a"),
            ),
            ("jexec -u root web bhyve a", None),
            ("jexec 7 bhyve a", None),
            ("jexec web ls", None),
            ("jail -c name=web path=/ persist allow.vmm command=bhyve a", None),
            ("jail -c name=web path=/j allow.vmm command=bhyve a", None),
            ("jail -c name=web path=/ command=bhyve a", None),
            ("jail -c name=web path=/ allow.vmm", None),
        ];
        for (line, expected) in cases {
            let found = jailed(&words(line)).map(|found| format!("{} {}", found.carrier, found.argv.join(" ")));
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn what_no_recipe_says_of_jails_is_found() {
        let boot = |line: &str| Call { argv: words(line), carriers: "daemon jexec=web".into(), ..Call::default() };
        let call = |line: &str| Call { argv: words(line), ..Call::default() };
        let gap = |calls: Vec<Call>| gap(&Recording { calls, ..Recording::default() });
        assert_eq!(gap(vec![boot("bhyve -s 2,virtio-blk,/a a")]), None);
        assert_eq!(
            boot("bhyve a").jail().map(|jail| (jail.name.to_string(), jail.is_made)),
            Some(("web".into(), false))
        );
        let card = JailGap::Card { jail: "web".into(), tap: "tap3".into() };
        assert_eq!(gap(vec![boot("bhyve -s 2,virtio-net,tap3,mac=x a")]), Some(card));
        assert_eq!(gap(vec![call("jail -c name=web persist"), boot("bhyve a")]), Some(JailGap::Made("web".into())));
        for line in ["jexec web ls", "jexec bhyve", "echo web bhyve", "jail -c name=web persist"] {
            assert_eq!(gap(vec![call(line)]), None, "{line}");
        }
    }

    #[test]
    fn why_a_boot_in_a_jail_is_not_recorded_is_found() {
        let why = |line: &str| match read(&line.split(' ').map(|word| word.replace('_', " ")).collect::<Vec<_>>()) {
            Some(Err(JailGap::Unrecorded { jail, why })) => format!("{jail}: {why:?}"),
            Some(Err(JailGap::Unnamed)) => "unnamed".into(),
            Some(Err(JailGap::Misnamed(fault))) => fault.message,
            other => format!("{other:?}"),
        };
        let cases = [
            ("jexec -l -U root web /usr/sbin/bhyve a", r#"web: Words(["-U root"])"#),
            ("jexec -lu root -d /x web bhyve a", r#"web: Words(["-lu root", "-d /x"])"#),
            ("jexec -uroot web bhyve a", r#"web: Words(["-uroot"])"#),
            ("jexec web sh -c exec_bhyve_a", r#"web: Runs("sh")"#),
            ("jexec 5 bhyve a", r#""5" is not the name of a jail"#),
            ("jexec a_b bhyve a", r#""a b" is not the name of a jail"#),
            ("jail -c name=web persist command=/usr/sbin/bhyve a", r#"web: Words(["persist"])"#),
            (
                "jail -f /j.conf -c name=web path=/j vnet=inherit command=bhyve",
                r#"web: Words(["-f /j.conf", "path=/j", "vnet=inherit"])"#,
            ),
            ("jail -c name=web path=/ command=bhyve a", r#"web: Lacks("allow.vmm")"#),
            ("jail -c name=web path=/ allow.vmm command=sh -c bhyve_a", r#"web: Runs("sh")"#),
            (
                "jail -c name=web path=/ allow.vmm exec.start=/usr/sbin/bhyve_a",
                r#"web: Words(["exec.start=/usr/sbin/bhyve a"])"#,
            ),
            ("jail -c path=/ allow.vmm command=bhyve name=x", "unnamed"),
            ("jail -c name=5 path=/ allow.vmm command=bhyve a", r#""5" is not the name of a jail"#),
            ("jexec -u", "None"),
            ("jail -c", "None"),
        ];
        for (line, expected) in cases {
            assert_eq!(why(line), expected, "{line}");
        }
    }
}
