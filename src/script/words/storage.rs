//! Disks, wherever they live: made where they are missing, and grown to the size that the recipe says.

use super::disk::{disk_size, folder_of};
use super::{Asks, Call, Param, Type, Word, WordKind, text};
use crate::diag::Fault;
use crate::host::Effect;
use crate::host::disks::DiskChange;
use crate::host::growth::{self, Ungrown};
use crate::host::volumes;
use crate::model::Size;
use crate::model::volume::{DiskPlace, Encryption, Volume, VolumeKey, VolumeName};
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use crate::supervise::conflicts::Purpose;
use rhai::{Dynamic, Map};
use std::path::Path;

/// The options of a volume.
const VOLUME: &[(&str, &str)] = &[
    ("volblocksize", "its blocks, a power of two from 512 to \"128K\" (zfs's own, \"16K\")"),
    ("sparse", "it reserves no space, and takes what is written to it (false)"),
    ("compression", "how it is compressed: \"lz4\", \"zstd\", \"off\" (as the filesystem that it is in)"),
    ("encryption", "how it is encrypted: \"on\", or a cipher (as the filesystem that it is in)"),
    (
        "keylocation",
        "the file with a key of its own, \"file:///etc/vm/web.key\" (the key of the filesystem that it is in)",
    ),
    ("keyformat", "what is in that file: \"raw\", \"hex\" or \"passphrase\" (\"raw\": 32 bytes)"),
];

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "disk",
        kind: WordKind::Action,
        params: &[
            Param::written("path", Type::Path, "\"/vm/web.img\""),
            Param::written("size", Type::Size, "20.GiB").optional(),
            Param::options(VOLUME).hidden(),
        ],
        returns: Type::Path,
        asks: &[Asks::Commands, Asks::Paths],
        help: "Returns the path of a disk: a file, a volume below /dev/zvol, or a device that is there. With a size it is made where it is missing, and grown; data is never cut off.",
        // What a part of the path is decides what it is.
        is_tried: false,
        ..Word::of(disk)
    },
    Word {
        name: "zvol",
        kind: WordKind::Action,
        params: &[
            Param::text("name", "zroot/vm/web"),
            Param::written("size", Type::Size, "20.GiB"),
            Param::options(VOLUME),
        ],
        returns: Type::Path,
        asks: &[Asks::Commands, Asks::Paths],
        help: "Makes a volume of ZFS where it is missing, grows it to that size, and returns the path of its device.",
        ..Word::of(zvol)
    },
];

fn disk(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (path, options) = (call.path(0)?, call.options(2)?);
    let size = call.has(1).then(|| disk_size(call, "disk(path")).transpose()?;
    let zvols = call.evaluation().run().host.settings().zvols.clone();
    let place = DiskPlace::of(&path, &zvols).map_err(|fault| Raised::from(fault).arg(0))?;
    if let DiskPlace::Volume(name, device) = &place {
        let made = size.map_or(Ok(()), |size| volume(call, name, device, size, &options));
        return made.map(|()| shown(device));
    }
    if let Some((key, _)) = options.iter().next() {
        let fault = Fault::new(format!("`{key}` is an option of volumes, and {} is none", path.display()));
        return Err(Raised::from(fault.hint("zvol(\"zroot/vm/web\", 20.GiB, #{ … }) is one"))
            .under(key)
            .about_key()
            .arg(2));
    }
    match (place, size) {
        (DiskPlace::File(path), Some(size)) => file(call, &path, size)?,
        (DiskPlace::Device(path), Some(_)) => against_size(call, &path)?,
        (_, None) | (DiskPlace::Volume(..), _) => call.permit(Asked::Path(&path))?,
    }
    Ok(shown(&path))
}

fn shown(path: &Path) -> Dynamic {
    path.display().to_string().into()
}

/// A device has the size that it has.
fn against_size(call: &Call<'_>, path: &Path) -> Result<(), Raised> {
    call.permit(Asked::Path(path))?;
    let fault = Fault::new(format!("{} is a device, and has the size that it has", path.display()));
    Err(Raised::from(fault.hint(format!("disk(\"{}\")", path.display()))).arg(1))
}

fn zvol(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let name: VolumeName = call.parsed(0)?;
    let options = call.options(2)?;
    let size = disk_size(call, "zvol(name")?;
    let device = call.evaluation().run().host.settings().volume(&name);
    volume(call, &name, &device, size, &options)?;
    Ok(shown(&device))
}

fn act(call: &Call<'_>, change: DiskChange) -> Result<(), Raised> {
    call.act(&Effect::Disk(Box::new(change))).map(drop)
}

