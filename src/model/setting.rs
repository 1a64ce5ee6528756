//! Keys of a machine as data: one row of [`SETTINGS`] makes one known.
//!
//! The recipe's keys, the reference, the checks, the flags and the configuration come from the row. What has a form of its
//! own (CPUs, memory, firmware, slots) is in [`Draft`](super::Draft).

use super::target::Arch;
use super::{Feature, Part, Target, Type, Value};

/// One key of a machine.
#[derive(Debug)]
pub struct Setting {
    /// The recipe's key; with dots, where it is a key of another key's map.
    pub name: &'static str,
    /// The recipe's key whose map it is in.
    pub under: Option<&'static str>,
    /// Its key in bhyve_config(5).
    pub key: &'static str,
    /// bhyve's flag, if it has one.
    pub flag: Option<Flag>,
    /// What it may hold.
    pub ty: Type,
    /// bhyve's default, where that is a switch.
    pub default: Option<bool>,
    /// What bhyve has to have in order to understand it.
    pub feature: Option<Feature>,
    /// The architectures whose bhyve has it.
    pub archs: &'static [Arch],
    /// Whether a machine under QEMU is the same without it.
    pub quiet: bool,
    /// One line for the reference, the default in parentheses.
    pub help: &'static str,
}

/// A flag of bhyve(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag.
    pub text: &'static str,
    /// The value of a switch for which it stands; nothing where the value follows it.
    pub when: Option<bool>,
    /// Whether amd64 alone has it.
    pub amd64: bool,
}

/// Every key, in the order in which flags are written and in which the reference has them.
pub const SETTINGS: &[Setting] = &[
    switch("strict_msr", "x86.strictmsr", "-w", false, "fail on unknown model specific registers (true)"),
    switch(
        "exit_on_hlt",
        "x86.vmexit_on_hlt",
        "-H",
        true,
        "give the host its CPU back when the guest's is idle (false)",
    ),
    switch("exit_on_pause", "x86.vmexit_on_pause", "-P", true, "leave the guest on a PAUSE instruction (false)"),
    Setting {
        archs: &Arch::ALL,
        ..switch(
            "acpi",
            "acpi_tables",
            "-A",
            true,
            "ACPI tables; FreeBSD 15.0 and later make them always, 14 only when told (false)",
        )
    },
    switch("wired", "memory.wired", "-S", true, "wire the guest's memory (false)").everywhere(),
    switch("guest_in_core", "memory.guest_in_core", "-C", true, "include the guest's memory in a core dump (false)")
        .everywhere(),
    switch(
        "destroy_on_poweroff",
        "destroy_on_poweroff",
        "-D",
        true,
        "destroy the vmm node when the guest powers off (false)",
    )
    .everywhere(),
    switch("strict_io", "x86.strictio", "-e", true, "end on access to an unknown I/O port (false)"),
    Setting {
        archs: &Arch::ALL,
        ..switch("localtime", "rtc.use_localtime", "-u", false, "the clock shows the host's local time, not UTC (true)")
    },
    switch("msix", "virtio_msix", "-W", false, "VirtIO devices use MSI-X, not MSI (true)").everywhere(),
    switch("x2apic", "x86.x2apic", "-x", true, "the guest's APIC is an x2APIC (false)"),
    switch("mptable", "x86.mptable", "-Y", false, "make an MP table (true)"),
    Setting {
        feature: Some(Feature::Monitor),
        quiet: false,
        ..switch("monitor", "monitor", "-M", true, "stay, and start the guest again when it reboots (false)")
    },
    Setting {
        flag: Some(flag("-U", false)),
        quiet: true,
        ..key("uuid", "uuid", Type::Uuid, "the UUID that the guest sees")
    },
    Setting {
        flag: Some(flag("-K", true)),
        archs: AMD64,
        ..key("keyboard", "keyboard.layout", Type::Name { max: 255 }, "layout of the keyboard of VNC: \"de_noacc\"")
    },
    Setting {
        feature: Some(Feature::RunFolder),
        quiet: true,
        ..key("run_dir", "rundir", Type::Path, "the folder of what bhyve keeps while it runs (/var/run/bhyve)")
    },
    under("gdb", "gdb.port", Type::Integer { min: 1, max: 65535 }, "the port of a stub for gdb"),
    under("gdb", "gdb.address", Type::Name { max: 255 }, "where the stub listens (localhost)"),
    under("gdb", "gdb.wait", Type::Flag, "start the guest when gdb has connected (false)"),
    Setting {
        default: Some(true),
        quiet: true,
        ..amd64("acpi_in_memory", "acpi_tables_in_memory", "put the ACPI tables into the guest's memory (true)")
    },
    Setting {
        feature: Some(Feature::VerboseMsr),
        default: Some(false),
        ..amd64("verbose_msr", "x86.verbosemsr", "tell of unknown model specific registers (false)")
    },
    key("enable_bars", "pci.enable_bars", Type::Flag, "switch devices on as firmware would (without boot ROM)"),
    Setting { default: Some(false), ..amd64("pc_testdev", "lpc.pc-testdev", "the device of kvm-unit-tests (false)") },
    Setting {
        quiet: true,
        archs: AMD64,
        ..key(
            "fwcfg",
            "lpc.fwcfg",
            Type::Choice(&["bhyve", "qemu"]),
            "what firmware is told: \"bhyve\", or \"qemu\" for boot order and ACPI (bhyve)",
        )
    },
    Setting {
        archs: &[Arch::Arm64, Arch::Riscv64],
        ..key("console", "console", Type::Tty, "the serial port of arm64 and riscv: \"stdio\" or a tty")
    },
    under("tpm", "tpm.type", Type::Choice(&["passthru", "swtpm"]), "kind of TPM: that of the host, or one of swtpm"),
    under("tpm", "tpm.path", Type::Path, "the TPM of the host, or the socket of swtpm"),
    under("tpm", "tpm.version", Type::Choice(&["2.0"]), "version of the TPM (2.0)"),
    under("tpm", "tpm.intf", Type::Choice(&["crb"]), "how the guest reaches the TPM (crb)"),
    under("tpm", "tpm.ppi", Type::Choice(&["qemu"]), "how the guest asks for physical presence (qemu)"),
    smbios("bios.vendor"),
    smbios("bios.version"),
    smbios("bios.release_date"),
    smbios("system.family_name"),
    smbios("system.manufacturer"),
    smbios("system.product_name"),
    smbios("system.serial_number"),
    smbios("system.sku"),
    smbios("system.version"),
    smbios("board.manufacturer"),
    smbios("board.product_name"),
    smbios("board.version"),
    smbios("board.serial_number"),
    smbios("board.asset_tag"),
    smbios("board.location"),
    smbios("chassis.manufacturer"),
    smbios("chassis.version"),
    smbios("chassis.serial_number"),
    smbios("chassis.asset_tag"),
    smbios("chassis.sku"),
];

