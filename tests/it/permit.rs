//! A machine that runs only while a command holds its permit, on the fake FreeBSD: whatever becomes of the command, of who guards it and
//! of vmrun, no guest goes on for longer than it may.

use super::host::{Host, SOON, ended, kill, lives};
use super::sandbox::{Done, Running, Sandbox, same};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A command that says that it holds, notes its number, and holds for as long as nobody ends it.
const HOLDS: &str = "acquire: [\"sh\", \"-c\", \"echo $$ >[tmp]/vm/holder; echo vm/db/694d; exec sleep 60\"]";

/// A command that renews for as long as a file is there, and hangs once another is.
const KEEPS: &str = "keep: [\"sh\", \"-c\", \"trap '' TERM; echo $$ >>[tmp]/vm/keeps; [ -e [tmp]/vm/hang ] && sleep 60; \
                     [ -e [tmp]/vm/lost ] && { echo no quorum >&2; exit 1; }; exit 0\"]";

/// Short times: the guest is down a second after the last renewal, and the half of it is for stopping.
const TIMES: &str = "ttl: \"1500ms\", within: \"1s\", every: \"200ms\"";

/// A host whose coming boots go so, with a recipe of the machine `db` that has a permit.
fn host(exits: &str, permit: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("fake/exits", exits);
    let machine =
        "bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \"[tmp]/vm/rom.fd\", slots: #{ \"31\": lpc() } }).run();\n";
    sandbox.write("db.rhai", &format!("permit(#{{ {permit}, {TIMES} }});\n{machine}"));
    sandbox
}

/// A number that a file has.
fn number(sandbox: &Sandbox, file: &str) -> u32 {
    sandbox.read(file).trim().parse().unwrap()
}

/// Waits until the guest runs and is noted.
fn until_noted(run: &mut Running<'_>) {
    run.until("the guest", |sandbox| {
        let is_running = sandbox.path("fake/vmm/db").exists() && sandbox.read("fake/vmm/db").contains("pid ");
        is_running && sandbox.read("state/.db.lock").contains(" + guest ")
    });
}

/// Waits until something is so.
#[track_caller]
fn wait(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < SOON, "never came: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Nothing is left of the run.
#[track_caller]
fn is_clean(sandbox: &Sandbox) {
    assert_eq!((sandbox.names("fake/vmm"), sandbox.names("state")), (vec![], vec![]));
}

/// What a run has said, but for the times in it and the recipe's line.
fn said(done: &Done) -> String {
    let plain = |line: &str| match line.split_once("; the guest is down in ") {
        Some((before, _)) => format!("{before}; the guest is down in TIME\n"),
        None => format!("{line}\n"),
    };
    let is_own = |line: &&str| ["vmrun: ", "error: ", "  = hint: "].iter().any(|begin| line.starts_with(begin));
    done.stderr.lines().filter(is_own).map(plain).collect()
}

/// The process of a guest.
fn guest(sandbox: &Sandbox) -> u32 {
    let text = sandbox.read("fake/vmm/db");
    text.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().trim().parse().unwrap()
}

#[test]
fn a_permit_is_had_before_the_guest_kept_through_reboots_and_given_back_after_it() {
    let sandbox = host("0\nrun\n", HOLDS);
    let mut run = sandbox.start(&["db.rhai"]);
    run.until("the second boot", |sandbox| sandbox.calls().matches("bhyve -c").count() == 2);
    until_noted(&mut run);
    let holder = number(&sandbox, "vm/holder");
    assert!(lives(holder));
    let journal = sandbox.read("state/.db.lock");
    assert_eq!(journal.matches(" + helper permit ").count(), 1, "{journal}");
    run.signal("TERM");
    let done = run.wait();
    same(&done.stderr, "vmrun: the permit is held\nvmrun: the guest rebooted; starting it again\nerror: interrupted\n");
    assert!(!lives(holder));
    is_clean(&sandbox);
}

#[test]
fn a_permit_that_is_not_to_be_had_is_waited_for_and_then_another_has_it() {
    let hint = "  = hint: somebody else may have it: `vmrun start --wait 45s` tries for so long, and the key `wait` is for one try\n";
    for (permit, why) in [
        ("acquire: [\"sleep\", \"61.5\"], wait: \"300ms\"", "nothing has come of it, and 300ms are over"),
        (
            "acquire: [\"sh\", \"-c\", \"echo no quorum >&2; exit 3\"]",
            "`sh -c 'echo no quorum >&2; exit 3'` ended with status 3: no quorum",
        ),
        ("acquire: [\"true\"]", "`true` ended with status 0"),
        (
            "keep: [\"sh\", \"-c\", \"echo no quorum >&2; exit 3\"], wait: \"900ms\"",
            "`sh -c 'echo no quorum >&2; exit 3'` ended with status 3: no quorum, and 900ms are over",
        ),
        (
            "acquire: [\"sh\", \"-c\", \"echo asking; exec sleep 61.5\"], ready: \"vm/db\", wait: \"300ms\"",
            "nothing has come of it, and 300ms are over",
        ),
    ] {
        let sandbox = host("run\n", permit);
        let done = sandbox.run(&["db.rhai"]);
        let said = said(&done);
        let end = format!("error: the permit is not to be had: {why}\n{hint}");
        assert!(said.ends_with(&end), "{said}");
        assert_eq!(done.code, 5, "{permit}");
        assert!(!sandbox.calls().contains("bhyve -c"));
        is_clean(&sandbox);
    }
    let listed = std::process::Command::new("ps").args(["-eo", "args="]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == "sleep 61.5"));
}

