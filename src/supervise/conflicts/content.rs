//! What is in the files that a machine names: what QEMU or bhyve would take for something else is refused.

use crate::diag::Fault;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Host};
use crate::image::content::{Content, HEAD, content};
use crate::model::DevicePath;
use crate::model::device::Access;
use crate::supervise::holds::replaced;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A disk or a CD.
    Image(Access),
    /// The firmware's code, or its variables: what they are called.
    Firmware(&'static str),
}

/// Returns what speaks against a file that is there, by its first bytes. What the run writes itself before is right.
pub(super) fn against(host: &dyn Host, path: &DevicePath, used: Use) -> Option<Fault> {
    if host.is_assumed() || is_made(host, path) {
        return None;
    }
    if let Use::Firmware(what) = used
        && host.file(path.as_path())?.size.is_some_and(|size| size.get() == 0)
    {
        let fault = Fault::new(format!("the firmware's {what} {path} is empty"));
        return Some(fault.hint("copy the file anew that came with the firmware"));
    }
    // What may not be read is for whoever runs the machine to open.
    let head = host.read(path.as_path(), HEAD).ok()?;
    fault_of(path, content(&head)?, used)
}

/// Returns the fault of a file in the cache that a guest would write to: it is known there by its content, to every other machine too.
pub(super) fn against_writing(host: &dyn Host, path: &DevicePath, access: Access) -> Option<Fault> {
    if access == Access::ReadOnly || !path.as_path().starts_with(&host.settings().cache) {
        return None;
    }
    let fault = Fault::new(format!("{path} is in the cache, and a guest that writes to it makes it another file"));
    Some(fault.hint("make a disk of it, as by `qemu-img convert`, or have it only read: `ro: true`"))
}

/// Whether the run writes the file anew, so that what is in it now does not count.
fn is_made(host: &dyn Host, path: &DevicePath) -> bool {
    let makes = |done: &Rehearsed| match done {
        Rehearsed::Effect(Effect::Make { path: made, .. }) => made == path.as_path(),
        Rehearsed::Effect(Effect::Disk(change)) => {
            (change.makes() || change.replaced().is_some()) && change.path() == path.as_path()
        }
        Rehearsed::Effect(effect) => replaced(effect) == Some(path.as_path()),
        Rehearsed::Boot(_) => false,
    };
    host.rehearsal().is_some_and(|rehearsal| rehearsal.done.iter().any(makes))
}

fn fault_of(path: &DevicePath, content: Content, used: Use) -> Option<Fault> {
    let raw = match used {
        Use::Image(_) => "; if the guest wrote what it begins with, say `format: \"raw\"`",
        Use::Firmware(_) => "",
    };
    let (what, hint) = match content {
        Content::Iso if used != Use::Image(Access::ReadWrite) => return None,
        Content::Iso => (
            "is a CD (ISO 9660), and the guest would write to it".into(),
            format!("ahci_cd(\"{path}\") is a CD, and `ro: true` a disk that is only read{raw}"),
        ),
        Content::Disk(format) => (
            format!("is in the format {format}, and is taken byte by byte as it is"),
            format!("qemu-img convert -O raw {path} {}{raw}", converted(path)),
        ),
        Content::Packed(format, program) => {
            (format!("is packed ({format}), and is taken byte by byte as it is"), unpack(path, format, program) + raw)
        }
        Content::Script => ("is a script".into(), format!("name the image that it makes{raw}")),
        Content::Page => {
            ("is a page of the web".into(), format!("fetch the file anew: that is what a server said{raw}"))
        }
    };
    Some(Fault::new(format!("{path} {what}")).hint(hint))
}

/// Returns the name of a disk that is made of another.
fn converted(path: &DevicePath) -> String {
    let raw = path.as_path().with_extension("img");
    let is_same = raw == path.as_path();
    if is_same { format!("{path}.raw") } else { raw.display().to_string() }
}

/// Returns the command that unpacks a file: by itself where its name says what it is.
fn unpack(path: &DevicePath, format: &str, program: &str) -> String {
    let is_archive = matches!(format, "tar" | "zip" | "7z");
    let is_named = path.as_str().ends_with(&format!(".{format}"));
    if is_archive || is_named { format!("{program} {path}") } else { format!("{program}c < {path} > {path}.raw") }
}
