//! What a bhyve that runs shows of its machine, as its title hides its command line: the files that it has open and its threads by
//! procstat(1), the bridges of its taps by ifconfig(8). What neither tells is a hole.
//!
//! The tables have the form of FreeBSD 12.1, where they were seen (`procstat -f`, `procstat -t`). Threads are named after devices and
//! their slots: `blk-4:0-0` is a disk's in slot 4:0 (`blk-6:0:1-0` that of port 1 of a controller), `vtnet-5:0 tx` a card's, `rfb` the
//! screen's. That devices open their files in the order of their slots was seen there too. `e82545-5:0 tx` for a card of Intel's is from the
//! source and was not seen. How `procstat -f` of 13 and later shows a tap that was renamed is not known.

use super::translated::Translated;
use crate::bhyve::UEFI_CODE;
use crate::diag::Fault;
use crate::host::interfaces::freebsd::parse_interfaces;
use crate::host::interfaces::{Interface, InterfaceKind, bridge_of};
use crate::host::processes::freebsd::parse_threads;
use crate::model::{Part, PciSlot};
use crate::vmbhyve::Note;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;

/// The folder of the nodes of machines.
const NODES: &str = "/dev/vmm/";

/// Where the screen stands if nothing else is there.
const SCREEN: &str = "29:0";

/// A file that a process has open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OpenFile {
    /// Whether it is written.
    is_written: bool,
    /// `c` for a device, `r` for a file, `-` for what is no file.
    kind: char,
    /// The path, or the addresses of a socket.
    pub(crate) name: String,
}

/// Whether a text has what `procstat -f` shows.
pub(super) fn is(text: &str) -> bool {
    text.lines().any(is_header)
}

fn is_header(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words.as_slice(), ["PID", "COMM", "FD", "T", .., "NAME"])
}

/// Reads the files of a process, but for the three that every process has, in the order of their numbers: `PID COMM FD T V FLAGS REF OFFSET
/// PRO NAME`. A name may hold blanks.
pub(crate) fn files(text: &str) -> Vec<OpenFile> {
    let mut is_table = false;
    let mut all = Vec::new();
    for line in text.lines() {
        if is_header(line) {
            is_table = true;
        } else if is_table {
            let Some(file) = file(line) else {
                is_table = line.split_whitespace().next().is_some_and(|word| word.parse::<u32>().is_ok());
                continue;
            };
            all.push(file);
        }
    }
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, file)| file).collect()
}

fn file(line: &str) -> Option<(u32, OpenFile)> {
    let (mut rest, mut words) = (line.trim_start(), Vec::new());
    for _ in 0..9 {
        let (word, tail) = rest.split_once(' ')?;
        words.push(word);
        rest = tail.trim_start();
    }
    let [pid, _, number, kind, of, flags, ..] = words.as_slice() else { return None };
    pid.parse::<u32>().ok()?;
    let number = number.parse().ok().filter(|number| *number > 2)?;
    let kind = match (*kind, of.chars().next()?) {
        ("v", of) => of,
        _ => '-',
    };
    Some((number, OpenFile { is_written: flags.contains('w'), kind, name: rest.trim_end().into() }))
}

impl OpenFile {
    /// Returns the path of the image of a disk, if it is one.
    pub(crate) fn image(&self) -> Option<&str> {
        let is_device = self.kind == 'c'
            && [
                "/dev/zvol/",
                "/dev/da",
                "/dev/ada",
                "/dev/nda",
                "/dev/nvd",
                "/dev/md",
                "/dev/iscsi/",
                "/dev/label/",
                "/dev/gpt/",
            ]
            .iter()
            .any(|head| self.name.starts_with(head));
        (self.kind == 'r' || is_device).then_some(self.name.as_str()).filter(|name| name.starts_with('/'))
    }

    /// Returns the name of an interface, or of anything else in /dev.
    fn device(&self) -> Option<&str> {
        self.name.strip_prefix("/dev/").filter(|_| self.kind == 'c')
    }

    /// Returns the address at which a socket listens.
    fn listens(&self) -> Option<SocketAddr> {
        let ends: Vec<SocketAddr> = self.name.split(' ').filter_map(|word| word.parse().ok()).collect();
        let far_is_none = ends.get(1).is_none_or(|far| far.port() == 0);
        ends.first().copied().filter(|near| self.kind == '-' && near.port() > 0 && far_is_none)
    }
}

/// Where a device stands, and the port of a controller.
type Stand = (PciSlot, Option<u16>);

