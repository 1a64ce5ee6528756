//! A machine whose permit is a reservation, a record beside its disk, on the fake FreeBSD: what of other hosts stands there is respected,
//! and taken over with proof alone.

use super::host::{Host, SOON, ended, kill, lives};
use super::sandbox::{Done, Running, Sandbox, same};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The shortest time that there is.
const TTL: &str = "ttl: \"3s\"";

/// A record as another program would write it.
#[derive(Clone)]
struct Record {
    host: String,
    host_id: String,
    boot: String,
    machine: String,
    renewals: u32,
    state: &'static str,
}

/// CRC-32 bit by bit, as Ethernet has it.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

impl Record {
    fn of(host: &str) -> Self {
        let (host_id, boot) = (format!("id-{host}"), format!("boot-{host}"));
        Self { host: host.into(), host_id, boot, machine: "db".into(), renewals: 0, state: "held" }
    }

    fn write(&self, path: &Path) {
        let Self { host, host_id, boot, machine, renewals, state } = self;
        let mut text = format!(
            "vmrun reservation 1\nhost {host}\nhost_id {host_id}\nboot {boot}\nmachine {machine}\nstate 1:2\nnonce 00\nepoch 6\n\
             renewals {renewals}\nwritten 1764090312\nbegun_ms 5000\nttl_ms 3000\nis {state}\n"
        );
        let sum = crc32(text.as_bytes());
        writeln!(text, "crc32 {sum:08x}").unwrap();
        let mut bytes = text.into_bytes();
        bytes.resize(4096, 0);
        // As a disk does it: what was there is there until the new is.
        let beside = path.with_extension("new");
        fs::write(&beside, bytes).unwrap();
        fs::rename(beside, path).unwrap();
    }
}

/// This host, as records name it.
fn this_host() -> (String, String) {
    let name = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    (name, id.trim().into())
}

/// What a record says by a key.
fn told(sandbox: &Sandbox, key: &str) -> String {
    let text = sandbox.read("vm/db.reservation");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {key}: {text:?}")).into()
}

/// A host with a recipe of the machine `db` that has a reservation.
fn host_with(exits: &str, permit: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::write(sandbox.path("vm/db.img"), [0; 4096]).unwrap();
    sandbox.write("fake/exits", exits);
    let machine = "bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: \"[tmp]/vm/rom.fd\", slots: #{ \"3\": virtio_blk(\"[tmp]/vm/db.img\"), \
                   \"31\": lpc() } }).run();\n";
    sandbox.write("db.rhai", &format!("permit(#{{ {permit} }});\n{machine}"));
    sandbox
}

fn host() -> Sandbox {
    host_with("run\n", &format!("reservation: \"[tmp]/vm/db.reservation\", {TTL}"))
}

/// Another host's recipe of the same machine, whose record is elsewhere.
fn beside(record: &Path) -> Sandbox {
    host_with("run\n", &format!("reservation: \"{}\", {TTL}", record.display()))
}

fn until_noted(run: &mut Running<'_>) {
    run.until("the guest", |sandbox| {
        let is_running = sandbox.path("fake/vmm/db").exists() && sandbox.read("fake/vmm/db").contains("pid ");
        is_running && sandbox.read("state/.db.lock").contains(" + guest ")
    });
}

#[track_caller]
fn wait(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < SOON, "never came: {what}");
        sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn is_clean(sandbox: &Sandbox) {
    assert_eq!((sandbox.names("fake/vmm"), sandbox.names("state")), (vec![], vec![]));
}

/// What a run has said.
fn said(done: &Done) -> String {
    let is_own = |line: &&str| ["vmrun: ", "error: ", "  = hint: "].iter().any(|begin| line.starts_with(begin));
    done.stderr.lines().filter(is_own).map(|line| format!("{line}\n")).collect()
}

const HINT: &str = "  = hint: somebody else may have it: `vmrun start --wait 45s` tries for so long, and the key `wait` is for one try\n";

