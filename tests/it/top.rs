//! The live view, on a real terminal.

use super::host::Host;
use super::sandbox::{Sandbox, same};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

/// What stands for no key, but for the signal, sent to the process that is written in `top.pid`.
const TERM: &str = "TERM";

fn pid(host: &Sandbox) -> Pid {
    Pid::from_raw(host.read("top.pid").trim().parse().unwrap())
}

/// Runs a line of shell on a terminal of 80 by 24, and presses each key when something is written to it that was not there before; returns
/// all that was written.
fn on_terminal(host: &Sandbox, line: &str, keys: &[(&str, &str)]) -> String {
    let mut command =
        host.on_terminal(&format!("stty cols 80 rows 24; {line}; stty -a | tr ' ' '\\n' | grep -x -e icanon -e echo"));
    command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm").stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut written, mut keys, mut from) = (Vec::new(), keys.iter(), 0);
    let mut next = keys.next();
    let mut buffer = [0; 4096];
    loop {
        let count = stdout.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        written.extend_from_slice(&buffer[..count]);
        while let Some((text, key)) = next {
            let Some(at) = written[from..].windows(text.len()).position(|bytes| bytes == text.as_bytes()) else {
                break;
            };
            from += at + text.len();
            match *key {
                TERM => signal::kill(pid(host), Signal::SIGTERM).unwrap(),
                key => stdin.write_all(key.as_bytes()).unwrap(),
            }
            next = keys.next();
        }
    }
    child.wait().unwrap();
    String::from_utf8_lossy(&written).into_owned()
}

/// The last words on the terminal, after the view was left.
fn after(text: &str) -> String {
    let (_, after) = text.rsplit_once("\x1b[?1049l").unwrap_or_else(|| panic!("it was never left: {text:?}"));
    after.replace("\x1b[?25h", "").replace('\r', "")
}

#[test]
fn the_view_shows_machines_and_leaves_the_terminal_as_it_was() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 0);
    // The plan is shown in the place of the view, which comes back.
    let text = on_terminal(
        &host,
        "vmrun top",
        &[("12.5% CPU, by name", "p"), ("Enter leads back --", "\n"), ("by name", "q")],
    );
    assert!(text.contains("\x1b[?1049h") && text.contains("1 machine, 1 running, 12.5% CPU, by name"), "{text}");
    assert!(text.contains("blk-4:0-0") && text.contains("-- Enter leads back --"), "{text}");
    assert_eq!(text.matches("\x1b[?1049h").count(), 2, "{text}");
    assert_eq!(after(&text), "icanon\necho\n");
    // Whoever ends it has the terminal put back.
    let line = "sh -c 'echo $$ >top.pid; exec vmrun top'";
    let text = on_terminal(&host, line, &[("by name", TERM)]);
    assert_eq!(after(&text), "icanon\necho\n", "{text}");
    assert_eq!(host.run(&["stop", "db"]).code, 0);
}

#[test]
fn without_a_terminal_it_is_told_what_prints_the_same() {
    let host = Sandbox::new();
    let done = host.run(&["top"]);
    same(
        &done.stderr,
        "
error: this is shown on a terminal only
 |
 = hint: `vmrun list` prints the same once, `vmrun list --json` for programs
",
    );
    assert_eq!((done.code, done.stdout.as_str()), (2, ""));
}

#[test]
fn a_terminal_that_shows_lines_only_gets_no_full_screen_and_no_colour() {
    let host = Sandbox::new();
    host.write("wrong.rhai", "tap(\"\");\n");
    let text = on_terminal(&host, "export TERM=dumb; vmrun top; vmrun plan wrong.rhai", &[]);
    assert!(!text.contains('\x1b'), "{text:?}");
    let text = text.replace('\r', "");
    let refused = "error: this terminal shows lines only: TERM is `dumb`\n |\n = hint: `vmrun list` prints the same once; TERM names another terminal\n";
    assert!(text.starts_with(refused), "{text}");
    assert!(text.contains("\n --> wrong.rhai:1:"), "{text}");
}

#[test]
fn a_terminal_that_is_taken_away_ends_whoever_watches_on_it() {
    let host = Host::new("");
    for words in [&["top"][..], &["list", "--watch"]] {
        let OpenptyResult { master, slave } =
            openpty(&Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }, None).unwrap();
        // Whoever has this end as well keeps the terminal alive.
        fcntl(&master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        // One that would read its end for ever has this much of the processor.
        let mut command = host.shell(&format!("ulimit -t 20; exec vmrun {}", words.join(" ")));
        let [stdin, stdout, stderr] = [(); 3].map(|()| slave.try_clone().unwrap());
        command.stdin(stdin).stdout(stdout).stderr(stderr).env("TERM", "xterm");
        let mut child = command.spawn().unwrap();
        drop((command, slave));
        let (mut screen, mut seen, mut bytes) = (File::from(master), String::new(), [0; 4096]);
        while !seen.contains("leave") {
            let count = screen.read(&mut bytes).unwrap();
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        drop(screen);
        // Nobody is left to whom it could complain, which was a panic.
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words:?}");
    }
}
