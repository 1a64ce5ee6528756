//! The machine itself as QEMU is told it: firmware's items, texts of SMBIOS, the stub for gdb.

use super::escape;
use crate::model::fwcfg::FwContent;
use crate::model::{Argv, Machine};

/// The texts of SMBIOS: bhyve's key, the type of the table, QEMU's name.
const SMBIOS: &[(&str, u8, &str)] = &[
    ("bios.vendor", 0, "vendor"),
    ("bios.version", 0, "version"),
    ("bios.release_date", 0, "date"),
    ("system.manufacturer", 1, "manufacturer"),
    ("system.product_name", 1, "product"),
    ("system.version", 1, "version"),
    ("system.serial_number", 1, "serial"),
    ("system.sku", 1, "sku"),
    ("system.family_name", 1, "family"),
    ("board.manufacturer", 2, "manufacturer"),
    ("board.product_name", 2, "product"),
    ("board.version", 2, "version"),
    ("board.serial_number", 2, "serial"),
    ("board.asset_tag", 2, "asset"),
    ("board.location", 2, "location"),
    ("chassis.manufacturer", 3, "manufacturer"),
    ("chassis.version", 3, "version"),
    ("chassis.serial_number", 3, "serial"),
    ("chassis.asset_tag", 3, "asset"),
    ("chassis.sku", 3, "sku"),
];

/// Returns how many processors, and how they are arranged.
pub(super) fn cpus(machine: &Machine) -> String {
    match machine.topology() {
        None => machine.cpus().to_string(),
        Some(t) => format!("{},sockets={},cores={},threads={}", machine.cpus(), t.sockets, t.cores, t.threads),
    }
}

/// Adds what firmware and guest can ask for, and the stub for gdb.
pub(super) fn with_own_options(mut argv: Argv, machine: &Machine) -> Argv {
    for table in 0..=3 {
        let rows = SMBIOS.iter().filter(|(_, of, _)| *of == table);
        let values = rows.filter_map(|(key, _, name)| Some(format!(",{name}={}", escape(machine.value(key)?))));
        let text: String = values.collect();
        if !text.is_empty() {
            argv = argv.arg("-smbios").arg(format!("type={table}{text}"));
        }
    }
    for text in machine.oem_strings().values() {
        argv = argv.arg("-smbios").arg(format!("type=11,value={}", escape(text)));
    }
    for item in machine.fw_items() {
        let content = match item.content() {
            FwContent::Text(text) => format!("string={}", escape(text)),
            FwContent::File(path) => format!("file={}", escape(path)),
        };
        argv = argv.arg("-fw_cfg").arg(format!("name={},{content}", item.name()));
    }
    if let Some(port) = machine.value("gdb.port") {
        let address = machine.value("gdb.address").map_or_else(|| "localhost".into(), ToString::to_string);
        argv = argv.arg("-gdb").arg(format!("tcp:{address}:{port}"));
        argv = if machine.switch("gdb.wait") == Some(true) { argv.arg("-S") } else { argv };
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::setting::SETTINGS;

    #[test]
    fn every_text_of_smbios_has_its_place() {
        let own = SETTINGS.iter().filter(|setting| setting.under == Some("smbios"));
        for setting in own {
            assert!(SMBIOS.iter().any(|(key, ..)| *key == setting.name), "{}", setting.name);
        }
    }
}
