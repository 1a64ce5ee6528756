//! zfs snapshot, rollback, clone, hold and release: zfs_main.c, and zfs_snapshot_nvl, zfs_rollback and zfs_clone of libzfs_dataset.c.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{self, Expected};
use super::pools::{Dataset, Kind, Pools};
use super::{admitted, destroy, error, open, options, parents, permitted, properties, usage};
use crate::exit::{Exit, Step};

/// Runs zfs snapshot: all that are named at one moment, or none.
pub(super) fn snapshot(mut pools: Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("snapshot", "ro:", args)?;
    let values = properties::given(&words.values('o'))?;
    if words.operands.is_empty() {
        return Err(usage("snapshot", "missing snapshot argument"));
    }
    let mut wanted: Vec<String> = Vec::new();
    for name in words.operands {
        let Some((head, tag)) = name.split_once('@') else {
            return Err(error(&format!("cannot snapshot '{name}'"), "missing '@' delimiter in snapshot name"));
        };
        open(&pools, head, Expected::Head)?;
        let below = pools.all().iter().filter(|one| words.has('r') && one.kind != Kind::Snapshot && one.is_below(head));
        wanted.extend(below.map(|one| format!("{}@{tag}", one.name)));
        wanted.push(name.clone());
    }
    check_new(&pools, &wanted)?;
    for name in &wanted {
        pools.add(Dataset::new(Kind::Snapshot, name, values.clone()));
        let head = name.split('@').next().unwrap_or(name);
        let size = pools.get(head).and_then(|head| head.values.get("volsize")).cloned();
        size.into_iter().for_each(|size| pools.set(name, "volsize", &size));
        pools.copy(head, name)?;
    }
    pools.write()?;
    Ok(0)
}

/// What stands in the way of new snapshots.
fn check_new(pools: &Pools<'_>, wanted: &[String]) -> Step<()> {
    let action = |name: &str| format!("cannot create snapshot '{name}'");
    for name in wanted {
        names::check(name, Expected::Snapshot, true).map_err(|why| error(&action(name), why))?;
    }
    let heads: BTreeSet<&str> = wanted.iter().filter_map(|name| name.split('@').next()).collect();
    let pools_of: BTreeSet<&str> = heads.iter().filter_map(|head| head.split('/').next()).collect();
    // lzc_snapshot takes those of one pool, and has the same errno (EXDEV) for others: libzfs tells both in these words.
    if heads.len() < wanted.len() || pools_of.len() > 1 {
        return Err(error("cannot create snapshots ", "multiple snapshots of same fs not allowed"));
    }
    for name in wanted {
        permitted(&action(name))?;
        let why = if pools.get(name).is_some() {
            "dataset already exists"
        } else if pools.is_read_only(name) {
            "pool is read-only"
        } else if !has_space(pools, name) {
            "out of space"
        } else {
            continue;
        };
        return Err(error(&action(name), why));
    }
    Ok(())
}

/// A snapshot of what has a reservation is made only if what it keeps fits beside that (zfsprops(7), refreservation).
fn has_space(pools: &Pools<'_>, name: &str) -> bool {
    let Some(head) = pools.get(name.split('@').next().unwrap_or(name)) else { return true };
    head.number("refreservation") == 0 || pools.referenced(head) <= pools.available(&head.name)
}

/// Runs zfs rollback.
pub(super) fn rollback(mut pools: Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("rollback", "rRf", args)?;
    let [name] = words.operands else {
        let what = if words.operands.is_empty() { "missing dataset argument" } else { "too many arguments" };
        return Err(usage("rollback", what));
    };
    let snapshot = open(&pools, name, Expected::Snapshot)?.clone();
    let head = snapshot.head().to_string();
    let newer: Vec<String> = pools
        .snapshots(&head)
        .into_iter()
        .filter(|one| one.number("createtxg") > snapshot.number("createtxg"))
        .map(|one| one.name.clone())
        .collect();
    if !newer.is_empty() && !words.has('r') && !words.has('R') {
        return Err(Exit::new(
            1,
            format!(
                "cannot rollback to '{name}': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the \
             following snapshots and bookmarks:\n{}",
                newer.join("\n")
            ),
        ));
    }
    let clones: Vec<String> = newer.iter().flat_map(|one| pools.clones(one)).map(|one| one.name.clone()).collect();
    if !clones.is_empty() && !words.has('R') {
        return Err(Exit::new(
            1,
            format!(
                "cannot rollback to '{name}': clones of previous snapshots exist\nuse '-R' to force deletion of the following \
             clones and dependents:\n{}",
                clones.join("\n")
            ),
        ));
    }
    permitted(&format!("cannot rollback '{head}'"))?;
    let gone: Vec<String> = clones.into_iter().chain(newer).collect();
    destroy::refuse(&pools, &gone)?;
    pools.remove(&gone)?;
    let size = snapshot.values.get("volsize").cloned();
    size.into_iter().for_each(|size| pools.set(&head, "volsize", &size));
    pools.copy(name, &head)?;
    pools.write()?;
    Ok(0)
}

