//! The disks of iSCSI targets whose sessions are there: on FreeBSD as iscsictl(8) lists them, on Linux as udev(7) names them.
//!
//! How iscsictl lists is from its sources (usr.bin/iscsictl, iscsictl.c and periphs.c): a session has a state, which is the reason where the last login failed, and of each
//! LUN the device, which is `probeN` for a moment. That udev has links `ip-PORTAL-iscsi-TARGET-lun-N` is from memory.

use super::{Facts, Platform};
use crate::diag::Fault;
use crate::model::{Argv, IscsiDisk};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where udev(7) has a link for each disk, which says by which way it is reached.
const BY_PATH: &str = "/dev/disk/by-path";

/// Returns the device of a disk, or nothing where the host says nothing, as one that is only imagined.
///
/// # Errors
/// There is no such session, it is not connected, its target has no such disk, or there are several ways to it.
pub(crate) fn device(host: &dyn Facts, disk: &IscsiDisk) -> Result<Option<PathBuf>, Fault> {
    match host.settings().platform {
        Platform::FreeBsd => {
            let text = host.query(&Argv::new("iscsictl").args(["--libxo", "json", "-L"]))?;
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

/// Finds a disk in what iscsictl(8) lists.
fn listed(text: &str, disk: &IscsiDisk) -> Result<PathBuf, Fault> {
    let unknown =
        |_| Fault::host("what `iscsictl -L` says is not understood").hint("`iscsictl --libxo json -L` shows it");
    let all: Value = serde_json::from_str(text).map_err(unknown)?;
    let sessions = all.pointer("/iscsictl/session").and_then(Value::as_array);
    let field = |session: &Value, key: &str| session.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    // Whoever logs in by a name in capital letters has it listed so, and the same target (RFC 3720, 3.2.6.2).
    let is_its = |session: &&Value| {
        field(session, "name").eq_ignore_ascii_case(disk.target.as_str()) && is_at(disk, &field(session, "portal"))
    };
    let own: Vec<&Value> = sessions.into_iter().flatten().filter(is_its).collect();
    let session = match own.as_slice() {
        [] => return Err(no_session(disk, Platform::FreeBsd)),
        [only] => *only,
        several => return Err(several_ways(disk, several.iter().map(|session| field(session, "portal")))),
    };
    let state = field(session, "state");
    if state != "Connected" {
        let fault = Fault::host(format!("the iSCSI session of {} is not connected: {state:?}", disk.target));
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
        Some((_, device)) => Ok(Path::new("/dev").join(device)),
        None => Err(no_lun(disk, known.into_iter().map(|(number, _)| number))),
    }
}

/// Finds a disk among the links of udev(7).
fn linked(text: &str, disk: &IscsiDisk) -> Result<PathBuf, Fault> {
    let of = |name: &str| {
        let (portal, rest) = name.strip_prefix("ip-")?.split_once("-iscsi-")?;
        let (target, lun) = rest.rsplit_once("-lun-")?;
        Some((portal.to_string(), target.to_string(), lun.parse::<u64>().ok()?, name.to_string()))
    };
    let own: Vec<_> = text
        .lines()
        .filter_map(of)
        .filter(|(portal, target, ..)| target.eq_ignore_ascii_case(disk.target.as_str()) && is_at(disk, portal))
        .collect();
    let found: Vec<_> = own.iter().filter(|(_, _, lun, _)| *lun == u64::from(disk.lun)).collect();
    match (own.as_slice(), found.as_slice()) {
        ([], _) => Err(no_session(disk, Platform::Linux)),
        (_, []) => Err(no_lun(disk, own.iter().map(|(_, _, lun, _)| *lun))),
        (_, [(.., name)]) => Ok(Path::new(BY_PATH).join(name)),
        (_, several) => Err(several_ways(disk, several.iter().map(|(portal, ..)| portal.clone()))),
    }
}

fn no_session(disk: &IscsiDisk, platform: Platform) -> Fault {
    let target = &disk.target;
    let portal = disk.portal.as_deref().unwrap_or("PORTAL");
    let fault = Fault::host(format!("there is no iSCSI session of {target}"));
    fault.hint(match platform {
        Platform::FreeBsd => format!(
            "`iscsictl -A -p {portal} -t {target} -w 60` logs in; /etc/iscsi.conf has what is logged in at each start of the host, and the \
             secrets of CHAP"
        ),
        Platform::Linux => format!("`iscsiadm -m node -T {target} -p {portal} --login` logs in"),
    })
}

fn no_lun(disk: &IscsiDisk, known: impl Iterator<Item = u64>) -> Fault {
    // Of several sessions each has them.
    let known: BTreeSet<u64> = known.collect();
    let known: Vec<String> = known.iter().map(u64::to_string).collect();
    let fault = Fault::host(format!("the iSCSI target {} has no disk as LUN {}", disk.target, disk.lun));
    fault.hint(match known.as_slice() {
        [] => "it has none that is ready: try again in a moment".into(),
        known => format!("it has LUN {}", known.join(", ")),
    })
}

/// Whether a session's portal is the one that a disk names, if it names one: either may leave out the usual port.
fn is_at(disk: &IscsiDisk, portal: &str) -> bool {
    let with_port = |text: &str| format!("{text}:{}", IscsiDisk::PORT);
    disk.portal
        .as_ref()
        .is_none_or(|wanted| wanted == portal || with_port(wanted) == portal || *wanted == with_port(portal))
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
        IscsiDisk { target: "iqn.a:web".parse().unwrap(), lun, portal: portal.map(Into::into) }
    }

    fn said(found: Result<PathBuf, Fault>) -> String {
        found.map_or_else(
            |fault| format!("{}; {}", fault.message, fault.hint.unwrap_or_default()),
            |path| path.display().to_string(),
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
            "there is no iSCSI session of iqn.a:web; `iscsiadm -m node -T iqn.a:web -p 10.0.0.9 --login` logs in"
        );
    }

    #[test]
    fn the_usual_port_of_a_portal_may_be_left_out_on_either_side() {
        let found = |own, theirs: &str| is_at(&disk(0, own), theirs);
        assert!(
            found(None, "fd00::1")
                && found(Some("10.0.0.30"), "10.0.0.30")
                && found(Some("10.0.0.30"), "10.0.0.30:3260")
        );
        assert!(found(Some("10.0.0.30:3260"), "10.0.0.30") && found(Some("[fd00::1]:3260"), "[fd00::1]"));
        assert!(!found(Some("10.0.0.30"), "10.0.0.30:3261") && !found(Some("10.0.0.3"), "10.0.0.30"));
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
