//! The dialog with a guest while it runs, in steps of expect and send: on its first serial port, its keyboard and its screen.

use super::{Argv, Secret, VmName};
use std::time::Duration;

/// One step of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogStep {
    /// The guest is to say this on its serial port, within that time.
    Expect(String, Duration),
    /// The guest is told this there.
    Send(String),
    /// The guest is told there what nobody else may see.
    Whisper(Secret),
    /// The guest is to show this in a line of its screen, within that time.
    Shows(String, Duration),
    /// This is typed at its keyboard.
    Type(String),
    /// What nobody else may see is typed there, and the return key.
    TypeSecret(Secret),
}

impl DialogStep {
    /// Whether it needs the guest's screen and keyboard, instead of its serial port.
    pub const fn is_on_screen(&self) -> bool {
        matches!(self, Self::Shows(..) | Self::Type(_) | Self::TypeSecret(_))
    }

    /// Returns the commands that do the same from outside, as they could be pasted into sh(1).
    pub fn command(&self, machine: &VmName) -> String {
        let printf = |text: &str| {
            let text = text.replace('\\', "\\\\").replace('%', "%%").replace('\n', "\\n").replace('\r', "\\r");
            format!("{} | {}", Argv::new("printf").arg(text), Argv::new("vmrun").arg("console").arg(machine))
        };
        let wait = |how: &str, text: &str, within: &Duration| {
            let argv = Argv::new("vmrun").arg(how).arg(machine).arg(text).arg("--within");
            argv.arg(format!("{}ms", within.as_millis())).to_string()
        };
        match self {
            Self::Expect(text, within) => wait("wait-serial", text, within),
            Self::Shows(text, within) => wait("wait-screen", text, within),
            Self::Type(text) => {
                let text = text.replace(['\n', '\r'], "\\n").replace('\t', "\\t");
                Argv::new("vmrun").arg("type").arg(machine).arg(text).to_string()
            }
            Self::TypeSecret(secret) => {
                let secret = Argv::new("printf").arg(format!("{secret}\\n"));
                format!("{secret} | {}", Argv::new("vmrun").arg("type").arg(machine).arg("-"))
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
            DialogStep::Expect("web login:".into(), Duration::from_secs(300)),
            DialogStep::Send("100% \\ root\n".into()),
            DialogStep::Whisper(Secret::new("hunter22\n")),
            DialogStep::Shows("Press F2".into(), Duration::from_millis(1500)),
            DialogStep::Type("<F2>it's\n".into()),
            DialogStep::TypeSecret(Secret::new("hunter22\n")),
        ];
        let said = steps.map(|step| step.command(&web));
        let expected = [
            "vmrun wait-serial web 'web login:' --within 300000ms",
            "printf '100%% \\\\ root\\n' | vmrun console web",
            "printf '***\\n' | vmrun console web",
            "vmrun wait-screen web 'Press F2' --within 1500ms",
            "vmrun type web '<F2>it'\\''s\\n'",
            "printf '***\\n' | vmrun type web -",
        ];
        assert_eq!(said, expected);
    }
}
