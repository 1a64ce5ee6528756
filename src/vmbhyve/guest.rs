//! A guest: the command line that vm-bhyve would run, and what it says of disks, cards and installer.

use super::conf::masked;
use super::disks::{Disk, push};
use super::nics::Nic;
use super::reading::Reading;
use super::slots::Slots;
use super::{Note, Place, devices, disks, nics};
use crate::diag::Fault;
use crate::diag::suggest::did_you_mean;
use crate::model::{Limits, Size, Transfers, VmName};
use std::fmt;

/// What puts the guest's code into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// bhyveload(8), before bhyve: FreeBSD only.
    Bhyveload,
    /// grub-bhyve, before bhyve.
    Grub,
    /// A boot ROM; vm-bhyve has several, by the word after `uefi-`.
    Uefi,
}

/// A loader's command line, without what it takes from the machine: memory, disks, console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The program, its arguments, and the guest's name.
    pub argv: Vec<String>,
    /// GRUB's commands, if the file has any.
    pub commands: Vec<String>,
    /// GRUB's commands for the installer.
    pub install: Vec<String>,
}

/// How vm-bhyve adds an installer's image to a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installer {
    /// Slot and function: `3:0`.
    pub slot: String,
    /// Whether the frame buffer waits for a viewer at the first boot.
    pub wait: bool,
}

impl Installer {
    /// Returns the `-s` of an image: a CD if its name ends with `iso`, a disk otherwise.
    pub fn device(&self, image: &str) -> String {
        // The script's pattern is `.iso$` without regard to case: any one character before it.
        let tail: Vec<char> = image.chars().rev().take(4).collect();
        let iso = tail.len() == 4 && tail.iter().zip("osi".chars()).all(|(a, b)| a.eq_ignore_ascii_case(&b));
        let (kind, more) = if iso { ("cd", ",bootindex=1") } else { ("hd", "") };
        format!("{},ahci-{kind},{image},ro{more}", self.slot)
    }
}

/// A guest of vm-bhyve.
#[derive(Clone, PartialEq, Eq)]
pub struct Guest {
    /// bhyve's arguments, the name last. A password of the frame buffer is among them, as it is in vm-bhyve's.
    pub argv: Vec<String>,
    /// The cards, in order.
    pub nics: Vec<Nic>,
    /// The disks, in order.
    pub disks: Vec<Disk>,
    /// What puts the guest's code into memory, as `loader` says.
    pub loader: Loader,
    /// How it is called, if it is a program that runs before bhyve.
    pub load: Option<Load>,
    /// How an installer's image is added.
    pub installer: Installer,
    /// The program that runs before each boot, with its arguments: the guest's name and dataset.
    pub prestart: Option<Vec<String>>,
    /// After which ends it is started again, in the words of `restart`; nothing where that is after a reboot alone, as usual.
    pub restarts: Option<Vec<&'static str>>,
    /// What it may take of the host (rctl(8)), and how nice it is.
    pub limits: Limits,
    /// Everything else, by line.
    pub notes: Vec<Note>,
}

/// Without passwords.
impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argv: Vec<String> = self.argv.iter().map(|word| masked(word)).collect();
        f.debug_struct("Guest")
            .field("argv", &argv)
            .field("nics", &self.nics)
            .field("disks", &self.disks)
            .field("loader", &self.loader)
            .field("load", &self.load)
            .field("installer", &self.installer)
            .field("prestart", &self.prestart)
            .field("restarts", &self.restarts)
            .field("limits", &self.limits)
            .field("notes", &self.notes)
            .finish()
    }
}

