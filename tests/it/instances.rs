//! Recipes that are of several machines, as people start, see and check them.

use super::host::Host;
use super::sandbox::{Done, same};
use super::shown::table;
use serde_json::Value;

const WORKER: &str = r#"// Workers, one like the other.
let n = instance(1..=3);
let nic = tap(`tap${n}`);
bridge("bridge2").add(nic);
bhyve(#{ name: `worker${n}`, cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
    "0": hostbridge(), "4": virtio_blk(`[tmp]/vm/worker${n}.img`), "6": virtio_net(nic), "31": lpc(),
} }).run();
"#;

/// A host with workers, whose guests run.
fn workers(recipe: &str) -> Host {
    let host = Host::new(&"run\n".repeat(20));
    for n in 1..=3 {
        host.write(&format!("vm/worker{n}.img"), &"0".repeat(4096));
    }
    host.write("worker.rhai", recipe);
    host
}

fn said(done: &Done) -> String {
    format!("{}\n{}{}", done.code, done.stdout, done.stderr)
}

#[test]
fn one_recipe_is_several_machines_which_are_started_together_or_one_by_one() {
    let host = workers(WORKER);
    same(&said(&host.run(&["start", "worker.rhai[2]"])), "0\nvmrun: worker2 runs\n");
    let all = host.run(&["start", "worker.rhai"]);
    let mut lines: Vec<&str> = all.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        (all.code, lines.as_slice()),
        (0, ["vmrun: worker1 runs", "vmrun: worker2 runs already", "vmrun: worker3 runs"].as_slice())
    );
    let done = host.run(&["list"]);
    let guests = ["worker1", "worker2", "worker3"].map(|name| (host.status(name).unwrap().guest.unwrap(), name));
    same(
        &table(&done.stdout, &guests),
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
worker1 running [worker1] 1d02h 1 256M 12.5 - 0 [tmp]/worker.rhai[1]
worker2 running [worker2] 1d02h 1 256M 12.5 - 0 [tmp]/worker.rhai[2]
worker3 running [worker3] 1d02h 1 256M 12.5 - 0 [tmp]/worker.rhai[3]
",
    );
    let json: Value = serde_json::from_str(&host.run(&["list", "--json"]).stdout).unwrap();
    assert_eq!(json["machines"][2]["instance"], "3");
    same(&said(&host.run(&["stop", "worker3"])), "0\nvmrun: worker3 is down\n");
    // By its name it is found again, from what is known of it or from the recipe alone.
    let again = "0\nvmrun: worker3 runs\n";
    same(&said(&host.run(&["start", "worker3"])), again);
    let some = host.run(&["stop", "worker.rhai[2,3]"]);
    let mut lines: Vec<&str> = some.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!((some.code, lines.as_slice()), (0, ["vmrun: worker2 is down", "vmrun: worker3 is down"].as_slice()));
    same(&said(&host.run(&["stop", "worker.rhai"])), "0\nvmrun: worker1 is down\n");
    same(&said(&host.run(&["stop", "worker.rhai"])), "0\nvmrun: no machine runs in the background\n");
    let none = "2\nerror: wroker.rhai is no recipe, and no machine was started by it\n |\n = hint: `vmrun list` shows what runs\n";
    same(&said(&host.run(&["stop", "wroker.rhai"])), none);
}

#[test]
fn a_machine_that_was_never_started_is_found_by_its_name() {
    let host = workers(WORKER);
    same(&said(&host.run(&["start", "worker3"])), "0\nvmrun: worker3 runs\n");
    same(
        &said(&host.run(&["start", "worker4"])),
        "2\nerror: there is no recipe of a machine worker4\n |\n = hint: did you mean `worker`?\n",
    );
}

#[test]
fn which_instances_are_meant_may_be_a_range_and_in_the_configuration() {
    let host = workers(WORKER);
    host.write("config/config.toml", "recipes = [\"[tmp]\"]\nstart = [\"worker.rhai[1..=2]\"]\n");
    let done = host.run(&["start", "--all"]);
    assert_eq!((done.code, host.status("worker3").is_some()), (0, false), "{}", done.stderr);
    let done = host.run(&["list", "--all"]);
    let guests = ["worker1", "worker2"].map(|name| (host.status(name).unwrap().guest.unwrap(), name));
    same(
        &table(&done.stdout, &guests),
        "
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
worker1 running [worker1] 1d02h 1 256M 12.5 - 0 [tmp]/worker.rhai[1]
worker2 running [worker2] 1d02h 1 256M 12.5 - 0 [tmp]/worker.rhai[2]
worker3 down - - - - - - - [tmp]/worker.rhai[3]
",
    );
}