/// A start is refused, as another has the reservation, and its record is what it was.
#[track_caller]
fn is_refused(sandbox: &Sandbox, args: &[&str], why: &str) {
    let before = fs::read(sandbox.path("vm/db.reservation")).unwrap();
    let done = sandbox.run(args);
    let said = said(&done);
    let last = said.split_inclusive("error: the permit is not to be had: ").last().unwrap_or_default();
    same(last, &format!("{why}\n{HINT}"));
    assert_eq!(done.code, 5, "{done:?}");
    assert!(!sandbox.calls().contains("bhyve -c"));
    assert!(before == fs::read(sandbox.path("vm/db.reservation")).unwrap());
    is_clean(sandbox);
}

/// A start succeeds, and is ended again. Returns how long it took.
#[track_caller]
fn runs(sandbox: &Sandbox, args: &[&str]) -> Duration {
    let begin = Instant::now();
    let mut run = sandbox.start(args);
    until_noted(&mut run);
    let took = begin.elapsed();
    run.signal("TERM");
    let done = run.wait();
    assert!(done.stderr.ends_with("error: interrupted\n"), "{done:?}");
    is_clean(sandbox);
    took
}

#[test]
fn a_reservation_is_had_renewed_and_given_back_and_each_owner_counts() {
    let sandbox = host();
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let (name, id) = this_host();
    assert_eq!([told(&sandbox, "host"), told(&sandbox, "machine")], [name, "db".into()]);
    if cfg!(target_os = "linux") {
        assert_eq!(told(&sandbox, "host_id"), id);
    }
    assert_eq!([told(&sandbox, "epoch"), told(&sandbox, "is")], ["1", "held"]);
    let renewals = || told(&sandbox, "renewals").parse::<u32>().unwrap();
    let first = renewals();
    wait("renewals", || renewals() > first + 2);
    run.signal("TERM");
    same(&run.wait().stderr, "vmrun: the permit is held\nerror: interrupted\n");
    assert_eq!([told(&sandbox, "epoch"), told(&sandbox, "is")], ["1", "released"]);
    is_clean(&sandbox);
    sandbox.write("fake/exits", "run\n");
    // What was given back is had at once.
    let took = runs(&sandbox, &["db.rhai"]);
    assert!(took < Duration::from_millis(2900), "{took:?}");
    assert_eq!([told(&sandbox, "epoch"), told(&sandbox, "is")], ["2", "released"]);
}

#[test]
fn a_reservation_of_another_host_is_taken_over_with_proof_alone() {
    let sandbox = host();
    let path = sandbox.path("vm/db.reservation");
    Record::of("two").write(&path);
    let whose = "[tmp]/vm/db.reservation is two's, for its db";
    let unproved = format!(
        "{whose}, and was not renewed for 3s; two may be paused or cut off: fence it, then start by `--fenced two`"
    );
    is_refused(&sandbox, &["db.rhai"], &unproved);
    let wrong = format!("{whose}, and `--fenced three` proves nothing of that host");
    is_refused(&sandbox, &["db.rhai", "--fenced", "three"], &wrong);
    let took = runs(&sandbox, &["db.rhai", "--fenced", "two"]);
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert_eq!([told(&sandbox, "epoch"), told(&sandbox, "is")], ["7", "released"]);
}

#[test]
fn a_reservation_that_its_owner_renews_is_not_had_whoever_says_that_he_is_fenced() {
    let sandbox = host();
    let (path, mut record) = (sandbox.path("vm/db.reservation"), Record::of("two"));
    record.write(&path);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                record.renewals += 1;
                record.write(&path);
                sleep(Duration::from_millis(300));
            }
        });
        for args in [["db.rhai", "--fenced=two"].as_slice(), &["db.rhai"]] {
            let done = sandbox.run(args);
            let why = "[tmp]/vm/db.reservation is two's, for its db, which renews it";
            let end = format!("error: the permit is not to be had: {why}\n{HINT}");
            assert!(said(&done).ends_with(&end), "{done:?}");
            assert_eq!(done.code, 5);
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(!sandbox.calls().contains("bhyve -c"));
    is_clean(&sandbox);
}

