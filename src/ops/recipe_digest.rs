//! The digest of a recipe: what two hosts compare to know whether they would start the same machine by it.

use crate::host::files;
use crate::library::{LOCK, tree};
use crate::script::lexer::imports;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many files a recipe may consist of that a digest is made of; one of more has none.
const MOST: usize = 64;

/// Returns the SHA-256, as hexadecimal digits, of a recipe's text, of the files beside it that it imports, and of what pins its
/// libraries, each with its path from the recipe's folder on, so that it is the same wherever that folder lies. Nothing is evaluated.
/// Nothing of a recipe that cannot be read.
pub(crate) fn of(recipe: &Path) -> Option<String> {
    let folder = files::home(recipe);
    let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut waiting = vec![folder.join(recipe.file_name()?)];
    let mut has_libraries = false;
    while let Some(path) = waiting.pop() {
        if texts.contains_key(&path) {
            continue;
        }
        if texts.len() == MOST {
            return None;
        }
        let text = files::read_text(&path).ok()?;
        for import in imports(&text) {
            match import.strip_prefix("./") {
                Some(beside) => {
                    let name = format!("{}.rhai", beside.strip_suffix(".rhai").unwrap_or(beside));
                    waiting.push(files::whole(path.parent()?, Path::new(&name)));
                }
                None => has_libraries |= !import.starts_with("std/"),
            }
        }
        texts.insert(path, text);
    }
    if has_libraries {
        let lock = folder.join(LOCK);
        texts.extend(files::read_text(&lock).ok().map(|text| (lock, text)));
    }
    let mut whole = Vec::new();
    for (path, text) in &texts {
        let name = path.strip_prefix(&folder).unwrap_or(path).display().to_string();
        // Each with its length: what ends one part begins no other.
        for part in [name.as_str(), text] {
            whole.extend((part.len() as u64).to_be_bytes());
            whole.extend(part.as_bytes());
        }
    }
    Some(tree::sum(&whole))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "it makes the files that are read")]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_digest_is_of_everything_that_makes_the_machine_and_of_no_place() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| [&here, &there].map(|it| fs::write(it.path().join(name), text).unwrap());
        let digests = || [&here, &there].map(|it| of(&it.path().join("web.rhai")));
        let same = || {
            let [here, there] = digests();
            assert!(here.is_some() && here == there);
            here
        };
        assert_eq!(digests(), [None, None]);
        write("web.rhai", "import \"./net\" as net;\nimport \"team/cards\" as cards;\n");
        // What it imports is not there.
        assert_eq!(digests(), [None, None]);
        write("net.rhai", "import \"./net.rhai\" as itself;\n");
        let unpinned = same();
        write("vmrun.lock", "pins");
        let pinned = same();
        assert_ne!(pinned, unpinned);
        fs::write(there.path().join("net.rhai"), "// other\n").unwrap();
        let [here_now, there_now] = digests();
        assert_eq!(here_now, pinned);
        assert!(there_now.is_some() && there_now != pinned);
    }
}
