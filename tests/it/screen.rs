//! What a machine shows, through its VNC server: servers that say what they should, and others.

use super::find::with_ssh;
use super::host::Host;
use super::sandbox::{Done, Sandbox, same};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A screen of 2 by 2 pixels that asks for no password, as far as its size.
const GREETING: &[u8] =
    b"RFB 003.008\n\x01\x01\0\0\0\0\0\x02\0\x02\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x05bhyve";

/// That screen: black and white above, white and black below.
const PIXELS: &[u8] = b"\0\0\0\x01\0\0\0\0\0\x02\0\x02\0\0\0\0\0\0\0\0\xff\xff\xff\0\xff\xff\xff\0\0\0\0\0";

/// One that asks for a password, as far as its verdict.
const PASSWORD: &[u8] = b"RFB 003.008\n\x01\x02abcdefghijklmnop";

/// What a server does after it has said what it says.
#[derive(Clone, Copy)]
enum Then {
    Closes,
    Listens,
}

/// A server that says the same to everybody, and passes on what it heard.
struct Server {
    port: u16,
    heard: Receiver<Vec<u8>>,
}

/// What asks for all of the screen.
const ASK: &[u8] = b"\x03\0\0\0\0\0\0\x02\0\x02";

/// Says something at once, and something else whenever all of the screen is asked for.
fn serve<S: Read + Write>(mut stream: S, words: &[u8], screen: &[u8], then: Then, close: fn(&S)) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut buffer = [0; 1000];
    // Who looks for a machine has gone away by now.
    let mut said = stream.write_all(words);
    while said.is_ok() {
        if matches!(then, Then::Closes) && (screen.is_empty() || heard.ends_with(ASK)) {
            // To close before all was read would take what was said with it.
            close(&stream);
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => heard.extend_from_slice(&buffer[..count]),
            _ => break,
        }
        if heard.ends_with(ASK) {
            said = stream.write_all(screen);
        }
    }
    heard
}

impl Server {
    fn new(words: &[u8], screen: &[u8], then: Then) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), words, screen, then)
    }

    fn at(listener: TcpListener, words: &[u8], screen: &[u8], then: Then) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (tell, heard) = channel();
        let (words, screen) = (words.to_vec(), screen.to_vec());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (words, screen, tell) = (words.clone(), screen.clone(), tell.clone());
                let close = |stream: &TcpStream| drop(stream.shutdown(Shutdown::Write));
                thread::spawn(move || tell.send(serve(stream.unwrap(), &words, &screen, then, close)));
            }
        });
        Self { port, heard }
    }

    /// A sandbox with the recipe of a machine whose console this is.
    fn sandbox(&self) -> Sandbox {
        let sandbox = Sandbox::new();
        let console = format!("fbuf(#{{ tcp: \"127.0.0.1:{}\", password: secret(\"vnc\") }})", self.port);
        let machine = format!("name: \"lab\", bootrom: uefi(), slots: #{{ \"29\": {console}, \"31\": lpc() }}");
        sandbox.write("lab.rhai", &format!("bhyve(#{{ {machine} }}).run();\n"));
        sandbox
    }

    /// What vmrun says of it.
    fn said(&self, args: &[&str], code: i32) -> String {
        let done = self.run(&self.sandbox(), args);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{}", done.stderr);
        done.stderr
    }

    fn run(&self, sandbox: &Sandbox, args: &[&str]) -> Done {
        let mut done = sandbox.run(args);
        done.stderr = done.stderr.replace(&self.port.to_string(), "[port]");
        done
    }

    /// What the last one said who was let in.
    fn heard(&self) -> Vec<u8> {
        self.heard.iter().find(|heard| heard.len() > 13).unwrap()
    }
}