/// A file is made where none is, and grown. What is of another size for a reason of its own is left to the machine, which refuses it.
fn file(call: &Call<'_>, path: &Path, size: Size) -> Result<(), Raised> {
    folder_of(call, path, 0)?;
    let (is_assumed, fact) = {
        let mut evaluation = call.evaluation();
        let host = &*evaluation.run().host;
        (host.is_assumed(), host.file(path))
    };
    // A host that is not here has its disks, unless it is about to get them.
    let is_to_be_made = fact.is_none() || is_assumed && call.evaluation().inputs.init;
    if is_to_be_made {
        return act(call, DiskChange::MakeFile { path: path.into(), size });
    }
    let Some((now, has_data)) = fact.and_then(|fact| Some((fact.size?, fact.has_data))) else { return Ok(()) };
    let grown = growth::of_file(&*call.evaluation().run().host, path, now, has_data, size);
    let way_out = |now: Size| {
        format!("say its size, \"{now}\"; `truncate(path, size, #{{ shrink: true }})` cuts it off all the same")
    };
    grow(call, grown, &way_out)
}

/// Grows a disk, or raises what stands against it.
fn grow(
    call: &Call<'_>,
    grown: Result<Option<DiskChange>, Ungrown>,
    way_out: &dyn Fn(Size) -> String,
) -> Result<(), Raised> {
    match grown {
        // What is of another size for a reason of its own is the machine's to refuse.
        Ok(None) | Err(Ungrown::Content(_)) => Ok(()),
        Ok(Some(change)) => act(call, change),
        Err(Ungrown::Smaller(fault, now)) => Err(Raised::from(fault.hint(way_out(now))).arg(1)),
        Err(other) => Err(raised(other)),
    }
}

fn raised(ungrown: Ungrown) -> Raised {
    match ungrown {
        Ungrown::Disk(fault) => Raised::from(fault).arg(0),
        Ungrown::Size(fault) | Ungrown::Smaller(fault, _) => Raised::from(fault).arg(1),
        Ungrown::Content(_) => Raised::from(Fault::new("it is an image with a size of its own")).arg(0),
    }
}

/// A volume is made where none is, and grown.
fn volume(call: &Call<'_>, name: &VolumeName, device: &Path, size: Size, options: &Map) -> Result<(), Raised> {
    let volume = described(call, name, size, options)?;
    call.permit(Asked::Volume(name))?;
    if call.evaluation().run().host.is_assumed() {
        let is_new = call.evaluation().inputs.init || call.evaluation().run().host.file(device).is_none();
        return if is_new { act(call, DiskChange::MakeVolume { volume, device: device.into() }) } else { Ok(()) };
    }
    if call.rehearses() && !call.evaluation().run().host.has_program("zfs") {
        let fault = Fault::host("`zfs` is not installed, and the recipe has a volume of ZFS");
        let raised = Raised::from(fault.hint("disk(\"/vm/web.img\", 20.GiB) is a disk in a file")).arg(0);
        // What a plan holds is only read.
        if call.evaluation().rehearsal != Some(Purpose::Plan) {
            return Err(raised);
        }
        super::machine::warn(call, raised);
        return act(call, DiskChange::MakeVolume { volume, device: device.into() });
    }
    let known = volumes::volume(&*call.evaluation().run().host, name).map_err(|fault| Raised::from(fault).arg(0))?;
    let Some(fact) = known else {
        // A test of a recipe may say that it is there, and no more.
        if call.evaluation().run().host.file(device).is_some() {
            return Ok(());
        }
        let key = volume.encryption.as_ref().and_then(|encryption| encryption.key.as_ref());
        key.map_or(Ok(()), |key| against_key(call, key)).map_err(|raised| raised.under("keylocation").arg(2))?;
        has_key(call, &volume)?;
        let needed = if volume.is_sparse { Size::bytes(0) } else { size };
        has_space(
            call,
            name,
            needed,
            "`sparse: true` reserves none, and the pool may be full then when the guest writes",
        )?;
        return act(call, DiskChange::MakeVolume { volume, device: device.into() });
    };
    if fact.is_locked {
        let fault = Fault::host(format!("the key of {name} is not loaded, so that no guest can have it"));
        return Err(Raised::from(fault.hint(format!("zfs load-key -r {name}"))).arg(0));
    }
    let asks_space = call.rehearses();
    let grown = growth::of_volume(&*call.evaluation().run().host, name, device, &fact, size, asks_space);
    let way_out =
        |now: Size| format!("say its size, \"{now}\"; `zfs set volsize={size} {name}` cuts it off, with what is there");
    grow(call, grown, &way_out)
}

