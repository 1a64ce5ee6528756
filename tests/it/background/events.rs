//! What happens to machines, as lines of JSON.

use super::QUICK;
use crate::host::{Host, SOON, ended, kill};
use crate::sandbox::same;
use crate::shown::events;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;
use vmrun::internals::supervise::status::MachineState;

#[test]
fn what_happens_to_a_machine_is_written_down() {
    let host = Host::new("3\n3\n");
    host.recipe("db", &QUICK.replace("limit: 3", "limit: 1"));
    assert_eq!(host.run(&["start", "db.rhai"]).code, 4);
    host.until("db", |status| status.state == MachineState::Failed);
    let crashed = "{\"event\":\"ended\",\"how\":\"triple_fault\",\"last_words\":[],\"machine\":\"db\",\
                   \"message\":\"the guest met a triple fault\",\"status\":3}";
    let held = "it was started again once within 600s, and is not any more";
    let first = format!(
        "{{\"boot\":1,\"event\":\"started\",\"machine\":\"db\",\"pid\":\"[pid]\"}}\n{crashed}\n\
         {{\"delay_ms\":20,\"event\":\"waiting\",\"machine\":\"db\"}}\n\
         {{\"boot\":2,\"event\":\"started\",\"machine\":\"db\",\"pid\":\"[pid]\"}}\n{crashed}\n\
         {{\"errors\":[\"the guest met a triple fault\",\"{held}\"],\"event\":\"failed\",\"machine\":\"db\"}}\n\
         {{\"error\":\"the guest met a triple fault; {held}\",\"event\":\"held\",\"machine\":\"db\"}}\n\
         {{\"event\":\"down\",\"machine\":\"db\"}}\n"
    );
    let begin = Instant::now();
    while !host.read("log/db.events.jsonl").contains("down") {
        assert!(begin.elapsed() < SOON);
    }
    same(&events(&host.run(&["events", "db"]).stdout), &first);
    // A second machine, and all that happened in order.
    host.write("fake/exits", "run\n");
    host.recipe("web", "ready(#{ serial: \"web runs\" });\n");
    assert_eq!(host.run(&["start", "web"]).code, 0);
    let status = host.until("web", |status| status.state == MachineState::Running);
    kill(status.supervisor.unwrap());
    ended(&host.run(&["adopt", "web"]), 0, "vmrun: web goes on; it was taken over");
    assert_eq!(host.run(&["stop", "web"]).code, 0);
    let second = "
{\"boot\":1,\"event\":\"started\",\"machine\":\"web\",\"pid\":\"[pid]\"}
{\"event\":\"running\",\"machine\":\"web\"}
{\"event\":\"ready\",\"machine\":\"web\"}
{\"event\":\"adopted\",\"machine\":\"web\",\"pid\":\"[pid]\"}
{\"event\":\"running\",\"machine\":\"web\"}
{\"by\":\"power button\",\"event\":\"stopping\",\"machine\":\"web\",\"within_ms\":60000}
{\"event\":\"ended\",\"how\":\"failed\",\"last_words\":[],\"machine\":\"web\",\"message\":\"the hypervisor failed with status 4\",\"status\":4}
{\"event\":\"down\",\"machine\":\"web\"}
";
    same(&events(&host.run(&["events"]).stdout), &format!("{first}{}", second.trim_start()));
    same(&events(&host.run(&["events", "-n", "1"]).stdout), "{\"event\":\"down\",\"machine\":\"web\"}");
    ended(
        &host.run(&["events", "cache"]),
        3,
        "
error: there are no events of cache: [tmp]/log/cache.events.jsonl is not there
 |
 = hint: a machine has some once it runs in the background: `vmrun start cache`
",
    );
}

#[test]
fn events_can_be_followed_from_before_the_first_one() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let mut follower = host.command(&["events", "--follow", "db"]).stderr(Stdio::inherit()).spawn().unwrap();
    assert_eq!(host.run(&["start", "db"]).code, 0);
    assert_eq!(host.run(&["kill", "db"]).code, 0);
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let names = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["event"].to_string());
    let mut seen = Vec::new();
    for name in names {
        // How far a kill has to go depends on when the guest ends.
        if seen.last() != Some(&name) {
            seen.push(name);
        }
        if seen.last().is_some_and(|name| name.contains("down")) {
            break;
        }
    }
    // Nobody reads any more: it ends by itself.
    assert!(follower.wait().unwrap().success());
    assert_eq!(seen.join(" "), "\"started\" \"running\" \"stopping\" \"ended\" \"down\"");
}

#[test]
fn a_run_in_the_foreground_has_events_where_it_is_told() {
    let host = Host::new("0\n1\n");
    host.recipe("db", "");
    ended(&host.run(&["run", "--events", "my/events", "db.rhai"]), 0, "vmrun: the guest rebooted; starting it again");
    let boot = |number: u32, how: &str, message: &str, status: u32| {
        format!(
            "{{\"boot\":{number},\"event\":\"started\",\"machine\":\"db\",\"pid\":\"[pid]\"}}\n{{\"event\":\"ended\",\"how\":\"{how}\",\
             \"last_words\":[],\"machine\":\"db\",\"message\":\"{message}\",\"status\":{status}}}\n"
        )
    };
    let text =
        [boot(1, "rebooted", "the guest rebooted", 0), boot(2, "powered_off", "the guest powered off", 1)].concat();
    same(&events(&host.read("my/events")), &format!("{text}{{\"event\":\"down\",\"machine\":\"db\"}}"));
    ended(
        &host.run(&["run", "--events", "vm", "db.rhai"]),
        3,
        "
error: cannot write vm: Is a directory
",
    );
    host.is_clean();
}
