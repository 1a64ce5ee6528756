//! Fetching a file into the cache: curl(1) or fetch(1) brings it, and goes on where it was cut off; what it is we see ourselves.
//!
//! A file has its name only when its digest was right. Until then it grows in a folder of its own, which stays after a fault of the
//! network, a kill or a power cut, and from which the next one goes on. What is wrong, too long, or fills the disk is removed.

mod certificate;
mod digest;
pub(super) mod pace;
mod transfer;
mod unreachable;

use super::cache::{self, Claim, Origin};
use super::commands::fetch::{Transfer, program};
use super::files::{self, io_fault};
use super::folder::{Folder, Keeps};
use super::signals::Signals;
use super::{FetchProgress, Platform, Stage, Tell, program as programs, wait};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::model::{Digest, Fetch, Size, Url};
use digest::Hasher;
use nix::poll::PollTimeout;
use std::fs::{File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use transfer::Broken;

/// How long a server may take for less than [`super::commands::fetch::SLOWEST`] a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is gone on from where it was cut off, if something came each time.
const ATTEMPTS: u32 = 5;

/// How many bytes of a disk stay free, whatever a server sends: others have to write too.
const RESERVE: u64 = 64 << 20;

/// How often it is looked whether somebody else has ended who fetches the same.
const LOOK_MS: u8 = 200;

/// What fetches: whose programs, how long a server may say too little, and who may ask to stop.
#[derive(Clone, Copy)]
pub(crate) struct Fetcher<'a> {
    /// Whose programs there are.
    pub platform: Platform,
    /// Who asks to stop.
    pub signals: Option<&'a Signals>,
    /// How long a server may say too little.
    pub patience: Duration,
}

impl<'a> Fetcher<'a> {
    /// Makes one that is as patient as usual.
    pub(crate) const fn new(platform: Platform, signals: Option<&'a Signals>) -> Self {
        Self { platform, signals, patience: PATIENCE }
    }

    /// Has a file in the cache; one that is there is used as it is.
    pub(crate) fn fetch(&self, fetch: &Fetch, tell: Tell<'_>) -> Result<(), Fault> {
        if is_there(fetch)? {
            return Ok(());
        }
        for folder in fetch.folders().iter().take(3) {
            Folder::made(folder, Keeps::Cache)?;
        }
        let claim = self.claim(fetch, tell)?;
        if is_there(fetch)? {
            return claim.remove();
        }
        let came = self.bring(fetch, &claim, tell);
        let came = came.and_then(|()| self.take_in(fetch, &claim));
        if let Err(why) = came {
            return Err(why.fault(&fetch.url, &claim));
        }
        tell(FetchProgress { url: &fetch.url, stage: Stage::Done(cache::length(&fetch.path()).unwrap_or_default()) });
        Ok(())
    }

    /// Returns the text of a small file: nothing is known of it but how long it may be, and that it came from where it is. Whoever
    /// is believed has to prove who he is, if the address asks for that.
    pub(crate) fn text(&self, url: &Url, cache: &Path, most: u64) -> Result<String, Fault> {
        let bytes = self.small(url, cache, most, files::read_bytes)?;
        String::from_utf8(bytes)
            .map_err(|_| Broken::Fault(Fault::host(format!("{url} is no UTF-8 text"))).fault_of_text(url))
    }

    /// Returns the bytes of a small file, which need not be a text.
    pub(crate) fn bytes(&self, url: &Url, cache: &Path, most: u64) -> Result<Vec<u8>, Fault> {
        self.small(url, cache, most, files::read_bytes)
    }

    fn small<T>(
        &self,
        url: &Url,
        cache: &Path,
        most: u64,
        read: impl FnOnce(&Path) -> std::io::Result<T>,
    ) -> Result<T, Fault> {
        let claim = Claim::of_this_process(cache, "text")?;
        let data = claim.folder().join(crate::model::fetch::DATA);
        let transfer = Transfer { url, to: &data, size: None, is_trusted: true };
        let came = self.once(transfer, most, &claim, &mut |_| ());
        let content = came.and_then(|()| read(&data).map_err(|why| Broken::Fault(io_fault("read", &data)(why))));
        let content = content.map_err(|why| why.fault_of_text(url));
        claim.remove().and(content)
    }

    /// Takes the folder of what is on its way, when nobody else has it any more.
    fn claim(&self, fetch: &Fetch, tell: Tell<'_>) -> Result<Claim, Fault> {
        let mut is_told = false;
        loop {
            if let Some(claim) = Claim::of(&fetch.partial())? {
                return Ok(claim);
            }
            if !std::mem::replace(&mut is_told, true) {
                tell(FetchProgress { url: &fetch.url, stage: Stage::Waits });
            }
            self.against_stop()?;
            wait::pause(PollTimeout::from(LOOK_MS));
        }
    }

    fn against_stop(&self) -> Result<(), Fault> {
        match self.signals {
            Some(signals) if signals.peek_stop() => Err(Fault::new("interrupted").blame(Blame::Interrupted)),
            _ => Ok(()),
        }
    }

