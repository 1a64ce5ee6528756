//! Serial consoles on the fake FreeBSD: a nmdm(4) that two ptys stand for, a port that listens, and a log.

use super::find::with_ssh;
use super::host::{Host, kill};
use super::sandbox::{Done, same};
use super::terminal::Terminal;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// How long anything may take.
const SOON: Duration = Duration::from_secs(20);

/// Writes the recipe of a machine with this serial port.
fn recipe(host: &Host, com1: &str) {
    host.recipe("web", "");
    let text = host.read("web.rhai").replace("cpus: 1,", &format!("cpus: 1, {com1}"));
    host.write("web.rhai", &text);
}

/// A host with a machine that runs in the background, whose serial port is a nmdm(4).
struct Nmdm {
    host: Host,
    /// Where bhyve is.
    _bhyve: Terminal,
    /// The other end, as the guest sees it.
    guest: Terminal,
}

impl Nmdm {
    fn new() -> Self {
        let (host, bhyve, guest) = (Host::new("run\nrun\n"), Terminal::new(), Terminal::new());
        symlink(bhyve.path(), host.path("nmdm-web.1A")).unwrap();
        symlink(guest.path(), host.path("nmdm-web.1B")).unwrap();
        recipe(&host, "com1: \"[tmp]/nmdm-web.1A\",");
        let started = host.run(&["start", "web.rhai"]);
        assert_eq!((started.code, started.stderr.as_str()), (0, "vmrun: web runs\n"));
        Self { host, _bhyve: bhyve, guest }
    }

    fn stop(&self) {
        let done = self.host.run(&["stop", "web"]);
        assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: web is down\n"));
    }
}

#[test]
fn a_console_is_a_terminal_of_the_guest_until_its_key_is_pressed() {
    let mut nmdm = Nmdm::new();
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    let console = terminal.start(&mut nmdm.host.command(&["console", "web"]));
    same(&terminal.shows("it\r\n", SOON), "vmrun: this is com1 of web; Ctrl-] leaves it\r\n");
    terminal.until_raw();
    nmdm.guest.types("FreeBSD/amd64 (web) (ttyu0)\r\n\r\nlogin: ");
    same(&terminal.shows("login: ", SOON), "FreeBSD/amd64 (web) (ttyu0)\r\n\r\nlogin: ");
    // Every key goes to the guest, as it is.
    terminal.types("root\r\x03\x1a\x04~.");
    assert_eq!(nmdm.guest.shows("~.", SOON), "root\r\x03\x1a\x04~.");
    terminal.types("half\x1dnot this");
    assert_eq!(nmdm.guest.shows("half", SOON), "half");
    let (status, said) = terminal.ends(console);
    assert_eq!((status.code(), said.as_str()), (Some(0), "\r\nvmrun: left web, which goes on\r\n"));
    assert!(before == terminal.settings(), "the terminal is as it was");

    // Another key, and a console that goes when its guest does.
    let console = terminal.start(&mut nmdm.host.command(&["console", "web.rhai", "--escape", "^a"]));
    terminal.shows("Ctrl-a leaves it\r\n", SOON);
    terminal.until_raw();
    terminal.types("\x1d");
    nmdm.guest.shows("\x1d", SOON);
    nmdm.stop();
    let (status, said) = terminal.ends(console);
    assert_eq!((status.code(), said.as_str()), (Some(0), "vmrun: web has ended\r\n"));
    assert!(before == terminal.settings(), "the terminal is as it was");
}

#[test]
fn a_terminal_is_put_back_whatever_ends_the_console() {
    let nmdm = Nmdm::new();
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    for name in ["TERM", "HUP", "INT", "QUIT", "TSTP"] {
        let console = terminal.start(nmdm.host.command(&["console", "web"]).env("NO_COLOR", "1"));
        terminal.shows("leaves it\r\n", SOON);
        terminal.until_raw();
        assert!(Command::new("kill").args(["-s", name, &console.id().to_string()]).status().unwrap().success());
        let (status, said) = terminal.ends(console);
        assert_eq!((status.code(), said.as_str()), (Some(130), "error: interrupted\r\n"), "{name}");
        assert!(before == terminal.settings(), "{name}");
    }
    nmdm.stop();
}

