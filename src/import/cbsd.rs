//! Guests of CBSD, the manager of jails and bhyve guests: a guest's `bhyve.conf` in, or what its `local.sqlite` has, the command line that
//! CBSD would run and notes on everything else out. Pure: nothing is touched.
//!
//! The facts are those of CBSD 13.1 and 12.1, from its scripts: `bstart` writes `bhyve.conf` at each start, `bhyverun.sh` sources it and puts
//! the command line together; `bhyve.subr` makes its parts of the tables (`share/local-bhyve*.schema`). Later releases have more keys,
//! of which the names are known and not what becomes of them: what is not known is noted. Nothing of it was tried on a host with CBSD.

mod database;
mod row;

pub(crate) use database::TABLES;

use super::translated::Translated;
use super::words::{Wrong, lines};
use crate::diag::Fault;
use crate::model::Part;
use crate::vmbhyve::Load;
use std::collections::{BTreeMap, BTreeSet};

/// Keys that say nothing of the machine, or what another key has already.
const ITS_OWN: &[&str] = &[
    "tmuxcmd",
    "vm_logfile",
    "console_nmdm",
    "mydsk",
    "mycd",
    "mytap",
    "bhyverun_wrapper",
    "cd_boot_once",
    "media_auto_eject",
    "bhyveload_cmd_once",
    "bhyve_vnc_resolution",
    "bhyve_vnc_tcp_bind",
    "passthr",
    "dsk_bootable",
    "vm_console",
    "cd_args2",
    "vm_os_type",
    "vm_os_profile",
    "virtio_type",
    "created",
    "state_time",
    "hidden",
    "protected",
    "maintenance",
    "vnc_port",
    "vm_rd_port",
    "vm_iso_path",
    "vm_iso_path2",
    "vm_zfs_guid",
    "ip4_addr",
    "astart",
    "boot_delay",
    "vm_pid",
    "tags",
    "bhyve_cmd",
    "bhyvestop_wrapper",
    "pid_wait",
];

/// A value with the line that gives it; 0 for one that a table has.
pub(super) type Given = (usize, String);

/// Whether a text is a guest of CBSD.
pub(super) fn is(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("jname=") && has("hostbridge_args=") || database::is(text)
}

/// A guest while its command line is put together.
struct Reading {
    values: BTreeMap<String, Given>,
    asked: BTreeSet<String>,
    machine: Translated,
}

/// Reads a guest. What other machines have, taps by name and ports of screens by number, it is not given.
pub(super) fn read(text: &str, taken: &BTreeSet<String>) -> Result<Translated, Vec<Wrong>> {
    let whole = 0..text.lines().next().map_or(0, str::len);
    let mut machine = Translated::default();
    let values = if database::is(text) {
        database::read(text, taken, &mut machine).map_err(|fault| vec![(whole.clone(), fault)])?
    } else {
        assignments(text, &mut machine).map_err(|wrong| vec![wrong])?
    };
    let mut reading = Reading { values, asked: BTreeSet::new(), machine };
    let name = reading.get("jname");
    if name.is_empty() {
        let fault = Fault::new("there is no `jname`, without which CBSD starts nothing");
        return Err(vec![(whole, fault.hint("give the bhyve.conf of a guest, or CBSD's whole folder by --all"))]);
    }
    reading.machine.name.clone_from(&name);
    reading.options();
    reading.devices();
    reading.firmware();
    reading.taps();
    reading.ends();
    reading.rest();
    reading.machine.notes.sort();
    reading.machine.argv.push(name);
    Ok(reading.machine)
}

/// Reads assignments as sh(1) does that sources them: the last of a name counts.
fn assignments(text: &str, machine: &mut Translated) -> Result<BTreeMap<String, Given>, Wrong> {
    let mut all = BTreeMap::new();
    for line in lines(text)? {
        let number = text.get(..line.span.start).unwrap_or_default().matches('\n').count() + 1;
        let Some((key, value)) = line.words.first().and_then(|word| word.text.split_once('=')) else {
            machine.hole(number, "", Part::Whole, "a command of the shell is not run here, and is left out");
            continue;
        };
        if line.words.iter().any(|word| word.expands.is_some()) {
            machine.hole(
                number,
                key,
                Part::Whole,
                "the shell would put something in, so that the line is not taken over",
            );
            continue;
        }
        all.insert(key.to_string(), (number, value.to_string()));
    }
    Ok(all)
}