/// What is told by the names of threads.
#[derive(Default)]
struct Threads {
    disks: BTreeSet<Stand>,
    /// The cards, each with bhyve's word for it.
    nets: BTreeMap<PciSlot, &'static str>,
    has_screen: bool,
    vcpus: BTreeSet<u16>,
}

impl Threads {
    fn of(text: &str) -> Self {
        let mut all = Self::default();
        for thread in parse_threads(text).into_values().flatten() {
            let slot = |text: &str| text.parse::<PciSlot>().ok();
            let words: Vec<&str> = thread.name.split(' ').collect();
            match words.as_slice() {
                ["rfb"] => all.has_screen = true,
                ["vcpu", number] => all.vcpus.extend(number.parse::<u16>().ok()),
                [word, ..] => {
                    if let Some(rest) = word.strip_prefix("blk-") {
                        all.disks.extend(stand(rest.split('-').next().unwrap_or_default()));
                    }
                    let heads = [("vtnet-", "virtio-net"), ("e82545-", "e1000")];
                    let nets = heads.iter().filter_map(|(head, kind)| Some((slot(word.strip_prefix(head)?)?, *kind)));
                    all.nets.extend(nets);
                }
                [] => {}
            }
        }
        all
    }
}

/// `4:0`, or `6:0:1` for port 1 of a controller.
fn stand(text: &str) -> Option<Stand> {
    let (slot, port) = match text.split(':').count() {
        3 => text.rsplit_once(':').map(|(slot, port)| (slot, port.parse().ok()))?,
        _ => (text, None),
    };
    Some((slot.parse().ok()?, port))
}

/// A machine while it is put together.
struct Reading {
    machine: Translated,
    taken: BTreeSet<PciSlot>,
}

/// Reads what was shown.
pub(super) fn read(text: &str) -> Result<Translated, (Range<usize>, Fault)> {
    let files = files(text);
    let whole = 0..text.lines().next().map_or(0, str::len);
    let Some(name) = files.iter().find_map(|file| file.name.strip_prefix(NODES)) else {
        let fault = Fault::new("the process has no machine open: there is nothing of /dev/vmm among its files");
        let hint = "give what `procstat -f PID` shows root of a bhyve, and `procstat -t PID` behind it";
        return Err((whole, fault.hint(hint)));
    };
    let (threads, interfaces) = (Threads::of(text), parse_interfaces(text));
    let mut reading = Reading {
        machine: Translated { name: name.into(), ..Translated::default() },
        taken: threads.disks.iter().map(|(slot, _)| *slot).chain(threads.nets.keys().copied()).collect(),
    };
    reading.processors(&threads);
    reading.machine.put("0", "hostbridge");
    reading.disks(&threads, &files);
    reading.nets(&threads, &files, &interfaces);
    reading.screen(&threads, &files);
    reading.machine.put("31", "lpc");
    reading.consoles(&files);
    let boot =
        "what loads the guest is not to be seen: UEFI stands in its place, without the variables that it may have had";
    reading.machine.argv.extend(["-l".into(), format!("bootrom,{UEFI_CODE}")]);
    reading.machine.hole(0, "bootrom", Part::Key("bootrom"), boot);
    let rest = "other devices and options, the UUID and the clock are not to be seen: compare with how it was started";
    reading.machine.notes.push(Note { is_hole: true, ..Note::new(0, "", format!("to be finished: {rest}")) });
    reading.machine.argv.push(name.into());
    Ok(reading.machine)
}

impl Reading {
    fn hole(&mut self, key: &str, slot: &str, text: &str) {
        self.machine.hole(0, key, slot.parse().map_or(Part::Whole, Part::Slot), text);
    }

    /// Returns a slot that nothing has.
    fn free(&mut self) -> String {
        let slots = (2..=28).filter_map(|slot: u8| slot.to_string().parse::<PciSlot>().ok());
        let slot = slots.into_iter().find(|slot| !self.taken.contains(slot));
        self.taken.extend(slot);
        slot.map_or_else(|| "28:0".into(), |slot| slot.to_string())
    }

