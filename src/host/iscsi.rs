//! The disks of iSCSI targets and their sessions: on FreeBSD as iscsictl(8) lists them, on Linux as udev(7) and iscsiadm(8) name them.
//!
//! How iscsictl lists is from its sources (usr.bin/iscsictl, iscsictl.c and periphs.c): a session has a state, which is the reason where the last login failed, and of each
//! LUN the device, which is `probeN` for a moment. A session is there as soon as iscsictl has added it, and iscsid(8) connects it in the background. Two of the same target
//! and portal are refused (sys/dev/iscsi/iscsi.c). That udev has links `ip-PORTAL-iscsi-TARGET-lun-N`, and what `iscsiadm -m session` prints, is from memory.

use super::{Facts, Platform, packages};
use crate::diag::{Cause, Fault};
use crate::model::{Argv, IscsiDisk, IscsiSession};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where udev(7) has a link for each disk, which says by which way it is reached.
const BY_PATH: &str = "/dev/disk/by-path";

/// A disk that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiDevice {
    /// Its device.
    pub path: PathBuf,
    /// The portal of its session, as the host names it.
    pub portal: String,
}

/// How long a login may take, if nobody says: so long as iscsi(4) gives it (kern.iscsi.login_timeout).
pub(crate) const LOGIN: Duration = Duration::from_secs(60);

/// Returns the command that logs in, and does not wait for that on FreeBSD: its `-w` waits for every session of the host.
pub(super) fn login(platform: Platform, session: &IscsiSession) -> Argv {
    match (platform, &session.nickname) {
        (Platform::FreeBsd, Some(nickname)) => Argv::new("iscsictl").args(["-A", "-n"]).arg(nickname),
        (Platform::FreeBsd, None) => of_portal("-A", session),
        (Platform::Linux, _) => of_node("--login", session),
    }
}

/// Returns the command that ends a session.
pub(super) fn logout(platform: Platform, session: &IscsiSession) -> Argv {
    match (platform, &session.nickname) {
        (Platform::FreeBsd, Some(nickname)) => Argv::new("iscsictl").args(["-R", "-n"]).arg(nickname),
        (Platform::FreeBsd, None) => of_portal("-R", session),
        (Platform::Linux, _) => of_node("--logout", session),
    }
}

/// Returns the fault of a login that was refused, with the way out. That iscsiadm says so of a target of which it has no record is from memory.
pub(super) fn explained(platform: Platform, session: &IscsiSession, fault: Fault) -> Fault {
    let IscsiSession { target, portal, .. } = session;
    let says = |words: &str| fault.message.contains(words);
    let hint = match platform {
        Platform::Linux if says("No records found") => {
            format!("`iscsiadm -m discovery -t sendtargets -p {portal}` makes the records of what it serves")
        }
        Platform::FreeBsd if says("ISCSISADD: Device busy") => {
            format!(
                "somebody has logged in meanwhile, or a session of {target} at {portal} is still ending: `iscsictl -L`"
            )
        }
        Platform::FreeBsd if says("not found in") => {
            "it has sections `NICKNAME { targetname = …; targetaddress = …; }` (iscsi.conf(5))".into()
        }
        Platform::FreeBsd | Platform::Linux => return fault,
    };
    fault.hint(hint)
}

fn of_portal(what: &str, session: &IscsiSession) -> Argv {
    Argv::new("iscsictl").arg(what).arg("-p").arg(&session.portal).arg("-t").arg(&session.target)
}

fn of_node(what: &str, session: &IscsiSession) -> Argv {
    Argv::new("iscsiadm").args(["-m", "node", "-T"]).arg(&session.target).arg("-p").arg(&session.portal).arg(what)
}

/// Returns whether a session is there, connected or not.
///
/// # Errors
/// The host does not say.
pub(crate) fn is_there(host: &dyn Facts, session: &IscsiSession) -> Result<bool, Fault> {
    let is_it = |(target, portal): &(String, String)| session.is(target, portal);
    match host.settings().platform {
        Platform::FreeBsd => {
            let text = list(host)?;
            Ok(sessions(&text)?.iter().any(|one| is_it(&(field(one, "name"), field(one, "portal")))))
        }
        Platform::Linux => match host.query(&Argv::new("iscsiadm").args(["-m", "session"])) {
            Ok(text) => Ok(text.lines().filter_map(active).any(|one| is_it(&one))),
            // It ends with a status of its own where there is none.
            Err(fault) if fault.message.contains("No active sessions") => Ok(false),
            Err(fault) => Err(fault),
        },
    }
}

