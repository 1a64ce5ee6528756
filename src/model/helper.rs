//! Programs that serve a machine while it runs and are no part of its hypervisor: swtpm(8), virtiofsd, a dnsmasq of its own.

use super::Argv;
use crate::diag::Fault;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long a helper may take until it is ready, unless somebody says otherwise.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(10);

/// The longest name of a helper; a file is named by it.
const NAME_MAX: usize = 64;

/// A program that is started before a machine's hypervisor and ended after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Helper {
    /// What it is called: the name of its program, or what a recipe says.
    pub name: String,
    /// Its command, which stays in the foreground.
    pub argv: Argv,
    /// The socket of the file system (unix(4)) that it makes: it is ready when that is there.
    pub socket: Option<PathBuf>,
    /// Where it listens then: it is ready when somebody does.
    pub tcp: Option<SocketAddr>,
    /// How long that may take.
    pub within: Duration,
    /// Whether its machine is stopped when it ends by itself; else it is started again.
    pub is_fatal: bool,
    /// Whether each boot has one of its own; else it stays through reboots.
    pub each_boot: bool,
    /// Whether it is vmrun itself, which runs where this one does: in no jail of the machine.
    pub is_ours: bool,
    /// Whether it guards the permit of its machine; it runs where commands of the recipe do, though it is vmrun itself.
    pub is_permit: bool,
    /// A folder in which it keeps something, which has to be there.
    pub folder: Option<PathBuf>,
}

impl Helper {
    /// Makes one that is ready at once, stays through reboots, and is started again when it ends.
    pub(crate) fn new(name: &str, argv: Argv) -> Result<Self, Fault> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        if name.is_empty() || name.len() > NAME_MAX || name.starts_with(['.', '-']) || !name.chars().all(is_plain) {
            let fault = Fault::new(format!("{name:?} is no name of a helper"));
            return Err(fault.hint("letters, digits, `.`, `_`, `+` and `-`, at most 64: write `name: \"swtpm\"`"));
        }
        let (socket, tcp, within) = (None, None, READY_WITHIN);
        Ok(Self {
            name: name.into(),
            argv,
            socket,
            tcp,
            within,
            is_fatal: false,
            each_boot: false,
            is_ours: false,
            is_permit: false,
            folder: None,
        })
    }

    /// Returns its command line as ps(1) shows it.
    pub(crate) fn command_line(&self) -> String {
        self.argv.words().join(" ").trim_end().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_named_as_a_file_is() {
        let named = |name: &str| Helper::new(name, Argv::new("swtpm")).map(|helper| helper.name).ok();
        assert_eq!(named("swtpm").as_deref(), Some("swtpm"));
        for wrong in ["", ".", "..", "a/b", "a b", "-x", "ü", &"x".repeat(65)] {
            assert_eq!(named(wrong), None, "{wrong:?}");
        }
    }
}
