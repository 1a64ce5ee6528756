//! zpool(8), as far as who has a machine asks it: zpool list and zpool get (zpool-list(8), zpool-get(8), zpoolprops(7)). What is in
//! the pools: see [`zfs`](crate::zfs).

use crate::exit::{Exit, Step, say, warn};
use crate::getopt;
use crate::state::State;
use crate::zfs::pools::{Dataset, Pools};

/// Runs zpool.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let Some((command, args)) = args.split_first() else {
        return Err(Exit::new(2, "missing command\nusage: zpool command args ..."));
    };
    let (letters, usage) = match command.as_str() {
        "list" => ("HgLpPvo:T:", "usage: zpool list ..."),
        "get" => ("Hpo:", "usage: zpool get ..."),
        other => return Err(Exit::new(2, format!("unrecognized command '{other}'\nusage: zpool command args ..."))),
    };
    let words = getopt::or_usage("zpool", letters, args, (2, usage))?;
    let _lock = state.lock()?;
    let pools = Pools::read(state)?;
    let (fields, names) = match (command.as_str(), words.operands.split_first()) {
        ("get", Some((fields, names))) => (fields.as_str(), names),
        ("get", None) => return Err(Exit::new(2, format!("missing property argument\n{usage}"))),
        _ => (words.value('o').unwrap_or("name,size,allocated,free,health"), words.operands),
    };
    let is_meant = |one: &&Dataset| one.is_pool() && (names.is_empty() || names.contains(&one.name));
    for pool in pools.all().iter().filter(is_meant) {
        let values: Vec<String> = fields.split(',').map(|field| value(&pools, pool, field)).collect();
        match (command.as_str(), words.value('o')) {
            ("get", Some("value")) => values.iter().for_each(|value| say(format!("{value}\n"))),
            ("get", _) => {
                let keys = fields.split(',').zip(&values);
                keys.for_each(|(key, value)| say(format!("{}\t{key}\t{value}\t-\n", pool.name)));
            }
            _ => say(values.join("\t") + "\n"),
        }
    }
    let missing: Vec<&String> = names.iter().filter(|name| pools.get(name).is_none_or(|one| !one.is_pool())).collect();
    missing.iter().for_each(|name| warn(format!("cannot open '{name}': no such pool")));
    Ok(u8::from(!missing.is_empty()))
}

/// A property of a pool, in bytes.
fn value(pools: &Pools<'_>, pool: &Dataset, field: &str) -> String {
    let size = pool.number("size");
    match field {
        "name" => pool.name.clone(),
        "size" => size.to_string(),
        "allocated" | "alloc" => pools.used(pool).to_string(),
        "free" => size.saturating_sub(pools.used(pool)).to_string(),
        "health" => "ONLINE".into(),
        "readonly" => pool.values.get("readonly").cloned().unwrap_or_else(|| "off".into()),
        _ => "-".into(),
    }
}
