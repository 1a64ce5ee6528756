//! Machines that a script boots in a jail: by jexec(8) in one that is there, by jail(8) in one that is made for it.

use super::{Call, Recording, base_name};
use crate::model::Jail;

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

/// Returns the boot of a machine in a jail, if a call is one that a recipe can say: nobody but root boots it (`jexec -u`), and the jail is as
/// vmrun makes it, and goes with the machine.
pub(crate) fn jailed(words: &[String]) -> Option<Jailed> {
    let (program, args) = words.split_first()?;
    let (carrier, boot) = match base_name(program) {
        "jexec" => {
            let mut rest = args.iter().skip_while(|word| *word == "-l");
            (format!("jexec={}", rest.next()?), rest.cloned().collect::<Vec<String>>())
        }
        "jail" => {
            let at = args.iter().position(|word| word.starts_with("command="))?;
            let (parameters, command) = args.split_at(at);
            let (flags, parameters): (Vec<&String>, Vec<&String>) =
                parameters.iter().partition(|word| word.starts_with('-'));
            let name = parameters.iter().find_map(|word| word.strip_prefix("name="))?;
            let is_usual = |word: &&String| {
                USUAL.contains(&word.as_str()) || word.starts_with("name=") || word.starts_with("host.hostname=")
            };
            let is_made = flags.iter().all(|flag| ["-c", "-q", "-qc", "-cq"].contains(&flag.as_str()));
            let is_whole =
                ["path=/", "allow.vmm"].iter().all(|word| parameters.iter().any(|one| one.starts_with(word)));
            if !is_made || !is_whole || !parameters.iter().all(is_usual) {
                return None;
            }
            let vnet = if parameters.iter().any(|word| word.starts_with("vnet")) { "+vnet" } else { "" };
            let mut command = command.to_vec();
            let first = command.first_mut()?;
            *first = first.strip_prefix("command=")?.into();
            (format!("jail{vnet}={name}"), command)
        }
        _ => return None,
    };
    let is_boot = boot.first().is_some_and(|word| base_name(word) == "bhyve") && jail(&carrier).is_some();
    is_boot.then_some(Jailed { carrier, argv: boot })
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

/// What a script does with jails that no recipe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JailGap {
    /// It boots a machine in a jail, by a command that is not recorded.
    Unrecorded(String),
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
    if let Some(name) = calls().find_map(unrecorded) {
        return Some(JailGap::Unrecorded(name));
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

/// Returns the jail of a boot that is not recorded.
fn unrecorded(call: &Call) -> Option<String> {
    let args = call.args();
    let is_bhyve = |word: &String| {
        word.trim_start_matches("command=").split([' ', ';', '|', '&']).any(|word| base_name(word) == "bhyve")
    };
    let at = args.iter().position(is_bhyve)?;
    let mut words = args.get(..at)?.iter();
    match call.program() {
        "jail" => Some(args.iter().find_map(|word| word.strip_prefix("name=")).unwrap_or("without a name").to_string()),
        "jexec" => loop {
            // Its options, of which `-u` and `-U` have an argument (jexec(8)).
            match words.next()?.as_str() {
                "-u" | "-U" => drop(words.next()),
                word if word.starts_with('-') => {}
                name => return Some(name.into()),
            }
        },
        _ => None,
    }
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
        for line in ["jexec -l -U root web /usr/sbin/bhyve a", "jail -c name=web persist command=/usr/sbin/bhyve a"] {
            assert_eq!(gap(vec![call(line)]), Some(JailGap::Unrecorded("web".into())), "{line}");
        }
        for line in ["jexec web ls", "jexec bhyve", "echo web bhyve", "jail -c name=web persist"] {
            assert_eq!(gap(vec![call(line)]), None, "{line}");
        }
        let script = Call {
            argv: vec!["jexec".into(), "web".into(), "sh".into(), "-c".into(), "exec bhyve a".into()],
            ..Call::default()
        };
        assert_eq!(gap(vec![script]), Some(JailGap::Unrecorded("web".into())));
    }
}