#[test]
fn a_guest_is_stopped_when_the_command_ends_that_holds_its_permit() {
    let sandbox = host("run\n", HOLDS);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    kill(number(&sandbox, "vm/holder"));
    let done = run.wait();
    let why = "`sh -c 'echo $$ >[tmp]/vm/holder; echo vm/db/694d; exec sleep 60'` was killed by signal 9";
    same(
        &said(&done),
        &format!(
            "vmrun: the permit is held\nvmrun: the permit is lost: {why}; the guest is down in TIME\n\
             error: the permit is lost: {why}\n  = hint: the guest was stopped, as it runs only while its permit is held; \
             start it again where that is\n"
        ),
    );
    assert_eq!(done.code, 10);
    is_clean(&sandbox);
}

/// Has the permit of a guest not be renewed from a moment on, and returns how long it took until nothing of it ran, and what was said.
fn not_renewed(exits: &str, sign: &str) -> (Duration, Done) {
    let sandbox = host(exits, &format!("{HOLDS}, {KEEPS}"));
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let pid = guest(&sandbox);
    let begin = Instant::now();
    sandbox.write(sign, "");
    wait("the end of the guest", || !lives(pid));
    let took = begin.elapsed();
    let done = run.wait();
    assert_eq!(done.code, 10, "{done:?}");
    is_clean(&sandbox);
    // What hangs is ended too.
    let last = sandbox.read("vm/keeps");
    assert!(last.lines().all(|pid| !lives(pid.parse().unwrap())));
    (took, done)
}

#[test]
fn a_guest_is_down_in_time_when_its_permit_is_not_renewed_whatever_it_hears() {
    for exits in ["run\n", "deaf\n", "stuck\n"] {
        for sign in ["vm/lost", "vm/hang"] {
            let (took, done) = not_renewed(exits, sign);
            // The last renewal was before; some time is this machine's, which does other things as well.
            assert!(took < Duration::from_millis(1500), "{exits:?} {sign}: {took:?}");
            assert!(done.stderr.contains("error: the permit is lost: it was not renewed for 0."), "{}", done.stderr);
            let why = if sign == "vm/lost" { "ended with status 1: no quorum" } else { "did not answer within 200ms" };
            assert!(done.stderr.contains(why), "{}", done.stderr);
        }
    }
}

