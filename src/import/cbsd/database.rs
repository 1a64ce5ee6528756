//! The tables of a guest's `local.sqlite`, and what `bstart` would write into `bhyve.conf` of them.

use super::Given;
use super::row::{Row, is_set, text};
use crate::diag::Fault;
use crate::import::translated::Translated;
use crate::model::{Part, PciSlot};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The tables that are read, each with the name that a document has it under.
pub(crate) const TABLES: &[&str] =
    &["settings", "bhyvedsk", "bhyvenic", "pcibus", "p9shares", "bhyve_nvme", "bhyve_dskcontroller"];

/// The firmware of CBSD's port, where the settings name none.
const FIRMWARE: &str = "/usr/local/cbsd/upgrade/patch/efi.fd";

/// Whether a text is a document of tables: the object of [`TABLES`], with `jname`, `folder`, `data` and `files` beside them.
pub(super) fn is(text: &str) -> bool {
    text.starts_with('{') && text.contains("\"settings\"") && text.contains("\"jname\"")
}

struct Tables<'a> {
    document: Row,
    taken: &'a BTreeSet<String>,
    /// The slots of bus 0 that something has.
    slots: BTreeSet<u8>,
    machine: &'a mut Translated,
}

/// Returns the values that a start would write.
pub(super) fn read(
    document: &str,
    taken: &BTreeSet<String>,
    machine: &mut Translated,
) -> Result<BTreeMap<String, Given>, Fault> {
    let broken =
        || Fault::new("the tables of the guest cannot be read").hint("see that sqlite3 opens its local.sqlite");
    let Ok(Value::Object(document)) = serde_json::from_str::<Value>(document) else { return Err(broken()) };
    let mut tables = Tables { document, taken, slots: [0, 1, 2, 30, 31].into(), machine };
    let rows = tables.rows("pcibus");
    tables.slots.extend(rows.iter().filter_map(|row| text(row, "pcislot_bus").parse::<u8>().ok()));
    let settings = tables.rows("settings").into_iter().next().ok_or_else(broken)?;
    let mut all: BTreeMap<String, Given> =
        settings.keys().map(|key| (key.clone(), (0, text(&settings, key)))).collect();
    let mut put = |key: &str, value: String| drop(all.insert(key.into(), (0, value)));
    put("jname", text(&tables.document, "jname"));
    put("hostbridge_args", format!("-s 0,{}", tables.or(&settings, "vm_hostbridge", "hostbridge")));
    put("vm_cpus", tables.cpus(&settings));
    put("virtio_9p_args", tables.shares());
    put("dsk_args", tables.disks());
    put("cd_args", tables.images());
    let (cards, bridges) = tables.cards();
    put("nic_args", cards);
    bridges.into_iter().for_each(|(tap, bridge)| put(&format!("mytap_{tap}_members"), bridge));
    put("nvme_args", tables.nvme());
    put("virtiornd_args", tables.one("virtio-rnd"));
    put("pci_passthru_args", tables.one("passthru"));
    put("vnc_args", tables.screen(&settings));
    put("lpc_args", "-s 31,lpc".into());
    put("console_args", tables.console(&settings));
    put("efi_args", tables.firmware(&settings));
    tables.left();
    // What these say is in the values above.
    for key in ["vm_hostbridge", "vm_cpu_topology", "efi_firmware"] {
        all.remove(key);
    }
    Ok(all)
}