    /// Brings the bytes, and goes on where they are cut off as long as something comes.
    fn bring(&self, fetch: &Fetch, claim: &Claim, tell: Tell<'_>) -> Result<(), Broken> {
        let size = fetch.size.map(Size::get);
        let most = self.most(fetch, claim)?;
        let data = fetch.data();
        let mut is_anew = claim.length() == 0;
        for attempt in 1.. {
            let before = claim.length();
            if size.is_some_and(|size| before >= size) {
                return Ok(());
            }
            if before > 0 {
                tell(FetchProgress { url: &fetch.url, stage: Stage::GoesOn(before) });
            }
            let transfer = Transfer { url: &fetch.url, to: &data, size, is_trusted: false };
            let done = self.once(transfer, most, claim, tell);
            match done {
                Err(Broken::CutOff(_)) if claim.length() > before && attempt < ATTEMPTS => {}
                Ok(()) if size.is_some_and(|size| claim.length() < size) => {
                    let short = || Broken::Short(claim.length(), size.unwrap_or_default());
                    if claim.length() == before || attempt >= ATTEMPTS {
                        return Err(short());
                    }
                }
                // It may be whole, or the server may not be able to go on.
                Err(Broken::CannotGoOn(said)) => {
                    if cache::length(&data).is_some()
                        && hashed(&data, &fetch.digest, self)?.as_ref() == Some(&fetch.digest)
                    {
                        return Ok(());
                    }
                    claim.clear().map_err(Broken::Fault)?;
                    if std::mem::replace(&mut is_anew, true) {
                        return Err(Broken::CutOff(said));
                    }
                }
                // Whatever else it is: it is how the download has ended.
                done => return done,
            }
        }
        Ok(())
    }

    /// How many bytes there may be: as many as it has, and no more than there is room for.
    fn most(&self, fetch: &Fetch, claim: &Claim) -> Result<u64, Broken> {
        let here = claim.length();
        let free = room(&fetch.partial()).saturating_sub(RESERVE).saturating_add(here);
        match fetch.size.map(Size::get) {
            Some(size) if size > free => Err(Broken::NoRoom { wanted: Some(size), free: room(&fetch.partial()) }),
            Some(size) => Ok(size),
            None => Ok(free),
        }
    }

    /// Runs the program once.
    fn once(&self, transfer: Transfer<'_>, most: u64, claim: &Claim, tell: Tell<'_>) -> Result<(), Broken> {
        let (name, package) = program(self.platform);
        if programs::find(name).is_none() {
            return Err(Broken::Fault(missing(name, package)));
        }
        transfer::run(self, transfer, most, claim, tell)
    }

    /// Compares what came, and gives it its name.
    fn take_in(&self, fetch: &Fetch, claim: &Claim) -> Result<(), Broken> {
        let data = fetch.data();
        let length = cache::length(&data).unwrap_or_default();
        let Some(is) = hashed(&data, &fetch.digest, self)? else {
            return Err(Broken::Fault(Fault::new("interrupted").blame(Blame::Interrupted)));
        };
        if is != fetch.digest {
            return Err(Broken::Other { is, wanted: fetch.digest.clone(), length });
        }
        let kept = File::open(&data).and_then(|file| {
            // What others use is not written to any more.
            file.set_permissions(Permissions::from_mode(0o400))?;
            file.sync_all()?;
            std::fs::rename(&data, fetch.path())
        });
        kept.map_err(|why| Broken::Fault(io_fault("keep", &data)(why)))?;
        let origin = Origin { url: fetch.url.clone(), fetched: cache::now() };
        claim.note_origin(&origin, &fetch.path()).may_fail("where it came from is only told");
        claim.remove().may_fail("an empty folder of ours is in nobody's way");
        Ok(())
    }
}

/// Returns the fault of a program that is not there.
pub(crate) fn missing(name: &str, package: &str) -> Fault {
    Fault::host(format!("`{name}` is not installed, which fetches files")).hint(package.to_string())
}

/// Whether the file is in the cache; then it is used now.
fn is_there(fetch: &Fetch) -> Result<bool, Fault> {
    let path = fetch.path();
    let Some(length) = cache::length(&path) else { return Ok(false) };
    if let Some(fault) = against_size(fetch, Size::bytes(length)) {
        return Err(fault);
    }
    // The cache may be on a file system that is only read.
    cache::note_use(&path).may_fail("that it was used is only noted");
    Ok(true)
}

/// Returns the fault of a size that the file with this digest does not have.
pub(crate) fn against_size(fetch: &Fetch, is: Size) -> Option<Fault> {
    let wanted = fetch.size.filter(|wanted| *wanted != is)?;
    let what =
        format!("the file with this {} has {} bytes, not {}", fetch.digest.kind().name(), is.get(), wanted.get());
    Some(Fault::new(what).hint("correct `size`, or leave it out"))
}

/// Returns the digest of a file, of the kind of another one; nothing if somebody asks to stop meanwhile.
fn hashed(path: &Path, like: &Digest, fetcher: &Fetcher<'_>) -> Result<Option<Digest>, Broken> {
    let cannot = |why| Broken::Fault(io_fault("read", path)(why));
    let mut file = files::without_links().read(true).open(path).map_err(cannot)?;
    let mut hasher = Hasher::new(like.kind());
    let mut block = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut block).map_err(cannot)?;
        if read == 0 {
            return hasher.finish().map(Some).map_err(Broken::Fault);
        }
        hasher.add(block.get(..read).unwrap_or_default());
        if fetcher.against_stop().is_err() {
            return Ok(None);
        }
    }
}

/// Returns how many bytes are free for us where a folder is; all, where that is not said.
pub(crate) fn room(folder: &Path) -> u64 {
    let free = nix::sys::statvfs::statvfs(folder);
    free.map_or(u64::MAX, |free| free.blocks_available().saturating_mul(free.fragment_size()))
}
