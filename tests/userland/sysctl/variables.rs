//! The variables of the kernel: those that FreeBSD has by itself, and over them the file `sysctl` of the state.

use std::io;

use crate::exit::Step;
use crate::jail;
use crate::kld;
use crate::release::Release;
use crate::state::State;

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    /// An unsigned number of 64 bits.
    Long,
    Text,
    /// Bytes, kept as hexadecimal digits. sysctl(8) has no form for them, and prints nothing unless told to dump.
    Opaque,
}

/// Who may set a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Read, and set in loader.conf(5).
    Tunable,
    Write,
}

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) access: Access,
    pub(crate) value: String,
}

/// All variables, in the order of `sysctl -a`; what only tests know comes last.
pub(crate) fn all(state: &State) -> Step<Vec<Variable>> {
    let has_vmm = kld::has_module(state, "vmm")?;
    let is_there = |name: &str| has_vmm || !(name == "hw.vmm" || name.starts_with("hw.vmm."));
    let mut all: Vec<Variable> = of_release(Release::of_environment()?);
    for (name, value) in jail::told(state)? {
        put(&mut all, name, value, Access::Read);
    }
    for (name, value) in state.sysctls()? {
        put(&mut all, &name, value, Access::Write);
    }
    all.retain(|one| is_there(&one.name));
    Ok(all)
}

/// One variable, if it is there.
pub(crate) fn one(state: &State, name: &str) -> Step<Option<String>> {
    Ok(all(state)?.into_iter().find(|one| one.name == name).map(|one| one.value))
}

/// Keeps a value that was set.
pub(crate) fn set(state: &State, name: &str, value: &str) -> io::Result<()> {
    let mut kept = state.sysctls()?;
    match kept.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value.to_string(),
        None => kept.push((name.to_string(), value.to_string())),
    }
    let lines: Vec<String> = kept.iter().map(|(key, value)| format!("{key}={value}")).collect();
    state.write_lines("sysctl", &lines)
}

/// Gives a variable a value; one that is not known yet is as its value looks.
fn put(all: &mut Vec<Variable>, name: &str, value: String, access: Access) {
    if let Some(one) = all.iter_mut().find(|one| one.name == name) {
        one.value = value;
        return;
    }
    let kind = if value.parse::<i64>().is_ok() { Kind::Integer } else { Kind::Text };
    all.push(Variable { name: name.to_string(), kind, access, value });
}

/// What a release has. Of 12.1 it is what was recorded; of later ones only what has no counterpart there or decides what others
/// may see, because tests say how large their host is.
fn of_release(release: Release) -> Vec<Variable> {
    let later = ["security.bsd.see_other_uids", "kern.hostname"];
    let is_recorded = release.major < 13;
    let table = TABLE.lines().filter_map(parse).filter(|one| is_recorded || later.contains(&one.name.as_str()));
    let mut all: Vec<Variable> = table.collect();
    if !is_recorded {
        // 16 random bytes of each start (kern_mib.c of 13 and later).
        all.extend(parse("kern.boot_id o r 3f1c9a7be2d84056a1c47d90b5e6f218"));
    }
    all
}

/// A line of the table: name, kind, access, value.
fn parse(line: &str) -> Option<Variable> {
    let mut words = line.splitn(4, ' ');
    let name = words.next()?.to_string();
    let kind = match words.next()? {
        "i" => Kind::Integer,
        "l" => Kind::Long,
        "o" => Kind::Opaque,
        _ => Kind::Text,
    };
    let access = match words.next()? {
        "r" => Access::Read,
        "t" => Access::Tunable,
        _ => Access::Write,
    };
    Some(Variable { name, kind, access, value: words.next()?.to_string() })
}

/// What 12.1 has: `i`nteger, `l`ong or `s`tring; `r`ead only, `t`unable or `w`ritable.
const TABLE: &str = "\
kern.ostype s r FreeBSD
kern.osrelease s r 12.1-RELEASE
kern.hostname s w fb
kern.osreldate i r 1201000
kern.boottime s r { sec = 1795875026, usec = 176283 } Sat Nov 28 14:10:26 2026
kern.securelevel i w -1
kern.cp_time s r 2306 0 17089 81 6874
kern.racct.enable i t 1
vm.loadavg s r { 0.93 0.57 0.26 }
vm.stats.vm.v_free_count i r 239834
net.inet.ip.forwarding i w 0
net.link.tap.debug i w 0
net.link.tap.devfs_cloning i w 1
net.link.tap.up_on_open i w 0
net.link.tap.user_open i w 0
net.link.bridge.ipfw i w 0
net.link.bridge.allow_llz_overlap i w 0
net.link.bridge.inherit_mac i w 0
net.link.bridge.log_stp i w 0
net.link.bridge.pfil_local_phys i w 0
net.link.bridge.pfil_member i w 1
net.link.bridge.ipfw_arp i w 0
net.link.bridge.pfil_bridge i w 1
net.link.bridge.pfil_onlyip i w 1
hw.machine s r amd64
hw.model s r AMD EPYC Processor
hw.ncpu i r 1
hw.physmem l r 1058492416
hw.usermem l r 1035030528
hw.realmem l r 1073586176
hw.pagesize i r 4096
hw.vmm.amdvi.domain_id i r 0
hw.vmm.amdvi.disable_io_fault i w 0
hw.vmm.amdvi.ptp_level i w 4
hw.vmm.amdvi.host_ptp i w 1
hw.vmm.amdvi.enable i w 0
hw.vmm.amdvi.count i r 0
hw.vmm.npt.pmap_flags i r 507
hw.vmm.svm.num_asids i r 16
hw.vmm.svm.disable_npf_assist i w 0
hw.vmm.svm.features i r 1
hw.vmm.svm.vmcb_clean i t 1023
hw.vmm.vmx.l1d_flush_sw i t 0
hw.vmm.vmx.l1d_flush i t 0
hw.vmm.vmx.vpid_alloc_failed i r 0
hw.vmm.vmx.posted_interrupt_vector i r -1
hw.vmm.vmx.cap.posted_interrupts i r 0
hw.vmm.vmx.cap.virtual_interrupt_delivery i r 0
hw.vmm.vmx.cap.invpcid i r 0
hw.vmm.vmx.cap.monitor_trap i r 0
hw.vmm.vmx.cap.unrestricted_guest i r 0
hw.vmm.vmx.cap.pause_exit i r 0
hw.vmm.vmx.cap.halt_exit i r 0
hw.vmm.vmx.initialized i r 0
hw.vmm.vmx.cr4_zeros_mask l r 0
hw.vmm.vmx.cr4_ones_mask l r 0
hw.vmm.vmx.cr0_zeros_mask l r 0
hw.vmm.vmx.cr0_ones_mask l r 0
hw.vmm.vmx.no_flush_rsb i t 0
hw.vmm.ept.pmap_flags i r 0
hw.vmm.vrtc.flag_broken_time i t 1
hw.vmm.ppt.devices i r 0
hw.vmm.iommu.enable i t 1
hw.vmm.iommu.initialized i r 0
hw.vmm.bhyve_xcpuids i w 0
hw.vmm.topology.cpuid_leaf_b i t 1
hw.vmm.create s w beavis
hw.vmm.destroy s w beavis
hw.vmm.trace_guest_exceptions i t 0
hw.vmm.ipinum i r 251
hw.vmm.halt_detection i t 1
security.bsd.see_other_uids i w 1";
