//! zfs send and zfs receive (zfs-send(8), zfs-receive(8)) of whole volumes: zfs_do_send and zfs_do_receive of zfs_main.c, dump_ioctl,
//! zfs_receive_impl and zfs_receive_one of libzfs_sendrecv.c, whose words and order of checks these are.
//!
//! The stream is none of OpenZFS's: a line that begins it, what it is of, each stretch of data with its place and length, and a sum. One
//! that is received is there when it has ended (k): a real one is seen before, and goes if it does not end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;

use super::names::{self, Expected};
use super::pools::{Dataset, Kind, Pools};
use super::{error, open, options, permitted, properties, usage};
use crate::exit::{Exit, Step};

/// How a stream begins.
const MAGIC: &[u8] = b"a fake stream of zfs\n";
/// What every refusal of a whole stream begins with.
const ACTION: &str = "cannot receive new filesystem stream";
/// In which pieces a volume is sent.
const PIECE: usize = 64 << 10;
/// What stands where a stream ends.
const END: u64 = u64::MAX;

/// Makes the stream of a snapshot.
pub(super) fn send(pools: &Pools<'_>, args: &[String]) -> Step<Vec<u8>> {
    let words = options("send", "cwvnP", args)?;
    let [name] = words.operands else {
        let what = if words.operands.is_empty() { "missing snapshot argument" } else { "too many arguments" };
        return Err(usage("send", what));
    };
    let snapshot = open(pools, name, Expected::Snapshot)?;
    let head = open(pools, snapshot.head(), Expected::Volume)?;
    let of = |key: &str| pools.inherited(&head.name, key);
    let is_encrypted = of("encryption").is_some_and(|cipher| cipher != "off");
    if is_encrypted && !words.has('w') && of("keystatus").is_some_and(|status| status == "unavailable") {
        return Err(error(&format!("warning: cannot send '{name}'"), "source key must be loaded"));
    }
    permitted(&format!("warning: cannot send '{name}'"))?;
    let raw = if is_encrypted && words.has('w') { of("encryption") } else { None };
    let mut text = format!("volsize={}\tvolblocksize={}", snapshot.number("volsize"), head.number("volblocksize"));
    raw.iter().for_each(|cipher| text += &format!("\tencryption={cipher}"));
    let mut bytes = [MAGIC, text.as_bytes(), b"\n"].concat();
    let file = File::open(pools.data(snapshot))?;
    let mut piece = vec![0; PIECE];
    for at in (0..snapshot.number("volsize")).step_by(PIECE) {
        let length = PIECE.min(usize::try_from(snapshot.number("volsize") - at).unwrap_or(PIECE));
        file.read_exact_at(&mut piece[..length], at)?;
        if piece[..length].iter().any(|byte| *byte != 0) {
            bytes.extend(at.to_le_bytes());
            bytes.extend((length as u64).to_le_bytes());
            bytes.extend(&piece[..length]);
        }
    }
    bytes.extend(END.to_le_bytes());
    let sum = sum(&bytes);
    bytes.extend(sum.to_le_bytes());
    Ok(bytes)
}

/// Adds up a stream: its order counts.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

/// Takes what is written for zfs receive, before anything is asked.
pub(super) fn taken() -> Step<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a stream out.
pub(super) fn put(bytes: &[u8]) -> Step<u8> {
    std::io::stdout().write_all(bytes)?;
    Ok(0)
}

