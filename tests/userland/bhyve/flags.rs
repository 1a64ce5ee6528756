//! bhyve's flags: getopt(3), and what each of them writes into the tree.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::tree::{ERROR, Tree, fatal};
use super::{lpc, slot, twelve, usage};
use crate::exit::{Exit, Step, say, strerror};
use crate::number::{scan, strtol};
use crate::release::{Release, V15_0, V16};

/// `EX_USAGE` of sysexits(3).
pub(crate) const EX_USAGE: u8 = 64;

/// The flags without and with an argument that every release knows (amd64, without snapshots), from 13 on.
const PLAIN: &str = "aehuwxACDHIPSWY";
const VALUED: &str = "kfopGcsmlKU";

/// Whether a letter is a flag without an argument, and whether it is one with an argument.
fn known(release: Release, letter: char) -> (bool, bool) {
    if release.major < 13 {
        return (twelve::PLAIN.contains(letter), twelve::VALUED.contains(letter));
    }
    let plain = PLAIN.contains(letter) || (letter == 'M' && release >= V16);
    (plain, VALUED.contains(letter) || (letter == 'n' && release >= V15_0))
}

/// Reads the command line into the tree. Returns what is left: the operands.
pub(crate) fn parse<'a>(args: &'a [String], tree: &mut Tree) -> Step<&'a [String]> {
    let (flags, operands) = getopt(args, tree.release);
    for flag in flags {
        match flag? {
            (letter, None) => plain(tree, letter)?,
            (letter, Some(value)) if tree.release.major < 13 => twelve::valued(tree, letter, value)?,
            (letter, Some(value)) => valued(tree, letter, value)?,
        }
    }
    if tree.release.major >= 15 {
        for key in ["bootrom", "bootvars"] {
            let old = tree.get(&format!("lpc.{key}"));
            if let Some(value) = old.filter(|_| tree.get(key).is_none()) {
                crate::exit::warn(format!("bhyve: lpc.{key} is deprecated, use '-o {key}' instead"));
                tree.set(key, &value)?;
            }
        }
    }
    Ok(operands)
}

/// One flag with its argument, or the usage error that ends the parsing.
type Flag<'a> = Step<(char, Option<&'a str>)>;

/// Splits as getopt(3) does: flags cluster, the first operand or `--` ends them.
fn getopt(args: &[String], release: Release) -> (Vec<Flag<'_>>, &[String]) {
    let mut flags = Vec::new();
    let mut rest = args;
    while let [word, tail @ ..] = rest {
        if word == "--" {
            return (flags, tail);
        }
        if word.len() < 2 || !word.starts_with('-') {
            break;
        }
        rest = tail;
        for (place, letter) in word.char_indices().skip(1) {
            let (plain, valued) = known(release, letter);
            if plain {
                flags.push(Ok((letter, None)));
                continue;
            }
            if !valued {
                flags.push(Err(usage(release, 1, format!("bhyve: illegal option -- {letter}"))));
                return (flags, rest);
            }
            let glued = &word[place + letter.len_utf8()..];
            match (glued, rest) {
                ("", [value, tail @ ..]) => {
                    rest = tail;
                    flags.push(Ok((letter, Some(value))));
                }
                ("", []) => {
                    flags.push(Err(usage(release, 1, format!("bhyve: option requires an argument -- {letter}"))));
                }
                (glued, _) => flags.push(Ok((letter, Some(glued)))),
            }
            break;
        }
    }
    (flags, rest)
}

fn plain(tree: &mut Tree, letter: char) -> Step<()> {
    match letter {
        'a' => tree.set("x86.x2apic", "false"),
        'x' => tree.set("x86.x2apic", "true"),
        'A' if tree.release.major < 15 => tree.set("acpi_tables", "true"),
        'C' => tree.set("memory.guest_in_core", "true"),
        'D' => tree.set("destroy_on_poweroff", "true"),
        'e' => tree.set("x86.strictio", "true"),
        'H' => tree.set("x86.vmexit_on_hlt", "true"),
        'M' => tree.set("monitor", "true"),
        'P' => tree.set("x86.vmexit_on_pause", "true"),
        'S' => tree.set("memory.wired", "true"),
        'u' => tree.set("rtc.use_localtime", "false"),
        'W' => tree.set("virtio_msix", "false"),
        'w' => tree.set("x86.strictmsr", "false"),
        'Y' => tree.set("x86.mptable", "false"),
        'h' => Err(usage(tree.release, 0, "")),
        _ => Ok(()),
    }
}