#[test]
fn what_a_server_does_wrong_is_one_line_each() {
    let screenshot = ["screenshot", "lab", "lab.png"];
    let closing = |words: &[&[u8]], code: i32| Server::new(&words.concat(), b"", Then::Closes).said(&screenshot, code);
    let no_password = || {
        let server = Server::new(PASSWORD, b"", Then::Listens);
        let sandbox = server.sandbox();
        sandbox.finish(&mut sandbox.command(&screenshot)).stderr.replace(&server.port.to_string(), "[port]")
    };
    let all = [
        closing(&[b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"], 4),
        closing(&[b"RFB 003.008\n"], 4),
        closing(&[PASSWORD], 4),
        closing(&[&GREETING[..30]], 4),
        Server::new(GREETING, &PIXELS[..20], Then::Closes).said(&screenshot, 4),
        closing(&[PASSWORD, b"\0\0\0\x01\0\0\0\x1eAuth Failed: Invalid Password."], 3),
        closing(&[b"RFB 003.008\n\0\0\0\0\x11Too many failures"], 3),
        closing(&[GREETING, b"\xff\xff\xff\xff and so on"], 3),
        no_password(),
        Server::new(b"RFB 003.008\n", b"", Then::Listens).said(&screenshot, 4),
    ];
    same(
        &all.join("\n"),
        r#"
error: lab runs on none of these hosts: 127.0.0.1
 |
 = hint: on port [port] of 127.0.0.1 something else answers

error: the VNC server at 127.0.0.1:[port] closed the connection before it sent what it asks for

error: the VNC server at 127.0.0.1:[port] closed the connection before it sent an answer to the password

error: the VNC server at 127.0.0.1:[port] closed the connection before it sent the size of its screen

error: the VNC server at 127.0.0.1:[port] closed the connection before it sent its screen

error: the VNC server at 127.0.0.1:[port] does not take the password
 |
 = hint: it is the one with which the machine was started; only its first eight bytes count

error: the VNC server at 127.0.0.1:[port] refuses: Too many failures

error: the VNC server at 127.0.0.1:[port] sent a message that nobody knows: 255

error: the VNC server at 127.0.0.1:[port] asks for a password, and none is known
 |
 = hint: the recipe knows it: `password: secret("vnc")`, from VMRUN_SECRET_VNC or the file secrets/vnc

error: the VNC server at 127.0.0.1:[port] did not send what it asks for within 5s
 |
 = hint: bhyve lets in one viewer at a time: close the other one
"#,
    );
}

#[test]
fn a_screen_is_saved_shown_and_printed() {
    let server = Server::new(GREETING, PIXELS, Then::Listens);
    let sandbox = server.sandbox();
    sandbox.write("lab.png", "what was there");
    let done = server.run(&sandbox, &["screenshot", "lab", "lab.png"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: wrote lab.png, 2x2 pixels\n"));
    let png = std::fs::read(sandbox.path("lab.png")).unwrap();
    assert_eq!(png[..24], *b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02");
    assert!(server.heard().ends_with(ASK));

    let piped = sandbox
        .finish(sandbox.shell("vmrun screenshot lab - | cmp - lab.png && vmrun screenshot lab").env("NO_COLOR", "1"));
    assert_eq!((piped.code, piped.stdout.as_str()), (2, ""));
    same(
        &piped.stderr,
        "
error: the standard output is no terminal that a screen could be shown in
 |
 = hint: name a file, `vmrun screenshot lab lab.png`, or read its text by --text
",
    );
    let text = server.run(&sandbox, &["screenshot", "lab", "--text"]);
    assert_eq!((text.code, text.stdout.as_str(), text.stderr.as_str()), (0, "\n", ""));

    let shown = |plain: &str| {
        let mut command = sandbox.on_terminal("stty cols 40 rows 10; vmrun screenshot lab");
        sandbox.finish(command.env("NO_COLOR", plain)).stdout
    };
    let (black, white) = ("0;0;0", "255;255;255");
    let expected = format!("\x1b[38;2;{black};48;2;{white}m▀\x1b[38;2;{white};48;2;{black}m▀\x1b[0m\r\n");
    assert_eq!(shown(""), expected);
    assert_eq!(shown("1"), "▒▒\r\n");

    let lost = server.run(&sandbox, &["screenshot", "lab", "no/such/folder/lab.png"]);
    assert_eq!(lost.code, 3);
    assert_eq!(
        lost.stderr,
        "error: cannot write no/such/folder/lab.png: No such file or directory\n |\n = hint: mkdir -p no/such/folder\n"
    );
}

#[test]
fn a_screen_on_a_socket_is_saved_typed_at_and_shown_by_a_viewer_that_takes_one() {
    let sandbox = Sandbox::new();
    let recipe = "bhyve(#{ name: \"lab\", bootrom: uefi(), slots: #{ \"29\": fbuf(#{ rfb: \"unix:PATH\" }), \"31\": lpc() } }).run();\n";
    sandbox.write("lab.rhai", &recipe.replace("PATH", &sandbox.path("v").display().to_string()));
    let refused = sandbox.run(&["screenshot", "lab", "lab.png"]);
    let nobody = "error: the VNC server at unix:[tmp]/v cannot be reached: No such file or directory\n";
    assert_eq!((refused.code, refused.stderr.as_str()), (4, nobody));

    let listener = UnixListener::bind(sandbox.path("v")).unwrap();
    let (tell, heard) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let tell = tell.clone();
            thread::spawn(move || tell.send(serve(stream.unwrap(), GREETING, PIXELS, Then::Listens, |_| {})));
        }
    });
    let found = sandbox.run(&["find", "lab"]);
    let line = "lab\t127.0.0.1\tunix:[tmp]/v\n";
    assert_eq!((found.code, found.stdout.as_str(), found.stderr.as_str()), (0, line, ""));
    let found = sandbox.run(&["find", "--all", "--json"]);
    assert!(found.stdout.contains("\"address\": \"unix:[tmp]/v\""), "{}", found.stdout);
    let saved = sandbox.run(&["screenshot", "lab", "lab.png"]);
    assert_eq!((saved.code, saved.stderr.as_str()), (0, "vmrun: wrote lab.png, 2x2 pixels\n"));
    let typed = sandbox.run(&["type", "lab", "--pace", "1ms", "a"]);
    assert_eq!((typed.code, typed.stderr.as_str()), (0, ""));
    let is_key = |heard: Vec<u8>| heard.windows(8).any(|bytes| bytes == b"\x04\x01\0\0\0\0\0a");
    assert!(heard.iter().any(is_key));

    sandbox.write("config/config.toml", "viewer = [\"echo\", \"at\", \"{socket}\"]\n");
    let shown = sandbox.run(&["vnc", "lab"]);
    assert_eq!((shown.code, shown.stdout.as_str(), shown.stderr.as_str()), (0, "at [tmp]/v\n", ""));
    sandbox.write("config/config.toml", "viewer = [\"echo\", \"{host}\"]\n");
    let not = sandbox.run(&["vnc", "lab"]);
    same(
        &not.stderr,
        r#"
error: the screen of lab is the socket [tmp]/v, to which no viewer here is known to connect
 |
 = hint: `socat TCP-LISTEN:5901,bind=127.0.0.1 UNIX-CONNECT:[tmp]/v` leads there: point a viewer at 127.0.0.1:5901; or name one that takes a socket: viewer = ["vncviewer", "{socket}"] in config.toml
"#,
    );
}

#[test]
fn what_is_typed_arrives_as_keys() {
    let server = Server::new(GREETING, PIXELS, Then::Listens);
    let sandbox = server.sandbox();
    let typed = |sandbox: &Sandbox, args: &[&str], input: &str| {
        let line = format!("printf '{input}' | vmrun type lab --pace 1ms {}", args.join(" "));
        let done = sandbox.finish(&mut sandbox.shell(&line));
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
        let heard = server.heard();
        let begin = heard.windows(4).position(|bytes| bytes == b"\xff\xff\xff\x21").unwrap() + 4;
        heard[begin..].to_vec()
    };
    let key = |down: u8, key: &[u8]| [&[4, down, 0, 0, 0, 0][..], key].concat();
    let whole = ASK.to_vec();
    let expected = [key(1, b"\0a"), key(0, b"\0a"), key(1, b"\xff\x0d"), key(0, b"\xff\x0d"), whole.clone()].concat();
    assert_eq!(typed(&sandbox, &["'a\\n'"], ""), expected);
    assert_eq!(typed(&sandbox, &["-"], "a\\\\n"), expected);
    let combined = [key(1, b"\xff\xe3"), key(1, b"\0c"), key(0, b"\0c"), key(0, b"\xff\xe3"), whole].concat();
    assert_eq!(typed(&sandbox, &["'<Ctrl-C>'"], ""), combined);
    let wrong = server.run(&sandbox, &["type", "lab", "<Entr>"]);
    assert_eq!(wrong.code, 2);
    same(&wrong.stderr, "error: there is no key `Entr`\n |\n = hint: did you mean `Enter`?\n");
}

/// Writes the recipe of a machine with a screen at that port of every address, on which the fake bhyve does not listen, and what is said to it while it runs.
fn talks(host: &Host, port: u16, talk: &str) {
    host.recipe("web", "");
    let screen = format!("\"29\": fbuf(#{{ tcp: \"0.0.0.0:{port}\", password: \"lab\" }}), \"31\"");
    let text = host.read("web.rhai").replace("\"31\"", &screen).replace("bhyve(", "let vm = bhyve(");
    host.write("web.rhai", &text.replace("}).run();", &format!("}});\n{talk}\nvm.run();")));
}

/// Waits until something holds.
fn wait(holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never came");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A port of the loopback on which nobody listens.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_recipe_types_at_the_keyboard_of_its_guest_while_that_runs() {
    let host = Host::new("run\n");
    let port = free();
    talks(&host, port, "vm.type(\"A<Ctrl-c>\\n\");\nvm.type(secret(\"vnc\"));");
    let plan = host.run(&["plan", "web.rhai"]);
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""));
    let (_, meanwhile) = plan.stdout.split_once("# while the next command runs:\n").unwrap();
    let (meanwhile, _) = meanwhile.split_once("bhyve ").unwrap();
    same(
        meanwhile,
        r"
#   vmrun type web 'A<Ctrl-c>\n'
#   printf '***\n' | vmrun type web -
",
    );

    let run = host.start(&["web.rhai"]);
    wait(|| host.calls().contains("bhyve -c"));
    // bhyve listens once its guest runs.
    let server = Server::at(TcpListener::bind(("127.0.0.1", port)).unwrap(), GREETING, PIXELS, Then::Listens);
    let heard = server.heard();
    let begin = heard.windows(4).position(|bytes| bytes == b"\xff\xff\xff\x21").unwrap() + 4;
    let key = |down: u8, key: &[u8]| [&[4, down, 0, 0, 0, 0][..], key].concat();
    let pressed = |keys: &[u8]| [key(1, keys), key(0, keys)].concat();
    let (shift, control) = (b"\xff\xe1", b"\xff\xe3");
    let mut expected = [key(1, shift), pressed(b"\0A"), key(0, shift)].concat();
    expected.extend([key(1, control), pressed(b"\0c"), key(0, control), pressed(b"\xff\x0d"), ASK.to_vec()].concat());
    b"hunter22".iter().for_each(|letter| expected.extend(pressed(&[0, *letter])));
    expected.extend([pressed(b"\xff\x0d"), ASK.to_vec()].concat());
    assert_eq!(heard[begin..], expected);
    run.signal("TERM");
    let done = run.wait();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (130, "", "error: interrupted\n"));
    assert!(!host.calls().contains("hunter22"));
}

