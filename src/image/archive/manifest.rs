//! What an export says first of what is in it. It is somebody else's text when it is read: a name or a path that nobody may have
//! does not get past here.

use super::{DOCUMENT, header};
use crate::diag::Fault;
use crate::image::fields::Fields;
use crate::model::volume::{Encryption, Volume, VolumeKey, VolumeName};
use crate::model::{Size, VmName, is_recipe};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The newest form that this module reads. An export without streams of zfs(8) is written in the first one, which every vmrun knows.
const FORM: u64 = 2;
/// How many bytes all texts may have.
const TEXTS: u64 = 16 << 20;
/// The largest disk, in bytes: files have no more on any file system of today.
const LARGEST: u64 = 1 << 60;
/// How long the path of a disk may be: PATH_MAX of both systems, without the NUL at its end.
const PATH: usize = 1023;

/// A text of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextPart {
    /// Its path, from the recipe's folder on.
    pub(crate) name: String,
    /// How many bytes it has.
    pub(crate) size: u64,
}

/// What a disk is to its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A disk in a slot.
    Disk,
    /// The variables of its firmware.
    Vars,
}

/// Where a disk has lived, and is going to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// A file.
    File(PathBuf),
    /// A volume of ZFS.
    Volume(Volume),
}

/// How a disk is in an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskForm {
    /// As its bytes that are not zero.
    Bytes,
    /// As a stream of zfs-send(8), with blocks as they are compressed (`-c`).
    Sent,
    /// As a stream with blocks as they are encrypted (`-w`), for which nobody needs the key.
    SentRaw,
}

impl DiskForm {
    /// Returns the command that makes such a stream, without the snapshot.
    pub(crate) const fn command(self) -> Option<&'static str> {
        match self {
            Self::Bytes => None,
            Self::Sent => Some("zfs send -c"),
            Self::SentRaw => Some("zfs send -w"),
        }
    }
}

/// A disk of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskPart {
    /// What it is to the machine.
    pub(crate) role: Role,
    /// Where it lives.
    pub(crate) home: Home,
    /// Its size.
    pub(crate) size: Size,
    /// How much of it was no hole, at most its size: no more comes. Of a stream it is about how long that is.
    pub(crate) used: Size,
    /// How it is in the export.
    pub(crate) form: DiskForm,
}

/// What is in an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The vmrun that wrote it.
    pub(crate) vmrun: String,
    /// The machine.
    pub(crate) machine: VmName,
    /// Its configuration, by bhyve_config(5)'s keys; without passwords.
    pub(crate) configuration: BTreeMap<String, String>,
    /// The parameters with which it was started; secrets are none.
    pub(crate) params: BTreeMap<String, String>,
    /// The texts; the first is the recipe.
    pub(crate) texts: Vec<TextPart>,
    /// The disks.
    pub(crate) disks: Vec<DiskPart>,
}

/// Says why a path is none of a text of an export.
pub(crate) fn check_text(name: &str) -> Result<(), Fault> {
    let path = Path::new(name);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let is_as_written = path.components().collect::<PathBuf>().as_os_str().len() == name.len();
    let is_good = is_plain && is_as_written && !name.is_empty() && !name.chars().any(char::is_control);
    if is_good && name.len() + "texts/".len() <= header::NAME {
        return Ok(());
    }
    let hint = "a path below the recipe's folder, without `..`, of at most 94 bytes";
    Err(Fault::new(format!("{name:?} is no path of a text of an export")).hint(hint))
}

/// Says why a path is none of a disk of an export.
fn check_disk(path: &str) -> Result<(), Fault> {
    let parts = || Path::new(path).components();
    let is_plain = parts().skip(1).all(|part| matches!(part, Component::Normal(_)));
    let is_absolute = matches!(parts().next(), Some(Component::RootDir)) && parts().count() > 1;
    let is_as_written = parts().collect::<PathBuf>().as_os_str().len() == path.len();
    if is_absolute && is_plain && is_as_written && path.len() <= PATH && !path.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Fault::new(format!("{path:?} is no path of a disk of an export")))
}

