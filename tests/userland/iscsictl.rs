//! iscsictl(8), as far as who has a machine uses it: `iscsictl -L`, for people and as JSON, `-A` and `-R` (usr.bin/iscsictl/iscsictl.c, periphs.c; libxo(3); what is
//! refused: sys/dev/iscsi/iscsi.c). Sessions are the lines of the file `iscsi`: target, portal and state, and behind `Connected` each LUN with its device, as `0:da0`,
//! between tabs. Without that file there are none. A device that is written `probe0>da0` is the first one when it is listed first, and then the other.
//!
//! The file `iscsi-targets` has what a login makes, in the same form; any other target waits for iscsid(8) for ever. The file `iscsi.conf` has lines of a nickname, a target
//! and a portal. A session that was removed is listed once more, as it is until the kernel's thread has ended it.

use crate::exit::{EBUSY, ESRCH, Exit, Step, say};
use crate::getopt::{self, Words};
use crate::state::{State, is_root};

const USAGE: &str = "usage: iscsictl -A -p portal -t target [-u user -s secret] [-w timeout] [-e on | off]
       iscsictl -A -d discovery-host [-u user -s secret] [-e on | off]
       iscsictl -A -a [-c path]
       iscsictl -A -n nickname [-c path]
       iscsictl -M -i session-id [-p portal] [-t target] [-u user] [-s secret] [-e on | off]
       iscsictl -M -i session-id -n nickname [-c path]
       iscsictl -R [-p portal] [-t target]
       iscsictl -R -a
       iscsictl -R -n nickname [-c path]
       iscsictl -L [-v] [-w timeout]";

/// How a line of a session begins that was removed.
const REMOVED: &str = "~";

/// A session.
struct Session {
    target: String,
    portal: String,
    state: String,
    luns: Vec<(String, String)>,
}

/// Runs iscsictl.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let (is_json, args) = match args {
        [libxo, form, rest @ ..] if libxo == "--libxo" && form == "json" => (true, rest),
        _ => (false, args),
    };
    let words = getopt::or_usage("iscsictl", "ALRn:p:t:w:", args, (1, USAGE))?;
    if !is_root() {
        return Err(Exit::new(1, "iscsictl: failed to open /dev/iscsi: Permission denied"));
    }
    let _lock = state.lock()?;
    match (words.has('A'), words.has('R')) {
        (true, true) => Err(Exit::new(1, "iscsictl: at most one of -A, -M, -R, or -L may be specified")),
        (true, false) => add(state, &words),
        (false, true) => remove(state, &words),
        (false, false) => list(state, is_json),
    }
}

fn lines(state: &State, name: &str) -> Step<Vec<String>> {
    let text = if state.path(name).is_file() { state.read(name)? } else { String::new() };
    Ok(text.lines().map(String::from).collect())
}

fn list(state: &State, is_json: bool) -> Step<u8> {
    let all = lines(state, "iscsi")?;
    let shown = |line: &String| {
        let line = line.strip_prefix(REMOVED).unwrap_or(line);
        let fields = line.split('\t').map(|field| field.split_once('>').map_or(field, |(now, _)| now));
        session(&fields.collect::<Vec<_>>().join("\t"))
    };
    let sessions: Vec<Session> = all.iter().filter_map(shown).collect();
    say(if is_json { json(&sessions) } else { table(&sessions) });
    let then = |field: &str| match field.split_once('>') {
        Some((now, then)) => format!("{}:{then}", now.split(':').next().unwrap_or_default()),
        None => field.to_string(),
    };
    let after: Vec<String> = all
        .iter()
        .filter(|line| !line.starts_with(REMOVED))
        .map(|line| line.split('\t').map(then).collect::<Vec<_>>().join("\t"))
        .collect();
    if after != all {
        state.write_lines("iscsi", &after)?;
    }
    Ok(0)
}

