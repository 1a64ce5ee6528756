//! Scripts that are split into several files: what they read by `.`, and programs of their own beside them.

use crate::sandbox::{Done, Sandbox, same};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// Puts the files of a script into a sandbox; those with `#!` can be run.
fn put(sandbox: &Sandbox, files: &[(String, String)]) {
    for (name, text) in files {
        let path = sandbox.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

fn record(sandbox: &Sandbox, command: &[&str]) -> Done {
    sandbox.finish(&mut sandbox.command(&[&["record", "--on", "freebsd-14.3", "--"], command].concat()))
}

const PARTS: &[(&str, &str)] = &[
    ("lib/common.sh", "load_modules() { for m; do kldstat -q -m $m || kldload $m; done; }\n"),
    (
        "lib/boot.sh",
        "boot() {\nwhile :; do\nbhyve -c 2 -m 2G -H -s 0,hostbridge -s 31,lpc -s 3,virtio-blk,$DISK -s 4,virtio-net,$TAP -l bootrom,/fw.fd $NAME\n\
         [ $? -eq 0 ] || break\ndone\nbhyvectl --vm=$NAME --destroy\n}\n",
    ),
    ("lib/net.sh", "net_up() { ifconfig $1 create up; ifconfig $2 addm $1; }\nnet_down() { ifconfig $1 destroy; }\n"),
    ("conf.d/10-name.sh", "NAME=web\n"),
    ("conf.d/20-disk.sh", "DISK=/vm/web/disk.img SIZE=8G\n"),
    ("conf.d/30-net.sh", "TAP=tap7 BRIDGE=bridge0\n"),
    ("bin/mkdisk", "#!/bin/sh\nmkdir -p \"$(dirname \"$1\")\"\n[ -f \"$1\" ] || truncate -s \"$2\" \"$1\"\n"),
    ("bin/prepare", "#!/bin/sh\n. \"$(dirname \"$0\")/paths.sh\"\n\"$(dirname \"$0\")\"/tune $RUN\n"),
    ("bin/paths.sh", "RUN=7\n"),
    ("bin/tune", "#!/bin/sh\nsysctl hw.vmm.vmexit.$1=1\n"),
];

const RECIPE: &str = "\
let disk = \"/vm/web/disk.img\";

run(\"kldload\", [\"-n\", \"vmm\"]);
run(\"kldload\", [\"-n\", \"nmdm\"]);
let nic = tap(\"tap7\");
bridge(\"bridge0\").add(nic);
run(\"mkdir\", [\"-p\", \"/vm/web\"], #{ makes: \"/vm/web\" });

if !exists(disk) {
    truncate(disk, 8.GiB);
}

run(\"sysctl\", [\"hw.vmm.vmexit.7=1\"]);

bhyve(#{
    name: \"web\", cpus: 2, memory: 2.GiB,
    exit_on_hlt: true,
    bootrom: \"/fw.fd\",
    slots: #{
        \"0\": hostbridge(),
        \"3\": virtio_blk(disk),
        \"4\": virtio_net(nic),
        \"31\": lpc(),
    },
}).run();
";

#[test]
fn a_script_of_ten_files_is_one_recipe() {
    let heads = [
        ("sh", "here=$(dirname \"$(realpath \"$0\")\")", "."),
        ("sh", "cd \"$(dirname \"$0\")\" || exit 1\nhere=.", "."),
        ("bash", "here=\"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\"", "source"),
    ];
    for (shell, here, reads) in heads {
        let sandbox = Sandbox::new();
        let main = format!(
            "#!/usr/bin/env {shell}\n{here}\nfor f in common net boot; do {reads} \"$here/lib/$f.sh\"; done\n\
             for f in \"$here\"/conf.d/*.sh; do [ -r \"$f\" ] && {reads} \"$f\"; done\n\
             load_modules vmm nmdm\nnet_up $TAP $BRIDGE\n\"$here/bin/mkdisk\" \"$DISK\" \"$SIZE\"\n\"$here/bin/prepare\"\nboot\nnet_down $TAP\n"
        );
        let parts = PARTS.iter().map(|(name, text)| (format!("vm/{name}"), (*text).to_string()));
        put(&sandbox, &parts.chain([("vm/vm.sh".to_string(), main)]).collect::<Vec<_>>());
        let done = record(&sandbox, &["vm/vm.sh"]);
        assert_eq!(done.code, 0, "{here}\n{}{}", done.stderr, done.stdout);
        same(done.stderr.lines().last().unwrap(), "vmrun: same machine, same commands");
        same(done.stdout.split_once("\n\n").unwrap().1, RECIPE);
    }
}

#[test]
fn a_script_of_two_hundred_files_is_one_recipe() {
    let sandbox = Sandbox::new();
    let all = 1..=100;
    let reads: String = all.clone().map(|n| format!(". $here/lib/part{n}.sh\n")).collect();
    let calls: String = all.clone().map(|n| format!("step{n}\n")).collect();
    let main = format!(
        "#!/bin/sh\nhere=${{0%/*}}\n{reads}{calls}bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a\n"
    );
    let part = |n: u32| (format!("vm/lib/part{n}.sh"), format!("step{n}() {{ $here/bin/step{n}; }}\n"));
    let step = |n: u32| (format!("vm/bin/step{n}"), format!("#!/bin/sh\nsysctl vm.x{n}={n}\n"));
    let files: Vec<_> = all.clone().map(part).chain(all.clone().map(step)).chain([("vm/vm.sh".into(), main)]).collect();
    put(&sandbox, &files);
    let done = record(&sandbox, &["vm/vm.sh"]);
    assert_eq!(done.code, 0, "{}{}", done.stderr, done.stdout);
    same(&done.stderr, "vmrun: same machine, same commands");
    let body = done.stdout.split_once("\n\n").unwrap().1.split("\n\nbhyve(").next().unwrap();
    let expected: Vec<String> = all.map(|n| format!("run(\"sysctl\", [\"vm.x{n}={n}\"]);")).collect();
    same(body, &expected.join("\n"));
}
