//! The machines of a host, with QEMU's guests in namespaces of the test: nobody else's are seen there, and all of it ends with it.

use super::{SOON, World, need, utf8};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

/// A world with a guest for each name, each with a disk of its own, that does nothing.
pub(super) fn world(names: &[&str]) -> World {
    need(&["unshare", "setpriv"]);
    let world = World::new();
    let disk = world.disk('H');
    // Other users may look.
    fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).unwrap();
    for (number, name) in names.iter().enumerate() {
        let own = world.path(&format!("{name}.img"));
        fs::copy(&disk, &own).unwrap();
        let slots = format!(
            r#""0": hostbridge(), "4": virtio_blk("{}"), "29": fbuf(#{{ tcp: "127.0.0.1:{}" }}), "31": lpc()"#,
            own.display(),
            5910 + number
        );
        let machine = format!(r#"name: "{name}", cpus: 2, memory: 64.MiB, com1: "stdio", slots: #{{ {slots} }}"#);
        world.write(&format!("{name}.rhai"), format!("bhyve(#{{ {machine} }}).run();\n"));
    }
    world
}

/// Runs a script of sh(1) in namespaces of its own, in which `vmrun` is the program, and returns what it said.
pub(super) fn inside(world: &World, script: &str) -> (Option<i32>, String, String) {
    let vmrun = format!("vmrun() {{ {} \"$@\"; }}\n", env!("CARGO_BIN_EXE_vmrun"));
    let mut command = Command::new("unshare");
    command.args(["--pid", "--net", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &format!("{vmrun}{script}")]);
    let command = world.surroundings(&mut command).current_dir(world.path("")).stdin(Stdio::null());
    let outcome = world.start("inside", command).ends(SOON);
    let own = |text: &str| text.replace(utf8(&world.path("")).trim_end_matches('/'), "[tmp]");
    (outcome.code, own(&outcome.stdout), own(&outcome.stderr))
}

/// A table with one blank between its columns, without the numbers that differ every time.
fn shown(text: &str) -> String {
    let mut number = 0;
    let mut word = |at: usize, word: &str| {
        number += 1;
        match at {
            2 if word.parse::<u32>().is_ok() => "[pid]".to_string(),
            3 if word.ends_with('s') && word.len() < 7 => "[time]".to_string(),
            6 if word.parse::<f64>().is_ok() => "[cpu]".to_string(),
            _ => word.to_string(),
        }
    };
    let mut line = |line: &str| {
        line.split_whitespace().enumerate().map(|(at, it)| word(at, it)).collect::<Vec<_>>().join(" ") + "\n"
    };
    text.lines().map(&mut line).collect()
}

#[test]
fn three_guests_and_a_foreign_one_are_listed_for_root_and_for_everybody() {
    let world = world(&["db", "lab", "web"]);
    // Where the program was built may be nobody else's to enter.
    let everybodys = world.path("vmrun");
    fs::copy(env!("CARGO_BIN_EXE_vmrun"), &everybodys).unwrap();
    let (code, stdout, stderr) = inside(
        &world,
        r#"
        ip link set lo up
        vmrun start db.rhai web.rhai 2>/dev/null || exit 1
        vmrun lab.rhai >/dev/null 2>&1 &
        qemu-system-x86_64 -name "guest=some thing" -M none -m 32 -S -nodefaults -display none &
        until vmrun list | grep -q "^lab  *foreground  *[0-9]" && vmrun list | grep -q "^some thing"; do sleep 0.05; done
        vmrun list
        echo
        setpriv --reuid=65534 --regid=65534 --clear-groups $(command -v env) sh -c "$0 list" || true
        "#
        .replace("$0 list", &format!("{} list", everybodys.display()))
        .as_str(),
    );
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let (root, everybody) = stdout.split_once("\n\n").unwrap();
    let expected = "\
NAME STATE PID UPTIME CPUS MEMORY CPU% VNC RESTARTS RECIPE
db running [pid] [time] 2 64M [cpu] 127.0.0.1:5910 0 [tmp]/db.rhai
lab foreground [pid] [time] 2 64M [cpu] 127.0.0.1:5911 - [tmp]/lab.rhai
web running [pid] [time] 2 64M [cpu] 127.0.0.1:5912 0 [tmp]/web.rhai
some thing foreign [pid] [time] - 32M [cpu] - - -
";
    let thing = |text: &str| shown(&text.replace("some thing", "some-thing")).replace("some-thing", "some thing");
    assert_eq!(thing(root), expected, "{stderr}");
    // Whoever may not read the lock of a run in the foreground does not learn its recipe.
    assert_eq!(thing(everybody), expected.replace("- [tmp]/lab.rhai", "- -"), "{stderr}");
    assert_eq!(stderr, "");
}

