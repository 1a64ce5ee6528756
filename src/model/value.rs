//! What a device's options may hold: [`Parameter`], its [`Type`], and a [`Value`] of it.
//!
//! A parameter is one line of a table. The recipe's words, the checks, the reference text and the command line all come from
//! that line.

use super::{DevicePath, InterfaceName, Mac, Secret, VncAddress};
use crate::diag::{Fault, suggest};
use std::fmt;

/// One option of a device, or one of the things it is given before its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// bhyve's own key.
    pub name: &'static str,
    /// What it may hold.
    pub ty: Type,
    /// Whether it has to be there.
    pub need: Need,
    /// Where bhyve is told it.
    pub form: Form,
    /// One sentence for the reference.
    pub help: &'static str,
}

/// Whether a parameter has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The device is nothing without it.
    Required,
    /// It has a default.
    Optional,
    /// Any number of them, at least one.
    Repeated,
}

/// Where bhyve is told a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the device's own `-s`.
    Slot,
    /// By a `-l` of its own, as the serial ports.
    Lpc,
    /// In a file that only root may read, by `-k`.
    Secret,
}

impl Parameter {
    /// Makes an optional parameter.
    pub const fn new(name: &'static str, ty: Type, help: &'static str) -> Self {
        let form = if matches!(ty, Type::Password) { Form::Secret } else { Form::Slot };
        Self { name, ty, need: Need::Optional, form, help }
    }

    /// Makes the parameter one that the device needs.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { need: Need::Required, ..self }
    }

    /// Makes the parameter one that may stand there several times.
    #[must_use]
    pub const fn repeated(self) -> Self {
        Self { need: Need::Repeated, ..self }
    }

    /// Makes the parameter one that is told by `-l`.
    #[must_use]
    pub const fn by_lpc(self) -> Self {
        Self { form: Form::Lpc, ..self }
    }
}

/// What a parameter may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A file or device.
    Path,
    /// A text of at most so many bytes; bhyve cuts longer ones without a word.
    Text {
        /// Bytes.
        max: usize,
    },
    /// A whole number within limits.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A word that stands there or not: `ro`.
    Flag,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Logical sector size, or logical and physical: `512`, `512/4096`.
    SectorSize,
    /// Sixteen hexadecimal digits of an IEEE identifier.
    Eui64,
    /// A unicast hardware address.
    Mac,
    /// What a network card is plugged into.
    Backend,
    /// Where VNC listens.
    Address,
    /// A password for VNC, at most eight bytes.
    Password,
    /// What a serial port is plugged into.
    Tty,
}

/// VNC authentication uses the first eight bytes of a password and says nothing of the rest.
pub const PASSWORD_MAX: usize = 8;

impl Type {
    /// Reads a value from text, as bhyve's command line or a recipe's string has it.
    pub fn read(self, text: &str) -> Result<Value, Fault> {
        match self {
            Self::Path => text.parse().map(Value::Path),
            Self::Text { max } => read_text(text, max),
            Self::Integer { min, max } => read_integer(text, min, max),
            Self::Flag => read_flag(text),
            Self::Choice(words) => read_choice(text, words),
            Self::SectorSize => read_sector_size(text),
            Self::Eui64 => read_eui64(text),
            Self::Mac => text.parse().map(Value::Mac),
            Self::Backend => text.parse().map(Value::Backend),
            Self::Address => text.parse().map(Value::Address),
            Self::Password => Secret::new(text).try_into().map(Value::Password),
            Self::Tty => text.parse().map(Value::Tty),
        }
    }

    /// Reads a value from a whole number.
    pub fn read_integer(self, number: i64) -> Result<Value, Fault> {
        match self {
            Self::Integer { .. } | Self::Choice(_) | Self::SectorSize | Self::Address => self.read(&number.to_string()),
            Self::Eui64 => Ok(Value::Eui64(number.cast_unsigned())),
            _ => Err(Fault::new(format!("expected {self}, got the number {number}"))),
        }
    }
}

/// For people: what to write.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("a path"),
            Self::Text { max } => write!(f, "a text of at most {max} bytes"),
            Self::Integer { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Flag => f.write_str("true or false"),
            Self::Choice(words) => {
                f.write_str(&words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" or "))
            }
            Self::SectorSize => f.write_str("a sector size: 512 or \"512/4096\""),
            Self::Eui64 => f.write_str("an EUI-64: \"0x589cfc20ffee0001\""),
            Self::Mac => f.write_str("a MAC address"),
            Self::Backend => f.write_str("a tap, or \"slirp\""),
            Self::Address => f.write_str("an address for VNC: \"192.168.2.5:5901\""),
            Self::Password => f.write_str("a secret"),
            Self::Tty => f.write_str("\"stdio\" or the path of a tty"),
        }
    }
}

/// What a parameter holds. Shown as bhyve is told it, a password as `***`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A file or device.
    Path(DevicePath),
    /// A text without comma.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Whether the word stands there.
    Flag(bool),
    /// One of the few words.
    Choice(&'static str),
    /// Logical and physical sector size.
    SectorSize(u32, u32),
    /// An IEEE identifier.
    Eui64(u64),
    /// A hardware address.
    Mac(Mac),
    /// What a network card is plugged into.
    Backend(Backend),
    /// Where VNC listens.
    Address(VncAddress),
    /// A password for VNC.
    Password(Password),
    /// What a serial port is plugged into.
    Tty(Tty),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Choice(word) => f.write_str(word),
            Self::SectorSize(logical, physical) if logical == physical => logical.fmt(f),
            Self::SectorSize(logical, physical) => write!(f, "{logical}/{physical}"),
            Self::Eui64(id) => write!(f, "{id:#018x}"),
            Self::Mac(mac) => mac.fmt(f),
            Self::Backend(backend) => backend.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Password(password) => password.secret().fmt(f),
            Self::Tty(tty) => tty.fmt(f),
        }
    }
}