/// Reads a guest's file. Each fault comes with its line, or with 0 if it is about a line that is not there.
///
/// The arguments are in vm-bhyve's order: devices, options, serial ports, name. Up to version 1.7.0 the options came first.
pub fn read(text: &str, name: &str, place: &Place) -> Result<Guest, Vec<(usize, Fault)>> {
    if let Some(fault) = outside(text, name, place) {
        return Err(vec![(0, fault)]);
    }
    let mut reading = Reading::new(text, name, place);
    let loader = loader(&mut reading);
    reading.uefi = loader == Loader::Uefi;
    let load = load(&mut reading, loader);
    let mut slots = Slots::new(slot(&mut reading, "start_slot", 4));
    let install = slot(&mut reading, "install_slot", 3);
    let mut argv = bridges(&mut reading);
    let mut options = options(&mut reading);
    let disks = disks::add(&mut reading, &mut slots, &mut argv);
    if disks.is_empty() && !reading.uefi {
        let fault = Fault::new("a guest without UEFI needs a disk");
        reading.fault("disk0_name", fault.hint("add `disk0_type` and `disk0_name`"));
    }
    let nics = nics::add(&mut reading, &mut slots, &mut argv);
    devices::random(&mut reading, &mut slots, &mut argv);
    if devices::passthru(&mut reading, &mut slots, &mut argv) {
        options.push("-S".into());
    }
    let wait = devices::screen(&mut reading, &mut slots, &mut argv);
    devices::tablet(&mut reading, &mut slots, &mut argv);
    devices::sound(&mut reading, &mut slots, &mut argv);
    devices::consoles(&mut reading, &mut slots, &mut argv);
    if slots.bus() > 0 {
        options.push("-Y".into());
    }
    argv.append(&mut options);
    if reading.yes("nulliso_fix", "") {
        if reading.text("loader") == "uefi" {
            let null = format!("{}/.config/null.iso", place.vm_dir.trim_end_matches('/'));
            push(&mut argv, &format!("{install}:0"), &format!("ahci-cd,{null}"));
        } else {
            reading.note("nulliso_fix", "vm-bhyve adds the empty CD with `loader=\"uefi\"` only");
        }
    }
    for (at, port) in reading.get("comports").unwrap_or("com1").split_whitespace().enumerate() {
        argv.extend(["-l".into(), format!("{port},/dev/nmdm-{name}.{}A", at + 1)]);
    }
    argv.push(name.into());
    let installer = Installer { slot: format!("{install}:0"), wait };
    let (prestart, restarts, limits) = (prestart(&mut reading), restarts(&mut reading), limits(&mut reading));
    Ok(Guest { argv, nics, disks, loader, load, installer, prestart, restarts, limits, notes: reading.finish()? })
}

/// Returns the program that runs before each boot: vm-bhyve looks for it in the guest's folder.
fn prestart(reading: &mut Reading) -> Option<Vec<String>> {
    let program = reading.word("prestart")?;
    let program = if program.starts_with('/') { program } else { reading.own(&program) };
    let dataset = format!("{}/{}", reading.place.dataset.unwrap_or_default(), reading.name);
    Some(vec![program, reading.name.to_string(), dataset])
}

/// Returns after which ends it is started again. By `on_restart` after bhyve's status 0 and by `on_fault` after 3 and more, each where it says
/// `restart`, and never after 1 and 2 (vm::handle_exit of vm-bhyve's lib/vm-run): for ever, where vmrun ends that after some times.
fn restarts(reading: &mut Reading) -> Option<Vec<&'static str>> {
    let (reboot, fault) = (reading.word("on_restart"), reading.word("on_fault"));
    let is_restart = |word: &str| word == "restart";
    let ends =
        [("reboot", reboot.as_deref().is_none_or(is_restart)), ("crash", fault.as_deref().is_some_and(is_restart))];
    let on: Vec<&str> = ends.into_iter().filter(|(_, is_meant)| *is_meant).map(|(end, _)| end).collect();
    (on != ["reboot"]).then_some(on)
}

/// Returns the limits, or notes why there is none.
fn limits(reading: &mut Reading) -> Limits {
    let percent = "it is no percentage of one processor, and is left out";
    let cpu = limit(reading, "limit_pcpu", percent, |text| text.parse().ok().filter(|percent| *percent > 0));
    let bytes = |text: &str| text.parse::<Size>().ok().filter(|size| size.get() > 0);
    let count = |text: &str| text.parse::<u64>().ok().filter(|count| *count > 0);
    let (no_size, no_count) = ("it is no number of bytes, and is left out", "it is no number, and is left out");
    let transfers = Transfers {
        readbps: limit(reading, "limit_rbps", no_size, bytes),
        writebps: limit(reading, "limit_wbps", no_size, bytes),
        readiops: limit(reading, "limit_riops", no_count, count),
        writeiops: limit(reading, "limit_wiops", no_count, count),
    };
    let how = "vmrun is only told by `nice` how nice it is: start it with idprio(1) or rtprio(1)";
    let nice = limit(reading, "priority", how, |text| text.parse().ok().filter(|nice| (-20..=19).contains(nice)));
    Limits { cpu, nice, transfers, ..Limits::default() }
}

/// Returns one limit, or notes that it is none.
fn limit<T>(reading: &mut Reading, key: &str, wrong: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let value = reading.word(key)?;
    let limit = read(&value);
    if limit.is_none() {
        reading.note(key, wrong);
    }
    limit
}

