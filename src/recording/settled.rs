//! What a script does to files, as a recipe has it: each command so that a later start can repeat it, without what vmrun makes needless.

use super::TELLERS;
use super::call::{Call, Recording, Written};
use super::fed::fed;
use super::file_programs::{FileCall, UNPACKERS, is_one};
use super::placed::placed;
use super::repeated_programs::repeated;
use super::temporary::{self, is_read_once};
use super::watched::{Watched, is_left};
use super::world::FileState;
use std::collections::BTreeSet;

/// Gives a path from the root on, of one that begins in a folder.
type Whole<'a> = &'a dyn Fn(&str, &str) -> String;

/// Returns a recording in which the calls that are about files name them by whole paths and can be repeated, without those that vmrun makes
/// needless: by which a script knows that it runs, keeps others out, and keeps logs.
pub(crate) fn settled(recording: &Recording, whole: Whole<'_>) -> Recording {
    let named = recording.calls.iter().map(temporary::named).collect();
    let recording = &Recording { calls: named, ..recording.clone() };
    let mut settled = recording.clone();
    let known = Known::of(recording, whole);
    settled.calls.clear();
    for call in &recording.calls {
        if is_told(call) {
            let line = call.command().to_string();
            if !settled.told.contains(&line) {
                settled.told.push(line);
            }
            continue;
        }
        if let Some(watched) = &call.watched {
            let is_named = |path: &str| known.is_named(path);
            let made: Vec<&String> = counting(watched, &is_named).collect();
            if watched.is_tried(&call.made_up) || made.iter().any(|path| !known.is_written(path)) {
                settled.calls.push(repeated(call, watched, &made));
            }
            continue;
        }
        let Some(mut deed) = deed(call, whole) else {
            // What reads and makes no file of those that count, as `dd` of a pipe.
            let own = || placed(call, whole, &|path| known.is_file(path));
            settled.calls.extend((!is_one(call.program())).then(|| fed(call).unwrap_or_else(own)));
            continue;
        };
        if call.program() == "chmod" {
            // A text is written with the permissions that it has in the end.
            deed.targets.retain(|path| !known.is_written(path) && !known.starters.contains(path));
            if deed.targets.is_empty() {
                continue;
            }
        }
        let (kept, gone): (Vec<String>, Vec<String>) =
            deed.targets.iter().cloned().partition(|path| !known.is_needless(call, path));
        if known.is_text(&deed) || !deed.is_done(call) {
            continue;
        }
        if !gone.is_empty() {
            let own = || Call { argv: deed.words(call.program(), &gone), ..call.clone() };
            let line = if kept.is_empty() { call.command() } else { own().command() }.to_string();
            if !settled.needless.contains(&line) {
                settled.needless.push(line);
            }
        }
        if !kept.is_empty() {
            settled.calls.push(Call { argv: deed.words(call.program(), &kept), status: 0, ..call.clone() });
        }
    }
    settled.written.retain(|file| !known.is_made(file) && !known.starters.contains(&file.path));
    let unsaid = settled.written.iter().filter(|file| known.is_unsaid(file));
    settled.unsaid = unsaid.map(|file| (file.path.clone(), known.is_named(&file.path))).collect();
    // What is downloaded into a pipe may be what fills one of these.
    if settled.unsaid.iter().any(|(_, is_named)| *is_named) {
        settled.told.retain(|line| !["curl ", "fetch ", "wget "].iter().any(|program| line.starts_with(program)));
    }
    settled
}

/// Whether all that a call does is to tell people something: a download is one that is kept nowhere.
fn is_told(call: &Call) -> bool {
    TELLERS.contains(&call.program()) && super::download::file(&call.argv).is_none()
}

/// What a call does to files, by their whole paths.
struct Deed {
    options: Vec<String>,
    sources: Vec<String>,
    targets: Vec<String>,
}

fn deed(call: &Call, whole: Whole<'_>) -> Option<Deed> {
    let said = FileCall::of(&call.argv)?;
    let own = |path: &&str| whole(&call.cwd, path);
    let is_link = call.program() == "ln" && said.options.iter().any(|word| word.contains('s'));
    // What a link leads to is looked for from where it is.
    let sources = said.sources.iter().map(|path| if is_link { (*path).to_string() } else { own(path) }).collect();
    let folder =
        |path: &&str| format!("{}{}", own(path).trim_end_matches('/'), if path.ends_with('/') { "/" } else { "" });
    let targets = said.targets.iter().map(|path| if call.program() == "cp" { folder(path) } else { own(path) });
    Some(Deed { options: said.options.iter().map(ToString::to_string).collect(), sources, targets: targets.collect() })
}

