//! Whether QEMU has the processor run the guest's code, or translates it.

use super::Value;
use super::types::Type;
use crate::diag::Fault;

/// What runs the code of a guest of QEMU (qemu(1), `-accel`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor, by Linux.
    Kvm,
    /// QEMU, which translates it: many times slower, and possible everywhere.
    Tcg,
}

impl Accelerator {
    /// What it is given as.
    pub(crate) const TYPE: Type = Type::Choice(&["kvm", "tcg"]);

    /// Returns its name.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

impl std::str::FromStr for Accelerator {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Ok(if Self::TYPE.read(text)? == Value::Choice("kvm") { Self::Kvm } else { Self::Tcg })
    }
}
