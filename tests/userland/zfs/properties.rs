//! Properties and sizes: zfs_valid_proplist and zprop_parse_value (libzfs_dataset.c, libzfs_util.c), zfsprops(7).

use std::collections::BTreeMap;

use super::pools::Kind;
use crate::exit::{Exit, Step};

/// What a property takes, and of what it is one.
struct Property {
    name: &'static str,
    /// The values, as an error shows them; nothing for a size or a text.
    values: &'static str,
    is_of: &'static [Kind],
}

const BOTH: &[Kind] = &[Kind::Filesystem, Kind::Volume];
const COMPRESSION: &str = "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | zstd-fast | \
                           zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]";

const CIPHERS: &str = "on | off | aes-128-ccm | aes-192-ccm | aes-256-ccm | aes-128-gcm | aes-192-gcm | aes-256-gcm";

/// Those that matter to disks of machines.
const PROPERTIES: &[Property] = &[
    Property { name: "canmount", values: "on | off | noauto", is_of: &[Kind::Filesystem] },
    Property { name: "compression", values: COMPRESSION, is_of: BOTH },
    Property { name: "encryption", values: CIPHERS, is_of: BOTH },
    Property { name: "keyformat", values: "none | raw | hex | passphrase", is_of: BOTH },
    Property { name: "keylocation", values: "", is_of: BOTH },
    Property { name: "mountpoint", values: "", is_of: &[Kind::Filesystem] },
    Property { name: "primarycache", values: "all | none | metadata", is_of: BOTH },
    Property { name: "quota", values: "", is_of: &[Kind::Filesystem] },
    Property { name: "readonly", values: "on | off", is_of: BOTH },
    Property { name: "refreservation", values: "", is_of: BOTH },
    Property { name: "snapdev", values: "hidden | visible", is_of: BOTH },
    Property { name: "sync", values: "standard | always | disabled", is_of: BOTH },
    Property { name: "volblocksize", values: "", is_of: &[Kind::Volume] },
    Property { name: "volmode", values: "default | full | geom | dev | none", is_of: BOTH },
    Property { name: "volsize", values: "", is_of: &[Kind::Volume] },
];

/// Whether a property is a size.
pub(super) fn is_size(name: &str) -> bool {
    ["quota", "refreservation", "volblocksize", "volsize"].contains(&name)
}

/// Reads `-o property=value` (parseprop).
pub(super) fn given(words: &[&str]) -> Step<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            return Err(Exit::new(1, "missing '=' for property=value argument"));
        };
        if values.insert(key.to_string(), value.to_string()).is_some() {
            return Err(Exit::new(1, format!("property '{key}' specified multiple times")));
        }
    }
    Ok(values)
}

/// Says what is wrong with properties of a dataset.
pub(super) fn check(kind: Kind, values: &BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in values.iter().filter(|(key, _)| !key.contains(':')) {
        let Some(property) = PROPERTIES.iter().find(|property| property.name == key) else {
            return Err(format!("invalid property '{key}'"));
        };
        if !property.is_of.contains(&kind) {
            return Err(format!("'{key}' does not apply to datasets of this type"));
        }
        if is_size(key) && !["none", "auto"].contains(&value.as_str()) {
            bytes(value).ok_or_else(|| format!("bad numeric value '{value}'"))?;
        }
        if !property.values.is_empty() && !takes(property.values, value) {
            return Err(format!("'{key}' must be one of '{}'", property.values));
        }
    }
    Ok(())
}

/// Whether a value is one of those that an error shows; of `gzip-[1-9]` every one.
fn takes(values: &str, value: &str) -> bool {
    values.split(" | ").any(|known| match known.split_once("-[") {
        Some((stem, _)) => {
            let number = value.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        }
        None => known == value,
    })
}

/// A size as zfs_nicestrtonum reads it: a number with a unit of which only the first letter counts.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let power = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        unit => {
            1 + ["K", "M", "G", "T", "P", "E"]
                .iter()
                .position(|known| unit == *known || unit == format!("{known}B") || unit == format!("{known}IB"))?
        }
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << (10 * power))
}

/// A size of the command line.
pub(super) fn size(what: &str, text: &str) -> Step<u64> {
    bytes(text).ok_or_else(|| Exit::new(1, format!("bad {what} '{text}': bad numeric value '{text}'")))
}

/// A size of a dataset.
pub(super) fn number(values: &BTreeMap<String, String>, key: &str) -> Option<u64> {
    bytes(values.get(key)?)
}

/// A size as people read it: in five characters, as zfs_nicenum has it.
pub(super) fn nice(number: u64) -> String {
    let mut power = 0;
    while number >> (10 * power) >= 1024 {
        power += 1;
    }
    let unit = ["B", "K", "M", "G", "T", "P", "E"][power];
    if number & ((1 << (10 * power)) - 1) == 0 {
        return format!("{}{unit}", number >> (10 * power));
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let scaled = number as f64 / (1_u64 << (10 * power)) as f64;
    let fits = |digits: &usize| format!("{scaled:.digits$}{unit}").len() <= 5;
    let digits = [2_usize, 1, 0].into_iter().find(fits).unwrap_or(0);
    format!("{scaled:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::{bytes, nice};

    #[test]
    fn sizes_are_read_and_shown_as_zfs_does() {
        assert_eq!(
            ["512", "16K", "1G", "20GiB", "1gb"].map(bytes),
            [Some(512), Some(16 << 10), Some(1 << 30), Some(20 << 30), Some(1 << 30)]
        );
        assert_eq!(["", "G", "1Q", "1.5G", "-1"].map(bytes), [None; 5]);
        assert_eq!([512, 16 << 10, 1 << 30, 10_239, 1_610_612_736].map(nice), ["512B", "16K", "1G", "10.0K", "1.50G"]);
    }
}