impl Tables<'_> {
    fn rows(&self, table: &str) -> Vec<Row> {
        let rows = self.document.get(table).and_then(Value::as_array);
        rows.into_iter().flatten().filter_map(|row| row.as_object().cloned()).collect()
    }

    fn or(&self, row: &Row, key: &str, usual: &str) -> String {
        Some(text(row, key)).filter(|value| !value.is_empty()).unwrap_or_else(|| usual.into())
    }

    fn hole(&mut self, key: &str, what: &str) {
        self.machine.hole(0, key, Part::Whole, what);
    }

    fn has_file(&self, name: &str) -> bool {
        let files = self.document.get("files").and_then(Value::as_array);
        files.is_some_and(|files| files.iter().any(|file| file.as_str() == Some(name)))
    }

    /// Returns a path of the guest's folder of settings.
    fn own(&self, name: &str) -> String {
        format!("{}/{name}", text(&self.document, "folder"))
    }

    /// Returns the slot that the table of the last start has for a device, or the next one from 3 on that is free.
    fn slot(&mut self, device: &str, about: &str) -> String {
        let is_it = |row: &&Row| {
            text(row, "pcislot_name") == device && (about.is_empty() || text(row, "pcislot_desc") == about)
        };
        let rows = self.rows("pcibus");
        let known = rows.iter().find(is_it).map(|row| text(row, "pcislot_bus"));
        if let Some(slot) = known.filter(|slot| slot.parse::<PciSlot>().is_ok()) {
            return slot;
        }
        let free = (3..30).find(|slot| !self.slots.contains(slot)).unwrap_or(29);
        self.slots.insert(free);
        free.to_string()
    }

    /// Returns the devices of a kind that the last start had, as they are there.
    fn one(&self, device: &str) -> String {
        let rows = self.rows("pcibus");
        let all = rows.iter().filter(|row| text(row, "pcislot_name") == device).map(|row| {
            let about = Some(text(row, "pcislot_desc")).filter(|about| device == "passthru" && !about.is_empty());
            let about = about.map(|about| format!(",{about}")).unwrap_or_default();
            format!("-s {},{device}{about}", text(row, "pcislot_bus"))
        });
        all.collect::<Vec<_>>().join(" ")
    }

    /// Without a topology that has a name, every processor is a socket (`compile_bhyve_cpus_args`).
    fn cpus(&mut self, settings: &Row) -> String {
        let count = self.or(settings, "vm_cpus", "1");
        let topology = text(settings, "vm_cpu_topology");
        if !["", "0", "default"].contains(&topology.as_str()) {
            self.hole(
                "vm_cpu_topology",
                "the topology is in CBSD's own database: `cpus: #{ sockets: …, cores: … }` has it",
            );
            return count;
        }
        if count == "1" { count } else { format!("{count},sockets={count},cores=1,threads=1") }
    }

    /// A path that begins with no `/` is one of the guest's folder of data.
    fn disks(&mut self) -> String {
        let mut all = Vec::new();
        for row in self.rows("bhyvedsk") {
            let (device, path) = (self.or(&row, "dsk_controller", "virtio-blk"), text(&row, "dsk_path"));
            let kind = text(&row, "dsk_type");
            if is_set(&row, "controller_id")
                || !["virtio-blk", "ahci-hd"].contains(&device.as_str())
                || !["", "vhd"].contains(&kind.as_str())
            {
                self.hole("bhyvedsk", &format!("the disk {path} is at a controller of its own, and is left out"));
                continue;
            }
            let whole = if path.starts_with('/') { path } else { format!("{}/{path}", text(&self.document, "data")) };
            let mut options =
                Some(text(&row, "dsk_conf")).filter(|conf| !["", "0", "sectorsize=512"].contains(&conf.as_str()));
            let sector = text(&row, "dsk_sectorsize");
            if !["", "0"].contains(&sector.as_str()) {
                let before = options.map(|conf| format!("{conf},")).unwrap_or_default();
                options = Some(format!("{before}sectorsize={sector}"));
            }
            let slot = self.slot(&device, &whole);
            // The first disk is marked, in text: only the number one moves it to slot 2.
            let slot = if text(&row, "bootable") == "1" { "2".into() } else { slot };
            let options = options.map(|options| format!(",{options}")).unwrap_or_default();
            for key in [
                "dsk_ro",
                "dsk_nocache",
                "dsk_direct",
                "dsk_readbps",
                "dsk_readiops",
                "dsk_writebps",
                "dsk_writeiops",
                "crypto_key",
            ] {
                if is_set(&row, key) {
                    self.hole(key, &format!("what CBSD makes of it for {whole} is not known, and it is left out"));
                }
            }
            all.push(format!("-s {slot},{device},{whole}{options}"));
        }
        all.join(" ")
    }

    /// The images that CBSD's own table of media has for the guest, and that of cloud-init, which is in its folder of settings.
    fn images(&mut self) -> String {
        let mut all = Vec::new();
        for row in self.rows("media") {
            let (kind, path) = (text(&row, "type"), text(&row, "path"));
            let is_disk = path.rsplit_once('.').is_some_and(|(_, end)| end == "fs");
            let (device, about, end) = match kind.as_str() {
                "iso" => (if is_disk { "ahci-hd" } else { "ahci-cd" }, format!("{path}-{}", text(&row, "idx")), ",ro"),
                "shared" => ("virtio-blk", path.clone(), ""),
                // What it attaches itself is in the other tables.
                _ => continue,
            };
            if path.starts_with('/') {
                all.push(format!("-s {},{device},{path}{end}", self.slot(device, &about)));
            } else {
                self.hole("media", &format!("where the image {path:?} is, is not known, and it is left out"));
            }
        }
        if self.has_file("seed.iso") {
            all.push(format!("-s {},ahci-cd,{},ro", self.slot("ahci-cd", "seed.iso"), self.own("seed.iso")));
        }
        all.join(" ")
    }

    /// The cards, and the bridge of each tap where it is told.
    fn cards(&mut self) -> (String, Vec<(String, String)>) {
        let (mut all, mut bridges, mut taps) = (Vec::new(), Vec::new(), BTreeSet::new());
        for row in self.rows("bhyvenic") {
            let device = if text(&row, "nic_driver") == "e1000" { "e1000" } else { "virtio-net" };
            let parent = text(&row, "nic_parent");
            let is_lasting = text(&row, "nic_persistent") == "1";
            let tap = if is_lasting {
                parent.clone()
            } else {
                let is_free = |name: &String| !self.taken.contains(name) && !taps.contains(name);
                (0..=u32::from(u16::MAX)).map(|number| format!("tap{number}")).find(is_free).unwrap_or_default()
            };
            taps.insert(tap.clone());
            if is_lasting {
                self.machine.lasting.push(tap.clone());
                self.machine.taps.insert(tap.clone(), None);
            } else if parent.starts_with("bridge") {
                bridges.push((tap.clone(), parent));
            } else if !["0", "disable", "disabled"].contains(&parent.as_str()) {
                let text = format!(
                    "CBSD finds the bridge of {tap} at each start, by its nic_parent: `bridge(\"…\").add(…)` names it"
                );
                self.hole("nic_parent", &text);
            }
            let slot = self.slot(device, &text(&row, "id"));
            let mac = text(&row, "nic_hwaddr");
            let mac = if ["", "0"].contains(&mac.as_str()) || is_lasting {
                String::new()
            } else {
                format!(",mac={}", colons(&mac))
            };
            all.push(format!("-s {slot},{device},{tap}{mac}"));
            for key in ["nic_mtu", "nic_ratelimit", "nic_flags", "nic_address", "nic_vlan_untagged", "nic_vlan_tagged"]
            {
                if is_set(&row, key) {
                    self.hole(key, &format!("it is set for the tap {tap}, and is not taken over"));
                }
            }
        }
        (all.join(" "), bridges)
    }

    fn shares(&mut self) -> String {
        let rows = self.rows("p9shares");
        let all = rows.iter().map(|row| {
            let name = text(row, "p9device");
            format!("-s {},virtio-9p,{name}={}", self.slot("virtio-9p", &name), text(row, "p9path"))
        });
        all.collect::<Vec<_>>().join(" ")
    }

    /// CBSD adds one disk of NVMe only.
    fn nvme(&mut self) -> String {
        let Some(row) = self.rows("bhyve_nvme").into_iter().next() else { return String::new() };
        let memory = text(&row, "ram");
        if is_set(&row, "ram") {
            return format!("-s {},nvme,ram={memory}", self.slot("nvme", ""));
        }
        format!("-s {},nvme,{}", self.slot("nvme", ""), text(&row, "devpath"))
    }

    /// Port 1 stands for no screen, and 0 for the first port from 5900 on that is free.
    fn screen(&mut self, settings: &Row) -> String {
        let mut port = self.or(settings, "vm_vnc_port", "0");
        if port == "1" {
            return String::new();
        }
        if port == "0" {
            let last = Some(text(settings, "vnc_port")).filter(|port| !["", "0", "1"].contains(&port.as_str()));
            let free = || (5900..=u16::MAX).map(|port| port.to_string()).find(|port| !self.taken.contains(port));
            port = last.or_else(free).unwrap_or_default();
            let text = format!("CBSD takes the first port from 5900 on that is free; here it is {port}");
            self.machine.note(0, "vm_vnc_port", text);
        }
        let size = self.or(settings, "bhyve_vnc_resolution", "1024x768");
        let (width, height) = size.split_once('x').unwrap_or(("1024", "768"));
        let address = self.or(settings, "bhyve_vnc_tcp_bind", "127.0.0.1");
        format!("-s {},fbuf,tcp={address}:{port},w={width},h={height}", self.slot("fbuf", ""))
    }

    fn console(&mut self, settings: &Row) -> String {
        if text(settings, "vm_console") == "nmdm" {
            let text = "CBSD takes the first null modem that is free: `com1: \"/dev/nmdmNA\"` names one";
            self.hole("vm_console", text);
        }
        "-l com1,stdio".into()
    }

    fn firmware(&mut self, settings: &Row) -> String {
        let firmware = match text(settings, "vm_efi").as_str() {
            "uefi" => self.or(settings, "efi_firmware", FIRMWARE),
            "uefi_csm" => {
                self.hole("vm_efi", "which firmware CBSD has for CSM is not in the tables: `bootrom(\"…\")` names it");
                FIRMWARE.into()
            }
            _ => {
                self.hole(
                    "bhyveload_cmd",
                    "CBSD puts the loader's command together at each start: `loader: bhyveload(#{ … })` has it",
                );
                return String::new();
            }
        };
        // So `bcreate` calls it from FreeBSD 14 on; a command line of 2024 has `vars.fd`.
        let vars = ["BHYVE_UEFI_VARS.fd", "vars.fd"].into_iter().find(|name| self.has_file(name));
        format!("-l bootrom,{firmware}{}", vars.map(|name| format!(",{}", self.own(name))).unwrap_or_default())
    }

    /// What the tables do not tell.
    fn left(&mut self) {
        if self.has_file("etc/rc.conf") {
            self.hole("etc/rc.conf", "a start reads it over the tables: compare the recipe with it");
        }
        if !self.rows("bhyve_dskcontroller").is_empty() {
            self.hole("bhyve_dskcontroller", "a controller with disks is left out");
        }
        let text = "it was made of the tables, as there is no bhyve.conf: rEFInd, which some releases put into slot 1, is not in them";
        self.machine.note(0, "local.sqlite", text);
    }
}

/// A MAC address with colons.
fn colons(mac: &str) -> String {
    let digits: Vec<char> = mac.chars().filter(|c| *c != ':').collect();
    digits.chunks(2).map(|pair| pair.iter().collect::<String>()).collect::<Vec<_>>().join(":")
}
