//! What the command line of a QEMU that runs says of its machine, whoever has started it.

use crate::model::{Shape, Size, VncAddress};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What a QEMU that runs was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenQemu {
    /// The name of its machine.
    pub name: Option<String>,
    /// What the machine is made of.
    pub shape: Shape,
    /// The folder of its state, if vmrun has started it.
    pub folder: Option<PathBuf>,
}

/// Returns whether a command line is that of a QEMU which runs machines: `qemu-system-x86_64`, or `kvm` as some systems call it.
pub(crate) fn is_qemu(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    name.starts_with("qemu-system-") || matches!(name, "qemu-kvm" | "kvm")
}

/// Reads the arguments of a QEMU, without the program. What is not understood says nothing.
pub fn options_of(args: &[String]) -> SeenQemu {
    let mut seen = SeenQemu::default();
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix('-') else { continue };
        let option = option.strip_prefix('-').unwrap_or(option);
        if !KNOWN.contains(&option) {
            continue;
        }
        let Some(value) = words.next() else { break };
        seen.hear(option, value);
    }
    seen
}

/// The options that are read; each has a value.
const KNOWN: &[&str] =
    &["name", "smp", "m", "vnc", "drive", "blockdev", "hda", "hdb", "hdc", "hdd", "cdrom", "netdev", "nic", "D"];

impl SeenQemu {
    fn hear(&mut self, option: &str, value: &str) {
        let words = words(value);
        let of = |key: &str| words.iter().find_map(|(name, value)| (*name == key).then(|| value.clone()));
        let first = || words.first().filter(|(name, _)| name.is_empty()).map(|(_, value)| value.clone());
        match option {
            "name" => self.name = first().or_else(|| of("guest")),
            "smp" => self.shape.cpus = first().or_else(|| of("cpus")).map_or_else(|| product(&of), |n| n.parse().ok()),
            "m" => self.shape.memory = first().or_else(|| of("size")).and_then(|text| memory(&text)),
            "vnc" => self.shape.vnc = self.shape.vnc.or_else(|| first().and_then(|text| listens(&text))),
            "drive" if of("if").as_deref() == Some("pflash") => {}
            "drive" => self.shape.disks.extend(of("file")),
            "blockdev" if value.starts_with('{') => self.shape.disks.extend(in_json(value)),
            "blockdev" => self.shape.disks.extend(of("filename").or_else(|| of("file.filename"))),
            "netdev" | "nic" => self.shape.taps.extend(of("ifname")),
            "D" => self.folder = own_folder(value),
            _ => self.shape.disks.push(value.into()),
        }
    }
}

/// Splits a value at its commas, two of which stand for one: keys and values, the first of which may have no key.
pub(crate) fn words(value: &str) -> Vec<(&str, String)> {
    let mut parts: Vec<(usize, String)> = vec![(0, String::new())];
    let mut chars = value.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_double = c == ',' && chars.next_if(|(_, next)| *next == ',').is_some();
        match parts.last_mut() {
            Some((_, part)) if c != ',' || is_double => part.push(c),
            _ => parts.push((at + 1, String::new())),
        }
    }
    let split = |(at, part): (usize, String)| match part.split_once('=') {
        Some((name, rest)) => (value.get(at..at + name.len()).unwrap_or_default(), rest.to_string()),
        None => ("", part),
    };
    parts.into_iter().map(split).collect()
}

/// How many processors an arrangement has that does not tell their number.
fn product(of: &impl Fn(&str) -> Option<String>) -> Option<u64> {
    let keys = ["sockets", "dies", "cores", "threads"];
    let all: Vec<u64> = keys.iter().filter_map(|key| of(key)?.parse().ok()).collect();
    all.iter().try_fold(1_u64, |product, count| product.checked_mul(*count)).filter(|_| !all.is_empty())
}

/// A plain number is in mebibytes.
fn memory(text: &str) -> Option<Size> {
    match text.parse::<u64>() {
        Ok(number) => number.checked_mul(1 << 20).map(Size::bytes),
        Err(_) => text.parse().ok(),
    }
}

/// `address:display`; without an address it is every one.
fn listens(text: &str) -> Option<SocketAddr> {
    let (host, display) = text.rsplit_once(':')?;
    let port = display.parse::<u16>().ok()?.checked_add(VncAddress::PORT)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').split('%').next().unwrap_or_default();
    let ip = if host.is_empty() { Ipv4Addr::UNSPECIFIED.into() } else { host.parse().ok()? };
    Some(SocketAddr::new(ip, port))
}

pub(crate) fn in_json(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let name = value.get("filename").or_else(|| value.pointer("/file/filename"))?;
    name.as_str().map(Into::into)
}

