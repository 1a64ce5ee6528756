//! `vmrun plan --diff`: what has changed of a machine since it was started.

use super::host::Host;
use super::sandbox::{Done, same};

/// A host on which a machine runs in the background, with a parameter.
fn host() -> Host {
    let host = Host::new("run\n");
    write(&host, "4", "256M");
    assert_eq!(host.run(&["start", "web.rhai", "--set", "disk=a"]).code, 0);
    host
}

fn write(host: &Host, slot: &str, memory: &str) {
    for disk in ["a", "b"] {
        std::fs::write(host.path(&format!("vm/{disk}.img")), [0; 4096]).unwrap();
    }
    host.write(
        "web.rhai",
        &format!(
            "let disk = param(\"disk\", \"b\");\nbhyve(#{{ name: \"web\", memory: \"{memory}\", bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{{\n\
             \"{slot}\": virtio_blk(`[tmp]/vm/${{disk}}.img`), \"31\": lpc(),\n}} }}).run();\n"
        ),
    );
}

/// Compares, with the time of the start taken away.
fn diff(host: &Host, args: &[&str]) -> Done {
    let mut done = host.run(&[&["plan", "--diff"], args].concat());
    if let Some((head, rest)) = done.stdout.split_once("as it runs since ") {
        done.stdout = format!("{head}as it runs{}", &rest["2026-11-29 10:00:00 UTC".len()..]);
    }
    done
}

#[test]
fn a_machine_that_runs_as_its_recipe_has_it_does_not_differ() {
    let host = host();
    for asked in ["web", "web.rhai"] {
        let done = diff(&host, &[asked]);
        let said = "vmrun: web runs as [tmp]/web.rhai has it now\n";
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", said));
    }
    assert_eq!(host.run(&["stop", "web"]).code, 0);
    let done = diff(&host, &["web"]);
    same(
        &done.stderr,
        "
error: no machine web runs here
 |
 = hint: `vmrun list` tells what runs; `vmrun plan RECIPE` shows what a start would do
",
    );
    assert_eq!((done.code, done.stdout.as_str()), (8, ""));
}

#[test]
fn what_a_recipe_has_otherwise_by_now_is_told_device_by_device() {
    let host = host();
    write(&host, "5", "512M");
    let done = diff(&host, &["web"]);
    same(
        &done.stdout,
        "
--- web, as it runs
+++ [tmp]/web.rhai, as it would be started now
  --set disk=a
  bhyve
  -c 1
- -m 256M
- -s 4,virtio-blk,[tmp]/vm/a.img
+ -m 512M
+ -s 5,virtio-blk,[tmp]/vm/a.img
  -s 31,lpc
  -l bootrom,[tmp]/vm/rom.fd
  web
",
    );
    assert_eq!((done.code, done.stderr.as_str()), (1, ""));

    // A parameter that is given counts in the place of that of the start.
    write(&host, "4", "256M");
    let done = diff(&host, &["web", "--set", "disk=b"]);
    same(
        &done.stdout,
        "
--- web, as it runs
+++ [tmp]/web.rhai, as it would be started now
- --set disk=a
+ --set disk=b
  bhyve
  -c 1
  -m 256M
- -s 4,virtio-blk,[tmp]/vm/a.img
+ -s 4,virtio-blk,[tmp]/vm/b.img
  -s 31,lpc
  -l bootrom,[tmp]/vm/rom.fd
  web
",
    );
    assert_eq!(done.code, 1);
    let json: serde_json::Value = serde_json::from_str(&diff(&host, &["web", "--json"]).stdout).unwrap();
    assert_eq!(
        (&json["name"], &json["differs"], &json["lines"][0]["sign"]),
        (&"web".into(), &false.into(), &" ".into())
    );

    // The recipe boots another machine by now.
    host.write("web.rhai", &host.own(&host.read("web.rhai")).replace("\"web\"", "\"other\""));
    let done = diff(&host, &["web"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("error: [tmp]/web.rhai boots no machine web now\n"), "{}", done.stderr);
    assert_eq!(host.run(&["stop", "web"]).code, 0);
}