#[test]
fn one_answer_that_is_missing_loses_nothing() {
    let sandbox = host("run\n", KEEPS);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    for _ in 0..3 {
        sandbox.write("vm/hang", "");
        sleep(Duration::from_millis(120));
        fs::remove_file(sandbox.path("vm/hang")).unwrap();
        sleep(Duration::from_millis(500));
    }
    run.signal("TERM");
    let done = run.wait();
    same(&done.stderr, "vmrun: the permit is held\nerror: interrupted\n");
    is_clean(&sandbox);
}

#[test]
fn a_command_that_heeds_nothing_and_writes_without_end_is_held_and_ended() {
    let floods = "acquire: [\"sh\", \"-c\", \"trap '' TERM INT HUP; echo $$ >[tmp]/vm/holder; while :; do echo flood; echo flood >&2; done\"]";
    let sandbox = host("run\n", floods);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    sleep(Duration::from_millis(300));
    run.signal("TERM");
    let done = run.wait();
    same(&done.stderr, "vmrun: the permit is held\nerror: interrupted\n");
    assert!(!lives(number(&sandbox, "vm/holder")));
    is_clean(&sandbox);
}

#[test]
fn a_guest_is_stopped_when_who_guards_its_permit_is_killed_and_the_command_ends_with_it() {
    let sandbox = host("run\n", HOLDS);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let holder = number(&sandbox, "vm/holder");
    kill(number(&sandbox, "state/db/permit.pid"));
    let done = run.wait();
    let why = "who guards it was killed by signal 9";
    assert!(said(&done).contains(&format!("error: the permit is lost: {why}\n")), "{done:?}");
    assert_eq!(done.code, 10);
    wait("the end of the command", || !lives(holder));
    is_clean(&sandbox);
}

#[test]
fn a_guest_is_stopped_when_who_guards_its_permit_hangs() {
    let sandbox = host("deaf\n", HOLDS);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    sleep(Duration::from_millis(300));
    let guard = number(&sandbox, "state/db/permit.pid");
    std::process::Command::new("kill").args(["-STOP", &guard.to_string()]).status().unwrap();
    let done = run.wait();
    assert!(said(&done).contains("error: the permit is lost: who guards it does not answer\n"), "{done:?}");
    assert_eq!(done.code, 10);
    is_clean(&sandbox);
}

#[test]
fn a_guest_without_its_vmrun_goes_on_while_the_permit_is_held_and_is_killed_when_it_is_lost() {
    let sandbox = host("deaf\n", &format!("{HOLDS}, {KEEPS}"));
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let pid = guest(&sandbox);
    run.kill();
    sleep(Duration::from_millis(1500));
    assert!(lives(pid) && lives(number(&sandbox, "vm/holder")));
    let begin = Instant::now();
    sandbox.write("vm/lost", "");
    wait("the end of the guest", || !lives(pid));
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
    let holder = number(&sandbox, "vm/holder");
    wait("the end of the command", || !lives(holder));
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    is_clean(&sandbox);
}

#[test]
fn the_permit_of_a_run_that_was_killed_is_given_back_when_the_guest_ends_or_by_gc() {
    let sandbox = host("run\n", HOLDS);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let (pid, holder) = (guest(&sandbox), number(&sandbox, "vm/holder"));
    run.kill();
    // It writes of itself until it runs.
    sleep(Duration::from_millis(300));
    kill(pid);
    wait("the end of the command", || !lives(holder));
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    is_clean(&sandbox);
    let sandbox = host("run\n", HOLDS);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let holder = number(&sandbox, "vm/holder");
    run.kill();
    assert!(lives(holder));
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    assert!(!lives(holder));
    is_clean(&sandbox);
}

#[test]
fn a_guest_that_is_taken_over_keeps_its_permit_and_is_stopped_when_it_is_lost() {
    let host = Host::new("run\n");
    host.recipe("db", &format!("permit(#{{ {HOLDS}, {TIMES} }});\n"));
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    kill(host.status("db").unwrap().supervisor.unwrap());
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    assert!(lives(number(&host, "vm/holder")));
    kill(number(&host, "vm/holder"));
    wait("its end", || host.log("db").contains("error: the permit is lost: `sh -c "));
    wait("its end", || host.run(&["monitor", "db"]).code == 8);
    assert_eq!(host.run(&["monitor", "db"]).code, 8);
    host.is_clean();
}

