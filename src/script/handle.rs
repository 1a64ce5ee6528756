//! What recipes hold in their hands: machines, taps, bridges, devices, exits.

use super::raise::{Raised, Site};
use super::words::machine::{keys, permit_key, set_key};
use super::words::{Call, Type};
use super::{SharedContext, words};
use crate::model::{Bootrom, Device, Draft, Ended, InterfaceName, Loader, PciSlot, Secret, VmName};
use rhai::{Dynamic, Engine, NativeCallContext, Position, Variant};
use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A machine that is being described; copies are the same machine.
#[derive(Clone)]
pub(crate) struct Vm(pub Rc<RefCell<VmState>>);

/// The first serial port of a machine.
#[derive(Clone)]
pub(crate) struct Serial(pub Vm);

/// The screen of a machine.
#[derive(Clone)]
pub(crate) struct Screen(pub Vm);

/// What a machine's handle knows.
#[derive(Clone)]
pub(crate) struct VmState {
    /// What was said of it.
    pub draft: Draft,
    /// The call that described it.
    pub site: Site,
    /// The calls that made its devices.
    pub devices: BTreeMap<PciSlot, Made>,
    /// The call that made its boot ROM.
    pub bootrom: Option<Site>,
    /// The call that made its loader.
    pub loader: Option<Site>,
}

/// The call that made a device.
#[derive(Clone)]
pub(crate) struct Made {
    /// The call.
    pub site: Site,
    /// Which of its arguments holds the options.
    pub options_at: usize,
}

/// A tap that the run made.
#[derive(Clone)]
pub(crate) struct Tap(pub InterfaceName);

/// Another interface that the run made: a VLAN, or one of a pair.
#[derive(Clone)]
pub(crate) struct Interface(pub InterfaceName);

/// What `bridge` returns: the bridge, by its name.
#[derive(Clone)]
pub(crate) struct Bridge(pub InterfaceName);

/// A machine's vmm node.
#[derive(Clone)]
pub(crate) struct Node(pub VmName);

/// A device that is in no slot yet.
#[derive(Clone)]
pub(crate) struct DeviceHandle {
    /// The device with its parameters, not yet in a slot.
    pub device: Device,
    /// The call that made it.
    pub site: Site,
    /// Which of its arguments holds the options.
    pub options_at: usize,
}

/// Firmware.
#[derive(Clone)]
pub(crate) struct Rom {
    /// The firmware.
    pub bootrom: Bootrom,
    /// The call that named it.
    pub site: Site,
}

/// What puts a guest into memory before bhyve runs.
#[derive(Clone)]
pub(crate) struct LoaderHandle {
    /// The loader with its arguments, not yet of a machine.
    pub loader: Loader,
    /// The call that described it.
    pub site: Site,
}

/// How a boot ended.
#[derive(Clone)]
pub(crate) struct Exit(pub Ended);

/// What `secret` returns; it is never shown as a text.
#[derive(Clone)]
pub(crate) struct SecretHandle(pub Secret);

/// The questions that an exit answers.
pub(crate) const EXITS: [&str; 6] = ["rebooted", "powered_off", "halted", "triple_fault", "failed", "killed"];

/// The parts of a machine that one talks to: the property, its type, and what it is for.
pub(crate) const PARTS: [(&str, Handle, &str); 2] = [
    ("serial", Handle::Serial, "The machine's first serial port, com1: what is said and heard there."),
    ("screen", Handle::Screen, "The machine's screen: what it is to show."),
];

/// The type of what a word returns, for a recipe to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    /// A machine.
    Vm,
    /// The first serial port of a machine.
    Serial,
    /// The screen of a machine.
    Screen,
    /// What `tap` returns.
    Tap,
    /// A VLAN, a VXLAN, or one of a pair.
    Interface,
    /// What `bridge` returns.
    Bridge,
    /// A machine's vmm node.
    Node,
    /// What the word of a device kind returns.
    Device,
    /// Firmware.
    Bootrom,
    /// What puts a guest into memory before bhyve runs.
    Loader,
    /// How a boot ended.
    Exit,
    /// What `secret` returns.
    Secret,
}

impl Handle {
    /// Every one.
    pub(crate) const ALL: [Self; 12] = [
        Self::Vm,
        Self::Serial,
        Self::Screen,
        Self::Tap,
        Self::Interface,
        Self::Bridge,
        Self::Node,
        Self::Device,
        Self::Bootrom,
        Self::Loader,
        Self::Exit,
        Self::Secret,
    ];