/// What a stream may have beside the bytes of its volume, in bytes: a record of 312 for each block (zfs_ioctl.h, dmu_replay_record_t),
/// which is as much again for the smallest blocks.
const RECORDS: u64 = 64 << 20;

/// How long the stream of a volume of that size is at most.
const fn longest(size: Size) -> u64 {
    size.get().saturating_mul(2).saturating_add(RECORDS)
}

impl DiskPart {
    /// Returns how many bytes come of it at most.
    pub(crate) const fn most(&self) -> u64 {
        match self.form {
            DiskForm::Bytes => self.used.get(),
            DiskForm::Sent | DiskForm::SentRaw => longest(self.size),
        }
    }

    fn value(&self) -> Value {
        let role = match self.role {
            Role::Disk => "disk",
            Role::Vars => "vars",
        };
        let mut fields = Map::new();
        let mut put = |key: &str, to: Value| drop(fields.insert(key.into(), to));
        put("role", json!(role));
        put("size", json!(self.size.get()));
        put("used", json!(self.used.get()));
        self.form.command().iter().for_each(|command| put("stream", json!(command)));
        match &self.home {
            Home::File(path) => put("file", json!(path.display().to_string())),
            Home::Volume(volume) => {
                put("volume", json!(volume.name.as_str()));
                put("sparse", json!(volume.is_sparse));
                volume.block.iter().for_each(|block| put("volblocksize", json!(block.get())));
                volume.compression.iter().for_each(|how| put("compression", json!(how)));
                if let Some(Encryption { cipher, key }) = &volume.encryption {
                    put("encryption", json!(cipher));
                    key.iter().for_each(|key| {
                        put("keyformat", json!(key.format));
                        put("keylocation", json!(key.location()));
                    });
                }
            }
        }
        Value::Object(fields)
    }

    fn of(value: &Value) -> Result<Self, Fault> {
        let of = Fields::of(value, "a disk")?;
        let role = match of.text("role")? {
            "disk" => Role::Disk,
            "vars" => Role::Vars,
            other => return Err(Fault::new(format!("{other:?} is no role of a disk"))),
        };
        let size = of.number("size", LARGEST)?;
        let form = form(&of)?;
        let used = of.number("used", if form == DiskForm::Bytes { size } else { longest(Size::bytes(size)) })?;
        let (size, used) = (Size::bytes(size), Size::bytes(used));
        let home = match (of.has("file"), of.has("volume")) {
            (true, false) => {
                check_disk(of.text("file")?)?;
                Home::File(of.text("file")?.into())
            }
            (false, true) => Home::Volume(volume(&of, size)?),
            (true, true) | (false, false) => return Err(Fault::new("a disk is a file or a volume")),
        };
        if form != DiskForm::Bytes && matches!((&home, role), (Home::File(_), _) | (_, Role::Vars)) {
            return Err(Fault::new("a stream of zfs send is a volume"));
        }
        Ok(Self { role, home, size, used, form })
    }
}

