//! What a boot of a machine needs: folders, files and the hypervisor's command line. It is the only way from a machine to these:
//! `vmrun plan` prints it, a host carries it out, a simulated host records it.

use super::files::{copy_private, write_private};
use super::{CommandStep, Facts, Platform, Settings, cgroup, serial_log, swtpm};
use crate::bhyve;
use crate::diag::Fault;
use crate::model::device::agent_socket;
use crate::model::{Argv, Helper, Machine, Secret};
use crate::qemu::{self, Cgroup};
use std::path::{Path, PathBuf};

/// How bhyve is given its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MachineForm {
    /// As arguments (bhyve(8)).
    #[default]
    Argv,
    /// As a bhyve_config(5) file.
    Config,
}

/// What a plan depends on beside the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanSetting<'a> {
    /// The host's settings.
    pub host: &'a Settings,
    /// Whether the processor helps QEMU.
    pub kvm: bool,
    /// The log of a machine in the background.
    pub log: Option<&'a Path>,
    /// How bhyve is given its machine.
    pub form: MachineForm,
    /// The control group that the machine has.
    pub cgroup: Option<&'a Cgroup>,
}

impl<'a> PlanSetting<'a> {
    /// Makes one of a host whose processor does not help, for a machine in the foreground.
    pub(crate) const fn of(host: &'a Settings) -> Self {
        Self { host, kvm: false, log: None, form: MachineForm::Argv, cgroup: None }
    }
}

/// What a boot needs, in the order in which it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootPlan {
    /// Files that an earlier boot may have left, which have to be gone: logs and sockets of the hypervisor.
    pub stale: Vec<PathBuf>,
    /// Folders that have to be there.
    pub folders: Vec<Folder>,
    /// Files that only their owner may read.
    pub files: Vec<PrivateFile>,
    /// The control group in which it runs, and what serves it.
    pub cgroup: Option<Cgroup>,
    /// What serves the machine, and is started before.
    pub helpers: Vec<Helper>,
    /// What puts the guest into memory before the hypervisor runs.
    pub load: Option<Load>,
    /// The hypervisor's command line, within the machine's limits.
    pub argv: Argv,
}

/// A loader that runs before the hypervisor, in a node of its own making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// The command, with what it reads.
    pub step: CommandStep,
    /// Whether somebody may type into it where vmrun runs.
    pub uses_stdio: bool,
}

/// A folder that has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Where it is to be, from the root on.
    pub path: PathBuf,
    /// Who may do what in it; else what the umask leaves.
    pub mode: Option<u32>,
}

/// A file that only its owner may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrivateFile {
    /// Where it is to be, from the root on.
    pub path: PathBuf,
    /// A text with secrets, or a copy of another file.
    pub content: Content,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A text in which there are secrets, and the same without them, for people.
    Text(Secret, String),
    /// A copy of another file. The machine writes into it, so that one which is there stays as it is.
    Copy(PathBuf),
}

impl PrivateFile {
    /// Makes it.
    pub(super) fn make(&self) -> Result<(), Fault> {
        match &self.content {
            Content::Text(text, _) => write_private(&self.path, text.reveal().as_bytes()),
            Content::Copy(from) => copy_private(from, &self.path)
                .map_err(|fault| fault.hint(format!("is {} there? (apt install ovmf)", from.display()))),
        }
    }
}

impl BootPlan {
    /// Plans the boot of a machine on a host, in the control group that it has there.
    pub(crate) fn on<H: Facts + ?Sized>(host: &H, machine: &Machine, setting: &PlanSetting<'_>) -> Result<Self, Fault> {
        let cgroup = cgroup::of(host, machine);
        Self::of(machine, &PlanSetting { cgroup: cgroup.as_ref(), ..*setting })
    }

