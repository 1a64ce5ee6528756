//! Recipes that are executable: `#!/usr/bin/env vmrun` is their first line.

use super::host::Host;
use super::sandbox::{Done, Sandbox, same};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// A host with an executable recipe of a name, and vmrun in PATH.
fn host(name: &str) -> Host {
    let host = Host::new("1\n");
    symlink(env!("CARGO_BIN_EXE_vmrun"), host.path("bin/vmrun")).unwrap();
    let recipe = "\
#!/usr/bin/env vmrun
// A web server.
let memory = param(\"memory\", 256.MiB);
if init { truncate(\"[tmp]/vm/web.img\", 1.MiB); }
bhyve(#{ name: \"web\", cpus: 1, memory: memory, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{
    \"0\": hostbridge(), \"4\": virtio_blk(\"[tmp]/vm/web.img\"), \"31\": lpc(),
} }).run();
";
    host.write(name, recipe);
    fs::set_permissions(host.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    host
}

fn sh(host: &Host, line: &str) -> Done {
    host.finish(&mut host.program("sh", &["-c", line]))
}

#[test]
fn a_recipe_is_run_by_its_own_path_with_the_options_of_a_run() {
    let host = host("web.rhai");
    let done = sh(&host, "./web.rhai --init --set memory=512M");
    assert_eq!((done.code, done.stderr.as_str(), done.stdout.as_str()), (0, "", ""));
    let bhyve = "bhyve -c 1 -m 512M -s 0,hostbridge -s 4,virtio-blk,[tmp]/vm/web.img -s 31,lpc -l \
                 bootrom,[tmp]/vm/rom.fd web";
    assert!(host.calls().contains(bhyve), "{}", host.calls());
    assert_eq!(fs::metadata(host.path("vm/web.img")).unwrap().len(), 1 << 20);
}

#[test]
fn its_help_is_that_of_the_recipe_whatever_it_is_called() {
    for name in ["web.rhai", "web"] {
        let done = sh(&host(name), &format!("./{name} --help"));
        let page = format!(
            "A web server.\n\nUsage: vmrun ./{name} [--init] [--set NAME=VALUE]…\n\nParameters:\n  --set memory=…  (256.MiB)\n"
        );
        assert_eq!((done.code, done.stdout, done.stderr.as_str()), (0, page, ""));
    }
}

#[test]
fn a_first_line_for_the_kernel_is_no_mistake_and_places_stay() {
    let sandbox = Sandbox::new();
    sandbox.write("net.rhai", "#!/usr/bin/env -S vmrun plan\n//! Networks.\n/// A tap.\nfn card() { tap(\"tap7\") }\n");
    sandbox.write("lab.rhai", "#!/usr/local/bin/vmrun\nimport \"./net\" as net;\nnet::card();\ntap(\"tap8\");\n");
    let plan = sandbox.run(&["plan", "--places", "lab.rhai"]);
    same(
        &plan.stdout,
        "
umask 026
# net.rhai:4:13
ifconfig tap7 create
ifconfig tap7 group vmrun description vmrun:lab up
# lab.rhai:4:1
ifconfig tap8 create
ifconfig tap8 group vmrun description vmrun:lab up
# given back when the run ends:
ifconfig tap8 destroy
ifconfig tap7 destroy
",
    );
    let done = sandbox.run(&["check", "lab.rhai", "net.rhai"]);
    same(&done.stderr, "vmrun: nothing is wrong with 1 recipe and 1 library, after 2 rehearsals");

    sandbox.write("net.rhai", "#!/usr/bin/env vmrun\nfn card() { tap(\"tap7\") }\nfn other( { }\n");
    let done = sandbox.run(&["check", "net.rhai"]);
    same(
        &done.stderr,
        "
error: the `(` of line 3 is not closed
 --> net.rhai:3:11
  |
3 | fn other( { }
  |           ^^^
  |
  = hint: close it by `)`
error: 1 fault found in 1 file
",
    );
}

#[test]
fn a_test_of_recipes_may_be_executable_too() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.rhai", "#!/usr/bin/env vmrun\ntap(\"tap8\");\n");
    sandbox.write(
        "lab_test.rhai",
        "#!/usr/bin/env -S vmrun test\nfn test_tap() {\n    host(#{});\n    assert(1 == 2);\n}\n",
    );
    let done = sandbox.run(&["test", "lab_test.rhai"]);
    assert!(done.stdout.contains("error: it is not so\n --> lab_test.rhai:4:5\n"), "{done:?}");
}
