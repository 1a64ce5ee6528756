//! Values that cannot be wrong: what a machine is made of, parsed once and never checked again.
//!
//! The words are bhyve's own. A value knows how bhyve writes it; how a whole command line is put together is the business of
//! the floor above.

pub(crate) mod address;
pub(crate) mod argv;
pub(crate) mod backend;
pub(crate) mod bootrom;
pub(crate) mod cpus;
pub(crate) mod device;
pub(crate) mod domain;
pub(crate) mod draft;
pub(crate) mod ended;
pub(crate) mod forward;
pub(crate) mod fwcfg;
pub(crate) mod hostname;
pub(crate) mod interface;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod mac;
pub(crate) mod machine;
pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod number;
pub(crate) mod parameter;
pub(crate) mod part;
pub(crate) mod passthru;
pub(crate) mod path;
pub(crate) mod pci;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod secret;
pub(crate) mod setting;
pub(crate) mod shape;
pub(crate) mod size;
pub(crate) mod span;
pub(crate) mod talk;
pub(crate) mod target;
pub(crate) mod tree;
pub(crate) mod tty;
pub(crate) mod types;
pub(crate) mod value;

pub use address::VncAddress;
pub(crate) use argv::Argv;
pub use backend::Backend;
pub(crate) use bootrom::Bootrom;
pub use cpus::CpuSet;
pub(crate) use cpus::Topology;
pub(crate) use device::{Device, DeviceKind};
pub(crate) use domain::Domain;
pub use draft::Draft;
pub use ended::Ended;
pub use forward::Forward;
pub(crate) use fwcfg::FwItem;
pub use hostname::HostName;
pub use interface::InterfaceName;
pub(crate) use limits::Limits;
pub use link::NetAddress;
pub(crate) use link::{Link, LinkKind, Membership, VlanTag};
pub use mac::Mac;
pub use machine::Machine;
pub use name::VmName;
pub(crate) use parameter::{Form, Parameter};
pub use part::Part;
pub use passthru::HostDevice;
pub use path::DevicePath;
pub use pci::PciSlot;
pub use secret::Secret;
pub(crate) use setting::Setting;
pub(crate) use shape::Shape;
pub use size::Size;
pub(crate) use talk::Talk;
pub use target::{Arch, Release, Target};
pub use tty::Tty;
pub use types::Type;
pub(crate) use value::Value;
