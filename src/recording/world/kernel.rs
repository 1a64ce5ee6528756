//! The kernel's modules and variables, and the programs of which only the call matters.

use super::Answer;
use std::collections::{BTreeMap, BTreeSet};

/// The variables that scripts for virtual machines ask for, and what they are until they are set.
const VARIABLES: &[(&str, &str)] = &[
    ("hw.ncpu", "8"),
    ("hw.pagesize", "4096"),
    ("hw.physmem", "17179869184"),
    ("hw.vmm.maxcpu", "8"),
    ("hw.vmm.vmx.initialized", "1"),
    ("kern.ostype", "FreeBSD"),
    ("net.inet.ip.forwarding", "0"),
    ("net.link.bridge.inherit_mac", "0"),
    ("net.link.bridge.pfil_bridge", "0"),
    ("net.link.bridge.pfil_member", "0"),
    ("net.link.bridge.pfil_onlyip", "0"),
    ("net.link.tap.devfs_cloning", "1"),
    ("net.link.tap.up_on_open", "0"),
    ("net.link.tap.user_open", "0"),
];

/// What was loaded and set.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    modules: BTreeSet<String>,
    /// What the script has unloaded.
    unloaded: BTreeSet<String>,
    variables: BTreeMap<String, String>,
}

impl Kernel {
    /// Answers a call of kldload(8).
    pub(super) fn kldload(&mut self, args: &[&str]) -> Answer {
        for name in args.iter().filter(|arg| !arg.starts_with('-')) {
            self.modules.insert(module(name));
            self.unloaded.remove(&module(name));
        }
        Answer::done()
    }

    /// Answers a call of kldunload(8).
    pub(super) fn kldunload(&mut self, args: &[&str]) -> Answer {
        for name in args {
            self.modules.remove(&module(name));
            self.unloaded.insert(module(name));
        }
        Answer::done()
    }

    /// Answers a call of kldstat(8): every module that is asked for is loaded, as on a host where the script works.
    pub(super) fn kldstat(&self, args: &[&str]) -> Answer {
        let asked = args.windows(2).find_map(|pair| match pair {
            [option, name] if option.starts_with('-') && option.ends_with(['m', 'n']) => Some(*name),
            _ => None,
        });
        match asked {
            Some(name) if !self.unloaded.contains(&module(name)) => Answer::tells(""),
            Some(name) if args.iter().any(|arg| arg.starts_with("-q")) => {
                Answer { error: String::new(), ..Answer::no(1, name) }
            }
            Some(name) => Answer::no(1, format!("kldstat: can't find module {name}: No such file or directory")),
            None => {
                let usual = ["vmm", "nmdm"].map(String::from).into_iter().filter(|name| !self.unloaded.contains(name));
                let all: BTreeSet<String> = self.modules.iter().cloned().chain(usual).collect();
                let names =
                    std::iter::once("kernel".to_string()).chain(all.into_iter().map(|name| format!("{name}.ko")));
                let lines = names
                    .enumerate()
                    .map(|(at, name)| format!("{:2}    1 0xffffffff80200000   100000 {name}\n", at + 1));
                Answer::tells(format!("Id Refs Address                Size Name\n{}", lines.collect::<String>()))
            }
        }
    }

    /// Answers a call of sysctl(8).
    pub(super) fn sysctl(&mut self, args: &[&str]) -> Answer {
        let only_values = args.iter().any(|arg| arg.starts_with('-') && arg.contains('n'));
        let (given, asked): (Vec<&str>, Vec<&str>) =
            args.iter().filter(|arg| !arg.starts_with('-')).partition(|arg| arg.contains('='));
        for (name, value) in given.iter().filter_map(|setting| setting.split_once('=')) {
            self.variables.insert(name.into(), value.into());
        }
        if !given.is_empty() {
            return Answer::done();
        }
        let mut text = String::new();
        for name in asked {
            let usual = || VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string());
            match self.variables.get(name).cloned().or_else(usual) {
                Some(value) if only_values => text.extend([value.as_str(), "\n"]),
                Some(value) => text.extend([name, ": ", value.as_str(), "\n"]),
                None => return Answer { output: text, ..Answer::no(1, format!("sysctl: unknown oid '{name}'")) },
            }
        }
        Answer::tells(text)
    }
}

fn module(name: &str) -> String {
    super::super::base_name(name).trim_end_matches(".ko").to_string()
}

/// Answers programs of which it is only told apart whether they ask: then nothing is there.
pub(super) fn administer(program: &str, args: &[&str]) -> Answer {
    let word = args.iter().find(|arg| !arg.starts_with('-')).copied().unwrap_or_default();
    let reads = match program {
        "ngctl" => ["list", "show", "types", "msg", "status"].contains(&word) && word != "msg",
        "vale-ctl" => args.is_empty() || args.iter().any(|arg| arg.starts_with("-l")),
        "pfctl" => args.iter().any(|arg| arg.starts_with("-s") || arg.starts_with("-n")),
        "gpart" => ["show", "list", "status", "backup"].contains(&word),
        "service" => {
            args.first().is_none_or(|arg| ["-e", "-l", "-r"].contains(arg))
                || args.get(1).is_some_and(|arg| ["status", "onestatus", "rcvar", "describe"].contains(arg))
        }
        "devctl" => word == "getpath",
        _ => false,
    };
    if reads { Answer::tells("") } else { Answer::done() }
}

#[cfg(test)]
mod tests {
    use super::super::{Setting, answers_of};

    #[test]
    fn a_module_is_loaded_until_the_script_unloads_it() {
        let lines = [
            "kldstat -q -m vmm",
            "kldload -n vmm.ko /boot/kernel/nmdm.ko",
            "kldstat -q -m vmm",
            "kldstat -qn nmdm",
            "kldunload vmm",
            "kldstat -q -m vmm",
            "kldstat",
        ];
        let list = "0 Id Refs Address                Size Name\n 1    1 0xffffffff80200000   100000 kernel\n \
                    2    1 0xffffffff80200000   100000 nmdm.ko";
        assert_eq!(answers_of(&Setting::default(), &lines), ["0", "0", "0", "0", "0", "1", list]);
    }

    #[test]
    fn a_variable_is_what_it_was_set_to() {
        let lines = [
            "sysctl -n hw.ncpu",
            "sysctl net.link.tap.up_on_open=1",
            "sysctl net.link.tap.up_on_open",
            "sysctl -n x.y",
        ];
        let expected = ["0 8", "0", "0 net.link.tap.up_on_open: 1", "1 sysctl: unknown oid 'x.y'"];
        assert_eq!(answers_of(&Setting::default(), &lines), expected);
    }
}
