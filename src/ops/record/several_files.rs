//! What a script does where several files are the other way at once: what hangs on two of them no recording with one of them shows. A recipe is
//! compared with each pair of those on which something hangs. Those on which nothing hangs alone are turned all at once.

use super::asked_files::{Files, has_same_acts, put, shown};
use super::needed_files::boots;
use super::sessions::{Sessions, differing};
use super::whole_path;
use crate::diag::{Blame, Fault};
use crate::import::recorded::with_whole_paths;
use crate::model::Target;
use crate::recording::{FileState, Recording};

/// How many pairs are recorded.
const PAIRS_MAX: usize = 15;

/// With how many files those are turned on which nothing hangs alone.
const SINGLES_MAX: usize = 6;

/// The files that are turned, and what is called then.
type Turned = (Vec<FileState>, Recording);

impl Sessions<'_> {
    /// Records what is done where two of the files are the other way, or more. `idle` are those that alone change nothing; `usual` is a recording
    /// with whole paths.
    pub(super) fn several(
        &mut self,
        command: &[String],
        (usual, idle): (&Recording, &[FileState]),
        found: &mut Files,
        target: Target,
    ) -> Result<(), Fault> {
        let singles: Vec<Turned> = found.others.iter().filter(|(turned, _)| turned.len() == 1).cloned().collect();
        // Those that a script names near each other hang together.
        let pairs = (1..singles.len()).flat_map(|gap| singles.iter().zip(singles.iter().skip(gap)));
        let pairs: Vec<Vec<FileState>> =
            pairs.map(|((one, _), (other, _))| [one.as_slice(), other].concat()).take(PAIRS_MAX).collect();
        for pair in pairs {
            let is_known =
                |(turned, _): &Turned| pair.len() == turned.len() && pair.iter().all(|file| turned.contains(file));
            if found.others.iter().any(is_known) {
                continue;
            }
            if let Some(recording) = self.with_turned(command, &pair, target)?.filter(boots) {
                found.others.push((pair, recording));
            }
        }
        let alone = (Vec::new(), usual.clone());
        for (turned, recording) in std::iter::once(alone).chain(singles.into_iter().take(SINGLES_MAX)) {
            let gaps = self.with_idle(command, (&turned, &recording), idle, target)?;
            found.gaps.extend(gaps);
        }
        Ok(())
    }

    /// Tells what a script does otherwise where those files are turned as well that alone change nothing.
    fn with_idle(
        &mut self,
        command: &[String],
        (turned, recording): (&[FileState], &Recording),
        idle: &[FileState],
        target: Target,
    ) -> Result<Vec<Fault>, Fault> {
        let all = [turned, idle].concat();
        if idle.is_empty() || all.len() < 2 {
            return Ok(Vec::new());
        }
        let is_other = |other: &Recording| boots(other) && !has_same_acts(other, recording);
        let Some(other) = self.with_turned(command, &all, target)?.filter(is_other) else { return Ok(Vec::new()) };
        // It may be one of them.
        for file in idle.iter().filter(|_| !turned.is_empty() && idle.len() > 1) {
            let two = [turned, std::slice::from_ref(file)].concat();
            if let Some(other) = self.with_turned(command, &two, target)?.filter(is_other) {
                return Ok(differing(&other, recording, &shown(&two)));
            }
        }
        Ok(differing(&other, recording, &shown(&all)))
    }

    /// Records a command with files the other way. Nothing where it cannot be recorded so.
    fn with_turned(
        &mut self,
        command: &[String],
        turned: &[FileState],
        target: Target,
    ) -> Result<Option<Recording>, Fault> {
        let mut setting = self.setting.clone();
        turned.iter().for_each(|file| put(&mut setting, file));
        match self.again(command, &setting) {
            Ok(other) => Ok(other.map(|other| with_whole_paths(&other, target, &whole_path))),
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(_) => Ok(None),
        }
    }
}