/// Makes a volume of a stream.
pub(super) fn receive(mut pools: Pools<'_>, args: &[String], stream: &[u8]) -> Step<u8> {
    let words = options("receive", "uo:x:Fsvn", args)?;
    let mut values = properties::given(&words.values('o'))?;
    let [target] = words.operands else {
        let what = if words.operands.is_empty() { "missing snapshot argument" } else { "too many arguments" };
        return Err(usage("receive", what));
    };
    let (name, tag) = target.split_once('@').unwrap_or((target, "sent"));
    if stream.is_empty() {
        return Err(error("cannot receive", "failed to read from stream"));
    }
    let Some(rest) = stream.strip_prefix(MAGIC) else {
        return Err(error("cannot receive", "invalid stream (bad magic number)"));
    };
    let action = ACTION;
    names::check(name, Expected::Volume, true).map_err(|_| error(action, "invalid name"))?;
    let length = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| error(action, "incomplete stream"))?;
    let text = String::from_utf8_lossy(&rest[..length]).into_owned();
    let of = |key: &str| {
        let field = text.split('\t').find_map(|field| field.strip_prefix(key)?.strip_prefix('=').map(String::from));
        field.filter(|_| !key.is_empty())
    };
    let is_raw = of("encryption").is_some();
    let parent = admitted(&pools, name, is_raw, &values)?;
    let data = pieces(&rest[length + 1..], stream).map_err(|why| error(action, why))?;
    let needs: u64 = data.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if needs > pools.available(&parent) {
        return Err(error(action, "out of space"));
    }
    for key in ["volsize", "volblocksize", "encryption"] {
        of(key).into_iter().for_each(|value| drop(values.insert(key.into(), value)));
    }
    // The key is none of the stream's: it has to be loaded (zfs-load-key(8)).
    if is_raw {
        values.insert("keystatus".into(), "unavailable".into());
    }
    values.entry("refreservation".into()).or_insert_with(|| "0".into());
    let volume_size = values.get("volsize").cloned().unwrap_or_default();
    pools.add(Dataset::new(Kind::Volume, name, values));
    pools.make_device(name)?;
    let file = File::options().write(true).open(pools.data(pools.get(name).ok_or_else(|| error(action, "lost"))?))?;
    for (at, bytes) in data {
        file.write_all_at(bytes, at)?;
    }
    let snapshot = format!("{name}@{tag}");
    pools.add(Dataset::new(Kind::Snapshot, &snapshot, BTreeMap::from([("volsize".into(), volume_size)])));
    pools.copy(name, &snapshot)?;
    pools.write()?;
    Ok(0)
}

/// What stands in the way of a volume that is received; returns the filesystem that it is in.
fn admitted(pools: &Pools<'_>, name: &str, is_raw: bool, values: &BTreeMap<String, String>) -> Step<String> {
    if pools.get(name).is_some() {
        return Err(error(ACTION, format!("destination '{name}' exists\nmust specify -F to overwrite it")));
    }
    let Some((parent, _)) = name.rsplit_once('/') else {
        return Err(error(ACTION, format!("destination '{name}' does not exist")));
    };
    match pools.get(parent) {
        None => {
            let why = format!("cannot open '{parent}': dataset does not exist");
            return Err(Exit::new(1, format!("{why}\n{ACTION}: unable to restore to destination")));
        }
        Some(there) if there.kind != Kind::Filesystem => {
            return Err(error(ACTION, format!("parent '{parent}' is not a filesystem")));
        }
        Some(_) => {}
    }
    properties::check(Kind::Volume, values).map_err(|why| error(ACTION, why))?;
    permitted(ACTION)?;
    if pools.is_read_only(name) {
        return Err(error(ACTION, "pool is read-only"));
    }
    // A pool whose features are off: `feature@lz4_compress` for what `-c` sends, `feature@encryption` for `-w` (zpool-features(7)).
    if pools.inherited(name.split('/').next().unwrap_or(name), "features").is_some_and(|features| features == "none") {
        return Err(error(ACTION, "pool must be upgraded to receive this stream."));
    }
    if !is_raw && pools.inherited(parent, "keystatus").is_some_and(|status| status == "unavailable") {
        return Err(error(ACTION, "inherited key must be loaded"));
    }
    Ok(parent.into())
}

/// The data of a stream, each with its place; or why it is none.
fn pieces<'a>(mut rest: &'a [u8], stream: &[u8]) -> Result<Vec<(u64, &'a [u8])>, &'static str> {
    let mut all = Vec::new();
    let number = |rest: &mut &'a [u8]| {
        let (bytes, after) = rest.split_at_checked(8).ok_or("incomplete stream")?;
        *rest = after;
        Ok::<u64, &'static str>(u64::from_le_bytes(bytes.try_into().map_err(|_| "incomplete stream")?))
    };
    loop {
        let at = number(&mut rest)?;
        if at == END {
            let written = number(&mut rest)?;
            let whole = stream.get(..stream.len() - 8 - rest.len()).unwrap_or_default();
            return if written == sum(whole) { Ok(all) } else { Err("checksum mismatch") };
        }
        let length = usize::try_from(number(&mut rest)?).map_err(|_| "checksum mismatch")?;
        if length > PIECE {
            return Err("checksum mismatch");
        }
        let (bytes, after) = rest.split_at_checked(length).ok_or("incomplete stream")?;
        rest = after;
        all.push((at, bytes));
    }
}