#[test]
fn what_comes_from_no_terminal_is_typed_and_what_is_said_is_printed() {
    let mut nmdm = Nmdm::new();
    let mut command = nmdm.host.shell("printf 'uptime\\r' | vmrun console web");
    let piped = thread::scope(|scope| {
        let piped = scope.spawn(|| nmdm.host.finish(&mut command));
        nmdm.guest.shows("uptime\r", SOON);
        nmdm.guest.types("up 3 days\r\n");
        piped.join().unwrap()
    });
    assert_eq!((piped.code, piped.stdout.as_str(), piped.stderr.as_str()), (0, "up 3 days\r\n", ""));

    nmdm.guest.is_nobodys();
    let waiting = nmdm.host.start(&["wait-serial", "web", "login:", "--within", "20s"]);
    nmdm.guest.until_raw();
    nmdm.guest.types("\x1b[1mweb lo\x1b[0mgin: ");
    let done = waiting.wait();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
    nmdm.stop();
}

#[test]
fn a_port_that_listens_is_a_console_too() {
    let host = Host::new("run\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The fake bhyve wants the port for itself, and says nothing at it.
    recipe(&host, "com1: \"stdio\",");
    assert_eq!(host.run(&["start", "web.rhai"]).code, 0);
    recipe(&host, &format!("com1: \"tcp=0.0.0.0:{port}\","));
    let guest = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"login: ").unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).unwrap();
        heard
    });
    let mut command = host.shell("printf 'root\\r' | VMRUN_PLATFORM=freebsd-15 vmrun console web");
    let done = host.finish(&mut command);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "login: ", ""));
    assert_eq!(&guest.join().unwrap(), b"root\r");
    assert_eq!(host.run(&["stop", "web"]).code, 0);
}

#[test]
fn a_serial_port_in_the_foreground_is_a_raw_console_that_the_same_key_leaves() {
    let host = Host::new("talk\n");
    recipe(&host, "com1: \"stdio\",");
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    let run = terminal.start(host.command(&["web.rhai"]).env("NO_COLOR", "1"));
    terminal.shows("vmrun: web runs; this is its console, and Ctrl-] leaves it\r\n", SOON);
    terminal.until_raw();
    terminal.types("hunter22\r\x03\x1a\x1c");
    host.write("fake/talk.new", "login: ");
    std::fs::rename(host.path("fake/talk.new"), host.path("fake/talk")).unwrap();
    assert_eq!(terminal.shows("login: ", SOON), "login: ", "nothing was echoed");
    terminal.types("\x1d");
    terminal.shows("\r\nvmrun: left the console; the guest goes on, and Ctrl-C asks it to power off\r\n", SOON);
    assert!(before == terminal.settings(), "the terminal is as it was");
    assert!(Command::new("kill").args(["-s", "INT", &run.id().to_string()]).status().unwrap().success());
    let (status, said) = terminal.ends(run);
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.starts_with("vmrun: asked the guest to power off; it has 60s"), "{said}");
}

#[test]
fn a_terminal_is_put_back_whatever_ends_a_run_in_the_foreground() {
    let host = Host::new("run\n");
    recipe(&host, "com1: \"stdio\",");
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    for name in ["TERM", "HUP", "INT", "QUIT"] {
        host.write("fake/exits", "run\n");
        let run = terminal.start(host.command(&["web.rhai"]).env("NO_COLOR", "1"));
        terminal.shows("leaves it\r\n", SOON);
        terminal.until_raw();
        assert!(Command::new("kill").args(["-s", name, &run.id().to_string()]).status().unwrap().success());
        let (status, said) = terminal.ends(run);
        assert_eq!(status.code(), Some(130), "{name}: {said}");
        assert!(said.starts_with("vmrun: asked the guest to power off"), "{name}: {said}");
        assert!(before == terminal.settings(), "{name}");
    }
}

