//! iscsictl(8), as far as who has a machine asks it: `iscsictl -L`, for people and as JSON (usr.bin/iscsictl/iscsictl.c, periphs.c; libxo(3)). Sessions are the lines of
//! the file `iscsi`: target, portal and state, and behind `Connected` each LUN with its device, as `0:da0`, between tabs. Without that file there are none.

use crate::exit::{Exit, Step, say};
use crate::state::State;

/// A session.
struct Session {
    target: String,
    portal: String,
    state: String,
    luns: Vec<(String, String)>,
}

/// Runs iscsictl.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let is_json = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["-L"] => false,
        ["--libxo", "json", "-L"] => true,
        _ => return Err(Exit::fake("iscsictl lists sessions here, and no more")),
    };
    let text = if state.path("iscsi").is_file() { state.read("iscsi")? } else { String::new() };
    let sessions: Vec<Session> = text.lines().filter_map(session).collect();
    say(if is_json { json(&sessions) } else { table(&sessions) });
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