/// Runs zfs clone.
pub(super) fn clone(mut pools: Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("clone", "o:pu", args)?;
    let values = properties::given(&words.values('o'))?;
    let [from, name] = words.operands else {
        let what = match words.operands.len() {
            0 => "missing source dataset argument",
            1 => "missing target dataset argument",
            _ => "too many arguments",
        };
        return Err(usage("clone", what));
    };
    let origin = open(&pools, from, Expected::Snapshot)?.clone();
    let action = format!("cannot create '{name}'");
    names::check(name, Expected::Filesystem, true).map_err(|why| error(&action, why))?;
    for ancestor in pools.missing_parents(name).into_iter().filter(|_| words.has('p')) {
        parents(&pools, &ancestor)?;
        pools.add(Dataset::new(Kind::Filesystem, &ancestor, BTreeMap::new()));
    }
    parents(&pools, name)?;
    let kind = pools.get(origin.head()).map_or(Kind::Filesystem, |head| head.kind);
    properties::check(kind, &values).map_err(|why| error(&action, why))?;
    if from.split('/').next() != name.split('/').next() {
        return Err(error(&action, "source and target pools differ"));
    }
    permitted(&action)?;
    if pools.get(name).is_some() {
        return Err(error(&action, "dataset already exists"));
    }
    admitted(&pools, name, 0)?;
    let mut values = values;
    values.insert("origin".into(), from.clone());
    for key in ["volsize", "volblocksize"] {
        let value = origin.values.get(key).or_else(|| pools.get(origin.head())?.values.get(key)).cloned();
        value.into_iter().for_each(|value| drop(values.insert(key.into(), value)));
    }
    pools.add(Dataset::new(kind, name, values));
    pools.make_device(name)?;
    pools.copy(from, name)?;
    pools.write()?;
    Ok(0)
}

/// Runs zfs hold.
pub(super) fn hold(pools: Pools<'_>, args: &[String]) -> Step<u8> {
    tags(pools, "hold", args, &|holds, tag, name| {
        if holds.insert(tag.into()) {
            return Ok(());
        }
        Err(error(&format!("cannot hold snapshot '{name}'"), "tag already exists on this dataset"))
    })
}

/// Runs zfs release.
pub(super) fn release(pools: Pools<'_>, args: &[String]) -> Step<u8> {
    tags(pools, "release", args, &|holds, tag, name| {
        if holds.remove(tag) {
            return Ok(());
        }
        Err(error(&format!("cannot release hold from snapshot '{name}'"), "no such tag on this dataset"))
    })
}

type Change<'a> = &'a dyn Fn(&mut BTreeSet<String>, &str, &str) -> Step<()>;

fn tags(mut pools: Pools<'_>, command: &str, args: &[String], change: Change<'_>) -> Step<u8> {
    let words = options(command, "r", args)?;
    let Some((tag, names)) = words.operands.split_first().filter(|(_, names)| !names.is_empty()) else {
        return Err(usage(command, "missing tag or snapshot argument"));
    };
    for name in names {
        let there = open(&pools, name, Expected::Snapshot)?;
        let text = there.values.get("holds").cloned().unwrap_or_default();
        let mut holds: BTreeSet<String> = text.split(',').filter(|tag| !tag.is_empty()).map(str::to_string).collect();
        change(&mut holds, tag, name)?;
        pools.set(name, "holds", &holds.into_iter().collect::<Vec<_>>().join(","));
    }
    pools.write()?;
    Ok(0)
}
