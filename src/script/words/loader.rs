//! What puts a guest into a machine's memory before bhyve runs: `loader: bhyveload(#{ … })`, `loader: grub_bhyve(#{ … })`.

use super::devices::read_type;
use super::{Asks, Call, Param, Type, Word, WordKind, map, text};
use crate::diag::Fault;
use crate::model::loader::{grub_device, grub_root, grub_word, loader_variable};
use crate::model::value::{Tty, Type as ValueType, Value};
use crate::model::{Bhyveload, DevicePath, Grub, Loader};
use crate::script::allowance::Asked;
use crate::script::handle::{Handle, LoaderHandle, SecretHandle};
use crate::script::raise::Raised;
use crate::script::type_names::article;
use rhai::{Array, Dynamic, Map};

pub(super) const WORDS: &[Word] = &[
    Word {
        name: "bhyveload",
        kind: WordKind::Description,
        params: &[Param::options(BHYVELOAD_KEYS).shown("#{ disks: \"/vm/a.img\", env: #{ boot_verbose: \"YES\" } }")],
        returns: Type::Handle(Handle::Loader),
        asks: &[Asks::Paths],
        help: "A machine's `loader`: FreeBSD's own, before each boot (bhyveload(8)); its memory is the machine's.",
        ..Word::of(bhyveload)
    },
    Word {
        name: "grub_bhyve",
        kind: WordKind::Description,
        params: &[Param::options(GRUB_KEYS).shown("#{ root: \"hd0,gpt2\", input: [\"linux /vmlinuz\", \"boot\"] }")],
        returns: Type::Handle(Handle::Loader),
        asks: &[Asks::Paths],
        help: "A machine's `loader`: GRUB, before each boot (sysutils/grub2-bhyve); its memory is the machine's.",
        ..Word::of(grub_bhyve)
    },
];

/// The keys of each word's map, with what is said of them in the reference.
const BHYVELOAD_KEYS: &[(&str, &str)] = &[
    ("disks", "the disks that it finds, a path or a list: -d (the machine's own)"),
    ("env", "variables of the loader: #{ autoboot_delay: 3 }, -e"),
    ("host", "a folder of the host that is the guest's root: -h"),
    ("loader", "the loader of the operating system: -l (\"/boot/userboot.so\")"),
    ("console", "where it reads and writes: \"stdio\" or a tty, -c (where com1 does)"),
];
const GRUB_KEYS: &[(&str, &str)] = &[
    ("root", "the device of paths that name none: \"hd0,gpt2\", -r"),
    ("map", "GRUB's names of files: #{ hd0: \"/vm/a.img\" }, -m (hd0 … and cd0 … for the machine's own)"),
    ("directory", "the folder with GRUB's files on that device: -d (\"/boot/grub\")"),
    ("config", "GRUB's configuration in that folder: -g (\"grub.cfg\")"),
    ("input", "the commands that are typed into it: a text, or a list of lines"),
    ("ncons", "add no console=ttyS0 to a kernel's arguments: -n (false)"),
    ("evga", "tell the guest of no VGA: -e (false)"),
    ("console", "where it reads and writes: \"stdio\" or a tty, -c (where com1 does)"),
];

/// The map that a loader's word was given.
struct Given<'a> {
    call: &'a Call<'a>,
    options: Map,
}

impl<'a> Given<'a> {
    fn of(call: &'a Call<'_>) -> Result<Given<'a>, Raised> {
        Ok(Given { call, options: call.options(0)? })
    }

    /// Reads the value of a key, unless it is absent.
    fn get<T>(&self, key: &str, read: impl FnOnce(&Dynamic) -> Result<T, Raised>) -> Result<Option<T>, Raised> {
        let value = self.options.get(key).filter(|value| !value.is_unit());
        value.map(read).transpose().map_err(|raised| raised.under(key).arg(0))
    }

    fn flag(&self, key: &str) -> Result<bool, Raised> {
        let read = |value: &Dynamic| value.as_bool().map_err(|_| super::expected("true or false", value));
        Ok(self.get(key, read)?.unwrap_or_default())
    }

    fn console(&self) -> Result<Option<Tty>, Raised> {
        self.get("console", |value| {
            self.call.permit_path(value)?;
            match read_type(ValueType::Tty, value)? {
                Value::Tty(tty) => Ok(tty),
                // The type reads nothing else.
                _ => Err(super::expected("\"stdio\" or a tty", value)),
            }
        })
    }

    fn path(&self, key: &str) -> Result<Option<DevicePath>, Raised> {
        self.get(key, |value| self.call.file(value))
    }

    fn map<T>(&self, key: &str, read: impl Fn(&str, &Dynamic) -> Result<T, Raised>) -> Result<Option<Vec<T>>, Raised> {
        self.get(key, |value| {
            let entries = map(value)?.into_iter().filter(|(_, value)| !value.is_unit());
            entries.map(|(name, value)| read(&name, &value).map_err(|raised| raised.under(&name))).collect()
        })
    }
}

