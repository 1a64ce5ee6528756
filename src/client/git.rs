//! git, by which libraries are fetched. It is the one that is installed, with its own configuration: proxies, keys and helpers
//! for passwords are its business.

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::environment::command;
use crate::host::files::reason;
use crate::host::spawn;
use crate::library::signature::{self, Signed};
use crate::library::tree::{self, Files};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// How much a library may have, in bytes: it is text.
const MOST: u64 = 32 << 20;

/// A repository that was fetched, in a folder of its own until it is dropped.
pub(crate) struct Repository {
    url: String,
    folder: PathBuf,
}

impl Drop for Repository {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).may_fail("a folder that stays is in nobody's way");
        // Of the folder around it nothing is left where it has nothing else.
        self.folder.parent().map_or(Ok(()), fs::remove_dir).may_fail("another may be in it");
    }
}

impl Repository {
    /// Fetches all branches and tags of a repository into a new folder. A path is taken from `base` on.
    pub(crate) fn fetch(url: &str, base: &Path, folder: PathBuf) -> Result<Self, Fault> {
        // A path that has a colon would be a host to git, and is one here.
        let is_path = !url.contains(':');
        let whole = |path: PathBuf| std::path::absolute(&path).unwrap_or(path).display().to_string();
        let from = if is_path { whole(base.join(url)) } else { url.to_string() };
        fs::remove_dir_all(&folder).may_fail("what cannot be removed is refused when it is made");
        let at = |error: std::io::Error| Fault::host(format!("cannot make {}: {}", folder.display(), reason(&error)));
        fs::create_dir_all(&folder).map_err(at)?;
        let repository = Self { url: url.into(), folder };
        repository.git(&["init", "--quiet", "--bare", "--template=", "."], None)?;
        let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", &from, all[0], all[1]];
        repository.git(&fetch, None).map_err(|fault| {
            let fault = if fault.hint.is_some() { fault } else { fault.context(format!("cannot fetch {url}")) };
            fault.maybe_hint(
                Some("libraries that are here already are used as they are; try again when it can be reached".into())
                    .filter(|_| !is_path),
            )
        })?;
        Ok(repository)
    }

