//! zfs rename (zfs-rename(8)) of volumes: zfs_do_rename of zfs_main.c, zfs_rename of libzfs_dataset.c. Of filesystems and snapshots it is
//! not here.

use super::names::{self, Expected};
use super::pools::{Kind, Pools};
use super::{error, open, options, parents, permitted, usage};
use crate::exit::Step;

/// Runs it.
pub(super) fn run(mut pools: Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("rename", "fpur", args)?;
    let [from, to] = words.operands else {
        let what = match words.operands.len() {
            0 => "missing source dataset argument",
            1 => "missing target dataset argument",
            _ => "too many arguments",
        };
        return Err(usage("rename", what));
    };
    open(&pools, from, Expected::Volume)?;
    let target = format!("cannot rename to '{to}'");
    names::check(to, Expected::Volume, true).map_err(|why| error(&target, why))?;
    parents(&pools, to)?;
    let pool = |name: &str| name.split('/').next().map(str::to_string);
    if pool(from) != pool(to) {
        return Err(error(&target, "datasets must be within same pool"));
    }
    let action = format!("cannot rename '{from}'");
    permitted(&action)?;
    if pools.get(to).is_some() {
        return Err(error(&action, "dataset already exists"));
    }
    if pools.is_read_only(from) {
        return Err(error(&action, "pool is read-only"));
    }
    if pools.get(from).is_some_and(|one| one.kind == Kind::Volume && pools.is_open(one)) {
        return Err(error(&action, "dataset is busy"));
    }
    pools.rename(from, to)?;
    Ok(0)
}