#[test]
fn the_status_of_a_guest_tells_its_threads_by_their_names() {
    let world = world(&["db", "lab", "web"]);
    let (code, stdout, stderr) = inside(
        &world,
        r"
        ip link set lo up
        vmrun start db.rhai lab.rhai web.rhai 2>/dev/null || exit 1
        vmrun status lab || exit 1
        echo
        vmrun status wep
        echo
        vmrun status web --json
        ",
    );
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert_eq!(stderr, "error: the machine wep does not run\n |\n = hint: did you mean `web`?\n");
    let parts: Vec<&str> = stdout.split("\n\n").collect();
    let [head, threads, json] = parts.as_slice() else { panic!("{stdout}") };
    let key = |line: &str| line.split("  ").next().unwrap().to_string();
    let keys = ["name", "state", "hypervisor", "supervisor", "recipe", "vcpus", "memory", "screen", "disks", "boots"];
    assert_eq!(head.lines().map(key).collect::<Vec<_>>(), [&keys[..], &["restarts", "power off", "log"]].concat());
    assert!(head.contains("\nscreen      127.0.0.1:5911\ndisks       [tmp]/lab.img\n"), "{head}");
    for what in ["vcpu 0", "vcpu 1", "main"] {
        assert!(threads.lines().any(|line| line.contains(&format!("  {what}  "))), "{what}: {threads}");
    }
    assert!(threads.contains("  CPU 0/TCG  ") && threads.contains("  qemu-system-x86  "), "{threads}");
    let json: serde_json::Value = serde_json::from_str(json.trim_start_matches('\n')).unwrap();
    let all = json["threads"].as_array().unwrap();
    let vcpus = all.iter().filter(|thread| thread["for"].as_str().unwrap().starts_with("vcpu "));
    assert_eq!((vcpus.count(), json["taps"].as_array().unwrap().len()), (2, 0));
    assert!(all.iter().all(|thread| thread["cpu"].is_number() && thread["processor"].is_number()), "{json:#}");
}

#[test]
fn the_metrics_of_a_guest_tell_what_its_disk_has_done_and_its_run_goes_on() {
    let world = world(&["db"]);
    let (code, stdout, stderr) = inside(
        &world,
        r#"
        ip link set lo up
        vmrun start db.rhai 2>/dev/null || exit 1
        until vmrun metrics | grep -q "disk_read_bytes_total{.*} [1-9]"; do sleep 0.05; done
        vmrun metrics
        vmrun stop db --within 1s 2>/dev/null
        vmrun list --json | grep -c '"name"'
        "#,
    );
    assert_eq!(stderr, "");
    let value = |name: &str| {
        let line = stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {stdout}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert_eq!(value("vmrun_machine_up{machine=\"db\"}").to_bits(), 1_f64.to_bits());
    assert_eq!(value("vmrun_machine_statistics_known{machine=\"db\"}").to_bits(), 1_f64.to_bits());
    // Its first sector, and the order in the next one.
    assert!(value("vmrun_disk_read_bytes_total{machine=\"db\",disk=\"disk-4.0\"}") >= 1024.0, "{stdout}");
    assert!(value("vmrun_machine_cpu_seconds_total{machine=\"db\"}") > 0.0, "{stdout}");
    assert!(!stdout.contains("pflash"), "{stdout}");
    assert_eq!((code, stdout.lines().last()), (Some(1), Some("0")));
}
