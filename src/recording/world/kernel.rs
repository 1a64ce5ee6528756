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

/// The modules that scripts for virtual machines need.
const MODULES: &[&str] = &["if_bridge", "if_tuntap", "nmdm", "vmm"];

/// What was loaded and set.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    modules: BTreeSet<String>,
    /// Those that were unloaded, and whether all others are there.
    unloaded: BTreeSet<String>,
    has_modules: bool,
    variables: BTreeMap<String, String>,
    /// What was written into rc.conf(5).
    settings: BTreeMap<String, String>,
    /// The nodes of netgraph(4) that were given a name.
    nodes: BTreeSet<String>,
    /// The programs that go on by themselves.
    daemons: BTreeSet<String>,
    /// The services of rc(8) that were started, or stopped.
    services: BTreeMap<String, bool>,
}

impl Kernel {
    pub(super) fn new(has_modules: bool) -> Self {
        Self { has_modules, ..Self::default() }
    }

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

    /// Answers a call of kldstat(8). Of a script that loads modules only what it loaded is loaded, so that it shows all that it loads.
    pub(super) fn kldstat(&self, args: &[&str]) -> Answer {
        let asked = args.windows(2).find_map(|pair| match pair {
            [option, name] if option.starts_with('-') && option.ends_with(['m', 'n']) => Some(*name),
            _ => None,
        });
        match asked {
            Some(name) if self.modules.contains(&module(name)) => Answer::tells(""),
            Some(name) if self.has_modules && !self.unloaded.contains(&module(name)) => {
                Answer { made_up: Some(format!("the module {} is loaded", module(name))), ..Answer::tells("") }
            }
            Some(name) if args.iter().any(|arg| arg.starts_with("-q")) => {
                Answer { error: String::new(), ..Answer::no(1, name) }
            }
            Some(name) => Answer::no(1, format!("kldstat: can't find module {name}: No such file or directory")),
            None => {
                let assumed = MODULES.iter().filter(|name| self.has_modules && !self.unloaded.contains(**name));
                let assumed: BTreeSet<String> = assumed.map(ToString::to_string).collect();
                let names = std::iter::once("kernel")
                    .map(str::to_string)
                    .chain(assumed.union(&self.modules).map(|name| format!("{name}.ko")));
                let lines = names
                    .enumerate()
                    .map(|(at, name)| format!("{:2}    1 0xffffffff80200000   100000 {name}\n", at + 1));
                let text = format!("Id Refs Address                Size Name\n{}", lines.collect::<String>());
                let names: Vec<&str> = assumed.iter().map(String::as_str).collect();
                let made_up = (!names.is_empty()).then(|| format!("the modules {} are loaded", names.join(", ")));
                Answer { made_up, ..Answer::tells(text) }
            }
        }
    }

