//! The text of a recipe whose disks are elsewhere: literals that say where, and for one that was a file and is a volume now, or the other
//! way around, the word that makes it.

use super::shown;
use crate::diag::{Fault, Place, Source};
use crate::image::archive::Home;
use crate::model::volume::{Volume, whole_blocks};
use crate::script::edit::{WrittenCall, calls, replaced, rewritten, sizes};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

/// The words that make disks.
const FILE_WORD: &str = "disk";
const VOLUME_WORD: &str = "zvol";

/// A disk that is elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    /// Where it was.
    pub old: &'a Home,
    /// Where it is.
    pub new: &'a Home,
    /// Where this host has the devices of volumes.
    pub zvols: &'a Path,
}

/// What is written in the place of which stretch.
type Edit = (Range<usize>, String);

/// Returns the text with all of them; one of which it says nothing is a fault.
pub(super) fn text(text: &str, changes: &[Change<'_>]) -> Result<String, Fault> {
    let calls = calls(text, &[FILE_WORD, VOLUME_WORD]);
    let mut edits: Vec<Edit> = Vec::new();
    for change in changes {
        let of_calls: Vec<Edit> = calls.iter().flat_map(|call| change.of_call(text, call)).collect();
        let is_said = !of_calls.is_empty() || !rewritten(text, &|written| change.literal(written)).is_empty();
        if !is_said && !says(text, change.new) {
            let fault = Fault::new(format!("the recipe says {} by no literal that can be replaced", shown(change.old)));
            return Err(fault.hint("import it without --disks, or have it say that as one text, where it was exported"));
        }
        edits.extend(of_calls);
    }
    let literals = rewritten(text, &|written| changes.iter().find_map(|change| change.literal(written)));
    let is_free = |(span, _): &Edit| edits.iter().all(|(taken, _)| span.end <= taken.start || taken.end <= span.start);
    let free: Vec<Edit> = literals.into_iter().filter(is_free).collect();
    edits.extend(free);
    against_left(text, &edits, changes)?;
    Ok(replaced(text, &edits))
}

/// Refuses a recipe which, with all edits made, has a place of old in a text, where nobody knows what it is for: here it would be
/// nothing, or another machine's.
fn against_left(text: &str, edits: &[Edit], changes: &[Change<'_>]) -> Result<(), Fault> {
    let is_new = |written: &str| changes.iter().any(|change| written == shown(change.new));
    let is_left = |change: &Change<'_>, written: &str| !is_new(written) && change.is_in(written);
    let is_edited = |span: &Range<usize>| edits.iter().any(|(other, _)| other == span);
    for change in changes {
        let said = rewritten(text, &|written| is_left(change, written).then(String::new));
        if let Some((span, _)) = said.into_iter().find(|(span, _)| !is_edited(span)) {
            let source = Rc::new(Source { name: String::new(), text: text.into() });
            let (line, column) = Place { source, span }.line_column();
            let (old, new) = (shown(change.old), shown(change.new));
            let fault = Fault::new(format!("the recipe would still say {old} at {line}:{column}, which is {new} here"));
            return Err(fault.hint("import it without --disks, or have it not say that there, where it was exported"));
        }
    }
    Ok(())
}

/// Whether a recipe says a place already.
fn says(text: &str, home: &Home) -> bool {
    let is_it = |written: &str| (written == shown(home)).then(String::new);
    !rewritten(text, &is_it).is_empty()
}

impl Change<'_> {
    /// Returns what a literal says instead, if it is where the disk was: as a whole path, from the folder of the recipe on, or as a device.
    fn literal(&self, written: &str) -> Option<String> {
        match (self.old, self.new) {
            (Home::File(old), new) => is_path(written, old).then(|| self.path(new)),
            (Home::Volume(old), Home::Volume(new)) => {
                let folder = self.folder_of_device(written, old).or((written == old.name.as_str()).then_some(""))?;
                Some(format!("{folder}{}", new.name))
            }
            // A bare name of a volume is an argument of what takes no file.
            (Home::Volume(old), Home::File(_)) => self.folder_of_device(written, old).map(|_| self.path(self.new)),
        }
    }

    /// Returns the folder of a literal that is the device of a volume: where this host has them, or any system.
    fn folder_of_device<'a>(&self, written: &'a str, volume: &Volume) -> Option<&'a str> {
        let folder = written.strip_suffix(volume.name.as_str())?;
        self.has_devices(folder).then_some(folder)
    }

    fn has_devices(&self, folder: &str) -> bool {
        folder.ends_with('/') && (folder.starts_with("/dev/") || Path::new(folder) == self.zvols)
    }

    /// Whether a literal has in it where the disk was: as a whole, or as a part of a path or of a text.
    fn is_in(&self, written: &str) -> bool {
        let old = shown(self.old);
        written.match_indices(&old).any(|(at, _)| {
            let before = path_before(written.get(..at).unwrap_or_default());
            let begins = match self.old {
                // An option of one letter may stand before it.
                Home::File(_) => before.is_empty() || before.starts_with('-'),
                Home::Volume(_) => before.is_empty() || self.has_devices(before),
            };
            begins && !goes_on(written.get(at + old.len()..).unwrap_or_default())
        })
    }

    /// Returns the path by which a machine has it.
    fn path(&self, home: &Home) -> String {
        match home {
            Home::File(path) => path.display().to_string(),
            Home::Volume(volume) => self.zvols.join(volume.name.as_str()).display().to_string(),
        }
    }

    /// Returns what a call becomes that makes the disk, if that is of the other kind now.
    fn of_call(&self, text: &str, call: &WrittenCall) -> Vec<Edit> {
        let written = text.get(call.first.clone()).unwrap_or_default();
        match (self.old, self.new, &call.second) {
            (Home::File(old), Home::Volume(new), Some(size)) if is_path(written, old) => {
                // As a file did, it takes what is written to it.
                let is_free =
                    text.get(call.rest.clone()).is_some_and(|rest| rest.trim_matches([',', ' ', '\n']).is_empty());
                let options = is_free.then(|| (call.rest.clone(), ", #{ sparse: true }".to_string()));
                let all = [(call.word.clone(), VOLUME_WORD.into()), (call.first.clone(), new.name.to_string())];
                all.into_iter().chain(size_of(text, size)).chain(options).collect()
            }
            (Home::Volume(old), Home::File(new), _)
                if written == old.name.as_str() || self.folder_of_device(written, old).is_some() =>
            {
                let all = [
                    (call.word.clone(), FILE_WORD.into()),
                    (call.first.clone(), new.display().to_string()),
                    // What a volume has for options a file has not.
                    (call.rest.clone(), String::new()),
                ];
                all.into()
            }
            _ => Vec::new(),
        }
    }
}