/// Reads a line of `iscsiadm -m session`: `tcp: [1] 10.0.0.30:3260,1 iqn.2012-06.com.example:target0 (non-flash)`.
fn active(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ').skip(2);
    let (portal, target) = (words.next()?, words.next()?);
    Some((target.into(), portal.rsplit_once(',')?.0.into()))
}

/// Returns the path that a disk is going to have when its session is there, where that can be told: a link of udev(7).
pub(crate) fn to_come(platform: Platform, session: &IscsiSession, lun: u16) -> Option<PathBuf> {
    let socket = session.portal.socket().filter(|_| platform == Platform::Linux)?;
    Some(Path::new(BY_PATH).join(format!("ip-{socket}-iscsi-{}-lun-{lun}", session.target)))
}

/// Has iscsictl(8) list the sessions.
fn list(host: &dyn Facts) -> Result<String, Fault> {
    const PROGRAM: &str = "iscsictl";
    host.query(&Argv::new(PROGRAM).args(["--libxo", "json", "-L"])).map_err(|fault| {
        let is_missing = fault.cause == Some(Cause::NoProgram);
        if is_missing { fault.hint(packages::way_out(Platform::FreeBsd, PROGRAM)) } else { fault }
    })
}

/// Returns a disk, or nothing where the host says nothing, as one that is only imagined.
///
/// # Errors
/// There is no such session, it is not connected, its target has no such disk, or there are several ways to it.
pub(crate) fn device(host: &dyn Facts, disk: &IscsiDisk) -> Result<Option<IscsiDevice>, Fault> {
    match host.settings().platform {
        Platform::FreeBsd => {
            let text = list(host)?;
            if text.trim().is_empty() { Ok(None) } else { listed(&text, disk).map(Some) }
        }
        Platform::Linux => {
            let text = match host.query(&Argv::new("ls").arg(BY_PATH)) {
                Ok(text) if text.trim().is_empty() => return Ok(None),
                Ok(text) => text,
                // Without any disk that has such a link there is no folder.
                Err(_) => String::new(),
            };
            linked(&text, disk).map(Some)
        }
    }
}

/// Returns the sessions that iscsictl(8) lists.
fn sessions(text: &str) -> Result<Vec<Value>, Fault> {
    let unknown =
        |_| Fault::host("what `iscsictl -L` says is not understood").hint("`iscsictl --libxo json -L` shows it");
    let all: Value = serde_json::from_str(text).map_err(unknown)?;
    Ok(all.pointer("/iscsictl/session").and_then(Value::as_array).cloned().unwrap_or_default())
}

fn field(session: &Value, key: &str) -> String {
    session.get(key).and_then(Value::as_str).unwrap_or_default().into()
}

/// Finds a disk in what iscsictl(8) lists.
fn listed(text: &str, disk: &IscsiDisk) -> Result<IscsiDevice, Fault> {
    let all = sessions(text)?;
    let is_its = |session: &&Value| is_its(disk, &field(session, "name"), &field(session, "portal"));
    let own: Vec<&Value> = all.iter().filter(is_its).collect();
    let session = match own.as_slice() {
        [] => return Err(no_session(disk, Platform::FreeBsd)),
        [only] => *only,
        several => return Err(several_ways(disk, several.iter().map(|session| field(session, "portal")))),
    };
    let state = field(session, "state");
    if state != "Connected" {
        let what = format!("the iSCSI session of {} is not connected: {state:?}", disk.target);
        let fault = Fault::host(what).cause(Cause::NotReady);
        return Err(
            fault.hint("`service iscsid status` tells whether iscsid(8) runs, and `iscsictl -L -v` what failed")
        );
    }
    let luns = session.pointer("/devices/lun").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let lun = |lun: &Value| Some((lun.get("lun")?.as_u64()?, lun.get("device")?.as_str()?.to_string()));
    let mut known: Vec<(u64, String)> = luns.iter().filter_map(lun).collect();
    // What is asked still what it is has no node of its own.
    known.retain(|(_, device)| !device.starts_with("probe"));
    match known.iter().find(|(number, _)| *number == u64::from(disk.lun)) {
        Some((_, device)) => Ok(IscsiDevice { path: Path::new("/dev").join(device), portal: field(session, "portal") }),
        None => Err(no_lun(disk, known.into_iter().map(|(number, _)| number))),
    }
}

