//! A machine as bhyve(8) is told it, and what bhyve's exit status means. Pure: nothing is touched.

pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod file;
pub(crate) mod flags;
pub(crate) mod loader;
pub(crate) mod messages;
pub(crate) mod seen;
pub(crate) mod slot;
pub(crate) mod statistics;
pub(crate) mod tree;

mod arguments;
mod argv;
mod jail;
mod limits;
mod lpc;
mod normal;

use crate::model::tree::slot_key;
use crate::model::value::Value;
use crate::model::{Argv, Device, Ended, Machine, PciSlot, VmName};

pub use argv::argv;
pub(crate) use jail::{create_jail, has_network, is_made_for, is_no_jail, jailed, look_at_jail, remove_jail, within};
pub(crate) use limits::{against_limits, limited};

/// The firmware of the port sysutils/bhyve-firmware, as the design document uses it.
pub(crate) const UEFI_CODE: &str = "/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd";

/// The same port's empty variables.
pub(crate) const UEFI_VARS: &str = "/usr/local/share/uefi-firmware/BHYVE_UEFI_VARS.fd";

/// The loader of the port net/ipxe, as the design document uses it.
pub(crate) const IPXE_LOADER: &str = "/usr/local/share/ipxe/snp.efi-x86_64";

/// Returns the bhyve_config(5) file with the secrets of a machine, or nothing if it has none.
pub fn secrets(machine: &Machine) -> Option<String> {
    let text: String = machine.devices().map(|(slot, device)| secret_lines(slot, device)).collect();
    (!text.is_empty()).then_some(text)
}

fn secret_lines(slot: PciSlot, device: &Device) -> String {
    let values = device.items().iter().filter_map(|item| match &item.value {
        Value::Password(password) => Some((item.parameter.key, password.secret())),
        // What is secret is a password; nothing else of a device is.
        _ => None,
    });
    let node = slot_key(slot);
    values.map(|(key, secret)| format!("{node}.{key}={}\n", escape(secret.reveal()))).collect()
}

/// Writes a value so that bhyve reads it back whole: a value that holds a `%` is expanded when it is read, and there the
/// backslash is the escape (the manual says `%%`; the source says otherwise).
fn escape(value: &str) -> String {
    if value.contains('%') { value.replace('\\', "\\\\").replace('%', "\\%") } else { value.into() }
}

/// Returns what bhyve's exit status means (bhyve(8), EXIT STATUS).
pub fn ended(status: i32, last_words: &[String]) -> Ended {
    match status {
        0 => Ended::Rebooted,
        // It is also the status of a bhyve whose node was destroyed, and of one that was called in a wrong way (seen on 12.1).
        // In the background a guest's console is among the last words, so that only the very last line counts.
        1 if last_words.last().is_some_and(|line| line.starts_with("vm_run error") || is_usage(line)) => {
            Ended::Failed { status }
        }
        1 => Ended::PoweredOff,
        2 => Ended::Halted,
        3 => Ended::TripleFault,
        status => Ended::Failed { status },
    }
}

/// Whether a line is one of bhyve's usage text (12.1's ends with flags and what they are for).
fn is_usage(line: &str) -> bool {
    let is_flag =
        |rest: &str| rest.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && rest[1..].starts_with(": ");
    line.strip_prefix("       -").is_some_and(is_flag)
}

/// Returns the command that takes a machine's vmm node away (bhyvectl(8)).
pub(crate) fn destroy(name: &VmName) -> Argv {
    Argv::new("bhyvectl").arg("--destroy").arg(format!("--vm={name}"))
}

/// Returns the command that switches a machine off (bhyvectl(8)).
pub(crate) fn force_poweroff(name: &VmName) -> Argv {
    Argv::new("bhyvectl").arg("--force-poweroff").arg(format!("--vm={name}"))
}

/// Whether bhyve ended because the node of its machine is another's: one runs there, or one that was killed has left it (seen on
/// 12.1: `vm_reinit: Device busy`, status 4; that later releases say `vm_openf` there is not known for certain).
pub fn is_node_refused(ended: &Ended, last_words: &[String]) -> bool {
    let is_opening = |line: &String| ["vm_reinit:", "vm_open"].iter().any(|beginning| line.starts_with(beginning));
    // `Unable to setup memory (22)` is no such: it is said of a node of bhyve's own too (12.1, bhyve-start.txt: `-m 0`), and whether
    // one was there before has been looked at.
    let says = |line: &String| is_opening(line) && line.ends_with("Device busy");
    matches!(ended, Ended::Failed { .. }) && last_words.iter().any(says)
}

/// Whether the node of a machine can be used again after its boot ended so: else it has to be destroyed before (seen on 12.1).
pub(crate) const fn is_node_reusable(ended: &Ended) -> bool {
    matches!(ended, Ended::Rebooted | Ended::PoweredOff | Ended::Halted)
}

