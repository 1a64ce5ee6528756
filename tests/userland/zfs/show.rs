//! zfs list and zfs get: zfs-list(8), zfs-get(8), zfsprops(7).

use super::names::Expected;
use super::pools::{Dataset, Kind, Pools};
use super::properties::{is_size, nice};
use super::{open, options, usage};
use crate::exit::{Step, say, warn};

/// What each property is unless it was set, for a volume and for others (zfsprops(7)).
const USUAL: &[(&str, &str)] = &[
    ("compression", "on"),
    ("readonly", "off"),
    ("volmode", "default"),
    ("encryption", "off"),
    ("keystatus", "-"),
    ("keyformat", "none"),
    ("keylocation", "none"),
];

/// The dataset whose key one has (zfsprops(7), encryptionroot): itself, or the nearest above that has a key of its own.
fn root(pools: &Pools<'_>, name: &str) -> Option<String> {
    pools.inherited(name, "encryption").filter(|cipher| cipher != "off")?;
    let above =
        |name: &str| std::iter::successors(Some(name.to_string()), |at| Some(at.rsplit_once('/')?.0.to_string()));
    let has = |key: &'static str| move |name: &String| pools.get(name).is_some_and(|one| one.values.contains_key(key));
    above(name).find(has("keyformat")).or_else(|| above(name).find(has("encryption")))
}

/// What a dataset has of a property: its value, and whence it is; nothing for a property that there is not.
fn value(pools: &Pools<'_>, one: &Dataset, key: &str, literal: bool) -> Option<(String, &'static str)> {
    let size = |number: u64| if literal { number.to_string() } else { nice(number) };
    let of_data = |kind: bool, number: u64| if kind { size(number) } else { "-".into() };
    let is_snapshot = one.kind == Kind::Snapshot;
    let known = match key {
        "name" => one.name.clone(),
        "type" => one.kind.word().into(),
        "used" => size(pools.used(one)),
        "available" | "avail" => of_data(!is_snapshot, pools.available(&one.name)),
        "referenced" | "refer" => size(pools.referenced(one)),
        "clones" => pools.clones(&one.name).iter().map(|clone| clone.name.as_str()).collect::<Vec<_>>().join(","),
        "userrefs" => {
            let holds = one.values.get("holds").map_or("", String::as_str);
            if is_snapshot { holds.split(',').filter(|tag| !tag.is_empty()).count().to_string() } else { "-".into() }
        }
        "creation" | "createtxg" | "origin" => one.values.get(key).cloned().unwrap_or_else(|| "-".into()),
        "encryptionroot" => root(pools, one.head()).unwrap_or_else(|| "-".into()),
        // These are those of the root, and are no other's (zfs-load-key(8), Encryption).
        "keyformat" | "keylocation" if root(pools, one.head()).is_some() => {
            let root = pools.get(&root(pools, one.head())?)?;
            let usual = if key == "keylocation" { "prompt" } else { "passphrase" };
            root.values.get(key).cloned().unwrap_or_else(|| usual.into())
        }
        key if is_size(key) => {
            let is_of = key == "quota" || one.values.contains_key(key);
            let number = one.number(key);
            if is_of && number == 0 && !literal && key != "volsize" { "none".into() } else { of_data(is_of, number) }
        }
        key if one.values.contains_key(key) => return Some((one.values.get(key)?.clone(), "local")),
        key if key.contains(':') => pools.inherited(&one.name, key).unwrap_or_else(|| "-".into()),
        key => {
            let usual = USUAL.iter().find(|(name, _)| *name == key)?.1;
            return Some((pools.inherited(one.head(), key).unwrap_or_else(|| usual.into()), "default"));
        }
    };
    Some((known, "-"))
}