#[test]
fn a_log_is_waited_for_and_is_no_console() {
    let host = Host::new("run\n");
    recipe(&host, "com1: \"stdio\",");
    let said = |args: &[&str], code: i32| {
        let Done { code: status, stdout, stderr } = host.run(args);
        assert_eq!((status, stdout.as_str()), (code, ""), "{stderr}");
        stderr
    };
    let before = said(&["wait-serial", "web", "login:"], 8);
    assert_eq!(said(&["start", "web.rhai"], 0), "vmrun: web runs\n");
    let mut log = std::fs::OpenOptions::new().append(true).open(host.path("log/web.log")).unwrap();
    let nothing = said(&["wait-serial", "web", "login:", "--within", "300ms"], 4);
    // What this boot has said counts, and what vmrun says there does not.
    log.write_all(b"starting sshd\nweb login: ").unwrap();
    assert_eq!(said(&["wait-serial", "web", "login:"], 0), "");
    assert_eq!(said(&["wait-serial", "web", "sshd"], 0), "");
    let above = said(&["wait-serial", "web", "web runs", "--within", "300ms"], 4);
    let mut waiting = host.start(&["wait-serial", "web", "Password:", "--within", "20s"]);
    waiting.until_open("log/web.log");
    log.write_all(b"root\r\nPassword:").unwrap();
    assert_eq!(waiting.wait().code, 0);
    let console = said(&["console", "web"], 1);
    let none = said(&["console", "web", "--port", "com2"], 1);
    let mut interrupted = host.start(&["wait-serial", "web", "never", "--within", "20s"]);
    interrupted.until_open("log/web.log");
    interrupted.signal("INT");
    let interrupted = interrupted.wait();
    assert_eq!(interrupted.code, 130);
    // A machine that ends is not waited for any longer.
    let mut waiting = host.start(&["wait-serial", "web", "never", "--within", "20s"]);
    waiting.until_open("log/web.log");
    assert_eq!(said(&["stop", "web"], 0), "vmrun: web is down\n");
    let ended = waiting.wait();
    assert_eq!(ended.code, 8);
    let all = [before, nothing, above, console, none, interrupted.stderr, ended.stderr];
    same(
        &all.join("\n"),
        r#"
error: the machine web does not run
 |
 = hint: `vmrun start web` starts it

error: web did not say "login:" on com1 within 300ms
 |
 = hint: it said nothing

error: web did not say "web runs" on com1 within 300ms
 |
 = hint: the last line that it said is "web login:"

error: what com1 of web says goes into its log, and nothing goes back
 |
 = hint: `vmrun logs -f web` follows it; with `com1: "/dev/nmdm-web.1A"` it has a console

error: web has no serial port com2
 |
 = hint: it has com1

error: interrupted

error: the machine web does not run
 |
 = hint: `vmrun start web` starts it
"#,
    );
}

#[test]
fn a_port_without_another_end_here_is_told_so() {
    let host = Host::new("run\n");
    let said = |args: &[&str], code: i32| {
        let done = host.run(args);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{}", done.stderr);
        done.stderr
    };
    recipe(&host, "com1: \"stdio\",");
    let mut foreground = host.start(&["web.rhai"]);
    foreground.until("the guest", |host| host.read("state/.web.lock").contains(" + guest "));
    let terminal = said(&["console", "web"], 3);
    recipe(&host, "com1: \"/dev/nmdm-web.1A\",");
    let missing = said(&["console", "web"], 3);
    foreground.signal("TERM");
    assert_eq!(foreground.wait().code, 130);
    let down = said(&["console", "web"], 8);
    recipe(&host, "com1: \"/dev/ttyu1\",");
    let tty = said(&["console", "web"], 1);
    recipe(&host, "");
    let none = said(&["console", "web"], 1);
    let unknown = said(&["console", "wob"], 2);
    let key = said(&["console", "web", "--escape", "x"], 2);
    let all = [terminal, missing, down, tty, none, unknown, key];
    same(
        &all.join("\n"),
        r#"
error: com1 of web is the terminal of the vmrun that runs it
 |
 = hint: `vmrun start web` runs it in the background

error: cannot open /dev/nmdm-web.1B: No such file or directory

error: the machine web does not run
 |
 = hint: `vmrun start web` starts it

error: com1 of web is plugged into /dev/ttyu1, a tty of this host
 |
 = hint: whoever has the other end of that tty is its console

error: web has no serial port com1
 |
 = hint: add `com1: "/dev/nmdm-web.1A"`

error: there is no recipe of a machine wob
 |
 = hint: did you mean `web`?

error: invalid value 'x' for '--escape <^KEY>': write ^ and a key that Ctrl goes with: ^], ^A

For more information, try '--help'.
"#,
    );
}