#[test]
fn a_reservation_that_this_host_had_before_it_was_started_again_is_taken_over() {
    let sandbox = host();
    let (host, host_id) = this_host();
    Record { host_id: host_id.clone(), ..Record::of(&host) }.write(&sandbox.path("vm/db.reservation"));
    if host_id.is_empty() || !cfg!(target_os = "linux") {
        // Nothing tells it from another one of its name.
        let unproved = format!(
            "[tmp]/vm/db.reservation is {host}'s, for its db, and was not renewed for 3s; {host} may be paused or cut off: fence \
             it, then start by `--fenced {host}`"
        );
        return is_refused(&sandbox, &["db.rhai"], &unproved);
    }
    runs(&sandbox, &["db.rhai"]);
    assert_eq!(told(&sandbox, "epoch"), "7");
}

#[test]
fn what_is_no_record_is_not_written_over_until_somebody_empties_it() {
    let sandbox = host();
    let path = sandbox.path("vm/db.reservation");
    Record::of("two").write(&path);
    let mut torn = fs::read(&path).unwrap();
    torn[100..512].fill(0);
    fs::write(&path, torn).unwrap();
    let empties = "dd if=/dev/zero of=[tmp]/vm/db.reservation bs=4096 count=1";
    let garbled = format!(
        "[tmp]/vm/db.reservation has something else than a reservation; where db certainly runs nowhere, and nothing else is in \
         it: {empties}"
    );
    is_refused(&sandbox, &["db.rhai", "--fenced=two"], &garbled);
    let done = Command::new("sh").arg("-c").arg(sandbox.own(empties)).output().unwrap();
    assert!(done.status.success());
    runs(&sandbox, &["db.rhai"]);
}

#[test]
fn a_guest_is_stopped_when_somebody_else_has_its_reservation() {
    let sandbox = host();
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    Record::of("two").write(&sandbox.path("vm/db.reservation"));
    let begin = Instant::now();
    let done = run.wait();
    assert!(begin.elapsed() < Duration::from_millis(2500), "{:?}", begin.elapsed());
    let said = said(&done);
    let why = "[tmp]/vm/db.reservation is two's, for its db, which has taken it\n  = hint: the guest was stopped, as it runs only \
               while its permit is held; start it again where that is\n";
    assert!(said.contains("error: the permit is lost: it was not renewed for 1.") && said.ends_with(why), "{said}");
    assert_eq!(done.code, 10);
    // It is his: it is not given back.
    assert_eq!([told(&sandbox, "host"), told(&sandbox, "is")], ["two", "held"]);
    is_clean(&sandbox);
}

#[test]
fn a_guest_without_its_vmrun_is_killed_when_its_reservation_is_lost() {
    let sandbox = host_with("deaf\n", &format!("reservation: \"[tmp]/vm/db.reservation\", {TTL}"));
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let node = sandbox.read("fake/vmm/db");
    let guest = node.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().trim().parse().unwrap();
    run.kill();
    sleep(Duration::from_millis(2500));
    assert!(lives(guest));
    Record::of("two").write(&sandbox.path("vm/db.reservation"));
    let begin = Instant::now();
    wait("the end of the guest", || !lives(guest));
    assert!(begin.elapsed() < Duration::from_millis(2500), "{:?}", begin.elapsed());
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    is_clean(&sandbox);
}

#[test]
fn what_a_run_has_left_whose_guard_was_killed_is_this_machines_and_no_other_ones() {
    let sandbox = host();
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let guard: u32 = sandbox.read("state/db/permit.pid").trim().parse().unwrap();
    kill(guard);
    assert_eq!(run.wait().code, 10);
    assert_eq!(told(&sandbox, "is"), "held");
    // Another state folder has not the lock of that machine.
    let record = sandbox.path("vm/db.reservation");
    let other = beside(&record);
    let done = other.run(&["db.rhai", &format!("--fenced={}", this_host().0)]);
    let record = record.display();
    let why = format!(
        "error: the permit is not to be had: {record} is {}'s, for its db, which is this host: end that machine; where it certainly \
         does not run: dd if=/dev/zero of={record} bs=4096 count=1\n{HINT}",
        this_host().0
    );
    assert!(said(&done).ends_with(&why), "{}", done.stderr);
    assert_eq!(done.code, 5);
    // This one has.
    sandbox.write("fake/exits", "run\n");
    runs(&sandbox, &["db.rhai"]);
    assert_eq!([told(&sandbox, "epoch"), told(&sandbox, "is")], ["2", "released"]);
}