fn valued(tree: &mut Tree, letter: char, value: &str) -> Step<()> {
    let wrong = |what: &str| Exit::new(EX_USAGE, format!("bhyve: invalid {what} '{value}'"));
    // `help` is matched as far as the argument goes, so that an empty one asks for help too.
    let help = "help".starts_with(value);
    match letter {
        'c' => topology(tree, value)?.then_some(()).ok_or_else(|| wrong("cpu topology")),
        'f' => fwcfg_item(value).then_some(()).ok_or_else(|| wrong("fwcfg item")),
        'G' => gdb(tree, value),
        'k' => config_file(tree, value),
        'K' => tree.set("keyboard.layout", value),
        'l' if help => listing(lpc::NAMES),
        'l' => lpc::parse(tree, value)?.then_some(()).ok_or_else(|| wrong("lpc device configuration")),
        'm' => tree.set("memory.size", value),
        'n' if !numa(tree, value)? => Err(wrong("NUMA configuration")),
        'n' if !tree.flag("acpi_tables", false)? => Err(Exit::new(EX_USAGE, "bhyve: NUMA emulation requires ACPI")),
        'o' => tree.set_option(value)?.then_some(()).ok_or_else(|| wrong("configuration option")),
        'p' => pin(tree, value).map_err(|mut exit| {
            exit.lines.extend(wrong("vcpu pinning configuration").lines);
            exit
        }),
        's' if help => listing(slot::NAMES),
        's' => slot::parse(tree, value),
        'U' => tree.set("uuid", value),
        _ => Ok(()),
    }
}

/// Prints names and ends well.
pub(crate) fn listing(names: &[&str]) -> Step<()> {
    say(names.join("\n") + "\n");
    Err(Exit::silent(0))
}

fn topology(tree: &mut Tree, value: &str) -> Step<bool> {
    const KEYS: [&str; 4] = ["sockets", "cores", "threads", "cpus"];
    if value.is_empty() {
        KEYS.iter().try_for_each(|key| tree.set(key, "1"))?;
        return Ok(true);
    }
    for item in value.split(',') {
        match item.split_once('=') {
            Some((key, count)) if KEYS.contains(&key) => tree.set(key, count)?,
            Some(_) => return Ok(false),
            None => tree.set("cpus", item)?,
        }
    }
    Ok(true)
}

/// `-f [name=]NAME,string=S` or `file=PATH`; nothing of it enters the tree.
fn fwcfg_item(value: &str) -> bool {
    const NAME_MAX: usize = 55;
    let text = value.strip_prefix("name=").unwrap_or(value);
    let complaint = match text.split_once(',') {
        Some((name, _)) if name.len() > NAME_MAX => format!("fw_cfg name too long: \"{value}\""),
        Some((_, content)) if content.starts_with("string=") => return true,
        Some((_, content)) if content.starts_with("file=") => {
            let path = &content["file=".len()..];
            match fs::read(path) {
                Ok(_) => return true,
                Err(error) => format!("Can't open fw_cfg_user_file file \"{path}\": {}", strerror(&error)),
            }
        }
        _ => format!("Invalid fw_cfg option \"{value}\"\nbhyve: -f [name=]<name>,(string|file)=<value>"),
    };
    crate::exit::warn(format!("bhyve: {complaint}"));
    false
}

fn gdb(tree: &mut Tree, value: &str) -> Step<()> {
    let value = match value.strip_prefix('w') {
        Some(rest) => tree.set("gdb.wait", "true").map(|()| rest)?,
        None => value,
    };
    match value.rsplit_once(':') {
        Some((address, port)) => {
            tree.set("gdb.address", address)?;
            tree.set("gdb.port", port)
        }
        None => tree.set("gdb.port", value),
    }
}

/// `-k FILE`. The fake insists that a file which may hold a password is private; FreeBSD does not look.
fn config_file(tree: &mut Tree, path: &str) -> Step<()> {
    let failed = |error| fatal(format!("Failed to open configuration file {path}: {}", strerror(&error)));
    let bytes = fs::read(path).map_err(failed)?;
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o044 != 0 {
        return Err(Exit::new(ERROR, format!("fake bhyve: -k {path} is readable by others")));
    }
    for (at, line) in String::from_utf8_lossy(&bytes).split_terminator('\n').enumerate() {
        if !line.is_empty() && !line.starts_with('#') && !tree.set_option(line)? {
            return Err(fatal(format!("{path} line {}: invalid config option '{line}'", at + 1)));
        }
    }
    Ok(())
}

