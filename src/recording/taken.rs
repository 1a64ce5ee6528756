//! What a call takes of the host, and what it gives back.

use super::call::Call;
use super::file_programs::FileCall;

/// One thing that is taken and can be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HostResource {
    Interface(String),
    Member { bridge: String, member: String },
    Node(String),
    MemoryDisk(String),
    Module(String),
    Mount(String),
    Dataset(String),
    File(String),
}

impl HostResource {
    /// Whether giving this back gives the other back too.
    fn frees(&self, other: &Self) -> bool {
        match (self, other) {
            // An interface that goes away leaves its bridge, and a bridge leaves its members.
            (Self::Interface(gone), Self::Member { bridge, member }) => gone == bridge || gone == member,
            // Either end of an epair takes the other along.
            (Self::Interface(gone), Self::Interface(taken)) => {
                gone == taken || (gone.starts_with("epair") && stem(gone) == stem(taken))
            }
            (Self::Dataset(gone), Self::Dataset(taken)) => {
                taken.strip_prefix(gone.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
            }
            _ => self == other,
        }
    }
}

fn stem(name: &str) -> &str {
    name.trim_end_matches(['a', 'b'])
}

/// Returns, for each call, the later one that gives back all that it took, by their places.
pub(crate) fn given_back(calls: &[&Call]) -> Vec<Option<usize>> {
    let gives: Vec<Vec<HostResource>> = calls.iter().map(|call| gives(call)).collect();
    let back = |at: usize, thing: &HostResource| {
        let later = gives.iter().enumerate().skip(at + 1);
        later.into_iter().find(|(_, gives)| gives.iter().any(|gone| gone.frees(thing))).map(|(at, _)| at)
    };
    calls
        .iter()
        .enumerate()
        .map(|(at, call)| {
            let ends: Option<Vec<usize>> = takes(call).iter().map(|thing| back(at, thing)).collect();
            ends.and_then(|ends| ends.into_iter().max())
        })
        .collect()
}

fn args(call: &Call) -> Vec<&str> {
    call.args().iter().map(String::as_str).collect()
}

fn takes(call: &Call) -> Vec<HostResource> {
    let args = args(call);
    match (call.program(), args.as_slice()) {
        _ if call.reads => Vec::new(),
        ("ifconfig", [name, words @ ..]) => {
            let printed = call.output.trim();
            let name = if printed.is_empty() { *name } else { printed };
            let made =
                matches!(words.first(), Some(&("create" | "plumb"))).then(|| HostResource::Interface(name.into()));
            made.into_iter().chain(members(name, words, "addm")).collect()
        }
        ("bhyve", _) => call.boots().map(|name| HostResource::Node(name.into())).into_iter().collect(),
        ("bhyveload" | "grub-bhyve", [.., name]) => vec![HostResource::Node((*name).into())],
        ("bhyvectl", _) if args.contains(&"--create") => node(&args),
        ("mdconfig", _) if !args.contains(&"-d") && !args.contains(&"-r") => {
            let unit = after(&args, "-u").unwrap_or(call.output.trim());
            vec![HostResource::MemoryDisk(unit.trim_start_matches("md").into())]
        }
        ("kldload", names) => modules(names),
        ("mount", [.., at]) => vec![HostResource::Mount((*at).into())],
        ("zfs", ["create" | "clone" | "snapshot" | "snap", .., name]) => vec![HostResource::Dataset((*name).into())],
        ("cp" | "install" | "ln" | "mkdir" | "touch", _) => files(call),
        _ => Vec::new(),
    }
}

fn gives(call: &Call) -> Vec<HostResource> {
    let args = args(call);
    match (call.program(), args.as_slice()) {
        ("ifconfig", [name, "destroy" | "unplumb", ..]) => vec![HostResource::Interface((*name).into())],
        ("ifconfig", [name, words @ ..]) => members(name, words, "deletem"),
        ("bhyvectl", _) if args.contains(&"--destroy") => node(&args),
        ("mdconfig", _) if args.contains(&"-d") => {
            let unit = after(&args, "-u").unwrap_or_default();
            vec![HostResource::MemoryDisk(unit.trim_start_matches("md").into())]
        }
        ("kldunload", names) => modules(names),
        ("umount", [.., at]) => vec![HostResource::Mount((*at).into())],
        ("zfs", ["destroy", .., name]) => vec![HostResource::Dataset((*name).into())],
        ("rm" | "rmdir", _) => files(call),
        _ => Vec::new(),
    }
}

fn files(call: &Call) -> Vec<HostResource> {
    let targets = FileCall::of(&call.argv).map(|call| call.targets).unwrap_or_default();
    targets.into_iter().map(|path| HostResource::File(path.into())).collect()
}

fn after<'a>(args: &[&'a str], option: &str) -> Option<&'a str> {
    args.windows(2).find_map(|pair| if let [word, value] = pair { (*word == option).then_some(*value) } else { None })
}

