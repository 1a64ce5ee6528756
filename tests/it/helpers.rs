//! Programs that live with their machine, on the fake FreeBSD: started before the hypervisor, looked after, ended after it, whatever
//! becomes of any of them.

use super::host::{Host, SOON, ended, kill, lives};
use super::sandbox::{Running, Sandbox, same};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A program that makes a socket, and then does what a text of Perl says.
fn serving(rest: &str) -> String {
    format!(
        "[\"perl\", \"-e\", \"use IO::Socket::UNIX; $s = IO::Socket::UNIX->new(Local => shift, Listen => 1) or die; {rest}\", \
         \"[tmp]/vm/h.sock\"]"
    )
}

/// The recipe line of a helper.
fn helper(run: &str, more: &str) -> String {
    format!("helper(#{{ name: \"h\", run: {run}, socket: \"[tmp]/vm/h.sock\"{more} }});\n")
}

/// A host whose coming boots go so, with a recipe of the machine `db` after these lines.
fn host(exits: &str, before: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("fake/exits", exits);
    let machine =
        "bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \"[tmp]/vm/rom.fd\", slots: #{ \"31\": lpc() } }).run();\n";
    sandbox.write("db.rhai", &format!("{before}{machine}"));
    sandbox
}

/// The number of the helper's process.
fn number(sandbox: &Sandbox) -> Option<u32> {
    sandbox.read("state/db/h.pid").trim().parse().ok()
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

#[test]
fn a_helper_lives_through_reboots_and_ends_after_the_guest() {
    let sandbox = host("0\nrun\n", &helper(&serving("sleep 60"), ""));
    let mut run = sandbox.start(&["db.rhai"]);
    run.until("the second boot", |sandbox| sandbox.calls().matches("bhyve -c").count() == 2);
    until_noted(&mut run);
    let pid = number(&sandbox).unwrap();
    assert!(lives(pid));
    let journal = sandbox.read("state/.db.lock");
    assert_eq!(journal.matches(" + helper h ").count(), 1, "{journal}");
    assert!(journal.contains(&format!(" + helper h {pid} ")), "{journal}");
    run.signal("TERM");
    let done = run.wait();
    same(&done.stderr, "vmrun: the guest rebooted; starting it again\nerror: interrupted\n");
    assert!(!lives(pid));
    is_clean(&sandbox);
}

#[test]
fn a_helper_that_dies_at_once_stops_the_run_before_the_guest() {
    let sandbox = host("run\n", &helper("[\"sh\", \"-c\", \"echo no room >&2; exit 3\"]", ""));
    let done = sandbox.run(&["db.rhai"]);
    same(
        &done.stderr,
        "
no room
error: the helper h ended with status 3 before it was ready: no room
 --> db.rhai:2:103
  |
2 | bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \"[tmp]/vm/rom.fd\", slots: #{ \"31\": lpc() } }).run();
  |                                                                                                       ^^^^^
  |
  = hint: its command has to stay in the foreground: try it in a shell
",
    );
    assert_eq!(done.code, 3);
    assert!(!sandbox.calls().contains("bhyve -c"), "{}", sandbox.calls());
    is_clean(&sandbox);
}

#[test]
fn a_helper_that_is_never_ready_is_ended_when_its_time_is_over() {
    let sandbox = host("run\n", &helper("[\"sleep\", \"61.25\"]", ", ready: #{ within: \"300ms\" }"));
    let done = sandbox.run(&["db.rhai"]);
    let first = done.stderr.lines().next().unwrap_or_default();
    let expected = "error: the helper h is not ready within 300ms: its socket [tmp]/vm/h.sock is not there";
    assert_eq!((first, done.code), (expected, 3));
    is_clean(&sandbox);
    let listed = std::process::Command::new("ps").args(["-eo", "args="]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == "sleep 61.25"));
}

