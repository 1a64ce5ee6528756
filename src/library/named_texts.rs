//! What a recipe's own text names. As soon as a recipe imports a library, everything that its evaluation does is held to this,
//! whoever asks.

use super::protected::{MACHINES, VOLUMES, is_below, is_systems, is_whole};
use crate::model::VmName;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The texts that are written in a recipe, and those that whoever runs it gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct NamedTexts {
    texts: BTreeSet<String>,
    /// Texts that are named as arguments of commands only.
    arguments: BTreeSet<String>,
    /// The folders among them that end in a slash, made plain; those of the system are not among them.
    folders: BTreeSet<PathBuf>,
    /// The same of what is no absolute path, as names of volumes are: with their slash.
    stems: BTreeSet<String>,
    /// All of them as paths.
    paths: BTreeSet<PathBuf>,
}

impl NamedTexts {
    /// Takes texts; `whole` makes a path that begins at the root of one.
    pub(crate) fn extend(&mut self, texts: impl IntoIterator<Item = String>, whole: impl Fn(&str) -> String) {
        for text in texts {
            let path = normalized(Path::new(&whole(&text)));
            let is_folder = text.ends_with('/') && !has_parent(Path::new(&text));
            if is_folder && is_folder_of_its_own(&path) {
                self.folders.insert(path.clone());
            }
            if is_folder && !text.starts_with('/') && text.starts_with(|c: char| c.is_alphanumeric()) {
                self.stems.insert(text.clone());
            }
            self.paths.insert(path);
            self.texts.insert(text);
        }
    }

    /// Takes texts that are named as arguments of commands only: those of the standard library.
    pub(crate) fn extend_arguments(&mut self, texts: impl IntoIterator<Item = String>) {
        self.arguments.extend(texts);
    }

    /// Returns every text that was named.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Returns whether the very text is among them.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.texts.contains(text)
    }

    /// Returns whether a path is among them, in whole or by a folder with its slash, and the folder that names it.
    pub(crate) fn path(&self, path: &Path) -> Option<PathBuf> {
        if is_whole(path) || has_parent(path) && !self.texts.contains(path.to_str()?) {
            return None;
        }
        let path = normalized(path);
        if self.paths.contains(&path) || self.is_volume(&path) {
            return Some(path);
        }
        self.folders.iter().find(|folder| is_below(&path, folder)).cloned()
    }

    /// The device of a volume is named with the volume.
    fn is_volume(&self, path: &Path) -> bool {
        let volume = path.strip_prefix(VOLUMES).ok().and_then(Path::to_str);
        volume.is_some_and(|volume| volume.contains('/') && self.argument(volume))
    }

    /// Returns whether an argument of a command is among them: a number, a text, or one that begins with a folder or with a text
    /// that ends in a slash.
    pub(crate) fn argument(&self, text: &str) -> bool {
        let is_number = || crate::model::Size::written(text).is_ok() || text.parse::<i64>().is_ok();
        let is_plain = || !has_parent(Path::new(text)) && !text.contains("//");
        self.has(text)
            || self.arguments.contains(text)
            || is_number()
            || is_plain() && self.stems.iter().any(|stem| text.starts_with(stem.as_str()))
            || text.starts_with('/') && self.path(Path::new(text)).is_some()
    }
}

/// Returns the machine to which a file in the folder of machines belongs: of all names that are known, the longest that the file's
/// path continues by nothing, `/`, `.` or `-`.
pub(crate) fn owner<'a>(path: &Path, folder: &Path, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if has_parent(path) {
        return None;
    }
    let path = normalized(path);
    let rest = path.strip_prefix(folder).ok()?.to_str()?;
    let is_of = |name: &&str| {
        let rest = rest.strip_prefix(*name);
        name.parse::<VmName>().is_ok() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.', '-']))
    };
    names.filter(is_of).max_by_key(|name| name.len())
}