/// What a network card is plugged into (bhyve(8), network backends).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A tap or vmnet interface, usually a member of a bridge.
    Tap(InterfaceName),
    /// A network inside the process, without root: libslirp, QEMU's user network.
    Slirp,
}

impl std::str::FromStr for Backend {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "slirp" => Ok(Self::Slirp),
            _ if text.starts_with("tap") || text.starts_with("vmnet") => text.parse().map(Self::Tap),
            _ => {
                let fault = Fault::new(format!("{text:?} is not a network backend"));
                Err(fault.hint("give a tap, `tap(\"tap1\")`, or \"slirp\" for a network that needs no root"))
            }
        }
    }
}

/// bhyve knows the kind of a backend by the beginning of its name, or else by `type=`.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tap(name) if name.as_str().starts_with("tap") || name.as_str().starts_with("vmnet") => name.fmt(f),
            Self::Tap(name) => write!(f, "{name},type=tap"),
            Self::Slirp => f.write_str("slirp"),
        }
    }
}

/// What a serial port is plugged into (bhyve(8), TTY device backends).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tty {
    /// The standard streams of the run.
    Stdio,
    /// A tty, for example one end of a nmdm(4).
    Path(DevicePath),
}

impl std::str::FromStr for Tty {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "stdio" => Ok(Self::Stdio),
            _ if text.starts_with('/') => text.parse().map(Self::Path),
            _ => {
                let fault = Fault::new(format!("{text:?} is not a backend for a serial port"));
                Err(fault.hint("\"stdio\", or the path of a tty such as \"/dev/nmdm0A\""))
            }
        }
    }
}

impl fmt::Display for Tty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => f.write_str("stdio"),
            Self::Path(path) => path.fmt(f),
        }
    }
}

/// A secret that VNC can use whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password(Secret);

impl Password {
    /// Returns the secret.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl TryFrom<Secret> for Password {
    type Error = Fault;

    fn try_from(secret: Secret) -> Result<Self, Fault> {
        let text = secret.reveal();
        if text.len() > PASSWORD_MAX {
            let message = format!("the password has {} bytes, of which VNC uses {PASSWORD_MAX}", text.len());
            return Err(Fault::new(message).hint("choose one of at most eight: the rest would protect nothing"));
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            let hint = "one line of at most eight bytes";
            return Err(Fault::new("the password is empty or holds a control character").hint(hint));
        }
        Ok(Self(secret))
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
        _ => Err(Fault::new(format!("{text:?} is neither true nor false"))),
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
    let digits = text.strip_prefix("0x").filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let fault = || Fault::new(format!("{text:?} is not an EUI-64")).hint("write \"0x589cfc20ffee0001\"");
    number.map(Value::Eui64).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(ty: Type, text: &str) -> String {
        let fault = ty.read(text).unwrap_err();
        format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
    }

    #[test]
    fn values_are_shown_as_bhyve_is_told_them() {
        let cases = [
            (Type::SectorSize, "512/4096", "512/4096"),
            (Type::SectorSize, "4096", "4096"),
            (Type::Eui64, "0x589cfc20ffee0001", "0x589cfc20ffee0001"),
            (Type::Flag, "YES", "true"),
            (Type::Password, "hunter2", "***"),
            (Type::Backend, "vmnet3", "vmnet3"),
            (Type::Tty, "/dev/nmdm5A", "/dev/nmdm5A"),
        ];
        for (ty, text, shown) in cases {
            assert_eq!(ty.read(text).unwrap().to_string(), shown);
        }
        assert_eq!(Backend::Tap("web0".parse().unwrap()).to_string(), "web0,type=tap");
    }

    #[test]
    fn values_that_bhyve_would_ignore_or_cut_are_refused() {
        assert_eq!(
            message(Type::Text { max: 4 }, "12345"),
            "\"12345\" has 5 bytes | at most 4: bhyve cuts the rest without a word"
        );
        assert_eq!(message(Type::Integer { min: 1, max: 16 }, "64"), "64 is out of range | from 1 to 16");
        assert_eq!(message(Type::Integer { min: 1, max: 16 }, "9k"), "\"9k\" is not a whole number | from 1 to 16");
        assert_eq!(message(Type::Choice(&["io", "off"]), "on"), "\"on\" is none of its values | one of io and off");
        assert_eq!(message(Type::Flag, "maybe"), "\"maybe\" is neither true nor false | ");
        assert_eq!(
            message(Type::Backend, "em0"),
            "\"em0\" is not a network backend | give a tap, `tap(\"tap1\")`, or \"slirp\" for a network that needs no root"
        );
        for text in ["1000", "4096/512", "256", "", "512/", "0x200"] {
            assert!(message(Type::SectorSize, text).starts_with(&format!("{text:?} is not a sector size | powers")));
        }
    }

    #[test]
    fn a_password_longer_than_vnc_uses_is_refused_without_showing_it() {
        assert_eq!(
            message(Type::Password, "hunter2hunter2"),
            "the password has 14 bytes, of which VNC uses 8 | choose one of at most eight: the rest would protect nothing"
        );
        let empty = "the password is empty or holds a control character | one line of at most eight bytes";
        assert_eq!(message(Type::Password, "a\nb"), empty);
        assert_eq!(message(Type::Password, ""), empty);
    }
}