impl Call<'_> {
    fn file(&self, value: &Dynamic) -> Result<DevicePath, Raised> {
        let path: DevicePath = text(value)?.parse()?;
        self.permit(Asked::Path(path.as_path()))?;
        Ok(path)
    }

    fn permit_path(&self, value: &Dynamic) -> Result<(), Raised> {
        let path = value.clone().into_string().ok().filter(|text| text.starts_with('/'));
        path.map_or(Ok(()), |path| self.permit(Asked::Path(path.as_ref())))
    }
}

fn bhyveload(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let given = Given::of(call)?;
    let disks = given.get("disks", |value| match value.read_lock::<Array>() {
        Some(list) => {
            let at = |(at, value): (usize, &Dynamic)| call.file(value).map_err(|raised| raised.under(&at.to_string()));
            list.iter().filter(|value| !value.is_unit()).enumerate().map(at).collect()
        }
        None => Ok(vec![call.file(value)?]),
    })?;
    let env = given.map("env", |name, value| Ok(loader_variable(name, &public_value(value)?)?))?;
    let (host, loader) = (given.path("host")?, given.path("loader")?);
    let console = given.console()?;
    made(call, Loader::Bhyveload(Bhyveload { console, disks, env: env.unwrap_or_default(), host, loader }))
}

fn grub_bhyve(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let given = Given::of(call)?;
    let word = |value: &Dynamic| Ok(grub_word(&text(value)?)?);
    let grub = Grub {
        console: given.console()?,
        root: given.get("root", |value| Ok(grub_root(&text(value)?)?))?,
        map: given.map("map", |name, value| {
            let name = grub_device(name).map_err(|fault| Raised::from(fault).about_key())?;
            Ok((name, call.file(value)?))
        })?,
        directory: given.get("directory", word)?,
        config: given.get("config", word)?,
        ncons: given.flag("ncons")?,
        evga: given.flag("evga")?,
        input: given.get("input", input)?,
    };
    made(call, Loader::Grub(grub))
}

fn made(call: &Call<'_>, loader: Loader) -> Result<Dynamic, Raised> {
    loader.check().map_err(|(key, fault)| Raised::from(fault).under(key).arg(0))?;
    Ok(Dynamic::from(LoaderHandle { loader, site: call.site.clone() }))
}

/// Reads the value of a variable: everybody can read it in the command line.
fn public_value(value: &Dynamic) -> Result<String, Raised> {
    if value.is::<SecretHandle>() {
        let fault = Fault::new("a secret would be in the loader's command line, which everybody can read");
        return Err(fault.hint("set it in the guest's own /boot/loader.conf").into());
    }
    if value.is_int() || value.is_bool() {
        return Ok(value.to_string());
    }
    text(value)
}

/// Reads commands: each ends with the end of a line.
fn input(value: &Dynamic) -> Result<String, Raised> {
    let lines = match value.read_lock::<Array>() {
        Some(list) => list.iter().filter(|line| !line.is_unit()).map(command).collect::<Result<Vec<_>, _>>()?,
        None => vec![command(value)?],
    };
    Ok(lines.iter().map(|line| format!("{}\n", line.strip_suffix('\n').unwrap_or(line))).collect())
}

fn command(value: &Dynamic) -> Result<String, Raised> {
    if value.is::<SecretHandle>() {
        let fault = Fault::new("a secret is no command of GRUB's: a plan would show it");
        return Err(fault.hint("keep it in the guest").into());
    }
    let wrong = || super::expected("a text, or a list of lines", value);
    let line = value.clone().into_string().map_err(|_| wrong())?;
    if line.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Fault::new(format!("{line:?} holds a control character")).into());
    }
    Ok(line)
}

/// Reads what a machine's key `loader` was given.
pub(super) fn given(value: &Dynamic) -> Result<LoaderHandle, Raised> {
    let wrong = || {
        let fault = Fault::new(format!("expected a loader, got {}", article(value.type_name())));
        fault.hint("bhyveload(#{ disks: \"/vm/a.img\" }) or grub_bhyve(#{ root: \"hd0,gpt2\" })")
    };
    value.clone().try_cast::<LoaderHandle>().ok_or_else(|| wrong().into())
}
