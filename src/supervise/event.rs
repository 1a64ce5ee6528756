//! What happens to a machine, as lines of JSON that other programs follow.
//!
//! Every line is one object with `time` (RFC 3339, UTC, to the millisecond), `machine` and `event`; what else it has depends on
//! the event, and is in the table of `vmrun events --help`.

use super::progress::Progress;
use super::step::Means;
use crate::host::clock::Utc;
use crate::model::VmName;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Returns the line of what happened to a machine, so long after 1970; nothing for what is told in other words already.
pub(crate) fn line(at: Duration, machine: &VmName, progress: &Progress<'_>) -> Option<String> {
    let (event, details) = fields(progress)?;
    let mut object = Map::from_iter([
        ("time".to_string(), rfc3339(at).into()),
        ("machine".to_string(), machine.as_str().into()),
        ("event".to_string(), event.into()),
    ]);
    if let Value::Object(details) = details {
        object.extend(details);
    }
    Some(format!("{}\n", Value::Object(object)))
}

/// Returns an event's name and what it has beside.
fn fields(progress: &Progress<'_>) -> Option<(&'static str, Value)> {
    Some(match progress {
        // The end before and the start after it are events, and what only looks has none.
        Progress::Rebooted | Progress::Asks(_) | Progress::Fetches(_) => return None,
        Progress::TakesOver(left, commands) => {
            let commands: Vec<String> = commands.iter().map(ToString::to_string).collect();
            ("cleaned", json!({ "of": left.whose(), "commands": commands }))
        }
        Progress::Started { boot, process } => ("started", json!({ "boot": boot, "pid": process })),
        Progress::Adopted(process) => ("adopted", json!({ "pid": process })),
        Progress::Runs(..) => ("running", Value::Null),
        Progress::Ready(address) => ("ready", address.map_or(Value::Null, |ip| json!({ "address": ip }))),
        Progress::Stops(means @ (Means::Agent | Means::PowerButton), within) => {
            ("stopping", json!({ "by": means.word(), "within_ms": milliseconds(*within) }))
        }
        Progress::Stops(means, _) => ("stopping", json!({ "by": means.word() })),
        Progress::Ended(ended, last_words) => {
            let (how, status, message) = (ended.word(), ended.status(), ended.to_string());
            ("ended", json!({ "how": how, "status": status, "message": message, "last_words": last_words }))
        }
        Progress::Waits(wait, _) | Progress::Pauses(wait) => ("waiting", json!({ "delay_ms": milliseconds(*wait) })),
        Progress::Failed(errors) => ("failed", json!({ "errors": errors })),
        Progress::NotRestarted(error) => ("held", json!({ "error": error })),
        Progress::Gone(what) => ("gone", json!({ "what": what })),
        Progress::Helper(what) => ("helper", json!({ "what": what })),
        Progress::Freeze(what) => ("freeze", json!({ "what": what })),
        Progress::Clock(what) => ("clock", json!({ "what": what })),
        Progress::PermitHeld => ("permit", json!({ "state": "held" })),
        Progress::PermitLost(why, left) => {
            ("permit", json!({ "state": "lost", "why": why, "left_ms": milliseconds(*left) }))
        }
        Progress::Down => ("down", Value::Null),
    })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// As in RFC 3339, so that the order of times is the order of their texts.
fn rfc3339(at: Duration) -> String {
    let second = Utc(at.as_secs()).to_string();
    let second = second.trim_end_matches(" UTC").replacen(' ', "T", 1);
    format!("{second}.{:03}Z", at.subsec_millis())
}

/// Returns when a line says that it happened; nothing of a line that is no event.
pub(crate) fn time(line: &str) -> Option<String> {
    let object: Value = serde_json::from_str(line).ok()?;
    Some(object.get("time")?.as_str()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ended;
    use proptest::prelude::*;

    fn shown(progress: &Progress<'_>) -> String {
        line(Duration::from_millis(1_764_090_312_045), &"db".parse().unwrap(), progress).unwrap()
    }

    #[test]
    fn every_event_is_one_line_with_its_time_and_machine() {
        let words = ["it \"fell\"\n".to_string()];
        let name = "db".parse().unwrap();
        let all = [
            Progress::Started { boot: 2, process: Some(77) },
            Progress::Runs(&name, false),
            Progress::Stops(Means::PowerButton, Duration::from_secs(60)),
            Progress::Ended(&Ended::Killed { signal: 9 }, &words),
            Progress::Waits(Duration::from_millis(1500), &[]),
            Progress::Pauses(Duration::from_secs(1)),
            Progress::NotRestarted("started again 5 times"),
            Progress::Gone("tap1 is gone already"),
            Progress::Clock("it was set"),
            Progress::Down,
        ];
        let text: String = all.iter().map(shown).collect();
        let head = "\"machine\":\"db\"";
        let time = "\"time\":\"2025-11-25T17:05:12.045Z\"";
        assert_eq!(
            text,
            format!(
                "{{\"boot\":2,\"event\":\"started\",{head},\"pid\":77,{time}}}\n\
                 {{\"event\":\"running\",{head},{time}}}\n\
                 {{\"by\":\"power button\",\"event\":\"stopping\",{head},{time},\"within_ms\":60000}}\n\
                 {{\"event\":\"ended\",\"how\":\"killed\",\"last_words\":[\"it \\\"fell\\\"\\n\"],{head},\
                 \"message\":\"the hypervisor was killed by signal 9 (SIGKILL)\",\"status\":137,{time}}}\n\
                 {{\"delay_ms\":1500,\"event\":\"waiting\",{head},{time}}}\n\
                 {{\"delay_ms\":1000,\"event\":\"waiting\",{head},{time}}}\n\
                 {{\"error\":\"started again 5 times\",\"event\":\"held\",{head},{time}}}\n\
                 {{\"event\":\"gone\",{head},{time},\"what\":\"tap1 is gone already\"}}\n\
                 {{\"event\":\"clock\",{head},{time},\"what\":\"it was set\"}}\n\
                 {{\"event\":\"down\",{head},{time}}}\n"
            )
        );
    }

    proptest! {
        #[test]
        fn times_are_ordered_as_their_texts_and_read_back(one in 0_u64..4_000_000_000_000, other in 0_u64..4_000_000_000_000) {
            let text = |at| rfc3339(Duration::from_millis(at));
            prop_assert_eq!(one.cmp(&other), text(one).cmp(&text(other)));
            let line = line(Duration::from_millis(one), &"db".parse().unwrap(), &Progress::Down).unwrap();
            prop_assert_eq!(time(&line), Some(text(one)));
        }
    }
}
