//! swtpm(8): the helper that plays a machine's TPM, and keeps what that keeps.

use super::{Platform, Settings};
use crate::model::{Argv, Helper, Machine};
use std::path::PathBuf;

/// The program.
pub(crate) const PROGRAM: &str = "swtpm";

/// Returns the socket of a machine's swtpm whose folder that is.
pub(crate) fn socket(settings: &Settings, machine: &crate::model::VmName) -> PathBuf {
    settings.machine_folder(machine).join("swtpm.sock")
}

/// Returns the helper of a machine whose TPM keeps its state in a folder.
///
/// QEMU speaks to the control channel, and begins the TPM anew itself. bhyve sends commands of TPM 2.0 as they are (its
/// `tpm_emul_swtpm.c`), so that it gets the data channel, and nobody sends that the first command there (`not-need-init`). Each boot
/// has a swtpm of its own: QEMU ends it when it ends, and bhyve's would keep what it measured (its registers) through a reboot.
/// Under bhyve this was not run.
pub(crate) fn helper(machine: &Machine, settings: &Settings) -> Option<Helper> {
    let state = machine.tpm_state()?;
    let socket = socket(settings, machine.name());
    let at = format!("type=unixio,path={},mode=0600", socket.display());
    let argv = Argv::new(PROGRAM).args(["socket", "--tpm2", "--tpmstate"]).arg(format!("dir={state}"));
    let argv = match settings.platform {
        Platform::Linux => argv.arg("--ctrl").arg(at),
        Platform::FreeBsd => argv.arg("--server").arg(at).args(["--flags", "not-need-init"]),
    };
    let helper = Helper::new(PROGRAM, argv).ok()?;
    Some(Helper { socket: Some(socket), each_boot: true, folder: Some(state.as_path().into()), ..helper })
}