impl Reading {
    /// Returns a value; nothing and CBSD's `0` for nothing are the same to most that ask.
    fn get(&mut self, key: &str) -> String {
        self.asked.insert(key.into());
        self.values.get(key).map(|(_, value)| value.trim().to_string()).unwrap_or_default()
    }

    fn line(&self, key: &str) -> usize {
        self.values.get(key).map_or(0, |(line, _)| *line)
    }

    fn is_on(&mut self, key: &str) -> bool {
        self.get(key) == "1"
    }

    /// Adds words as the shell splits them.
    fn add(&mut self, key: &str) {
        let words = self.get(key);
        self.machine.argv.extend(words.split_whitespace().map(String::from));
    }

    fn note(&mut self, key: &str, text: &str) {
        let line = self.line(key);
        self.machine.note(line, key, text);
    }

    fn hole(&mut self, key: &str, text: &str) {
        let line = self.line(key);
        self.machine.hole(line, key, Part::Whole, text);
    }

    /// The options, in the order of bhyverun.sh.
    fn options(&mut self) {
        if self.get("bhyve_flags") != "0" {
            self.add("bhyve_flags");
        }
        let (cpus, memory) = (self.get("vm_cpus"), self.get("vm_ram"));
        self.machine.argv.extend(["-c".into(), cpus, "-m".into(), memory, "-H".into()]);
        let has_passthru = !self.get("pci_passthru_args").is_empty();
        let flags = [
            ("bhyve_generate_acpi", "1", "-A"),
            ("bhyve_wire_memory", "1", "-S"),
            ("bhyve_rts_keeps_utc", "1", "-u"),
            ("bhyve_force_msi_irq", "1", "-W"),
            ("bhyve_x2apic_mode", "1", "-x"),
            ("bhyve_mptable_gen", "0", "-Y"),
            ("bhyve_ignore_msr_acc", "1", "-w"),
        ];
        for (key, value, flag) in flags {
            if self.get(key) == value || flag == "-S" && has_passthru {
                self.machine.argv.push(flag.into());
            }
        }
        let uuid = self.get("uuid");
        if !["", "0"].contains(&uuid.as_str()) {
            self.machine.argv.extend(["-U".into(), uuid]);
        }
        let nice = self.get("nice");
        if !["", "0"].contains(&nice.as_str()) {
            self.note("nice", "vmrun sets no priority: start it with nice(1)");
        }
    }

    /// The devices, in the order of bhyverun.sh.
    fn devices(&mut self) {
        const KEYS: &[&str] = &[
            "hostbridge_args",
            "virtio_9p_args",
            "uefi_boot_args",
            "dsk_args",
            "dsk_controller_args",
            "cd_args",
            "nic_args",
            "nvme_args",
            "virtiornd_args",
            "pci_passthru_args",
        ];
        KEYS.iter().for_each(|key| self.add(key));
        self.screen();
        if self.get("soundhw_args") != "none" {
            self.add("soundhw_args");
        }
        self.add("lpc_args");
        self.add("console_args");
        if !self.get("live_migration_args").is_empty() {
            self.hole("live_migration_args", "the guest was to come from another host, which vmrun does not");
        }
    }

    fn screen(&mut self) {
        let (mut screen, password) = (self.get("vnc_args"), self.get("vnc_password"));
        let (efi, port, vga) = (self.get("vm_efi"), self.get("vm_vnc_port"), self.get("bhyve_vnc_vgaconf"));
        let (is_cd, waits) = (self.get("vm_boot") == "cd", self.is_on("cd_vnc_wait"));
        let has_screen = !screen.is_empty() && port != "1";
        if has_screen && !["", "io"].contains(&vga.as_str()) {
            screen += &format!(",vga={vga}");
        }
        if has_screen && is_cd && waits && efi != "none" {
            screen += ",wait";
        }
        // With the password the secret of the recipe is asked for; `0` is none.
        if has_screen && efi != "none" && !["", "0"].contains(&password.as_str()) {
            screen += &format!(",password={password}");
            self.note("vnc_password", "CBSD writes the password into bhyve's command line, where ps(1) shows it: a recipe has a secret instead");
        }
        self.machine.argv.extend(screen.split_whitespace().map(String::from));
        let (xhci, tablet) = (self.is_on("xhci"), self.is_on("tablet"));
        if xhci && has_screen && efi != "none" {
            self.machine.put("30", if tablet { "xhci,tablet" } else { "xhci" });
        }
        let layout = self.get("bhyve_vnc_kbdlayout");
        if !["", "0"].contains(&layout.as_str()) {
            let text = "how CBSD hands the layout of the keyboard on is not known: `keyboard: \"…\"` has it";
            self.hole("bhyve_vnc_kbdlayout", text);
        }
    }

