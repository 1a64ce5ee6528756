//! A machine and its loader: what the loader takes from the machine, and where they contradict each other.

use super::Draft;
use super::check::Faults;
use crate::diag::Fault;
use crate::diag::suggest;
use crate::model::device::Counterpart;
use crate::model::loader::DISKS_MAX;
use crate::model::target::Arch;
use crate::model::{DevicePath, Loader, Part};

impl Draft {
    /// Returns the images of all disks in the order of their slots, and whether each is a CD.
    pub(crate) fn loader_images(&self) -> Vec<(bool, DevicePath)> {
        let of = |device: &crate::model::Device| {
            let is_cd = device.kind().counterpart == Counterpart::AhciCd;
            let images = device.images().into_iter();
            images.map(|(_, name, path, _)| (is_cd || name == "cd", path.clone())).collect::<Vec<_>>()
        };
        self.slots.values().flat_map(of).collect()
    }

    /// Returns GRUB's names of the machine's disks: `hd0` and so on, and `cd0` and so on for CDs.
    pub(crate) fn grub_devices(&self) -> Vec<(String, DevicePath)> {
        let (mut disks, mut cds) = (0, 0);
        let named = |(is_cd, path): (bool, DevicePath)| {
            let (kind, count) = if is_cd { ("cd", &mut cds) } else { ("hd", &mut disks) };
            let name = format!("{kind}{count}");
            *count += 1;
            (name, path)
        };
        self.loader_images().into_iter().map(named).collect()
    }

    pub(super) fn check_loader(&self, faults: &mut Faults) {
        let Some(loader) = &self.loader else { return };
        let program = loader.program();
        let mut wrong = |part: Part, fault: Fault| faults.push((part, fault));
        if self.target.arch != Arch::Amd64 {
            let fault = Fault::new(format!("{program} is not there on {}", self.target.arch));
            wrong(Part::Key("loader"), fault.hint("only bhyve on amd64 has it: give the machine a `bootrom` instead"));
        } else if self.bootrom.is_some() {
            let fault =
                Fault::new(format!("the machine has a boot ROM and {program}: bhyve starts from the first alone"));
            wrong(Part::Key("loader"), fault.hint("take `bootrom` out, or `loader`"));
        }
        if let Err((key, fault)) = loader.check() {
            wrong(Part::Under("loader", key.into()), fault);
        }
        match loader {
            Loader::Bhyveload(load) => {
                let own = || self.loader_images().len();
                let count = load.disks.as_ref().map_or_else(own, Vec::len);
                if count == 0 && load.host.is_none() {
                    let fault =
                        Fault::new("bhyveload has nothing to load from: neither a disk nor a folder of the host");
                    let hint = "name one: `disks: \"/vm/a.img\"`, or `host: \"/vm/root\"`";
                    wrong(Part::Key("loader"), fault.hint(hint));
                } else if count > DISKS_MAX {
                    let fault =
                        Fault::new(format!("bhyveload takes no more than {DISKS_MAX} disks, and there are {count}"));
                    wrong(Part::Key("loader"), fault.hint("name the one that it boots from: `disks: \"/vm/a.img\"`"));
                }
            }
            Loader::Grub(grub) => {
                let map = grub.map.clone().unwrap_or_else(|| self.grub_devices());
                let device = grub.root.as_deref().map(|root| root.split(',').next().unwrap_or_default());
                let known = |name: &str| name == "host" || map.iter().any(|(of, _)| of == name);
                if let Some(device) = device.filter(|device| !known(device)) {
                    let names = suggest::list(map.iter().map(|(name, _)| name.as_str()).chain(["host"]));
                    let fault = Fault::new(format!("grub-bhyve has no device {device}"));
                    wrong(Part::Under("loader", "root".into()), fault.hint(format!("devices: {names}")));
                }
            }
        }
    }
}
