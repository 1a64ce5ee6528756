//! The guest agent: commands in the guest by `vmrun exec`, and a stop that asks it first. What plays the agent speaks at the socket that
//! the hypervisor made; Debian's own is in `tests/system/agent.rs`.

use super::host::{Host, SOON, ended};
use super::sandbox::{Done, same};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The recipe of a machine with a port for an agent.
fn recipe(host: &Host) {
    host.recipe("web", "");
    let text = host.read("web.rhai").replace("cpus: 1,", "cpus: 1, agent: \"9\",");
    host.write("web.rhai", &text);
}

/// A host whose machine runs, with what plays its agent.
fn running(answers: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (Host, Arc<Mutex<Vec<String>>>) {
    let host = Host::new("run\n");
    recipe(&host);
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    let heard = plays(&host, answers);
    (host, heard)
}

/// Takes the place of the hypervisor at the socket: what is asked is noted, and answered so.
pub(crate) fn plays(host: &Host, answers: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let socket = host.path("state/web/agent.sock");
    // A hypervisor that was just started has not made it yet.
    let begun = Instant::now();
    while std::fs::remove_file(&socket).is_err() {
        assert!(begun.elapsed() < SOON, "the hypervisor has made no {}", socket.display());
        thread::sleep(Duration::from_millis(5));
    }
    let listener = UnixListener::bind(&socket).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            converse(stream.unwrap(), &notes, &answers);
        }
    });
    heard
}

/// A conversation, to its end.
fn converse(mut stream: UnixStream, notes: &Mutex<Vec<String>>, answers: &impl Fn(&str) -> Vec<u8>) {
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    let mut line = Vec::new();
    while requests.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(line.strip_prefix(b"\xff").unwrap_or(&line)).trim_end().to_string();
        line.clear();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        if value["execute"] != "guest-sync-delimited" {
            notes.lock().unwrap().push(text.clone());
        }
        let answer = answers(&text);
        if answer.is_empty() || stream.write_all(&answer).is_err() {
            // One that says nothing more hears on until the other one goes.
            let _ = requests.read_to_end(&mut Vec::new());
            return;
        }
    }
}

