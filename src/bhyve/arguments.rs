//! What the arguments of `-c`, `-f`, `-G`, `-n` and `-p` say (bhyve(8)).

use super::slot::numbers;
use super::tree::veiled;
use crate::diag::Fault;
use crate::model::number::base_0;

/// Keys with their values, and what bhyve takes and does not use.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) entries: Vec<(String, String)>,
    pub(super) warnings: Vec<Fault>,
}

impl Keys {
    pub(super) fn put(&mut self, key: impl Into<String>, value: &str) {
        self.entries.push((key.into(), value.into()));
    }
}

/// Reads a topology: `[cpus=]N`, `sockets=N`, `cores=N`, `threads=N`, with commas between them (bhyve(8), `-c`). The numbers are
/// not checked.
pub(super) fn topology(text: &str) -> Result<Keys, Fault> {
    const NAMES: [&str; 4] = ["cpus", "sockets", "cores", "threads"];
    let mut keys = Keys::default();
    if text.is_empty() {
        NAMES.iter().for_each(|name| keys.put(*name, "1"));
        return Ok(keys);
    }
    for item in text.split(',') {
        match item.split_once('=') {
            Some((name, number)) if NAMES.contains(&name) => keys.put(name, number),
            Some((name, _)) => {
                let fault = Fault::new(format!("`{}` is no part of a topology", veiled(name)));
                return Err(fault.hint("write N, or any of cpus=N, sockets=N, cores=N and threads=N"));
            }
            None => keys.put("cpus", item),
        }
    }
    Ok(keys)
}

/// Reads `[w][ADDRESS:]PORT` (bhyve(8), `-G`), split at the last colon. Nothing is checked.
pub(super) fn gdb(text: &str) -> Keys {
    let mut keys = Keys::default();
    let rest = text.strip_prefix('w').unwrap_or(text);
    if rest.len() < text.len() {
        keys.put("gdb.wait", "true");
    }
    let (address, port) = rest.rsplit_once(':').map_or((None, rest), |(address, port)| (Some(address), port));
    if let Some(address) = address {
        keys.put("gdb.address", address);
    }
    keys.put("gdb.port", port);
    keys
}

/// Reads `id=N[,size=SIZE][,cpus=LIST][,domain_policy=POLICY]` (bhyve(8), `-n`). What bhyve would ignore is refused.
pub(super) fn numa(text: &str) -> Result<Keys, Fault> {
    let mut id = None;
    let mut said = Vec::new();
    let mut keys = Keys::default();
    for item in text.split(',') {
        match item.split_once('=') {
            Some(("id", number)) => id = Some(number),
            Some((name @ ("size" | "cpus" | "domain_policy"), value)) => said.push((name, value)),
            _ => {
                let fault = Fault::new(format!("bhyve ignores `{}`", veiled(item)));
                let hint = "a domain has id, size, cpus and domain_policy; a comma ends each, a list of CPUs too";
                return Err(fault.hint(hint));
            }
        }
    }
    let Some(id) = id else {
        return Err(Fault::new("a NUMA domain has no id").hint("write id=0 for the first"));
    };
    let number = base_0(id).filter(|number| *number <= 255);
    let fault = || Fault::new(format!("`id={}` is no id of a NUMA domain", veiled(id))).hint("from 0 to 255");
    let number = number.ok_or_else(fault)?;
    said.into_iter().for_each(|(name, value)| keys.put(format!("domains.{number}.{name}"), value));
    Ok(keys)
}

/// Reads `VCPU:HOSTCPU` (bhyve(8), `-p`). The value is to be added to the list that the key has. What bhyve would ignore is
/// refused.
pub(super) fn pin(text: &str) -> Result<Keys, Fault> {
    const HOW: &str = "write VCPU:HOSTCPU, HOSTCPU from 0 to 1023";
    let fault = |what: String| Err(Fault::new(what).hint(HOW));
    let (found, rest) = numbers(text, ':', 2);
    let [vcpu, host] = found[..] else {
        return fault(format!("`{}` pins nothing", veiled(text)));
    };
    if vcpu < 0 {
        return fault(format!("there is no vCPU {vcpu}"));
    }
    if !(0..1024).contains(&host) {
        return fault(format!("there is no host CPU {host}"));
    }
    if !rest.is_empty() {
        let fault = Fault::new(format!("`{}` follows the numbers, and bhyve ignores it", veiled(rest)));
        return Err(fault.hint("one `-p` for each host CPU: take the rest out"));
    }
    if vcpu > 999 {
        let fault = Fault::new(format!("bhyve cannot pin vCPU {vcpu}"));
        return Err(fault.hint("it cuts the key of a vCPU above 999, and reads nothing there"));
    }
    let mut keys = Keys::default();
    keys.put(format!("vcpu.{vcpu}.cpuset"), &host.to_string());
    Ok(keys)
}

