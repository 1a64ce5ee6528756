//! Disks of iSCSI targets, whose sessions are the administrator's.

use super::{Asks, Call, Param, Type, Word, WordKind, text};
use crate::diag::Fault;
use crate::host::iscsi;
use crate::model::IscsiDisk;
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use crate::supervise::conflicts::Purpose;
use rhai::{Dynamic, Map};
use std::path::Path;

/// The options of a disk.
const DISK: &[(&str, &str)] = &[
    ("lun", "which disk of the target it is (0)"),
    ("portal", "the address of its session, as that was made, where there are several: \"10.0.0.30\""),
];

pub(super) const WORDS: &[Word] = &[Word {
    name: "iscsi",
    kind: WordKind::Fact,
    params: &[Param::text("target", "iqn.2012-06.com.example:target0"), Param::options(DISK)],
    returns: Type::Path,
    asks: &[Asks::Paths],
    help: "Returns the device of a disk of an iSCSI target, whose session is there: the administrator's, of iscsictl or iscsiadm.",
    ..Word::of(device)
}];

fn device(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (target, options) = (call.parsed(0)?, call.options(1)?);
    let disk = IscsiDisk { target, lun: lun(&options)?, portal: portal(&options)? };
    let unknown = disk.unknown();
    call.permit(Asked::Path(Path::new(&unknown)))?;
    let found = iscsi::device(&*call.evaluation().run().host, &disk);
    if let Some(device) = found.map_err(|fault| Raised::from(fault).arg(0))? {
        return Ok(device.display().to_string().into());
    }
    if call.evaluation().rehearsal != Some(Purpose::Check) {
        let fault =
            Fault::new(format!("the device of an iSCSI disk is not known here, and is assumed to be {unknown}"));
        super::machine::warn(call, Raised::from(fault.hint("the run itself will find the right one")).arg(0));
    }
    Ok(unknown.into())
}

fn lun(options: &Map) -> Result<u16, Raised> {
    let Some(value) = options.get("lun") else { return Ok(0) };
    value.as_int().ok().and_then(|number| number.try_into().ok()).ok_or_else(|| {
        let fault = Fault::new(format!("{value} is no LUN")).hint("a number from 0 on, as `iscsictl -L -v` shows it");
        Raised::from(fault).under("lun").arg(1)
    })
}

fn portal(options: &Map) -> Result<Option<String>, Raised> {
    options.get("portal").map(|value| text(value).map_err(|raised| raised.under("portal").arg(1))).transpose()
}