/// What bhyvectl says of a machine that has no node.
pub fn is_not_created(stderr: &str) -> bool {
    stderr.contains("is not created")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::samples::{device, draft};
    use crate::model::value::Tty;
    use crate::model::{Arch, Bootrom, Draft, Release, Secret, Setting};
    use std::path::Path;

    #[test]
    fn the_command_line_is_in_the_order_of_the_documents_script() {
        let mut draft = draft(&[
            ("31", device("lpc", &[("com2", "/dev/nmdm0A")])),
            ("0", device("hostbridge", &[])),
            ("4", device("virtio-blk", &[("path", "/vm/a.img"), ("ro", "true"), ("nocache", "false")])),
            ("29", device("fbuf", &[("password", "100%\\x"), ("w", "800"), ("tcp", "127.0.0.1:5901")])),
            ("30", device("xhci", &[("device", "tablet")])),
            ("5:1", device("virtio-rnd", &[])),
            ("5", device("virtio-net", &[("mac", "0:c:29:a5:19:b9"), ("backend", "tap1")])),
        ]);
        for (name, given) in [("exit_on_hlt", true), ("strict_msr", false), ("msix", true)] {
            draft.set(Setting::named(name).unwrap(), Value::Flag(given));
        }
        draft.ttys.insert("com1", Tty::Stdio);
        let rom = |path: &str| path.parse().unwrap();
        draft.bootrom = Some(Bootrom { code: rom("/fw/C.fd"), vars: Some(rom("/vm/v.fd")), template: None });
        draft.options.push(("x86.verbosemsr".into(), "true".into()));
        draft.args.push("-M".into());
        let machine = draft.check().unwrap();
        assert_eq!(
            argv(&machine, Path::new("/run/lab/secrets")).to_string(),
            "bhyve -c 1 -m 512M -w -H -s 0,hostbridge -s 4,virtio-blk,/vm/a.img,ro \
             -s 5,virtio-net,tap1,mac=00:0c:29:a5:19:b9 -s 5:1,virtio-rnd \
             -s 29,fbuf,tcp=127.0.0.1:5901,w=800 -k /run/lab/secrets -s 30,xhci,tablet -s 31,lpc \
             -l com1,stdio -l com2,/dev/nmdm0A -l bootrom,/fw/C.fd,/vm/v.fd -o x86.verbosemsr=true -M lab"
        );
        assert_eq!(secrets(&machine).unwrap(), "pci.0.29.0.password=100\\%\\\\x\n");
        assert_eq!(Secret::new(secrets(&machine).unwrap()).to_string(), "***");
    }

    fn words(draft: Draft) -> String {
        argv(&draft.check().unwrap(), Path::new("/run/lab/secrets")).words().join(" ")
    }

    #[test]
    fn a_stub_for_gdb_keeps_an_address_that_begins_with_a_w() {
        let told = |address: &str, wait: bool| {
            let mut draft = draft(&[]);
            for (name, value) in [("gdb.port", "1234"), ("gdb.address", address), ("gdb.wait", &wait.to_string())] {
                let setting = Setting::named(name).unwrap();
                draft.set(setting, setting.ty.read(value).unwrap());
            }
            words(draft)
                .split_once("-G ")
                .map_or_else(|| "no -G".into(), |(_, rest)| rest.split(' ').next().unwrap().to_string())
        };
        assert_eq!([told("db", false), told("db", true), told("web", true)], ["db:1234", "wdb:1234", "wweb:1234"]);
        // `-G web:1234` would wait, for a connection to `eb`.
        assert_eq!(told("web", false), "no -G");
    }

    #[test]
    fn a_flag_that_the_architecture_does_not_have_is_told_as_configuration() {
        let mut draft = draft(&[("3", device("virtio-rnd", &[]))]);
        draft.target.arch = Arch::Arm64;
        draft.bootrom = Some(Bootrom { code: "/fw/u-boot.bin".parse().unwrap(), vars: None, template: None });
        for (name, given) in [("acpi", true), ("wired", true), ("localtime", false)] {
            draft.set(Setting::named(name).unwrap(), Value::Flag(given));
        }
        draft.set(Setting::named("console").unwrap(), Value::Tty(Tty::Stdio));
        assert_eq!(
            words(draft),
            "bhyve -c 1 -m 512M -S -s 3,virtio-rnd -o acpi_tables=true -o rtc.use_localtime=false -o console=stdio \
             -o bootrom=/fw/u-boot.bin lab"
        );
    }

    #[test]
    fn acpi_is_switched_off_where_it_would_be_on() {
        let of = |release| {
            let mut draft = draft(&[]);
            draft.target.release = release;
            draft.set(Setting::named("acpi").unwrap(), Value::Flag(false));
            words(draft)
        };
        assert_eq!(of(Release::V14_5), "bhyve -c 1 -m 512M lab");
        assert_eq!(of(Release::V15_1), "bhyve -c 1 -m 512M -o acpi_tables=false lab");
    }

    #[test]
    fn ports_that_are_left_out_keep_their_numbers_and_a_screen_may_be_a_socket() {
        let entries = [
            ("device", "ahci"),
            ("port.1.type", "hd"),
            ("port.1.path", "/a"),
            ("port.3.type", "cd"),
            ("port.3.path", "/b"),
        ];
        let disks = Device::from_entries(&entries.map(|(key, value)| (key.to_string(), value.to_string()))).unwrap();
        let mut draft = draft(&[("29", device("fbuf", &[("rfb", "unix:/run/lab.vnc")]))]);
        draft.put("4".parse().unwrap(), disks).unwrap();
        assert_eq!(
            words(draft),
            "bhyve -c 1 -m 512M -s 4,ahci,hd:,hd:/a,hd:,cd:/b -s 29,fbuf,rfb=unix:/run/lab.vnc lab"
        );
    }

    #[test]
    fn a_tpm_is_told_with_its_version_in_both_forms() {
        let mut draft = draft(&[("31", device("lpc", &[]))]);
        for (name, value) in [("tpm.type", "swtpm"), ("tpm.path", "/run/tpm"), ("tpm.intf", "crb"), ("tpm.ppi", "qemu")]
        {
            let setting = Setting::named(name).unwrap();
            draft.set(setting, setting.ty.read(value).unwrap());
        }
        let machine = draft.clone().check().unwrap();
        assert!(machine.entries().contains(&("tpm.version".into(), "2.0".into())));
        assert_eq!(
            words(draft),
            "bhyve -c 1 -m 512M -s 31,lpc -l tpm,swtpm,/run/tpm,version=2.0,intf=crb,ppi=qemu lab"
        );
    }

    #[test]
    fn further_targets_and_flags_of_freebsd_16_are_told() {
        let scsi = [("dev", "/dev/cam/ctl"), ("target", "/dev/cam/ctl1"), ("target", "/dev/cam/ctl2")];
        let mut draft = draft(&[("3", device("virtio-scsi", &scsi))]);
        draft.target.release = Release::V16;
        for name in ["monitor", "verbose_msr"] {
            draft.set(Setting::named(name).unwrap(), Value::Flag(true));
        }
        assert_eq!(
            words(draft),
            "bhyve -c 1 -m 512M -M -s 3,virtio-scsi,/dev/cam/ctl,target=1:/dev/cam/ctl1,target=2:/dev/cam/ctl2 \
             -o x86.verbosemsr=true lab"
        );
    }

    #[test]
    fn variables_whose_path_has_an_equals_sign_are_no_option_of_the_boot_rom() {
        let mut draft = draft(&[("31", device("lpc", &[]))]);
        let path = |path: &str| path.parse().unwrap();
        draft.bootrom = Some(Bootrom { code: path("/fw/C.fd"), vars: Some(path("/vm/a=b.fd")), template: None });
        assert_eq!(
            argv(&draft.check().unwrap(), Path::new("/secrets")).to_string(),
            "bhyve -c 1 -m 512M -s 31,lpc -l bootrom,/fw/C.fd -o bootvars=/vm/a=b.fd lab"
        );
    }

    #[test]
    fn a_node_that_is_anothers_is_known_by_what_bhyve_says() {
        let refused = |status, line: &str| is_node_refused(&Ended::Failed { status }, &[line.into()]);
        assert!(refused(4, "vm_reinit: Device busy") && refused(4, "vm_openf: Device busy"));
        assert!(!refused(4, "Unable to setup memory (22)"));
        assert!(!refused(4, "vm_create: Device busy") && !refused(4, "vm_reinit: Invalid argument"));
        assert!(!is_node_refused(&Ended::PoweredOff, &["vm_reinit: Device busy".into()]));
        assert!(is_node_reusable(&Ended::Rebooted) && !is_node_reusable(&Ended::TripleFault));
    }

    #[test]
    fn statuses_mean_what_the_manual_says() {
        let words: Vec<String> = [0, 1, 2, 3, 4, 71].iter().map(|status| ended(*status, &[]).to_string()).collect();
        assert_eq!(
            words,
            [
                "the guest rebooted",
                "the guest powered off",
                "the guest halted",
                "the guest met a triple fault",
                "the hypervisor failed with status 4",
                "the hypervisor failed with status 71",
            ]
        );
        for line in ["vm_run error -1, errno 25", "       -Y: disable MPtable generation"] {
            assert_eq!(ended(1, &[line.into()]), Ended::Failed { status: 1 }, "{line}");
        }
        let console = ["       -a: what a guest has printed", "Powering off.", "       -ä"].map(String::from);
        assert_eq!((ended(1, &console), ended(1, &console[..2])), (Ended::PoweredOff, Ended::PoweredOff));
    }
}
