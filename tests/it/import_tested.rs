//! `vmrun import --with-test`: a test beside the recipe, which `vmrun test` finds and passes.

use crate::datastore;
use crate::sandbox::{Sandbox, same};
use std::fs;

const LINE: &str = "bhyve -c 2 -m 1G -s 0,hostbridge -s 4,virtio-blk,/vm/a.img -s 5,virtio-net,tap1 -s 6,virtio-net,web0,type=tap \
                    -s 29,fbuf,tcp=10.0.0.5:5901,password=hunter2 -s 31,lpc -l bootrom,/vm/rom.fd web\nifconfig bridge2 addm tap1\n";

/// Runs tests, and returns what is said of them but for how long they took.
fn test(sandbox: &Sandbox, path: &str) -> String {
    let done = sandbox.finish(&mut sandbox.command(&["test", path]));
    done.stdout.split("; finished in ").next().unwrap().to_string() + done.stderr.as_str()
}

#[test]
fn a_recipe_has_a_test_beside_it_that_passes_until_it_is_changed() {
    let sandbox = Sandbox::new();
    sandbox.write("a.sh", LINE);
    let import = || {
        sandbox.finish(&mut sandbox.command(&[
            "import",
            "a.sh",
            "--out",
            "web.rhai",
            "--with-test",
            "--on",
            "freebsd-14",
        ]))
    };
    let done = import();
    assert_eq!(done.code, 0, "{}", done.stderr);
    same(
        &sandbox.read("web_test.rhai"),
        "
// What web.rhai does, as it was written: `vmrun test` compares it.

fn test_the_plan() {
    host(#{
        release: \"14.5\",
        interfaces: #{ bridge2: \"bridge\", if50001: \"10.0.0.5/24\", web0: \"tap\" },
        files: #{ \"/vm/a.img\": 1.GiB, \"/vm/rom.fd\": 1.GiB },
        secrets: #{ vnc: \"password\" },
    });
    assert_plan(recipe(\"web.rhai\"), `
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:web up
ifconfig bridge2 addm tap1
mkdir -p /var/run/vmrun
install -m 600 /dev/stdin /var/run/vmrun/.web.secrets <<'EOF'
pci.0.29.0.password=***
EOF
bhyve -c 2 -m 1G -s 0,hostbridge -s 4,virtio-blk,/vm/a.img -s 5,virtio-net,tap1 -s 6,virtio-net,web0,type=tap -s 29,fbuf,tcp=10.0.0.5:5901 -k /var/run/vmrun/.web.secrets -s 31,lpc -l bootrom,/vm/rom.fd web
# the guest powered off
bhyvectl --destroy --vm=web
ifconfig tap1 destroy
`);
}
",
    );
    let passed = "running 1 test\ntest web_test.rhai: test_the_plan ... ok\n\ntest result: ok. 1 passed; 0 failed";
    assert_eq!(test(&sandbox, ".").trim_end(), passed);
    let changed = sandbox.read("web.rhai").replace("1.GiB", "2.GiB");
    sandbox.write("web.rhai", &changed);
    assert!(test(&sandbox, ".").contains("0 passed; 1 failed"));
    fs::remove_file(sandbox.path("web.rhai")).unwrap();
    let done = import();
    same(
        &done.stderr,
        "
error: web_test.rhai is there already
 |
 = hint: choose another path, or remove it
",
    );
    assert!(done.code == 2 && !sandbox.path("web.rhai").exists());
}

#[test]
fn every_recipe_of_a_datastore_has_a_test_that_passes() {
    let sandbox = Sandbox::new();
    datastore::make(&sandbox.path("vm"), 10);
    sandbox.write("rc.conf", "");
    let args = [
        "import",
        "--all",
        "vm",
        "--datastore",
        "/vm",
        "--rc-conf",
        "rc.conf",
        "--out",
        "out",
        "--with-test",
        "--on",
        "freebsd-14",
    ];
    let import = || sandbox.finish(&mut sandbox.command(&args));
    let everything = || {
        let names = sandbox.names("out");
        names.into_iter().map(|name| sandbox.read(&format!("out/{name}"))).collect::<Vec<_>>()
    };
    let done = import();
    assert!(
        done.stderr.starts_with("vmrun: 9 of 10: same machine; 1 of 10: same machine, to be finished"),
        "{}",
        done.stderr
    );
    assert!(test(&sandbox, "out").ends_with("test result: ok. 10 passed; 0 failed"), "{}", test(&sandbox, "out"));
    let first = everything();
    import();
    assert_eq!(everything(), first);
    // Who changes a recipe has its test as it was, and is told of none that is left.
    let edited = format!("// mine\n{}", sandbox.read("out/g1.rhai"));
    sandbox.write("out/g1.rhai", &edited);
    let before = sandbox.read("out/g1_test.rhai");
    let done = import();
    assert!(!done.stderr.contains("earlier import"), "{}", done.stderr);
    assert_eq!((sandbox.read("out/g1.rhai"), sandbox.read("out/g1_test.rhai")), (edited, before));
    assert!(sandbox.read("out/REPORT.md").contains("\n`g2_test.rhai` compares its plan from now on.\n"));
}