    /// Runs git in the repository, and returns what it says.
    fn git(&self, args: &[&str], stdin: Option<&Path>) -> Result<Vec<u8>, Fault> {
        tracing::debug!("git {}", args.join(" "));
        let mut command = command("git");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
            command.env_remove(name);
        }
        // No transport that runs a program of its own choice.
        command.env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh").env("LC_ALL", "C");
        let file = stdin.map(File::open).transpose();
        let file = file.map_err(|error| Fault::host(format!("cannot read what git is asked: {}", reason(&error))))?;
        command.args(args).current_dir(&self.folder).stdin(file.map_or_else(Stdio::null, Stdio::from));
        let output = spawn::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let output = output.and_then(Child::wait_with_output).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Fault::host("git is not installed, and libraries are fetched by it")
                .hint("install it: pkg install git, apt install git"),
            _ => spawn::refused("git", &error),
        })?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(Fault::host(reason_of(&String::from_utf8_lossy(&output.stderr))))
    }

    fn lines(&self, args: &[&str]) -> Result<Vec<String>, Fault> {
        Ok(String::from_utf8_lossy(&self.git(args, None)?).lines().map(String::from).collect())
    }

    /// Returns the names of its tags.
    pub(crate) fn tags(&self) -> Result<Vec<String>, Fault> {
        self.lines(&["for-each-ref", "--format=%(refname:strip=2)", "refs/tags"])
    }

    /// Returns the commit that a name means, if it means one.
    fn commit(&self, name: &str) -> Option<String> {
        let name = format!("{name}^{{commit}}");
        let lines = self.lines(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).ok()?;
        lines.into_iter().next_back().filter(|line| line.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// Returns the commit of a tag.
    pub(crate) fn tagged(&self, tag: &str) -> Option<String> {
        self.commit(&format!("refs/tags/{tag}"))
    }

    /// Returns the commit of a tag, a branch or a commit, and whether it is a tag.
    pub(crate) fn resolve(&self, rev: &str) -> Result<(String, bool), Fault> {
        if let Some(commit) = self.tagged(rev) {
            return Ok((commit, true));
        }
        let is_hash = rev.len() >= 7 && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
        let found = self.commit(&format!("refs/heads/{rev}")).or_else(|| self.commit(rev).filter(|_| is_hash));
        found.map(|commit| (commit, false)).ok_or_else(|| {
            let fault = Fault::new(format!("{} has no revision `{rev}`", self.url));
            fault.hint("a tag, a branch, or a commit that one of them leads to")
        })
    }

    /// Returns what is signed of a commit, by the tag that names it if there is one.
    pub(crate) fn signed(&self, tag: Option<&str>, commit: &str) -> Result<Signed, Fault> {
        let object = |kind: &str, name: &str| {
            let bytes = self.git(&["cat-file", kind, name], None)?;
            String::from_utf8(bytes).map_err(|_| Fault::new(format!("{} has a {kind} that is no UTF-8 text", self.url)))
        };
        let Some(tag) = tag else { return signature::of_commit(&object("commit", commit)?, commit) };
        // A light tag is a name for a commit, and has nothing to sign.
        let unsigned = |_| Fault::new(format!("the tag {tag} is not signed by an SSH key"));
        signature::of_tag(&object("tag", &format!("refs/tags/{tag}")).map_err(unsigned)?, tag, commit)
    }

    /// Returns the folder that holds it until it is dropped.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether it has a commit.
    pub(crate) fn has(&self, commit: &str) -> bool {
        self.commit(commit).is_some()
    }

    /// Returns the files of a commit, as they are in the repository: no attribute and no filter changes them.
    pub(crate) fn files(&self, commit: &str) -> Result<Files, Fault> {
        let listed = self.git(&["ls-tree", "-r", "-l", "-z", "--full-tree", commit], None)?;
        let listed = String::from_utf8(listed)
            .map_err(|_| Fault::new(format!("{} has a file whose name is no UTF-8 text", self.url)))?;
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        let mut size = 0_u64;
        for entry in listed.split('\0').filter(|entry| !entry.is_empty()) {
            let (head, path) = entry.split_once('\t').unwrap_or_default();
            let words: Vec<&str> = head.split_whitespace().collect();
            let (mode, id) = (words.first().copied().unwrap_or_default(), words.get(2).copied().unwrap_or_default());
            tree::check_path(path)?;
            match mode {
                "120000" => return Err(self.refused(path, "symbolic links")),
                "160000" => return Err(self.refused(path, "submodules")),
                _ => wanted.push((path, id)),
            }
            size = size.saturating_add(words.get(3).and_then(|size| size.parse().ok()).unwrap_or(0));
        }
        if size > MOST {
            let fault = Fault::new(format!("{} has {} MiB, and a library is text", self.url, size >> 20));
            return Err(fault.hint(format!("{} MiB at most", MOST >> 20)));
        }
        self.contents(&wanted)
    }

    fn refused(&self, path: &str, what: &str) -> Fault {
        let fault = Fault::new(format!("{} has {what}, and a library has none: {path}", self.url));
        fault.hint("what is shared is a library of its own, or a file")
    }

    /// Reads objects: git says of each its name, its kind and its length, and then its content.
    fn contents(&self, wanted: &[(&str, &str)]) -> Result<Files, Fault> {
        let list = self.folder.join("wanted");
        let ids: String = wanted.iter().map(|(_, id)| format!("{id}\n")).collect();
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        fs::write(&list, ids)
            .map_err(|error| Fault::host(format!("cannot write {}: {}", list.display(), reason(&error))))?;
        let bytes = self.git(&["cat-file", "--batch"], Some(&list))?;
        let strange = || Fault::host("git does not say what it has");
        let mut rest = bytes.as_slice();
        let mut files = Files::new();
        for (path, _) in wanted {
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(strange)?;
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            let length: usize = head.rsplit(' ').next().and_then(|word| word.parse().ok()).ok_or_else(strange)?;
            let content = rest.get(end + 1..end + 1 + length).ok_or_else(strange)?;
            files.insert((*path).to_string(), content.to_vec());
            rest = rest.get(end + 2 + length..).ok_or_else(strange)?;
        }
        Ok(files)
    }
}

/// Returns the line of git that says what is wrong.
fn reason_of(words: &str) -> String {
    let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
    let grave =
        lines().find(|line| line.starts_with("fatal: ")).or_else(|| lines().next_back()).unwrap_or("git failed");
    grave.trim_start_matches("fatal: ").trim_end_matches(':').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_git_says_the_line_is_told_that_matters() {
        let words = "warning: x\nfatal: unable to connect to 127.0.0.1:\n127.0.0.1[0]: errno=Connection refused\n";
        assert_eq!(reason_of(words), "unable to connect to 127.0.0.1");
        assert_eq!(reason_of("error: a\nerror: b\n"), "error: b");
        assert_eq!(reason_of(""), "git failed");
    }
}