    /// Returns the handle of a name in messages of Rhai's: its own, or that of the type in this program.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|handle| handle.name() == name || handle.rust() == name)
    }

    /// Returns its name in definition files and in messages of Rhai's.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Vm => "Vm",
            Self::Serial => "Serial",
            Self::Screen => "Screen",
            Self::Tap => "Tap",
            Self::Interface => "Interface",
            Self::Bridge => "Bridge",
            Self::Node => "Node",
            Self::Device => "Device",
            Self::Bootrom => "Bootrom",
            Self::Loader => "Loader",
            Self::Exit => "Exit",
            Self::Secret => "Secret",
        }
    }

    /// Returns the name of one for people.
    pub(crate) const fn article(self) -> &'static str {
        match self {
            Self::Vm => "a machine",
            Self::Serial => "a serial port",
            Self::Screen => "a screen",
            Self::Tap => "a tap",
            Self::Interface => "an interface",
            Self::Bridge => "a bridge",
            Self::Node => "a vmm node",
            Self::Device => "a device",
            Self::Bootrom => "firmware",
            Self::Loader => "a loader",
            Self::Exit => "an exit",
            Self::Secret => "a secret",
        }
    }

    /// Returns how one stands before its methods where the use of a word is shown.
    pub(crate) const fn written(self) -> &'static str {
        match self {
            Self::Vm => "vm.",
            Self::Serial => "vm.serial.",
            Self::Screen => "vm.screen.",
            Self::Tap => "tap.",
            Self::Interface => "interface.",
            Self::Bridge => "bridge.",
            Self::Node => "bhyvectl(\"name\").",
            Self::Device => "device.",
            Self::Bootrom => "bootrom.",
            Self::Loader => "loader.",
            Self::Exit => "e.",
            Self::Secret => "secret.",
        }
    }

    /// Returns its type.
    pub(crate) fn id(self) -> TypeId {
        self.ty().0
    }

    /// Returns its name in Rust, by which Rhai speaks of a value where it has no other.
    pub(super) fn rust(self) -> &'static str {
        self.ty().1
    }

    fn ty(self) -> (TypeId, &'static str) {
        fn ty<T: 'static>() -> (TypeId, &'static str) {
            (TypeId::of::<T>(), std::any::type_name::<T>())
        }
        match self {
            Self::Vm => ty::<Vm>(),
            Self::Serial => ty::<Serial>(),
            Self::Screen => ty::<Screen>(),
            Self::Tap => ty::<Tap>(),
            Self::Interface => ty::<Interface>(),
            Self::Bridge => ty::<Bridge>(),
            Self::Node => ty::<Node>(),
            Self::Device => ty::<DeviceHandle>(),
            Self::Bootrom => ty::<Rom>(),
            Self::Loader => ty::<LoaderHandle>(),
            Self::Exit => ty::<Exit>(),
            Self::Secret => ty::<SecretHandle>(),
        }
    }

    /// Returns the properties that can be read, or that can be set.
    pub(crate) fn properties(self, set: bool) -> Vec<&'static str> {
        match (self, set) {
            (Self::Vm, true) => keys().map(|key| key.name).filter(|name| *name != "slots").collect(),
            (Self::Vm, false) => ["name", "cpus", "memory"].into_iter().chain(PARTS.map(|part| part.0)).collect(),
            (Self::Exit, false) => EXITS.into_iter().chain(["status", "word"]).collect(),
            (Self::Tap, false) => vec!["name"],
            _ => Vec::new(),
        }
    }

    /// Returns what a property holds that can be read.
    pub(crate) fn property(self, name: &str) -> Type {
        let part = || PARTS.into_iter().find(|part| part.0 == name).map(|part| Type::Handle(part.1));
        match (self, name) {
            (Self::Vm, "cpus" | "memory") | (Self::Exit, "status") => Type::Number,
            (Self::Vm | Self::Tap, "name") | (Self::Exit, "word") => Type::Text,
            (Self::Exit, name) if EXITS.contains(&name) => Type::Flag,
            (Self::Vm, _) => part().unwrap_or(Type::Any),
            _ => Type::Any,
        }
    }

    /// Returns some value of it that needs nothing, where there can be one.
    pub(super) fn placeholder(self, site: &Site) -> Option<Dynamic> {
        let interface = || "vmrun0".parse::<InterfaceName>().ok();
        match self {
            Self::Vm => Some(Dynamic::from(Vm::empty(site))),
            Self::Serial => Some(Dynamic::from(Serial(Vm::empty(site)))),
            Self::Screen => Some(Dynamic::from(Screen(Vm::empty(site)))),
            Self::Tap => interface().map(|name| Dynamic::from(Tap(name))),
            Self::Interface => interface().map(|name| Dynamic::from(Interface(name))),
            Self::Bridge => interface().map(|name| Dynamic::from(Bridge(name))),
            Self::Node => "vmrun".parse().ok().map(|name| Dynamic::from(Node(name))),
            Self::Device => DeviceHandle::placeholder(site).map(Dynamic::from),
            Self::Bootrom | Self::Loader | Self::Exit | Self::Secret => None,
        }
    }
}

