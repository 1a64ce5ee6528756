//! A folder of the host for the guest.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, ParameterForm, Type};

/// bhyve(8), `virtio-9p`, which takes one share.
pub(super) const VIRTIO_9P: DeviceKind = DeviceKind {
    given: &[
        Parameter::new("sharename", Type::Name { max: 256 }, "the name that the guest mounts")
            .required()
            .form(ParameterForm::Label),
        Parameter::new("path", Type::Path, "the folder of the host").required().form(ParameterForm::Labelled),
    ],
    options: &[&[Parameter::new("ro", Type::Flag, "the guest only reads")]],
    ..DeviceKind::new("virtio-9p", "A folder of the host that the guest can mount.", Counterpart::Share)
};