/// Writes a table: fields with tabs between them for a script (-H), or in columns under their headlines.
fn table(is_scripted: bool, headline: &[String], rows: &[Vec<String>]) {
    if is_scripted {
        rows.iter().for_each(|row| say(row.join("\t") + "\n"));
        return;
    }
    let all: Vec<&[String]> = std::iter::once(headline).chain(rows.iter().map(Vec::as_slice)).collect();
    let width = |at: usize| all.iter().filter_map(|row| row.get(at)).map(String::len).max().unwrap_or(0);
    for row in &all {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = width(at)));
        say(cells.collect::<Vec<_>>().join("  ").trim_end().to_string() + "\n");
    }
}

fn types(text: Option<&str>) -> Vec<Kind> {
    let one = |word: &str| match word {
        "snapshot" | "snap" => vec![Kind::Snapshot],
        "volume" | "vol" => vec![Kind::Volume],
        "all" => vec![Kind::Filesystem, Kind::Volume, Kind::Snapshot],
        _ => vec![Kind::Filesystem],
    };
    text.map_or_else(|| vec![Kind::Filesystem, Kind::Volume], |text| text.split(',').flat_map(one).collect())
}

/// Runs zfs list.
pub(super) fn list(pools: &Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("list", "HpPrd:o:s:S:t:", args)?;
    let wanted = types(words.value('t'));
    let fields = words.value('o').unwrap_or("name,used,available,referenced,mountpoint");
    let fields: Vec<String> = fields.split(',').map(str::to_string).collect();
    // A list of snapshots of a dataset has no need of -r (zfs-list(8), -t).
    let is_deep = words.has('r') || words.value('d').is_some() || wanted == [Kind::Snapshot];
    let mut chosen: Vec<&Dataset> = Vec::new();
    let mut status = 0;
    for name in words.operands {
        match open(pools, name, Expected::Any) {
            Ok(one) => {
                let below = pools.all().iter().filter(|other| is_deep && other.is_below(&one.name));
                chosen.extend(std::iter::once(one).chain(below).filter(|one| {
                    // What is named is shown unless types say otherwise.
                    wanted.contains(&one.kind) || words.value('t').is_none() && one.name == *name
                }));
            }
            Err(exit) => {
                exit.lines.iter().for_each(warn);
                status = 1;
            }
        }
    }
    if words.operands.is_empty() {
        chosen = pools.all().iter().filter(|one| wanted.contains(&one.kind)).collect();
        chosen.sort_by(|one, other| one.head().cmp(other.head()));
        if chosen.is_empty() {
            warn("no datasets available");
        }
    }
    let literal = words.has('p');
    let row = |one: &&Dataset| -> Vec<String> {
        let cell = |key: &String| value(pools, one, key, literal).map_or_else(|| "-".into(), |(value, _)| value);
        fields.iter().map(cell).collect()
    };
    let headline: Vec<String> = fields.iter().map(|field| field.to_uppercase()).collect();
    table(words.has('H'), &headline, &chosen.iter().map(row).collect::<Vec<_>>());
    Ok(status)
}

/// Runs zfs get.
pub(super) fn get(pools: &Pools<'_>, args: &[String]) -> Step<u8> {
    let words = options("get", "d:o:s:rt:Hp", args)?;
    let Some((keys, names)) = words.operands.split_first() else {
        return Err(usage("get", "missing property argument"));
    };
    let fields = words.value('o').unwrap_or("name,property,value,source");
    let mut rows = Vec::new();
    let mut status = 0;
    for name in names {
        let one = match open(pools, name, Expected::Any) {
            Ok(one) => one,
            Err(exit) => {
                exit.lines.iter().for_each(warn);
                status = 1;
                continue;
            }
        };
        for key in keys.split(',') {
            let Some((value, source)) = value(pools, one, key, words.has('p')) else {
                return Err(usage("get", &format!("bad property list: invalid property '{key}'")));
            };
            let cell = |field: &str| match field {
                "name" => one.name.clone(),
                "property" => key.to_string(),
                "value" => value.clone(),
                _ => source.to_string(),
            };
            rows.push(fields.split(',').map(cell).collect());
        }
    }
    let headline: Vec<String> = fields.split(',').map(str::to_uppercase).collect();
    table(words.has('H'), &headline, &rows);
    Ok(status)
}
