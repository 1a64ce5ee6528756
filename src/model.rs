//! Values that cannot be wrong: what a machine is made of, parsed once and never checked again.
//!
//! The words are bhyve's own. A value knows how bhyve writes it; how a whole command line is put together is the business of
//! the floor above.

pub mod address;
pub mod argv;
pub mod backend;
pub mod cpus;
pub mod device;
pub mod domain;
pub mod draft;
pub mod ended;
pub mod forward;
pub mod fwcfg;
pub mod hostname;
pub mod interface;
pub mod limits;
pub mod link;
pub mod mac;
pub mod machine;
pub mod message;
pub mod name;
pub mod number;
pub mod parameter;
pub mod passthru;
pub mod path;
pub mod pci;
#[cfg(test)]
pub(crate) mod samples;
pub mod secret;
pub mod setting;
pub mod shape;
pub mod size;
pub mod span;
pub mod talk;
pub mod target;
pub mod tree;
pub mod tty;
pub mod types;
pub mod value;

pub use address::VncAddress;
pub use argv::Argv;
pub use backend::Backend;
pub use cpus::{CpuSet, Topology};
pub use device::{Device, DeviceKind};
pub use domain::Domain;
pub use draft::{Draft, Part};
pub use ended::Ended;
pub use forward::Forward;
pub use fwcfg::FwItem;
pub use hostname::HostName;
pub use interface::InterfaceName;
pub use limits::Limits;
pub use link::{Link, LinkKind, NetAddress, VlanTag};
pub use mac::Mac;
pub use machine::{Bootrom, Machine};
pub use name::VmName;
pub use parameter::{Form, Need, Parameter};
pub use passthru::HostDevice;
pub use path::DevicePath;
pub use pci::PciSlot;
pub use secret::Secret;
pub use setting::Setting;
pub use shape::Shape;
pub use size::Size;
pub use talk::Talk;
pub use target::{Arch, Release, Target};
pub use tty::Tty;
pub use types::Type;
pub use value::Value;