#[test]
fn a_supervisor_that_is_killed_leaves_its_console() {
    let mut nmdm = Nmdm::new();
    kill(nmdm.host.status("web").unwrap().supervisor.unwrap());
    let mut terminal = Terminal::new();
    let console = terminal.start(&mut nmdm.host.command(&["console", "web"]));
    terminal.shows("leaves it\r\n", SOON);
    terminal.until_raw();
    terminal.types("x");
    nmdm.guest.shows("x", SOON);
    terminal.types("\x1d");
    assert_eq!(terminal.ends(console).0.code(), Some(0));
}

#[test]
fn a_machine_on_another_host_is_talked_to_and_listened_to_by_the_vmrun_there() {
    let sandbox = with_ssh();
    let (bhyve, mut guest) = (Terminal::new(), Terminal::new());
    symlink(bhyve.path(), sandbox.path("nmdm-web.1A")).unwrap();
    symlink(guest.path(), sandbox.path("nmdm-web.1B")).unwrap();
    let text = sandbox.read("recipes/web.rhai").replace("bootrom:", "com1: \"[tmp]/nmdm-web.1A\", bootrom:");
    sandbox.write("recipes/web.rhai", &text);
    sandbox.write("fake/exits", "run\n");
    let there = |args: &[&str]| {
        let mut command = sandbox.command(args);
        sandbox.finish(command.env("VMRUN_STATE_DIR", sandbox.path("vm6")))
    };
    assert_eq!(there(&["start", "recipes/web.rhai"]).code, 0);

    let hosts = ["--hosts", "ssh://root@vm6:2222", "--answer-within", "5s"];
    let mut terminal = Terminal::new();
    let console = terminal.start(sandbox.command(&["console", "web", "--escape", "^a"]).args(hosts));
    same(&terminal.shows("it\r\n", SOON), "vmrun: this is com1 of web; Ctrl-a leaves it\r\n");
    terminal.until_raw();
    terminal.types("root\r");
    guest.shows("root\r", SOON);
    terminal.types("\x01");
    assert_eq!(terminal.ends(console).0.code(), Some(0));

    guest.is_nobodys();
    let waiting = sandbox.start(&[&["wait-serial", "web", "it's $HOME", "--within", "20s"][..], &hosts[..]].concat());
    guest.until_raw();
    guest.types("it's $HOME\r\n");
    let done = waiting.wait();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
    let asked = sandbox.read("ssh.log");
    let asked: Vec<&str> = asked.lines().filter(|line| !line.ends_with("vmrun list --json")).collect();
    assert_eq!(
        asked,
        [
            "-oBatchMode=yes -oConnectTimeout=5 -p 2222 -t -- root@vm6 vmrun console web --port com1 --escape '^A'",
            "-oBatchMode=yes -oConnectTimeout=5 -p 2222 -- root@vm6 vmrun wait-serial web --port com1 --within 20000ms -- \
             'it'\\''s $HOME'",
        ]
    );

    let nowhere = sandbox.run(&["console", "web", "--hosts", "ssh://vm7"]);
    let down = sandbox.run(&["console", "web"]);
    let port = sandbox.run(&["console", "web", "--port", "com7", "--hosts", "ssh://vm7"]);
    sandbox.write("wrong.rhai", "bhyv(1);\n");
    let wrong = sandbox.run(&["console", "wrong.rhai", "--hosts", "ssh://vm7"]);
    assert_eq!((nowhere.code, down.code, port.code, wrong.code), (4, 8, 1, 1));
    same(
        &[nowhere.stderr, down.stderr, port.stderr, wrong.stderr].join("\n"),
        "
error: web runs on none of these hosts: ssh://vm7

error: the machine web does not run
 |
 = hint: `vmrun start web` starts it

error: web has no serial port com7
 |
 = hint: it has com1

error: there is no function `bhyv`
 --> wrong.rhai:1:1
  |
1 | bhyv(1);
  | ^^^^
  |
  = hint: did you mean `bhyve`?
error: not every recipe could be read: the machines of the others were looked for
",
    );
    assert_eq!(there(&["stop", "web"]).code, 0);
}

