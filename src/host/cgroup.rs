//! The control group in which a machine's processes are on Linux, so that it has its limits: what of it the host has
//! (admin-guide/cgroup-v2.rst of the kernel, cgroups(7)).

use super::{Facts, FileFact, Platform};
use crate::diag::Fault;
use crate::model::{Argv, Machine, Size, Transfers, VmName};
use crate::qemu::Cgroup;
use std::path::{Path, PathBuf};

/// Where the kernel's tree of control groups is (cgroups(7)).
pub(crate) const CGROUPS: &str = "/sys/fs/cgroup";

/// What stands in the plan of a host that is not here for the number of a disk's device.
const UNKNOWN_DISK: &str = "MAJ:MIN";

/// How much of a file of the kernel is read, in bytes.
const READ_MAX: usize = 4096;

/// The device on which a file is, or which it is: `MAJ:MIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceNumber {
    /// Its driver.
    pub major: u64,
    /// Which of those that the driver has.
    pub minor: u64,
}

impl DeviceNumber {
    /// Returns that of a `dev_t` of Linux (makedev(3)). nix has it for Linux alone, where control groups are, and this is compiled for
    /// FreeBSD too.
    pub(crate) const fn of(device: u64) -> Self {
        let (high, low) = (device >> 32, device);
        Self { major: (high & 0xffff_f000) | ((low >> 8) & 0xfff), minor: ((low >> 12) & 0xffff_ff00) | (low & 0xff) }
    }
}

impl std::fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Returns the folder of a machine's control group among those of the host.
pub(crate) fn folder(groups: &Path, name: &VmName) -> PathBuf {
    groups.join(format!("vmrun-{name}"))
}

/// Returns the control group that a machine with limits has on this host, if it has one: memory alone is limited without one where
/// the host has none (setrlimit(2)). What is in the way of it is not asked here.
pub(crate) fn of<H: Facts + ?Sized>(host: &H, machine: &Machine) -> Option<Cgroup> {
    let limits = machine.limits();
    let needed = limits.controllers();
    if host.settings().platform != Platform::Linux || needed.is_empty() {
        return None;
    }
    if needed == ["memory"] && !host.is_assumed() && unusable(host, &needed).is_some() {
        return None;
    }
    let folder = folder(&host.settings().cgroups, machine.name());
    let unknown = || vec![UNKNOWN_DISK.into()];
    let disks = if limits.transfers == Transfers::default() {
        Vec::new()
    } else if host.is_assumed() {
        unknown()
    } else {
        disks(host, machine).unwrap_or_else(|_| unknown())
    };
    Some(Cgroup { folder, disks })
}

/// Returns why the host keeps a machine within none of those limits that are only to be had by a control group.
pub(crate) fn unkept<H: Facts + ?Sized>(host: &H, machine: &Machine) -> Option<Fault> {
    let limits = machine.limits();
    let needed = limits.controllers();
    if host.is_assumed() || needed.is_empty() || needed == ["memory"] {
        return None;
    }
    let of_disks = || if needed.contains(&"io") { disks(host, machine).err() } else { None };
    unusable(host, &needed).or_else(of_disks)
}

/// Returns why the host makes no group with these controllers.
fn unusable<H: Facts + ?Sized>(host: &H, needed: &[&str]) -> Option<Fault> {
    let groups = &host.settings().cgroups;
    let shown = groups.display();
    let read = |name: &str| {
        let bytes = host.read(&groups.join(name), READ_MAX).ok()?;
        Some(String::from_utf8_lossy(&bytes).split_whitespace().map(String::from).collect::<Vec<_>>())
    };
    let Some(there) = read("cgroup.controllers") else {
        let fault =
            Fault::host(format!("the machine has limits, and {shown} is no tree of control groups of version 2"));
        return Some(
            fault
                .hint("start the host with systemd.unified_cgroup_hierarchy=1, or say by VMRUN_CGROUP_DIR where it is"),
        );
    };
    let lacking = |all: &[String]| needed.iter().filter(|one| !all.iter().any(|has| has == *one)).copied().collect();
    let lacks: Vec<&str> = lacking(&there);
    if !lacks.is_empty() {
        return Some(without(groups, &lacks));
    }
    let lacks: Vec<&str> = lacking(&read("cgroup.subtree_control").unwrap_or_default());
    if !lacks.is_empty() {
        // The first of all may have both.
        let has_processes = groups != Path::new(CGROUPS) && read("cgroup.procs").is_some_and(|all| !all.is_empty());
        return Some(not_given(groups, &lacks, has_processes));
    }
    if host.rights().root {
        return None;
    }
    if !may_write(host, groups) {
        let fault = Fault::host(format!("the machine has limits, and you may make no control group in {shown}"));
        return Some(
            fault.hint(
                "run vmrun as root, or say by VMRUN_CGROUP_DIR which group is yours (systemd-run -p Delegate=yes)",
            ),
        );
    }
    unreachable(host, groups)
}