/// Finds a disk among the links of udev(7).
fn linked(text: &str, disk: &IscsiDisk) -> Result<IscsiDevice, Fault> {
    let of = |name: &str| {
        let (portal, rest) = name.strip_prefix("ip-")?.split_once("-iscsi-")?;
        let (target, lun) = rest.rsplit_once("-lun-")?;
        Some((portal.to_string(), target.to_string(), lun.parse::<u64>().ok()?, name.to_string()))
    };
    let own: Vec<_> = text.lines().filter_map(of).filter(|(portal, target, ..)| is_its(disk, target, portal)).collect();
    let found: Vec<_> = own.iter().filter(|(_, _, lun, _)| *lun == u64::from(disk.lun)).collect();
    match (own.as_slice(), found.as_slice()) {
        ([], _) => Err(no_session(disk, Platform::Linux)),
        (_, []) => Err(no_lun(disk, own.iter().map(|(_, _, lun, _)| *lun))),
        (_, [(portal, .., name)]) => Ok(IscsiDevice { path: Path::new(BY_PATH).join(name), portal: portal.clone() }),
        (_, several) => Err(several_ways(disk, several.iter().map(|(portal, ..)| portal.clone()))),
    }
}

fn no_session(disk: &IscsiDisk, platform: Platform) -> Fault {
    let target = &disk.target;
    let portal = disk.portal.as_ref().map_or("PORTAL".into(), ToString::to_string);
    let fault = Fault::host(format!("there is no iSCSI session of {target}")).cause(Cause::NoSession);
    fault.hint(match platform {
        Platform::FreeBsd => format!(
            "`login: true` has vmrun log in, and out; `iscsictl -A -p {portal} -t {target} -w 60` does it by hand; /etc/iscsi.conf has what is \
             logged in at each start of the host, and the secrets of CHAP"
        ),
        Platform::Linux => format!(
            "`login: true` has vmrun log in, and out; `iscsiadm -m node -T {target} -p {portal} --login` does it by hand"
        ),
    })
}

fn no_lun(disk: &IscsiDisk, known: impl Iterator<Item = u64>) -> Fault {
    // Of several sessions each has them.
    let known: BTreeSet<u64> = known.collect();
    let known: Vec<String> = known.iter().map(u64::to_string).collect();
    let fault = Fault::host(format!("the iSCSI target {} has no disk as LUN {}", disk.target, disk.lun));
    fault.cause(Cause::NotReady).hint(match known.as_slice() {
        [] => "it has none that is ready: try again in a moment".into(),
        known => format!("it has LUN {}", known.join(", ")),
    })
}

/// Whether a session is the one of a disk, which may name its portal.
fn is_its(disk: &IscsiDisk, target: &str, portal: &str) -> bool {
    // Whoever logs in by a name in capital letters has it listed so, and the same target (RFC 3720, 3.2.6.2).
    target.eq_ignore_ascii_case(disk.target.as_str()) && disk.portal.as_ref().is_none_or(|own| own.is(portal))
}

