//! Where a file of the cache came from, and when: beside it, as `sha256/DIGEST.origin`. Files of earlier versions have none, and
//! nothing depends on it.

use crate::diag::Fault;
use crate::host::files::{self, io_fault};
use crate::model::Url;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The file in the folder of what is on its way.
const HALF: &str = "origin";

/// How long such a file is at most, in bytes: its address is the longest in it.
const MOST: u64 = 16 << 10;

/// Where a file came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The address, without a query: what is in that may be a key.
    pub url: Url,
    /// When it was fetched, in seconds since 1970.
    pub fetched: u64,
}

impl Origin {
    /// Returns the file that it stands in, of a file of the cache.
    pub(crate) fn path(kept: &Path) -> PathBuf {
        kept.with_extension("origin")
    }

    /// Returns that of a file of the cache, if there is one that can be read.
    pub(super) fn of(kept: &Path) -> Option<Self> {
        let text = files::read_within(&Self::path(kept), MOST).ok()?;
        let value: Value = serde_json::from_slice(&text).ok()?;
        let url: Url = value.get("url")?.as_str()?.parse().ok()?;
        Some(Self { url: url.without_query(), fetched: value.get("fetched")?.as_u64()? })
    }

    /// Writes it in the folder of what was on its way, and gives it its name from there: half of it is never beside what is whole.
    pub(crate) fn keep(&self, folder: &Path, kept: &Path) -> Result<(), Fault> {
        let (half, path) = (folder.join(HALF), Self::path(kept));
        let text = json!({ "url": self.url.without_query().as_str(), "fetched": self.fetched });
        files::write_private(&half, format!("{text}\n").as_bytes())?;
        std::fs::rename(&half, &path).map_err(io_fault("rename to", &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_query_and_what_cannot_be_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("ab");
        assert_eq!(Origin::of(&kept), None);
        let url: Url = "https://a.example/b/c.img?key=hunter2".parse().unwrap();
        Origin { url: url.clone(), fetched: 12 }.keep(folder.path(), &kept).unwrap();
        let text = std::fs::read_to_string(folder.path().join("ab.origin")).unwrap();
        assert_eq!(text, "{\"fetched\":12,\"url\":\"https://a.example/b/c.img\"}\n");
        assert_eq!(Origin::of(&kept), Some(Origin { url: url.without_query(), fetched: 12 }));
        assert_eq!(files::names(folder.path()), ["ab.origin"]);
        let put = |text: &str| {
            files::remove(&Origin::path(&kept)).unwrap();
            crate::host::library_tree::put(&Origin::path(&kept), text.as_bytes()).unwrap();
            Origin::of(&kept)
        };
        // Whoever wrote it: no password and no key is shown.
        assert_eq!(put("{\"fetched\":12,\"url\":\"https://ann:hunter2@a.example/b\"}"), None);
        let with_key = put("{\"fetched\":12,\"url\":\"https://a.example/b?key=hunter2\"}").unwrap();
        assert_eq!(with_key.url.as_str(), "https://a.example/b");
        for text in ["", "{", "{\"fetched\":-1,\"url\":\"https://a/b\"}", "{\"url\":\"https://a/b\"}", "[]"] {
            assert_eq!(put(text), None, "{text}");
        }
        assert_eq!(put(&format!("{{\"fetched\":12,\"url\":\"https://a/{}\"}}", " ".repeat(1 << 15))), None);
    }
}
