//! What a Linux host lacks for giving a PCI device to a guest (the kernel's Documentation/driver-api/vfio.rst and
//! Documentation/ABI/testing/sysfs-bus-pci).

use super::Conflict;
use crate::diag::{Fault, Severity};
use crate::host::Host;
use crate::model::{Argv, Machine, Part};
use crate::qemu;
use std::path::Path;

/// Where the kernel has the devices of the PCI bus, and their drivers.
const PCI: &str = "/sys/bus/pci";

/// Returns what is in the way of each device of the host that the machine gets.
pub(super) fn unusable(host: &dyn Host, machine: &Machine, severity: Severity) -> Vec<Conflict> {
    if host.is_assumed() {
        return Vec::new();
    }
    let given = machine.devices().filter_map(|(slot, device)| Some((slot, qemu::host_address(device)?)));
    let fault = |(slot, address): (_, String)| Some((Part::Slot(slot), against(host, &address)?, severity));
    given.filter_map(fault).collect()
}

fn against(host: &dyn Host, address: &str) -> Option<Fault> {
    let device = Path::new(PCI).join("devices").join(address);
    if host.file(&device).is_none() {
        let fault = Fault::host(format!("this host has no PCI device {address}"));
        return Some(fault.hint("lspci -D lists them, in hexadecimal; a recipe has decimal numbers"));
    }
    let group = device.join("iommu_group");
    if host.file(&group).is_none() {
        let fault = Fault::host(format!("this host uses no IOMMU, without which {address} cannot be given away"));
        return Some(fault.hint(
            "switch VT-d or AMD-Vi on in its firmware; Intel's takes intel_iommu=on at the kernel's command line too",
        ));
    }
    if host.file(&Path::new(PCI).join("drivers/vfio-pci").join(address)).is_none() {
        let fault = Fault::host(format!("{address} is not vfio-pci's, by which a guest is given it"));
        return Some(fault.hint(format!("as root: modprobe vfio-pci; {}", rebinding(&device, address))));
    }
    let real = host.real(&group);
    let node = Path::new("/dev/vfio").join(real.file_name()?);
    let may_write = || host.query(&Argv::new("test").arg("-w").arg(node.display())).is_ok();
    let is_denied = !host.rights().root && !may_write();
    let fault = Fault::host(format!("{address} is of the group {}, which is another's", node.display()));
    is_denied.then(|| fault.hint(format!("run vmrun as root, or as root: chown USER {}", node.display())))
}

/// Returns the commands that give a device another driver, as the kernel has it.
fn rebinding(device: &Path, address: &str) -> String {
    let device = device.display();
    format!(
        "echo vfio-pci > {device}/driver_override; echo {address} > {device}/driver/unbind; echo {address} > {PCI}/drivers_probe"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Platform;
    use crate::host::Rights;
    use crate::host::worlds::fixture::Fixture;
    use crate::host::worlds::simulated::Simulated;
    use crate::model::samples::{device, draft};
    use crate::model::{Draft, Setting, Size, Value};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// What is said of a machine that is given `10/0/1` on a host with these files.
    fn said(rights: Rights, files: &[&str]) -> Vec<String> {
        let mut fixture = Fixture { rights, ..Fixture::lab() };
        fixture.settings.platform = Platform::Linux;
        files.iter().for_each(|path| fixture.world.file(Path::new(path), Some(Size::bytes(0)), false));
        let host = Simulated::new(&Rc::new(RefCell::new(fixture)));
        let mut draft = draft(&[("8", device("passthru", &[("host", "10/0/1")])), ("31", device("lpc", &[]))]);
        draft.set(Setting::named("wired").unwrap(), Value::Flag(true));
        let machine = Draft { name: "lab".parse().ok(), ..draft }.check().unwrap();
        let line = |(_, fault, _): Conflict| format!("{} | {}", fault.message, fault.hint.unwrap_or_default());
        unusable(&host, &machine, Severity::Error).into_iter().map(line).collect()
    }

    #[test]
    fn a_device_is_given_away_by_a_host_that_has_it_behind_an_iommu_and_with_vfios_driver() {
        let of = "/sys/bus/pci/devices/0000:0a:00.1";
        let (there, group) = (format!("{of}/vendor"), format!("{of}/iommu_group"));
        let (driver, all) = ("/sys/bus/pci/drivers/vfio-pci/0000:0a:00.1", Rights::ALL);
        assert_eq!(
            said(all, &[]),
            [
                "this host has no PCI device 0000:0a:00.1 | lspci -D lists them, in hexadecimal; a recipe has decimal numbers"
            ]
        );
        assert_eq!(
            said(all, &[&there]),
            [
                "this host uses no IOMMU, without which 0000:0a:00.1 cannot be given away | switch VT-d or AMD-Vi on in its \
              firmware; Intel's takes intel_iommu=on at the kernel's command line too"
            ]
        );
        let rebound = format!(
            "as root: modprobe vfio-pci; echo vfio-pci > {of}/driver_override; echo 0000:0a:00.1 > {of}/driver/unbind; echo \
             0000:0a:00.1 > /sys/bus/pci/drivers_probe"
        );
        assert_eq!(
            said(all, &[&there, &group]),
            [format!("0000:0a:00.1 is not vfio-pci's, by which a guest is given it | {rebound}")]
        );
        assert_eq!(said(all, &[&there, &group, driver]), [""; 0]);
    }
}
