//! A hundred machines of one recipe.

use super::host::Host;
use super::sandbox::same;

/// How many there are.
const MANY: usize = 100;

/// How many a command is given, so that none takes long.
const PART: usize = 20;

#[test]
fn a_hundred_instances_are_started_each_after_the_one_that_it_needs_and_stopped_the_other_way_round() {
    let host = Host::new(&"run\n".repeat(MANY));
    for n in 1..=MANY {
        host.write(&format!("vm/worker{n}.img"), &"0".repeat(4096));
    }
    host.write(
        "worker.rhai",
        "let n = instance(1..=100);\nif n > 1 {\n    after(`worker${n - 1}`);\n}\n\
         bhyve(#{ name: `worker${n}`, cpus: 1, memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{\n\
         \"0\": hostbridge(), \"4\": virtio_blk(`[tmp]/vm/worker${n}.img`), \"31\": lpc(),\n} }).run();\n",
    );
    for begin in (1..MANY).step_by(PART) {
        let end = begin + PART - 1;
        let started = host.run(&["start", &format!("worker.rhai[{begin}..={end}]")]);
        let runs: Vec<String> = (begin..=end).map(|n| format!("vmrun: worker{n} runs")).collect();
        same(&started.stderr, &runs.join("\n"));
        assert_eq!((started.code, host.names("fake/vmm").len()), (0, end));
    }
    let listed = host.run(&["list"]);
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, MANY + 1), "{}", listed.stdout);
    for end in (PART..=MANY).rev().step_by(PART) {
        let begin = end + 1 - PART;
        let stopped = host.run(&["stop", &format!("worker.rhai[{begin}..={end}]")]);
        let down: Vec<String> = (begin..=end).rev().map(|n| format!("vmrun: worker{n} is down")).collect();
        same(&stopped.stderr, &down.join("\n"));
        assert_eq!(stopped.code, 0);
    }
    host.is_clean();
}
