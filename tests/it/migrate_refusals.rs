//! What `vmrun migrate` refuses, and in which words; what was refused has changed nothing.

use super::sandbox::{Done, same};
use super::two_hosts::TwoHosts;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

/// The name of the host that the tests run on, which vmrun tells the other side.
fn here() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

/// What is said, with a name for this host.
fn told(text: &str) -> String {
    let name = here();
    let mut text = text.to_string();
    // The other host's own folder.
    while let Some(at) = text.find("/tmp/.tmp") {
        text.replace_range(at..at + "/tmp/.tmp123456".len(), "[there]");
    }
    ["from", "of which", "on"].iter().fold(text, |text, word| {
        text.replace(&format!("{word} {name}\n"), &format!("{word} [here]\n"))
            .replace(&format!("{word} {name},"), &format!("{word} [here],"))
            .replace(&format!("{word} {name} has"), &format!("{word} [here] has"))
            .replace(&format!("{word} {name} ends"), &format!("{word} [here] ends"))
            .replace(&format!("web {name}` here"), "web [here]` here")
    })
}

#[track_caller]
fn refused(done: &Done, code: i32, stderr: &str) {
    same(&told(&done.stderr), stderr);
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

/// Has a move be refused, after which it runs where it ran, and nothing is known of the move.
#[track_caller]
fn stays(hosts: &TwoHosts, code: i32, stderr: &str) {
    let before = hosts.target.everything();
    refused(&hosts.source.run(&["migrate", "web", "vm6"]), code, stderr);
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
    assert!(!hosts.source.path("config/moves/web.json").exists());
    let after = hosts.target.everything();
    let is_of_move = |line: &&str| !line.contains("config/moves");
    assert_eq!(
        after.lines().filter(is_of_move).collect::<Vec<_>>(),
        before.lines().filter(is_of_move).collect::<Vec<_>>()
    );
}

#[test]
fn a_host_that_cannot_be_asked_gets_nothing() {
    let hosts = TwoHosts::running();
    let known = hosts.source.read("fake/ssh");
    hosts.source.write("fake/ssh", "");
    stays(&hosts, 3, "error: vm6: ssh: connect to host vm6 port 22: Connection refused\n");
    hosts.source.write("fake/ssh", &known.replace("\nvmrun ", "\nvmrun /no/such"));
    stays(
        &hosts,
        3,
        "error: vm6: fake FreeBSD: No such file or directory (os error 2)\n |\n = hint: it answered nothing: is it the same vmrun on both hosts?\n",
    );
}

#[test]
fn what_the_other_host_lacks_is_told_before_anything_is_copied() {
    let hosts = TwoHosts::running();
    fs::rename(hosts.target.path("config/recipes/rom.fd"), hosts.target.path("rom.fd")).unwrap();
    stays(
        &hosts,
        1,
        "
error: vm6: [there]/config/recipes/web.rhai:4:52: the firmware [there]/config/recipes/rom.fd is not there
 |
 = hint: on vm6: correct the path; `uefi()` is the firmware that a package brings
",
    );
    fs::rename(hosts.target.path("rom.fd"), hosts.target.path("config/recipes/rom.fd")).unwrap();
    fs::remove_file(hosts.target.path("fake/interfaces/bridge2")).unwrap();
    stays(
        &hosts,
        1,
        "
error: vm6: [there]/config/recipes/web.rhai:2:8: the bridge bridge2 is not there
 |
 = hint: on vm6: make it: ifconfig bridge2 create up
",
    );
}

#[test]
fn what_is_there_already_is_not_written_over() {
    let hosts = TwoHosts::running();
    hosts.target.write("config/recipes/web.img", "x");
    stays(
        &hosts,
        3,
        "
error: vm6: [there]/config/recipes/web.img is here already
 |
 = hint: on vm6: nothing is written over: move it away, or remove it; --shared if both hosts see the same disk
",
    );
    hosts.target.write("config/recipes/web.rhai", "// another one\n");
    stays(
        &hosts,
        3,
        "
error: vm6: [there]/config/recipes/web.rhai is here already, and is another text
 |
 = hint: on vm6: have the same recipe with the same pins on both hosts, or move that one away
",
    );
    fs::rename(hosts.target.path("config/recipes/web.rhai"), hosts.target.path("web.rhai")).unwrap();
    stays(
        &hosts,
        3,
        "
error: vm6: there is another machine web here, of web.rhai
 |
 = hint: on vm6: give one of them another name, or move that recipe away
",
    );
}

#[test]
fn a_machine_whose_guest_nobody_could_start_there_as_it_is_stays() {
    let hosts = TwoHosts::new();
    let text = hosts.source.read("config/recipes/web.rhai");
    hosts.source.write(
        "config/recipes/web.rhai",
        &text
            .replace("\"31\": lpc()", "\"8\": passthru(\"2/0/0\"), \"31\": lpc()")
            .replace("cpus: 1,", "cpus: 1, wired: true,"),
    );
    refused(
        &hosts.source.run(&["migrate", "web", "vm6"]),
        3,
        "
error: web has a device of this host in its slot 8, which stays here
 |
 = hint: take passthru(…) out of its recipe; then move it
",
    );
    refused(
        &hosts.source.run(&["migrate", "nothing", "vm6"]),
        2,
        "
error: there is no recipe of a machine nothing
 |
 = hint: looked for nothing.rhai in [tmp]/config/recipes, recipes and .
",
    );
    refused(
        &hosts.source.run(&["migrate", "web", "--", "-oProxyCommand=x"]),
        2,
        "
error: \"-oProxyCommand=x\" is no host that ssh reaches
 |
 = hint: write HOST, USER@HOST or USER@HOST:PORT
",
    );
    refused(
        &hosts.source.run(&["migrate", "web", "a b"]),
        2,
        "
error: \"a b\" is no host that ssh reaches
 |
 = hint: write HOST, USER@HOST or USER@HOST:PORT
",
    );
    for (args, lacks) in [(["migrate", "web"], "<HOST>..."), (["migrate", "--all"], "<NAME|HOST>")] {
        let said = format!(
            "error: the following required arguments were not provided:\n  {lacks}\n\nUsage: vmrun migrate [OPTIONS] NAME HOST...\n       \
             vmrun migrate [OPTIONS] --all HOST...\n\nFor more information, try '--help'.\n"
        );
        refused(&hosts.source.run(&args), 2, &said);
    }
    for option in ["--resume", "--abort", "--forget"] {
        refused(
            &hosts.source.run(&["migrate", option, "web"]),
            2,
            "error: no move of web has begun here\n |\n = hint: `vmrun migrate web HOST` begins one\n",
        );
    }
    refused(
        &hosts.source.run(&["migrate", "--resume", "web.rhai"]),
        2,
        "
error: no move of web.rhai has begun here
 |
 = hint: `vmrun migrate web.rhai HOST` begins one
",
    );
}

#[test]
fn a_machine_that_does_not_start_there_runs_here_again() {
    let hosts = TwoHosts::running();
    hosts.target.write("fake/exits", "4\n");
    hosts.target.write("fake/refuse", "bhyve -c\tvm_create: Device not configured\n");
    let disks = TwoHosts::disks(&hosts.source);
    refused(
        &hosts.source.run(&["migrate", "web", "vm6"]),
        4,
        "
vmrun: web is moved to vm6: 2 disks with 68 KiB
vmrun: copied 1 MiB while it runs
vmrun: stopping web
vmrun: starting web on vm6
vmrun: starting web here again
vmrun: the move of web to vm6 is undone; it is this host's
error: vm6: web was started, and does not run
 |
 = hint: on vm6: its log says why: [there]/log/web.log
",
    );
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
    assert!(TwoHosts::disks(&hosts.source) == disks);
    assert_eq!(hosts.target.names("config/recipes"), ["rom.fd"]);
    // What hindered it is gone: it is moved.
    fs::remove_file(hosts.target.path("fake/refuse")).unwrap();
    hosts.target.write("fake/exits", "run\n");
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 0);
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true));
}