/// Returns the beginning of the path, or of the name, in whose midst a text ends.
fn path_before(text: &str) -> &str {
    let is_gap = |c: char| !(c.is_alphanumeric() || "_-./".contains(c));
    let path = text.rsplit(is_gap).next().unwrap_or_default();
    // What follows a backslash is a part of the escape.
    if text.strip_suffix(path).is_some_and(|rest| rest.ends_with('\\')) { path.get(1..).unwrap_or(path) } else { path }
}

/// Whether a name goes on with a text: `.old` does, and the end of a sentence does not.
fn goes_on(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.trim_start_matches(['-', '.', ':']).starts_with(is_part)
}

/// Whether a literal is the path of a file: as a whole, or from the folder of the recipe on.
fn is_path(written: &str, file: &Path) -> bool {
    !written.is_empty() && (Path::new(written) == file || !written.starts_with('/') && file.ends_with(written))
}

/// Returns the size that a volume has in place of one that does not end with a whole block.
fn size_of(text: &str, argument: &Range<usize>) -> Option<Edit> {
    let is_it = |span: &Range<usize>| argument.start <= span.start && span.end <= argument.end;
    let written = sizes(text).into_iter().find(|size| is_it(&size.span))?;
    let is_alone = text.get(argument.clone())?.trim() == text.get(written.span.clone())?;
    let whole = whole_blocks(written.size).filter(|whole| is_alone && *whole != written.size)?;
    Some((written.span.clone(), written.written(whole)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;

    fn volume(name: &str) -> Home {
        let (name, size) = (name.parse().unwrap(), Size::bytes(1 << 20));
        Home::Volume(Volume { name, size, block: None, is_sparse: true, compression: None, encryption: None })
    }

    fn changed(from: &str, old: &Home, new: &Home) -> Result<String, String> {
        let change = Change { old, new, zvols: Path::new("/dev/zvol") };
        text(from, &[change]).map_err(|fault| fault.message)
    }

    #[test]
    fn a_file_becomes_a_volume_in_every_place_that_says_it() {
        let (old, new) = (Home::File("/vm/web.img".into()), volume("tank/vm/web"));
        for (from, to) in [
            ("disk(\"/vm/web.img\", 20.GiB)", "zvol(\"tank/vm/web\", 20.GiB, #{ sparse: true })"),
            ("disk(`web.img`, size,)", "zvol(`tank/vm/web`, size, #{ sparse: true })"),
            (
                "disk(\"/vm/web.img\", 1_000_000 /* bytes */)",
                "zvol(\"tank/vm/web\", 1_000_000 /* bytes */, #{ sparse: true })",
            ),
            ("disk(\"/vm/web.img\", 1000000)", "zvol(\"tank/vm/web\", 1015808, #{ sparse: true })"),
            ("disk(\"/vm/web.img\")", "disk(\"/dev/zvol/tank/vm/web\")"),
            (
                "#{ \"4\": virtio_blk(\"/vm/web.img\") } // /vm/web.img",
                "#{ \"4\": virtio_blk(\"/dev/zvol/tank/vm/web\") } // /vm/web.img",
            ),
            (
                "disk(\"/vm/web.img\", 1.GiB); exists(\"/vm/web.img\")",
                "zvol(\"tank/vm/web\", 1.GiB, #{ sparse: true }); exists(\"/dev/zvol/tank/vm/web\")",
            ),
            ("zvol(\"tank/vm/web\", 1.GiB)", "zvol(\"tank/vm/web\", 1.GiB)"),
        ] {
            assert_eq!(changed(from, &old, &new), Ok(to.into()), "{from}");
        }
        let none = "the recipe says /vm/web.img by no literal that can be replaced";
        for from in ["disk(\"/vm/\" + name + \".img\", 20.GiB)", "disk(`/vm/${name}.img`, 20.GiB)", ""] {
            assert_eq!(changed(from, &old, &new), Err(none.into()), "{from}");
        }
    }

    #[test]
    fn a_volume_becomes_a_file_in_every_place_that_says_it() {
        let (old, new) = (volume("zroot/vm/web"), Home::File("/vm/web.img".into()));
        for (from, to) in [
            (
                "zvol(\"zroot/vm/web\", 20.GiB, #{ sparse: true, volblocksize: \"64K\" })",
                "disk(\"/vm/web.img\", 20.GiB)",
            ),
            ("zvol(`zroot/vm/web`, size)", "disk(`/vm/web.img`, size)"),
            ("disk(\"/dev/zvol/zroot/vm/web\", 20.GiB, #{})", "disk(\"/vm/web.img\", 20.GiB)"),
            ("virtio_blk(\"/dev/zvol/zroot/vm/web\")", "virtio_blk(\"/vm/web.img\")"),
        ] {
            assert_eq!(changed(from, &old, &new), Ok(to.into()), "{from}");
        }
        let none = "the recipe says zroot/vm/web by no literal that can be replaced";
        for from in ["zvol(pool + \"/vm/web\", 20.GiB)", "clone_of(\"zroot/vm/web\")", "zvol(\"zroot/vm/web2\", 1.GiB)"]
        {
            assert_eq!(changed(from, &old, &new), Err(none.into()), "{from}");
        }
    }

    #[test]
    fn a_place_of_old_that_is_left_over_is_refused_with_where_it_is() {
        let (file, volume) = (Home::File("/vm/web.img".into()), volume("zroot/vm/web"));
        let left = |from: &str, old: &Home, new: &Home| {
            let change = Change { old, new, zvols: Path::new("/dev/zvol") };
            text(from, &[change]).err().map(|fault| (fault.message, fault.hint.unwrap_or_default()))
        };
        let hint = "import it without --disks, or have it not say that there, where it was exported";
        for said in [
            "zroot/vm/web",
            "zroot/vm/web@clean",
            "zfs destroy zroot/vm/web.",
            "host:zroot/vm/web",
            "a\\nzroot/vm/web",
            "dd of=/dev/zvol/zroot/vm/web",
        ] {
            let from = format!("zvol(\"zroot/vm/web\", 1.MiB);\nrun(\"x\", `{said}`)");
            let message = "the recipe would still say zroot/vm/web at 2:11, which is /vm/web.img here";
            assert_eq!(left(&from, &volume, &file), Some((message.into(), hint.into())), "{said}");
        }
        for said in ["cp /vm/web.img /backup", "-f/vm/web.img", "--to=/vm/web.img", "file:/vm/web.img,ro"] {
            let from = format!("disk(\"/vm/web.img\", 1.MiB);\nrun(\"x\", [\"{said}\"])");
            let message = "the recipe would still say /vm/web.img at 2:12, which is zroot/vm/web here";
            assert_eq!(left(&from, &file, &volume), Some((message.into(), hint.into())), "{said}");
        }
        for other in ["zroot/vm/web2", "zroot/vm/web-data", "tank/zroot/vm/web", "zroot/vm/web.old"] {
            let from = format!("zvol(\"zroot/vm/web\", 1.MiB); x(\"{other}\")");
            assert_eq!(left(&from, &volume, &file), None, "{other}");
        }
        for other in ["/vm/web.img.old", "/other/vm/web.img", "web"] {
            let from = format!("disk(\"/vm/web.img\", 1.MiB); x(\"{other}\")");
            assert_eq!(left(&from, &file, &volume), None, "{other}");
        }
    }
}