#[test]
fn a_guest_whose_permit_nobody_guards_is_ended_when_it_is_taken_over() {
    let host = Host::new("deaf\n");
    host.recipe("db", &format!("permit(#{{ {HOLDS}, {TIMES} }});\n"));
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let (guest, guard) = (host.status("db").unwrap().guest.unwrap(), number(&host, "state/db/permit.pid"));
    kill(host.status("db").unwrap().supervisor.unwrap());
    kill(guard);
    host.run(&["adopt", "db"]);
    wait("its end", || !lives(guest));
    wait("what is said of it", || host.log("db").contains("it is down"));
    assert!(host.log("db").contains("the permit is lost: who guards it has ended"), "{}", host.log("db"));
    host.is_clean();
}

#[test]
fn what_a_permit_is_not_is_told_where_it_stands() {
    let told = |line: &str| {
        let sandbox = host("1\n", HOLDS);
        sandbox.write("db.rhai", &format!("{line}\n"));
        let done = sandbox.run(&["db.rhai"]);
        assert_eq!(done.code, if done.stderr.contains("not installed") { 3 } else { 1 }, "{done:?}");
        said(&done)
    };
    assert_eq!(
        told("permit(#{ keep: [\"true\"], ttl: 15, within: \"16s\" });"),
        "error: the guest would be down within 16s, and the permit is good for 15s\n  = hint: `within` is at most `ttl`, both \
         counted from the last renewal: until then nobody else gets it\n"
    );
    assert_eq!(
        told("permit(#{ keep: [\"true\"], ttl: \"500ms\" });"),
        "error: no guest is certainly down within 333.333333ms\n  = hint: make `within` at least 1s, and `ttl` no shorter\n"
    );
    assert_eq!(
        told("permit(#{ keep: [\"true\"], every: 3 });"),
        "error: a permit that is renewed every 3s is lost within 10s by one slow answer\n  = hint: make `every` at most a fourth of \
         `within`: 2.5s\n"
    );
    assert_eq!(
        told("permit(#{ ttl: 15 });"),
        "error: a permit needs a command that holds it, or one that renews it\n  = hint: write `acquire: [\"etcdctl\", \"lock\", \
         \"vm/db\"]`, or `keep: […]`, or both\n"
    );
    assert_eq!(
        told("permit(#{ keep: [] });"),
        "error: `keep` is a command, and has no words\n  = hint: write `keep: [\"etcdctl\", …]`\n"
    );
    assert_eq!(
        told("permit(#{ keep: [\"true\"], ready: \"vm/db\" });"),
        "error: nothing says that it is ready: there is no `acquire`\n  = hint: leave `ready` out: the first success of `keep` \
         tells\n"
    );
    assert_eq!(
        told("permit(#{ keep: [\"true\"] }); permit(#{ keep: [\"true\"] });"),
        "error: a machine has one permit, and this is another one\n  = hint: leave one of them out: `--permit` counts as well\n"
    );
    assert_eq!(
        told("permit(#{ keep: [\"no-such-program\"] });"),
        "error: `no-such-program` is not installed\n  = hint: install it, or correct its name\n"
    );
    assert_eq!(
        told("helper(#{ run: [\"sleep\", \"1\"], name: \"permit\" });"),
        "error: a helper cannot be called permit: who guards a permit is\n  = hint: give it another `name`\n"
    );
}

#[test]
fn a_plan_has_the_permit_as_commands_before_the_hypervisor_and_gives_it_back_last() {
    let sandbox = host("1\n", "acquire: [\"sleep\", \"60\"], keep: [\"sh\", \"-c\", \"exit 0\"], ready: \"a b\"");
    let plan = sandbox.run(&["plan", "db.rhai"]);
    same(
        &plan.stdout,
        "umask 026
mkdir -p -m 755 [tmp]/state/db
rm -f [tmp]/state/db/permit.sock
sh -c 'vmrun permit-guard --machine=db --listen=[tmp]/state/db/permit.sock --ttl=1500ms --within=1000ms --every=200ms '\\''--ready=a b'\\'' --acquire=sleep --acquire=60 --keep=sh --keep=-c '\\''--keep=exit 0'\\'' & echo $! >[tmp]/state/db/permit.pid'
sh -c 'until test -S [tmp]/state/db/permit.sock; do sleep 0.1; done'
bhyve -c 1 -m 64M -s 31,lpc -l bootrom,[tmp]/vm/rom.fd db
# given back when the run ends:
bhyvectl --destroy --vm=db
pkill -F [tmp]/state/db/permit.pid
",
    );
}

