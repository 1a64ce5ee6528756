//! The disks of a machine, as they come into an export.

use super::moment::{ReadAim, Sources, no_volume};
use crate::diag::Fault;
use crate::host::export::DiskSource;
use crate::host::facts::Facts as _;
use crate::host::sparse::SparseDisk;
use crate::host::system::System;
use crate::host::{files, volumes};
use crate::image::archive::{DiskForm, DiskPart, Home, Role};
use crate::model::argv::quote;
use crate::model::volume::{DiskPlace, Encryption, Volume, VolumeKey, VolumeName};
use crate::model::{Argv, Size};
use crate::ops::machine_disks::{MachineDisk, MachineDisks};
use std::path::PathBuf;

/// Returns the disks that a machine writes to, opened; a disk that is not where it lives is read where it is said.
pub(in crate::ops) fn own_disks(
    host: &System,
    machine: &MachineDisks,
    sources: &Sources,
    left_out: &mut Vec<String>,
) -> Result<(Vec<DiskPart>, Vec<DiskSource>), Fault> {
    let (mut parts, mut opened) = (Vec::new(), Vec::new());
    for disk in &machine.disks {
        if disk.only_reads {
            left_out.push(format!("{}, which {} only reads", disk.place.path().display(), machine.name()));
            continue;
        }
        let (part, source) = match (&disk.place, sources.sent.get(disk.place.path())) {
            (DiskPlace::Volume(name, _), Some(snapshot)) => sent(host, name, snapshot)?,
            _ => own_disk(host, machine, disk, sources)?,
        };
        parts.push(part);
        opened.push(source);
    }
    // They are made at the first start of a guest.
    if let Some(vars) = machine.vars.as_ref().filter(|vars| files::exists(vars)) {
        let source = SparseDisk::open(sources.others.get(vars).unwrap_or(vars))?;
        parts.push(part(Role::Vars, Home::File(vars.clone()), &source));
        opened.push(DiskSource::Disk(source));
    }
    Ok((parts, opened))
}

fn part(role: Role, home: Home, source: &SparseDisk) -> DiskPart {
    DiskPart { role, home, size: Size::bytes(source.size), used: Size::bytes(source.used()), form: DiskForm::Bytes }
}

fn own_disk(
    host: &System,
    machine: &MachineDisks,
    disk: &MachineDisk,
    sources: &Sources,
) -> Result<(DiskPart, DiskSource), Fault> {
    let path = disk.place.path();
    // No recipe makes a device.
    if !matches!(disk.place, DiskPlace::Device(_)) && !files::exists(path) {
        // One whose key is not loaded has no device.
        if let DiskPlace::Volume(name, _) = &disk.place
            && volumes::volume(host, name)?.is_some_and(|fact| fact.is_locked)
        {
            return Err(volumes::locked(name.as_str()));
        }
        let fault = Fault::host(format!("{}, a disk of {}, is not there", path.display(), machine.name()));
        let recipe = quote(&machine.wanted.path.display().to_string());
        return Err(fault.hint(format!("`vmrun run {recipe} --init` makes what the recipe makes")));
    }
    let home = match &disk.place {
        DiskPlace::File(path) => Home::File(path.clone()),
        DiskPlace::Volume(name, _) => Home::Volume(in_the_clear(host, name, machine, sources.aim)?),
        DiskPlace::Device(_) => {
            let fault =
                Fault::host(format!("{} is a device of this host, and nothing that another one has", path.display()));
            return Err(fault.hint("copy it to a file or a volume, and name that in the recipe"));
        }
    };
    let source = SparseDisk::open(sources.others.get(path).map_or(path, PathBuf::as_path))?;
    if let Home::Volume(volume) = &home
        && volume.size.get() != source.size
    {
        let fault =
            Fault::host(format!("{} is {} bytes long, and its volume {}", path.display(), source.size, volume.size));
        return Err(fault.hint("zfs get volsize shows what zfs has"));
    }
    Ok((part(Role::Disk, home, &source), DiskSource::Disk(source)))
}