#[test]
fn a_machine_on_its_way_is_not_started_and_not_changed() {
    let hosts = TwoHosts::running();
    hosts.strike("before target take");
    refused(
        &hosts.source.run(&["migrate", "web", "vm6"]),
        3,
        "
vmrun: web is moved to vm6: 2 disks with 68 KiB
vmrun: copied 1 MiB while it runs
vmrun: stopping web
error: vm6: ssh failed and did not say why
error: the move of web to vm6 has not ended, and which of both hosts has it is to be asked there
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    hosts.strike("");
    refused(
        &hosts.source.run(&["start", "web"]),
        5,
        "
error: the machine web is being moved to vm6
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
error: web did not start
 |
 = hint: its log: [tmp]/log/web.log
",
    );
    refused(
        &hosts.source.run(&["snapshot", "web", "--copy"]),
        5,
        "
error: the machine web is being moved to vm6
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    refused(
        &hosts.source.run(&["remove", "web", "--yes"]),
        5,
        "
vmrun: stays: [tmp]/config/recipes/web.rhai, its recipe, which --recipe removes
error: the machine web is being moved to vm6
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    refused(
        &hosts.source.run(&["migrate", "web", "vm7"]),
        5,
        "
error: the machine web is being moved to vm6
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    // On the other host it has no recipe yet; somebody may bring it.
    fs::copy(hosts.source.path("config/recipes/web.rhai"), hosts.target.path("web.rhai")).unwrap();
    fs::copy(hosts.target.path("vm/rom.fd"), hosts.target.path("rom.fd")).unwrap();
    for disk in ["web.img", "data.img"] {
        fs::write(hosts.target.path(disk), [0; 4096]).unwrap();
    }
    refused(
        &hosts.target.run(&["start", "web.rhai"]),
        5,
        "
error: the machine web is on its way here from [here]
 |
 = hint: on [here], `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
error: web did not start
 |
 = hint: its log: [tmp]/log/web.log
",
    );
    refused(
        &hosts.target.run(&["migrate", "--abort", "web"]),
        5,
        "
error: the machine web is on its way here from [here]
 |
 = hint: on [here], `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    ["web.rhai", "web.img", "data.img"].iter().for_each(|name| fs::remove_file(hosts.target.path(name)).unwrap());
}

#[test]
fn nobody_knows_who_has_a_machine_that_the_other_host_has_forgotten() {
    let hosts = TwoHosts::running();
    hosts.strike("before target take");
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 3);
    hosts.strike("");
    refused(
        &hosts.target.run(&["migrate", "--forget", "web"]),
        0,
        "
vmrun: nothing more is known here of the move of web, of which [here] has a part
",
    );
    assert_eq!(hosts.target.names("config/recipes"), ["rom.fd"]);
    refused(
        &hosts.source.run(&["migrate", "--resume", "web"]),
        3,
        "
error: vm6 knows nothing of the move of web any more, and it may have it
 |
 = hint: if web is not there, `vmrun migrate --forget web` here lets it be started here again
error: the move of web to vm6 has not ended, and which of both hosts has it is to be asked there
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    refused(
        &hosts.source.run(&["migrate", "--abort", "web"]),
        3,
        "
error: vm6 knows nothing of the move of web any more, and it may have it
 |
 = hint: if web is not there, `vmrun migrate --forget web` here lets it be started here again
",
    );
    refused(
        &hosts.source.run(&["migrate", "--forget", "web"]),
        0,
        "
vmrun: nothing more is known here of the move of web, of which vm6 has a part
",
    );
    refused(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs");
}

#[test]
fn a_machine_that_was_started_there_by_whoever_was_killed_before_he_noted_it_stays() {
    let hosts = TwoHosts::running();
    hosts.strike("before source re:start");
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, -9);
    hosts.strike("");
    assert!(TwoHosts::runs(&hosts.target));
    // Who started it has ended between its start and his note of it.
    let record = hosts.target.read("config/moves/web.json");
    assert!(record.contains("\"here\""), "{record}");
    hosts.target.write("config/moves/web.json", &record.replace("\"here\"", "\"starting\""));
    refused(
        &hosts.source.run(&["migrate", "--abort", "web"]),
        3,
        "
error: vm6: web is here by now, and what it has written since is here alone
 |
 = hint: on vm6: `vmrun migrate --resume web` on [here] ends the move; `vmrun migrate web [here]` here brings it back
",
    );
    refused(
        &hosts.source.run(&["migrate", "--resume", "web"]),
        0,
        "vmrun: starting web on vm6\nvmrun: web runs on vm6",
    );
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true));
}

#[test]
fn a_host_that_is_gone_does_not_hinder_from_undoing_what_it_never_had() {
    let hosts = TwoHosts::running();
    hosts.strike("before source seal");
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, -9);
    let known = hosts.source.read("fake/ssh");
    hosts.source.write("fake/ssh", "");
    refused(
        &hosts.source.run(&["migrate", "--resume", "web"]),
        3,
        "
vmrun: what has come to vm6 stays there until `vmrun migrate --forget web` there removes it
vmrun: starting web here again
vmrun: the move of web to vm6 is undone; it is this host's
error: vm6: ssh: connect to host vm6 port 22: Connection refused
",
    );
    assert!(TwoHosts::runs(&hosts.source));
    hosts.source.write("fake/ssh", &known);
    hosts.strike("");
    refused(
        &hosts.source.run(&["migrate", "web", "vm6"]),
        5,
        "
error: vm6: the machine web is on its way here from [here]
 |
 = hint: on vm6: on [here], `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    refused(
        &hosts.target.run(&["migrate", "--forget", "web"]),
        0,
        "
vmrun: nothing more is known here of the move of web, of which [here] has a part
",
    );
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 0);
    // What was moved may be removed here, and then it is as if it had never been.
    let done = hosts.source.run(&["remove", "web", "--recipe", "--yes"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(hosts.source.names("config/recipes"), ["rom.fd"]);
    assert!(!hosts.source.path("config/moves/web.json").exists());
}

#[test]
fn a_record_that_cannot_be_read_hinders_the_machine_from_being_started() {
    let hosts = TwoHosts::new();
    fs::create_dir_all(hosts.source.path("config/moves")).unwrap();
    hosts.source.write("config/moves/web.json", "{");
    refused(
        &hosts.source.run(&["start", "web"]),
        7,
        "
error: cannot tell whether web was moved: [tmp]/config/moves/web.json: it is no JSON
 |
 = hint: correct that file, or remove it if the machine is this host's
error: web did not start
 |
 = hint: its log: [tmp]/log/web.log
",
    );
}

#[test]
fn a_machine_that_does_not_run_is_moved_and_does_not_run_there() {
    let hosts = TwoHosts::new();
    let disks = TwoHosts::disks(&hosts.source);
    refused(
        &hosts.source.run(&["migrate", "web", "vm6", "--dry-run"]),
        0,
        "vmrun: nothing stands against moving web to vm6; nothing was changed\n",
    );
    assert_eq!(hosts.target.names("config/recipes"), ["rom.fd"]);
    refused(
        &hosts.source.run(&["migrate", "web", "ssh://vm6"]),
        0,
        "vmrun: web is moved to vm6: 2 disks with 68 KiB\nvmrun: web is on vm6; `vmrun start web` there starts it\n",
    );
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, false));
    assert!(TwoHosts::disks(&hosts.target) == disks);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 5);
    refused(&hosts.target.run(&["start", "web"]), 0, "vmrun: web runs\n");
}

#[test]
fn disks_that_both_hosts_see_are_not_copied() {
    let hosts = TwoHosts::running();
    refused(
        &hosts.source.run(&["migrate", "web", "vm6", "--shared"]),
        3,
        "
error: vm6: [there]/config/recipes/web.img is not the disk that the other host sees
 |
 = hint: on vm6: leave --shared out: it is copied then
",
    );
    for name in ["web.img", "data.img"] {
        fs::copy(hosts.source.path("config/recipes").join(name), hosts.target.path("config/recipes").join(name))
            .unwrap();
    }
    refused(
        &hosts.source.run(&["migrate", "web", "vm6", "--shared"]),
        3,
        "
error: vm6: [there]/config/recipes/web.img is not the disk that the other host sees
 |
 = hint: on vm6: leave --shared out: it is copied then
",
    );
    assert!(TwoHosts::runs(&hosts.source));
    assert_eq!(hosts.source.names("config/recipes"), ["data.img", "rom.fd", "web.img", "web.rhai"]);

    let (hosts, both) = (TwoHosts::new(), tempfile::tempdir().unwrap());
    let at = |name: &str| both.path().join(name);
    let mut text = hosts.source.read("config/recipes/web.rhai");
    for name in ["web.img", "data.img"] {
        fs::rename(hosts.source.path("config/recipes").join(name), at(name)).unwrap();
        text = text.replace(&format!("\"{name}\""), &format!("{:?}", at(name)));
    }
    hosts.source.write("config/recipes/web.rhai", &text);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    let before = fs::read(at("web.img")).unwrap();
    let done = hosts.source.run(&["migrate", "web", "vm6", "--shared"]);
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{done:?}");
    assert_eq!(
        lines[..3],
        ["vmrun: web is moved to vm6: 2 disks with 68 KiB", "vmrun: stopping web", "vmrun: starting web on vm6"]
    );
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true));
    assert!(fs::read(at("web.img")).unwrap() == before);
    let mut names: Vec<_> = fs::read_dir(&both).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["data.img", "web.img"]);
    assert_eq!(hosts.target.names("config/recipes"), ["rom.fd", "web.rhai"]);
}

/// What the other side answers to these bytes, as texts.
fn answers(hosts: &TwoHosts, bytes: &[u8]) -> (i32, String, String) {
    let mut command = hosts.target.command(&["migrate-receive"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap_or_default();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(char::is_control, "");
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn message(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [b"M".as_slice(), &length, text.as_bytes()].concat()
}

const HELLO: &str = r#"{"request":"hello","protocol":2,"vmrun":"x","id":"0123456789abcdef","machine":"web","from":"vm5","replica":false}"#;

#[test]
fn whoever_calls_and_is_no_vmrun_is_refused() {
    let hosts = TwoHosts::new();
    let before = hosts.target.everything();
    let said = [
        answers(&hosts, b""),
        answers(&hosts, b"GET / HTTP/1.1\r\n\r\n"),
        answers(&hosts, b"M\xff\xff\xff\xff"),
        answers(&hosts, &message(HELLO)[..20]),
        answers(&hosts, &message("{\"request\":\"take\"}")),
        answers(&hosts, &message(&HELLO.replace("\"protocol\":2", "\"protocol\":3"))),
        answers(&hosts, &[message(HELLO), message("{\"request\":\"take\"}")].concat()),
        answers(&hosts, &[message(HELLO), message(HELLO)].concat()),
        answers(&hosts, &[message(HELLO), b"H\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()].concat()),
        answers(&hosts, &[message(HELLO), b"T\0\0\0\0".to_vec()].concat()),
    ];
    let said: String = said.iter().map(|(code, answer, error)| format!("{code} {answer}{error}\n")).collect();
    same(&said, "
0 
3 error: what came is no frame of a move | = hint: is it a vmrun that sends it?
3 error: a frame of 4294967295 bytes came, where at most 4194304 are sent
3 error: what the other side sent was cut off
0 Mr{\"answer\":\"refused\",\"faults\":[{\"code\":3,\"hint\":null,\"message\":\"a move begins with a greeting, which comes once\"}]}
0 M�{\"answer\":\"refused\",\"faults\":[{\"code\":3,\"hint\":\"install the same vmrun on both hosts\",\"message\":\"the vmrun here is 0.1.0 and moves machines by protocol 2, and the other one is x with protocol 3\"}]}
0 MZ{\"answer\":\"state\",\"encrypts\":true,\"given_up\":[],\"protocol\":2,\"state\":null,\"vmrun\":\"0.1.0\"}M~{\"answer\":\"refused\",\"faults\":[{\"code\":3,\"hint\":null,\"message\":\"that cannot be asked now: the move of web is not known here\"}]}
0 MZ{\"answer\":\"state\",\"encrypts\":true,\"given_up\":[],\"protocol\":2,\"state\":null,\"vmrun\":\"0.1.0\"}Mr{\"answer\":\"refused\",\"faults\":[{\"code\":3,\"hint\":null,\"message\":\"a move begins with a greeting, which comes once\"}]}
0 MZ{\"answer\":\"state\",\"encrypts\":true,\"given_up\":[],\"protocol\":2,\"state\":null,\"vmrun\":\"0.1.0\"}Mo{\"answer\":\"refused\",\"faults\":[{\"code\":3,\"hint\":null,\"message\":\"a block came of a disk that nobody waits for\"}]}
0 MZ{\"answer\":\"state\",\"encrypts\":true,\"given_up\":[],\"protocol\":2,\"state\":null,\"vmrun\":\"0.1.0\"}Md{\"answer\":\"refused\",\"faults\":[{\"code\":3,\"hint\":null,\"message\":\"a text came that nobody asked for\"}]}
");
    let kept =
        |text: &str| text.lines().filter(|line| !line.contains("config/moves")).map(String::from).collect::<Vec<_>>();
    assert_eq!(kept(&hosts.target.everything()), kept(&before));
}

#[test]
fn another_host_that_is_no_vmrun_is_told_so() {
    let hosts = TwoHosts::new();
    let said = |script: &str| {
        fs::remove_file(hosts.source.path("bin/ssh")).unwrap();
        hosts.source.script("ssh", script);
        hosts.source.run(&["migrate", "web", "vm6", "--answer-within", "1s"])
    };
    refused(
        &said("exit 0"),
        3,
        "
error: vm6: the connection was closed
",
    );
    refused(
        &said("echo 'sh: vmrun: not found' >&2; exit 127"),
        3,
        "
error: vm6: ssh finds no vmrun there
 |
 = hint: install it there, in a folder that the PATH of a command of ssh has
",
    );
    // One that says nothing is not waited for.
    let begin = std::time::Instant::now();
    refused(
        &said("exec sleep 1000"),
        3,
        "
error: vm6: nothing came from the other side for too long
",
    );
    assert!(begin.elapsed() < std::time::Duration::from_secs(25));
    refused(
        &said("printf 'Welcome \\033[31m to vm6!\\n'; cat >/dev/null"),
        3,
        "
error: vm6: what came is no frame of a move
 |
 = hint: is it a vmrun that sends it?
",
    );
    refused(
        &said("printf 'M\\000\\000\\000\\002{}'; cat >/dev/null"),
        3,
        "
error: vm6: an answer has no text `answer`
",
    );
    refused(
        &said("cat /dev/zero"),
        3,
        "
error: vm6: what came is no frame of a move
 |
 = hint: is it a vmrun that sends it?
",
    );
    refused(
        &said("echo 'vmrun: \\033[31mno' >&2; exit 3"),
        3,
        "
error: vm6: vmrun: [31mno
 |
 = hint: it answered nothing: is it the same vmrun on both hosts?
",
    );
}

#[test]
fn a_vmrun_of_another_protocol_gets_nothing_and_the_machine_runs_on() {
    let hosts = TwoHosts::running();
    let text = r#"{"answer":"state","protocol":3,"state":null,"vmrun":"9.0"}"#;
    fs::remove_file(hosts.source.path("bin/ssh")).unwrap();
    hosts.source.script("ssh", &format!("printf 'M\\000\\000\\000\\{:03o}%s' '{text}'; cat >/dev/null", text.len()));
    for options in [&["migrate", "web", "vm6"][..], &["replicate", "web", "vm6"]] {
        if options[0] == "replicate" {
            assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
        }
        refused(
            &hosts.source.run(options),
            3,
            "
error: the vmrun of vm6 is 9.0 and moves machines by protocol 3
 |
 = hint: install the same vmrun on both hosts
",
        );
        assert_eq!(hosts.source.names("config/moves"), [".web.lock"]);
        assert!(!hosts.source.path("config/replication").exists());
    }
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
}
