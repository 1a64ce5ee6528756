//! zfs(8): datasets, volumes, snapshots and clones, as [`pools`] keeps them. None of it was run on a FreeBSD.
//!
//! Every word and the order of the checks are those of OpenZFS as FreeBSD 15 has it (contrib/openzfs): `cmd/zfs/zfs_main.c`,
//! `lib/libzfs/libzfs_dataset.c` and `libzfs_util.c`, `module/zcommon/zfs_namecheck.c`. What is from the manuals names them; what is
//! neither is marked (k). Usages are cut to one line (k).

use std::collections::BTreeMap;

use crate::exit::{Exit, Step};
use crate::getopt::{self, Words};
use crate::state::{State, is_root};
use names::Expected;
use pools::{Dataset, Kind, Pools};
use properties::{nice, size};

mod destroy;
mod names;
pub(crate) mod pools;
mod properties;
mod rename;
mod show;
mod snapshots;
mod streams;

/// The largest block of a volume: ZPOOL_PROP_MAXBLOCKSIZE of a pool that has `large_blocks`.
const LARGEST_BLOCK: u64 = 16 << 20;
/// `volblocksize` unless somebody says another one (zfsprops(7)).
const USUAL_BLOCK: u64 = 16 << 10;

/// Runs zfs.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let Some((command, args)) = args.split_first() else {
        return Err(Exit::new(2, "missing command\nusage: zfs command args ..."));
    };
    // Who sends may wait for who receives.
    let came = if ["receive", "recv"].contains(&command.as_str()) { streams::taken()? } else { Vec::new() };
    if command == "send" {
        let lock = state.lock()?;
        let stream = streams::send(&Pools::read(state)?, args)?;
        drop(lock);
        return streams::put(&stream);
    }
    let _lock = state.lock()?;
    let pools = Pools::read(state)?;
    match command.as_str() {
        "clone" => snapshots::clone(pools, args),
        "create" => create(pools, args),
        "destroy" => destroy::run(pools, args),
        "get" => show::get(&pools, args),
        "hold" => snapshots::hold(pools, args),
        "list" => show::list(&pools, args),
        "receive" | "recv" => streams::receive(pools, args, &came),
        "release" => snapshots::release(pools, args),
        "rename" => rename::run(pools, args),
        "rollback" => snapshots::rollback(pools, args),
        "set" => set(pools, args),
        "snapshot" | "snap" => snapshots::snapshot(pools, args),
        other => Err(Exit::new(2, format!("unrecognized command '{other}'\nusage: zfs command args ..."))),
    }
}

/// Reads the options of a command.
fn options<'a>(command: &str, letters: &str, args: &'a [String]) -> Step<Words<'a>> {
    getopt::words("zfs", letters, args).map_err(|complaint| {
        let letter = complaint.chars().next_back().unwrap_or('?');
        usage(command, &format!("invalid option '{letter}'"))
    })
}

/// Ends with what is wrong with a call.
fn usage(command: &str, what: &str) -> Exit {
    Exit::new(2, format!("{what}\nusage: zfs {command} ..."))
}

/// Ends with `ACTION: WHY`, as zfs_error does.
fn error(action: &str, why: impl std::fmt::Display) -> Exit {
    Exit::new(1, format!("{action}: {why}"))
}

/// What only root may do, unless `zfs allow` says otherwise (zfs-allow(8)).
fn permitted(action: &str) -> Step<()> {
    if is_root() { Ok(()) } else { Err(error(action, "permission denied")) }
}

/// Opens a dataset of one of these kinds.
fn open<'a>(pools: &'a Pools<'_>, name: &str, expected: Expected) -> Step<&'a Dataset> {
    let action = format!("cannot open '{name}'");
    names::check(name, expected, false).map_err(|why| error(&action, why))?;
    let there = pools.get(name).ok_or_else(|| error(&action, "dataset does not exist"))?;
    if !expected.takes(there.kind) {
        return Err(error(&action, "operation not applicable to datasets of this type"));
    }
    Ok(there)
}

/// What stands in the way of a new dataset, but for space (check_parents).
fn parents(pools: &Pools<'_>, name: &str) -> Step<()> {
    let action = format!("cannot create '{name}'");
    let Some((parent, _)) = name.rsplit_once('/') else { return Err(error(&action, "missing dataset name")) };
    let pool = parent.split('/').next().unwrap_or(parent);
    if pools.get(pool).is_none() {
        return Err(error(&action, format!("no such pool '{pool}'")));
    }
    match pools.get(parent) {
        None => Err(error(&action, "parent does not exist")),
        Some(there) if there.kind != Kind::Filesystem => Err(error(&action, "parent is not a filesystem")),
        Some(_) => Ok(()),
    }
}