/// The folder of a machine of ours: where it notes resets.
fn own_folder(log: &str) -> Option<PathBuf> {
    let folder = Path::new(log).parent()?;
    (super::reset_log(folder) == Path::new(log)).then(|| folder.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Machine;
    use crate::model::samples::{device, draft};
    use crate::qemu::{self, QemuSetting, check};
    use proptest::prelude::*;

    fn of(line: &str) -> SeenQemu {
        options_of(&line.split(' ').map(String::from).collect::<Vec<_>>())
    }

    fn shape(cpus: Option<u64>, mib: u64, vnc: Option<&str>, disks: &[&str], taps: &[&str]) -> Shape {
        let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let (memory, vnc) = (Some(Size::mib(mib)), vnc.map(|text| text.parse().unwrap()));
        Shape { cpus, memory, vnc, disks: texts(disks), taps: texts(taps), ..Shape::default() }
    }

    #[test]
    fn the_command_lines_of_others_are_read_as_qemu_reads_them() {
        let libvirt = "-name guest=web,debug-threads=on -S -m size=4194304k,slots=16 -smp 4,sockets=4,cores=1,threads=1 \
            -blockdev {\"driver\":\"file\",\"filename\":\"/vm/web.img\",\"node-name\":\"a\"} \
            -netdev {\"type\":\"tap\",\"fd\":\"33\"} -vnc 127.0.0.1:0,audiodev=audio1";
        let said = of(libvirt);
        assert_eq!((said.name.as_deref(), said.folder), (Some("web"), None));
        assert_eq!(said.shape, shape(Some(4), 4096, Some("127.0.0.1:5900"), &["/vm/web.img"], &[]));
        let hand = "--name a,,b -hda /vm/a.img -cdrom /iso/x.iso -m 1G -smp sockets=2,cores=3 -vnc :1,password=on -nic tap,ifname=tap0 \
            -drive if=pflash,file=/ovmf.fd -drive file=/vm/c,,d.img,if=virtio";
        let said = of(hand);
        let disks = ["/vm/a.img", "/iso/x.iso", "/vm/c,d.img"];
        assert_eq!(said.name.as_deref(), Some("a,b"));
        assert_eq!(said.shape, shape(Some(6), 1024, Some("0.0.0.0:5901"), &disks, &["tap0"]));
        let odd = of("-vnc unix:/run/x -m 512 -smp many -D /tmp/qemu.log -name");
        assert_eq!(odd, SeenQemu { shape: shape(None, 512, None, &[], &[]), ..SeenQemu::default() });
        assert!(is_qemu("/usr/bin/qemu-system-x86_64") && is_qemu("qemu-kvm") && !is_qemu("vi"));
    }

    /// Machines with disks, taps and a screen.
    fn machine() -> impl Strategy<Value = Machine> {
        // An image has one disk that writes it.
        let disks = prop::collection::btree_map("/[a-z =:{}%]{0,8}[a-z]", "virtio-blk|nvme|ahci-hd|ahci-cd", 0..4);
        let screen = prop::option::of("(\\[::1\\]|10\\.0\\.0\\.5):59[0-9]{2}");
        let whole = ("[a-z0-9][a-z0-9._-]{0,9}", 1_u16..17, 32_u64..9000, disks);
        (whole, prop::collection::btree_set("tap[0-9]{1,3}", 0..3), screen).prop_map(
            |((name, cpus, mib, disks), taps, screen)| {
                let disks = disks.iter().map(|(path, kind)| device(kind, &[("path", path)]));
                let taps = taps.iter().map(|tap| device("virtio-net", &[("backend", tap)]));
                let screen = screen.iter().map(|address| device("fbuf", &[("rfb", address)]));
                let mut draft = draft(&[("31", device("lpc", &[]))]);
                for (at, device) in disks.chain(taps).chain(screen).enumerate() {
                    draft.put((at + 1).to_string().parse().unwrap(), device).unwrap();
                }
                (draft.name, draft.cpus, draft.memory) = (name.parse().ok(), cpus, Size::mib(mib));
                draft.check().unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn what_vmrun_tells_qemu_is_read_back(machine in machine()) {
            prop_assert_eq!(check(&machine), []);
            let setting = QemuSetting { folder: Path::new("/run/a,b/lab"), kvm: false, user_net: false, log: None };
            let said = options_of(&qemu::argv(&machine, &setting).args);
            prop_assert_eq!(said.name.as_deref(), Some(machine.name().as_str()));
            prop_assert_eq!(said.folder.as_deref(), Some(setting.folder));
            prop_assert_eq!(said.shape, Shape::of(&machine));
        }

        #[test]
        fn any_arguments_can_be_read(args in prop::collection::vec("-(name|smp|m|vnc|drive|blockdev|D)|.{0,20}|[a-z,=:\\[\\]{}]{0,12}", 0..8)) {
            let _ = options_of(&args);
        }
    }
}