#[test]
fn a_guest_that_does_not_show_what_it_is_to_show_has_failed() {
    let host = Host::new("run\nrun\n1\n");
    let said = |talk: &str, code: i32, serves: bool| {
        let port = free();
        talks(&host, port, talk);
        let run = host.start(&["web.rhai"]);
        let before = host.calls().matches("bhyve -c").count();
        if serves {
            wait(|| host.calls().matches("bhyve -c").count() > before);
            Server::at(TcpListener::bind(("127.0.0.1", port)).unwrap(), GREETING, PIXELS, Then::Listens);
        }
        let done = run.wait();
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{talk}: {}", done.stderr);
        done.stderr.replace(&port.to_string(), "[port]")
    };
    let mut all = vec![
        said("vm.screen.shows(\"login:\", \"2s\");", 4, true),
        said("vm.screen.shows(\"login:\", \"500ms\");", 4, false),
        // One that ends before is not waited for.
        said("vm.screen.shows(\"login:\", \"20m\");", 4, false),
        said("vm.screen.shows(\"\");", 1, false),
        said("vm.type(\"<Entr>\");", 1, false),
        said("vm.serial.type(\"x\");", 1, false),
    ];
    talks(&host, 5901, "vm.type(secret(\"vnc\"));");
    let mut command = host.command(&["web.rhai"]);
    all.push(host.finish(command.env("VMRUN_SECRET_VNC", "h\u{f6}nter22")).stderr);
    let text = host.read("web.rhai");
    host.write("web.rhai", &text.replace("\"29\": fbuf(#{ tcp: \"0.0.0.0:5901\", password: \"lab\" }),", ""));
    all.push(host.run(&["web.rhai"]).stderr);
    same(
        &all.join("\n"),
        r#"
error: the screen of web did not show "login:" within 2s
 --> web.rhai:7:4
  |
7 | vm.run();
  |    ^^^^^
  |
  = hint: no text was read on it: it is read as edk2's console and the VGA draw it

error: the VNC server at 127.0.0.1:[port] cannot be reached: Connection refused
 --> web.rhai:7:4
  |
7 | vm.run();
  |    ^^^^^

error: web ended before all was said and typed
 --> web.rhai:7:4
  |
7 | vm.run();
  |    ^^^^^

error: what a screen shows is a part of one line
 --> web.rhai:6:17
  |
6 | vm.screen.shows("");
  |                 ^^
  |
  = hint: write `vm.screen.shows("Press F2")`

error: there is no key `Entr`
 --> web.rhai:6:9
  |
6 | vm.type("<Entr>");
  |         ^^^^^^^^
  |
  = hint: did you mean `Enter`?

error: `type` does not take (a serial port, a text)
 --> web.rhai:6:11
  |
6 | vm.serial.type("x");
  |           ^^^^
  |
  = hint: write `vm.type("<F2>root\n")`

error: the secret cannot be typed: it has a character that is on no key of a US keyboard
 --> web.rhai:6:9
  |
6 | vm.type(secret("vnc"));
  |         ^^^^^^^^^^^^^
  |
  = hint: that is the one which bhyve and QEMU have

error: `vm.screen` and `vm.type` need a frame buffer, and the machine has none
 --> web.rhai:3:10
  |
3 |   let vm = bhyve(#{ name: "web", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
  |  __________^
4 | | "0": hostbridge(), "4": virtio_blk("[tmp]/vm/web.img"), "6": virtio_net(nic),  "31": lpc(),
5 | | } });
  | |____^
  |
  = hint: add one: `"29": fbuf(#{ tcp: "127.0.0.1:5901" })`