    /// The firmware, or the loader that runs before.
    fn firmware(&mut self) {
        self.add("efi_args");
        let load = self.get("bhyveload_cmd");
        let words: Vec<String> = load.split_whitespace().map(String::from).collect();
        // lockf(1) runs it.
        let at = words.iter().position(|word| word.rsplit('/').next() == Some("bhyveload"));
        if let Some(at) = at.filter(|_| self.get("efi_args").is_empty()) {
            let mut argv: Vec<String> = words.into_iter().skip(at).collect();
            if let Some(program) = argv.first_mut() {
                *program = "bhyveload".into();
            }
            self.machine.load = Some(Load { argv, ..Load::default() });
        } else if self.get("efi_args").is_empty() {
            self.hole("vm_efi", "nothing loads the guest: CBSD boots it without firmware and without a loader");
        }
    }

    /// The bridges of the taps: `mytap_TAP_members` names each one's.
    fn taps(&mut self) {
        let cards = self.get("nic_args");
        let names: Vec<String> = cards
            .split_whitespace()
            .filter(|word| word.contains(','))
            .filter_map(|word| word.split(',').nth(2))
            .map(String::from)
            .collect();
        for tap in names {
            if tap.starts_with("vale") {
                self.hole("nic_args", "a card is on a VALE switch, which vmrun does not make: write it by hand");
                continue;
            }
            let key = format!("mytap_{}_members", tap.replace(':', "_"));
            let bridge = Some(self.get(&key)).filter(|bridge| !bridge.is_empty() && bridge != "disable");
            if let Some(bridge) = &bridge {
                let text = format!("{bridge} has to be there: CBSD makes it at a start where it is not");
                self.note(&key, &text);
            } else if !self.machine.taps.contains_key(&tap) {
                self.note("nic_args", "CBSD says of a card no bridge that it joins: it may be on none");
            }
            self.machine.taps.entry(tap).or_insert(bridge);
        }
    }

    /// What follows each end of the guest.
    fn ends(&mut self) {
        for (key, usual) in [("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")] {
            let wish = self.get(key);
            if !["", usual].contains(&wish.as_str()) {
                let text =
                    format!("vmrun does what {usual:?} says: `restart(#{{ … }})` or `on` say what else is wished");
                self.hole(key, &text);
            }
        }
        if !["", "0", "none"].contains(&self.get("debug_engine").as_str()) {
            self.note("debug_engine", "vmrun runs bhyve in no debugger");
        }
        if !["", "/usr/sbin/bhyve"].contains(&self.get("bhyve_cmd").as_str()) {
            self.hole("bhyve_cmd", "vmrun runs the bhyve of PATH: let it be that one");
        }
    }

    /// Notes every key that nobody has asked for.
    fn rest(&mut self) {
        let is_own = |key: &str| {
            let is_list = ["dsk_", "cd_", "mytap_"].iter().any(|head| key.starts_with(head))
                && ["_path", "_members"].iter().any(|end| key.ends_with(end));
            ITS_OWN.contains(&key) || is_list
        };
        let left: Vec<(String, usize)> = self
            .values
            .iter()
            .filter(|(key, _)| !self.asked.contains(*key))
            .map(|(key, (line, _))| (key.clone(), *line))
            .collect();
        let own: Vec<&str> = left.iter().map(|(key, _)| key.as_str()).filter(|key| is_own(key)).collect();
        if !own.is_empty() {
            self.machine.note(0, &own.join(" "), "they are CBSD's own, and say nothing more of the machine");
        }
        for (key, line) in left.iter().filter(|(key, _)| !is_own(key)) {
            self.machine.note(*line, key, "what CBSD makes of it is not known, and it is left out");
        }
    }
}

#[cfg(test)]
mod tests;
