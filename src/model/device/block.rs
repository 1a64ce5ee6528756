//! The options that every disk has.

use crate::model::value::{Parameter, ParameterForm, Type};

/// The block device options of bhyve(8).
pub(crate) const BLOCK: &[Parameter] = &[
    Parameter::new("nocache", Type::Flag, "open with O_DIRECT"),
    Parameter::new("direct", Type::Flag, "open with O_SYNC"),
    Parameter::new("sync", Type::Flag, "open with O_SYNC; Rhai wants the key in quotes"),
    Parameter::new("ro", Type::Flag, "open for reading only"),
    Parameter::new("nodelete", Type::Flag, "ignore the guest's requests to trim"),
    Parameter::new("sectorsize", Type::SectorSize, "logical sector size, or logical/physical"),
    Parameter::new("bootindex", Type::Integer { min: 0, max: 255 }, "place in the boot order; needs fwcfg=qemu"),
    Parameter::new("format", Type::Choice(&["raw"]), "\"raw\": it is a disk as it is, whatever it begins with")
        .form(ParameterForm::Own),
];

/// What a disk is given.
pub(super) const DISK: Parameter =
    Parameter::new("path", Type::Path, "the disk: an image, a volume or a device").required();
