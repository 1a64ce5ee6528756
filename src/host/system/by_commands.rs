//! Effects that are commands of the system.

use super::System;
use crate::bhyve;
use crate::diag::Fault;
use crate::host::program::{Program, run};
use crate::host::terminal::while_it_takes;
use crate::host::{Effect, Platform, ProcessTable as _, commands, interfaces, iscsi};
use crate::model::IscsiSession;
use std::time::{Duration, Instant};

/// How long a session with an iSCSI target may take to end.
const LOGOUT: Duration = Duration::from_secs(10);

impl System {
    /// Runs the commands of an effect, and returns what they print; what the first ones took is given back where a later one is refused.
    pub(super) fn by_commands(&mut self, effect: &Effect) -> Result<String, Fault> {
        if self.is_anothers(effect)? {
            return Err(Fault::host("the default route is another's by now"));
        }
        let mut text = String::new();
        let (chains, lock) = self.chains(effect);
        for (at, chain) in chains.iter().enumerate() {
            match while_it_takes(&chain.to_string(), || Program::run(chain, lock.as_ref())) {
                Ok(output) => text.push_str(&output),
                Err(fault) if at > 0 => {
                    let (platform, is_marked) = (self.settings.platform, self.maker.is_some());
                    return Err(commands::take_back(self, platform, is_marked, effect, fault));
                }
                Err(fault) if is_done_already(effect, &fault) => {}
                Err(fault) => return Err(commands::explained(self.settings.platform, effect, fault)),
            }
        }
        Ok(text)
    }

    /// Ends a session with an iSCSI target, and waits until it is gone: iscsictl(8) does not, and until then it is listed as before (iscsi.c of
    /// the kernel), and whoever logs in anew is refused.
    pub(super) fn log_out(&mut self, effect: &Effect, session: &IscsiSession) -> Result<String, Fault> {
        let text = self.by_commands(effect)?;
        let begin = Instant::now();
        while iscsi::is_there(self, session)? {
            if begin.elapsed() > LOGOUT {
                let fault = Fault::host(format!("{session} does not end"));
                return Err(fault.hint("does somebody else have its disk open, as a file system that is mounted?"));
            }
            self.pause();
        }
        Ok(text)
    }

    /// Whether a default route goes to another router by now, or nowhere: route(8) would take away whatever is there, and says
    /// that it was the one that was named (seen on 12.1).
    fn is_anothers(&self, effect: &Effect) -> Result<bool, Fault> {
        match effect {
            Effect::DeleteRoute(router) if self.settings.platform == Platform::FreeBsd => {
                let there = interfaces::default_router(self.settings.platform, &run, router)?;
                Ok(there.as_ref() != Some(router))
            }
            // The others name what they take away, which is refused where it is another.
            _ => Ok(false),
        }
    }
}

/// A node that is not there needs no taking away.
pub(super) fn is_done_already(effect: &Effect, fault: &Fault) -> bool {
    matches!(effect, Effect::DestroyNode(_)) && bhyve::is_not_created(&fault.message)
}
