//! Values that cannot be wrong: what a machine is made of, parsed once and never checked again.
//!
//! The words are bhyve's own. A value knows how bhyve writes it; how a whole command line is put together is the business of
//! the floor above.

pub mod address;
pub mod argv;
pub mod device;
pub mod ended;
pub mod interface;
pub mod mac;
pub mod machine;
pub mod name;
pub mod path;
pub mod pci;
pub mod secret;
pub mod size;
pub mod target;
pub mod value;

pub use address::VncAddress;
pub use argv::Argv;
pub use device::{Device, DeviceKind};
pub use ended::Ended;
pub use interface::InterfaceName;
pub use mac::Mac;
pub use machine::{Bootrom, Draft, Machine, Part};
pub use name::VmName;
pub use path::DevicePath;
pub use pci::PciSlot;
pub use secret::Secret;
pub use size::Size;
pub use target::{Arch, Release, Target};
pub use value::{Backend, Parameter, Type, Value};