fn members(bridge: &str, words: &[&str], word: &str) -> Vec<HostResource> {
    let pairs =
        words.windows(2).filter_map(|pair| if let [w, member] = pair { (*w == word).then_some(*member) } else { None });
    pairs.map(|member| HostResource::Member { bridge: bridge.into(), member: member.into() }).collect()
}

fn node(args: &[&str]) -> Vec<HostResource> {
    node_of(args).map(|name| HostResource::Node(name.into())).into_iter().collect()
}

/// Returns the machine that bhyvectl(8) is told, `--vm=NAME` or `--vm NAME`.
pub(crate) fn node_of<'a>(args: &[&'a str]) -> Option<&'a str> {
    let joined = args.iter().find_map(|arg| arg.strip_prefix("--vm="));
    joined.or_else(|| after(args, "--vm"))
}

fn modules(names: &[&str]) -> Vec<HostResource> {
    let names = names.iter().filter(|name| !name.starts_with('-'));
    names.map(|name| HostResource::Module(super::base_name(name).trim_end_matches(".ko").into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(lines: &[&str]) -> Vec<Option<usize>> {
        let call = |line: &&str| {
            let (line, output) = line.split_once(" > ").unwrap_or((line, ""));
            Call { argv: line.split(' ').map(str::to_string).collect(), output: output.into(), ..Call::default() }
        };
        let calls: Vec<Call> = lines.iter().map(call).collect();
        given_back(&calls.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_is_taken_is_given_back_by_the_next_call_that_frees_it() {
        let lines = [
            "bhyvectl --destroy --vm=a",
            "ifconfig tap1 create",
            "ifconfig bridge2 addm tap1",
            "ifconfig bridge3 addm tap1",
            "bhyve -c 1 a",
            "ifconfig bridge3 deletem tap1",
            "bhyvectl --destroy --vm=a",
            "ifconfig tap1 destroy",
            "ifconfig tap1 create",
        ];
        assert_eq!(back(&lines), [None, Some(7), Some(7), Some(5), Some(6), None, None, None, None]);
    }

    #[test]
    fn a_call_that_takes_several_things_waits_for_the_last_of_them() {
        let lines = [
            "ifconfig bridge9 create addm em0",
            "kldload vmm nmdm",
            "kldunload vmm",
            "ifconfig bridge9 destroy",
            "kldunload nmdm.ko",
        ];
        assert_eq!(back(&lines), [Some(3), Some(4), None, None, None]);
        assert_eq!(back(&["kldload vmm nmdm", "kldunload vmm"]), [None, None]);
    }

    #[test]
    fn a_name_that_the_kernel_chose_is_known_from_the_answer() {
        let lines = [
            "ifconfig tap create > tap0",
            "ifconfig epair create > epair0a",
            "mdconfig -a -f x > md3",
            "mount -t msdosfs /dev/md3 /mnt",
            "zfs snapshot a/b@c",
            "zfs destroy -r a",
            "umount /mnt",
            "mdconfig -d -u 3",
            "ifconfig epair0b destroy",
            "ifconfig tap0 destroy",
        ];
        assert_eq!(back(&lines)[..5], [Some(9), Some(8), Some(7), Some(6), Some(5)]);
    }
}
