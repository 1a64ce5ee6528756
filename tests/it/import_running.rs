//! `vmrun import --all --running`: what runs on a host, with what can be found out of it.

use crate::golden;
use crate::sandbox::{Done, Running, Sandbox, same};
use std::fs;

/// A host whose guests run until they are ended.
fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("fake/exits", "run\nrun\nrun\nrun\n");
    sandbox.write("rc.conf", "vm_enable=\"YES\"\nvm_dir=\"[tmp]/vm\"\n");
    for name in ["vm/rom.fd", "vm/a.img", "vm/extra.img", "vm/own.img"] {
        fs::write(sandbox.path(name), [0; 4096]).unwrap();
    }
    sandbox
}

/// Starts a bhyve, and waits until its title hides its command line.
fn bhyve<'a>(sandbox: &'a Sandbox, name: &str, args: &str) -> Running<'a> {
    let args = sandbox.own(args);
    let words: Vec<&str> = args.split(' ').chain([name]).collect();
    let mut guest = sandbox.start_program("bhyve", &words);
    let title = format!("bhyve: {name} (bhyve)");
    guest.until("its title", |sandbox| {
        let shown = sandbox.program("ps", &["-axww", "-o", "command="]).output().unwrap();
        String::from_utf8_lossy(&shown.stdout).contains(&title)
    });
    guest
}

fn import(sandbox: &Sandbox, more: &[&str]) -> Done {
    let args = ["import", "--all", "--running", "--rc-conf", "rc.conf", "--out", "out", "--on", "freebsd-14"];
    sandbox.finish(&mut sandbox.command(&[&args, more].concat()))
}

/// The files of the folder that was written, with what is in them.
fn written(sandbox: &Sandbox) -> Vec<(String, String)> {
    let names = sandbox.names("out");
    names.into_iter().map(|name| (name.clone(), sandbox.read(&format!("out/{name}")))).collect()
}

#[test]
fn what_runs_becomes_these_files_and_a_second_import_changes_nothing() {
    let sandbox = host();
    fs::create_dir_all(sandbox.path("vm/db")).unwrap();
    fs::create_dir_all(sandbox.path("vm/.config")).unwrap();
    fs::write(sandbox.path("vm/db/disk0.img"), [0; 4096]).unwrap();
    sandbox.write("vm/.config/system.conf", "switch_list=\"lan\"\ntype_lan=\"standard\"\n");
    sandbox.write(
        "vm/db/db.conf",
        "loader=\"uefi\"\ncpu=1\nmemory=512M\nuuid=\"6f1f3ba0-7c1c-11f0-9c59-0800200c9a66\"\ndisk0_type=virtio-blk\n\
         disk0_name=disk0.img\ndisk0_dev=file\n",
    );
    sandbox.write(
        "own.rhai",
        "bhyve(#{ name: \"own\", bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"4\": virtio_blk(\"[tmp]/vm/own.img\"), \"31\": lpc() } }).run();\n",
    );
    assert!(sandbox.shell("ifconfig tap1 create up && ifconfig bridge2 addm tap1").status().unwrap().success());
    let rom = "-s 0,hostbridge -s 31,lpc -l bootrom,[tmp]/vm/rom.fd";
    let _web = bhyve(
        &sandbox,
        "web",
        &format!(
            "-c 2 -m 256M -s 4,virtio-blk,[tmp]/vm/a.img -s 6,virtio-net,tap1 -s 29,fbuf,tcp=127.0.0.1:5907 {rom}"
        ),
    );
    let _db = bhyve(
        &sandbox,
        "db",
        &format!("-m 512M -s 4,virtio-blk,[tmp]/vm/db/disk0.img -s 5,virtio-blk,[tmp]/vm/extra.img {rom}"),
    );
    let mut own = sandbox.start(&["own.rhai"]);
    own.until("its guest", |sandbox| {
        let shown = sandbox.program("ps", &["-axww", "-o", "command="]).output().unwrap();
        String::from_utf8_lossy(&shown.stdout).contains("bhyve: own (bhyve)")
    });
    fs::write(sandbox.path("fake/vmm/gone"), "").unwrap();
    let done = import(&sandbox, &[]);
    same(
        &done.stderr,
        "
vmrun: 1 of 3: vmrun's own; 1 of 3: in part, to be finished; 1 of 3: another machine (what runs)
vmrun: what to do next is in out/REPORT.md
error: web: in part, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: db: another machine
 |
 = hint: see [tmp]/out/REPORT.md
",
    );
    assert_eq!(done.code, 1);
    let first = written(&sandbox);
    golden::check(
        first
            .iter()
            .filter(|(name, _)| name != ".vmrun-import" && name != "report.json")
            .map(|(name, text)| (format!("tests/fixtures/import/running/{name}"), text.clone())),
    );
    import(&sandbox, &[]);
    assert_eq!(written(&sandbox), first);
    // What is edited stays.
    let edited = format!("// mine\n{}", sandbox.read("out/web.rhai"));
    sandbox.write("out/web.rhai", &edited);
    import(&sandbox, &[]);
    assert_eq!(sandbox.read("out/web.rhai"), edited);
    let report = sandbox.read("out/REPORT.md");
    assert!(report.contains("`web.rhai` was changed by hand, and stays as it is.\n"), "{report}");
    let done = sandbox.run(&["check", "--on", "freebsd-14", "out"]);
    same(&done.stderr, "vmrun: nothing is wrong with 3 recipes, after 8 rehearsals\n");
}