/// Kills a run and its guard, and then its guest. Returns what `vmrun gc --dry-run` says of that.
fn all_are_killed(sandbox: &Sandbox) -> String {
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let guard: u32 = sandbox.read("state/db/permit.pid").trim().parse().unwrap();
    let node = sandbox.read("fake/vmm/db");
    let guest = node.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().trim().parse().unwrap();
    run.kill();
    kill(guard);
    kill(guest);
    wait("their ends", || !lives(guard) && !lives(guest));
    assert_eq!(told(sandbox, "is"), "held");
    sandbox.run(&["gc", "--dry-run"]).stdout
}

#[test]
fn what_is_left_of_a_run_whose_guard_was_killed_is_given_back_by_gc() {
    let gives_back = "vmrun reservation [tmp]/vm/db.reservation --machine=db --release\n";
    let sandbox = host();
    let planned = all_are_killed(&sandbox);
    assert!(planned.ends_with(gives_back), "{planned}");
    assert_eq!(told(&sandbox, "is"), "held");
    let done = sandbox.run(&["gc"]);
    assert_eq!((done.code, done.stdout, done.stderr.as_str()), (0, planned, ""));
    assert_eq!([told(&sandbox, "epoch"), told(&sandbox, "is")], ["1", "released"]);
    is_clean(&sandbox);
    // Where others may be about to take it over, who gives it back has it first.
    sandbox.write("fake/exits", "run\n");
    all_are_killed(&sandbox);
    sleep(Duration::from_millis(3200));
    let begin = Instant::now();
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    assert!(begin.elapsed() >= Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!([told(&sandbox, "epoch"), told(&sandbox, "is")], ["3", "released"]);
    is_clean(&sandbox);
    // Another host's is not touched, and neither is that of another machine.
    for other in [Record::of("two"), Record { machine: "web".into(), ..Record::of(&this_host().0) }] {
        sandbox.write("fake/exits", "run\n");
        all_are_killed(&sandbox);
        let path = sandbox.path("vm/db.reservation");
        other.write(&path);
        let before = fs::read(&path).unwrap();
        let done = sandbox.run(&["gc"]);
        assert!(done.code == 0 && !done.stdout.contains("reservation"), "{done:?}");
        assert!(before == fs::read(&path).unwrap());
        let mut blank = fs::read(&path).unwrap();
        blank.fill(0);
        fs::write(&path, blank).unwrap();
        is_clean(&sandbox);
    }
}

#[test]
fn a_reservation_of_a_machine_that_runs_is_not_given_back_by_hand() {
    let sandbox = host();
    let mut run = sandbox.start(&["db.rhai"]);
    until_noted(&mut run);
    let done = sandbox.run(&[
        "reservation",
        &sandbox.path("vm/db.reservation").display().to_string(),
        "--machine=db",
        "--release",
    ]);
    assert!(done.code == 5 && done.stderr.starts_with("error: the machine db is running already: "), "{done:?}");
    assert_eq!(told(&sandbox, "is"), "held");
    run.signal("TERM");
    run.wait();
}

#[test]
fn of_two_that_start_at_one_moment_one_has_the_reservation() {
    let one = host();
    let other = beside(&one.path("vm/db.reservation"));
    let (mut first, mut second) = (one.start(&["db.rhai"]), other.start(&["db.rhai"]));
    let has = |sandbox: &Sandbox| {
        let node = sandbox.path("fake/vmm/db");
        fs::read_to_string(node).is_ok_and(|text| text.contains("pid "))
    };
    wait("one of them", || has(&one) || has(&other));
    sleep(Duration::from_secs(5));
    assert!(has(&one) != has(&other));
    let (winner, loser) = if has(&one) { (&mut first, second) } else { (&mut second, first) };
    let done = loser.wait();
    assert_eq!(done.code, 5, "{done:?}");
    winner.signal("TERM");
}

#[test]
fn a_place_that_takes_no_record_is_told() {
    let told = |permit: &str| -> (i32, String) {
        let sandbox = host_with("run\n", permit);
        let done = sandbox.run(&["db.rhai"]);
        let said = said(&done);
        // The guard has said it, too.
        (
            done.code,
            said.lines().skip_while(|line| line.starts_with("permit: ")).map(|line| format!("{line}\n")).collect(),
        )
    };
    let not_had = |why: &str| (5, format!("error: the permit is not to be had: {why}\n{HINT}"));
    let at = |path: &str| format!("reservation: \"{path}\", {TTL}");
    assert_eq!(told(&at("/dev/full")), not_had("cannot write /dev/full: No space left on device"));
    assert_eq!(told(&at("[tmp]/vm")), not_had("cannot read [tmp]/vm: it is neither a file nor a disk"));
    assert_eq!(
        told(&at("[tmp]/gone/db.reservation")),
        not_had("cannot write [tmp]/gone/db.reservation: No such file or directory")
    );
    assert_eq!(
        told(&at("[tmp]/vm/db.img")),
        (
            1,
            "error: [tmp]/vm/db.img is a disk of db, and no place for its reservation\n  = hint: a record would go over what the \
             guest has there: name a file beside it, or another disk\n"
                .into()
        )
    );
    assert_eq!(
        told("reservation: \"[tmp]/vm/db.reservation\", ttl: \"2s\""),
        (1, "error: a reservation is not written and looked at within 2s\n  = hint: make `ttl` at least 3s\n".into())
    );
    assert_eq!(
        told("reservation: \"[tmp]/vm/db.reservation\", keep: [\"true\"]"),
        (
            1,
            "error: a reservation is held and renewed by vmrun, and here is a command for it\n  = hint: leave `acquire` and `keep` \
             out, or `reservation`\n"
                .into()
        )
    );
}

#[test]
fn a_machine_in_the_background_keeps_its_reservation_and_proof_is_for_one_start() {
    let host = Host::new("run\nrun\nrun\n");
    host.recipe("db", &format!("permit(#{{ reservation: \"[tmp]/vm/db.reservation\", {TTL} }});\n"));
    let path = host.path("vm/db.reservation");
    Record::of("two").write(&path);
    ended(&host.run(&["start", "db.rhai", "--fenced", "two"]), 0, "vmrun: db runs");
    let held = |line: &str| line.starts_with("permit ") && line.contains("  held since ");
    assert!(host.run(&["status", "db"]).stdout.lines().any(held));
    kill(host.status("db").unwrap().supervisor.unwrap());
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    assert_eq!(told(&host, "epoch"), "7");
    ended(&host.run(&["restart", "db"]), 0, "vmrun: db is down\nvmrun: db runs");
    assert_eq!(told(&host, "epoch"), "8");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    assert_eq!(told(&host, "is"), "released");
    Record::of("two").write(&path);
    let done = host.run(&["start", "db"]);
    let why = "[tmp]/vm/db.reservation is two's, for its db, and was not renewed for 3s; two may be paused or cut off: fence it, then start by \
               `--fenced two`";
    assert!(done.stderr.contains(&format!("error: the permit is not to be had: {why}\n")), "{done:?}");
    assert_eq!(done.code, 5);
    host.is_clean();
}

#[test]
fn a_plan_has_the_reservation_and_what_proves_that_it_may_be_taken_over() {
    let sandbox = host();
    let plan = sandbox.run(&["plan", "db.rhai", "--fenced=two"]);
    let guard = "sh -c 'vmrun permit-guard --machine=db --listen=[tmp]/state/db/permit.sock --ttl=3000ms --within=2000ms --every=400ms \
                 --fenced=two --reservation=[tmp]/vm/db.reservation & echo $! >[tmp]/state/db/permit.pid'\n";
    assert!(plan.stdout.contains(guard), "{}", plan.stdout);
    assert!(!sandbox.path("vm/db.reservation").exists());
}