    /// Plans the boot of a machine that its hypervisor has nothing against. QEMU reads no bhyve_config(5) file.
    pub(crate) fn of(machine: &Machine, setting: &PlanSetting<'_>) -> Result<Self, Fault> {
        match (setting.host.platform, setting.form) {
            (Platform::FreeBsd, MachineForm::Argv) => {
                Ok(loaded(by_arguments(machine, setting.host), machine, setting.host))
            }
            (Platform::FreeBsd, MachineForm::Config) => {
                Ok(loaded(by_configuration(machine, setting.host)?, machine, setting.host))
            }
            (Platform::Linux, MachineForm::Argv) => Ok(under_qemu(machine, setting)),
            (Platform::Linux, MachineForm::Config) => {
                let fault = Fault::usage("QEMU reads no bhyve_config(5) file");
                Err(fault.hint("plan for FreeBSD: --on freebsd --form config"))
            }
        }
    }

    /// Returns the commands that make the folders and files; secrets are not shown.
    pub(crate) fn preparations(&self) -> Vec<CommandStep> {
        let folders = self.folders.iter().map(|folder| {
            let argv = Argv::new("mkdir").arg("-p");
            let argv = folder.mode.iter().fold(argv, |argv, mode| argv.arg("-m").arg(format!("{mode:o}")));
            argv.arg(folder.path.display()).into()
        });
        let install = || Argv::new("install").args(["-m", "600"]);
        let files = self.files.iter().map(|file| match &file.content {
            Content::Copy(from) => install().arg(from.display()).arg(file.path.display()).into(),
            Content::Text(_, shown) => {
                CommandStep { argv: install().arg("/dev/stdin").arg(file.path.display()), stdin: Some(shown.clone()) }
            }
        });
        // The others are QEMU's, which makes them anew itself.
        let stale = self.stale.iter().filter(|path| path.ends_with("agent.sock"));
        let stale = stale.map(|path| Argv::new("rm").arg("-f").arg(path.display()).into());
        folders.chain(stale).chain(files).collect()
    }

    /// Returns the command of a helper, within the machine's limits: in its control group, or with rules of its own (rctl(8)).
    pub(crate) fn helped(&self, platform: Platform, machine: &Machine, argv: Argv) -> Argv {
        match platform {
            Platform::FreeBsd => bhyve::limited(argv, &machine.limits()),
            Platform::Linux => qemu::limited(argv, &machine.limits(), self.cgroup.as_ref()),
        }
    }

    /// Returns all commands of the boot, the hypervisor's last.
    pub(crate) fn steps(&self) -> Vec<CommandStep> {
        let mut steps = self.preparations();
        steps.extend(self.load.iter().map(|load| load.step.clone()));
        steps.push(self.argv.clone().into());
        steps
    }
}

/// bhyve with its machine as arguments; secrets are in a file that `-k` names (bhyve_config(5)).
fn by_arguments(machine: &Machine, host: &Settings) -> BootPlan {
    let path = host.secrets_file(machine.name());
    let argv = bhyve::limited(bhyve::jailed(bhyve::argv(machine, &path), machine.jail()), &machine.limits());
    let (mut folders, stale) = of_agent(machine, host);
    let Some(secrets) = bhyve::secrets(machine) else {
        let (files, helpers) = (Vec::new(), helpers(machine, host));
        return BootPlan { stale, folders, files, cgroup: None, helpers, load: None, argv };
    };
    let shown = hidden(&secrets);
    folders.insert(0, Folder { path: host.state.clone(), mode: None });
    let files = vec![PrivateFile { path, content: Content::Text(Secret::new(secrets), shown) }];
    BootPlan { stale, folders, files, cgroup: None, helpers: helpers(machine, host), load: None, argv }
}

/// The folder of the socket of the agent's port, and the socket, which bhyve makes and leaves when it ends.
fn of_agent(machine: &Machine, host: &Settings) -> (Vec<Folder>, Vec<PathBuf>) {
    let folder = host.machine_folder(machine.name());
    let socket = agent_socket(&folder);
    let has = machine.devices().any(|(_, device)| device.agent().is_some_and(|path| path.as_path() == socket));
    if has { (vec![Folder { path: folder, mode: Some(0o755) }], vec![socket]) } else { (Vec::new(), Vec::new()) }
}

