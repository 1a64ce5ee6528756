//! A replica of a machine is sent: its disks as they are at one moment, of which the other host has an earlier replica's blocks already.

use super::Giver;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Diagnostic, Fault};
use crate::host::reflink::has_reflinks;
use crate::host::replication;
use crate::image::archive::Home;
use crate::image::migration::{BlockDigests, Request};
use crate::model::Size;
use crate::ops::migrate::MigrateEvent;
use crate::ops::migrate::moment::Moment;
use crate::ops::migrate::offered::Offered;
use crate::ops::{settings, stopped};

impl Giver<'_> {
    /// Sends a replica, after which the other host keeps so many. Returns how much was sent. Of one that fails nothing is left.
    pub(in crate::ops::migrate) fn replicate(mut self, keep: u64) -> Result<Size, Vec<Diagnostic>> {
        self.heed_signals()?;
        self.is_replica = true;
        let offered = self.offered()?;
        if self.record.runs {
            self.against_moment(&offered)?;
        }
        self.greet()?;
        let (name, peer, id) = (self.record.machine.clone(), self.record.peer.clone(), self.record.id.clone());
        if self.other.remembers_takeovers() {
            // Whoever may have a replica is known before he has one.
            let of = (self.record.with.recipe.clone(), self.record.with.params.clone());
            replication::change(&self.settings, &name, |all| {
                all.begun(&peer, &id);
                all.of = Some(of);
            })?;
        } else {
            let what = format!(
                "{peer} has an earlier vmrun, which will not tell whether it has taken {name} over: nobody is asked before {name} is started here"
            );
            (self.listener)(&MigrateEvent::Note(&what));
        }
        let sent = self.offer_all(&offered).and_then(|()| self.send_moment(offered));
        let sent = sent.and_then(|sent| self.other.ask(&Request::Keep(keep)).map(|()| sent));
        if sent.is_ok() {
            let count = usize::try_from(keep).unwrap_or(usize::MAX);
            replication::change(&self.settings, &name, |all| all.kept(&peer, &id, count))
                .may_fail("it is asked for more than it has");
        } else if self.other.is_called() && self.other.ask(&Request::Abort).is_ok() {
            replication::change(&self.settings, &name, |all| all.gone(&[id]))
                .may_fail("it is asked for more than it has");
        }
        sent
    }

    /// Refuses disks that cannot be had as they are at one moment.
    fn against_moment(&self, offered: &Offered) -> Result<(), Fault> {
        for (part, path) in offered.manifest.disks.iter().zip(&offered.paths) {
            if matches!(part.home, Home::File(_)) && !has_reflinks(path)? {
                let (name, path) = (&self.record.machine, path.display());
                let fault = Fault::host(format!("the file system of {path} has no reflinks, and {name} writes to it"));
                return Err(fault.hint("stop it for a replica, or have its disks on ZFS as volumes"));
            }
        }
        Ok(())
    }

    fn send_moment(&mut self, mut offered: Offered) -> Result<Size, Vec<Diagnostic>> {
        let (name, peer) = (self.record.machine.clone(), self.record.peer.clone());
        let used = Size::bytes(offered.manifest.used());
        (self.listener)(&MigrateEvent::Replicates(&name, &peer, offered.disks.len(), used));
        if !self.record.runs {
            let (mut host, mut wrong) = (settings::host(false)?, Vec::new());
            let paths = offered.paths.clone();
            let sent = stopped::hold_moving(&mut host, &name, &paths, |_| {
                self.send_sealed(&offered).map_err(|mut faults| {
                    let last = faults.pop().map_or_else(|| Fault::host("it could not be sent"), |one| one.fault);
                    wrong = faults;
                    last
                })
            });
            return sent.map_err(|fault| wrong.into_iter().chain([Diagnostic::error(fault)]).collect());
        }
        let (settings, id, parts) = (self.settings.clone(), self.record.id.clone(), offered.manifest.disks.clone());
        let moment = Moment::of(&settings, &name, &id, &parts, self.listener)?;
        let sent = moment.open(&parts, &offered.paths).map_err(Into::into).and_then(|disks| {
            offered.disks = disks;
            self.send_sealed(&offered)
        });
        // A clone that is open does not go.
        drop(offered);
        let removed = moment.remove(&parts);
        let sent = sent?;
        removed.map(|()| sent)
    }

    /// Sends what differs, and has the other host compare all of it.
    fn send_sealed(&mut self, offered: &Offered) -> Result<Size, Vec<Diagnostic>> {
        let mut known = self.known(offered)?;
        let sent = self.send_changes(offered, &mut known)?;
        self.other.ask(&Request::Seal(known.iter().map(BlockDigests::sum).collect()))?;
        Ok(Size::bytes(sent))
    }
}
