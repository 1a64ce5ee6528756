//! Limits on Linux: the control group of a machine, in a folder with the files that a kernel would have.

use super::sandbox::{Done, Sandbox, same};
use std::fs;

/// A machine with all limits but those of transfers, which the file system of a test may not have.
const RECIPE: &str = r#"let vm = bhyve(#{ name: "web", memory: 256.MiB, slots: #{ "31": lpc() } });
vm.limits(#{ memory: 1.GiB, cpu: 150, cpu_weight: 50, nice: 5 });
vm.run();
"#;

/// A host whose control groups have these controllers, and give these to theirs.
fn host(there: &str, given: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("groups")).unwrap();
    sandbox.write("groups/cgroup.controllers", there);
    sandbox.write("groups/cgroup.subtree_control", given);
    // The kernel's files go with the folder, which is not to have processes.
    sandbox.script(
        "rmdir",
        r#"test -d "$1" && test -e fake/busy && { echo "rmdir: failed to remove '$1': Device or resource busy" >&2; exit 1; }
(cd "$1" && grep . cgroup.procs cpu.max cpu.weight memory.max | sed 's/^cgroup.procs:.*/cgroup.procs:[pid]/') >seen
rm -f "$1"/cgroup.procs "$1"/cpu.max "$1"/cpu.weight "$1"/memory.max
exec /bin/rmdir "$1""#,
    );
    sandbox.script("qemu-system-x86_64", "echo $$ >qemu; test ! -e wait || exec sleep 20 >&- 2>&-; exit 1");
    sandbox.write("web.rhai", RECIPE);
    sandbox
}

fn vmrun(sandbox: &Sandbox, args: &[&str]) -> Done {
    let mut command = sandbox.command(args);
    command.env("VMRUN_PLATFORM", "linux").env("VMRUN_CGROUP_DIR", sandbox.path("groups"));
    sandbox.finish(&mut command)
}

/// A host that gives all controllers to its control groups.
fn able() -> Sandbox {
    host("cpuset cpu io memory pids\n", "cpu io memory\n")
}

/// The names of what is among the control groups.
fn groups(sandbox: &Sandbox) -> Vec<String> {
    sandbox.names("groups").into_iter().filter(|name| !name.starts_with("cgroup.")).collect()
}

/// The lines of a plan that are about the group, and how the hypervisor's begins.
fn planned(done: &Done) -> String {
    let cut = |line: &str| line.split(" -name ").next().unwrap_or_default().to_string() + "\n";
    done.stdout.lines().filter(|line| line.contains("groups/") || line.contains("qemu-")).map(cut).collect()
}

#[test]
fn a_machine_with_limits_runs_in_a_control_group_of_its_own() {
    let sandbox = able();
    let done = vmrun(&sandbox, &["plan", "web.rhai"]);
    same(
        &planned(&done),
        r#"
mkdir [tmp]/groups/vmrun-web
sh -c 'echo 1073741824 > [tmp]/groups/vmrun-web/memory.max && echo 150000 100000 > [tmp]/groups/vmrun-web/cpu.max && echo 50 > [tmp]/groups/vmrun-web/cpu.weight && echo $$ > [tmp]/groups/vmrun-web/cgroup.procs && exec "$0" "$@" || exit 73' nice -n 5 qemu-system-x86_64
rmdir [tmp]/groups/vmrun-web
"#,
    );
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let done = vmrun(&sandbox, &["web.rhai"]);
    assert_eq!((done.code, done.stderr.lines().next()), (4, Some("error: the hypervisor failed with status 4")));
    same(&sandbox.read("seen"), "cgroup.procs:[pid]\ncpu.max:150000 100000\ncpu.weight:50\nmemory.max:1073741824");
    assert_eq!((groups(&sandbox), sandbox.names("state")), (vec![], vec![]));
}