#[test]
fn a_permit_of_the_command_line_is_told_kept_by_who_takes_over_and_asked_for_again() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    let holds = "--permit=echo $$ >[tmp]/vm/holder; echo held; exec sleep 60";
    let (holds, ttl) = (host.own(holds), "--permit-ttl=3s");
    ended(&host.run(&["start", "db.rhai", &holds, ttl]), 0, "vmrun: db runs");
    ended(&host.run(&["start", "db.rhai", &holds, ttl]), 0, "vmrun: db runs already");
    let status = host.run(&["status", "db"]);
    assert!(
        status.stdout.lines().any(|line| line.starts_with("permit ") && line.contains("  held since ")),
        "{status:?}"
    );
    let listed: serde_json::Value = serde_json::from_str(&host.run(&["list", "--json"]).stdout).unwrap();
    assert_eq!(
        (&listed["machines"][0]["permit"]["state"], &listed["machines"][0]["permit"]["why"]),
        (&"held".into(), &serde_json::Value::Null)
    );
    let metrics = host.run(&["metrics"]).stdout;
    assert!(metrics.contains("\nvmrun_machine_permit_held{machine=\"db\"} 1\n"), "{metrics}");
    assert!(host.log("db").contains("the permit is held\n"), "{}", host.log("db"));
    let first = number(&host, "vm/holder");
    // Whoever takes it over has the command line, too: the next boot asks for the permit again.
    kill(host.status("db").unwrap().supervisor.unwrap());
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    assert!(lives(first));
    ended(&host.run(&["restart", "db"]), 0, "vmrun: db is down\nvmrun: db runs");
    let second = number(&host, "vm/holder");
    assert!(!lives(first) && lives(second));
    // What was lost is told by events.
    kill(second);
    wait("its end", || host.run(&["monitor", "db"]).code == 8);
    let events = host.run(&["events", "db"]).stdout;
    let lost = events.lines().rfind(|line| line.contains("\"event\":\"permit\"")).unwrap();
    assert!(lost.contains("\"state\":\"lost\"") && lost.contains("was killed by signal 9"), "{lost}");
    // By its name it is started as it was before.
    host.write("fake/exits", "run\n");
    let again = host.run(&["start", "db"]);
    assert!(again.stderr.contains("as it was started before: db '--permit=echo $$ >"), "{again:?}");
    assert!(lives(number(&host, "vm/holder")));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_start_waits_for_a_permit_that_somebody_else_has() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let holds = "--permit=until mkdir [tmp]/vm/lock 2>/dev/null; do sleep 0.1; done; echo held; exec sleep 60";
    let holds = host.own(holds);
    fs::create_dir(host.path("vm/lock")).unwrap();
    std::thread::scope(|scope| {
        let start = scope.spawn(|| host.run(&["start", "db.rhai", &holds, "--wait", "20s"]));
        sleep(Duration::from_millis(500));
        fs::remove_dir(host.path("vm/lock")).unwrap();
        ended(&start.join().unwrap(), 0, "vmrun: db runs");
    });
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_plan_has_the_permit_of_the_command_line_and_a_time_alone_is_none() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write(
        "db.rhai",
        "bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \"[tmp]/vm/rom.fd\", slots: #{ \"31\": lpc() } }).run();\n",
    );
    let plan = sandbox.run(&["plan", "db.rhai", "--permit-keep", "exit 0", "--permit-ttl", "30s"]);
    let guard = "sh -c 'vmrun permit-guard --machine=db --listen=[tmp]/state/db/permit.sock --ttl=30000ms --within=20000ms \
                 --every=4000ms --keep=sh --keep=-c '\\''--keep=exit 0'\\'' & echo $! >[tmp]/state/db/permit.pid'\n";
    assert!(plan.stdout.contains(guard), "{}", plan.stdout);
    let done = sandbox.run(&["db.rhai", "--permit-ttl", "30s"]);
    assert_eq!(done.code, 2);
    same(
        &done.stderr,
        "error: `--permit-ttl` says how long a permit is good, and there is none\n |\n = hint: say which, by `--permit 'CMD …'` or \
         `--permit-keep 'CMD …'`\n",
    );
}