#[test]
fn what_is_not_there_is_told() {
    let host = workers(WORKER);
    same(
        &said(&host.run(&["start", "worker.rhai[4]"])),
        "2\nerror: worker.rhai has no instance 4\n |\n = hint: it has 1 to 3\n",
    );
    same(
        &said(&host.run(&["plan", "worker.rhai[x y]"])),
        "2\nerror: \"x y\" names no instances\n |\n = hint: write [3], [1..=10] or [a,b]\n",
    );
    same(
        &said(&host.run(&["worker.rhai"])),
        "2\nerror: worker.rhai is of several machines\n |\n = hint: say which one, as 'worker.rhai[…]'; `vmrun start worker.rhai` starts all of them in the background\n",
    );
    same(
        &said(&host.run(&["export", "worker.rhai", "out.tar.zst"])),
        "2\nerror: worker.rhai is of several machines, 1 to 3\n |\n = hint: say which one: 'worker.rhai[1]'\n",
    );
    // What is wrong with a recipe is told, and not how many machines it is of.
    same(
        &said(&host.run(&["plan", "gone.rhai[1]"])),
        "1\nerror: cannot read the recipe gone.rhai: there is no such file\n |\n \
         = hint: `vmrun new gone --os OS` writes the recipe of a machine\n\n",
    );
    host.write("one.rhai", "print(1);\n");
    same(
        &said(&host.run(&["plan", "one.rhai[1]"])),
        "2\nerror: one.rhai is of one machine\n |\n = hint: a recipe has several by `let n = instance(1..=10);`\n",
    );
    same(
        &said(&host.run(&["plan", "worker.rhai", "--set", "instance=7"])),
        "
1
error: the recipe has no instance 7
 --> worker.rhai:2:19
  |
2 | let n = instance(1..=3);
  |                   ^^^
  |
  = hint: it has 1 to 3
",
    );
}