const AMD64: &[Arch] = &[Arch::Amd64];

const fn key(name: &'static str, key: &'static str, ty: Type, help: &'static str) -> Setting {
    let archs = &Arch::ALL;
    Setting { name, under: None, key, flag: None, ty, default: None, feature: None, archs, quiet: false, help }
}

const fn flag(text: &'static str, amd64: bool) -> Flag {
    Flag { text, when: None, amd64 }
}

const fn switch(name: &'static str, of: &'static str, text: &'static str, when: bool, help: &'static str) -> Setting {
    let flag = Some(Flag { text, when: Some(when), amd64: true });
    Setting { flag, default: Some(!when), archs: AMD64, quiet: true, ..key(name, of, Type::Flag, help) }
}

const fn amd64(name: &'static str, of: &'static str, help: &'static str) -> Setting {
    Setting { archs: AMD64, ..key(name, of, Type::Flag, help) }
}

const fn under(top: &'static str, name: &'static str, ty: Type, help: &'static str) -> Setting {
    Setting { under: Some(top), archs: AMD64, ..key(name, name, ty, help) }
}

const fn smbios(name: &'static str) -> Setting {
    Setting { under: Some("smbios"), quiet: true, ..key(name, name, Type::Line, "text of SMBIOS") }
}

impl Setting {
    /// Makes a switch one that every architecture has, and its flag too.
    const fn everywhere(self) -> Self {
        let flag = match self.flag {
            Some(flag) => Some(Flag { amd64: false, ..flag }),
            None => None,
        };
        Self { archs: &Arch::ALL, flag, ..self }
    }

    /// Finds a setting by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Returns its name in the map that it is in: `port` of `gdb`.
    pub fn short(&self) -> &'static str {
        let prefix = self.under.map_or(0, |top| if self.name.starts_with(top) { top.len() + 1 } else { 0 });
        self.name.get(prefix..).unwrap_or(self.name)
    }

    /// Returns what a fault of it is about.
    pub fn part(&self) -> Part {
        self.under.map_or(Part::Key(self.name), |top| Part::Under(top, self.short().to_string()))
    }

    /// Returns bhyve's default, where it is a switch.
    pub fn default_for(&self, target: Target) -> Option<bool> {
        match self.name {
            "acpi" => Some(target.has(Feature::AcpiAlways) && target.arch == Arch::Amd64),
            _ => self.default,
        }
    }

    /// Returns its flag, if the bhyve has it.
    pub fn flag_for(&self, target: Target) -> Option<Flag> {
        self.flag.filter(|flag| !flag.amd64 || target.arch == Arch::Amd64)
    }

    /// Returns whether a value is bhyve's default.
    pub fn is_default(&self, value: &Value, target: Target) -> bool {
        matches!((value, self.default_for(target)), (Value::Flag(given), Some(default)) if *given == default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_name_and_a_key_of_its_own() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            for other in &SETTINGS[at + 1..] {
                assert!(other.name != setting.name && other.key != setting.key, "{}", setting.name);
                let same = |a: Flag| other.flag.is_some_and(|b| a.text == b.text);
                assert!(!setting.flag.is_some_and(same), "{}", setting.name);
            }
            assert_eq!(setting.under.is_some(), setting.name.contains('.'), "{}", setting.name);
            assert!(!setting.name.contains('.') || setting.name == setting.key, "{}", setting.name);
            if let Some(when) = setting.flag.and_then(|flag| flag.when) {
                assert_eq!((setting.ty, setting.default), (Type::Flag, Some(!when)), "{}", setting.name);
            }
        }
        assert_eq!(Setting::named("gdb.port").map(Setting::short), Some("port"));
        assert_eq!(Setting::named("bios.vendor").map(Setting::short), Some("bios.vendor"));
    }
}