/// Returns a volume as a stream of its snapshot: as it is encrypted, where it is, so that its key is needed by nobody, and stays.
fn sent(host: &System, name: &VolumeName, snapshot: &str) -> Result<(DiskPart, DiskSource), Fault> {
    let found = volume(host, name)?;
    let form = if found.is_encrypted { DiskForm::SentRaw } else { DiskForm::Sent };
    let size = found.volume.size;
    let mut part = DiskPart { role: Role::Disk, home: Home::Volume(found.volume), size, used: size, form };
    part.used = Size::bytes(found.referenced.get().min(part.most()));
    let how = if found.is_encrypted { "-w" } else { "-c" };
    let (argv, most) = (Argv::new("zfs").args(["send", how]).arg(snapshot), part.most());
    Ok((part, DiskSource::Stream(argv, most)))
}

/// A volume as it is found.
struct FoundVolume {
    /// What it is made as again.
    volume: Volume,
    referenced: Size,
    is_encrypted: bool,
}

/// Returns what a volume is made as again whose bytes are read: one that is encrypted is so again, by a key that is there already.
fn in_the_clear(host: &System, name: &VolumeName, machine: &MachineDisks, aim: ReadAim) -> Result<Volume, Fault> {
    let (found, vm) = (volume(host, name)?, machine.name());
    if !found.is_encrypted {
        return Ok(found.volume);
    }
    let anew = if matches!(aim, ReadAim::Export) { None } else { encryption(host, name)? };
    if let Some(encryption) = anew {
        return Ok(Volume { encryption: Some(encryption), ..found.volume });
    }
    let what = match aim {
        ReadAim::Export => "would be in the clear in an export",
        ReadAim::Move | ReadAim::Replica => "no file has its key, so that another host cannot make it anew",
    };
    let hint = match aim {
        ReadAim::Export => "`vmrun export … --zfs-send` has it as it is, for who has its key".into(),
        // A move that stopped it first would end with a machine that starts nowhere.
        ReadAim::Move => format!(
            "`zfs set keylocation=file:///etc/vm/{vm}.key {name}` here, with that file on both hosts; or `vmrun stop {vm}` and \
             `vmrun export {vm} - --zfs-send | ssh HOST vmrun import -` have it there as it is, `zfs load-key {name}` there takes \
             who has its key, and `vmrun remove {vm}` here comes before its start"
        ),
        ReadAim::Replica => format!(
            "`zfs set keylocation=file:///etc/vm/{vm}.key {name}` here, with that file on both hosts; or \
             `vmrun export {vm} FILE --zfs-send` keeps it as it is, for who has its key"
        ),
    };
    Err(Fault::host(format!("the volume {name} is encrypted, and {what}")).hint(hint))
}

/// Returns how a volume is encrypted that another host makes anew: by its own key, from a file, or by that of the filesystem that it is
/// in. Nothing of one whose key is asked for (zfsprops(7), encryptionroot, keylocation).
fn encryption(host: &System, name: &VolumeName) -> Result<Option<Encryption>, Fault> {
    let properties = "encryption,encryptionroot,keyformat,keylocation,keystatus";
    let answer = host.query(&Argv::new("zfs").args(["get", "-Hp", "-o", "value", properties]).arg(name))?;
    let [cipher, root, format, location, status] = answer.lines().map(str::trim).collect::<Vec<_>>()[..] else {
        return Ok(None);
    };
    if status == "unavailable" {
        return Err(volumes::locked(root));
    }
    let cipher = cipher.to_string();
    if root != name.as_str() {
        return Ok(Some(Encryption { cipher, key: None }));
    }
    Ok(VolumeKey::parse(Some(format.into()), location).ok().map(|key| Encryption { cipher, key: Some(key) }))
}

fn volume(host: &System, name: &VolumeName) -> Result<FoundVolume, Fault> {
    let fact = volumes::volume(host, name)?;
    let fact = fact.ok_or_else(|| no_volume(name))?;
    let asked = Argv::new("zfs").args(["get", "-Hp", "-o", "value,source", "compression,encryption"]).arg(name);
    let answer = host.query(&asked)?;
    let mut lines = answer.lines().map(|line| line.split_once('\t').unwrap_or((line, "")));
    // What comes from the filesystem above comes from there again.
    let compression = lines.next().filter(|(_, source)| *source == "local").map(|(how, _)| how.to_string());
    let is_encrypted = lines.next().is_some_and(|(cipher, _)| !["off", "-"].contains(&cipher));
    let is_sparse = fact.reserved.get() == 0;
    let (name, block) = (name.clone(), Some(fact.block));
    let volume = Volume { name, size: fact.size, block, is_sparse, compression, encryption: None };
    Ok(FoundVolume { volume, referenced: fact.referenced, is_encrypted })
}
