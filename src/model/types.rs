//! What an option may hold, how it is read, and how a refusal is worded.

use super::number::base_0;
use super::value::Value;
use super::{Feature, Forward, Secret, Size, Target};
use crate::diag::{Fault, suggest};
use std::fmt;

/// What an option may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A file or device.
    Path,
    /// A text of at most so many bytes without comma; bhyve cuts longer ones without a word.
    Text {
        /// Bytes.
        max: usize,
    },
    /// A name of at most so many bytes, without comma and `=`.
    Name {
        /// Bytes.
        max: usize,
    },
    /// A line of text that no `-s` carries, so that it may hold commas.
    Line,
    /// A whole number within limits.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A whole number within limits, which bhyve reads in base 0: `0x5dc` is one.
    Number {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A width or height of a frame buffer, whose limits depend on the release.
    Pixels {
        /// The least since [`Feature::LargeScreens`].
        min: i64,
        /// The greatest since then.
        max: i64,
        /// The greatest before.
        before: i64,
    },
    /// A word that stands there or not: `ro`.
    Flag,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// How the frame buffer shows legacy VGA: `io` or `off`. `on` is refused with the reason.
    Vga,
    /// Logical sector size, or logical and physical: `512`, `512/4096`.
    SectorSize,
    /// Sixteen hexadecimal digits of an IEEE identifier.
    Eui64,
    /// A unicast hardware address.
    Mac,
    /// What a network card is plugged into.
    Backend,
    /// Rules for ports of the host.
    Forwards,
    /// Where VNC listens.
    Address,
    /// A password for VNC, at most eight bytes.
    Password,
    /// What a serial port is plugged into.
    Tty,
    /// A PCI device of the host.
    HostDevice,
    /// A hexadecimal register of a PCI device.
    Register {
        /// Whether `host` stands for the host's own.
        host: bool,
    },
    /// CPUs of the host, as cpuset(1) lists them: `0-3,8`.
    CpuSet,
    /// An amount of memory.
    Size,
    /// A UUID: 32 hexadecimal digits in five groups.
    Uuid,
}

impl Type {
    /// Reads a value from text, as bhyve's command line, its configuration or a recipe's string has it.
    pub fn read(self, text: &str) -> Result<Value, Fault> {
        match self {
            Self::Path => text.parse().map(Value::Path),
            Self::Text { max } => read_text(text, max),
            Self::Name { max } => read_name(text, max),
            Self::Line => read_line(text),
            Self::Integer { min, max } => read_integer(text, min, max),
            Self::Number { min, max } => {
                let number = base_0(text).and_then(|number| i64::try_from(number).ok());
                read_integer(&number.map_or_else(|| text.to_string(), |number| number.to_string()), min, max)
            }
            // Before 15.0 it stands for 1920 or 1080 (pci_fbuf.c); since then it is less than the least.
            Self::Pixels { .. } if text == "0" => Ok(Value::Integer(0)),
            Self::Pixels { max, .. } => read_integer(text, 1, max),
            Self::Flag => read_flag(text),
            Self::Choice(words) => read_choice(text, words),
            Self::Vga => read_vga(text),
            Self::SectorSize => read_sector_size(text),
            Self::Eui64 => read_eui64(text),
            Self::Mac => text.parse().map(Value::Mac),
            Self::Backend => text.parse().map(Value::Backend),
            Self::Forwards => Forward::list(text).map(Value::Forwards),
            Self::Address => match text.strip_prefix("unix:") {
                Some(path) => path.parse().map(Value::Socket),
                None => text.parse().map(Value::Address),
            },
            Self::Password => Secret::new(text).try_into().map(Value::Password),
            Self::Tty => text.parse().map(Value::Tty),
            Self::HostDevice => text.parse().map(Value::HostDevice),
            Self::Register { host } => read_register(text, host),
            Self::CpuSet => text.parse().map(Value::CpuSet),
            Self::Size => read_size(text),
            Self::Uuid => read_uuid(text),
        }
    }

    /// Reads a value from a whole number.
    pub fn read_integer(self, number: i64) -> Result<Value, Fault> {
        match self {
            Self::Integer { .. }
            | Self::Number { .. }
            | Self::Pixels { .. }
            | Self::Choice(_)
            | Self::SectorSize
            | Self::Address
            | Self::CpuSet
            | Self::Size => self.read(&number.to_string()),
            Self::Register { .. } if (0..=0xffff).contains(&number) => self.read(&format!("{number:x}")),
            Self::Eui64 => Ok(Value::Eui64(number.cast_unsigned())),
            // The others are no numbers.
            _ => Err(Fault::new(format!("expected {self}, got the number {number}"))),
        }
    }

