//! Helpers as commands of a shell: in the background, with the number of the process in a file by which it is ended again.

use crate::host::CommandStep;
use crate::host::helper::{HelperEnd, HelperId, HelperStart};
use crate::model::{Argv, argv::quote};

/// Returns the commands that start a helper and wait until it is ready.
pub(super) fn start(start: &HelperStart) -> Vec<CommandStep> {
    let helper = &start.helper;
    let mkdir = |mode: &str, path: &std::path::Path| Argv::new("mkdir").args(["-p", "-m", mode]).arg(path.display());
    let sh = |text: String| Argv::new("sh").arg("-c").arg(text);
    let mut argvs = vec![mkdir("755", &start.folder)];
    argvs.extend(helper.folder.iter().map(|folder| mkdir("700", folder)));
    argvs.extend(helper.socket.iter().map(|socket| Argv::new("rm").arg("-f").arg(socket.display())));
    let pid_file = quote(&start.pid_file().display().to_string());
    argvs.push(sh(format!("{} & echo $! >{pid_file}", start.argv)));
    let until = |what: String| sh(format!("until {what}; do sleep 0.1; done"));
    argvs.extend(helper.socket.iter().map(|socket| until(format!("test -S {}", quote(&socket.display().to_string())))));
    argvs.extend(helper.tcp.iter().map(|address| until(format!("nc -z {} {}", address.ip(), address.port()))));
    argvs.into_iter().map(CommandStep::from).collect()
}

/// Returns the commands that ask a helper to end, and take its socket away, which one that is killed leaves.
pub(super) fn end(end: &HelperEnd) -> Vec<CommandStep> {
    let kill = match &end.id {
        HelperId::PidFile(path) => Some(Argv::new("pkill").arg("-F").arg(path.display())),
        HelperId::Process(process) => Some(Argv::new("kill").arg(process.pid)),
        HelperId::Gone => None,
    };
    let remove = end.socket.as_ref().map(|socket| Argv::new("rm").arg("-f").arg(socket.display()));
    kill.into_iter().chain(remove).map(CommandStep::from).collect()
}
