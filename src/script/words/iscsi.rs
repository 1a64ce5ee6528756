//! Disks of iSCSI targets, whose sessions are the administrator's, or made for the run.

use super::service::duration;
use super::values::expected;
use super::{Asks, Call, Param, Type, Word, WordKind, text};
use crate::diag::{Cause, Fault};
use crate::host::iscsi::{self, IscsiDevice};
use crate::host::{Effect, Platform};
use crate::model::iscsi::IscsiPortal;
use crate::model::{IscsiDisk, IscsiSession};
use crate::script::allowance::Asked;
use crate::script::raise::Raised;
use crate::supervise::conflicts::{Purpose, without};
use crate::supervise::sessions::Maker;
use rhai::{Dynamic, Map};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The options of a disk.
const DISK: &[(&str, &str)] = &[
    ("lun", "which disk of the target it is (0)"),
    ("portal", "the address of its session, where there are several, or which is to be made: \"10.0.0.30\""),
    (
        "login",
        "have vmrun make the session where there is none, and end it with the run: true, or what /etc/iscsi.conf calls the target, whose secrets of CHAP are there (false)",
    ),
    ("within", "how long a login may take (\"60s\")"),
];

pub(super) const WORDS: &[Word] = &[Word {
    name: "iscsi",
    kind: WordKind::Action,
    params: &[Param::text("target", "iqn.2012-06.com.example:target0"), Param::options(DISK)],
    returns: Type::Path,
    asks: &[Asks::Paths],
    help: "Returns the device of a disk of an iSCSI target. Its session is the administrator's, of iscsictl or iscsiadm; with `login` vmrun makes it where there is none, and ends it.",
    ..Word::of(device)
}];

fn device(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let (target, options) = (call.parsed(0)?, call.options(1)?);
    let disk = IscsiDisk { target, lun: lun(&options)?, portal: portal(&options)? };
    let (session, within) = (session(call, &disk, &options)?, within(&options)?);
    call.permit(Asked::Path(Path::new(&disk.unknown())))?;
    let path = match session {
        None => found(call, &disk)?,
        Some(session) => Some(in_session(call, &disk, &session, within)?),
    };
    let path = path.unwrap_or_else(|| assumed(call, &disk));
    Ok(path.display().to_string().into())
}

/// Returns a disk whose session is there, or nothing where the host does not say.
fn found(call: &Call<'_>, disk: &IscsiDisk) -> Result<Option<PathBuf>, Raised> {
    let about = |fault: Fault| Raised::from(fault).arg(0);
    let Some(IscsiDevice { path, portal }) = look(call, disk).map_err(about)? else { return Ok(None) };
    match call.evaluation().run().maker_of(disk.target.as_str(), &portal).map_err(about)? {
        Maker::Foreign | Maker::Own => Ok(Some(path)),
        Maker::Dead => Err(about(left(disk, &portal))),
    }
}

/// Returns a disk whose session is made where there is none.
fn in_session(call: &Call<'_>, disk: &IscsiDisk, session: &IscsiSession, within: Duration) -> Result<PathBuf, Raised> {
    let about = |fault: Fault| Raised::from(fault).arg(0);
    let portal = session.portal.to_string();
    let maker = call.evaluation().run().maker_of(disk.target.as_str(), &portal).map_err(about)?;
    match (look(call, disk), maker) {
        // The machine's own is given back before it starts, which it is not known to be here.
        (_, Maker::Dead) if call.rehearses() => log_in(call, disk, session, within),
        (Ok(Some(_)), Maker::Dead) => Err(about(left(disk, &portal))),
        (Ok(Some(found)), _) => Ok(found.path),
        (Ok(None), _) => log_in(call, disk, session, within),
        (Err(fault), Maker::Own) if call.rehearses() || fault.cause == Some(Cause::NotReady) => {
            log_in(call, disk, session, within)
        }
        (Err(fault), Maker::Foreign | Maker::Dead) if fault.cause == Some(Cause::NoSession) => {
            log_in(call, disk, session, within)
        }
        (Err(fault), _) => Err(about(fault)),
    }
}

/// Makes the session, unless the run has made it already, and returns the disk when it is there.
fn log_in(call: &Call<'_>, disk: &IscsiDisk, session: &IscsiSession, within: Duration) -> Result<PathBuf, Raised> {
    let about = |fault: Fault| Raised::from(fault).arg(0);
    if let Some(fault) = lacks(call) {
        return Err(about(fault));
    }
    call.act(&Effect::IscsiLogin(Box::new(session.clone())))?;
    if !call.rehearses() {
        let found = call.evaluation().run().await_iscsi(disk, session, within).map_err(about)?;
        return Ok(found.map_or_else(|| disk.unknown().into(), |found| found.path));
    }
    let platform = call.evaluation().run().host.settings().platform;
    Ok(match iscsi::to_come(platform, session, disk.lun) {
        Some(path) => expect(call, path),
        None => assumed(call, disk),
    })
}