/// An agent as it ought to be, whose commands end so.
fn good(status: &'static str) -> impl Fn(&str) -> Vec<u8> + Send + 'static {
    move |text| {
        let request: serde_json::Value = serde_json::from_str(text).unwrap();
        match request["execute"].as_str().unwrap() {
            // What was said to somebody else before is left out.
            "guest-sync-delimited" => [
                b"{\"return\": \"stale\"}\n\xff",
                format!("{{\"return\": {}}}\n", request["arguments"]["id"]).as_bytes(),
            ]
            .concat(),
            "guest-exec" => b"{\"return\": {\"pid\": 77}}\n".to_vec(),
            "guest-exec-status" => format!("{{\"return\": {status}}}\n").into_bytes(),
            _ => Vec::new(),
        }
    }
}

#[test]
fn the_port_of_the_agent_is_in_the_plan_and_its_socket_in_the_folder_of_the_machine() {
    let host = Host::new("");
    recipe(&host);
    let plan = host.run(&["plan", "web.rhai"]);
    same(&plan.stderr, "");
    let lines: Vec<&str> = plan.stdout.lines().filter(|line| line.contains("state/web")).collect();
    let boots = "bhyve -c 1 -m 256M -s 0,hostbridge -s 4,virtio-blk,[tmp]/vm/web.img -s 6,virtio-net,tap2 \
                 -s 9,virtio-console,org.qemu.guest_agent.0=[tmp]/state/web/agent.sock -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web";
    assert_eq!(lines, ["mkdir -p -m 755 [tmp]/state/web", "rm -f [tmp]/state/web/agent.sock", boots]);
    let plan = host.run(&["plan", "web.rhai", "--on", "linux"]).stdout;
    let qemu = "-chardev socket,id=agent,path=[tmp]/state/web/agent.sock,server=on,wait=off \
                -device virtserialport,bus=console-9.0.0,chardev=agent,name=org.qemu.guest_agent.0";
    assert!(plan.contains(qemu), "{plan}");
    host.write("web.rhai", &host.read("web.rhai").replace("agent: \"9\"", "agent: \"4\""));
    let refused = host.run(&["check", "web.rhai"]).stderr;
    assert!(refused.contains("error: slot 4 is taken twice: by virtio-blk and by virtio-console\n"), "{refused}");
}

#[test]
fn a_command_has_its_output_and_its_exit_code_and_what_comes_from_a_pipe() {
    let (host, heard) =
        running(good("{\"exited\": true, \"exitcode\": 3, \"out-data\": \"aGkbWzJKCg==\", \"err-data\": \"b2gK\"}"));
    let done = host.run(&["exec", "web", "--", "cat", "-n"]);
    assert_eq!((done.code, &*done.stdout, &*done.stderr), (3, "hi\u{1b}[2J\n", "oh\n"));
    let piped = host.finish(&mut host.shell("printf in | vmrun exec web.rhai --within 9s --json -- sh -c 'a | b'"));
    assert_eq!((piped.code, &*piped.stderr), (3, ""));
    same(
        &piped.stdout,
        "{\n  \"exit\": 3,\n  \"signal\": null,\n  \"stderr\": \"oh\\n\",\n  \"stdout\": \"hi\\u001b[2J\\n\",\n  \"truncated\": false\n}\n",
    );
    let status = "{\"arguments\":{\"pid\":77},\"execute\":\"guest-exec-status\"}";
    assert_eq!(
        *heard.lock().unwrap(),
        [
            "{\"arguments\":{\"arg\":[\"-n\"],\"capture-output\":true,\"path\":\"cat\"},\"execute\":\"guest-exec\"}",
            status,
            "{\"arguments\":{\"arg\":[\"-c\",\"a | b\"],\"capture-output\":true,\"input-data\":\"aW4=\",\"path\":\"sh\"},\"execute\":\"guest-exec\"}",
            status,
        ]
    );
    // Nothing that a guest says is acted on by a terminal.
    let shown = host.finish(&mut host.on_terminal("vmrun exec web -- cat"));
    assert!(shown.stdout.contains("hi\\u{1b}[2J") && !shown.stdout.contains('\u{1b}'), "{:?}", shown.stdout);
}

#[test]
fn a_command_that_a_signal_ended_and_one_that_wrote_too_much_are_told_so() {
    let (host, _) = running(good("{\"exited\": true, \"signal\": 9, \"out-truncated\": true}"));
    let done = host.run(&["exec", "web", "--", "x"]);
    ended(
        &done,
        137,
        "vmrun: some of what the command wrote is left out: there was too much\nvmrun: signal 9 ended the command in web\n",
    );
}

/// What is said of an agent that answers so, and how long that took.
fn said(answers: impl Fn(&str) -> Vec<u8> + Send + 'static, expected: &str) {
    said_within("500ms", answers, expected);
}

/// The same where it may take longer to hear it.
fn said_within(within: &str, answers: impl Fn(&str) -> Vec<u8> + Send + 'static, expected: &str) {
    let (host, _) = running(answers);
    let begun = Instant::now();
    let done = host.run(&["exec", "web", "--within", within, "--", "x"]);
    ended(&done, 4, expected);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn an_agent_that_is_silent_or_says_anything_else_is_one_fault_within_its_time() {
    let hint = " |\n = hint: whatever speaks in the guest is no qemu-ga, or one that is broken: look at it by `vmrun console`\n";
    said(
        |_| Vec::new(),
        "error: the agent in web has not answered within 500ms\n |\n = hint: the guest may still boot; else its package \
         qemu-guest-agent is missing or not running, or another program speaks with it\n",
    );
    said(
        good("{\"exited\": false}"),
        "error: the agent in web says that `x` has not ended within 500ms\n |\n = hint: process 77 goes on in the guest, and what it \
         writes is lost; --within gives it more time\n",
    );
    let garbled = good("7");
    said(
        move |text| if text.contains("sync") { garbled(text) } else { b"\x1b]0;owned\x07\xff\n".to_vec() },
        &format!("error: the agent in web answers with what is no JSON\n{hint}"),
    );
    said(
        good("{\"exited\": true, \"exitcode\": 0, \"out-data\": \"\\u001b[2J\"}"),
        &format!("error: the agent in web answers with an output that is no base64\n{hint}"),
    );
    let refuses = good("");
    said(
        move |text| {
            let answer = b"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Command guest-exec has been disabled\\u001b[2J\"}}\n";
            if text.contains("sync") { refuses(text) } else { answer.to_vec() }
        },
        "error: the agent in web refuses guest-exec: Command guest-exec has been disabled\\u{1b}[2J\n |\n = hint: is the \
         program there, in the guest? What qemu-ga may be asked its own configuration there says (block-rpcs)\n",
    );
    let floods = good("");
    said_within(
        "15s",
        move |text| if text.contains("sync") { floods(text) } else { vec![b'x'; 17 << 20] },
        "error: the agent in web sends more than 16 MiB in one answer\n |\n = hint: have the command write a file in the guest, and \
         `vmrun cp` fetch that\n",
    );
}

#[test]
fn a_machine_without_a_port_for_an_agent_and_one_that_does_not_run_are_told_so() {
    let host = Host::new("run\n");
    host.recipe("web", "");
    let down = host.run(&["exec", "web", "--", "x"]);
    ended(&down, 8, "error: the machine web does not run\n |\n = hint: `vmrun start web` starts it\n");
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    ended(
        &host.run(&["exec", "web", "--", "x"]),
        3,
        "error: web has no port for a guest agent\n |\n = hint: in its recipe `agent: \"9\"`, a free slot, and the package \
         qemu-guest-agent in the guest; `vmrun ssh web` needs neither\n",
    );
}

fn stops(host: &Host, within: &str) -> (Done, Vec<String>, Duration) {
    let begun = Instant::now();
    let done = host.run(&["stop", "web", "--within", within]);
    let took = begun.elapsed();
    let events = host.read("log/web.log");
    let log = events
        .lines()
        .filter(|line| line.contains("power off"))
        .map(|line| line.split(" UTC: ").last().unwrap().into());
    (done, log.collect(), took)
}

#[test]
fn a_stop_asks_the_agent_first_and_presses_the_power_button_after_a_third_of_the_time() {
    let (host, heard) = running(good(""));
    let (done, log, took) = stops(&host, "6s");
    ended(&done, 0, "vmrun: web is down\n");
    assert_eq!(
        log,
        ["asking the guest's agent to power off; it has 6s", "asked the guest to power off; it has 6s"]
            .map(String::from)
    );
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(6), "{took:?}");
    assert_eq!(*heard.lock().unwrap(), ["{\"arguments\":{\"mode\":\"powerdown\"},\"execute\":\"guest-shutdown\"}"]);
    host.is_clean();
}

#[test]
fn a_guest_that_its_agent_powers_off_needs_no_power_button() {
    let host = Host::new("run\n");
    recipe(&host);
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    let guest = host.status("web").unwrap().guest.unwrap();
    let agent = good("");
    plays(&host, move |text| {
        if text.contains("guest-shutdown") {
            // To the guest it is the same as its power button.
            assert!(Command::new("kill").arg(guest.to_string()).status().unwrap().success());
        }
        agent(text)
    });
    let (done, log, took) = stops(&host, "30s");
    ended(&done, 0, "vmrun: web is down\n");
    assert_eq!(log, ["asking the guest's agent to power off; it has 30s"]);
    assert!(took < SOON.min(Duration::from_secs(10)), "{took:?}");
}

#[test]
fn an_agent_that_is_not_there_costs_a_stop_a_second_at_most() {
    // The hypervisor takes the connection, and nobody speaks.
    let (host, _) = running(|_| Vec::new());
    let (done, log, took) = stops(&host, "30s");
    ended(&done, 0, "vmrun: web is down\n");
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_machine_may_be_ready_when_its_agent_answers() {
    let host = Host::new("run\n");
    recipe(&host);
    host.write("web.rhai", &format!("ready(#{{ agent: true, within: \"15s\" }});\n{}", host.read("web.rhai")));
    let start = host.start(&["start", "web.rhai"]);
    host.until("web", |status| status.guest.is_some() && host.path("state/web/agent.sock").exists());
    plays(&host, good(""));
    ended(&start.wait(), 0, "vmrun: web runs\nvmrun: web is ready\n");
}

#[test]
fn a_host_that_has_slept_has_the_agent_set_the_clock_of_its_guest() {
    let host = Host::new("run\n");
    recipe(&host);
    fs::create_dir_all(host.path("fake/host/proc")).unwrap();
    // How long the host runs, with all sleep, is the same number until it has slept.
    let has_slept = |seconds: u64| {
        host.write("fake/host/proc/uptime.new", &format!("{}.00 0.00\n", 2_000_000_000 + seconds));
        fs::rename(host.path("fake/host/proc/uptime.new"), host.path("fake/host/proc/uptime")).unwrap();
    };
    has_slept(0);
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    let sets = "{\"return\": {}}\n";
    let heard = plays(&host, move |text| if text.contains("guest-set-time") { sets.into() } else { good("")(text) });
    has_slept(3600);
    let begun = Instant::now();
    let told = || host.log("web").lines().find(|line| line.contains("has slept")).map(String::from);
    while told().is_none() {
        assert!(begun.elapsed() < SOON, "{}", host.log("web"));
        thread::sleep(Duration::from_millis(10));
    }
    // What has gone by since the number was read is missing in it.
    let told = told().unwrap();
    let seconds = told.strip_prefix("vmrun: the host has slept for ").unwrap();
    let (seconds, rest) = seconds.split_once("s: ").unwrap();
    assert!((3600 - SOON.as_secs()..=3600).contains(&seconds.parse().unwrap()), "{told}");
    assert_eq!(rest, "the clock of the guest was set");
    let events = host.run(&["events", "web"]).stdout;
    assert!(events.contains("{\"event\":\"clock\",\"machine\":\"web\","), "{events}");
    let [asked] = &heard.lock().unwrap().clone()[..] else { panic!("{heard:?}") };
    assert!(
        asked.starts_with("{\"arguments\":{\"time\":") && asked.ends_with("},\"execute\":\"guest-set-time\"}"),
        "{asked}"
    );
}

/// A machine whose card is known, with an agent that says where the guest is.
fn located(says: &'static str) -> (Host, Arc<Mutex<Vec<String>>>) {
    let host = Host::new("run\n");
    recipe(&host);
    let text = host.read("web.rhai").replace("virtio_net(nic)", "virtio_net(nic, #{ mac: \"58:9c:fc:00:00:01\" })");
    host.write("web.rhai", &format!("ready(#{{ agent: true, within: \"15s\" }});\n{text}"));
    // It is ready when its agent answers, for which the hypervisor's socket has to be there first.
    let mut started = host.command(&["start", "web.rhai"]).spawn().unwrap();
    host.until("web", |status| status.guest.is_some());
    let is_asked = |text: &str| text.contains("guest-network-get-interfaces");
    let heard = plays(&host, move |text| if is_asked(text) { says.into() } else { good("")(text) });
    assert!(started.wait().unwrap().success());
    (host, heard)
}

/// Where a machine is, and by what that is known.
fn address(host: &Host) -> String {
    let done = host.run(&["list", "--json"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let list: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    format!("{} {}", list["machines"][0]["address"], list["machines"][0]["address_from"])
}

#[test]
fn an_agent_says_where_its_guest_is_and_the_event_of_a_machine_that_is_ready_has_it() {
    let says = "{\"return\": [{\"name\": \"lo\", \"ip-addresses\": [{\"ip-address\": \"127.0.0.1\"}]}, {\"name\": \"eth0\", \"hardware-address\": \
                \"58:9c:fc:00:00:01\", \"ip-addresses\": [{\"ip-address\": \"fe80::1\"}, {\"ip-address\": \"10.9.8.7\"}]}]}\n";
    let (host, heard) = located(says);
    assert_eq!(address(&host), "\"10.9.8.7\" \"agent\"");
    let asks = "{\"execute\":\"guest-network-get-interfaces\"}";
    assert!(heard.lock().unwrap().iter().all(|asked| asked == asks));
    let events = host.run(&["events", "web"]).stdout;
    assert!(events.contains("{\"address\":\"10.9.8.7\",\"event\":\"ready\",\"machine\":\"web\","), "{events}");
}

#[test]
fn an_agent_that_says_nothing_or_lies_about_its_guest_costs_half_a_second_and_nothing_is_known_by_it() {
    let liar = "{\"return\": [{\"hardware-address\": \"58:9c:fc:00:00:01\", \"ip-addresses\": [{\"ip-address\": \"127.0.0.1\"}, \
                {\"ip-address\": \"\\u001b[2J\"}]}, {\"hardware-address\": \"58:9c:fc:00:00:02\", \"ip-addresses\": [{\"ip-address\": \
                \"10.0.0.9\"}]}]}\n";
    // More than any agent has to say, and more cards than any guest has.
    let flood: &str = "x".repeat(20 << 20).leak();
    let cards = "{\"hardware-address\": \"58:9c:fc:00:00:03\", \"ip-addresses\": [{\"ip-address\": \"10.0.0.9\"}]},"
        .repeat(50_000);
    let cards: &str = format!("{{\"return\": [{}]}}\n", cards.trim_end_matches(',')).leak();
    for says in [liar, "", "\u{1b}[2J\n", flood, cards] {
        let (host, _) = located(says);
        let begun = Instant::now();
        assert_eq!(address(&host), "null null");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let events = host.run(&["events", "web"]).stdout;
        assert!(events.contains("{\"event\":\"ready\",\"machine\":\"web\","), "{events}");
    }
}
