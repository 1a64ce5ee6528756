//! How the files of a machine come to second ones: by reflinks, or, where somebody says so, by their data, for which there has to be
//! room.

use super::{Listener, SnapshotEvent};
use crate::diag::Fault;
use crate::host::Platform;
use crate::host::reflink::{self, CopyWay, NewFile, against_room, data_of, has_reflinks};
use crate::host::signals::Signals;
use crate::model::{Argv, Size};
use std::path::{Path, PathBuf};

/// A file that gets a second one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) way: CopyWay,
}

/// Finds how files come to others. Without reflinks that is refused, unless their data may be copied and fit; `command` is what was
/// typed.
pub(super) fn copies(files: Vec<(PathBuf, PathBuf)>, may_copy: bool, command: &str) -> Result<Vec<Copy>, Fault> {
    let way = |(from, to): (PathBuf, PathBuf)| {
        let way = if has_reflinks(&from)? { CopyWay::Reflink } else { CopyWay::Data };
        Ok(Copy { from, to, way })
    };
    let all: Vec<Copy> = files.into_iter().map(way).collect::<Result<_, Fault>>()?;
    let plain: Vec<&Copy> = all.iter().filter(|copy| copy.way == CopyWay::Data).collect();
    let needed: u64 = plain.iter().map(|copy| data_of(&copy.from)).sum();
    if let Some(first) = plain.first().filter(|_| !may_copy) {
        let fault = Fault::host(format!("the file system of {} has no reflinks", first.from.display()));
        let takes = Size::bytes(needed).rough();
        return Err(fault.hint(format!("`{command} --copy` copies its data, which takes {takes}")));
    }
    against_room(plain.iter().map(|copy| (copy.from.as_path(), copy.to.as_path())))?;
    Ok(all)
}

impl Copy {
    /// Returns it as a command that one would type. FreeBSD's cp(1) has no options for reflinks and holes.
    pub(super) fn command(&self, to: &Path, platform: Platform) -> Argv {
        let cp = Argv::new("cp");
        let cp = match (self.way, platform) {
            (CopyWay::Reflink, _) => return reflink::command(&self.from, to),
            (CopyWay::Data, Platform::Linux) => cp.args(["--preserve=mode,ownership", "--sparse=always"]),
            (CopyWay::Data, Platform::FreeBsd) => cp.arg("-p"),
        };
        cp.arg(self.from.display()).arg(to.display())
    }

    /// Makes the second file, which has no name yet.
    pub(super) fn make(&self, signals: &Signals, tell: Listener<'_>) -> Result<NewFile, Fault> {
        let whole = data_of(&self.from);
        NewFile::of(&self.from, &self.to, self.way, &mut |done| {
            tell(&SnapshotEvent::Copies(&self.from, done, whole));
            !signals.peek_stop()
        })
    }
}