/// Whether whoever runs vmrun may write something.
fn may_write<H: Facts + ?Sized>(host: &H, path: &Path) -> bool {
    host.query(&Argv::new("test").arg("-w").arg(path.display())).is_ok()
}

/// The fault of a tree that gives its groups less than is needed.
fn not_given(groups: &Path, lacks: &[&str], has_processes: bool) -> Fault {
    let (shown, all) = (groups.display(), lacks.join(", "));
    let fault = Fault::host(format!("the machine has limits, and the control groups in {shown} do not get {all}"));
    let give = format!("echo \"+{}\" > {shown}/cgroup.subtree_control", lacks.join(" +"));
    // cgroup-v2.rst, "No Internal Process Constraint".
    fault.hint(if has_processes {
        format!(
            "what has processes gives its groups nothing: move those of {shown}/cgroup.procs into a group of their own in it, then {give}"
        )
    } else {
        format!("as root: {give}")
    })
}

/// The fault of a tree into which whoever runs vmrun may move no process from where vmrun is: he would have to write into what both
/// have in common (cgroup-v2.rst, "Delegation Containment").
fn unreachable<H: Facts + ?Sized>(host: &H, groups: &Path) -> Option<Fault> {
    let below = groups.strip_prefix(CGROUPS).ok()?;
    let text = host.read(Path::new("/proc/self/cgroup"), READ_MAX).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let own = Path::new(text.lines().find_map(|line| line.strip_prefix("0::/"))?);
    let shared: PathBuf =
        own.components().zip(below.components()).take_while(|(one, other)| one == other).map(|(one, _)| one).collect();
    let procs = Path::new(CGROUPS).join(shared).join("cgroup.procs");
    if host.file(&procs).is_none() || may_write(host, &procs) {
        return None;
    }
    let fault = Fault::host(format!(
        "the machine has limits, and you may move no process into {} from /{}, where vmrun is: {} is not yours to write",
        groups.display(),
        own.display(),
        procs.display()
    ));
    Some(fault.hint("start vmrun in a group that is yours (systemd-run --user -p Delegate=yes), or as root"))
}

/// The fault of a tree that lacks controllers: the kernel's has what no hierarchy of version 1 has; another, what it is given.
fn without(groups: &Path, lacks: &[&str]) -> Fault {
    let word = if lacks.len() == 1 { "controller" } else { "controllers" };
    let all = lacks.join(", ");
    let fault = Fault::host(format!("the machine has limits, and {} has no {word} {all}", groups.display()));
    match groups.parent().filter(|_| groups != Path::new(CGROUPS)) {
        Some(above) => fault.hint(format!(
            "as root: echo \"+{}\" > {}/cgroup.subtree_control",
            lacks.join(" +"),
            above.display()
        )),
        None => fault.hint(format!(
            "a kernel that has it gives it to version 2 with cgroup_no_v1={} at its command line, from its next start on",
            lacks.join(",")
        )),
    }
}

/// How often the kernel has killed a process of a group because of its limit of memory (`memory.events`), and that limit.
pub(crate) fn memory_kills<H: Facts + ?Sized>(host: &H, folder: &Path) -> Option<(u64, Size)> {
    let read = |name: &str| {
        let bytes = host.read(&folder.join(name), READ_MAX).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let kills = read("memory.events")?.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())?;
    Some((kills, Size::bytes(read("memory.max")?.trim().parse().ok()?)))
}

/// Returns the devices that have the machine's disks, each once.
fn disks<H: Facts + ?Sized>(host: &H, machine: &Machine) -> Result<Vec<String>, Fault> {
    let mut disks = Vec::new();
    for (_, device) in machine.devices() {
        for (_, _, path, _) in device.images() {
            let path = path.as_path();
            // One that is going to be made is where its folder is.
            let fact = path.ancestors().find_map(|path| host.file(path));
            let Some(number) = fact.and_then(|fact: FileFact| fact.device).filter(|number| number.major != 0) else {
                let fault = Fault::host(format!("{} is on no disk whose transfers could be limited", path.display()));
                return Err(
                    fault.hint("have it on a file system that is on one block device, or leave these limits out")
                );
            };
            let disk = whole(host, number);
            if !disks.contains(&disk) {
                disks.push(disk);
            }
        }
    }
    Ok(disks)
}

/// Returns the disk of a partition, which has no limits of its own; another device as it is.
fn whole<H: Facts + ?Sized>(host: &H, number: DeviceNumber) -> String {
    let device = Path::new("/sys/dev/block").join(number.to_string());
    let read = |path: &Path| host.read(path, READ_MAX).ok();
    let disk = read(&device.join("partition")).and_then(|_| {
        let link_target = host.real(&device);
        read(&link_target.parent()?.join("dev"))
    });
    disk.map_or_else(|| number.to_string(), |text| String::from_utf8_lossy(&text).trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_the_numbers_that_linux_gives_it() {
        assert_eq!(DeviceNumber::of(0x103).to_string(), "1:3");
        assert_eq!(DeviceNumber::of(0x0001_2000_abc3_45de), DeviceNumber { major: 0x12345, minor: 0xabcde });
    }
}