impl Deed {
    /// Whether a file is one of those that it changes.
    fn has(&self, path: &str) -> bool {
        self.targets.iter().any(|target| target.trim_end_matches('/') == path)
    }

    /// Returns the words of the command, as it can be repeated, about some of its files.
    fn words(&self, program: &str, targets: &[String]) -> Vec<String> {
        let has = |letter: char| self.options.iter().any(|word| word.starts_with('-') && word.contains(letter));
        let mut options = self.options.clone();
        match program {
            "mkdir" if !has('p') => options.insert(0, "-p".into()),
            "rm" if !has('f') => {
                let cluster = if has('r') || has('R') { "-rf" } else { "-f" };
                options = vec![cluster.into()];
            }
            _ => {}
        }
        if UNPACKERS.contains(&program) {
            return [program.to_string()].into_iter().chain(options).chain(self.sources.iter().cloned()).collect();
        }
        if program == "dd" {
            let pairs = self.sources.iter().map(|path| format!("if={path}"));
            let pairs = pairs.chain(targets.iter().map(|path| format!("of={path}")));
            return std::iter::once(program.into()).chain(pairs).chain(options).collect();
        }
        std::iter::once(program.to_string())
            .chain(options)
            .chain(self.sources.iter().cloned())
            .chain(targets.iter().cloned())
            .collect()
    }

    /// Whether it changed something, or does on another host: one that fails does so where its files are not there, or are there already.
    fn is_done(&self, call: &Call) -> bool {
        call.status == 0 || ["mkdir", "rm", "rmdir"].contains(&call.program())
    }
}

/// What the calls of a recording name.
#[derive(Default)]
struct Known {
    /// What programs are told, and what is copied to somewhere that counts.
    named: BTreeSet<String>,
    /// What is made and removed again.
    brief: BTreeSet<String>,
    /// The texts that the script wrote, or has copied.
    texts: BTreeSet<String>,
    /// What file programs made.
    made: BTreeSet<String>,
    /// Where to files and folders were copied.
    copies: BTreeSet<String>,
    /// What is downloaded.
    downloads: BTreeSet<String>,
    /// What machines have, what file programs are told, and what is written.
    files: BTreeSet<String>,
    /// What is read once, and in the recipe by what was read.
    read_once: BTreeSet<String>,
    /// The scripts that the script wrote and that start its machines: what they call is in the recording.
    starters: BTreeSet<String>,
}

impl Known {
    fn of(recording: &Recording, whole: Whole<'_>) -> Self {
        let mut known = Self { read_once: temporary::read_once(recording, whole), ..Self::default() };
        let downloads = recording.calls.iter().filter_map(|call| Some((call, super::download::file(&call.argv)?)));
        known.downloads = downloads.map(|(call, path)| whole(&call.cwd, &path)).collect();
        let others = recording.calls.iter().filter(|call| !is_one(call.program()) && call.program() != "sleep");
        let all = others.flat_map(|call| call.args().iter().enumerate().map(move |(at, arg)| (call, at, arg)));
        for (call, arg) in all.filter(|(call, at, _)| !is_read_once(call, *at)).map(|(call, _, arg)| (call, arg)) {
            let parts = arg.split([',', '=', ':']).chain([arg.as_str()]).filter(|part| !part.is_empty());
            let paths = parts.map(|part| whole(&call.cwd, part));
            known.named.extend(paths.filter(|path| made_by(call).all(|made| made != path)));
        }
        for call in &recording.calls {
            known.made.extend(made_by(call).cloned());
            known.named.extend(call.watched.iter().map(|watched| watched.input.clone()));
            let Some(deed) = deed(call, whole) else { continue };
            match call.program() {
                program if UNPACKERS.contains(&program) || ["cp", "mv", "ln", "install", "dd"].contains(&program) => {
                    if !deed.targets.iter().all(|path| is_of_a_run(path) || is_a_log(path)) {
                        known.named.extend(deed.sources.iter().cloned());
                    }
                    known.made.extend(deed.targets.iter().cloned());
                    known.copies.extend(deed.targets.iter().map(|path| path.trim_end_matches('/').to_string()));
                }
                "mkdir" | "touch" => known.made.extend(deed.targets.iter().cloned()),
                "rm" | "rmdir" => {
                    let made = deed.targets.iter().filter(|path| known.made.contains(*path));
                    known.brief.extend(made.cloned().collect::<Vec<_>>());
                    let gone = recording.written.iter().filter(|file| file.is_gone && deed.has(&file.path));
                    known.brief.extend(gone.map(|file| file.path.clone()));
                }
                _ => {}
            }
        }
        for file in &recording.written {
            if recording.calls.iter().any(|call| reads_folder(call, &file.path, &|path| whole(&call.cwd, path))) {
                known.named.insert(file.path.clone());
            }
        }
        // What is there for the recording alone has no text.
        let is_made_up = |file: &Written| {
            file.content.as_deref() == Some(FileState::CONTENT) && recording.files.iter().any(|file| file.is_there)
        };
        let is_constant = |file: &Written| !recording.varying.contains(&file.path);
        let texts = recording.written.iter().filter(|file| is_text(file) && !is_made_up(file) && is_constant(file));
        known.texts = texts.map(|file| file.path.clone()).collect();
        known.files = files(recording, whole);
        known.starters = starters(recording);
        known
    }