/// Returns what is wrong with the guest before its lines are read.
fn outside(text: &str, name: &str, place: &Place) -> Option<Fault> {
    if let Err(fault) = name.parse::<VmName>() {
        return Some(fault);
    }
    if text.contains('\0') {
        return Some(Fault::new("the file holds a NUL byte, so vm-bhyve reads nothing of it").hint("give a text file"));
    }
    let folder = [place.vm_dir, place.datastore].into_iter().find(|folder| folder.contains(char::is_whitespace))?;
    let fault = Fault::new(format!("the folder {folder:?} holds a blank, at which vm-bhyve's shell splits arguments"));
    Some(fault.hint("move the guests to a folder without one"))
}

/// Reads the loader; `uefi` and one word after it are UEFI.
fn loader(reading: &mut Reading) -> Loader {
    let value = reading.text("loader").to_string();
    let family = value.rsplit_once('-').map_or(value.as_str(), |(family, _)| family);
    match value.as_str() {
        _ if family == "uefi" => Loader::Uefi,
        "grub" => Loader::Grub,
        "bhyveload" => Loader::Bhyveload,
        "" => {
            required(reading, "loader", "`loader=\"uefi\"`");
            Loader::Uefi
        }
        other => {
            let known = ["bhyveload", "grub", "uefi", "uefi-csm", "uefi-custom"];
            let fault = Fault::new(format!("vm-bhyve knows no loader {other:?}"));
            let fault = fault.hint("bhyveload, grub, uefi, uefi-csm or uefi-custom");
            let fault = fault.maybe_hint(did_you_mean(other, known));
            reading.fault("loader", fault);
            Loader::Uefi
        }
    }
}

/// Reads how the loader is called.
fn load(reading: &mut Reading<'_>, loader: Loader) -> Option<Load> {
    let grub_alone = ("grub_", "`loader=\"grub\"`");
    let bhyveload_alone = ["bhyveload_", "loader_timeout"].map(|prefix| (prefix, "`loader=\"bhyveload\"`"));
    if loader != Loader::Grub {
        reading.silence(grub_alone.0, grub_alone.1);
    }
    if loader != Loader::Bhyveload {
        bhyveload_alone.into_iter().for_each(|(prefix, without)| reading.silence(prefix, without));
    }
    let mut load = match loader {
        Loader::Uefi => return None,
        Loader::Bhyveload => bhyveload(reading),
        Loader::Grub => grub(reading),
    };
    load.argv.push(reading.name.into());
    Some(load)
}

fn bhyveload(reading: &mut Reading<'_>) -> Load {
    let mut argv = vec!["bhyveload".to_string()];
    if let Some(seconds) = reading.word("loader_timeout") {
        argv.extend(["-e".into(), format!("autoboot_delay={seconds}")]);
    }
    if let Some(path) = reading.word("bhyveload_loader") {
        argv.extend(["-l".into(), path]);
    }
    argv.extend(reading.text("bhyveload_args").split_whitespace().map(String::from));
    Load { argv, ..Load::default() }
}

/// GRUB's commands are counted from 0; without any it reads the configuration on the guest's disk.
fn grub(reading: &mut Reading<'_>) -> Load {
    let mut lines = |family: &'static str| {
        let lines: Vec<String> =
            (0..).map_while(|at| reading.get(&format!("{family}{at}")).map(|line| line.trim().to_string())).collect();
        reading.reach(family, lines.len());
        let is_over = lines.last().is_none_or(|last| last == "boot");
        lines.into_iter().chain((!is_over).then(|| "boot".into())).collect::<Vec<String>>()
    };
    let (install, commands) = (lines("grub_install"), lines("grub_run"));
    let partition = reading.word("grub_run_partition").unwrap_or_else(|| "1".into());
    let mut argv: Vec<String> = ["grub-bhyve".into(), "-r".into(), format!("hd0,{partition}")].into();
    for (key, flag) in [("grub_run_dir", "-d"), ("grub_run_file", "-g")] {
        if let Some(value) = reading.word(key) {
            argv.extend([flag.into(), value]);
        }
    }
    Load { argv, commands, install }
}

fn required(reading: &mut Reading, key: &str, example: &str) {
    let fault = Fault::new(format!("there is no `{key}`, without which vm-bhyve starts nothing"));
    reading.fault(key, fault.hint(format!("add {example}")));
}

