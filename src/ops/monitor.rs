//! Whether a machine runs, as an answer by which programs act.

use super::settings;
use crate::diag::{Blame, Fault};
use crate::model::VmName;
use crate::supervise::recovery::monitor::{self, Monitored};
use crate::supervise::recovery::not_running;
use serde_json::{Value, json};

/// How a machine is, or why that cannot be told.
pub(crate) struct Answer {
    name: VmName,
    seen: Result<Monitored, Fault>,
}

/// Looks at a machine, and starts no process for one that runs, is down or has failed.
pub(crate) fn monitor(name: &VmName) -> Answer {
    // Whatever hinders from looking, of that only is to be told that it does.
    let host = settings::host(false).map_err(|fault| fault.blame(Blame::Unsure));
    Answer { name: name.clone(), seen: host.and_then(|host| monitor::monitor(&host, name)) }
}

impl Answer {
    /// Returns its state in one word.
    pub(crate) fn state(&self) -> &'static str {
        let Ok(seen) = &self.seen else { return "unknown" };
        match seen {
            Monitored::Supervised(status) | Monitored::Failed(status) => status.state.word(),
            Monitored::Starting(_) => "starting",
            Monitored::Foreground(_) => "foreground",
            Monitored::Unsupervised(_) => "unsupervised",
            Monitored::Down(false) => "down",
            Monitored::Down(true) => "left",
        }
    }

    /// Returns why it is not so that a run looks after it; nothing if it is.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let name = &self.name;
        match &self.seen {
            Ok(Monitored::Supervised(_) | Monitored::Starting(_) | Monitored::Foreground(_)) => None,
            Ok(Monitored::Unsupervised(guest)) => {
                let fault =
                    Fault::new(format!("the guest of {name}, process {guest}, runs, and its supervisor is gone"));
                let hint = format!("`vmrun adopt {name}` takes it over, `vmrun stop {name}` stops it");
                Some(fault.blame(Blame::Unsupervised).hint(hint))
            }
            Ok(Monitored::Failed(status)) => {
                let why = status.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                let fault = Fault::new(format!("the machine {name} has failed, and is not started again{why}"));
                let log = format!("its log: {}; `vmrun start {name}` starts it", status.log);
                Some(fault.blame(Blame::Failed).hint(log))
            }
            Ok(Monitored::Down(false)) => Some(not_running(name)),
            Ok(Monitored::Down(true)) => Some(
                not_running(name)
                    .hint(format!("`vmrun start {name}` starts it; `vmrun gc` gives back what its last run has left")),
            ),
            Err(fault) => Some(fault.clone()),
        }
    }

    /// Returns it as a JSON object.
    pub(crate) fn document(&self) -> Value {
        let status = match &self.seen {
            Ok(Monitored::Supervised(status) | Monitored::Failed(status)) => Some(status),
            Ok(Monitored::Starting(_) | Monitored::Foreground(_) | Monitored::Unsupervised(_) | Monitored::Down(_))
            | Err(_) => None,
        };
        let supervisor = match &self.seen {
            Ok(Monitored::Supervised(status)) => status.supervisor,
            Ok(Monitored::Starting(pid)) => Some(*pid),
            Ok(Monitored::Foreground(owner)) => Some(owner.pid),
            Ok(Monitored::Failed(_) | Monitored::Unsupervised(_) | Monitored::Down(_)) | Err(_) => None,
        };
        let pid = match &self.seen {
            Ok(Monitored::Supervised(status)) => status.guest,
            Ok(Monitored::Unsupervised(guest)) => Some(*guest),
            Ok(Monitored::Failed(_) | Monitored::Starting(_) | Monitored::Foreground(_) | Monitored::Down(_))
            | Err(_) => None,
        };
        let fault = self.fault();
        json!({
            "name": self.name.as_str(),
            "state": self.state(),
            "code": fault.as_ref().map_or(0, |fault| fault.blame.code()),
            "supervisor": supervisor,
            "pid": pid,
            "since": status.map(|status| status.since),
            "until": status.and_then(|status| status.until),
            "boots": status.map(|status| status.boots),
            "restarts": status.map(|status| status.restarts),
            "recipe": status.map(|status| &status.recipe),
            "error": fault.map(|fault| fault.message),
        })
    }
}
