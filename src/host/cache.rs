//! The cache of what was fetched: a file by its digest, and beside them what is on its way.
//!
//! `sha256/DIGEST` and `sha512/DIGEST` are whole and were compared; nothing else ever has such a name. `partial/sha512-DIGEST/` is the
//! folder of one that is on its way: who fetches it holds the folder's lock, as does the program that it runs for that, and goes on
//! where the one before ended. Only its owner may look into the cache, as into [`super::folder`].

mod origin;

use super::files::{self, io_fault};
use super::folder::{Folder, Keeps};
use crate::diag::Fault;
use crate::model::fetch::PARTIAL;
use crate::model::{Digest, DigestKind};
pub(crate) use origin::Origin;
use std::fs::{File, FileTimes, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Something in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cached {
    /// What it is, or is to become.
    pub digest: Digest,
    /// The file, or the folder of what is on its way.
    pub path: PathBuf,
    /// Whether it is only on its way.
    pub is_partial: bool,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was used last, in seconds since 1970.
    pub used: u64,
    /// Where it came from, if that is known.
    pub origin: Option<Origin>,
}

/// Returns what is in a cache, whole files first; nothing of one that is not there, and nothing that is not the cache's own.
pub(crate) fn list(cache: &Path) -> Result<Vec<Cached>, Fault> {
    if !files::exists(cache) {
        return Ok(Vec::new());
    }
    Folder::open(cache, Keeps::Cache)?;
    let (mut all, partial) = (whole(cache), partial(cache));
    all.extend(partial);
    Ok(all)
}

/// Returns the files that are there whole.
fn whole(cache: &Path) -> Vec<Cached> {
    let mut all = Vec::new();
    for kind in DigestKind::ALL {
        let folder = cache.join(kind.name());
        let own = |name: &String| {
            let digest = Digest::new(kind, name).ok().filter(|digest| digest.hex() == name)?;
            let path = folder.join(name);
            let meta = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
            let origin = Origin::of(&path);
            Some(Cached { digest, path, is_partial: false, bytes: meta.len(), used: used(&meta), origin })
        };
        all.extend(files::names(&folder).iter().filter_map(own));
    }
    all
}

/// Returns the files that are on their way, or were when somebody's run ended.
fn partial(cache: &Path) -> Vec<Cached> {
    let folder = cache.join(PARTIAL);
    let own = |name: &String| {
        let (kind, hex) = name.split_once('-')?;
        let kind = DigestKind::ALL.into_iter().find(|known| known.name() == kind)?;
        let digest = Digest::new(kind, hex).ok().filter(|digest| digest.hex() == hex)?;
        let path = folder.join(name);
        let meta = path.symlink_metadata().ok().filter(std::fs::Metadata::is_dir)?;
        let parts: Vec<_> =
            files::names(&path).iter().filter_map(|name| path.join(name).symlink_metadata().ok()).collect();
        let used = parts.iter().chain([&meta]).map(used).max().unwrap_or_default();
        let bytes = parts.iter().map(std::fs::Metadata::len).sum();
        Some(Cached { digest, path, is_partial: true, bytes, used, origin: None })
    };
    files::names(&folder).iter().filter_map(own).collect()
}

/// When a file was used last, as far as it is known.
fn used(meta: &std::fs::Metadata) -> u64 {
    u64::try_from(meta.atime().max(meta.mtime())).unwrap_or_default()
}

/// Returns the length of a file that is there whole, if it is.
pub(crate) fn length(path: &Path) -> Option<u64> {
    path.symlink_metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
}

/// Notes that a file of the cache is used now: not every file system does when it is read.
pub(crate) fn note_use(path: &Path) -> io::Result<()> {
    File::open(path)?.set_times(FileTimes::new().set_accessed(SystemTime::now()))
}

/// Returns the time as the cache counts it: seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Returns whether nobody is fetching it.
pub(crate) fn is_free(cached: &Cached) -> Result<bool, Fault> {
    Ok(!cached.is_partial || Claim::of(&cached.path)?.is_some())
}

/// Removes something of the cache; returns whether it could be, as somebody may be fetching it.
pub(crate) fn remove(cached: &Cached) -> Result<bool, Fault> {
    if !cached.is_partial {
        files::remove(&Origin::path(&cached.path))?;
        return files::remove(&cached.path).map(|()| true);
    }
    match Claim::of(&cached.path)? {
        Some(claim) => claim.remove().map(|()| true),
        None => Ok(false),
    }
}

/// The folder of a file that is on its way, which nobody else has.
#[derive(Debug)]
pub(crate) struct Claim {
    folder: PathBuf,
    lock: File,
}

impl Claim {
    /// Makes the folder and takes it; nothing while somebody else has it.
    pub(crate) fn of(folder: &Path) -> Result<Option<Self>, Fault> {
        loop {
            let lock = Folder::made(folder, Keeps::Cache)?.into_file();
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(io_fault("lock", folder)(error)),
            }
            // Whoever had it before may have removed it meanwhile.
            let is_same = |meta: std::fs::Metadata| lock.metadata().is_ok_and(|own| own.ino() == meta.ino());
            if folder.symlink_metadata().is_ok_and(is_same) {
                return Ok(Some(Self { folder: folder.into(), lock }));
            }
        }
    }

    /// Makes a folder for what this process needs for a moment, and takes it; it is empty.
    pub(crate) fn of_this_process(cache: &Path, stem: &str) -> Result<Self, Fault> {
        for folder in [cache.to_path_buf(), cache.join(PARTIAL)] {
            Folder::made(&folder, Keeps::Cache)?;
        }
        let folder = files::of_this_process(&cache.join(PARTIAL), stem);
        let Some(claim) = Self::of(&folder)? else {
            return Err(Fault::host(format!("{} is somebody else's", folder.display())).hint("try again"));
        };
        claim.clear()?;
        Ok(claim)
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the lock, which a program that is run for it is to hold too.
    pub(crate) fn lock(&self) -> &File {
        &self.lock
    }

    /// Notes where what was on its way came from, now that it is whole.
    pub(crate) fn note_origin(&self, origin: &Origin, kept: &Path) -> Result<(), Fault> {
        origin.keep(&self.folder, kept)
    }

    /// Returns how many bytes there are: of the longest file, as fetch(1) writes a whole one beside what it cannot go on with.
    pub(crate) fn length(&self) -> u64 {
        self.files().iter().filter_map(|path| length(path)).max().unwrap_or_default()
    }

    /// Removes what is in it.
    pub(crate) fn clear(&self) -> Result<(), Fault> {
        self.files().iter().try_for_each(|path| files::remove(path))
    }

    /// Removes it with what is in it.
    pub(crate) fn remove(&self) -> Result<(), Fault> {
        self.clear()?;
        std::fs::remove_dir(&self.folder).map_err(io_fault("remove", &self.folder))
    }

    fn files(&self) -> Vec<PathBuf> {
        files::entries(&self.folder).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_caches_own_names_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        assert_eq!(list(&cache).unwrap(), []);
        let hex = "ab".repeat(32);
        let put = |name: &str| {
            std::fs::create_dir_all(cache.join(name).parent().unwrap()).unwrap();
            crate::host::library_tree::put(&cache.join(name), b"12345").unwrap();
        };
        for name in [&format!("sha256/{hex}"), &format!("partial/sha256-{hex}/data")] {
            put(name);
        }
        for name in [
            "sha256/notes".into(),
            format!("sha256/{}", hex.to_uppercase()),
            format!("sha512/{hex}"),
            format!("partial/{hex}/data"),
            format!("partial/sha256-{hex}x/data"),
            format!("partial/sha1-{hex}/data"),
            "answer.files".into(),
        ] {
            put(&name);
        }
        std::os::unix::fs::symlink("/etc/passwd", cache.join(format!("sha256/{}", "cd".repeat(32)))).unwrap();
        let found = list(&cache).unwrap();
        let shown: Vec<_> =
            found.iter().map(|one| (one.path.strip_prefix(&cache).unwrap(), one.is_partial, one.bytes)).collect();
        let (whole, partial) = (format!("sha256/{hex}"), format!("partial/sha256-{hex}"));
        assert_eq!(shown, [(Path::new(&whole), false, 5), (Path::new(&partial), true, 5)]);
        assert!(found.iter().all(|one| now().abs_diff(one.used) < 60));
        let claim = Claim::of(&cache.join(&partial)).unwrap().unwrap();
        assert!(Claim::of(&cache.join(&partial)).unwrap().is_none());
        assert_eq!([remove(&found[0]), remove(&found[1])], [Ok(true), Ok(false)]);
        drop(claim);
        assert_eq!((remove(&found[1]), list(&cache).unwrap()), (Ok(true), Vec::new()));
        assert!(cache.join("sha256/notes").exists());
    }
}