    fn processors(&mut self, threads: &Threads) {
        let cpus = threads.vcpus.len().max(1).to_string();
        self.machine.argv = ["-c", &cpus, "-m", "1G", "-A", "-H", "-u", "-w"].map(String::from).into();
        if threads.vcpus.is_empty() {
            self.machine.hole(0, "cpus", Part::Whole, "how many processors it has is not to be seen: it is one here");
        } else {
            // So it was seen on 12.1.
            let text = "processors are counted by their threads: one that the guest has not started may have none";
            self.machine.note(0, "cpus", text);
        }
        self.machine.hole(
            0,
            "memory",
            Part::Key("memory"),
            "how much memory it has is not to be seen: 1 GiB stands in its place",
        );
    }

    /// Adds the disks: files in their order, threads in that of their slots.
    fn disks(&mut self, threads: &Threads, files: &[OpenFile]) {
        let images: Vec<(&str, bool)> =
            files.iter().filter_map(|file| Some((file.image()?, file.is_written))).collect();
        let is_sure = images.len() == threads.disks.len();
        let stands: Vec<Stand> = threads.disks.iter().copied().filter(|_| is_sure).collect();
        if !is_sure {
            // Whatever has threads there is not known: the slots are free for what has files.
            let nets = threads.nets.keys().copied();
            self.taken = nets.collect();
        }
        let mut controllers: BTreeMap<PciSlot, String> = BTreeMap::new();
        for (at, (path, is_written)) in images.iter().enumerate() {
            match stands.get(at) {
                Some((slot, Some(_))) => {
                    let kind = if *is_written { "hd" } else { "cd" };
                    controllers.entry(*slot).or_default().push_str(&format!(",{kind}:{path}"));
                }
                Some((slot, None)) => {
                    let slot = slot.to_string();
                    self.disk(&slot, path, *is_written);
                    self.hole("disk", &slot, "whether it is virtio_blk or nvme is not to be seen");
                }
                None => {
                    let slot = self.free();
                    self.disk(&slot, path, *is_written);
                    self.hole("disk", &slot, "what this file is to the machine, and in which slot, is not to be seen");
                }
            }
        }
        for (slot, ports) in controllers {
            self.machine.put(&slot.to_string(), &format!("ahci{ports}"));
            self.hole(
                "disk",
                &slot.to_string(),
                "which ports are disks and which CDs is told by what it may write only",
            );
        }
    }

    fn disk(&mut self, slot: &str, path: &str, is_written: bool) {
        let read_only = if is_written { "" } else { ",ro" };
        self.machine.put(slot, &format!("virtio-blk,{path}{read_only}"));
    }

