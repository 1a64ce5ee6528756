//! The log of a serial port: a helper has the other end of the port, keeps what is said, and lets consoles in.
//!
//! It is a process of its own, and not QEMU's `logfile=`, nor vmrun: bhyve has no such file, QEMU's has no bound once vmrun is gone, and
//! a helper goes on where vmrun is killed. Where it is killed itself it is started again, and what the guest says meanwhile is
//! lost: neither bhyve (its uart drops what a tty does not take, as its source has it; not run) nor QEMU, whose socket has no client
//! then, waits for a reader.

use super::{Platform, Settings};
use crate::model::{Argv, Helper, Machine, VmName};
use crate::qemu;
use std::path::PathBuf;

/// The serial port that is kept.
pub(crate) const PORT: &str = "com1";

/// Returns the socket at which consoles of a machine are let in whose serial port is kept.
pub(crate) fn socket(settings: &Settings, machine: &VmName) -> PathBuf {
    settings.machine_folder(machine).join("console.sock")
}

/// Returns the helper that keeps what a machine says on its first serial port, if that is to be kept.
pub(crate) fn helper(machine: &Machine, settings: &Settings) -> Option<Helper> {
    let log = machine.serial_log()?;
    let other = machine.ttys().get(PORT)?.other_end()?;
    let socket = socket(settings, machine.name());
    let argv = Argv::new("vmrun").arg("serial-relay");
    let argv = match settings.platform {
        Platform::FreeBsd => argv.arg(format!("--tty={other}")),
        Platform::Linux => {
            let port = qemu::serial_socket(&settings.machine_folder(machine.name()), PORT);
            argv.arg(format!("--connect={}", port.display()))
        }
    };
    let argv = argv.arg(format!("--listen={}", socket.display())).arg(format!("--log={log}"));
    let helper = Helper::new("serial", argv).ok()?;
    Some(Helper { socket: Some(socket), is_ours: true, ..helper })
}