    /// Returns whether a list of texts may stand for one text, and what joins them.
    pub const fn joined_by(self) -> Option<&'static str> {
        match self {
            Self::Forwards => Some(";"),
            Self::CpuSet => Some(","),
            // The others are one text, or none.
            _ => None,
        }
    }

    /// Returns the further keys that may stand for the one of this type, all of them together, and what joins their values.
    pub const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::HostDevice => &["bus", "slot", "func"],
            // The others have one key.
            _ => &[],
        }
    }

    /// Returns what the bhyve of a release has against a value that other releases take.
    pub fn against(self, value: &Value, target: Target) -> Option<Fault> {
        let (Self::Pixels { min, max, before }, Value::Integer(number)) = (self, value) else { return None };
        let (min, max) = if target.has(Feature::LargeScreens) { (min, max) } else { (0, before) };
        let fault = Fault::new(format!("{number} pixels are out of range for {}", target.release));
        (!(min..=max).contains(number)).then(|| fault.hint(format!("from {min} to {max}")))
    }
}

/// For people: what to write.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("a path"),
            Self::Text { max } => write!(f, "a text of at most {max} bytes"),
            Self::Name { max } => write!(f, "a name of at most {max} bytes"),
            Self::Line => f.write_str("a text"),
            Self::Integer { min, max } | Self::Number { min, max } | Self::Pixels { min, max, .. } => {
                write!(f, "a number from {min} to {max}")
            }
            Self::Flag => f.write_str("true or false"),
            Self::Choice(words) => {
                f.write_str(&words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" or "))
            }
            Self::Vga => f.write_str("\"io\" or \"off\""),
            Self::SectorSize => f.write_str("a sector size: 512 or \"512/4096\""),
            Self::Eui64 => f.write_str("an EUI-64: \"0x589cfc20ffee0001\""),
            Self::Mac => f.write_str("a MAC address"),
            Self::Backend => f.write_str("a tap, or \"slirp\""),
            Self::Forwards => f.write_str("rules: [\"tcp::2222-:22\"]"),
            Self::Address => f.write_str("an address for VNC: \"192.168.2.5:5901\""),
            Self::Password => f.write_str("a secret"),
            Self::Tty => f.write_str("\"stdio\" or the path of a tty"),
            Self::HostDevice => f.write_str("a PCI device of the host: \"2/0/0\" or \"ppt0\""),
            Self::Register { host: false } => f.write_str("a hexadecimal number: \"0x8086\""),
            Self::Register { host: true } => f.write_str("a hexadecimal number: \"0x8086\", or \"host\""),
            Self::CpuSet => f.write_str("a set of CPUs: \"0-3,8\""),
            Self::Size => f.write_str("a size: 1.GiB or \"1G\""),
            Self::Uuid => f.write_str("a UUID"),
        }
    }
}

fn read_text(text: &str, max: usize) -> Result<Value, Fault> {
    if text.len() > max {
        let message = format!("{text:?} has {} bytes", text.len());
        return Err(Fault::new(message).hint(format!("at most {max}: bhyve cuts the rest without a word")));
    }
    if text.is_empty() || text.chars().any(|c| c == ',' || c.is_control()) {
        let hint = "bhyve separates its options by commas and its configuration by lines";
        return Err(Fault::new(format!("{text:?} is empty, or holds a comma or a control character")).hint(hint));
    }
    Ok(Value::Text(text.into()))
}

fn read_integer(text: &str, min: i64, max: i64) -> Result<Value, Fault> {
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(Value::Integer(number)),
        Ok(number) => Err(Fault::new(format!("{number} is out of range")).hint(format!("from {min} to {max}"))),
        Err(_) => Err(Fault::new(format!("{text:?} is not a whole number")).hint(format!("from {min} to {max}"))),
    }
}

/// The words that bhyve_config(5) takes for a boolean.
fn read_flag(text: &str) -> Result<Value, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(Value::Flag(true)),
        "false" | "off" | "no" | "0" => Ok(Value::Flag(false)),
        _ => Err(Fault::new(format!("{text:?} is neither true nor false")).hint("write `true` or `false`")),
    }
}