/// What an item of `-f` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Text(&'a str),
    File(&'a str),
}

/// Reads `[name=]NAME,string=TEXT` or `[name=]NAME,file=PATH` (bhyve(8), `-f`). The text may hold commas.
pub(super) fn fw_cfg(text: &str) -> Result<(&str, Content<'_>), Fault> {
    const MAX: usize = 55;
    const HOW: &str = "write NAME,string=TEXT or NAME,file=PATH";
    let (name, content) = text
        .strip_prefix("name=")
        .unwrap_or(text)
        .split_once(',')
        .ok_or_else(|| Fault::new(format!("the item `{}` holds nothing", veiled(text))).hint(HOW))?;
    if name.is_empty() || name.len() > MAX {
        let fault = Fault::new(format!("the item's name has {} bytes", name.len()));
        return Err(fault.hint(format!("from 1 to {MAX}, up to the first comma")));
    }
    match content.split_once('=') {
        Some(("string", text)) => Ok((name, Content::Text(text))),
        Some(("file", path)) => Ok((name, Content::File(path))),
        _ => {
            let kind = content.split_once('=').map_or(content, |(kind, _)| kind);
            Err(Fault::new(format!("`{}` is neither string= nor file=", veiled(kind))).hint(HOW))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(keys: Result<Keys, Fault>) -> String {
        match keys {
            Err(fault) => format!("! {fault}"),
            Ok(keys) => {
                let entries = keys.entries.iter().map(|(key, value)| format!("{key}={value}"));
                entries.chain(keys.warnings.iter().map(|fault| format!("({fault})"))).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn a_topology_is_stored_unchecked() {
        assert_eq!(dump(topology("two,cores=4,")), "cpus=two cores=4 cpus=");
        assert_eq!(dump(topology("")), "cpus=1 sockets=1 cores=1 threads=1");
        assert_eq!(dump(topology("cpus=2,foo=1")), "! `foo` is no part of a topology");
    }

    #[test]
    fn a_debugger_waits_at_a_port_behind_the_last_colon() {
        assert_eq!(dump(Ok(gdb("w::1:5555"))), "gdb.wait=true gdb.address=::1 gdb.port=5555");
        assert_eq!(dump(Ok(gdb("1234"))), "gdb.port=1234");
    }

    #[test]
    fn a_domain_needs_an_id_and_what_bhyve_would_ignore_is_refused() {
        assert_eq!(dump(numa("size=4G,cpus=0-1,id=01")), "domains.1.size=4G domains.1.cpus=0-1");
        assert_eq!(dump(numa("size=4G,cpus=0-1,2,id=01")), "! bhyve ignores `2`");
        assert_eq!(dump(numa("id=0,x=1")), "! bhyve ignores `x=1`");
        assert_eq!(dump(numa("id=0x0,size=1G")), "domains.0.size=1G");
        assert_eq!(dump(numa("size=4G")), "! a NUMA domain has no id");
        for id in ["256", "-1", "", "1x"] {
            assert_eq!(dump(numa(&format!("id={id}"))), format!("! `id={id}` is no id of a NUMA domain"));
        }
    }

    #[test]
    fn a_pin_names_a_virtual_cpu_and_one_of_the_host() {
        assert_eq!(dump(pin("0:2")), "vcpu.0.cpuset=2");
        // Unlike in the configuration, a zero before it means nothing here.
        assert_eq!(dump(pin("0:010")), "vcpu.0.cpuset=10");
        assert_eq!(dump(pin("0:2,3")), "! `,3` follows the numbers, and bhyve ignores it");
        assert_eq!(dump(pin("1000:1")), "! bhyve cannot pin vCPU 1000");
        assert_eq!(dump(pin("-1:0")), "! there is no vCPU -1");
        assert_eq!(dump(pin("0:1024")), "! there is no host CPU 1024");
        assert_eq!(dump(pin("0")), "! `0` pins nothing");
    }

    #[test]
    fn an_item_for_the_firmware_is_a_text_or_a_file() {
        assert_eq!(fw_cfg("name=opt/a,string=b,c=d"), Ok(("opt/a", Content::Text("b,c=d"))));
        assert_eq!(fw_cfg("opt/a,file=/x"), Ok(("opt/a", Content::File("/x"))));
        let message = |text: &str| fw_cfg(text).unwrap_err().message;
        assert_eq!(message("opt/a"), "the item `opt/a` holds nothing");
        assert_eq!(message("opt/a,data=1"), "`data` is neither string= nor file=");
        assert_eq!(message(",string=1"), "the item's name has 0 bytes");
        assert_eq!(message(&format!("{},string=", "x".repeat(56))), "the item's name has 56 bytes");
    }
}