    /// Whether a path is that of a file.
    fn is_file(&self, path: &str) -> bool {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.files.contains(path)
            || self.files.range(below.clone()..).next().is_some_and(|other| other.starts_with(&below))
    }

    fn is_named(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        self.named.contains(path)
            || self.named.range(below.clone()..).next().is_some_and(|other| other.starts_with(&below))
    }

    /// Whether what a call does to a file vmrun makes needless.
    fn is_needless(&self, call: &Call, path: &str) -> bool {
        let is_brief = || ["mkdir", "touch", "rm", "rmdir"].contains(&call.program()) && self.brief.contains(path);
        !self.is_named(path) && (is_of_a_run(path) || is_a_log(path) || is_brief())
    }

    /// Whether what a call copies is a text that a program then reads: the recipe writes it, as it is when the program reads it.
    fn is_text(&self, deed: &Deed) -> bool {
        !deed.sources.is_empty() && !deed.targets.is_empty() && deed.targets.iter().all(|path| self.is_written(path))
    }

    /// Whether a file is a text that the recipe writes.
    fn is_written(&self, path: &str) -> bool {
        self.texts.contains(path) && self.is_named(path)
    }

    /// Whether a file is one that no word writes: what is no text, or has a password, and what nothing that the script calls names. What is
    /// empty is a download's, or of a guest that never ran.
    fn is_unsaid(&self, file: &Written) -> bool {
        let is_named = self.is_named(&file.path);
        // What a pipe has filled is empty here too.
        let is_empty =
            file.content.as_ref().is_some_and(Vec::is_empty) && (!is_named || self.downloads.contains(&file.path));
        let is_read_once = !is_named && (file.is_gone || self.read_once.contains(&file.path));
        let is_said = is_empty || is_read_once || is_named && self.texts.contains(&file.path);
        !is_said && (is_named || !is_of_a_run(&file.path) && !is_a_log(&file.path) && !is_left(&file.path))
    }

    /// Whether a file is one that a file program made, and that the recipe has made by it.
    fn is_made(&self, file: &Written) -> bool {
        let is_in_a_copy = || self.copies.iter().any(|folder| file.path.starts_with(&format!("{folder}/")));
        (self.made.contains(&file.path) || is_in_a_copy())
            && !(self.texts.contains(&file.path) && self.is_named(&file.path))
    }
}

/// Returns the files that a watched program has made.
fn made_by(call: &Call) -> impl Iterator<Item = &String> {
    let watched = call.watched.iter().filter(|watched| !watched.is_tried(&call.made_up));
    watched.flat_map(|watched| &watched.changed)
}

/// Returns the scripts that were written and start one of the machines.
fn starters(recording: &Recording) -> BTreeSet<String> {
    let machines: BTreeSet<&str> = recording.calls.iter().filter_map(|call| call.boots()).collect();
    let starts = |file: &&Written| {
        let text = file.text().filter(|text| text.starts_with("#!")).unwrap_or_default();
        let words: BTreeSet<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).collect();
        words.contains("bhyve") && !words.is_disjoint(&machines)
    };
    recording.written.iter().filter(starts).map(|file| file.path.clone()).collect()
}

