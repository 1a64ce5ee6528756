//! What is said and heard on the first serial port of a guest while it runs.

use super::{Argv, Secret, VmName};
use std::time::Duration;

/// One step of such a talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Talk {
    /// The guest is to say this, within that time.
    Expect(String, Duration),
    /// The guest is told this.
    Send(String),
    /// The guest is told what nobody else may see.
    Whisper(Secret),
}

impl Talk {
    /// Returns the commands that do the same from outside, as they could be pasted into sh(1).
    pub fn command(&self, machine: &VmName) -> String {
        let printf = |text: &str| {
            let text = text.replace('\\', "\\\\").replace('%', "%%").replace('\n', "\\n").replace('\r', "\\r");
            format!("{} | {}", Argv::new("printf").arg(text), Argv::new("vmrun").arg("console").arg(machine))
        };
        match self {
            Self::Expect(text, within) => {
                let argv = Argv::new("vmrun").arg("wait-serial").arg(machine).arg(text).arg("--within");
                argv.arg(format!("{}ms", within.as_millis())).to_string()
            }
            Self::Send(text) => printf(text),
            Self::Whisper(secret) => printf(&format!("{secret}\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talk_can_be_held_from_outside() {
        let web = "web".parse().unwrap();
        let steps = [
            Talk::Expect("web login:".into(), Duration::from_secs(300)),
            Talk::Send("100% \\ root\n".into()),
            Talk::Whisper(Secret::new("hunter22\n")),
        ];
        let said = steps.map(|step| step.command(&web));
        let expected = [
            "vmrun wait-serial web 'web login:' --within 300000ms",
            "printf '100%% \\\\ root\\n' | vmrun console web",
            "printf '***\\n' | vmrun console web",
        ];
        assert_eq!(said, expected);
    }
}
