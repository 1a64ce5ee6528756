//! Who may do what with the files that a recipe makes: its script's umask says so, and its modes.

use crate::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const BHYVE: &str = "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

/// What stands in the recipe of a proved script between its first lines and its machine.
fn body(script: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.write("s.sh", &format!("#!/bin/sh\n{script}\n"));
    let done = sandbox.finish(&mut sandbox.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]));
    let same = "vmrun: same machine, same commands\n";
    assert!(done.code == 0 && done.stderr.ends_with(same), "{script}\n{}{}", done.stderr, done.stdout);
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    text.split("\nbhyve(#{").next().unwrap().trim().to_string()
}

#[test]
fn the_umask_of_a_script_is_that_of_its_recipe() {
    let cases = [
        (
            format!(
                "umask 077\ntruncate -s 1G /vm/a.img\necho x > /vm/b\n{BHYVE} -s 3,virtio-blk,/vm/a.img -s 4,virtio-blk,/vm/b a"
            ),
            "let disk = \"/vm/a.img\";\n\numask(\"077\");\ntruncate(disk, 1.GiB);\nwrite_file(\"/vm/b\", \"x\\n\", #{ mode: \"600\" });",
        ),
        // What was written before has what was said before, and what is written by it has nothing to say.
        (
            format!(
                "echo x > /vm/a\numask 007\necho y > /vm/b\nmkdir /vm/d\numask 022\necho z > /vm/c\nchown u /vm/c\n\
                 {BHYVE} -s 3,virtio-blk,/vm/a -s 4,virtio-blk,/vm/b -s 5,virtio-blk,/vm/c a"
            ),
            "umask(\"007\");\nrun(\"mkdir\", [\"-p\", \"/vm/d\"], #{ makes: \"/vm/d\" });\numask(\"022\");\nwrite_file(\"/vm/c\", \"z\\n\");\n\
             run(\"chown\", [\"u\", \"/vm/c\"]);\nwrite_file(\"/vm/a\", \"x\\n\");\nwrite_file(\"/vm/b\", \"y\\n\", #{ mode: \"660\" });",
        ),
        (
            format!("(umask 027; echo x > /vm/a)\n(umask 077; mkdir /vm/k)\n{BHYVE} -s 3,virtio-blk,/vm/a a"),
            "umask(\"077\");\nrun(\"mkdir\", [\"-p\", \"/vm/k\"], #{ makes: \"/vm/k\" });\numask(\"022\");\nwrite_file(\"/vm/a\", \"x\\n\", #{ mode: \"640\" });",
        ),
        // The sockets of bhyve have it too, and that of a run is not said.
        (format!("umask 007\n{BHYVE} a"), "umask(\"007\");"),
        (
            format!("umask 026\ntruncate -s 1G /vm/a\n{BHYVE} -s 3,virtio-blk,/vm/a a"),
            "let disk = \"/vm/a\";\n\ntruncate(disk, 1.GiB);",
        ),
        (
            format!("echo x > /vm/a\nchmod 640 /vm/a\n{BHYVE} -s 3,virtio-blk,/vm/a a"),
            "write_file(\"/vm/a\", \"x\\n\", #{ mode: \"640\" });",
        ),
        // Those who go on have the masks of their boots.
        (
            format!(
                "umask 077\nwhile :; do\ntruncate -s 1M /vm/scratch\n{BHYVE} -s 3,virtio-blk,/vm/scratch a\n[ $? -eq 0 ] || break\ndone"
            ),
            "let disk = \"/vm/scratch\";\n\numask(\"077\");\ntruncate(disk, 1.MiB);",
        ),
    ];
    for (script, expected) in cases {
        same(
            &body(&format!("mkdir -p /vm\n{script}")).replacen(
                "run(\"mkdir\", [\"-p\", \"/vm\"], #{ makes: \"/vm\" });\n",
                "",
                1,
            ),
            expected,
        );
    }
}

#[test]
fn files_of_a_recipe_have_the_modes_that_its_script_gives_them() {
    let script = "#!/bin/sh\numask 027\nmkdir made\ntruncate -s 1M made/a.img\numask 077\ntruncate -s 1M b.img\n\
                  echo x > conf\n(umask 002; mkdir ours; echo y > ours/shared)\n\
                  bhyve -c 1 -m 512M -H -s 0,hostbridge -s 31,lpc -s 3,virtio-blk,$PWD/made/a.img -s 4,virtio-blk,$PWD/b.img \
                  -s 5,virtio-blk,$PWD/conf -s 6,virtio-blk,$PWD/ours/shared -l bootrom,$PWD/vm/rom.fd guest\n[ $? -eq 1 ]\n";
    let host = || {
        let sandbox = Sandbox::new();
        sandbox.write("s.sh", script);
        sandbox.write("fake/exits", "1\n");
        fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
        sandbox
    };
    let (ran, made) = (host(), host());
    let recorded = made.finish(&mut made.command(&["record", "--on", "freebsd-14.3", "--", "sh", "s.sh"]));
    assert_eq!(recorded.code, 0, "{}{}", recorded.stderr, recorded.stdout);
    made.write("made.rhai", &recorded.stdout);
    let done = (ran.finish(&mut ran.shell("umask 022; sh s.sh")), made.run(&["made.rhai"]));
    assert_eq!((done.0.code, done.1.code), (0, 0), "{}{}\n{}", done.0.stderr, done.1.stderr, recorded.stdout);
    let modes = |sandbox: &Sandbox| {
        let names = ["made/a.img", "b.img", "conf", "ours/shared", "made", "ours"];
        names.map(|name| format!("{name} {:o}", fs::metadata(sandbox.path(name)).unwrap().permissions().mode() & 0o777))
    };
    assert_eq!(modes(&ran), modes(&made), "{}", recorded.stdout);
    assert_eq!(modes(&ran), ["made/a.img 640", "b.img 600", "conf 600", "ours/shared 664", "made 750", "ours 775"]);
}