/// Reads the options of a volume.
fn described(call: &Call<'_>, name: &VolumeName, size: Size, options: &Map) -> Result<Volume, Raised> {
    let given = |key: &str| options.get(key).filter(|value| !value.is_unit());
    let about = |key: &'static str| move |raised: Raised| raised.under(key).arg(2);
    let block = given("volblocksize").map(super::size).transpose().map_err(about("volblocksize"))?;
    let sparse = given("sparse").map(|value| value.as_bool().map_err(|_| super::expected("true or false", value)));
    let is_sparse = sparse.transpose().map_err(about("sparse"))?.unwrap_or(false);
    let compression = given("compression").map(text).transpose().map_err(about("compression"))?;
    let encryption = encryption(call, options)?;
    let volume = Volume { name: name.clone(), size, block, is_sparse, compression, encryption };
    match volume.against().filter(|_| call.rehearses()) {
        Some(("size", fault)) => Err(Raised::from(fault).arg(1)),
        Some((key, fault)) => Err(about(key)(fault.into())),
        None => Ok(volume),
    }
}

/// Reads how a volume is encrypted.
fn encryption(call: &Call<'_>, options: &Map) -> Result<Option<Encryption>, Raised> {
    let about = |key: &'static str| move |raised: Raised| raised.under(key).arg(2);
    let given = |key: &'static str| {
        let value = options.get(key).filter(|value| !value.is_unit());
        value.map(text).transpose().map_err(about(key))
    };
    let (cipher, location, format) = (given("encryption")?, given("keylocation")?, given("keyformat")?);
    if let (None, Some(_)) = (&location, &format) {
        let fault = Fault::new("the form of a key is given, and nothing says where the key is");
        let hint = "keylocation: \"file:///etc/vm/web.key\"";
        return Err(about("keyformat")(Raised::from(fault.hint(hint)).about_key()));
    }
    let key = location.map(|location| VolumeKey::parse(format, &location));
    let key = key.transpose().map_err(|fault| about("keylocation")(fault.into()))?;
    if let Some(key) = &key {
        call.permit(Asked::Path(&key.file))?;
    }
    // A key of its own has nothing else to be for.
    let cipher = cipher.or_else(|| key.is_some().then(|| "on".into()));
    Ok(cipher.map(|cipher| Encryption { cipher, key }))
}

/// Refuses in the rehearsal a volume that would have no key, or one that nobody has loaded.
fn has_key(call: &Call<'_>, volume: &Volume) -> Result<(), Raised> {
    let parent = if call.rehearses() {
        volumes::parent(&*call.evaluation().run().host, &volume.name).map_err(|fault| Raised::from(fault).arg(0))?
    } else {
        None
    };
    let Some(parent) = parent else { return Ok(()) };
    let name = volume.name.parent();
    if parent.is_locked {
        let fault = Fault::host(format!("the key of {name} is not loaded, so that nothing can be made in it"));
        return Err(Raised::from(fault.hint(format!("zfs load-key -r {name}"))).arg(0));
    }
    if !parent.is_encrypted && volume.encryption.as_ref().is_some_and(|encryption| encryption.key.is_none()) {
        let fault = Fault::new(format!("{name} is not encrypted, so that it has no key for its volumes"));
        let raised = Raised::from(fault.hint("keylocation: \"file:///etc/vm/web.key\" is one of the volume's own"));
        return Err(raised.under("encryption").arg(2));
    }
    Ok(())
}

/// How long a key is that is nothing but itself, in bytes (zfsprops(7), keyformat).
const RAW_KEY: u64 = 32;

/// Refuses in the rehearsal of a volume that is to be made a key that zfs(8) would refuse.
fn against_key(call: &Call<'_>, key: &VolumeKey) -> Result<(), Raised> {
    let file = key.file.display();
    let Some(fact) = call.evaluation().run().host.file(&key.file) else {
        let way_out = format!("(umask 077; dd if=/dev/random of={file} bs={RAW_KEY} count=1)");
        return Err(Fault::host(format!("there is no key {file}")).hint(way_out).into());
    };
    match fact.size.map(Size::get) {
        Some(size) if key.format == "raw" && size != RAW_KEY => {
            let fault = Fault::host(format!("{file} has {size} bytes, and a raw key has {RAW_KEY}"));
            Err(fault.hint("keyformat: \"hex\" is 64 hexadecimal digits, \"passphrase\" 8 to 512 characters").into())
        }
        _ => Ok(()),
    }
}

/// Refuses in the rehearsal what the pool has no space for.
fn has_space(call: &Call<'_>, name: &VolumeName, needed: Size, way_out: &str) -> Result<(), Raised> {
    if !call.rehearses() {
        return Ok(());
    }
    growth::has_space(&*call.evaluation().run().host, name, needed, way_out).map_err(raised)
}