fn look(call: &Call<'_>, disk: &IscsiDisk) -> Result<Option<IscsiDevice>, Fault> {
    iscsi::device(&*call.evaluation().run().host, disk)
}

/// Has the device of a session that is to come count as there in what is rehearsed.
fn expect(call: &Call<'_>, path: PathBuf) -> PathBuf {
    if let Some(rehearsal) = call.evaluation().run().host.rehearsal_mut() {
        rehearsal.expect(&path);
    }
    path
}

/// Returns the path that stands for a disk whose device is not known, which is told where it is printed.
fn assumed(call: &Call<'_>, disk: &IscsiDisk) -> PathBuf {
    let unknown = disk.unknown();
    if call.evaluation().rehearsal == Some(Purpose::Plan) {
        let fault =
            Fault::new(format!("the device of an iSCSI disk is not known here, and is assumed to be {unknown}"));
        super::machine::warn(call, Raised::from(fault.hint("the run itself will find the right one")).arg(0));
    }
    expect(call, unknown.into())
}

/// Returns the fault of a host that has nothing to log in with.
fn lacks(call: &Call<'_>) -> Option<Fault> {
    let mut evaluation = call.evaluation();
    let host = &*evaluation.run().host;
    let program = match host.settings().platform {
        Platform::FreeBsd => "iscsictl",
        Platform::Linux => "iscsiadm",
    };
    without(host, program).filter(|_| !host.is_assumed())
}

/// The fault of a session that a dead run has left.
fn left(disk: &IscsiDisk, portal: &str) -> Fault {
    let fault = Fault::host(format!("the iSCSI session of {} at {portal} was left by a run that is dead", disk.target));
    fault.hint("`vmrun gc` ends it")
}

fn lun(options: &Map) -> Result<u16, Raised> {
    let Some(value) = options.get("lun") else { return Ok(0) };
    value.as_int().ok().and_then(|number| number.try_into().ok()).ok_or_else(|| {
        let fault = Fault::new(format!("{value} is no LUN")).hint("a number from 0 on, as `iscsictl -L -v` shows it");
        Raised::from(fault).under("lun").arg(1)
    })
}

fn portal(options: &Map) -> Result<Option<IscsiPortal>, Raised> {
    let read = |value: &Dynamic| text(value)?.parse().map_err(|fault: Fault| Raised::from(fault));
    options.get("portal").map(|value| read(value).map_err(|raised| raised.under("portal").arg(1))).transpose()
}

fn within(options: &Map) -> Result<Duration, Raised> {
    let Some(value) = options.get("within") else { return Ok(iscsi::LOGIN) };
    duration(value).map_err(|raised| raised.under("within").arg(1))
}

/// Returns the session that is to be made where there is none, if one is.
fn session(call: &Call<'_>, disk: &IscsiDisk, options: &Map) -> Result<Option<IscsiSession>, Raised> {
    let Some(value) = options.get("login").filter(|value| !value.is_unit()) else { return Ok(None) };
    let about = |raised: Raised| raised.under("login").arg(1);
    let nickname = match (value.as_bool(), text(value)) {
        (Ok(false), _) => return Ok(None),
        (Ok(true), _) => None,
        (Err(_), Ok(nickname)) => Some(nickname.parse().map_err(|fault: Fault| about(fault.into()))?),
        (Err(_), Err(_)) => return Err(about(expected("true, false or a nickname of /etc/iscsi.conf", value))),
    };
    let Some(portal) = disk.portal.clone() else {
        let fault = Fault::new(format!("a login at {} needs its portal", disk.target));
        return Err(about(fault.hint("`portal: \"10.0.0.30\"`, the address of its server").into()));
    };
    if nickname.is_some() && call.evaluation().run().host.settings().platform == Platform::Linux {
        let fault = Fault::new("iscsiadm(8) knows no nicknames: its record of a target has the secrets of CHAP");
        let hint = "`login: true`, and node.session.auth.* in /etc/iscsi/iscsid.conf before `iscsiadm -m discovery` makes the record";
        return Err(about(fault.hint(hint).into()));
    }
    Ok(Some(IscsiSession { target: disk.target.clone(), portal, nickname }))
}
