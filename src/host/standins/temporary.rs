//! What the stand-in of mktemp(1) does in an enclosure: its names are the same in each recording, and it takes what FreeBSD's takes.

use crate::diag::may_fail::MayFail as _;
use crate::host::environment::env;
use crate::host::files;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// How many names of a kind are tried.
const TRIES: u32 = 10_000;

/// What mktemp(1) is asked for: by the options of FreeBSD's and of GNU's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    is_folder: bool,
    /// It is taken away again (`-u`).
    is_name: bool,
    /// With the place for what differs at the end of each.
    templates: Vec<String>,
}

impl Asked {
    /// Reads a call. `folder` is the one for files that are not kept.
    fn of(args: &[String], folder: &str) -> Self {
        let mut asked = Self::default();
        let (mut prefix, mut place) = (None, None);
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "-t" => prefix = args.next().map(String::as_str),
                "-p" => place = args.next().map(String::as_str),
                "--tmpdir" => place = Some(folder),
                "--directory" => asked.is_folder = true,
                "--dry-run" => asked.is_name = true,
                long if long.starts_with("--") => place = long.strip_prefix("--tmpdir=").or(place),
                letters if letters.len() > 1 && letters.starts_with('-') => {
                    asked.is_folder |= letters.contains('d');
                    asked.is_name |= letters.contains('u');
                    if letters.ends_with('t') {
                        prefix = args.next().map(String::as_str);
                    }
                }
                template => asked.templates.push(template.into()),
            }
        }
        let own =
            prefix.map(|prefix| if prefix.contains("XXX") { prefix.into() } else { format!("{prefix}.XXXXXXXX") });
        if own.is_some() || asked.templates.is_empty() {
            asked.templates.insert(0, own.unwrap_or_else(|| "tmp.XXXXXXXXXX".into()));
            place = place.or(Some(folder));
        }
        if let Some(place) = place {
            let is_whole = |template: &String| template.starts_with('/');
            asked.templates.iter_mut().filter(|template| !is_whole(template)).for_each(|template| {
                *template = format!("{}/{template}", place.trim_end_matches('/'));
            });
        }
        asked
    }
}

/// Returns the name that a template has at a try: a number where the last of its `X` stand.
fn name(template: &str, number: u32) -> String {
    let end = template.rfind('X').map_or(template.len(), |at| at + 1);
    let (before, after) = template.split_at(end);
    let stem = before.trim_end_matches('X');
    format!("{stem}{number:0width$}{after}", width = before.len() - stem.len())
}

/// What came of a call of mktemp(1).
pub(super) struct Named {
    /// The names, one in a line.
    pub output: String,
    /// Whether nothing is left that has to be known as made.
    pub reads: bool,
}

/// Does what mktemp(1) is called for; nothing if it cannot be done.
pub(super) fn make(args: &[String]) -> Option<Named> {
    let folder = env("TMPDIR").filter(|folder| !folder.is_empty()).unwrap_or_else(|| "/tmp".into());
    let asked = Asked::of(args, &folder);
    let mut output = String::new();
    for template in &asked.templates {
        let made =
            (1..TRIES).map(|number| name(template, number)).find_map(|path| match create(&path, asked.is_folder) {
                Err(why) if why.kind() == ErrorKind::AlreadyExists => None,
                made => Some(made.map(|()| path)),
            });
        let Some(Ok(path)) = made else { return None };
        if asked.is_name {
            take_away(&path, asked.is_folder);
        }
        output += &format!("{path}\n");
    }
    Some(Named { output, reads: !asked.is_folder || asked.is_name })
}

fn create(path: &str, is_folder: bool) -> Result<()> {
    if is_folder {
        return DirBuilder::new().mode(0o700).create(path);
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

fn take_away(path: &str, is_folder: bool) {
    const WHY: &str = "the script finds that it is there";
    if is_folder {
        std::fs::remove_dir(path).may_fail(WHY);
    } else {
        files::remove(Path::new(path)).may_fail(WHY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_either_system_are_read() {
        let of = |line: &str| {
            let asked = Asked::of(&line.split_whitespace().map(String::from).collect::<Vec<_>>(), "/tmp");
            format!(
                "{}{}{}",
                asked.templates.join(" "),
                if asked.is_folder { " d" } else { "" },
                if asked.is_name { " u" } else { "" }
            )
        };
        assert_eq!(of(""), "/tmp/tmp.XXXXXXXXXX");
        assert_eq!(of("-t map"), "/tmp/map.XXXXXXXX");
        assert_eq!((of("-dt map"), of("-d -t map.XXXX")), ("/tmp/map.XXXXXXXX d".into(), "/tmp/map.XXXX d".into()));
        assert_eq!((of("-q /vm/a.XXXXXX"), of("-u a.XXX")), ("/vm/a.XXXXXX".into(), "a.XXX u".into()));
        assert_eq!((of("-p /vm a.XXXX"), of("--tmpdir=/vm -d")), ("/vm/a.XXXX".into(), "/vm/tmp.XXXXXXXXXX d".into()));
    }

    #[test]
    fn a_number_stands_in_the_place_of_the_last_letters() {
        assert_eq!((name("/tmp/a.XXXX", 7), name("aXX.map", 12)), ("/tmp/a.0007".into(), "a12.map".into()));
        assert_eq!((name("XaXXX", 1), name("a", 3)), ("Xa001".into(), "a3".into()));
    }
}
