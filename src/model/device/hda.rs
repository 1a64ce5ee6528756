//! The sound card.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), High Definition Audio device backends.
pub(super) const HDA: DeviceKind = DeviceKind {
    options: &[&[
        Parameter::new("play", Type::Path, "the sound device that plays: /dev/dsp0"),
        Parameter::new("rec", Type::Path, "the sound device that records"),
    ]],
    ..DeviceKind::new("hda", "A sound card.", Counterpart::Sound)
};