/// Reads the number of a slot.
fn slot(reading: &mut Reading, key: &str, default: u32) -> u32 {
    let Some(value) = reading.get(key).map(str::trim) else { return default };
    let number = value.parse::<u32>().ok().filter(|slot| *slot < 32 && slot.to_string() == value);
    let Some(number) = number else {
        let fault = Fault::new(format!("`{key}` is {value:?}, which is no slot"));
        let hint = format!("a number from 0 to 31, or leave the line out for {default}");
        reading.fault(key, fault.hint(hint));
        return default;
    };
    number
}

/// Returns the host bridge and the LPC bridge.
fn bridges(reading: &mut Reading) -> Vec<String> {
    let mut argv = Vec::new();
    match reading.get("hostbridge").unwrap_or("standard") {
        none if none.starts_with("no") => {}
        "amd" => push(&mut argv, "0", "amd_hostbridge"),
        other => {
            let known = ["standard", ""].contains(&other);
            push(&mut argv, "0", "hostbridge");
            if !known {
                reading.note("hostbridge", "vm-bhyve takes any word that it does not know for `standard`");
            }
        }
    }
    let fwcfg = reading.word("fwcfg");
    if fwcfg.is_some() {
        let text = "vm-bhyve writes it at the slot of the LPC bridge; bhyve takes it behind the boot ROM: \
                    `-l bootrom,CODE,VARS,fwcfg=qemu`";
        reading.note("fwcfg", text);
    }
    push(&mut argv, "31", &format!("lpc{}", fwcfg.map(|word| format!(",fwcfg={word}")).unwrap_or_default()));
    argv
}

/// Returns the options, without those that depend on devices.
fn options(reading: &mut Reading) -> Vec<String> {
    let mut cpus = vec![reading.word("cpu").unwrap_or_else(|| {
        required(reading, "cpu", "`cpu=\"1\"`");
        String::new()
    })];
    for part in ["sockets", "cores", "threads"] {
        if let Some(number) = reading.word(&format!("cpu_{part}")) {
            cpus.push(format!("{part}={number}"));
        }
    }
    let memory = reading.word("memory").unwrap_or_else(|| {
        required(reading, "memory", "`memory=\"512M\"`");
        String::new()
    });
    let msr = if reading.yes("ignore_msr", "") { "-AHPww" } else { "-AHPw" };
    let mut argv: Vec<String> = ["-c", &cpus.join(","), "-m", &memory, msr].map(String::from).into();
    if reading.uefi {
        argv.extend(["-l".into(), format!("bootrom,{}", bootrom(reading))]);
    } else {
        reading.silence("uefi_vars", "UEFI");
    }
    argv.extend(reading.text("bhyve_options").split_whitespace().map(String::from));
    if reading.text("bhyve_options").contains(['\'', '\\']) {
        reading.note("bhyve_options", "vm-bhyve's shell splits it at blanks and knows no quotes in it");
    }
    if reading.yes("wired_memory", "") {
        argv.push("-S".into());
    }
    match reading.word("uuid") {
        Some(uuid) => argv.extend(["-U".into(), uuid]),
        None => reading.note("uuid", "vm-bhyve makes one up at the first start and writes it into the file"),
    }
    if reading.yes("utctime", "yes") {
        argv.push("-u".into());
    }
    argv
}

/// Returns the boot ROM and its variables.
fn bootrom(reading: &mut Reading) -> String {
    const PORT: &str = "/usr/local/share/uefi-firmware";
    let code = match reading.text("loader").to_string().as_str() {
        "uefi-devel" => format!("{PORT}/BHYVE_UEFI_CODE-devel.fd"),
        "uefi-csm" => format!("{PORT}/BHYVE_UEFI_CSM.fd"),
        "uefi-custom" => format!("{}/.config/BHYVE_UEFI.fd", reading.place.datastore.trim_end_matches('/')),
        other => {
            if !["uefi", ""].contains(&other) {
                reading.note(
                    "loader",
                    "vm-bhyve takes any word that it does not know behind `uefi-` for the usual firmware",
                );
            }
            format!("{PORT}/BHYVE_UEFI.fd")
        }
    };
    if !reading.yes("uefi_vars", "") {
        return code;
    }
    reading.note("uefi_vars", format!("vm-bhyve makes the file of {PORT}/BHYVE_UEFI_VARS.fd if it is not there"));
    format!("{code},{}", reading.own("uefi-vars.fd"))
}