fn several_ways(disk: &IscsiDisk, portals: impl Iterator<Item = String>) -> Fault {
    let portals: Vec<String> = portals.collect();
    let fault = Fault::host(format!("there are {} iSCSI sessions of {}", portals.len(), disk.target));
    let first = portals.first().map(String::as_str).unwrap_or_default();
    fault.hint(format!("say which one: `portal: {first:?}`; they are {}", portals.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(lun: u16, portal: Option<&str>) -> IscsiDisk {
        IscsiDisk { target: "iqn.a:web".parse().unwrap(), lun, portal: portal.map(|portal| portal.parse().unwrap()) }
    }

    fn said(found: Result<IscsiDevice, Fault>) -> String {
        found.map_or_else(
            |fault| format!("{}; {}", fault.message, fault.hint.unwrap_or_default()),
            |found| found.path.display().to_string(),
        )
    }

    #[test]
    fn a_disk_is_found_by_the_links_of_udev() {
        let text = "ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-0\nip-10.0.0.30:3260-iscsi-iqn.a:web-lun-0-part1\n\
                    ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-12\nip-10.0.0.31:3261-iscsi-iqn.a:web-lun-12\n\
                    ip-10.0.0.30:3260-iscsi-iqn.a:web2-lun-1\npci-0000:00:1f.2-ata-1\n";
        let found = |lun, portal| said(linked(text, &disk(lun, portal)));
        assert_eq!(found(0, None), "/dev/disk/by-path/ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-0");
        let twelve = "/dev/disk/by-path/ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-12";
        assert_eq!(found(12, Some("10.0.0.30")), twelve);
        assert_eq!(found(12, Some("10.0.0.30:3260")), twelve);
        assert_eq!(
            found(12, None),
            "there are 2 iSCSI sessions of iqn.a:web; say which one: `portal: \"10.0.0.30:3260\"`; they are 10.0.0.30:3260, \
             10.0.0.31:3261"
        );
        assert_eq!(found(1, None), "the iSCSI target iqn.a:web has no disk as LUN 1; it has LUN 0, 12");
        assert_eq!(
            found(0, Some("10.0.0.9")),
            "there is no iSCSI session of iqn.a:web; `login: true` has vmrun log in, and out; `iscsiadm -m node -T iqn.a:web -p 10.0.0.9 \
             --login` does it by hand"
        );
    }

    #[test]
    fn a_session_of_linux_is_read_and_its_link_known_before() {
        let listed = "tcp: [1] 10.0.0.30:3260,1 iqn.a:web (non-flash)";
        assert_eq!(active(listed), Some(("iqn.a:web".into(), "10.0.0.30:3260".into())));
        assert_eq!((active(""), active("tcp: [1] 10.0.0.30 iqn.a:web")), (None, None));
        let session = |portal: &str| IscsiSession {
            target: "iqn.a:web".parse().unwrap(),
            portal: portal.parse().unwrap(),
            nickname: None,
        };
        let link =
            |portal: &str, platform| to_come(platform, &session(portal), 2).map(|path| path.display().to_string());
        let known = "/dev/disk/by-path/ip-10.0.0.30:3260-iscsi-iqn.a:web-lun-2";
        assert_eq!(link("10.0.0.30", Platform::Linux).as_deref(), Some(known));
        assert_eq!((link("san", Platform::Linux), link("10.0.0.30", Platform::FreeBsd)), (None, None));
    }

    #[test]
    fn a_login_that_was_refused_has_its_way_out() {
        let session =
            IscsiSession { target: "iqn.a:web".parse().unwrap(), portal: "10.0.0.30".parse().unwrap(), nickname: None };
        let hint = |platform, words: &str| explained(platform, &session, Fault::host(words)).hint.unwrap_or_default();
        assert_eq!(
            hint(Platform::FreeBsd, "`iscsictl` failed with status 1: iscsictl: ISCSISADD: Device busy"),
            "somebody has logged in meanwhile, or a session of iqn.a:web at 10.0.0.30 is still ending: `iscsictl -L`"
        );
        assert_eq!(
            hint(Platform::FreeBsd, "iscsictl: target shop not found in /etc/iscsi.conf"),
            "it has sections `NICKNAME { targetname = …; targetaddress = …; }` (iscsi.conf(5))"
        );
        assert_eq!(hint(Platform::FreeBsd, "iscsictl: ISCSISADD: Invalid argument"), "");
    }

    #[test]
    fn what_iscsictl_does_not_say_is_no_disk() {
        let listed = |text: &str| said(listed(text, &disk(0, None)));
        let unknown = "what `iscsictl -L` says is not understood; `iscsictl --libxo json -L` shows it";
        assert_eq!(listed("Target name"), unknown);
        for text in ["{}", "[]", "{\"iscsictl\": {\"session\": [7, {}, {\"name\": []}]}}"] {
            assert!(listed(text).starts_with("there is no iSCSI session of iqn.a:web; "), "{text}");
        }
        let odd = "{\"iscsictl\": {\"session\": [{\"name\": \"IQN.a:web\", \"state\": \"Connected\", \"devices\": {\"lun\": [{}, {\"lun\": -1, \"device\": \"da0\"}]}}]}}";
        assert_eq!(
            listed(odd),
            "the iSCSI target iqn.a:web has no disk as LUN 0; it has none that is ready: try again in a moment"
        );
    }
}