impl Manifest {
    /// Returns its text.
    pub(crate) fn text(&self) -> String {
        let texts = self.texts.iter().map(|text| json!({ "name": text.name, "size": text.size }));
        let document = json!({
            "form": if self.disks.iter().all(|disk| disk.form == DiskForm::Bytes) { 1 } else { FORM },
            "vmrun": self.vmrun,
            "machine": self.machine.as_str(),
            "configuration": self.configuration,
            "params": self.params,
            "texts": texts.collect::<Vec<_>>(),
            "disks": self.disks.iter().map(DiskPart::value).collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }

    /// Returns the name of the recipe's file.
    pub(crate) fn recipe(&self) -> &str {
        self.texts.first().map_or("", |text| &text.name)
    }

    /// Returns a volume that is made anew as one that is encrypted.
    pub(crate) fn encrypted(&self) -> Option<&VolumeName> {
        self.disks.iter().find_map(|disk| match &disk.home {
            Home::Volume(Volume { name, encryption: Some(_), .. }) => Some(name),
            Home::Volume(_) | Home::File(_) => None,
        })
    }

    /// Returns how much all disks took.
    pub(crate) fn used(&self) -> u64 {
        self.disks.iter().fold(0, |all, disk| all.saturating_add(disk.used.get()))
    }

    /// Reads one.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(text).map_err(|_| Fault::new("it is no JSON"))?;
        let of = Fields::of(&value, "it")?;
        let form = of.number("form", u64::MAX)?;
        if !(1..=FORM).contains(&form) {
            let fault = Fault::new(format!("it has form {form}, and this vmrun knows forms up to {FORM}"));
            return Err(fault.hint("take the vmrun that it was exported with, or a newer one"));
        }
        let manifest = Self {
            vmrun: of.text("vmrun")?.into(),
            machine: of.text("machine")?.parse()?,
            configuration: of.texts("configuration")?,
            params: of.texts("params")?,
            texts: of.list("texts")?.iter().map(text_part).collect::<Result<_, _>>()?,
            disks: of.list("disks")?.iter().map(DiskPart::of).collect::<Result<_, _>>()?,
        };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Fault> {
        let recipe = self.recipe();
        if recipe.contains('/') || !is_recipe(recipe) || recipe.starts_with('.') {
            return Err(Fault::new(format!("{recipe:?} is no file of a recipe")));
        }
        if self.texts.iter().fold(0_u64, |all, text| all.saturating_add(text.size)) > TEXTS {
            return Err(Fault::new(format!("its texts have more than {}", Size::bytes(TEXTS).rough())));
        }
        let homes = self.disks.iter().map(|disk| match &disk.home {
            Home::File(path) => path.display().to_string(),
            Home::Volume(volume) => volume.name.to_string(),
        });
        let mut names = BTreeSet::new();
        let twice =
            self.texts.iter().map(|text| text.name.clone()).chain(homes).find(|name| !names.insert(name.clone()));
        twice.map_or(Ok(()), |twice| Err(Fault::new(format!("{twice:?} is in it twice"))))
    }
}

/// Reads how a disk is in the export.
fn form(of: &Fields<'_>) -> Result<DiskForm, Fault> {
    if !of.has("stream") {
        return Ok(DiskForm::Bytes);
    }
    let command = of.text("stream")?;
    let known = [DiskForm::Sent, DiskForm::SentRaw].into_iter().find(|form| form.command() == Some(command));
    known.ok_or_else(|| Fault::new(format!("{command:?} is no stream that a disk can be")))
}

fn text_part(value: &Value) -> Result<TextPart, Fault> {
    let of = Fields::of(value, "a text")?;
    let (name, size) = (of.text("name")?, of.number("size", DOCUMENT)?);
    check_text(name)?;
    Ok(TextPart { name: name.into(), size })
}

/// Reads the volume of a disk of that size.
fn volume(of: &Fields<'_>, size: Size) -> Result<Volume, Fault> {
    let name: VolumeName = of.text("volume")?.parse()?;
    let block = if of.has("volblocksize") { Some(of.number("volblocksize", u64::MAX)?) } else { None };
    let compression = if of.has("compression") { Some(of.text("compression")?.to_string()) } else { None };
    let is_sparse = of.switch("sparse")?;
    let (block, encryption) = (block.map(Size::bytes), encryption(of)?);
    let volume = Volume { name, size, block, is_sparse, compression, encryption };
    volume.against().map_or(Ok(volume), |(_, fault)| Err(fault))
}

/// Reads how a volume is encrypted that is made anew, by a key that is there already.
fn encryption(of: &Fields<'_>) -> Result<Option<Encryption>, Fault> {
    if !of.has("encryption") {
        return Ok(None);
    }
    let cipher = of.text("encryption")?.to_string();
    let is_own = of.has("keylocation");
    let key = is_own.then(|| VolumeKey::parse(Some(of.text("keyformat")?.into()), of.text("keylocation")?));
    Ok(Some(Encryption { cipher, key: key.transpose()? }))
}

#[cfg(test)]
pub(in crate::image) mod tests;