#[test]
fn what_serves_a_machine_is_in_its_control_group() {
    let sandbox = able();
    sandbox.write("web.rhai", &format!("helper(#{{ name: \"log\", run: [\"sleep\", \"9\"] }});\n{RECIPE}"));
    let done = vmrun(&sandbox, &["plan", "web.rhai"]);
    let line = done.stdout.lines().find(|line| line.contains("sleep 9 & echo")).unwrap_or_default();
    same(
        line,
        r#"sh -c 'sh -c '\''echo 1073741824 > [tmp]/groups/vmrun-web/memory.max && echo 150000 100000 > [tmp]/groups/vmrun-web/cpu.max && echo 50 > [tmp]/groups/vmrun-web/cpu.weight && echo $$ > [tmp]/groups/vmrun-web/cgroup.procs && exec "$0" "$@" || exit 73'\'' nice -n 5 sleep 9 & echo $! >[tmp]/state/web/log.pid'"#,
    );
    vmrun(&sandbox, &["web.rhai"]);
    same(
        &sandbox.read("seen").replace("cgroup.procs:[pid]\n", ""),
        "cpu.max:150000 100000\ncpu.weight:50\nmemory.max:1073741824",
    );
    assert_eq!((groups(&sandbox), sandbox.names("state")), (vec![], vec![]));
}

#[test]
fn a_host_that_cannot_keep_the_limits_says_why_before_anything_is_done() {
    let refused = |sandbox: &Sandbox, message: &str, hint: &str| {
        let done = vmrun(sandbox, &["web.rhai"]);
        let (first, last) = (done.stderr.lines().next(), done.stderr.lines().last());
        assert_eq!(first, Some(format!("error: the machine has limits, and {message}").as_str()));
        assert_eq!((last, done.code), (Some(format!("  = hint: {hint}").as_str()), 3));
        assert_eq!(sandbox.names("state"), [""; 0]);
        // A plan is only read.
        let done = vmrun(sandbox, &["plan", "web.rhai"]);
        assert_eq!(
            (done.code, done.stderr.lines().next()),
            (0, Some(format!("warning: the machine has limits, and {message}").as_str()))
        );
    };
    refused(
        &host("cpu memory\n", "cpu\n"),
        "the control groups in [tmp]/groups do not get memory",
        "as root: echo \"+memory\" > [tmp]/groups/cgroup.subtree_control",
    );
    // One that is not the kernel's first gets what the one above gives.
    refused(
        &host("memory\n", "memory\n"),
        "[tmp]/groups has no controller cpu",
        "as root: echo \"+cpu\" > [tmp]/cgroup.subtree_control",
    );
    let sandbox = able();
    fs::remove_file(sandbox.path("groups/cgroup.controllers")).unwrap();
    refused(
        &sandbox,
        "[tmp]/groups is no tree of control groups of version 2",
        "start the host with systemd.unified_cgroup_hierarchy=1, or say by VMRUN_CGROUP_DIR where it is",
    );
    // Memory alone is limited without one.
    sandbox.write("web.rhai", &RECIPE.replace(", cpu: 150, cpu_weight: 50, nice: 5", ""));
    let done = vmrun(&sandbox, &["plan", "web.rhai"]);
    assert_eq!((planned(&done).as_str(), done.stderr.as_str()), ("prlimit --as=1073741824 qemu-system-x86_64\n", ""));
}

#[test]
fn a_control_group_of_somebody_else_stays() {
    let sandbox = able();
    fs::create_dir(sandbox.path("groups/vmrun-web")).unwrap();
    let done = vmrun(&sandbox, &["web.rhai"]);
    let (first, last) = (done.stderr.lines().next(), done.stderr.lines().last());
    assert_eq!(first, Some("error: the control group [tmp]/groups/vmrun-web is there, and no run of web has made it"));
    let hint = "  = hint: once nothing runs in it: rmdir [tmp]/groups/vmrun-web; or give the machine another name";
    assert_eq!((last, done.code), (Some(hint), 3));
    assert_eq!((groups(&sandbox), vmrun(&sandbox, &["gc"]).stdout.as_str()), (vec!["vmrun-web".to_string()], ""));
}