    /// Adds the cards: taps in the order in which they were opened, threads in that of their slots.
    fn nets(&mut self, threads: &Threads, files: &[OpenFile], interfaces: &[Interface]) {
        let is_numbered = |name: &str| {
            let number = ["tap", "vmnet"].iter().find_map(|head| name.strip_prefix(head));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let is_tap = |name: &str| {
            is_numbered(name) || interfaces.iter().any(|one| one.name == name && one.kind == InterfaceKind::Tap)
        };
        let taps: Vec<&str> = files.iter().filter_map(OpenFile::device).filter(|name| is_tap(name)).collect();
        let is_sure = taps.len() == threads.nets.len();
        let known: Vec<(PciSlot, &'static str)> =
            threads.nets.iter().map(|(slot, kind)| (*slot, *kind)).filter(|_| is_sure).collect();
        for (at, tap) in taps.iter().enumerate() {
            let (slot, kind) = match known.get(at) {
                Some((slot, kind)) => (slot.to_string(), *kind),
                None => (self.free(), "virtio-net"),
            };
            let backend = if is_numbered(tap) { "" } else { ",type=tap" };
            self.machine.put(&slot, &format!("{kind},{tap}{backend}"));
            let place = if is_sure { "" } else { ", nor are its model and its slot" };
            self.hole(
                "mac",
                &slot,
                &format!("its MAC address is not to be seen{place}: the guest's own tools tell it"),
            );
            let bridge = bridge_of(interfaces, tap).map(String::from);
            self.machine.taps.insert((*tap).into(), bridge);
        }
        if taps.len() < threads.nets.len() {
            self.hole("network", "", "some card of it has no tap that is to be seen, and is left out");
        }
    }

    fn screen(&mut self, threads: &Threads, files: &[OpenFile]) {
        // What else listens is the debugger's.
        let mut listening = files.iter().filter_map(OpenFile::listens);
        let screen = listening.find(|address| threads.has_screen || address.port() >= 5900);
        let Some(address) = screen else {
            if threads.has_screen {
                self.hole("fbuf", "", "it has a screen, whose address is not to be seen: the screen is left out");
            }
            return;
        };
        self.machine.put(SCREEN, &format!("fbuf,tcp={address}"));
        self.hole(
            "fbuf",
            SCREEN,
            "its slot, its size and whether it has a password (`password: secret(\"vnc\")`) are not to be seen",
        );
    }

    fn consoles(&mut self, files: &[OpenFile]) {
        let lines = files.iter().filter_map(OpenFile::device).filter(|name| name.starts_with("nmdm"));
        for (at, line) in lines.take(4).enumerate() {
            self.machine.argv.extend(["-l".into(), format!("com{},/dev/{line}", at + 1)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &str = "\
  PID COMM                FD T V FLAGS    REF  OFFSET PRO NAME        
  116 bhyve             text v r r-------   -       - -   /usr/sbin/bhyve   
  116 bhyve             ctty v c rw------   -       - -   /dev/console      
  116 bhyve                0 v c r-------   1       0 -   /dev/null         
  116 bhyve                1 v r -w------   1       0 -   /tmp/out.web      
  116 bhyve                3 v c rw------   1       0 -   /dev/vmm/web      
  116 bhyve                4 v r rw------   1       0 -   /vm/a b.img         
  116 bhyve                5 v c rw---n--   2       0 -   /dev/tap1         
  116 bhyve                6 v r r-------   1       0 -   /vm/x.iso         
  116 bhyve                7 s - rw------   2       0 TCP 0 0 127.0.0.1:5901 0.0.0.0:0
  116 bhyve                8 k - rw------   2       0 -   -                 
  116 bhyve                9 v c rw---n--   2       0 -   /dev/nmdm7A       
";

    const THREADS: &str = "\
  PID    TID COMM                TDNAME              CPU  PRI STATE   WCHAN    
  116 100056 bhyve               mevent               -1  152 sleep   kqread    
  116 100203 bhyve               blk-4:0-0            -1  152 sleep   uwait     
  116 100204 bhyve               blk-4:0-1            -1  152 sleep   uwait     
  116 100211 bhyve               vtnet-5:0 tx         -1  152 sleep   uwait     
  116 100212 bhyve               blk-6:0:0-0          -1  152 sleep   uwait     
  116 100220 bhyve               rfb                  -1  152 sleep   accept    
  116 100221 bhyve               vcpu 0               -1  181 run     -         
  116 100222 bhyve               vcpu 1               -1  181 run     -         
";

    fn told(text: &str) -> String {
        let machine = read(text).unwrap();
        let holes: Vec<&str> = machine.notes.iter().filter(|note| note.is_hole).map(|note| note.key.as_str()).collect();
        format!("{} | {:?} | {}", machine.argv.join(" "), machine.taps, holes.join(" "))
    }

    #[test]
    fn devices_are_where_the_names_of_threads_tell() {
        let network = "bridge2: flags=8843<UP> metric 0 mtu 1500\n\tid 00:00:00:00:00:00 priority 32768\n\tmember: tap1 flags=143<LEARNING>\n\tgroups: bridge\n";
        assert_eq!(
            told(&format!("$ procstat -f 116\n{FILES}$ procstat -t 116\n{THREADS}$ ifconfig\n{network}")),
            "-c 2 -m 1G -A -H -u -w -s 0,hostbridge -s 4,virtio-blk,/vm/a b.img -s 6,ahci,cd:/vm/x.iso -s 5,virtio-net,tap1 \
             -s 29:0,fbuf,tcp=127.0.0.1:5901 -s 31,lpc -l com1,/dev/nmdm7A -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web \
             | {\"tap1\": Some(\"bridge2\")} | memory disk disk mac fbuf bootrom "
        );
    }

    #[test]
    fn without_threads_devices_are_in_slots_of_their_own() {
        assert_eq!(
            told(FILES),
            "-c 1 -m 1G -A -H -u -w -s 0,hostbridge -s 2,virtio-blk,/vm/a b.img -s 3,virtio-blk,/vm/x.iso,ro -s 4,virtio-net,tap1 \
             -s 29:0,fbuf,tcp=127.0.0.1:5901 -s 31,lpc -l com1,/dev/nmdm7A -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web \
             | {\"tap1\": None} | cpus memory disk disk mac fbuf bootrom "
        );
        let (_, fault) = read("  PID COMM FD T V FLAGS REF OFFSET PRO NAME\n").unwrap_err();
        assert_eq!(fault.message, "the process has no machine open: there is nothing of /dev/vmm among its files");
    }
}
