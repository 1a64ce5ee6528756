//! The firmware of a machine.

use super::DevicePath;

/// The boot ROM: the firmware's code, and the file that keeps its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootrom {
    /// The firmware.
    pub code: DevicePath,
    /// The variables, which the guest writes.
    pub vars: Option<DevicePath>,
    /// What a missing variables file is a copy of.
    pub template: Option<DevicePath>,
}