    /// Answers a call of service(8): what the script has not started does not run.
    pub(super) fn service(&mut self, args: &[&str]) -> Answer {
        let Some((name, rest)) = args.split_first().filter(|(name, _)| !name.starts_with('-')) else {
            return Answer::tells("");
        };
        let word = rest.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
        let plain = ["one", "force", "fast", "quiet"].iter().find_map(|mode| word.strip_prefix(mode)).unwrap_or(word);
        match plain {
            "status" if self.services.get(*name) == Some(&true) => Answer::tells(format!("{name} is running.\n")),
            // In the words of rc.subr(8).
            "status" => Answer {
                error: String::new(),
                ..Answer { output: format!("{name} is not running.\n"), ..Answer::no(1, "") }
            },
            "enabled" => Answer { made_up: Some(format!("the service {name} is enabled")), ..Answer::tells("") },
            "enable" | "disable" | "delete" => Answer::done(),
            "rcvar" | "describe" => Answer::tells(""),
            _ => {
                self.services.insert((*name).into(), plain != "stop");
                Answer::done()
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
        let mut made_up = None;
        for name in asked {
            let usual = || VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string());
            let value = self.variables.get(name).cloned().or_else(|| {
                let value = usual()?;
                made_up = Some(format!("{name} is {value}"));
                Some(value)
            });
            match value {
                Some(value) if only_values => text.extend([value.as_str(), "\n"]),
                Some(value) => text.extend([name, ": ", value.as_str(), "\n"]),
                None => return Answer { output: text, ..Answer::no(1, format!("sysctl: unknown oid '{name}'")) },
            }
        }
        Answer { made_up, ..Answer::tells(text) }
    }
}

impl Kernel {
    /// Answers a call of sysrc(8): what the script set is set, and nothing else.
    pub(super) fn sysrc(&mut self, args: &[&str]) -> Answer {
        let only_values = args.iter().any(|arg| arg.starts_with('-') && arg.contains('n'));
        let mut names = Vec::new();
        let mut words = args.iter();
        let mut sets = false;
        while let Some(word) = words.next() {
            match word.split_once('=') {
                _ if ["-f", "-j", "-R"].contains(word) => drop(words.next()),
                _ if word.starts_with('-') => sets |= word.contains('x'),
                Some((name, value)) => {
                    sets = true;
                    self.settings.insert(name.trim_end_matches(['+', '-']).into(), value.into());
                }
                None => names.push(*word),
            }
        }
        if sets || names.is_empty() {
            return Answer::done();
        }
        let mut text = String::new();
        for name in names {
            match self.settings.get(name) {
                Some(value) if only_values => text.extend([value.as_str(), "\n"]),
                Some(value) => text.extend([name, ": ", value.as_str(), "\n"]),
                None => return Answer { output: text, ..Answer::no(1, format!("sysrc: unknown variable '{name}'")) },
            }
        }
        Answer::tells(text)
    }
}

/// Answers a call of pkg(8): every package is there.
pub(super) fn pkg(args: &[&str]) -> Answer {
    let word = args.iter().find(|arg| !arg.starts_with('-')).copied().unwrap_or_default();
    let reads =
        ["", "info", "query", "search", "rquery", "version", "which", "stats", "check", "audit"].contains(&word);
    let made_up = Some(format!("`pkg {}` finds what it asks for", args.join(" ")));
    if reads { Answer { made_up, ..Answer::tells("") } } else { Answer::done() }
}

impl Kernel {
    /// Answers a call of ngctl(8): the nodes that the script named are there, and those of interfaces.
    pub(super) fn ngctl(&mut self, args: &[&str], is_interface: bool) -> Answer {
        let words: Vec<&str> = args.iter().filter(|arg| !arg.starts_with('-')).copied().collect();
        match words.as_slice() {
            ["name", _, name] => drop(self.nodes.insert((*name).into())),
            ["shutdown" | "kill", path] => drop(self.nodes.remove(node(path))),
            // In the words of ngctl(8), from memory; a script hangs on the status.
            ["info" | "show" | "status", path, ..] if !self.nodes.contains(node(path)) && !is_interface => {
                return Answer::no(71, "ngctl: send msg: No such file or directory");
            }
            ["info" | "show" | "status" | "list" | "ls" | "types" | "dot" | "help", ..] => return Answer::tells(""),
            ["msg", _, word, ..] if word.starts_with("get") => return Answer::tells(""),
            _ => {}
        }
        Answer::done()
    }

    /// Answers a program that goes on by itself.
    pub(super) fn start(&mut self, program: &str) -> Answer {
        self.daemons.insert(program.into());
        Answer::done()
    }

    /// Answers pkill(1) and killall(1).
    pub(super) fn end(&mut self, args: &[&str]) -> Answer {
        self.daemons.retain(|name| !args.contains(&name.as_str()));
        Answer::done()
    }