/// Makes known how the types are written, and the units of sizes.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_fn("to_string", |_: &mut SecretHandle| "***".to_string());
    engine.register_fn("to_debug", |_: &mut SecretHandle| "***".to_string());
    engine.register_fn("to_string", |tap: &mut Tap| tap.0.to_string());
    engine.register_fn("to_string", |interface: &mut Interface| interface.0.to_string());
    engine.register_fn("to_string", |bridge: &mut Bridge| bridge.0.to_string());
    engine.register_fn("to_string", |exit: &mut Exit| exit.0.to_string());
    for (name, shift) in words::UNITS {
        engine.register_raw_fn(
            format!("get${name}"),
            [TypeId::of::<i64>()],
            move |context: NativeCallContext<'_>, args| {
                let number = args[0].as_int().unwrap_or_default();
                let size = u64::try_from(number).ok().and_then(|n| n.checked_mul(1 << shift));
                size.and_then(|size| i64::try_from(size).ok()).map(Dynamic::from).ok_or_else(|| {
                    let fault = crate::diag::Fault::new(format!("{number}.{name} is no size"));
                    Raised::from(fault.hint("from 0 to 8191 PiB")).throw(context.call_position())
                })
            },
        );
    }
}

/// Makes the properties of the types known.
pub(crate) fn register_properties(engine: &mut Engine, shared: &SharedContext) {
    for exit in EXITS {
        register_exit(engine, shared, &format!("get${exit}"), move |ended| ended.word() == exit);
    }
    register_exit(engine, shared, "get$status", |ended| i64::from(ended.status()));
    register_exit(engine, shared, "get$word", |ended| ended.word().to_string());
    register_exit(engine, shared, "to_string", Ended::to_string);
    engine.register_get("name", |tap: &mut Tap| tap.0.to_string());
    register_vm(engine, shared);
}

/// Makes known what an exit answers. Who asks may do something else after another end.
fn register_exit<T, F>(engine: &mut Engine, shared: &SharedContext, name: &str, answer: F)
where
    T: Variant + Clone,
    F: Fn(&Ended) -> T + 'static,
{
    let shared = shared.clone();
    engine.register_fn(name, move |exit: &mut Exit| {
        shared.borrow_mut().asks_end = true;
        answer(&exit.0)
    });
}

fn register_vm(engine: &mut Engine, shared: &SharedContext) {
    engine.register_get("name", |vm: &mut Vm| {
        vm.0.borrow().draft.name.as_ref().map_or(Dynamic::UNIT, |name| name.to_string().into())
    });
    engine.register_get("serial", |vm: &mut Vm| Serial(vm.clone()));
    engine.register_get("screen", |vm: &mut Vm| Screen(vm.clone()));
    engine.register_get("cpus", |vm: &mut Vm| i64::from(vm.0.borrow().draft.cpus));
    engine.register_get("memory", |vm: &mut Vm| vm.0.borrow().draft.memory.get().cast_signed());
    for key in keys().filter(|key| key.name != "slots") {
        let shared = shared.clone();
        let types = [TypeId::of::<Vm>(), TypeId::of::<Dynamic>()];
        engine.register_raw_fn(format!("set${}", key.name), types, move |context: NativeCallContext<'_>, args| {
            let position = context.call_position();
            let value = args[1].clone();
            let Some(vm) = args[0].clone().try_cast::<Vm>() else { return Ok(()) };
            let call = Call::of_property(&context, &shared);
            let permitted = permit_key(&call, key.name, &value);
            let set = permitted.and_then(|()| set_key(&mut vm.0.borrow_mut(), &key, &value));
            set.map_err(|raised| raised.arg(0).throw(position))
        });
    }
}

impl DeviceHandle {
    /// Returns some device that needs nothing.
    fn placeholder(site: &Site) -> Option<Self> {
        let kind = crate::model::device::KINDS.iter().find(|kind| kind.name == "virtio-rnd")?;
        let device = Device::new(kind, Vec::new()).ok()?;
        Some(Self { device, site: site.clone(), options_at: 0 })
    }
}

impl Vm {
    /// Returns a machine of which nothing was said.
    pub(super) fn empty(site: &Site) -> Self {
        let (draft, devices) = (Draft::default(), BTreeMap::new());
        Self(Rc::new(RefCell::new(VmState { draft, site: site.clone(), devices, bootrom: None, loader: None })))
    }
}

/// Returns the site of a call.
pub(crate) fn site(context: &NativeCallContext<'_>, main: &str) -> Site {
    let source = context.call_source().map_or_else(|| main.to_string(), ToString::to_string);
    Site { source: Some(source), position: context.call_position() }
}

/// Returns a place for values that no call made.
pub(crate) fn nowhere() -> Site {
    Site { source: None, position: Position::NONE }
}
