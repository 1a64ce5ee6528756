//! What not every release of bhyve has, a row for each: the checks, their messages and the manual come from here.

use super::{Release, Target};

/// Something that came with a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The keys `bootrom` and `bootvars` on amd64, of which `lpc.bootrom` and `lpc.bootvars` are older names.
    BootromKeys,
    /// ACPI tables unless told otherwise.
    AcpiAlways,
    /// A frame buffer from 640x480 to 3840x2160.
    LargeScreens,
    /// A serial port that listens on an address.
    TcpSerial,
    /// A TPM of swtpm.
    Swtpm,
    /// NUMA domains.
    Domains,
    /// A network of slirp that reaches out.
    SlirpOpen,
    /// Telling of unknown model specific registers.
    VerboseMsr,
    /// A frame buffer that listens on a socket of the file system.
    ScreenSocket,
    /// Bridges that filter frames by their VLAN.
    BridgeVlans,
    /// A device through which machines are made, beside the folder of nodes.
    ControlDevice,
    /// PCI devices of the host in a jail.
    JailedPassthru,
    /// Starting the guest again within bhyve.
    Monitor,
    /// The folder of what bhyve keeps while it runs.
    RunFolder,
    /// Texts of the maker in SMBIOS.
    OemStrings,
    /// Numbered targets of a SCSI controller.
    ScsiTargets,
    /// The backend, rings and queues of a SCSI controller.
    ScsiQueues,
}

/// How well it is known with which release something came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// A manual or the release notes of that release say so.
    Documented,
    /// It was read in the source of that release.
    Read,
    /// It follows from something else, and may be off by a release.
    Inferred,
}

impl Certainty {
    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Read => "read in the source",
            Self::Inferred => "inferred",
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Gate {
    /// What not every bhyve has.
    pub feature: Feature,
    /// What is written to have it, as bhyve names it.
    pub option: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// What was in its place before, and ends with it.
    pub before: Option<&'static str>,
    /// Where that is said.
    pub source: &'static str,
    /// How well it is known.
    pub certainty: Certainty,
}

const fn row(
    feature: Feature,
    option: &'static str,
    since: Release,
    source: &'static str,
    certainty: Certainty,
) -> Gate {
    Gate { feature, option, since, before: None, source, certainty }
}

/// Every row, in the order of [`Feature`].
pub(crate) const GATES: [Gate; 17] = {
    use Certainty::{Documented, Inferred, Read};
    use Feature as F;
    use Release::{V14_3, V15_0, V15_1, V16};
    [
        Gate {
            before: Some("lpc.bootrom, lpc.bootvars"),
            ..row(F::BootromKeys, "bootrom, bootvars (amd64)", V15_0, "amd64/pci_lpc.c", Inferred)
        },
        Gate {
            before: Some("-A"),
            ..row(F::AcpiAlways, "acpi_tables, true by itself (amd64)", V15_0, "amd64/bhyverun_machdep.c", Inferred)
        },
        Gate {
            before: Some("at most 1920x1200"),
            ..row(F::LargeScreens, "fbuf from 640x480 to 3840x2160", V15_0, "pci_fbuf.c", Inferred)
        },
        row(F::TcpSerial, "com1,tcp=HOST:PORT", V15_0, "the date of bhyve(8)", Inferred),
        row(F::Swtpm, "tpm,swtpm", V14_3, "a public tool gates it at osreldate 1403000", Inferred),
        row(F::Domains, "-n, domains.N", V15_0, "amd64/bhyverun_machdep.c", Read),
        row(F::SlirpOpen, "slirp,open", V15_0, "slirp-helper.c", Inferred),
        row(F::VerboseMsr, "x86.verbosemsr", V15_0, "a public tool gates it at osreldate 1500023", Inferred),
        row(F::ScreenSocket, "fbuf,rfb=unix:PATH", V15_1, "release notes 15.1", Documented),
        row(F::BridgeVlans, "a bridge's untagged, tagged", V15_0, "bridge(4), 2025", Documented),
        row(F::ControlDevice, "/dev/vmmctl", V15_0, "vmm_dev.c, vmmctl_open", Inferred),
        row(F::JailedPassthru, "jail's allow.vmm_ppt", V15_1, "release notes 15.1", Documented),
        row(F::Monitor, "-M, monitor", V16, "bhyve(8), 2026", Documented),
        row(F::RunFolder, "rundir", V16, "bhyve_config(5), 2026", Documented),
        row(F::OemStrings, "oemstring.N", V16, "bhyve_config(5), 2026", Inferred),
        Gate {
            before: Some("virtio-scsi with one device, dev"),
            ..row(F::ScsiTargets, "virtio-scsi,target=ID:DEV, target.ID", V16, "pci_virtio_scsi.c, 2026", Read)
        },
        row(
            F::ScsiQueues,
            "virtio-scsi backend, ctl_ringsz, evt_ringsz, req_ringsz, num_queues, seg_max, thr_per_q",
            V16,
            "bhyve_config(5), 2026",
            Inferred,
        ),
    ]
};

impl Feature {
    /// Returns its row.
    pub const fn gate(self) -> &'static Gate {
        &GATES[self as usize]
    }

    /// Returns the first release that has it.
    pub const fn since(self) -> Release {
        self.gate().since
    }

    /// Returns the release that it needs as the reference has it, where the oldest that is known does not have it.
    pub fn needs(self) -> Option<String> {
        (self.since() > Release::OLDEST).then(|| format!("{} and later", self.since()))
    }
}

impl Gate {
    /// Returns how sure the release is, where that is not sure.
    pub fn doubt(&self) -> Option<String> {
        (self.certainty == Certainty::Inferred)
            .then(|| format!("that it came with {} is inferred ({})", self.since, self.source))
    }
}

impl Target {
    /// Returns whether its release has something.
    pub fn has(self, feature: Feature) -> bool {
        self.release >= feature.since()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_its_row() {
        for (at, gate) in GATES.iter().enumerate() {
            assert_eq!((gate.feature as usize, gate.feature.gate().option), (at, gate.option));
            assert!(!gate.source.is_empty() && !gate.option.is_empty());
        }
    }

    #[test]
    fn a_release_has_what_came_before_it() {
        let of =
            |release| GATES.iter().filter(|gate| Target { release, ..Target::default() }.has(gate.feature)).count();
        assert_eq!(Release::ALL.map(of), [1, 1, 1, 10, 12, 17]);
        assert_eq!(Feature::Monitor.needs().as_deref(), Some("FreeBSD 16 and later"));
        assert_eq!(Feature::Swtpm.needs(), None);
        assert_eq!(Feature::Monitor.gate().doubt(), None);
        assert_eq!(
            Feature::VerboseMsr.gate().doubt().as_deref(),
            Some("that it came with FreeBSD 15.0 is inferred (a public tool gates it at osreldate 1500023)")
        );
    }
}