/// A path without `.`, and with one slash where there are several.
fn normalized(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn has_parent(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// Whether a folder is a permission by its slash: neither the system's, nor one that holds what is not one machine's.
fn is_folder_of_its_own(folder: &Path) -> bool {
    let is_plain = folder.is_absolute() && !has_parent(folder) && folder != Path::new(MACHINES);
    is_plain && !is_whole(folder) && !is_systems(folder)
}

/// Returns whether a folder is a permission where links have been followed.
pub(crate) fn may_be_entered(real: &Path, as_written: &Path) -> bool {
    real == as_written || is_folder_of_its_own(real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(texts: &[&str]) -> NamedTexts {
        let mut named = NamedTexts::default();
        let whole = |text: &str| Path::new("/home/me/recipes").join(text).display().to_string();
        named.extend(texts.iter().map(ToString::to_string), whole);
        named
    }

    #[test]
    fn a_path_is_named_in_whole_or_by_its_folder_with_a_slash() {
        let has = |text: &str, path: &str| named(&[text]).path(Path::new(path)).is_some();
        for (text, path) in [
            ("/data/a.img", "/data/a.img"),
            ("/data//./a.img", "/data/a.img"),
            ("/data/a.img", "/data//a.img"),
            ("/data/", "/data/a.img"),
            ("/data/", "/data/b/a.img"),
            ("/etc/resolv.conf", "/etc/resolv.conf"),
            ("/dev/ada1", "/dev/ada1"),
            ("boot.ipxe", "boot.ipxe"),
            ("boot.ipxe", "/home/me/recipes/boot.ipxe"),
            ("disks/", "/home/me/recipes/disks/a"),
            ("tank/vm/web", "/dev/zvol/tank/vm/web"),
            ("tank/vm/", "/dev/zvol/tank/vm/web"),
            ("/dev/zvol/tank/", "/dev/zvol/tank/web"),
        ] {
            let path_of = if path.starts_with('/') { path.to_string() } else { format!("/home/me/recipes/{path}") };
            assert!(has(text, &path_of), "{text} {path}");
        }
        for (text, path) in [
            ("/data", "/data/a.img"),
            ("/data/", "/database"),
            ("/data/", "/data/../etc/passwd"),
            ("/data/../", "/etc/passwd"),
            ("/", "/etc/passwd"),
            ("//", "/etc/passwd"),
            ("/./", "/etc/passwd"),
            ("/", "/"),
            ("/etc", "/etc"),
            ("/etc/", "/etc/passwd"),
            ("/etc/cron.d/", "/etc/cron.d/x"),
            ("/usr/local/etc/rc.d/", "/usr/local/etc/rc.d/x"),
            ("/var/", "/var/x"),
            ("/var/", "/var/cron/tabs/root"),
            ("/dev/", "/dev/ada0"),
            ("/dev/zvol/", "/dev/zvol/tank/a"),
            ("tank/", "/dev/zvol/other/a"),
            ("/home/", "/home/me/.ssh/id"),
            ("/vm/", "/vm/db.img"),
        ] {
            assert!(!has(text, path), "{text} {path}");
        }
    }

    #[test]
    fn an_argument_is_named_if_it_is_written_or_a_number() {
        let all = named(&["create", "tank/vm/", "/data/", "//"]);
        for text in ["create", "20", "20G", "tank/vm/web", "/data/x"] {
            assert!(all.argument(text), "{text}");
        }
        for text in ["destroy", "tank/db", "tank/vm/../db", "/etc/x", "-r", "tank/vm//x", ""] {
            assert!(!all.argument(text), "{text}");
        }
    }

    #[test]
    fn a_file_belongs_to_the_machine_whose_name_matches_longest() {
        let of = |path: &str| owner(Path::new(path), Path::new("/vm"), ["web", "web-data", "db", "."].into_iter());
        assert_eq!(of("/vm/web"), Some("web"));
        assert_eq!(of("/vm/web.img"), Some("web"));
        assert_eq!(of("/vm//web/disk"), Some("web"));
        assert_eq!(of("/vm/web-1.img"), Some("web"));
        assert_eq!(of("/vm/web-data.img"), Some("web-data"));
        assert_eq!(of("/vm/web/../db.img"), None);
        for path in ["/vm", "/vm/website", "/vm/a.img", "/etc/web", "/vm/.hidden"] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_single_text_without_letters_names_anything(text in "[/. ]{0,12}", path in "/[a-z]{1,8}/[a-z/]{1,12}") {
            prop_assert!(named(&[&text]).path(Path::new(&path)).is_none());
        }

        #[test]
        fn what_is_named_by_a_folder_is_below_it(folder in "/[a-z]{1,3}/", path in "[a-z/.]{0,24}") {
            let path = format!("/{path}");
            if let Some(found) = named(&[&folder]).path(Path::new(&path)) {
                prop_assert!(Path::new(&path).starts_with(found), "{path} {folder}");
            }
        }
    }
}