"#,
    );
}

#[test]
fn a_screen_is_waited_for_until_its_time_is_over() {
    let server = Server::new(GREETING, PIXELS, Then::Listens);
    let sandbox = server.sandbox();
    assert_eq!(server.run(&sandbox, &["screenshot", "lab", "lab.png"]).code, 0);
    let found = server.run(&sandbox, &["wait-screen", "lab", "--picture", "lab.png"]);
    assert_eq!((found.code, found.stdout.as_str(), found.stderr.as_str()), (0, "", ""));
    let wait = |args: &[&str], code: i32| {
        let done = server.run(&sandbox, &[&["wait-screen", "lab"], args].concat());
        assert_eq!((done.code, done.stdout.as_str()), (code, ""));
        done.stderr
    };
    let other = Server::new(GREETING, &[&PIXELS[..28], b"\x01\0\0\0"].concat(), Then::Listens).sandbox();
    std::fs::copy(sandbox.path("lab.png"), other.path("lab.png")).unwrap();
    let differs = other.run(&["wait-screen", "lab", "--picture", "lab.png", "--within", "200ms"]);
    // A server that goes away may come again with its guest.
    let gone = Server::new(GREETING, &PIXELS[..20], Then::Closes);
    sandbox.write("not.png", "GIF89a");
    let all = [
        wait(&["login:", "--within", "200ms"], 4),
        differs.stderr,
        gone.said(&["wait-screen", "lab", "login:", "--within", "3s"], 4),
        wait(&["--picture", "not.png"], 2),
        wait(&["--picture", "none.png"], 3),
    ];
    same(
        &all.join("\n"),
        r#"
error: the screen of lab did not show "login:" within 200ms
 |
 = hint: `vmrun screenshot lab` shows what is on it

error: the screen of lab did not show the picture lab.png within 200ms
 |
 = hint: `vmrun screenshot lab` shows what is on it

error: the VNC server at 127.0.0.1:[port] closed the connection before it sent its screen

error: not.png: that is no PNG: Invalid PNG signature.

error: cannot read none.png: No such file or directory
"#,
    );
}