#[test]
fn a_control_group_that_cannot_be_made_or_does_not_go_is_told() {
    let sandbox = able();
    sandbox.script("mkdir", "echo \"mkdir: cannot create directory '$1': No space left on device\" >&2; exit 1");
    let done = vmrun(&sandbox, &["web.rhai"]);
    let message = "mkdir: cannot create directory '[tmp]/groups/vmrun-web': No space left on device";
    assert_eq!((done.code, done.stderr.contains(message)), (3, true), "{}", done.stderr);
    assert_eq!((groups(&sandbox), sandbox.names("state")), (vec![], vec![]));
    fs::remove_file(sandbox.path("bin/mkdir")).unwrap();
    // What is refused a limit does not run without it.
    sandbox.script("mkdir", "/bin/mkdir \"$@\"; /bin/mkdir -p \"$1/cpu.max\"");
    let done = vmrun(&sandbox, &["web.rhai"]);
    let message = "cannot create [tmp]/groups/vmrun-web/cpu.max: Is a directory\n";
    assert!(done.stderr.contains(message), "{}", done.stderr);
    assert!(done.stderr.contains("\nerror: the hypervisor failed with status 73"), "{}", done.stderr);
    assert!(!sandbox.path("qemu").exists());
    fs::remove_dir(sandbox.path("groups/vmrun-web/cpu.max")).unwrap();
    fs::remove_file(sandbox.path("bin/mkdir")).unwrap();
    let given = |done: Done| (done.code, groups(&sandbox), sandbox.names("state"));
    assert_eq!(given(vmrun(&sandbox, &["gc"])), (0, vec![], vec![]));
    // One in which something is goes another time.
    sandbox.write("fake/busy", "");
    let done = vmrun(&sandbox, &["web.rhai"]);
    assert!(
        done.stderr.contains("rmdir: failed to remove '[tmp]/groups/vmrun-web': Device or resource busy"),
        "{}",
        done.stderr
    );
    assert_eq!(groups(&sandbox), ["vmrun-web"]);
    fs::remove_file(sandbox.path("fake/busy")).unwrap();
    assert_eq!(given(vmrun(&sandbox, &["gc"])), (0, vec![], vec![]));
}

#[test]
fn the_control_group_of_a_dead_run_goes_with_what_else_it_left() {
    let sandbox = able();
    sandbox.write("wait", "");
    let groups_are = sandbox.own("VMRUN_CGROUP_DIR=[tmp]/groups");
    let words = ["VMRUN_PLATFORM=linux", &groups_are, env!("CARGO_BIN_EXE_vmrun"), "web.rhai"];
    let mut run = sandbox.start_program("env", &words);
    run.until("the guest", |sandbox| sandbox.path("qemu").exists());
    run.signal("KILL");
    run.wait();
    assert_eq!(groups(&sandbox), ["vmrun-web"]);
    let done = vmrun(&sandbox, &["gc", "--dry-run"]);
    assert!(done.stdout.contains("rmdir [tmp]/groups/vmrun-web\n"), "{}{}", done.stdout, done.stderr);
    let done = vmrun(&sandbox, &["gc"]);
    assert_eq!(
        (done.code, groups(&sandbox), sandbox.names("state")),
        (0, vec![], vec![]),
        "{}{}",
        done.stdout,
        done.stderr
    );
}

#[test]
fn transfers_are_limited_on_the_disk_that_has_the_images() {
    let sandbox = Sandbox::new();
    let recipe = r#"let vm = bhyve(#{ name: "web", memory: 256.MiB, slots: #{ "4": virtio_blk("/vm/a.img"), "5": virtio_blk("/vm/b.img"), "31": lpc() } });
vm.limits(#{ readbps: 20.MiB, writebps: 10.MiB, readiops: 500, writeiops: 200 });
vm.run();
"#;
    sandbox.write("web.rhai", recipe);
    let mut plan = sandbox.command(&["plan", "web.rhai", "--on", "linux"]);
    let done = sandbox.finish(plan.env_remove("VMRUN_CGROUP_DIR"));
    let line = done.stdout.lines().find(|line| line.contains("qemu-")).unwrap_or_default();
    // Where the images will be nobody knows.
    let limited = |disk: &str| {
        format!(
            "sh -c 'echo {disk} rbps=20971520 wbps=10485760 riops=500 wiops=200 > /sys/fs/cgroup/vmrun-web/io.max && echo $$ > \
             /sys/fs/cgroup/vmrun-web/cgroup.procs && exec \"$0\" \"$@\" || exit 73' qemu-system-x86_64 "
        )
    };
    assert!(line.starts_with(&limited("MAJ:MIN")), "{line}");
    // Both are on one disk there, which is named once.
    sandbox.write(
        "web_test.rhai",
        "host(#{ platform: \"linux\", files: [\"/vm/a.img\", \"/vm/b.img\"] });\nassert_plan(recipe(\"web.rhai\"), ``);\n",
    );
    let done = sandbox.run(&["test", "--bless", "web_test.rhai"]);
    assert!(sandbox.read("web_test.rhai").contains(&limited("8:0")), "{}{}", done.stdout, done.stderr);
}
