//! The text of `-l`: boot ROM, serial ports and TPM (bhyve(8), `-l`; amd64 only).

use super::arguments::Keys;
use super::tree::veiled;
use crate::diag::{Fault, suggest};
use crate::model::{Feature, Target};

/// The devices of `-l help`.
const NAMES: [&str; 7] = ["bootrom", "com1", "com2", "com3", "com4", "tpm", "pc-testdev"];

/// Reads `DEVICE[,CONF]`. The name may be in any case.
pub(super) fn read(text: &str, target: Target) -> Result<Keys, Fault> {
    let (device, conf) = text.split_once(',').map_or((text, None), |(device, conf)| (device, Some(conf)));
    let mut keys = Keys::default();
    match device.to_ascii_lowercase().as_str() {
        "bootrom" => bootrom(&mut keys, conf, target)?,
        "tpm" => tpm(&mut keys, conf)?,
        "pc-testdev" => keys.put("lpc.pc-testdev", "true"),
        port @ ("com1" | "com2" | "com3" | "com4") => {
            let tty = conf.ok_or_else(|| {
                let fault = Fault::new(format!("`{port}` needs what it is plugged into"));
                fault.hint(format!("write `{port},stdio` or `{port},/dev/nmdm0A`; without it bhyve aborts"))
            })?;
            keys.put(format!("lpc.{port}.path"), tty);
        }
        "fwcfg" => {
            let hint = "it is an option of the ROM: `-l bootrom,ROM,fwcfg=qemu`";
            return Err(Fault::new("`fwcfg` is no device of `-l`, whatever bhyve(8) says").hint(hint));
        }
        other => {
            let fault = Fault::new(format!("`{}` is no device of `-l`", veiled(device)));
            return Err(fault.hint(format!("one of {}", suggest::list(NAMES))).did_you_mean(other, NAMES));
        }
    }
    Ok(keys)
}

/// `ROM[,VARS][,KEY=VALUE...]`: the second item is the variables' file unless it holds a `=`. Since FreeBSD 15.0 the two
/// files have keys of their own; all else is below `lpc`.
fn bootrom(keys: &mut Keys, conf: Option<&str>, target: Target) -> Result<(), Fault> {
    let node = if target.has(Feature::BootromKeys) { "" } else { "lpc." };
    let mut items = conf.map(|conf| conf.split(',')).into_iter().flatten();
    let Some(rom) = items.next() else {
        return Err(Fault::new("`bootrom` needs a file").hint("write `bootrom,ROM` or `bootrom,ROM,VARS`"));
    };
    keys.put(format!("{node}bootrom"), rom);
    for (at, item) in items.enumerate() {
        if at == 0 && !item.contains('=') {
            keys.put(format!("{node}bootvars"), item);
        } else {
            option(keys, "lpc", item)?;
        }
    }
    Ok(())
}

/// `TYPE,PATH[,version=2.0]`.
fn tpm(keys: &mut Keys, conf: Option<&str>) -> Result<(), Fault> {
    let mut items = conf.map(|conf| conf.split(',')).into_iter().flatten();
    let (Some(kind), Some(path)) = (items.next(), items.next()) else {
        return Err(Fault::new("`tpm` needs a type and a path").hint("write `tpm,passthru,/dev/tpm0`"));
    };
    keys.put("tpm.type", kind);
    keys.put("tpm.path", path);
    items.try_for_each(|item| option(keys, "tpm", item))
}

/// `KEY=VALUE`, or a bare `KEY` for true.
fn option(keys: &mut Keys, node: &str, item: &str) -> Result<(), Fault> {
    let (key, value) = item.split_once('=').unwrap_or((item, "true"));
    if key.contains('.') {
        let hint = format!("write `-o {node}.{}=...`", veiled(key));
        return Err(Fault::new(format!("`{}` has a dot, which `-l` does not take", veiled(key))).hint(hint));
    }
    if key.is_empty() {
        let fault = Fault::new(format!("`{node}` has an option without a name"));
        return Err(fault.hint("bhyve reads no such key: leave the comma out"));
    }
    keys.put(format!("{node}.{key}"), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arch, Release};

    fn dump(text: &str, release: Release) -> String {
        match read(text, Target { arch: Arch::Amd64, release }) {
            Ok(keys) => keys.entries.iter().map(|(key, value)| format!("{key}={value} ")).collect(),
            Err(fault) => format!("! {fault}"),
        }
    }

    #[test]
    fn the_rom_has_other_keys_since_15() {
        let text = "BootRom,/c.fd,/v.fd,fwcfg=qemu,x";
        assert_eq!(dump(text, Release::V14_5), "lpc.bootrom=/c.fd lpc.bootvars=/v.fd lpc.fwcfg=qemu lpc.x=true ");
        assert_eq!(dump(text, Release::V15_1), "bootrom=/c.fd bootvars=/v.fd lpc.fwcfg=qemu lpc.x=true ");
        assert_eq!(dump("bootrom,/c.fd,fwcfg=qemu,y", Release::V15_1), "bootrom=/c.fd lpc.fwcfg=qemu lpc.y=true ");
    }

    #[test]
    fn a_serial_port_takes_all_the_rest_and_a_tpm_two_items() {
        let dump = |text| dump(text, Release::V15_1);
        assert_eq!(dump("COM1,/dev/a,b"), "lpc.com1.path=/dev/a,b ");
        assert_eq!(dump("tpm,passthru,/dev/tpm0,version=2.0"), "tpm.type=passthru tpm.path=/dev/tpm0 tpm.version=2.0 ");
        assert_eq!(dump("pc-testdev"), "lpc.pc-testdev=true ");
    }

    #[test]
    fn what_l_does_not_know_is_refused() {
        let dump = |text| dump(text, Release::V15_1);
        assert_eq!(dump("com1"), "! `com1` needs what it is plugged into");
        assert_eq!(dump("com5,stdio"), "! `com5` is no device of `-l`");
        assert_eq!(dump("fwcfg,qemu"), "! `fwcfg` is no device of `-l`, whatever bhyve(8) says");
        assert_eq!(dump("bootrom"), "! `bootrom` needs a file");
        assert_eq!(dump("tpm,passthru"), "! `tpm` needs a type and a path");
        assert_eq!(dump("bootrom,/c,/v,a.b=1"), "! `a.b` has a dot, which `-l` does not take");
    }
}