#[test]
fn what_holds_a_permit_outlives_the_guest_when_who_guards_it_is_asked_to_end() {
    let holds = "acquire: [\"sh\", \"-c\", \"trap 'kill -0 $(sed -n s/^pid.//p [tmp]/fake/vmm/db) && echo >[tmp]/vm/early; exit' TERM; \
                 echo held; while :; do sleep 0.05; done\"]";
    let sandbox = host("deaf\n", holds);
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let pid = guest(&sandbox);
    std::process::Command::new("kill").arg(sandbox.read("state/db/permit.pid").trim()).status().unwrap();
    let done = run.wait();
    assert!(!lives(pid) && !sandbox.path("vm/early").exists(), "{done:?}");
    assert!(said(&done).contains("error: the permit is lost: somebody asked who guards it to end\n"), "{done:?}");
    assert_eq!(done.code, 10);
    is_clean(&sandbox);
}

#[test]
fn a_run_that_is_killed_while_its_permit_is_asked_for_leaves_nobody_who_holds_it() {
    let kills = "acquire: [\"sh\", \"-c\", \"echo $$ >[tmp]/vm/holder; set -- $(cat /proc/$PPID/stat); kill -9 $4; echo held; exec sleep 60\"]";
    let sandbox = host("run\n", kills);
    assert_eq!(sandbox.run(&["db.rhai"]).code, -9);
    let holder = number(&sandbox, "vm/holder");
    wait("the end of the command", || !lives(holder));
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    is_clean(&sandbox);
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_no_permit_that_gc_does_not_give_back() {
    const LANES: u64 = 4;
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            scope.spawn(move || {
                for step in 0..4 {
                    let sandbox = host("run\n", &format!("{HOLDS}, {KEEPS}"));
                    let run = sandbox.start(&["db.rhai"]);
                    sleep(Duration::from_millis((step * LANES + lane) * 30));
                    run.kill();
                    // A hypervisor that was just begun has its node by then.
                    sleep(Duration::from_millis(300));
                    let gc = sandbox.run(&["gc"]);
                    assert_eq!(gc.code, 0);
                    // One that its run had no time to note is nobody's, and is named.
                    if gc.stdout.contains(" stays: it has no mark of the run") {
                        kill(guest(&sandbox));
                        fs::remove_file(sandbox.path("fake/vmm/db")).unwrap();
                    }
                    // What was at its gate, or just begun, ends by itself.
                    wait("the end of all", || {
                        let numbers = ["vm/holder", "state/db/permit.pid"]
                            .map(|file| fs::read_to_string(sandbox.path(file)).ok());
                        numbers.iter().flatten().all(|text| text.trim().parse().is_ok_and(|pid| !lives(pid)))
                    });
                    is_clean(&sandbox);
                }
            });
        }
    });
}

#[test]
fn a_start_that_waits_tries_again_when_the_permit_is_lost_before_the_machine_runs() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    let holds = host.own(
        "--permit=echo held; [ -e [tmp]/vm/again ] || { echo >[tmp]/vm/again; sleep 0.15; exit 1; }; exec sleep 60",
    );
    let done = host.run(&["start", "db.rhai", &holds]);
    assert!([5, 10].contains(&done.code), "{done:?}");
    fs::remove_file(host.path("vm/again")).unwrap();
    host.write("fake/exits", "run\nrun\n");
    ended(&host.run(&["start", "db.rhai", &holds, "--wait", "20s"]), 0, "vmrun: db runs");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}
