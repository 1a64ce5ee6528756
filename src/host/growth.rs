//! How a disk gets larger, and what stands against it: it never gets smaller, and zfs(8) is not asked for what it refuses.

use super::Host;
use super::disks::DiskChange;
use super::volumes::{self, VolumeFact};
use crate::diag::Fault;
use crate::image::content::{Content, HEAD, content};
use crate::model::Size;
use crate::model::volume::VolumeName;
use std::path::Path;

/// Why a disk does not get a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ungrown {
    /// It has more: the end would be cut off. The way out is up to who asks.
    Smaller(Fault, Size),
    /// It is no size for it, or there is no space.
    Size(Fault),
    /// The disk is none that has a size of its own: what it is instead.
    Content(Content),
    /// Something else is wrong with it.
    Disk(Fault),
}

/// Returns what gives a file of so many bytes another size; nothing where it has that.
pub(crate) fn of_file(
    host: &dyn Host,
    path: &Path,
    now: Size,
    has_data: bool,
    size: Size,
) -> Result<Option<DiskChange>, Ungrown> {
    if now == size {
        return Ok(None);
    }
    let head = if has_data { host.read(path, HEAD).ok() } else { None };
    if let Some(found) = head.and_then(|head| content(&head))
        && matches!(found, Content::Disk(_) | Content::Packed(..))
    {
        return Err(Ungrown::Content(found));
    }
    if now > size && has_data {
        let fault = Fault::new(format!("{} has data and {}: {size} would cut it off", path.display(), now.rough()));
        return Err(Ungrown::Smaller(fault, now));
    }
    Ok(Some(DiskChange::ResizeFile { path: path.into(), size }))
}

/// Returns what gives a volume a larger size; nothing where it has that. With `asks_space` it is found out whether there is room for it.
pub(crate) fn of_volume(
    host: &dyn Host,
    name: &VolumeName,
    device: &Path,
    fact: &VolumeFact,
    size: Size,
    asks_space: bool,
) -> Result<Option<DiskChange>, Ungrown> {
    if fact.size == size {
        return Ok(None);
    }
    if fact.size > size {
        let fault = Fault::new(format!("{name} has {}: {size} would cut off its end", fact.size.rough()));
        return Err(Ungrown::Smaller(fault, fact.size));
    }
    if !size.get().is_multiple_of(fact.block.get()) {
        let fault = Fault::new(format!("{size} does not end with a whole block of {name}, which has {}", fact.block));
        let whole = size.get().checked_next_multiple_of(fact.block.get()).map(Size::bytes);
        return Err(Ungrown::Size(fault.maybe_hint(whole.map(|whole| format!("{whole} does")))));
    }
    let more = if fact.reserved == fact.size { size.get() - fact.size.get() } else { 0 };
    if asks_space {
        let way_out = format!("`zfs set refreservation=none {name}` reserves none");
        has_space(host, name, Size::bytes(more), &way_out)?;
    }
    Ok(Some(DiskChange::GrowVolume { name: name.clone(), device: device.into(), size }))
}

/// Refuses what the pool has no space for.
pub(crate) fn has_space(host: &dyn Host, name: &VolumeName, needed: Size, way_out: &str) -> Result<(), Ungrown> {
    let free = volumes::parent(host, name).map_err(Ungrown::Disk)?.map(|parent| parent.free);
    let Some(free) = free.filter(|free| *free < needed) else { return Ok(()) };
    let fault =
        Fault::host(format!("{name} needs {}, and {} has {} left", needed.rough(), name.parent(), free.rough()));
    Err(Ungrown::Size(fault.hint(way_out)))
}
