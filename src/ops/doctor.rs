//! Whether this host is ready for machines: what each part of it is like, and what mends it.
//!
//! What is said of a part is what a rehearsal says of it, by the same functions: here it is asked for any machine, there for one.

mod freebsd;
mod keeps;
mod linux;
mod programs;

use super::settings::{Platform, doubt, platform, settings};
use crate::diag::{Blame, Diagnostic, Fault, Severity};
use crate::host::environment::native_platform;
use crate::host::system::{Prefetch, System};
use crate::host::{Facts as _, InterfaceKind, ipxe};
use crate::supervise::conflicts;
use crate::{bhyve, qemu};
use serde_json::{Value, json};

/// How a part of a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// As it has to be.
    Ok,
    /// Something is not there that few need, or is slower than it could be.
    Note,
    /// Machines cannot be run so, or not as they are meant to be.
    Wrong,
}

impl Health {
    /// Returns its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Wrong => "wrong",
        }
    }
}

/// What was found of a part of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The part: kernel, rights, firmware and so on.
    pub(crate) part: &'static str,
    /// How it is.
    pub(crate) health: Health,
    /// What it is, or what is wrong with it.
    pub(crate) what: String,
    /// What mends it.
    pub(crate) way_out: Option<String>,
    /// Whose it is, where it is wrong.
    blame: Blame,
}

/// What was found of a host, in the order in which it is looked at.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Finding>);

impl Report {
    /// Adds what is as it has to be.
    fn ok(&mut self, part: &'static str, what: impl Into<String>) {
        self.add(part, Health::Ok, Fault::host(what));
    }

    /// Adds what few need.
    fn note(&mut self, part: &'static str, fault: Fault) {
        self.add(part, Health::Note, fault);
    }

    /// Adds what is wrong.
    fn wrong(&mut self, part: &'static str, fault: Fault) {
        self.add(part, Health::Wrong, fault);
    }

    /// Adds what a rehearsal says.
    fn said(&mut self, part: &'static str, fault: Fault, severity: Severity) {
        match severity {
            Severity::Error => self.wrong(part, fault),
            Severity::Warning => self.note(part, fault),
        }
    }

    /// Adds what was found in a file, with its place.
    fn in_file(&mut self, part: &'static str, diagnostics: Vec<Diagnostic>) {
        for Diagnostic { fault, place, severity, .. } in diagnostics {
            let fault = place.map_or(fault.clone(), |place| fault.context(place));
            self.said(part, fault, severity);
        }
    }

    fn add(&mut self, part: &'static str, health: Health, fault: Fault) {
        let Fault { message, hint, blame, .. } = fault;
        self.0.push(Finding { part, health, what: message, way_out: hint, blame });
    }

    /// Returns all that was found.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// Returns the exit code: that of the gravest of what is wrong.
    pub(crate) fn code(&self) -> u8 {
        let wrong = self.0.iter().filter(|finding| finding.health == Health::Wrong);
        wrong.map(|finding| finding.blame).max().map_or(0, Blame::code)
    }

    /// Returns how many findings are of a kind.
    pub(crate) fn count(&self, health: Health) -> usize {
        self.0.iter().filter(|finding| finding.health == health).count()
    }

    /// Returns it as a JSON object: `code` and `findings`, a list of `part`, `health`, `what` and `way_out`.
    pub(crate) fn json(&self) -> Value {
        let finding = |one: &Finding| json!({ "part": one.part, "health": one.health.word(), "what": one.what, "way_out": one.way_out });
        json!({ "code": self.code(), "findings": self.0.iter().map(finding).collect::<Vec<_>>() })
    }
}

/// Looks at this host, and changes nothing.
pub(crate) fn examine() -> Result<Report, Vec<Diagnostic>> {
    let asked = platform()?;
    let settings = settings(asked, false)?;
    let mut report = Report::default();
    system(asked.platform, &settings, &mut report);
    doubt(asked).into_iter().for_each(|doubt| report.note("system", doubt.fault));
    match System::new(settings.clone(), Prefetch::default()) {
        Ok(host) => {
            match asked.platform {
                Platform::FreeBsd => freebsd::examine(&host, &mut report),
                Platform::Linux => linux::examine(&host, &mut report),
            }
            programs::examine(&host, &mut report);
            firmware(&host, &mut report);
            network(&host, &mut report);
            keeps::folders(&settings, &mut report);
            keeps::secrets(&host, &mut report);
        }
        // It is told with the folders.
        Err(_) => keeps::folders(&settings, &mut report),
    }
    keeps::configuration(&settings, &mut report);
    keeps::libraries(&mut report);
    keeps::machines(&mut report);
    Ok(report)
}

/// Which vmrun this is, and for which host.
fn system(platform: Platform, settings: &super::settings::Settings, report: &mut Report) {
    let version = env!("CARGO_PKG_VERSION");
    let kind = match platform {
        Platform::FreeBsd => {
            format!("FreeBSD {}, {}", settings.target.release.name(), settings.target.arch)
        }
        Platform::Linux => format!("Linux, {}", std::env::consts::ARCH),
    };
    report.ok("system", format!("vmrun {version} for {kind}"));
    if platform != native_platform() {
        let fault = Fault::host(format!("VMRUN_PLATFORM has this host count as {platform}, which it is not"));
        report.note("system", fault.hint("unset VMRUN_PLATFORM"));
    }
}

/// What boots a guest by UEFI, and by the network.
fn firmware(host: &System, report: &mut Report) {
    let code = match host.settings().platform {
        Platform::FreeBsd => bhyve::UEFI_CODE,
        Platform::Linux => qemu::OVMF_CODE,
    };
    match conflicts::against_firmware(host, code) {
        Some(fault) => report.wrong("firmware", fault.blame(Blame::Host)),
        None => report.ok("firmware", code),
    }
    match ipxe::loader(host) {
        Ok(path) => report.ok("iPXE", path),
        Err(fault) => report.note("iPXE", fault),
    }
}

/// The bridges that recipes plug their machines into.
fn network(host: &System, report: &mut Report) {
    let interfaces = match host.interfaces() {
        Ok(interfaces) => interfaces,
        Err(fault) => return report.wrong("bridges", fault),
    };
    let bridges: Vec<_> = interfaces.iter().filter(|one| one.kind == InterfaceKind::Bridge).collect();
    let names =
        |up: bool| -> Vec<&str> { bridges.iter().filter(|one| one.up == up).map(|one| one.name.as_str()).collect() };
    if bridges.is_empty() {
        let fault = Fault::host("there is no bridge, and a machine with a tap needs one to reach others");
        let way_out = "`vmrun network up RECIPE` makes that of a recipe; slirp needs none";
        return report.note("bridges", fault.hint(way_out));
    }
    if !names(true).is_empty() {
        report.ok("bridges", names(true).join(", "));
    }
    for name in names(false) {
        let up = match host.settings().platform {
            Platform::FreeBsd => format!("ifconfig {name} up"),
            Platform::Linux => format!("ip link set {name} up"),
        };
        report.note("bridges", Fault::host(format!("{name} is down")).hint(up));
    }
}
