//! The command line of bhyve(8): flags where it has them, `-o` where it has none.

use super::{escape, secret_lines};
use crate::model::device::Item;
use crate::model::target::Arch;
use crate::model::tree::{bootrom_keys, domain_entries, slot_key};
use crate::model::value::{Need, ParameterForm, Value};
use crate::model::{Argv, Device, Machine, Target};
use std::path::Path;

/// Returns the command line of a machine. Secrets are not in it: `secrets` is the file that holds them, named by `-k` right
/// after the `-s` that they belong to, because bhyve refuses an `-s` whose node exists already.
pub fn argv(machine: &Machine, secrets: &Path) -> Argv {
    let mut argv = Argv::new("bhyve").arg("-c").arg(cpus(machine)).arg("-m").arg(machine.memory());
    let mut options: Vec<(String, String)> = Vec::new();
    argv = settings(argv, machine, &mut options);
    argv = processors(argv, machine, &mut options);
    for item in machine.fw_items() {
        argv = argv.arg("-f").arg(item.argument());
    }
    for (slot, device) in machine.devices() {
        argv = argv.arg("-s").arg(format!("{slot},{}", device_text(device, machine.target())));
        if !secret_lines(slot, device).is_empty() {
            argv = argv.arg("-k").arg(secrets.display());
        }
        let config = device.items().iter().filter(|item| item.parameter.form == ParameterForm::Config);
        let key = |name| format!("{}.{name}", slot_key(slot));
        options.extend(config.map(|item| (key(item.parameter.key), item.value.to_string())));
    }
    argv = lpc(argv, machine, &mut options);
    options.extend(machine.oem_strings().iter().map(|(number, text)| (format!("oemstring.{number}"), text.clone())));
    for (key, value) in options {
        argv = argv.arg("-o").arg(format!("{key}={}", escape(&value)));
    }
    for (key, value) in machine.options() {
        argv = argv.arg("-o").arg(format!("{key}={value}"));
    }
    argv.args(machine.args()).arg(machine.name())
}

/// bhyve takes as many sockets as CPUs where it is not told them.
fn cpus(machine: &Machine) -> String {
    match machine.topology() {
        None => machine.cpus().to_string(),
        Some(t) => format!("{},sockets={},cores={},threads={}", machine.cpus(), t.sockets, t.cores, t.threads),
    }
}

fn settings(mut argv: Argv, machine: &Machine, options: &mut Vec<(String, String)>) -> Argv {
    let target = machine.target();
    for (setting, value) in machine.settings().filter(|(setting, _)| !by_lpc(machine, setting.name)) {
        let flag = setting.flag_for(target);
        match (flag, value) {
            (Some(flag), Value::Flag(given)) if flag.when == Some(*given) => argv = argv.arg(flag.text),
            (Some(flag), value) if flag.when.is_none() => argv = argv.arg(flag.text).arg(escape(&value.to_string())),
            _ if setting.name.starts_with("gdb.") => {}
            _ if setting.is_default(value, target) => {}
            _ => options.push((setting.key.into(), value.to_string())),
        }
    }
    gdb(argv, machine, options)
}

/// `-G [w][ADDR:]PORT`. Of an address that begins with a `w` bhyve would take that letter for its own.
fn gdb(argv: Argv, machine: &Machine, options: &mut Vec<(String, String)>) -> Argv {
    let Some(port) = machine.value("gdb.port") else { return argv };
    let wait = if machine.switch("gdb.wait") == Some(true) { "w" } else { "" };
    let address = machine.value("gdb.address").map(ToString::to_string);
    if let Some(address) = address.as_ref().filter(|address| wait.is_empty() && address.starts_with('w')) {
        options.push(("gdb.address".into(), address.clone()));
        options.push(("gdb.port".into(), port.to_string()));
        return argv;
    }
    let address = address.map(|address| address + ":").unwrap_or_default();
    argv.arg("-G").arg(format!("{wait}{address}{port}"))
}

/// What a `-l` carries.
fn by_lpc(machine: &Machine, name: &str) -> bool {
    let amd64 = machine.target().arch == Arch::Amd64;
    let fwcfg = name == "fwcfg" && machine.bootrom().is_some();
    amd64 && (fwcfg || name.starts_with("tpm.") || name == "pc_testdev")
}