#[test]
fn a_host_on_which_nothing_runs_is_told() {
    let sandbox = host();
    same(
        &import(&sandbox, &[]).stderr,
        "
error: nothing runs here that is to be seen
 |
 = hint: start the guests before, and ask as root, who sees the processes of everybody
",
    );
    assert!(!sandbox.path("out").exists());
}

#[test]
fn a_qemu_of_linux_tells_its_whole_command_line() {
    let sandbox = host();
    let line = "exec -a qemu-system-x86_64 sh -c 'sleep 30; :' -name only-of-this-test,debug-threads=on -m 1G -smp 2 \
                -drive 'file=/vm/a b.img,format=raw,if=virtio' -nic tap,ifname=tap3,model=virtio-net-pci";
    let mut guest = sandbox.start_program("bash", &["-c", line]);
    guest.until("its command line", |sandbox| {
        let mut command = sandbox.command(&["import", "--all", "--running", "--out", "out", "--on", "freebsd-14"]);
        // Others' machines are on this host too.
        assert_eq!(sandbox.finish(command.env("VMRUN_PLATFORM", "linux")).code, 1);
        sandbox.path("out/only-of-this-test.rhai").exists()
    });
    let recipe = sandbox.read("out/only-of-this-test.rhai");
    same(
        &recipe,
        "
// Made from a command line of QEMU.
// QEMU's places of devices mean nothing to bhyve: they are at places of its own
// line 1, -c: bhyve has no such option, and it is left out

let disk = \"/vm/a b.img\";

let nic = tap(\"tap3\");
// bridge(\"bridge0\").add(nic);  // to which bridge does it belong?

bhyve(#{
    name: \"only-of-this-test\", cpus: 2, memory: 1.GiB,
    strict_msr: false, exit_on_hlt: true, acpi: true, localtime: false,
    // to be finished: QEMU boots the guest by a BIOS, and bhyve by UEFI: the disk needs a boot loader for
    // UEFI
    bootrom: uefi(),
    slots: #{
        \"0\": hostbridge(),
        \"3\": virtio_blk(disk),
        \"4\": virtio_net(nic, #{ mac: \"52:54:00:12:34:56\" }),
        \"31\": lpc(),
    },
}).run();
",
    );
}