#[test]
fn a_machine_that_does_not_run_yet_is_waited_for() {
    let server = Server::new(GREETING, PIXELS, Then::Listens);
    let sandbox = server.sandbox();
    assert_eq!(server.run(&sandbox, &["screenshot", "lab", "lab.png"]).code, 0);
    // Nobody listens on its port any more until the second server does.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let recipe = sandbox.read("lab.rhai").replace(&server.port.to_string(), &port.to_string());
    sandbox.write("lab.rhai", &recipe);
    let nowhere = sandbox.run(&["screenshot", "lab", "lab.png"]);
    assert_eq!(nowhere.code, 4);
    same(&nowhere.stderr, "error: lab runs on none of these hosts: 127.0.0.1");
    let waiting = sandbox.start(&["wait-screen", "lab", "--picture", "lab.png", "--within", "20s"]);
    thread::sleep(Duration::from_millis(300));
    let _second = Server::at(TcpListener::bind(("127.0.0.1", port)).unwrap(), GREETING, PIXELS, Then::Listens);
    let done = waiting.wait();
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

/// A host that was asked by ssh, whose console listens there for itself only.
#[test]
fn a_console_that_only_its_own_host_reaches_is_reached_through_ssh() {
    let server = Server::new(GREETING, PIXELS, Then::Listens);
    let sandbox = with_ssh();
    let console = format!("fbuf(#{{ tcp: \"127.0.0.1:{}\", password: secret(\"vnc\") }})", server.port);
    let machine = format!("name: \"lab\", slots: #{{ \"29\": {console}, \"31\": lpc() }}");
    sandbox.write("recipes/lab.rhai", &format!("bhyve(#{{ {machine} }}).run();\n"));
    let listed = format!(r#"{{"machines": [{{"name": "lab", "pid": 7, "vnc": "127.0.0.1:{}"}}]}}"#, server.port);
    sandbox.write("vm7.json", &listed);
    let look = "exec 3<>/dev/tcp/${0%:*}/${0##*:}; read -r line <&3; echo view $line $VNC_PASSWORD; exit $STATUS";
    sandbox.write("config/config.toml", &format!("viewer = [\"bash\", \"-c\", \"{look}\", \"{{host}}:{{port}}\"]\n"));

    let serial = sandbox.run(&["console", "lab", "--hosts", "127.0.0.1,ssh://empty"]);
    assert_eq!(serial.code, 3);
    same(
        &serial.stderr,
        "
error: lab runs on 127.0.0.1, which is not asked by ssh
 |
 = hint: write it as ssh://127.0.0.1 to get at its serial ports
",
    );

    let vnc = |status: &str| {
        let mut command = sandbox.command(&["vnc", "lab", "--hosts", "ssh://vm7"]);
        sandbox.finish(command.env("VMRUN_SECRET_VNC", "hunter22").env("STATUS", status))
    };
    let seen = vnc("0");
    assert_eq!((seen.code, seen.stdout.as_str(), seen.stderr.as_str()), (0, "view RFB 003.008 hunter22\n", ""));
    // Who was tried and who was looked at: neither is connected any more.
    let gone = || server.heard.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!([gone(), gone()], [vec![], vec![]] as [Vec<u8>; 2]);
    let asked = format!("-oBatchMode=yes -oConnectTimeout=5 -W 127.0.0.1:{} -- vm7\n", server.port);
    assert_eq!(sandbox.read("ssh.log").matches(&asked).count(), 2);
    let failed = vnc("7");
    assert_eq!((failed.code, failed.stderr.as_str()), (3, "error: the viewer `bash` ended with status 7\n"));

    let saved = sandbox.run(&["screenshot", "lab", "lab.png", "--hosts", "ssh://vm7"]);
    assert_eq!((saved.code, saved.stderr.as_str()), (0, "vmrun: wrote lab.png, 2x2 pixels\n"));

    let said = |host: &str| {
        let done = sandbox.run(&["vnc", "lab", "--hosts", host]);
        assert_eq!((done.code, done.stdout.as_str()), (3, ""));
        done.stderr.replace(&server.port.to_string(), "[port]")
    };
    same(
        &["ssh://closed", "ssh://changed", "ssh://odd"].map(said).join("\n"),
        "
error: lab runs on ssh://closed, and no tunnel leads to its screen at 127.0.0.1:[port]: nothing listens there any more, or its \
sshd forbids to forward (AllowTcpForwarding)

error: lab runs on ssh://changed, and no tunnel leads to its screen at 127.0.0.1:[port]: its host key is not known here, or \
not the one that is known: see `ssh changed`

error: lab runs on ssh://odd, and no tunnel leads to its screen at 127.0.0.1:[port]: something else than a VNC server answers \
there
",
    );
}