fn processors(mut argv: Argv, machine: &Machine, options: &mut Vec<(String, String)>) -> Argv {
    for (vcpu, set) in machine.pins() {
        match set.singles() {
            Some(cpus) => argv = cpus.iter().fold(argv, |argv, cpu| argv.arg("-p").arg(format!("{vcpu}:{cpu}"))),
            None => options.push((format!("vcpu.{vcpu}.cpuset"), set.to_string())),
        }
    }
    for (id, domain) in machine.domains() {
        let entries = domain_entries(*id, domain);
        if entries.iter().any(|(_, value)| value.contains(',')) {
            options.extend(entries);
            continue;
        }
        let short = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
        let items: String = entries.iter().map(|(key, value)| format!(",{}={}", short(key), escape(value))).collect();
        argv = argv.arg("-n").arg(format!("id={id}{items}"));
    }
    argv
}

fn lpc(mut argv: Argv, machine: &Machine, options: &mut Vec<(String, String)>) -> Argv {
    let target = machine.target();
    for (name, tty) in machine.ttys() {
        argv = argv.arg("-l").arg(format!("{name},{}", escape(&tty.to_string())));
    }
    if let (Some(ty), Some(path)) = (machine.value("tpm.type"), machine.value("tpm.path")) {
        let more =
            |name: &str| machine.value(name).map(|value| format!(",{}={value}", name.trim_start_matches("tpm.")));
        let more: String = ["tpm.intf", "tpm.ppi"].into_iter().filter_map(more).collect();
        argv = argv.arg("-l").arg(format!("tpm,{ty},{},version=2.0{more}", escape(&path.to_string())));
    }
    if machine.switch("pc_testdev") == Some(true) {
        argv = argv.arg("-l").arg("pc-testdev");
    }
    let Some(rom) = machine.bootrom() else { return argv };
    if target.arch != Arch::Amd64 {
        let (code, vars) = bootrom_keys(target);
        options.push((code.into(), rom.code.to_string()));
        options.extend(rom.vars.as_ref().map(|path| (vars.to_string(), path.to_string())));
        return argv;
    }
    // In `-l` a path with a `=` would be an option (bhyve's source).
    let (told, inline): (Vec<_>, Vec<_>) = rom.vars.iter().partition(|vars| vars.as_str().contains('='));
    options.extend(told.into_iter().map(|vars| (bootrom_keys(target).1.to_string(), vars.to_string())));
    let vars: String = inline.into_iter().map(|vars| format!(",{}", escape(vars.as_str()))).collect();
    let fwcfg = machine.value("fwcfg").map(|fwcfg| format!(",fwcfg={fwcfg}")).unwrap_or_default();
    argv.arg("-l").arg(format!("bootrom,{}{vars}{fwcfg}", escape(rom.code.as_str())))
}

/// Returns the text of a `-s` after its slot, as in bhyve(8): the name, what is given, the options, the ports.
pub(crate) fn device_text(device: &Device, target: Target) -> String {
    let mut text = device.kind().name.to_string();
    let mut next = 0;
    for Item { number, parameter, value } in device.items() {
        let bare = parameter.need == Need::Leading || device.kind().given.iter().any(|g| g.name == parameter.name);
        let (name, shown) = (parameter.name, escape(&value.to_string()));
        let option = match (parameter.form, value) {
            (ParameterForm::Lpc | ParameterForm::Secret | ParameterForm::Config | ParameterForm::Own, _)
            | (_, Value::Flag(false)) => String::new(),
            (ParameterForm::Label, _) => format!(",{shown}="),
            (ParameterForm::Labelled, _) => shown,
            (ParameterForm::Prefixed, _) => {
                let number = number.unwrap_or_default();
                // A port that names nothing is skipped, and keeps its number.
                (next..number).for_each(|_| text += ",hd:");
                next = number.saturating_add(1);
                format!(",{name}:{shown}")
            }
            (ParameterForm::Numbered, _) => format!(",{name}={}:{shown}", number.unwrap_or_default()),
            // Where targets have numbers, a path with a `=` would be an option, and one with a `:` might begin with a number.
            (ParameterForm::Slot, _)
                if parameter.key_for(target) == "target.0" && (shown.contains('=') || !shown.starts_with('/')) =>
            {
                format!(",target=0:{shown}")
            }
            (ParameterForm::Slot, Value::Flag(true)) => format!(",{name}"),
            (ParameterForm::Slot, _) if bare => format!(",{shown}"),
            (ParameterForm::Slot, _) => format!(",{name}={shown}"),
        };
        text += &option;
    }
    text
}