/// Adds the machine's loader, if it has one, and the file with GRUB's names of the host's files.
fn loaded(mut plan: BootPlan, machine: &Machine, host: &Settings) -> BootPlan {
    let path = host.map_file(machine.name());
    let Some(loading) = bhyve::loader::loading(machine, &path) else { return plan };
    if let Some(map) = loading.map {
        let state = Folder { path: host.state.clone(), mode: None };
        if plan.folders.is_empty() {
            plan.folders.push(state);
        }
        plan.files.push(PrivateFile { path, content: Content::Text(Secret::new(map.clone()), map) });
    }
    let step = CommandStep { argv: loading.argv, stdin: loading.input };
    plan.load = Some(Load { step, uses_stdio: loading.uses_stdio });
    plan
}

/// bhyve with its machine as a file, in which its secrets are as well.
fn by_configuration(machine: &Machine, host: &Settings) -> Result<BootPlan, Fault> {
    let folder = host.machine_folder(machine.name());
    let path = folder.join("config");
    let argv = bhyve::limited(bhyve::jailed(bhyve::file::argv(machine, &path), machine.jail()), &machine.limits());
    let (text, secrets) = (bhyve::file::text(machine)?, bhyve::secrets(machine).unwrap_or_default());
    let hidden = if secrets.is_empty() { String::new() } else { hidden(&secrets) + "\n" };
    let content = Content::Text(Secret::new(format!("{text}{secrets}")), format!("{text}{hidden}"));
    let folders = vec![Folder { path: folder, mode: Some(0o755) }];
    Ok(BootPlan {
        stale: of_agent(machine, host).1,
        folders,
        files: vec![PrivateFile { path, content }],
        cgroup: None,
        helpers: helpers(machine, host),
        load: None,
        argv,
    })
}

/// QEMU, whose sockets, variables and secrets are in the machine's folder.
fn under_qemu(machine: &Machine, setting: &PlanSetting<'_>) -> BootPlan {
    let folder = &setting.host.machine_folder(machine.name());
    let given = qemu::QemuSetting { folder, kvm: setting.kvm, user_net: setting.host.user_net, log: setting.log };
    let argv = qemu::limited(qemu::pinned(qemu::argv(machine, &given), machine), &machine.limits(), setting.cgroup);
    let needs_vars = machine.bootrom().is_some_and(|bootrom| bootrom.vars.is_none());
    let vars = needs_vars
        .then(|| PrivateFile { path: qemu::vars_file(folder), content: Content::Copy(qemu::OVMF_VARS.into()) });
    let secret = qemu::secret(machine).map(|secret| PrivateFile {
        path: qemu::secret_file(folder),
        content: Content::Text(secret.clone(), "***".into()),
    });
    let sockets = qemu::monitors(folder).map(|(_, socket)| socket);
    BootPlan {
        stale: std::iter::once(qemu::reset_log(folder)).chain(sockets).collect(),
        folders: vec![Folder { path: folder.clone(), mode: Some(0o755) }],
        files: vars.into_iter().chain(secret).collect(),
        cgroup: setting.cgroup.cloned(),
        helpers: helpers(machine, setting.host),
        load: None,
        argv,
    }
}

/// What serves a machine by its own description.
fn helpers(machine: &Machine, host: &Settings) -> Vec<Helper> {
    swtpm::helper(machine, host).into_iter().chain(serial_log::helper(machine, host)).collect()
}

/// The keys of a file of secrets, without the values.
fn hidden(secrets: &str) -> String {
    let line = |line: &str| format!("{}=***", line.split('=').next().unwrap_or_default());
    secrets.lines().map(line).collect::<Vec<_>>().join("\n")
}