    /// Answers a call of pgrep(1): what the script has started runs, and nothing else.
    pub(super) fn pgrep(&self, args: &[&str]) -> Answer {
        let pattern = args.last().copied().unwrap_or_default();
        if self.daemons.iter().any(|name| pattern.contains(name.as_str())) {
            let is_quiet = args.iter().any(|arg| arg.starts_with('-') && arg.contains('q'));
            return Answer::tells(if is_quiet { "" } else { "4711\n" });
        }
        Answer { error: String::new(), ..Answer::no(1, "") }
    }
}

/// Returns the name of the node that a path begins with: `vmsw:`, `em0:lower`.
fn node(path: &str) -> &str {
    path.split_once(':').map_or(path, |(name, _)| name)
}

/// Answers a download, which changes nothing where it is printed.
pub(super) fn download(program: &str, args: &[&str]) -> Answer {
    let call: Vec<String> = std::iter::once(program).chain(args.iter().copied()).map(str::to_string).collect();
    if crate::recording::download::file(&call).is_some() { Answer::done() } else { Answer::tells("") }
}

fn module(name: &str) -> String {
    super::super::base_name(name).trim_end_matches(".ko").to_string()
}

/// Answers programs of which it is only told apart whether they ask: then nothing is there.
pub(super) fn administer(program: &str, args: &[&str]) -> Answer {
    let word = args.iter().find(|arg| !arg.starts_with('-')).copied().unwrap_or_default();
    let reads = match program {
        "vale-ctl" => args.is_empty() || args.iter().any(|arg| arg.starts_with("-l")),
        "pfctl" => args.iter().any(|arg| arg.starts_with("-s") || arg.starts_with("-n")),
        "gpart" => ["show", "list", "status", "backup"].contains(&word),
        "devctl" => word == "getpath",
        "rctl" => !args.iter().any(|arg| arg.starts_with("-a") || arg.starts_with("-r")),
        _ => false,
    };
    if reads { Answer::tells("") } else { Answer::done() }
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, answers_of};

    #[test]
    fn a_module_is_there_from_its_loading_to_its_unloading() {
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
        assert_eq!(answers_of(&Scenario::default(), &lines), ["1", "0", "0", "0", "0", "1", list]);
    }

    #[test]
    fn modules_are_there_where_the_script_loads_none() {
        let lines = ["kldstat -q -m vmm", "kldunload nmdm", "kldstat -qm nmdm", "kldstat"];
        let list = "0 Id Refs Address                Size Name\n 1    1 0xffffffff80200000   100000 kernel\n \
                    2    1 0xffffffff80200000   100000 if_bridge.ko\n 3    1 0xffffffff80200000   100000 if_tuntap.ko\n \
                    4    1 0xffffffff80200000   100000 vmm.ko";
        let setting = Scenario { has_modules: true, ..Scenario::default() };
        assert_eq!(answers_of(&setting, &lines), ["0", "0", "1", list]);
    }

    #[test]
    fn a_setting_of_rc_conf_is_what_the_script_set_and_packages_are_there() {
        let lines = [
            "sysrc vm_enable",
            "sysrc -f /etc/rc.conf vm_enable=YES vm_list+=web",
            "sysrc vm_enable",
            "sysrc -n vm_list",
            "sysrc -x vm_list",
            "pkg info -e vm-bhyve",
            "pkg install -y vm-bhyve",
        ];
        let expected = ["1 sysrc: unknown variable 'vm_enable'", "0", "0 vm_enable: YES", "0 web", "0", "0", "0"];
        assert_eq!(answers_of(&Scenario::default(), &lines), expected);
    }

    #[test]
    fn a_node_and_a_daemon_are_there_from_their_start_to_their_end() {
        let lines = [
            "ngctl info sw:",
            "ngctl mkpeer em0: bridge lower link0",
            "ngctl name em0:lower sw",
            "ngctl info sw:",
            "ngctl info em0:",
            "ngctl shutdown sw:",
            "ngctl show sw:",
            "pgrep -q dnsmasq",
            "dnsmasq -C /x",
            "pgrep dnsmasq",
            "pkill dnsmasq",
            "pgrep dnsmasq",
        ];
        let no = "71 ngctl: send msg: No such file or directory";
        let expected = [no, "0", "0", "0", "0", "0", no, "1", "0", "0 4711", "0", "1"];
        assert_eq!(answers_of(&Scenario::default(), &lines), expected);
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
        assert_eq!(answers_of(&Scenario::default(), &lines), expected);
    }
}