/// Writes the recipe of a machine whose serial port is a nmdm(4) and that is talked to, and returns both ends.
fn talks(host: &Host, talk: &str) -> (Terminal, Terminal) {
    let (bhyve, guest) = (Terminal::new(), Terminal::new());
    symlink(bhyve.path(), host.path("nmdm-web.1A")).unwrap();
    symlink(guest.path(), host.path("nmdm-web.1B")).unwrap();
    recipe(host, "com1: \"[tmp]/nmdm-web.1A\",");
    let text = host
        .read("web.rhai")
        .replace("bhyve(", "let vm = bhyve(")
        .replace("}).run();", &format!("}});\n{talk}\nvm.run();"));
    host.write("web.rhai", &text);
    (bhyve, guest)
}

#[test]
fn a_recipe_talks_to_its_guest_while_it_runs() {
    let host = Host::new("run\n");
    let talk = "vm.serial.expect(\"login:\");\nvm.serial.send(\"root\\n\");\nvm.serial.expect(\"word:\", \"20s\");\nvm.serial.send(secret(\"vnc\"));\nvm.serial.expect(\"# \");";
    let (_bhyve, mut guest) = talks(&host, talk);
    let run = host.start(&["web.rhai"]);
    guest.until_raw();
    guest.types("web login: ");
    guest.shows("root\n", SOON);
    guest.types("Password:");
    guest.shows("hunter22\n", SOON);
    guest.types("# ");
    run.signal("TERM");
    let done = run.wait();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (130, "", "error: interrupted\n"));
    assert!(!host.calls().contains("hunter22"));

    let plan = host.run(&["plan", "web.rhai"]);
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""));
    let (_, meanwhile) = plan.stdout.split_once("# while the next command runs:\n").unwrap();
    let (meanwhile, _) = meanwhile.split_once("bhyve ").unwrap();
    same(
        meanwhile,
        r"
#   vmrun wait-serial web login: --within 60000ms
#   printf 'root\n' | vmrun console web
#   vmrun wait-serial web word: --within 20000ms
#   printf '***\n' | vmrun console web
#   vmrun wait-serial web '# ' --within 60000ms
",
    );
    let json = host.run(&["plan", "web.rhai", "--json"]).stdout;
    assert!(json.contains("\"printf '***\\\\n' | vmrun console web\""), "{json}");
}

#[test]
fn a_guest_that_does_not_say_what_it_is_to_say_has_failed() {
    let host = Host::new("run\n1\n");
    let _ends = talks(&host, "vm.serial.expect(\"login:\", \"500ms\");");
    let silent = host.run(&["web.rhai"]);
    // One that ends before is not waited for.
    host.write("web.rhai", &host.read("web.rhai").replace("500ms", "20m"));
    let ended = host.run(&["web.rhai"]);
    let shown = |done: &Done, code: i32| {
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{}", done.stderr);
        done.stderr.clone()
    };
    recipe(&host, "com1: \"stdio\",");
    let text = host.read("web.rhai").replace("bhyve(", "let vm = bhyve(");
    host.write("web.rhai", &text.replace("}).run();", "});\nvm.serial.expect(\"\");\nvm.run();"));
    let empty = shown(&host.run(&["web.rhai"]), 1);
    host.write("web.rhai", &text.replace("}).run();", "});\nvm.serial.send(\"x\");\nvm.run();"));
    let stdio = shown(&host.run(&["web.rhai"]), 1);
    same(
        &[shown(&silent, 4), shown(&ended, 4), empty, stdio].join("\n"),
        r#"
error: web did not say "login:" on com1 within 500ms
 --> web.rhai:7:4
  |
7 | vm.run();
  |    ^^^^^
  |
  = hint: it said nothing

error: web ended before all was said on com1
 --> web.rhai:7:4
  |
7 | vm.run();
  |    ^^^^^

error: what a guest says is a part of one line
 --> web.rhai:6:18
  |
6 | vm.serial.expect("");
  |                  ^^
  |
  = hint: write `vm.serial.expect("login:")`

error: `vm.serial` needs the other end of com1, which is plugged into stdio
 --> web.rhai:3:47
  |
3 | let vm = bhyve(#{ name: "web", cpus: 1, com1: "stdio", memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
  |                                               ^^^^^^^
  |
  = hint: plug it into a nmdm(4): `com1: "/dev/nmdm-web.1A"`
"#,
    );
}
