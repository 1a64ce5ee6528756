//! A machine as bhyve(8) is told it, and what bhyve's exit status means. Pure: nothing is touched.

pub mod command;
pub mod config;
pub mod flags;
pub mod slot;
pub mod tree;

mod arguments;
mod lpc;
mod normal;

use crate::model::machine::SWITCHES;
use crate::model::value::{Form, Value};
use crate::model::{Argv, Device, Ended, Machine, PciSlot, VmName};
use std::fmt::Write as _;
use std::path::Path;

/// The firmware of the port sysutils/bhyve-firmware, as the design document uses it.
pub const UEFI_CODE: &str = "/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd";

/// The same port's empty variables.
pub const UEFI_VARS: &str = "/usr/local/share/uefi-firmware/BHYVE_UEFI_VARS.fd";

/// The loader of the port net/ipxe, as the design document uses it.
pub const IPXE_LOADER: &str = "/usr/local/share/ipxe/snp.efi-x86_64";

/// Returns the command line of a machine. Secrets are not in it: `secrets` is the file that holds them, named by `-k` right
/// after the `-s` that they belong to, because bhyve refuses an `-s` whose node exists already.
pub fn argv(machine: &Machine, secrets: &Path) -> Argv {
    let mut argv = Argv::new("bhyve").arg("-c").arg(machine.cpus()).arg("-m").arg(machine.memory());
    let given = |switch: &&crate::model::machine::Switch| machine.switch(switch.name) == Some(switch.given_when);
    argv = argv.args(SWITCHES.iter().filter(given).map(|switch| switch.flag));
    if let Some(uuid) = machine.uuid() {
        argv = argv.arg("-U").arg(uuid);
    }
    for (slot, device) in machine.devices() {
        argv = argv.arg("-s").arg(format!("{slot},{}", device_text(device)));
        if !secret_lines(slot, device).is_empty() {
            argv = argv.arg("-k").arg(secrets.display());
        }
    }
    for (name, tty) in machine.ttys() {
        argv = argv.arg("-l").arg(format!("{name},{tty}"));
    }
    if let Some(bootrom) = machine.bootrom() {
        let vars = bootrom.vars.as_ref().map(|vars| format!(",{vars}")).unwrap_or_default();
        argv = argv.arg("-l").arg(format!("bootrom,{}{vars}", bootrom.code));
    }
    for (key, value) in machine.options() {
        argv = argv.arg("-o").arg(format!("{key}={value}"));
    }
    argv.args(machine.args()).arg(machine.name())
}

/// Returns the text of a `-s` after its slot, as in bhyve(8): the name, what is given, the options.
pub fn device_text(device: &Device) -> String {
    let mut text = device.kind().name.to_string();
    for (parameter, value) in device.values().iter().filter(|(parameter, _)| parameter.form == Form::Slot) {
        let given = device.kind().given.iter().any(|given| given.name == parameter.name);
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Flag(false) => Ok(()),
            Value::Flag(true) => write!(text, ",{}", parameter.name),
            _ if given => write!(text, ",{value}"),
            _ => write!(text, ",{}={value}", parameter.name),
        };
    }
    text
}

/// Returns the bhyve_config(5) file with the secrets of a machine, or nothing if it has none.
pub fn secrets(machine: &Machine) -> Option<String> {
    let text: String = machine.devices().map(|(slot, device)| secret_lines(slot, device)).collect();
    (!text.is_empty()).then_some(text)
}

fn secret_lines(slot: PciSlot, device: &Device) -> String {
    let (bus, number, function) = (slot.bus(), slot.number(), slot.function());
    let values = device.values().iter().filter_map(|(parameter, value)| match value {
        Value::Password(password) => Some((parameter.name, password.secret())),
        _ => None,
    });
    values.map(|(key, secret)| format!("pci.{bus}.{number}.{function}.{key}={}\n", escape(secret.reveal()))).collect()
}

/// Writes a value so that bhyve reads it back whole: a value that holds a `%` is expanded when it is read, and there the
/// backslash is the escape (the manual says `%%`; the source says otherwise).
fn escape(value: &str) -> String {
    if value.contains('%') { value.replace('\\', "\\\\").replace('%', "\\%") } else { value.into() }
}

/// Returns what bhyve's exit status means (bhyve(8), EXIT STATUS).
pub const fn ended(status: i32) -> Ended {
    match status {
        0 => Ended::Rebooted,
        1 => Ended::PoweredOff,
        2 => Ended::Halted,
        3 => Ended::TripleFault,
        status => Ended::Failed { status },
    }
}

/// Returns the command that takes a machine's vmm node away (bhyvectl(8)).
pub fn destroy(name: &VmName) -> Argv {
    Argv::new("bhyvectl").arg("--destroy").arg(format!("--vm={name}"))
}

/// Returns the command that switches a machine off (bhyvectl(8)).
pub fn force_poweroff(name: &VmName) -> Argv {
    Argv::new("bhyvectl").arg("--force-poweroff").arg(format!("--vm={name}"))
}

/// What bhyvectl says of a machine that has no node.
pub fn is_not_created(stderr: &str) -> bool {
    stderr.contains("is not created")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::Tty;
    use crate::model::{Bootrom, DeviceKind, Draft, Secret, Size};

    fn device(name: &str, values: &[(&str, &str)]) -> Device {
        let kind = DeviceKind::named(name).unwrap();
        let values = values.iter().map(|(key, text)| {
            let parameter = kind.parameter(key).unwrap();
            (parameter, parameter.ty.read(text).unwrap())
        });
        Device::new(kind, values.collect()).unwrap()
    }

    fn machine(devices: &[(&str, Device)]) -> Draft {
        let mut draft = Draft { name: "lab".parse().ok(), memory: Size::mib(512), ..Draft::default() };
        for (slot, device) in devices {
            draft.put(slot.parse().unwrap(), device.clone()).unwrap();
        }
        draft
    }

    #[test]
    fn the_command_line_is_in_the_order_of_the_documents_script() {
        let mut draft = machine(&[
            ("31", device("lpc", &[("com2", "/dev/nmdm0A")])),
            ("0", device("hostbridge", &[])),
            ("4", device("virtio-blk", &[("path", "/vm/a.img"), ("ro", "true"), ("nocache", "false")])),
            ("29", device("fbuf", &[("password", "100%\\x"), ("w", "800"), ("tcp", "127.0.0.1:5901")])),
            ("30", device("xhci", &[("device", "tablet")])),
            ("5:1", device("virtio-rnd", &[])),
            ("5", device("virtio-net", &[("mac", "0:c:29:a5:19:b9"), ("backend", "tap1")])),
        ]);
        draft.switches = [("exit_on_hlt", true), ("strict_msr", false), ("msix", true)].into();
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

    #[test]
    fn statuses_mean_what_the_manual_says() {
        let words: Vec<String> = [0, 1, 2, 3, 4, 71].iter().map(|status| ended(*status).to_string()).collect();
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
    }
}