/// Returns the paths that are those of files: what machines have, what file programs are told, and what is written.
fn files(recording: &Recording, whole: Whole<'_>) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = recording.written.iter().map(|file| file.path.clone()).collect();
    for call in &recording.calls {
        if let Some(deed) = deed(call, whole) {
            all.extend(deed.sources.into_iter().chain(deed.targets));
        } else if ["bhyve", "bhyveload", "truncate"].contains(&call.program()) {
            let parts = call.args().iter().flat_map(|arg| arg.split([',', '='])).filter(|part| !part.is_empty());
            all.extend(parts.map(|part| whole(&call.cwd, part)));
        }
    }
    all
}

fn is_text(file: &Written) -> bool {
    let text = file.text().filter(|text| !text.is_empty() && !text.contains('\0'));
    text.is_some_and(|text| file.content.as_deref() == Some(text.as_bytes()))
}

/// Whether a call is one of a program that reads the files below a folder, and is told one in which a file is.
pub(crate) fn reads_folder(call: &Call, path: &str, whole: &dyn Fn(&str) -> String) -> bool {
    const READERS: &[&str] = &["bhyve", "genisoimage", "makefs", "mkisofs", "tar", "xorriso"];
    let is_above = |part: &str| {
        let folder = whole(part);
        folder.len() > 1 && path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    };
    let parts = |arg: &'_ String| arg.split([',', '=', ':']).filter(|part| !part.is_empty()).any(is_above);
    READERS.contains(&call.program()) && call.args().iter().any(parts)
}

/// Returns what a watched program changed beside what programs leave at home, logs, and what is of a run and not named.
pub(crate) fn counting<'a>(
    watched: &'a Watched,
    is_named: &'a dyn Fn(&str) -> bool,
) -> impl Iterator<Item = &'a String> {
    // As sed(1) and perl(1) leave what a file was before.
    let is_copy = move |path: &String| {
        let of = |other: &String| path.strip_prefix(other.as_str()).is_some_and(|end| end.starts_with(['.', '~']));
        watched.changed.iter().any(of)
    };
    let is_passing = move |path: &String| is_of_a_run(path) && !is_named(path);
    let counts = move |path: &&String| !is_left(path) && !is_passing(path) && !is_a_log(path) && !is_copy(path);
    watched.changed.iter().filter(counts)
}

/// Whether a file or a folder is one by which a script knows that it runs already, or of what lasts as long as the host is up.
pub(crate) fn is_of_a_run(path: &str) -> bool {
    ["/var/run/", "/run/", "/tmp/", "/var/tmp/", "/var/lock/", "/var/spool/lock/"]
        .iter()
        .any(|folder| path.starts_with(folder))
        || [".pid", ".lock", ".lck"].iter().any(|end| path.ends_with(end))
}