/// `-n id=N[,size=S][,cpus=LIST][,domain_policy=P]`; unknown items are ignored.
fn numa(tree: &mut Tree, value: &str) -> Step<bool> {
    let items: Vec<(&str, &str)> = value.split(',').filter_map(|item| item.split_once('=')).collect();
    let number = |text: &str| strtol(text, 0).and_then(|number| number.whole()).and_then(|id| u8::try_from(id).ok());
    let id = items.iter().rev().find(|(key, _)| *key == "id").and_then(|(_, id)| number(id));
    let Some(id) = id else {
        return Ok(false);
    };
    for (key, text) in items {
        if ["size", "cpus", "domain_policy"].contains(&key) {
            tree.set(&format!("domains.{id}.{key}"), text)?;
        }
    }
    Ok(true)
}

/// `-p VCPU:HOSTCPU`; repeats add to the list.
pub(crate) fn pin(tree: &mut Tree, value: &str) -> Step<()> {
    /// The buffer that bhyve prints the key into, less the NUL: longer keys are cut.
    const KEY_MAX: usize = 15;
    let refused = |line: String| Exit::new(EX_USAGE, line);
    let [vcpu, host] = scan(value, 10, ':', 2)[..] else {
        return Err(refused(format!("invalid format: {value}")));
    };
    if vcpu < 0 {
        return Err(refused(format!("invalid vcpu '{vcpu}'")));
    }
    if !(0..super::CPU_SETSIZE).contains(&host) {
        let last = super::CPU_SETSIZE - 1;
        return Err(refused(format!("hostcpu '{host}' outside valid range from 0 to {last}")));
    }
    let mut key = format!("vcpu.{vcpu}.cpuset");
    key.truncate(KEY_MAX);
    let list = tree.get(&key).map_or_else(|| host.to_string(), |before| format!("{before},{host}"));
    tree.set(&key, &list)
}

#[cfg(test)]
mod tests {
    use super::{getopt, numa, parse, pin, topology};
    use crate::bhyve::tree::Tree;
    use crate::exit::Ending;
    use crate::release::Release;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    fn refusal(line: &str) -> Ending {
        parse(&words(line), &mut Tree::new(Release::newest(15))).unwrap_err().ending
    }

    #[test]
    fn flags_cluster_and_the_first_operand_ends_them() {
        let args = words("-aHc2 -m 1G vm -w");
        let (flags, rest) = getopt(&args, Release::newest(15));
        assert_eq!((flags.len(), rest.len()), (4, 2));
    }

    #[test]
    fn foreign_flags_and_missing_arguments_are_usage_errors() {
        for line in ["-z vm", "-s", "-r /vm/a.ckp vm", "-M vm", "-b vm"] {
            assert_eq!(refusal(line), Ending::Status(1), "{line}");
        }
        assert_eq!(refusal("-h"), Ending::Status(0));
    }

    #[test]
    fn bad_values_are_64_except_where_the_tree_refuses() {
        for line in ["-c foo=1", "-l com5,stdio", "-o empty=", "-p 0:-1", "-p x", "-n size=4G"] {
            assert_eq!(refusal(line), Ending::Status(64), "{line}");
        }
        for line in ["-m 1G -o memory=1G", "-k /nonexistent", "-s 32,virtio-rnd", "-l bootrom"] {
            assert_eq!(refusal(line), Ending::Status(4), "{line}");
        }
    }

    #[test]
    fn a_topology_is_stored_unchecked() {
        let mut tree = Tree::new(Release::newest(15));
        assert!(topology(&mut tree, "two,cores=4").unwrap());
        assert_eq!((tree.get("cpus").as_deref(), tree.get("cores").as_deref()), (Some("two"), Some("4")));
    }

    #[test]
    fn pins_add_up_and_long_keys_are_cut() {
        let mut tree = Tree::new(Release::newest(15));
        for value in ["0:2", "0:3", "1000:1x"] {
            pin(&mut tree, value).unwrap();
        }
        assert_eq!(tree.get("vcpu.0.cpuset").as_deref(), Some("2,3"));
        assert_eq!(tree.get("vcpu.1000.cpuse").as_deref(), Some("1"));
    }

    #[test]
    fn a_numa_domain_needs_an_id() {
        let mut tree = Tree::new(Release::newest(15));
        assert!(numa(&mut tree, "size=4G,id=1,other=2").unwrap());
        assert_eq!(tree.get("domains.1.size").as_deref(), Some("4G"));
        assert!(numa(&mut tree, "id=0x2,cpus=1").unwrap() && tree.get("domains.2.cpus").is_some());
        assert!(!numa(&mut tree, "id=256").unwrap());
    }
}
