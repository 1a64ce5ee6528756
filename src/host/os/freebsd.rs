//! FreeBSD: interfaces from ifconfig(8)'s text, and machines that are bhyve processes.

use crate::bhyve;
use crate::diag::Fault;
use crate::host::boot_plan::BootPlan;
use crate::host::process::{Happened, Process};
use crate::host::signals::Signals;
use crate::host::stranger::{Hypervisor, Stranger};
use crate::host::{Guest, Interface, InterfaceKind, Woken, kernel, marked, system};
use crate::model::{Argv, Ended, Machine, VmName};
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Reads what `ifconfig` prints: a line with the name for each interface, indented lines with what belongs to it. Unknown
/// lines are passed over, because releases differ.
pub fn parse_interfaces(text: &str) -> Vec<Interface> {
    let mut all: Vec<Interface> = Vec::new();
    let (mut is_ours, mut descriptions) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if !line.starts_with([' ', '\t']) {
            let Some((name, _)) = line.split_once(':') else { continue };
            let kind = if name.starts_with("tap") { InterfaceKind::Tap } else { InterfaceKind::Other };
            all.push(Interface::new(name, kind));
            continue;
        }
        let Some(interface) = all.last_mut() else { continue };
        match words.next() {
            Some("inet" | "inet6") => {
                let text = words.next().unwrap_or_default();
                let address = text.split(['%', '/']).next().unwrap_or_default();
                interface.addresses.extend(address.parse::<IpAddr>());
            }
            Some("groups:") => {
                for group in words {
                    match group {
                        "bridge" => interface.kind = InterfaceKind::Bridge,
                        "tap" => interface.kind = InterfaceKind::Tap,
                        "vmrun" => is_ours.push(interface.name.clone()),
                        _ => {}
                    }
                }
            }
            Some("member:") => interface.members.extend(words.next().map(String::from)),
            Some("description:") => {
                descriptions.push((all.len() - 1, words.next().unwrap_or_default().to_string()));
            }
            Some("Opened") => {
                interface.is_open = true;
                interface.opener = words.last().and_then(|pid| pid.parse().ok());
            }
            // Every bridge prints it, whether or not it is in its group.
            Some("id") if line.contains("priority") => interface.kind = InterfaceKind::Bridge,
            _ => {}
        }
    }
    // Anybody may describe an interface; the group is ours. What it is stands further below than its description.
    for (at, description) in descriptions {
        all[at].mark = marked(all[at].kind, &description).filter(|_| is_ours.contains(&all[at].name));
    }
    all
}

/// Starts bhyve.
pub(crate) fn boot(
    machine: &Machine,
    plan: &BootPlan,
    signals: Rc<Signals>,
    log: Option<&Path>,
) -> Result<Box<dyn Guest>, Fault> {
    let process = Process::spawn(&plan.argv, machine.uses_stdio(), signals, log)?;
    Ok(Box::new(Bhyve { process: Hypervisor::Child(process), name: machine.name().clone() }))
}

/// Takes over a bhyve that is none of our children.
pub(crate) fn adopt(
    name: &VmName,
    pid: u32,
    signals: Rc<Signals>,
    log: Option<&Path>,
) -> Result<Box<dyn Guest>, Fault> {
    let process = Hypervisor::Stranger(Stranger::of(pid, signals, log)?);
    Ok(Box::new(Bhyve { process, name: name.clone() }))
}

/// bhyve's exit status of a failure: what is said of a bhyve whose status nobody can know, which is never so on FreeBSD.
const FAILED: i32 = 4;

/// How long bhyve may take to leave once its guest was switched off.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends a bhyve that is none of our children: the power button, so long, then the switch, then a signal.
pub(crate) fn end(name: &VmName, pid: u32, within: Duration) -> Result<(), Fault> {
    kernel::signal(pid, Signal::SIGTERM);
    if kernel::is_gone_within(pid, within) {
        return Ok(());
    }
    let off = crate::host::program::run(&bhyve::force_poweroff(name)).is_ok();
    if !(off && kernel::is_gone_within(pid, PATIENCE)) {
        kernel::signal(pid, Signal::SIGKILL);
    }
    if kernel::is_gone_within(pid, PATIENCE) { Ok(()) } else { Err(system::does_not_end(name.as_str(), pid)) }
}

struct Bhyve {
    process: Hypervisor,
    name: VmName,
}

impl Guest for Bhyve {
    fn wait(&mut self, until: Option<Instant>) -> Woken {
        loop {
            match self.process.wait(until, None) {
                Happened::Exited(status) => {
                    return Woken::Ended(match (status.code(), status.signal()) {
                        (Some(code), _) => bhyve::ended(code),
                        (None, signal) => Ended::Killed { signal: signal.unwrap_or_default() },
                    });
                }
                Happened::Gone => return Woken::Ended(bhyve::ended(FAILED)),
                Happened::StopAsked => return Woken::StopAsked,
                Happened::TimeOver => return Woken::TimeOver,
                Happened::Extra => {}
            }
        }
    }

    /// bhyve takes SIGTERM for the ACPI power button once the guest has switched ACPI on; before that it dies of it, by
    /// what is known of its source.
    fn press_power_button(&mut self) {
        self.process.signal(Signal::SIGTERM);
    }

    fn force(&mut self) {
        let argv: Argv = bhyve::force_poweroff(&self.name);
        if crate::host::program::run(&argv).is_err() {
            self.kill();
        }
    }

    fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }

    fn last_words(&self) -> Vec<String> {
        self.process.last_words()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_from_ifconfigs_text() {
        let text = "\
bridge2: flags=1008843<UP,BROADCAST> metric 0 mtu 1500
\tether 58:9c:fc:10:ff:a3
\tinet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.255
\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15
\tmember: tap0 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\tgroups: bridge viid-4c918@
vm0: flags=1008943<UP> metric 0 mtu 1500
\tgroups: tap vm-port
\tinet6 fe80::1%em0 prefixlen 64 scopeid 0x1
em0: flags=8843<UP> metric 0 mtu 1500
\tinet 192.168.2.5/24
\tdescription: vmrun:not-in-the-group
tap0: flags=1008943<UP> metric 0 mtu 1500
\tdescription: vmrun:web
\tgroups: tap vmrun
\tOpened by PID 1234
";
        let address = |text: &str| vec![text.parse().unwrap()];
        let interface = |name: &str, kind, addresses| Interface { addresses, ..Interface::new(name, kind) };
        assert_eq!(
            parse_interfaces(text),
            [
                Interface {
                    members: vec!["tap0".into()],
                    ..interface("bridge2", InterfaceKind::Bridge, address("10.0.0.1"))
                },
                interface("vm0", InterfaceKind::Tap, address("fe80::1")),
                interface("em0", InterfaceKind::Other, address("192.168.2.5")),
                Interface {
                    mark: "web".parse().ok(),
                    is_open: true,
                    opener: Some(1234),
                    ..interface("tap0", InterfaceKind::Tap, vec![])
                },
            ]
        );
        assert_eq!(parse_interfaces("\tinet 1.2.3.4\nnonsense\n"), []);
    }
}