fn read_choice(text: &str, words: &'static [&'static str]) -> Result<Value, Fault> {
    let fault = || {
        let fault = Fault::new(format!("{text:?} is none of its values"));
        fault.hint(format!("one of {}", suggest::list(words.iter().copied())))
    };
    words.iter().find(|word| **word == text).map(|word| Value::Choice(word)).ok_or_else(fault)
}

/// Powers of two, the logical at least 512, the physical at least the logical (bhyve(8), sectorsize).
fn read_sector_size(text: &str) -> Result<Value, Fault> {
    let fault = || {
        let fault = Fault::new(format!("{text:?} is not a sector size"));
        fault.hint("powers of two from 512 on, the physical at least the logical: 512, 4096 or \"512/4096\"")
    };
    let number = |part: &str| part.parse().ok().filter(|n: &u32| n.is_power_of_two()).ok_or_else(fault);
    let (logical, physical) = text.split_once('/').unwrap_or((text, text));
    let (logical, physical) = (number(logical)?, number(physical)?);
    if logical >= 512 && physical >= logical { Ok(Value::SectorSize(logical, physical)) } else { Err(fault()) }
}

fn read_eui64(text: &str) -> Result<Value, Fault> {
    let fault = || Fault::new(format!("{text:?} is not an EUI-64")).hint("write \"0x589cfc20ffee0001\"");
    base_0(text).map(Value::Eui64).ok_or_else(fault)
}

/// A name stands before an `=` in a `-s`.
fn read_name(text: &str, max: usize) -> Result<Value, Fault> {
    if text.contains('=') {
        let fault = Fault::new(format!("the name {text:?} holds a `=`"));
        return Err(fault.hint("bhyve takes what follows a `=` for a value"));
    }
    read_text(text, max)
}

fn read_line(text: &str) -> Result<Value, Fault> {
    if text.is_empty() || text.chars().any(char::is_control) {
        let fault = Fault::new(format!("{text:?} is empty or holds a control character"));
        return Err(fault.hint("bhyve's configuration has one value a line"));
    }
    Ok(Value::Text(text.into()))
}

fn read_vga(text: &str) -> Result<Value, Fault> {
    if text == "on" {
        let fault = Fault::new("bhyve cannot do `vga=on`: it would run without any VNC server");
        return Err(fault.hint("write \"io\" (the default) or \"off\""));
    }
    read_choice(text, &["io", "off"])
}

/// bhyve reads registers as hexadecimal, with or without `0x`.
fn read_register(text: &str, host: bool) -> Result<Value, Fault> {
    if host && text == "host" {
        return Ok(Value::Choice("host"));
    }
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = plain.then(|| u16::from_str_radix(digits, 16).ok()).flatten();
    let or = if host { ", or \"host\" for the host's own" } else { "" };
    let fault = || Fault::new(format!("{text:?} is not a register")).hint(format!("write \"0x8086\"{or}"));
    number.map(Value::Register).ok_or_else(fault)
}

/// Below a mebibyte bhyve would take a plain number of bytes for megabytes.
fn read_size(text: &str) -> Result<Value, Fault> {
    let size = Size::memory(text)?;
    let fault = || Fault::new(format!("{text:?} is less than 1 MiB")).hint("write 512.MiB or \"512M\"");
    if size >= Size::mib(1) { Ok(Value::Size(size)) } else { Err(fault()) }
}

fn read_uuid(text: &str) -> Result<Value, Fault> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let digits = groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()));
    if lengths == [8, 4, 4, 4, 12] && digits {
        // uuid_from_string(3) knows the variants 0xx, 10x and 110 alone.
        if groups.get(3).is_some_and(|group| group.starts_with(['e', 'E', 'f', 'F'])) {
            let fault = Fault::new(format!("{text:?} is a UUID of a variant that bhyve refuses"));
            return Err(fault.hint("the fourth group begins with 0 to d; uuidgen(1) makes one"));
        }
        return Ok(Value::Text(text.into()));
    }
    Err(Fault::new(format!("{text:?} is not a UUID")).hint("write 5c8dbf6a-0f3f-11ee-9d6b-589cfc0f1c2a"))
}

#[cfg(test)]
mod tests;