/// What the kernel refuses after that: a pool that is read-only, a key that is not loaded, no space.
fn admitted(pools: &Pools<'_>, name: &str, needs: u64) -> Step<()> {
    let action = format!("cannot create '{name}'");
    let (parent, _) = name.rsplit_once('/').unwrap_or((name, ""));
    if pools.is_read_only(name) {
        return Err(error(&action, "pool is read-only"));
    }
    if pools.inherited(parent, "keystatus").is_some_and(|status| status == "unavailable") {
        return Err(error(&action, "encryption root's key is not loaded or provided"));
    }
    if needs > pools.available(parent) {
        return Err(error(&action, "out of space"));
    }
    Ok(())
}

fn create(mut pools: Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("create", ":V:b:o:psnPuv", args)?;
    let volume = words.value('V').map(|text| size("volume size", text)).transpose()?;
    let block = words.value('b').map(|text| size("volume block size", text)).transpose()?;
    if volume.is_none() && (block.is_some() || words.has('s')) {
        return Err(usage("create", "'-s' and '-b' can only be used when creating a volume"));
    }
    let kind = if volume.is_some() { Kind::Volume } else { Kind::Filesystem };
    let mut values = properties::given(&words.values('o'))?;
    let [name] = words.operands else {
        let missing = format!("missing {} argument", kind.word());
        return Err(usage("create", if words.operands.is_empty() { &missing } else { "too many arguments" }));
    };
    let action = format!("cannot create '{name}'");
    let pool = name.split('/').next().unwrap_or(name);
    if kind == Kind::Volume && pools.get(pool).is_none() {
        // zpool_open comes first for a volume.
        return Err(Exit::new(1, format!("cannot open '{pool}': no such pool")));
    }
    properties::check(kind, &values).map_err(|why| error(&action, why))?;
    let mut needs = 0;
    if let Some(volume) = volume {
        let given = values.get("volblocksize").and_then(|text| size("volume block size", text).ok());
        let block = block.or(given).unwrap_or(USUAL_BLOCK);
        block_size(block).map_err(|why| error(&action, why))?;
        // Rounded up, in the way of newer ones; older ones refuse it, in zfs_create.
        let volume = volume.next_multiple_of(block);
        values.insert("volblocksize".into(), block.to_string());
        values.insert("volsize".into(), volume.to_string());
        // A little more than that, for what describes the blocks (zvol_volsize_to_reservation), is left out (k).
        let reserved = if words.has('s') { 0 } else { volume };
        needs = properties::number(&values, "refreservation").unwrap_or(reserved);
        values.insert("refreservation".into(), needs.to_string());
    }
    let expected = if kind == Kind::Volume { Expected::Volume } else { Expected::Filesystem };
    if words.has('p') && pools.get(name).is_some_and(|there| there.kind == kind) {
        return Ok(0);
    }
    names::check(name, expected, true).map_err(|why| error(&action, why))?;
    for ancestor in pools.missing_parents(name).into_iter().filter(|_| words.has('p')) {
        parents(&pools, &ancestor)?;
        permitted(&action)?;
        pools.add(Dataset::new(Kind::Filesystem, &ancestor, BTreeMap::new()));
    }
    parents(&pools, name)?;
    if pools.get(name).is_some() {
        return Err(error(&action, "dataset already exists"));
    }
    if kind == Kind::Volume && properties::number(&values, "volsize") == Some(0) {
        return Err(error(&action, "volume size cannot be zero"));
    }
    permitted(&action)?;
    encrypt(&pools, name, &mut values).map_err(|why| error(&action, why))?;
    admitted(&pools, name, needs)?;
    if words.has('n') {
        return Ok(0);
    }
    pools.add(Dataset::new(kind, name, values));
    pools.make_device(name)?;
    pools.write()?;
    Ok(0)
}

