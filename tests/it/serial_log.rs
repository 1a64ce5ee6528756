//! A serial port that is kept in a log and is a console at once, on the fake FreeBSD: a nmdm(4) that two ptys stand for.

use super::host::{Host, SOON, ended, kill, lives};
use super::sandbox::{Sandbox, same};
use super::terminal::Terminal;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A host whose machine `web` has its serial port kept.
struct Kept {
    host: Host,
    _bhyve: Terminal,
    /// The other end, as the guest sees it.
    guest: Terminal,
}

impl Kept {
    fn new() -> Self {
        let (host, bhyve, guest) = (Host::new("run\nrun\nrun\nrun\n"), Terminal::new(), Terminal::new());
        symlink(bhyve.path(), host.path("nmdm-web.1A")).unwrap();
        symlink(guest.path(), host.path("nmdm-web.1B")).unwrap();
        host.recipe("web", "");
        let keys = "cpus: 1, com1: \"[tmp]/nmdm-web.1A\", serial_log: \"[tmp]/vm/web.serial\",";
        host.write("web.rhai", &host.read("web.rhai").replace("cpus: 1,", keys));
        ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs");
        Self { host, _bhyve: bhyve, guest }
    }

    /// The number of the process that keeps it; it may be written just now.
    fn keeper(&self) -> u32 {
        let begin = Instant::now();
        loop {
            if let Ok(pid) = self.host.read("state/web/serial.pid").trim().parse() {
                return pid;
            }
            assert!(begin.elapsed() < SOON, "no number");
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until something was kept.
    #[track_caller]
    fn until_kept(&self, text: &str) {
        let begin = Instant::now();
        while !self.host.read("vm/web.serial").ends_with(text) {
            assert!(begin.elapsed() < SOON, "never kept: {text:?}, but {:?}", self.host.read("vm/web.serial"));
            sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    fn stop(&self) {
        let keeper = self.keeper();
        ended(&self.host.run(&["stop", "web"]), 0, "vmrun: web is down");
        assert!(!lives(keeper));
        self.host.is_clean();
    }
}

#[test]
fn what_a_port_says_is_kept_while_several_are_at_its_console() {
    let mut kept = Kept::new();
    kept.guest.types("booting\r\n");
    kept.until_kept("booting\r\n");
    assert_eq!(fs::metadata(kept.host.path("vm/web.serial")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(kept.host.path("state/web/console.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    let (mut one, mut other) = (Terminal::new(), Terminal::new());
    let first = one.start(&mut kept.host.command(&["console", "web"]));
    one.shows("it\r\n", SOON);
    one.until_raw();
    let second = other.start(&mut kept.host.command(&["console", "web"]));
    other.shows("it\r\n", SOON);
    other.until_raw();
    kept.guest.types("login: ");
    assert_eq!((one.shows("login: ", SOON), other.shows("login: ", SOON)), ("login: ".into(), "login: ".into()));
    one.types("root\r");
    assert_eq!(kept.guest.shows("root\r", SOON), "root\r");
    kept.until_kept("login: ");
    one.types("\x1d");
    other.types("\x1d");
    let _ends = (first, second);
    kept.guest.types("\r\nPassword:\x1b[2J\r\n");
    kept.until_kept("\r\n");
    let shown = kept.host.run(&["logs", "web", "--serial", "-n", "2"]);
    same(&shown.stdout, "login: \nPassword:\\u{1b}[2J\n");
    kept.stop();
    // It stays when the machine is down.
    assert!(kept.host.run(&["logs", "web", "--serial"]).stdout.starts_with("booting\n"));
}

#[test]
fn the_guest_goes_on_when_who_keeps_its_port_is_killed_and_another_one_comes() {
    let mut kept = Kept::new();
    kept.guest.types("one\r\n");
    kept.until_kept("one\r\n");
    let (guest, keeper) = (kept.host.status("web").unwrap().guest.unwrap(), kept.keeper());
    kill(keeper);
    let begin = Instant::now();
    while kept.keeper() == keeper || !kept.host.path("state/web/console.sock").exists() {
        assert!(begin.elapsed() < SOON, "no other one");
        sleep(Duration::from_millis(10));
    }
    kept.guest.types("two\r\n");
    kept.until_kept("two\r\n");
    assert!(lives(guest));
    assert!(kept.host.log("web").contains("the helper serial was killed by signal 9; starting it again in 1s\n"));
    kept.stop();
}

#[test]
fn a_port_is_kept_while_nobody_supervises_its_machine() {
    let mut kept = Kept::new();
    kill(kept.host.status("web").unwrap().supervisor.unwrap());
    kept.guest.types("alone\r\n");
    kept.until_kept("alone\r\n");
    ended(&kept.host.run(&["adopt", "web"]), 0, "vmrun: web goes on; it was taken over");
    kept.guest.types("adopted\r\n");
    kept.until_kept("adopted\r\n");
    kept.stop();
}

#[test]
fn a_machine_is_ready_by_what_is_kept_of_its_port_since_it_was_started() {
    let mut kept = Kept::new();
    kept.guest.types("web login: \r\n");
    kept.until_kept("login: \r\n");
    ended(&kept.host.run(&["stop", "web"]), 0, "vmrun: web is down");
    let recipe = kept.host.read("web.rhai");
    kept.host.write("web.rhai", &format!("ready(#{{ serial: \"login:\", within: \"400ms\" }});\n{recipe}"));
    // What it said before it was started says nothing.
    let done = kept.host.run(&["start", "web.rhai"]);
    assert!(done.stderr.contains("error: web runs, and was not ready within 400ms\n"), "{done:?}");
    ended(&kept.host.run(&["stop", "web"]), 0, "vmrun: web is down");
    kept.host.write("web.rhai", &format!("ready(#{{ serial: \"login:\", within: \"20s\" }});\n{recipe}"));
    let done = std::thread::scope(|scope| {
        let start = scope.spawn(|| kept.host.run(&["start", "web.rhai"]));
        let begin = Instant::now();
        while kept.host.status("web").and_then(|status| status.guest).is_none() {
            assert!(begin.elapsed() < SOON, "no guest");
            sleep(Duration::from_millis(10));
        }
        kept.guest.types("again\r\nweb login: ");
        start.join().unwrap()
    });
    ended(&done, 0, "vmrun: web runs\nvmrun: web is ready");
    kept.stop();
}

#[test]
fn a_plan_shows_who_keeps_a_port() {
    let recipe = "bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \"/fw/rom.fd\", com1: \"/dev/nmdm-db.1A\", serial_log: \
                  \"/vm/db.serial\", slots: #{ \"31\": lpc() } }).run();\n";
    for (on, other) in [
        ("linux", "--connect=[tmp]/state/db/com1.sock"),
        ("freebsd-14.3", "--tty=/dev/nmdm-db.1B"),
        ("freebsd-15", "--tty=/dev/nmdm-db.1B"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("db.rhai", recipe);
        let plan = sandbox.run(&["plan", "db.rhai", "--on", on]);
        let expected = format!(
            "umask 026
mkdir -p -m 755 [tmp]/state/db
rm -f [tmp]/state/db/console.sock
sh -c 'vmrun serial-relay {other} --listen=[tmp]/state/db/console.sock --log=/vm/db.serial & echo $! >[tmp]/state/db/serial.pid'
sh -c 'until test -S [tmp]/state/db/console.sock; do sleep 0.1; done'
"
        );
        assert!(plan.stdout.starts_with(&expected), "{}", plan.stdout);
        assert!(plan.stdout.ends_with("\npkill -F [tmp]/state/db/serial.pid\n"), "{}", plan.stdout);
    }
}

#[test]
fn what_cannot_be_kept_is_told() {
    let said = |com1: &str| {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
        sandbox.write(
            "db.rhai",
            &format!(
                "bhyve(#{{ name: \"db\", bootrom: \"[tmp]/vm/rom.fd\", {com1} slots: #{{ \"31\": lpc() }} }}).run();\n"
            ),
        );
        let done = sandbox.run(&["db.rhai"]);
        let logs = sandbox.run(&["logs", "db", "--serial"]);
        let lines = done.stderr.lines().chain(logs.stderr.lines());
        let lines = lines.filter(|line| line.starts_with("error:") || line.contains("= hint:"));
        lines.map(|line| format!("{}\n", line.trim())).collect::<String>()
    };
    let nmdm = "error: `serial_log` keeps what a `com1` says that is one end of a nmdm(4)\n= hint: write `com1: \
                \"/dev/nmdm-NAME.1A\"`\n";
    assert!(said("com1: \"stdio\", serial_log: \"/vm/x\",").starts_with(nmdm));
    assert!(said("serial_log: \"/vm/x\",").starts_with(nmdm));
    assert!(
        said("com1: \"/dev/nmdm-db.1A\", serial_log: \"/none/x\",").contains("error: the folder /none is not there\n")
    );
}
