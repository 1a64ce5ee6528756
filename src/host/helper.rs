//! A machine's helper on a host, as values: how it is started, and by what it is known again.

use super::ProcessFact;
use crate::model::{Argv, Helper};
use std::path::PathBuf;

/// A helper that is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HelperStart {
    /// What it is.
    pub helper: Helper,
    /// Its command, in the jail of its machine.
    pub argv: Argv,
    /// The folder of its machine's state.
    pub folder: PathBuf,
}

impl HelperStart {
    /// Returns the socket that has to be taken away when it was killed: what is in the folder of its machine goes with that.
    pub(crate) fn own_socket(&self) -> Option<PathBuf> {
        self.helper.socket.clone().filter(|socket| !socket.starts_with(&self.folder))
    }

    /// Returns the file that has the number of its process.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.join(format!("{}.pid", self.helper.name))
    }
}

/// A helper's process, as it is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HelperProcess {
    /// Its number.
    pub pid: u32,
    /// When it was started, as the system tells it; empty where nobody says.
    pub started: String,
    /// Its command line, without what the system puts before it: the folder of the program, and what interprets it.
    pub command: String,
}

impl HelperProcess {
    /// Returns whether a process has this command line. One that calls itself something else is not known again.
    pub(crate) fn has_command_of(&self, fact: &ProcessFact) -> bool {
        let before = fact.command.strip_suffix(self.command.as_str()).filter(|_| !self.command.is_empty());
        before.is_some_and(|before| before.is_empty() || before.ends_with([' ', '/']))
    }
}

/// By what a helper's process is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HelperId {
    /// The file that has its number: it is only planned.
    PidFile(PathBuf),
    /// It is there.
    Process(HelperProcess),
    /// It is gone; what it made may be there.
    Gone,
}

/// A helper that is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HelperEnd {
    /// What it is called.
    pub name: String,
    /// Its process.
    pub id: HelperId,
    /// The socket that it made outside of its machine's folder: one that is killed leaves it.
    pub socket: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again_by_its_whole_command_line() {
        let helper = HelperProcess { pid: 7, started: String::new(), command: "swtpm socket --tpm2".into() };
        let has =
            |command: &str| helper.has_command_of(&ProcessFact { started: String::new(), command: command.into() });
        assert!(has("swtpm socket --tpm2") && has("/usr/local/bin/swtpm socket --tpm2"));
        assert!(has("/bin/sh /root/swtpm socket --tpm2"));
        assert!(!has("myswtpm socket --tpm2") && !has("swtpm socket --tpm2 --daemon") && !has("vi"));
        let nothing = HelperProcess { command: String::new(), ..helper.clone() };
        assert!(!nothing.has_command_of(&ProcessFact { started: String::new(), command: "vi".into() }));
    }
}
