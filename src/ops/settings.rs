//! The settings of this host: its platform, and the folders of state, configuration and logs.

use crate::diag::{Diagnostic, Fault};
use crate::host::cgroup::CGROUPS;
pub(crate) use crate::host::environment::env;
use crate::host::environment::native_platform;
use crate::host::system::{Prefetch, System};
pub(crate) use crate::host::{Asked, Platform, Settings};
use crate::host::{NODES, SYSTEM_CACHE};
use crate::host::{release_doubt, target};
use crate::model::volume::ZVOLS;
use crate::model::{Release, Target, VmName};
use directories::ProjectDirs;
use std::path::PathBuf;

/// Returns the platform of this host, unless VMRUN_PLATFORM says otherwise.
pub(crate) fn platform() -> Result<Asked, Fault> {
    match env("VMRUN_PLATFORM") {
        Some(text) => text.parse().map_err(|fault: Fault| fault.context("VMRUN_PLATFORM")),
        None => Ok(native_platform().into()),
    }
}

/// Returns the log of a machine in the background.
pub(crate) fn log_file(name: &VmName) -> Result<PathBuf, Fault> {
    Ok(log_folder()?.join(format!("{name}.log")))
}

/// Returns the folder for logs: the system's for root, the user's own otherwise, and beside the state where that is somewhere else.
pub(crate) fn log_folder() -> Result<PathBuf, Fault> {
    let given = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let beside = || given("VMRUN_STATE_DIR").map(|state| state.with_file_name("log"));
    let own = || {
        if nix::unistd::geteuid().is_root() {
            return Some("/var/log/vmrun".into());
        }
        let dirs = ProjectDirs::from("", "", "vmrun")?;
        Some(dirs.state_dir().unwrap_or(dirs.data_local_dir()).join("log"))
    };
    let homeless = || Fault::host("there is no home folder for the logs of machines").hint("set VMRUN_LOG_DIR");
    let folder = given("VMRUN_LOG_DIR").or_else(beside).or_else(own).ok_or_else(homeless)?;
    Ok(std::path::absolute(&folder).unwrap_or(folder))
}

/// The folder of the state of machines that root runs.
const SYSTEM_STATE: &str = "/var/run/vmrun";

/// Returns the folders in which machines of this host keep their state, as far as this user knows them: his own, and root's.
pub(crate) fn states() -> Result<Vec<PathBuf>, Fault> {
    let own = settings(platform()?, false)?.state;
    let is_given = env("VMRUN_STATE_DIR").is_some_and(|value| !value.is_empty());
    let others = (!is_given).then(|| PathBuf::from(SYSTEM_STATE)).filter(|other| *other != own);
    Ok(std::iter::once(own).chain(others).collect())
}

/// Returns what is to be known where recipes are for the release of this host, and that is none that is known.
pub(crate) fn doubt(asked: Asked) -> Option<Diagnostic> {
    let is_of_host = asked.platform == Platform::FreeBsd && asked.release.is_none();
    is_of_host.then(release_doubt).flatten().map(Diagnostic::warning)
}

/// Returns the host that this program runs on, with the settings of its environment.
pub(crate) fn host(user_net: bool) -> Result<System, Fault> {
    System::new(settings(platform()?, user_net)?, Prefetch::default())
}

/// Returns the settings of this host: the system's folders for root, the user's own otherwise.
pub(crate) fn settings(asked: Asked, user_net: bool) -> Result<Settings, Fault> {
    let platform = asked.platform;
    let dirs = ProjectDirs::from("", "", "vmrun");
    let root = nix::unistd::geteuid().is_root();
    let given = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = || match (&dirs, root, platform) {
        (Some(dirs), false, _) => Some(dirs.config_dir().to_path_buf()),
        (None, false, _) => None,
        (_, true, Platform::FreeBsd) => Some("/usr/local/etc/vmrun".into()),
        (_, true, Platform::Linux) => Some("/etc/vmrun".into()),
    };
    let state = || match (&dirs, root) {
        (_, true) => Some(SYSTEM_STATE.into()),
        (Some(dirs), false) => Some(dirs.runtime_dir().unwrap_or(dirs.cache_dir()).to_path_buf()),
        (None, false) => None,
    };
    let cache = || match (&dirs, root) {
        (_, true) => Some(SYSTEM_CACHE.into()),
        (Some(dirs), false) => Some(dirs.cache_dir().join("fetched")),
        (None, false) => None,
    };
    let beside = || given("VMRUN_STATE_DIR").map(|state| state.with_file_name("cache"));
    let homeless = || {
        Fault::host("there is no home folder for state and configuration").hint("set VMRUN_STATE_DIR and VMRUN_CONFIG")
    };
    let whole = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
    let here = match platform {
        Platform::FreeBsd => target(),
        Platform::Linux => Target { release: Release::NEWEST, ..Target::default() },
    };
    Ok(Settings {
        platform,
        // Others are told of them who may be somewhere else.
        state: given("VMRUN_STATE_DIR").or_else(state).map(whole).ok_or_else(homeless)?,
        config: given("VMRUN_CONFIG").or_else(config).map(whole).ok_or_else(homeless)?,
        cache: given("VMRUN_CACHE_DIR").or_else(beside).or_else(cache).map(whole).ok_or_else(homeless)?,
        target: asked.target(here),
        nodes: given("VMRUN_VMM_DIR").unwrap_or_else(|| NODES.into()),
        zvols: given("VMRUN_ZVOL_DIR").map_or_else(|| ZVOLS.into(), whole),
        cgroups: given("VMRUN_CGROUP_DIR").map_or_else(|| CGROUPS.into(), whole),
        user_net,
    })
}