/// Whether a file is a log, or one that was put aside.
pub(crate) fn is_a_log(path: &str) -> bool {
    let is_aside = |end: &str| end.chars().all(|c| c.is_ascii_digit()) || ["old", "gz", "bz2", "xz"].contains(&end);
    let mut stem = path;
    while let Some((before, _)) = stem.rsplit_once('.').filter(|(_, end)| is_aside(end)) {
        stem = before;
    }
    path.starts_with("/var/log/")
        || stem.rsplit_once('.').is_some_and(|(_, end)| end == "log")
        || path.ends_with("/log")
        || path.ends_with("/logs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(folder: &str, path: &str) -> String {
        if path.starts_with('/') { path.into() } else { format!("{folder}/{path}") }
    }

    fn of(lines: &[&str], written: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let call = |line: &&str| {
            let (line, status) = line.split_once(" = ").unwrap_or((line, "0"));
            let argv = line.split(' ').map(str::to_string).collect();
            Call { argv, cwd: "/vm".into(), status: status.parse().unwrap(), ..Call::default() }
        };
        let file = |(path, text): &(&str, &str)| Written {
            path: (*path).into(),
            mode: 0o644,
            content: Some(text.as_bytes().into()),
            ..Written::default()
        };
        let recording = Recording {
            calls: lines.iter().map(call).collect(),
            written: written.iter().map(file).collect(),
            ..Recording::default()
        };
        let settled = settled(&recording, &whole);
        let calls = settled.calls.iter().map(|call| call.argv.join(" "));
        let written = settled.written.iter().map(|file| format!("> {}", file.path));
        (calls.chain(written).collect(), settled.needless)
    }

    #[test]
    fn a_text_has_its_permissions_where_it_is_written() {
        let lines =
            ["chmod 600 pf.conf", "chmod 700 a.img pf.conf", "pfctl -f pf.conf", "bhyve -s 4,virtio-blk,/vm/a.img a"];
        let expected = ["chmod 700 /vm/a.img", lines[2], lines[3], "> /vm/pf.conf"].map(String::from).to_vec();
        assert_eq!(of(&lines, &[("/vm/pf.conf", "set skip on lo\n")]), (expected, vec![]));
    }

    #[test]
    fn what_counts_is_repeatable_and_the_rest_is_needless() {
        let (kept, needless) = of(
            &[
                "mkdir web /var/run/web",
                "mkdir lock",
                "rm stale.sock = 1",
                "mv web.log web.log.0",
                "cp x.fd web/x.fd",
                "touch /var/run/web.pid",
                "bhyve -l bootrom,/fw.fd,web/x.fd -s 3,virtio-console,a=stale.sock a",
                "rmdir lock",
                "rm -r web/old",
                "cp gone b = 1",
                "chmod -R 600 web",
                "ln -s ../web l",
            ],
            &[],
        );
        let expected = [
            "mkdir -p /vm/web",
            "rm -f /vm/stale.sock",
            "cp /vm/x.fd /vm/web/x.fd",
            "bhyve -l bootrom,/fw.fd,web/x.fd -s 3,virtio-console,a=stale.sock a",
            "rm -rf /vm/web/old",
            "chmod -R 600 /vm/web",
            "ln -s ../web /vm/l",
        ];
        assert_eq!(kept, expected);
        let expected =
            ["mkdir -p /var/run/web", "mkdir lock", "mv web.log web.log.0", "touch /var/run/web.pid", "rmdir lock"];
        assert_eq!(needless, expected);
    }

    #[test]
    fn a_text_that_was_copied_and_is_read_is_written() {
        let (kept, _) = of(
            &["cp a.map b.map", "cp a.bin b.bin", "grub -m b.map -r b.bin a"],
            &[("/vm/b.map", "(hd0) x\n"), ("/vm/b.bin", "\0\u{1}"), ("/vm/other", "x")],
        );
        let expected = ["cp /vm/a.bin /vm/b.bin", "grub -m b.map -r b.bin a", "> /vm/b.map", "> /vm/other"];
        assert_eq!(kept, expected);
    }

    #[test]
    fn what_is_written_and_no_word_says_is_told_apart() {
        let written = [
            ("/vm/a.bin", "\0x"),
            ("/etc/x.conf", "a"),
            ("/run/x", "a"),
            ("/vm/b.conf", "a"),
            ("/vm/e", ""),
            ("/vm/p", ""),
        ];
        let file = |(path, text): (&str, &str)| Written {
            path: path.into(),
            content: Some(text.into()),
            ..Written::default()
        };
        let argv = ["bhyve", "-s", "3,virtio-blk,a.bin,p=p", "-k", "b.conf", "a"].map(String::from).into();
        let recording = Recording {
            calls: vec![Call { argv, cwd: "/vm".into(), ..Call::default() }],
            written: written.map(file).into(),
            ..Recording::default()
        };
        let unsaid = settled(&recording, &whole).unsaid;
        assert_eq!(
            unsaid,
            [("/vm/a.bin", true), ("/etc/x.conf", false), ("/vm/p", true)].map(|(path, is)| (path.to_string(), is))
        );
    }

    #[test]
    fn logs_are_known_by_their_names() {
        let all = ["/vm/a.log", "/vm/a.log.0", "/vm/a.log.1.gz", "/var/log/a", "/vm/a.old.log", "/vm/logs"];
        assert!(all.into_iter().all(is_a_log));
        assert!(!["/vm/a.img", "/vm/catalog", "/vm/a.img.0"].into_iter().any(is_a_log));
    }
}
