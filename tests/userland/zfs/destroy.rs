//! zfs destroy (zfs-destroy(8)): zfs_do_destroy of zfs_main.c. Nothing that others hang on goes without being named.

use super::names::Expected;
use super::pools::{Dataset, Kind, Pools};
use super::{error, open, options, permitted, usage};
use crate::exit::{Exit, Step};

/// Runs it.
pub(super) fn run(mut pools: Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("destroy", "vpndfrR", args)?;
    let [name] = words.operands else {
        let what = if words.operands.is_empty() { "missing dataset argument" } else { "too many arguments" };
        return Err(usage("destroy", what));
    };
    let (recursive, with_clones) = (words.has('r') || words.has('R'), words.has('R'));
    let gone = match name.split_once('@') {
        Some((head, tag)) => of_snapshots(&pools, head, tag, recursive, with_clones)?,
        None => of_head(&pools, name, recursive, with_clones)?,
    };
    if words.has('n') {
        return Ok(0);
    }
    permitted(&format!("cannot destroy '{name}'"))?;
    refuse(&pools, &gone)?;
    pools.remove(&gone)?;
    Ok(0)
}

/// The snapshots that go, with what is cloned of them.
fn of_snapshots(pools: &Pools<'_>, head: &str, tag: &str, recursive: bool, with_clones: bool) -> Step<Vec<String>> {
    open(pools, head, Expected::Head)?;
    let is_meant = |one: &&Dataset| one.head() == head || recursive && one.is_below(head);
    let snapshots =
        pools.all().iter().filter(|one| one.kind == Kind::Snapshot && one.name.ends_with(&format!("@{tag}")));
    let mut gone: Vec<String> = snapshots.filter(is_meant).map(|one| one.name.clone()).collect();
    if gone.is_empty() {
        return Err(Exit::new(1, "could not find any snapshots to destroy; check snapshot names."));
    }
    for snapshot in gone.clone() {
        let clones = dependents(pools, &snapshot);
        if !with_clones && !clones.is_empty() {
            return Err(has_clones(&snapshot, Kind::Snapshot, &clones));
        }
        gone.extend(clones);
    }
    Ok(gone)
}

/// A filesystem or a volume that goes, with what is below it.
fn of_head(pools: &Pools<'_>, name: &str, recursive: bool, with_clones: bool) -> Step<Vec<String>> {
    let there = open(pools, name, Expected::Head)?;
    if there.is_pool() && !recursive {
        return Err(Exit::new(
            1,
            format!(
                "cannot destroy '{name}': operation does not apply to pools\nuse 'zfs destroy -r {name}' to destroy all \
             datasets in the pool\nuse 'zpool destroy {name}' to destroy the pool itself"
            ),
        ));
    }
    let below: Vec<String> = pools.all().iter().filter(|one| one.is_below(name)).map(|one| one.name.clone()).collect();
    if !recursive && !below.is_empty() {
        let kind = there.kind.word();
        return Err(Exit::new(
            1,
            format!(
                "cannot destroy '{name}': {kind} has children\nuse '-r' to destroy the following datasets:\n{}",
                below.join("\n")
            ),
        ));
    }
    let clones: Vec<String> =
        below.iter().flat_map(|one| dependents(pools, one)).filter(|one| !below.contains(one)).collect();
    if !with_clones && !clones.is_empty() {
        return Err(has_clones(name, there.kind, &clones));
    }
    let own = (!there.is_pool()).then(|| name.to_string());
    Ok(below.into_iter().chain(clones).chain(own).collect())
}

/// The clones of a snapshot, with what is below them and is cloned of that.
fn dependents(pools: &Pools<'_>, snapshot: &str) -> Vec<String> {
    let mut found = Vec::new();
    for clone in pools.clones(snapshot) {
        let below = pools.all().iter().filter(|one| one.is_below(&clone.name));
        for one in below {
            found.extend(dependents(pools, &one.name));
            found.push(one.name.clone());
        }
        found.push(clone.name.clone());
    }
    found
}

fn has_clones(name: &str, kind: Kind, clones: &[String]) -> Exit {
    Exit::new(
        1,
        format!(
            "cannot destroy '{name}': {} has dependent clones\nuse '-R' to destroy the following datasets:\n{}",
            kind.word(),
            clones.join("\n")
        ),
    )
}

/// What the kernel refuses: snapshots that are held, volumes that are open.
pub(super) fn refuse(pools: &Pools<'_>, gone: &[String]) -> Step<()> {
    for one in gone.iter().filter_map(|name| pools.get(name)) {
        let name = &one.name;
        if pools.is_read_only(name) {
            return Err(error(&format!("cannot destroy '{name}'"), "pool is read-only"));
        }
        if one.values.get("holds").is_some_and(|holds| !holds.is_empty()) {
            let why = format!("it's being held. Run 'zfs holds -r {name}' to see holders.");
            return Err(error(&format!("cannot destroy snapshot {name}"), why));
        }
        if one.kind == Kind::Volume && pools.is_open(one) {
            return Err(error(&format!("cannot destroy '{name}'"), "dataset is busy"));
        }
    }
    Ok(())
}
