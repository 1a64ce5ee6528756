//! What was fetched, and removing what nobody uses.

use super::settings::{platform, settings};
use crate::diag::Fault;
use crate::host::cache::{self, now};
pub(crate) use crate::host::cache::{Cached, Origin};
use crate::host::clock::Utc;
use std::time::Duration;

/// What was removed, or would be.
#[derive(Debug, Default)]
pub(crate) struct Pruned {
    /// That.
    pub removed: Vec<Cached>,
    /// What stays because somebody fetches it.
    pub held: Vec<Cached>,
}

/// Returns what is in the cache.
pub(crate) fn list() -> Result<Vec<Cached>, Fault> {
    cache::list(&settings(platform()?, false)?.cache)
}

/// Removes what was not used for so long, or only looks for it.
pub(crate) fn prune(older_than: Duration, only_look: bool) -> Result<Pruned, Fault> {
    let mut pruned = Pruned::default();
    for cached in list()? {
        if now().saturating_sub(cached.used) < older_than.as_secs() {
            continue;
        }
        let goes = if only_look { cache::is_free(&cached)? } else { cache::remove(&cached)? };
        let list = if goes { &mut pruned.removed } else { &mut pruned.held };
        list.push(cached);
    }
    Ok(pruned)
}

/// Returns a time as people read it.
pub(crate) fn shown_time(seconds: u64) -> String {
    Utc(seconds).to_string()
}