/// Reads the key of a dataset that has one of its own (libzfs_crypto.c, zfs_crypto_create, get_key_material; the words are from memory
/// of that source: k). What is asked for at a terminal is refused here: there is none.
fn encrypt(pools: &Pools<'_>, name: &str, values: &mut BTreeMap<String, String>) -> Result<(), String> {
    let (parent, _) = name.rsplit_once('/').unwrap_or((name, ""));
    let of = |key: &str| values.get(key).cloned();
    let is_below = pools.inherited(parent, "encryption").is_some_and(|cipher| cipher != "off");
    if of("encryption").is_none_or(|cipher| cipher == "off") && !is_below {
        let is_keyed = of("keyformat").or_else(|| of("keylocation")).is_some();
        return if is_keyed { Err("Encryption required to set keyformat or keylocation.".into()) } else { Ok(()) };
    }
    let Some(format) = of("keyformat") else {
        return if is_below { Ok(()) } else { Err("Keyformat required for new encryption root.".into()) };
    };
    let location = of("keylocation").unwrap_or_else(|| "prompt".into());
    let Some(file) = location.strip_prefix("file://") else { return Err("no terminal to ask at (k)".into()) };
    let key = std::fs::read(file).map_err(|_| "Failed to open key material file: No such file or directory")?;
    if format == "raw" && key.len() != 32 {
        let how = if key.len() < 32 { "short" } else { "long" };
        return Err(format!("Raw key too {how} (expected 32)."));
    }
    values.insert("keystatus".into(), "available".into());
    Ok(())
}

fn block_size(block: u64) -> Result<(), String> {
    if (512..=LARGEST_BLOCK).contains(&block) && block.is_power_of_two() {
        return Ok(());
    }
    Err(format!("'volblocksize' must be power of 2 from 512B to {}", nice(LARGEST_BLOCK)))
}

fn set(mut pools: Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("set", "u", args)?;
    let (settings, names): (Vec<&String>, Vec<&String>) = words.operands.iter().partition(|word| word.contains('='));
    if settings.is_empty() {
        return Err(usage("set", "missing property=value argument(s)"));
    }
    if names.is_empty() {
        return Err(usage("set", "missing dataset name(s)"));
    }
    let settings: Vec<&str> = settings.into_iter().map(String::as_str).collect();
    let values = properties::given(&settings)?;
    for name in names {
        let kind = open(&pools, name, Expected::Any)?.kind;
        let action = format!("cannot set property for '{name}'");
        properties::check(kind, &values).map_err(|why| error(&action, why))?;
        permitted(&action)?;
        for (key, value) in &values {
            set_one(&mut pools, name, key, value).map_err(|why| error(&action, why))?;
        }
    }
    pools.write()?;
    Ok(0)
}

fn set_one(pools: &mut Pools<'_>, name: &str, key: &str, value: &str) -> Result<(), String> {
    let there = pools.get(name).cloned().unwrap_or_else(|| Dataset::new(Kind::Volume, name, BTreeMap::new()));
    if pools.is_read_only(name) {
        return Err("pool is read-only".into());
    }
    let volume = properties::number(&there.values, "volsize").unwrap_or(0);
    let reserved = properties::number(&there.values, "refreservation").unwrap_or(0);
    let number = properties::bytes(value);
    match (key, number) {
        ("volblocksize", _) => Err("'volblocksize' is readonly".into()),
        ("volsize", Some(wanted)) => {
            let block = properties::number(&there.values, "volblocksize").unwrap_or(USUAL_BLOCK);
            if wanted % block != 0 {
                return Err(format!("'volsize' must be a multiple of volume block size ({})", nice(block)));
            }
            if wanted == 0 {
                return Err("'volsize' cannot be zero".into());
            }
            // What is reserved follows, if it was as large as the volume (zfs_add_synthetic_resv).
            if reserved == volume {
                reserve(pools, name, reserved, wanted)?;
            }
            pools.set(name, "volsize", &wanted.to_string());
            pools.resize_device(name, wanted).map_err(|error| error.to_string())
        }
        // As large as the volume (zfsprops(7), refreservation).
        ("refreservation", None) if value == "auto" => reserve(pools, name, reserved, volume),
        ("refreservation", Some(wanted)) => reserve(pools, name, reserved, wanted),
        (_, Some(number)) if properties::is_size(key) => {
            pools.set(name, key, &number.to_string());
            Ok(())
        }
        _ => {
            pools.set(name, key, value);
            Ok(())
        }
    }
}

fn reserve(pools: &mut Pools<'_>, name: &str, reserved: u64, wanted: u64) -> Result<(), String> {
    if wanted > reserved && wanted - reserved > pools.available(name) {
        return Err("size is greater than available space".into());
    }
    pools.set(name, "refreservation", &wanted.to_string());
    Ok(())
}