#[test]
fn a_socket_that_nobody_serves_makes_room_and_what_is_none_stays() {
    let sandbox = host("1\n", &helper(&serving("sleep 60"), ""));
    drop(std::os::unix::net::UnixListener::bind(sandbox.path("vm/h.sock")).unwrap());
    assert_eq!(sandbox.run(&["db.rhai"]).code, 0);
    assert!(!sandbox.path("vm/h.sock").exists());
    sandbox.write("vm/h.sock", "a text");
    let done = sandbox.run(&["db.rhai"]);
    let first = done.stderr.lines().next().unwrap_or_default();
    let expected = "error: [tmp]/vm/h.sock is there and no socket, and the helper h makes one";
    assert_eq!((first, sandbox.read("vm/h.sock").as_str()), (expected, "a text"));
    fs::remove_file(sandbox.path("vm/h.sock")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(sandbox.path("vm/h.sock")).unwrap();
    let done = sandbox.run(&["db.rhai"]);
    let first = done.stderr.lines().next().unwrap_or_default();
    let expected = "error: somebody listens at [tmp]/vm/h.sock, and the helper h is to";
    assert_eq!((first, done.code), (expected, 5));
    is_clean(&sandbox);
}

#[test]
fn the_guest_goes_on_when_a_helper_dies_which_is_started_again() {
    let sandbox = host("run\n", &helper(&serving("sleep 60"), ""));
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let first = number(&sandbox).unwrap();
    kill(first);
    run.until("another one", |sandbox| number(sandbox).is_some_and(|pid| pid != first && lives(pid)));
    let journal = sandbox.read("state/.db.lock");
    assert!(journal.contains(&format!(" - helper h {first} ")), "{journal}");
    let second = number(&sandbox).unwrap();
    run.signal("TERM");
    let done = run.wait();
    same(&done.stderr, "vmrun: the helper h was killed by signal 9; starting it again in 1s\nerror: interrupted\n");
    assert!(!lives(second));
    is_clean(&sandbox);
}

#[test]
fn the_guest_is_stopped_when_a_helper_dies_that_is_fatal() {
    let sandbox = host("run\n", &helper(&serving("sleep 60"), ", fatal: true"));
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    kill(number(&sandbox).unwrap());
    let done = run.wait();
    same(
        &done.stderr,
        "
error: the helper h was killed by signal 9; the guest is stopped, as its recipe says by `fatal`
 --> db.rhai:2:103
  |
2 | bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \"[tmp]/vm/rom.fd\", slots: #{ \"31\": lpc() } }).run();
  |                                                                                                       ^^^^^
  |
  = hint: what it said before stands above
",
    );
    assert_eq!(done.code, 3);
    is_clean(&sandbox);
}

#[test]
fn what_a_helper_has_started_ends_with_it() {
    let more = serving("if (fork) { sleep 60 } else { open F, '>[tmp]/vm/child'; print F $$; close F; sleep 61 }");
    for is_killed in [false, true] {
        let sandbox = host("run\n", &helper(&more, ""));
        let mut run = sandbox.start(&["db.rhai"]);
        until_noted(&mut run);
        run.until("its child", |sandbox| !sandbox.read("vm/child").is_empty());
        let child: u32 = sandbox.read("vm/child").parse().unwrap();
        assert!(lives(child));
        if is_killed {
            run.kill();
            assert_eq!(sandbox.run(&["gc"]).code, 0);
        } else {
            run.signal("TERM");
            assert_eq!(run.wait().code, 130);
        }
        wait("the end of the child", || !lives(child));
        is_clean(&sandbox);
    }
}

#[test]
fn a_helper_is_run_where_its_recipe_is_and_one_that_is_named_no_more_ends() {
    // Its socket comes after the file: its machine waits for that, and its first boot is over at once.
    let here = serving("sleep 60").replacen("use IO", "open F, '>here'; close F; use IO", 1);
    let sandbox = host("0\nrun\n", &format!("if init {{ {} }}\n", helper(&here, "").trim_end()));
    fs::create_dir(sandbox.path("recipes")).unwrap();
    fs::rename(sandbox.path("db.rhai"), sandbox.path("recipes/db.rhai")).unwrap();
    let mut run = sandbox.start(&["recipes/db.rhai", "--init"]);
    run.until("the file", |sandbox| sandbox.path("recipes/here").exists());
    let pid = number(&sandbox).unwrap();
    run.until("the second boot", |sandbox| sandbox.calls().matches("bhyve -c").count() == 2);
    assert!(!lives(pid));
    run.signal("TERM");
    assert_eq!(run.wait().code, 130);
    is_clean(&sandbox);
}

#[test]
fn a_plan_of_a_recipe_elsewhere_starts_its_helper_there() {
    let sandbox = host("1\n", "helper(#{ run: [\"perl\", \"./serve.pl\"] });\n");
    fs::create_dir(sandbox.path("recipes")).unwrap();
    fs::rename(sandbox.path("db.rhai"), sandbox.path("recipes/db.rhai")).unwrap();
    let plan = sandbox.run(&["plan", "recipes/db.rhai"]);
    let line = "(cd [tmp]/recipes && sh -c 'perl ./serve.pl & echo $! >[tmp]/state/db/perl.pid')\n";
    assert!(plan.stdout.contains(line), "{}", plan.stdout);
}

#[test]
fn a_helper_that_heeds_no_signal_is_killed() {
    let sandbox = host("1\n", &helper(&serving("$SIG{TERM} = 'IGNORE'; sleep 60 while 1"), ""));
    let begin = Instant::now();
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(begin.elapsed() >= Duration::from_secs(3));
    is_clean(&sandbox);
}

#[test]
fn the_helper_of_a_run_that_was_killed_goes_by_gc_and_by_the_next_start() {
    for next in ["gc", "db.rhai"] {
        let sandbox = host("run\n1\n", &helper(&serving("sleep 60"), ""));
        let mut run = sandbox.start(&["db.rhai"]);
        until_noted(&mut run);
        let pid = number(&sandbox).unwrap();
        run.kill();
        assert!(lives(pid));
        let looked = sandbox.run(&["gc", "--dry-run"]);
        assert!(looked.stdout.contains(&format!("\nkill {pid}\n")), "{looked:?}");
        assert!(lives(pid));
        let done = sandbox.run(&[next]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(!lives(pid));
        is_clean(&sandbox);
    }
}

#[test]
fn the_socket_of_a_helper_that_was_killed_goes_with_its_run() {
    let sandbox = host("run\nrun\nrun\n", &helper(&serving("sleep 60"), ""));
    let socket = sandbox.path("vm/h.sock");
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    kill(number(&sandbox).unwrap());
    assert!(socket.exists());
    run.signal("TERM");
    run.wait();
    assert!(!socket.exists());
    is_clean(&sandbox);
    // Of a run that is dead too it goes by gc, which shows it before.
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let pid = number(&sandbox).unwrap();
    run.kill();
    kill(pid);
    wait("its end", || !lives(pid));
    let looked = sandbox.run(&["gc", "--dry-run"]);
    assert!(
        looked.stdout.contains("\nrm -f [tmp]/vm/h.sock\n") && !looked.stdout.contains(&format!("kill {pid}")),
        "{looked:?}"
    );
    assert!(socket.exists());
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    assert!(!socket.exists());
    is_clean(&sandbox);
    // Where somebody listens by now it stays.
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let pid = number(&sandbox).unwrap();
    run.kill();
    kill(pid);
    wait("its end", || !lives(pid));
    fs::remove_file(&socket).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    assert!(socket.exists());
    is_clean(&sandbox);
}

#[test]
fn a_run_that_is_killed_when_its_helper_begins_leaves_none() {
    // It kills its vmrun as the first thing that it does.
    let sandbox = host("run\n", &helper("[\"perl\", \"-e\", \"kill 9, getppid; sleep 60\"]", ""));
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!(done.code, -9);
    let pid = number(&sandbox).unwrap();
    assert!(lives(pid));
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    assert!(!lives(pid));
    is_clean(&sandbox);
}

#[test]
fn a_process_that_got_the_number_of_a_helper_is_left_alone() {
    let sandbox = host("run\n", &helper(&serving("sleep 60"), ""));
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let pid = number(&sandbox).unwrap();
    run.kill();
    kill(pid);
    let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let journal = fs::read_to_string(sandbox.path("state/.db.lock")).unwrap();
    let line = journal.lines().find(|line| line.contains(" + helper h ")).unwrap();
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    let renumbered: Vec<String> = words
        .iter()
        .map(|word| if *word == pid.to_string() { other.id().to_string() } else { (*word).into() })
        .collect();
    let mut plain: Vec<String> = renumbered.iter().map(|word| word.replace("%20", " ")).collect();
    plain[4] = vmrun_started(other.id());
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    let line = vmrun::internals::supervise::journal::line(&plain);
    fs::write(sandbox.path("state/.db.lock"), format!("{journal}{line}")).unwrap();
    let done = sandbox.run(&["gc"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(lives(other.id()), "{done:?}");
    other.kill().unwrap();
    other.wait().unwrap();
    is_clean(&sandbox);
}

/// When a process was started, as a journal has it (proc(5)).
fn vmrun_started(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().into()
}

#[test]
fn a_helper_in_the_background_goes_on_with_its_guest_and_is_taken_over() {
    let host = Host::new("run\n");
    let talks = serving("$| = 1; print qq(at your service\\\\n); sleep 60");
    host.recipe("db", &helper(&talks, ""));
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let pid = number(&host).unwrap();
    kill(host.status("db").unwrap().supervisor.unwrap());
    assert_eq!(host.run(&["gc"]).code, 0);
    assert!(lives(pid));
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    assert!(lives(pid));
    assert!(host.log("db").contains("at your service\n"), "{}", host.log("db"));
    kill(pid);
    wait("what is said of it", || {
        host.log("db").contains("the helper h has ended; who adopted it cannot start it: the next boot does")
    });
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_helper_in_the_background_ends_with_its_machine() {
    for is_adopted in [false, true] {
        let host = Host::new("run\n");
        host.recipe("db", &helper(&serving("sleep 60"), ""));
        ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
        let pid = number(&host).unwrap();
        if is_adopted {
            kill(host.status("db").unwrap().supervisor.unwrap());
            ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
        }
        ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
        assert!(!lives(pid));
        host.is_clean();
    }
}

/// A machine with a TPM and a helper, whose plans are compared.
const PLANNED: &str = "\
helper(#{ run: [\"virtiofsd\", \"--socket-path=/run/fs.sock\"], socket: \"/run/fs.sock\", ready: #{ tcp: \"127.0.0.1:53\" } });
bhyve(#{ name: \"win\", memory: 64.MiB, bootrom: \"/fw/rom.fd\", tpm: #{ type: \"swtpm\", state: \"/vm/win.tpm\" }JAIL,
    slots: #{ \"0\": hostbridge(), \"31\": lpc() } }).run();
";

#[test]
fn a_plan_has_every_helper_as_commands_that_can_be_pasted_and_ends_it_last() {
    let before = "\
umask 026
mkdir -p -m 755 [tmp]/state/win
mkdir -p -m 700 /vm/win.tpm
rm -f [tmp]/state/win/swtpm.sock
";
    let started = |enter: &str| {
        format!(
            " & echo $! >[tmp]/state/win/swtpm.pid'
sh -c 'until test -S [tmp]/state/win/swtpm.sock; do sleep 0.1; done'
mkdir -p -m 755 [tmp]/state/win
rm -f /run/fs.sock
sh -c '{enter}virtiofsd --socket-path=/run/fs.sock & echo $! >[tmp]/state/win/virtiofsd.pid'
sh -c 'until test -S /run/fs.sock; do sleep 0.1; done'
sh -c 'until nc -z 127.0.0.1 53; do sleep 0.1; done'
"
        )
    };
    let after = "pkill -F [tmp]/state/win/virtiofsd.pid\nrm -f /run/fs.sock\npkill -F [tmp]/state/win/swtpm.pid\n";
    let swtpm = "swtpm socket --tpm2 --tpmstate dir=/vm/win.tpm";
    let bhyve = |enter: &str| {
        format!(
            "{enter}bhyve -c 1 -m 64M -s 0,hostbridge -s 31,lpc -l \
             tpm,swtpm,[tmp]/state/win/swtpm.sock,version=2.0 -l bootrom,/fw/rom.fd win\n# given back when the run ends:\nbhyvectl --destroy --vm=win\n"
        )
    };
    let server = "--server type=unixio,path=[tmp]/state/win/swtpm.sock,mode=0600 --flags not-need-init";
    for (on, enter, jail) in
        [("freebsd-14.3", "", ""), ("freebsd-15", "", ""), ("freebsd-15", "jexec web ", ", jail: \"web\"")]
    {
        let sandbox = Sandbox::new();
        sandbox.write("win.rhai", &PLANNED.replace("JAIL", jail));
        let plan = sandbox.run(&["plan", "win.rhai", "--on", on]);
        let expected = format!("{before}sh -c '{enter}{swtpm} {server}{}{}{after}", started(enter), bhyve(enter));
        same(&plan.stdout, &expected);
    }
    let sandbox = Sandbox::new();
    sandbox.write("win.rhai", &PLANNED.replace("JAIL", ""));
    let plan = sandbox.run(&["plan", "win.rhai", "--on", "linux"]);
    let ctrl = "--ctrl type=unixio,path=[tmp]/state/win/swtpm.sock,mode=0600";
    let begins = format!("{before}sh -c '{swtpm} {ctrl}{}", started(""));
    assert!(plan.stdout.starts_with(&begins), "{}", plan.stdout);
    let has = "-chardev socket,id=tpm,path=[tmp]/state/win/swtpm.sock -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0";
    assert!(plan.stdout.contains(has) && plan.stdout.ends_with(&format!("ends:\n{after}")), "{}", plan.stdout);
}

#[test]
fn what_a_tpm_lacks_is_told_with_the_way_out() {
    let said = |tpm: &str, is_bare: bool| {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
        sandbox.write(
            "db.rhai",
            &format!("bhyve(#{{ name: \"db\", bootrom: \"[tmp]/vm/rom.fd\", tpm: {tpm}, slots: #{{ \"31\": lpc() }} }}).run();\n"),
        );
        let mut command = sandbox.command(&["db.rhai"]);
        if is_bare {
            command.env("PATH", sandbox.path("bin"));
        }
        let done = sandbox.finish(&mut command);
        is_clean(&sandbox);
        let lines = done.stderr.lines().filter(|line| line.starts_with("error:") || line.starts_with("  = hint:"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(
        said("#{ type: \"swtpm\", state: \"db.tpm\" }", true),
        "error: the machine has a TPM, and `swtpm` is not installed\n  = hint: pkg install swtpm brings it\n"
    );
    assert_eq!(
        said("#{ type: \"swtpm\" }", false),
        "error: the TPM has no folder for what it has to keep\n  = hint: write `tpm: #{ type: \"swtpm\", state: \"NAME.tpm\" }`, or \
         give the firmware variables, beside which it is then\n"
    );
    assert_eq!(
        said("#{ type: \"passthru\", path: \"/dev/null\", state: \"db.tpm\" }", false),
        "error: only a TPM of the type `swtpm` has a `state`\n  = hint: write `tpm: #{ type: \"swtpm\", state: \"NAME.tpm\" }`\n"
    );
}

#[test]
fn what_a_helper_is_not_is_told_where_it_stands() {
    let said = |line: &str| {
        let sandbox = host("1\n", &format!("{line}\n"));
        let done = sandbox.run(&["db.rhai"]);
        is_clean(&sandbox);
        let lines = done.stderr.lines().filter(|line| line.starts_with("error:") || line.starts_with("  = hint:"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(
        said("helper(#{ run: [] });"),
        "error: a helper needs a command\n  = hint: write `run: [\"virtiofsd\", \"--socket-path=…\"]`\n"
    );
    assert_eq!(
        said("helper(#{ run: [\"sleep\", \"1\"] }); helper(#{ run: [\"sleep\", \"2\"] });"),
        "error: two helpers are called sleep\n  = hint: give one of them another `name`\n"
    );
    assert_eq!(
        said("helper(#{ run: [\"no-such-program\"] });"),
        "error: `no-such-program` is not installed\n  = hint: install it, or correct its name\n"
    );
    assert_eq!(
        said("helper(#{ run: [\"sleep\", \"1\"], name: \"a b\" });"),
        "error: \"a b\" is no name of a helper\n  = hint: letters, digits, `.`, `_`, `+` and `-`, at most 64: write `name: \
         \"swtpm\"`\n"
    );
    assert_eq!(
        said("helper(#{ run: [\"sleep\", \"1\"], ready: #{ tcp: \"localhost\" } });"),
        "error: \"localhost\" is no address with a port\n  = hint: write \"127.0.0.1:53\"\n"
    );
}