#[test]
fn what_all_have_in_common_is_planned_once() {
    let host = workers(&WORKER.replace("let nic", "run(\"sysctl\", [\"net.link.tap.up_on_open=1\"]);\nlet nic"));
    let done = host.run(&["plan", "worker.rhai[1,3]"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    same(&done.stdout, include_str!("instances/plan.txt"));
    let json: Value = serde_json::from_str(&host.run(&["plan", "--json", "worker.rhai[1,3]"]).stdout).unwrap();
    assert_eq!((&json["instances"][0]["instance"], &json["instances"][1]["instance"]), (&"1".into(), &"3".into()));
    // One alone is planned as a recipe of one machine is.
    let one: Value = serde_json::from_str(&host.run(&["plan", "--json", "worker.rhai[3]"]).stdout).unwrap();
    assert_eq!(one["steps"], json["instances"][1]["steps"]);
}

#[test]
fn what_instances_share_by_mistake_is_found() {
    let host = workers(&WORKER.replace("tap${n}", "tap9").replace("[tmp]/vm/worker${n}.img", "/vm/worker.img"));
    let done = host.run(&["check", "worker.rhai"]);
    assert_eq!(done.code, 1);
    same(
        &done.stderr,
        "
error: its instance 1 writes /vm/worker.img too
 --> worker.rhai:6:40
  |
6 |     \"0\": hostbridge(), \"4\": virtio_blk(`/vm/worker.img`), \"6\": virtio_net(nic), \"31\": lpc(),
  |                                        ^^^^^^^^^^^^^^^^
  |
  = hint: an image that is written is one machine's alone: copy it, or make it read-only
error: its instance 1 is plugged into tap9 too
 --> worker.rhai:6:75
  |
6 |     \"0\": hostbridge(), \"4\": virtio_blk(`/vm/worker.img`), \"6\": virtio_net(nic), \"31\": lpc(),
  |                                                                           ^^^
  |
  = hint: give each card a tap of its own
error: 2 faults found in 1 file
",
    );
    let host = workers(WORKER);
    let sound = "0\nvmrun: nothing is wrong with 1 recipe, after 5 rehearsals\n";
    same(&said(&host.run(&["check", "worker.rhai"])), sound);
}

#[test]
fn instances_are_names_as_well_and_what_cannot_be_one_is_refused() {
    let zones = "let zone = instance([\"north\", \"south\"]);\nprint(`this is ${zone}`);\n";
    let host = workers(zones);
    let done = host.run(&["plan", "worker.rhai"]);
    same(&done.stdout, "# each of them:\numask 026\n# instance north:\n# instance south:");
    same(&done.stderr, "this is north\nthis is south\n");
    let refused = |text: &str| {
        host.write("worker.rhai", text);
        said(&host.run(&["plan", "worker.rhai"]))
    };
    let about = |what: &str, at: &str, hint: &str, text: &str| {
        let (line, column) = at.split_once(':').unwrap();
        let bare = " ".repeat(line.len());
        let shown = text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
        let (column, length) = column.split_once('+').unwrap();
        let under =
            format!("{}{}", " ".repeat(column.parse::<usize>().unwrap() - 1), "^".repeat(length.parse().unwrap()));
        format!(
            "1\nerror: {what}\n{bare}--> worker.rhai:{line}:{column}\n{bare} |\n{line} | {shown}\n{bare} | {under}\n{bare} |\n{bare} = hint: {hint}\n"
        )
    };
    for (text, what, at, hint) in [
        (
            "instance([\"a b\"]);\n",
            "\"a b\" cannot be the name of an instance",
            "1:10+7",
            "use letters, digits, - and _, at most 64 of them",
        ),
        ("instance([\"a\", \"a\"]);\n", "the instance a is there twice", "1:10+10", "leave one of them out"),
        ("instance(3..=1);\n", "there is no instance", "1:11+3", "write the smaller number first: 1..=16"),
        ("instance([]);\n", "there is no instance", "1:10+2", "name at least one"),
        (
            "instance(1..=100000);\n",
            "a recipe has at most 1000 instances",
            "1:11+3",
            "write further recipes for the others",
        ),
        (
            "instance(true);\n",
            "expected a range 1..=16 or a list of values, got true or false",
            "1:10+4",
            "write `instance(1..=10)`",
        ),
        (
            "instance(1..=2);\ninstance(1..=3);\n",
            "the recipe has other instances by now: 1 to 2",
            "2:11+3",
            "call `instance` once, and keep what it returns",
        ),
    ] {
        same(&refused(text), &about(what, at, hint, text));
    }
}

#[test]
fn what_an_instance_is_is_no_parameter_of_another_meaning() {
    let host = workers(WORKER);
    let fault = |line: u32, column: u32, text: &str, under: &str| {
        format!(
            "1\nerror: the parameter `instance` is what `instance` returns\n --> worker.rhai:{line}:{column}\n  |\n{line} | {text}\n  | {under}\n  |\n = hint: give the parameter another name, or leave it out\n"
        )
        .replace("\n = hint", "\n  = hint")
    };
    host.write("worker.rhai", "let n = instance(1..=3);\nprint(param(\"instance\", 3) + n);\n");
    same(
        &said(&host.run(&["plan", "worker.rhai[2]"])),
        &fault(2, 13, "print(param(\"instance\", 3) + n);", "            ^^^^^^^^^^"),
    );
    host.write("worker.rhai", "let i = param(\"instance\", 3);\nprint(instance(1..=3) + i);\n");
    same(
        &said(&host.run(&["plan", "worker.rhai[2]"])),
        &fault(2, 7, "print(instance(1..=3) + i);", "      ^^^^^^^^^^^^^^^"),
    );
}

#[test]
fn ssh_finds_the_guest_of_an_instance() {
    let host = workers(WORKER);
    assert_eq!(host.run(&["start", "worker.rhai[1..=2]"]).code, 0);
    let unknown = |name: &str| format!("3\nerror: the address of {name} is not known: its recipe names none\n");
    for (word, name) in [("worker.rhai[2]", "worker2"), ("worker1", "worker1")] {
        let done = said(&host.run(&["ssh", word]));
        assert!(done.starts_with(unknown(name).trim_end()), "{done}");
    }
    same(
        &said(&host.run(&["ssh", "worker.rhai"])),
        "2\nerror: several machines of worker.rhai run: worker1, worker2\n |\n = hint: name one of them\n",
    );
    same(
        &said(&host.run(&["ssh", "worker.rhai[3]"])),
        "3\nerror: no machine of worker.rhai[3] runs here\n |\n = hint: `vmrun start 'worker.rhai[3]'` starts it\n",
    );
}
