//! Real machines under QEMU, killed and crowded: `make test` does a share, and `make attack` all of it (VMRUN_ATTACK=all).

mod frozen;

use super::{Network, SOON, World, need, qemus_in, search_path, signal, utf8, wait_for};
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often something is done: all of it where everything is asked for.
fn rounds(share: u32, all: u32) -> u32 {
    match std::env::var("VMRUN_ATTACK").as_deref() {
        Ok("all") => all,
        _ => share,
    }
}

/// Numbers that are the same every time (xorshift64 of Marsaglia).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A process that is called as if it were the guest of a machine here, and is not.
struct Imitator(Child);

impl Imitator {
    fn new(world: &World, name: &str) -> Self {
        let folder = world.path("state").join(name);
        let title = format!("qemu-system-x86_64 -name guest={name} -qmp unix:{}/qmp", folder.display());
        Self(Command::new("sleep").arg0(title).arg("10000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Imitator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_run_that_is_killed_at_a_random_moment_leaves_nothing_and_takes_nothing_of_others() {
    need(&["qemu-system-x86_64", "ip"]);
    let world = World::new();
    let text = format!(
        "let both = epair(\"epair0\");\nlet own = bridge(\"bridge82\", #{{ create: true }});\nown.add(both.a);\nlet nic = tap(\"tap2\");\n\
         own.add(nic);\nbridge(\"bridge2\").add(both.b);\nbhyve(#{{ name: \"own\", memory: 64.MiB, slots: #{{ \"0\": hostbridge(), \"4\": \
         virtio_blk(\"{}\"), \"6\": virtio_net(nic), \"31\": lpc() }} }}).run();\n",
        world.disk('H').display()
    );
    let recipe = world.write("own.rhai", text);
    let network = Network::new("random");
    // Others' interfaces, whose names and marks are nearly ours.
    network.ip("link add bridge2 type bridge");
    network.ip("tuntap add dev tap8 mode tap");
    network.ip("link set dev tap8 master bridge2 alias vmrun-is-not-mine");
    network.ip("tuntap add dev tap3.new mode tap");
    network.ip("link add tap22 type bridge");
    let mut imitator = Imitator::new(&world, "own");
    let before = network.ip("-oneline link show");
    let vmrun = |args: &[&str]| {
        let mut command = network.inside("env");
        world.surroundings(&mut command).stdin(Stdio::null());
        command.arg(format!("PATH={}", search_path())).arg(env!("CARGO_BIN_EXE_vmrun")).args(args);
        command
    };
    let (mut random, mut killed) = (Random(0x9e37_79b9_7f4a_7c15), 0);
    let rounds = rounds(25, 1000);
    for round in 0..rounds {
        let mut run = world.start("own", &mut vmrun(&[utf8(&recipe), "--stop-within", "0s"]));
        sleep(Duration::from_micros(random.below(250_000)));
        signal(run.child.id(), "KILL");
        let status = wait_for("the end of the run", SOON, || run.child.try_wait().unwrap());
        killed += u32::from(status.signal() == Some(9));
        // As often as not the next run finds what is left, and is killed as well.
        if random.below(2) == 0 {
            continue;
        }
        let collected = world.start("gc", &mut vmrun(&["gc", "--stop-within", "0s"])).ends(SOON);
        assert_eq!((collected.code, collected.stderr.as_str()), (Some(0), ""), "round {round}");
        assert_eq!(network.ip("-oneline link show"), before, "round {round}");
        assert_eq!(qemus_in(&world), [imitator.0.id()], "round {round}");
        world.is_clean();
    }
    let collected = world.start("gc", &mut vmrun(&["gc", "--stop-within", "0s"])).ends(SOON);
    assert_eq!((collected.code, collected.stderr.as_str()), (Some(0), ""));
    assert_eq!(network.ip("-oneline link show"), before);
    assert_eq!(qemus_in(&world), [imitator.0.id()]);
    world.is_clean();
    // One of the name that ours have for a moment, before they have their own.
    network.ip("tuntap add dev tap2.new mode tap");
    let before = network.ip("-oneline link show");
    for round in 0..rounds.min(25) {
        let mut run = world.start("own", &mut vmrun(&[utf8(&recipe), "--stop-within", "0s"]));
        sleep(Duration::from_micros(random.below(250_000)));
        signal(run.child.id(), "KILL");
        wait_for("the end of the run", SOON, || run.child.try_wait().unwrap());
        let collected = world.start("gc", &mut vmrun(&["gc", "--stop-within", "0s"])).ends(SOON);
        assert_eq!((collected.code, collected.stderr.as_str()), (Some(0), ""), "round {round}");
        assert_eq!(network.ip("-oneline link show"), before, "round {round}");
        world.is_clean();
    }
    assert!(imitator.lives(), "a process of somebody else was ended");
    eprintln!("{rounds} rounds at random moments, {killed} of them killed: 0 left, 0 of others gone");
    assert!(killed > rounds / 2, "{killed} of {rounds}");
}

#[test]
fn many_guests_at_once_all_run_and_all_stop() {
    need(&["qemu-system-x86_64"]);
    let world = World::new();
    let guests = rounds(8, 100);
    let disk = world.disk('H');
    let content = fs::read(&disk).unwrap();
    let recipes: Vec<String> = (0..guests)
        .map(|number| {
            let disk = world.write(&format!("g{number}.img"), &content);
            let text = format!(
                "bhyve(#{{ name: \"g{number}\", memory: 32.MiB, slots: #{{ \"0\": hostbridge(), \"4\": virtio_blk(\"{}\"), \"31\": lpc() }} \
                 }}).run();\n",
                disk.display()
            );
            utf8(&world.write(&format!("g{number}.rhai"), text)).to_string()
        })
        .collect();
    let mut words = vec!["start"];
    words.extend(recipes.iter().map(String::as_str));
    let long = SOON * 10;
    let started = world.start("start", world.vmrun().args(&words).stdin(Stdio::null())).ends(long);
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    let listed = world.start("list", world.vmrun().args(["list", "--json"])).ends(SOON);
    assert_eq!(listed.stdout.matches("\"state\": \"running\"").count(), guests as usize, "{}", listed.stdout);
    let stopped = world.start("stop", world.vmrun().args(["stop", "--all", "--within", "0s"])).ends(long);
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    assert_eq!(qemus_in(&world), [] as [u32; 0]);
    world.is_clean();
    eprintln!("{guests} guests at once");
}