/// Returns the target and the portal that are meant.
fn meant(state: &State, words: &Words<'_>) -> Step<(String, String)> {
    let Some(nickname) = words.value('n') else {
        return match (words.value('t'), words.value('p')) {
            (Some(target), Some(portal)) => Ok((target.into(), portal.into())),
            (Some(_), None) => Err(Exit::new(1, "iscsictl: -t must always be used with -p")),
            (None, Some(_)) => Err(Exit::new(1, "iscsictl: -p must always be used with -t")),
            (None, None) => Err(Exit::new(1, "iscsictl: must specify -a, -n or -t/-p")),
        };
    };
    if words.has('t') || words.has('p') {
        let other = if words.has('p') { 'p' } else { 't' };
        return Err(Exit::new(1, format!("iscsictl: -n and -{other} are mutually exclusive")));
    }
    let known = lines(state, "iscsi.conf")?;
    let target = known.iter().find_map(|line| {
        let mut fields = line.split('\t');
        fields.next().filter(|name| name.eq_ignore_ascii_case(nickname))?;
        Some((fields.next()?.to_string(), fields.next()?.to_string()))
    });
    target.ok_or_else(|| Exit::new(1, format!("iscsictl: target {nickname} not found in /etc/iscsi.conf")))
}

fn is(line: &str, target: &str, portal: &str) -> bool {
    let mut fields = line.trim_start_matches(REMOVED).split('\t');
    fields.next() == Some(target) && fields.next() == Some(portal)
}

fn add(state: &State, words: &Words<'_>) -> Step<u8> {
    let (target, portal) = meant(state, words)?;
    let mut all = lines(state, "iscsi")?;
    if all.iter().any(|line| is(line, &target, &portal)) {
        return Err(Exit::new(1, format!("iscsictl: ISCSISADD: {EBUSY}")));
    }
    let served = lines(state, "iscsi-targets")?.into_iter().find(|line| is(line, &target, &portal));
    all.push(served.unwrap_or_else(|| format!("{target}\t{portal}\tWaiting for iscsid(8)")));
    state.write_lines("iscsi", &all)?;
    Ok(0)
}

fn remove(state: &State, words: &Words<'_>) -> Step<u8> {
    let (target, portal) = meant(state, words)?;
    let mut all = lines(state, "iscsi")?;
    let its = all.iter_mut().find(|line| !line.starts_with(REMOVED) && is(line, &target, &portal));
    let Some(line) = its else { return Err(Exit::new(1, format!("iscsictl: ISCSISREMOVE: {ESRCH}"))) };
    line.insert_str(0, REMOVED);
    state.write_lines("iscsi", &all)?;
    Ok(0)
}

fn session(line: &str) -> Option<Session> {
    let mut fields = line.split('\t');
    let [target, portal, state] = [fields.next()?, fields.next()?, fields.next()?].map(String::from);
    let luns = fields.filter_map(|field| field.split_once(':')).map(|(lun, device)| (lun.into(), device.into()));
    Some(Session { target, portal, state, luns: luns.collect() })
}

fn table(sessions: &[Session]) -> String {
    let mut text = format!("{:<36} {:<16} {}\n", "Target name", "Target portal", "State");
    for Session { target, portal, state, luns } in sessions {
        let devices: String = luns.iter().map(|(_, device)| format!("{device} ")).collect();
        let state = if state == "Connected" { format!("Connected: {devices}") } else { state.clone() };
        text += &format!("{target:<36} {portal:<16} {state}\n");
    }
    text
}

fn json(sessions: &[Session]) -> String {
    let one = |Session { target, portal, state, luns }: &Session| {
        let lun = |(lun, device): &(String, String)| format!("{{\"lun\":{lun},\"device\":\"{device}\"}}");
        let luns: Vec<String> = luns.iter().map(lun).collect();
        let devices = format!(",\"devices\":{{\"lun\":[{}],\"scbus\":6,\"bus\":0,\"target\":0}}", luns.join(","));
        let devices = if state == "Connected" { devices } else { String::new() };
        format!("{{\"name\":\"{target}\",\"portal\":\"{portal}\",\"state\":\"{state}\"{devices}}}")
    };
    let all: Vec<String> = sessions.iter().map(one).collect();
    // An empty list is never opened.
    let list = if all.is_empty() { String::new() } else { format!("\"session\":[{}]", all.join(",")) };
    format!("{{\"__version\": \"1\", \"iscsictl\": {{{list}}}}}\n")
}
