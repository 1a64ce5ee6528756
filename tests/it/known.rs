//! Machines by name, where their recipe has parameters: what this host knows of them comes first.

use super::host::{Host, ended};
use super::sandbox::same;
use std::fs;
use std::net::TcpListener;

/// A port that nobody has.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A host whose machine `db` has a console at the port that it is given.
fn host(exits: &str) -> Host {
    let host = Host::new(exits);
    host.write(
        "db.rhai",
        "bhyve(#{ name: \"db\", memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{\n\
         \"0\": hostbridge(), \"29\": fbuf(#{ tcp: `127.0.0.1:${param(\"port\")}` }), \"31\": lpc() } }).run();\n",
    );
    host
}

#[test]
fn a_machine_that_runs_is_found_by_name_though_its_recipe_has_parameters() {
    let host = host("run\n");
    let port = port();
    let set = format!("port={port}");
    // Nothing is known yet.
    let done = host.run(&["find", "db"]);
    assert!(done.code == 1 && done.stderr.contains("the recipe needs the parameter `port`"), "{done:?}");
    ended(&host.run(&["start", "db.rhai", "--set", &set]), 0, "vmrun: db runs");
    for args in
        [&["find", "db"][..], &["find", "--all"], &["screenshot", "db", "a.png"], &["type", "db", "x"], &["vnc", "db"]]
    {
        let done = host.run(args);
        assert!(!done.stderr.contains("needs the parameter"), "{args:?} {done:?}");
        if args[0] == "find" {
            assert_eq!((done.code, done.stdout), (0, format!("db\t127.0.0.1\t127.0.0.1:{port}\n")), "{args:?}");
        }
    }
    let done = host.run(&["wait-screen", "db", "x", "--within", "100ms"]);
    assert!(!done.stderr.contains("needs the parameter"), "{done:?}");
    // From wherever it is looked for.
    let done = host.finish(host.command(&["find", "db"]).current_dir("/"));
    assert!(!done.stderr.contains("there is no recipe"), "{done:?}");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_machine_that_was_stopped_is_started_by_name_as_it_was_before() {
    let host = host("run\nrun\nrun\n");
    let (first, second) = (port(), port());
    let [one, two] = [first, second].map(|port| format!("port={port}"));
    ended(&host.run(&["start", "db.rhai", "--set", &one]), 0, "vmrun: db runs");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
    let done = host.finish(host.command(&["start", "db"]).current_dir("/"));
    ended(&done, 0, &format!("vmrun: as it was started before: db --set=port={first}\nvmrun: db runs"));
    assert_eq!(host.status("db").unwrap().params.get("port"), Some(&first.to_string()));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    // What is given counts more than what was.
    ended(&host.run(&["start", "db", "--set", &two]), 0, "vmrun: db runs");
    assert_eq!(host.status("db").unwrap().params.get("port"), Some(&second.to_string()));
    ended(&host.run(&["kill", "db"]), 0, "vmrun: db was switched off");
    // A recipe by its path is a recipe.
    let done = host.run(&["start", "db.rhai"]);
    assert!(done.code == 1 && done.stderr.contains("the recipe needs the parameter `port`"), "{done:?}");
    // Whose recipe is gone is looked for elsewhere.
    fs::remove_file(host.path("db.rhai")).unwrap();
    let done = host.run(&["start", "db"]);
    assert!(done.code == 2 && done.stderr.starts_with("error: there is no recipe of a machine db\n"), "{done:?}");
    host.is_clean();
}

#[test]
fn the_plan_of_a_machine_that_runs_is_that_of_its_next_start() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    let before = host.run(&["plan", "db.rhai"]);
    assert_eq!((before.code, before.stderr.as_str()), (0, ""));
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let done = host.run(&["plan", "db.rhai"]);
    same(
        &done.stderr,
        "
warning: db runs, and this is its plan as if it did not
 |
 = hint: what it has taken counts as given back
",
    );
    assert_eq!((done.code, done.stdout), (0, before.stdout));
    // Another recipe is in its way still.
    host.write("other.rhai", &fs::read_to_string(host.path("db.rhai")).unwrap());
    let done = host.run(&["plan", "other.rhai"]);
    assert!(done.code == 5 && done.stderr.contains("tap1 is in use by the machine db"), "{done:?}");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
    let host = self::host("run\n");
    let set = format!("port={}", port());
    ended(&host.run(&["start", "db.rhai", "--set", &set]), 0, "vmrun: db runs");
    let done = host.run(&["plan", "db.rhai", "--set", &set]);
    assert!(done.code == 0 && !done.stderr.contains("somebody does already"), "{done:?}");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
}

#[test]
fn machines_that_are_known_and_down_are_listed_where_all_are_asked_for() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    fs::create_dir(host.path("recipes")).unwrap();
    for (name, text) in [
        ("web", "bhyve(#{ name: \"web1\" }).run();\nbhyve(#{ name: \"web2\" }).run();\n"),
        ("lab", "bhyve(#{ name: param(\"name\") }).run();\n"),
        ("net", "print(1);\n"),
    ] {
        host.write(&format!("recipes/{name}.rhai"), text);
    }
    host.write("config/config.toml", "recipes = [\"[tmp]/recipes\"]\n");
    let states = |args: &[&str]| {
        let done = host.run(args);
        assert_eq!(done.code, 0, "{done:?}");
        let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        done.stdout.lines().skip(1).map(words).collect::<Vec<_>>()
    };
    let known = ["lab down", "web1 down", "web2 down"];
    assert_eq!(states(&["list", "--all"]), known);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    assert_eq!(states(&["list"]), ["db running"]);
    assert_eq!(states(&["list", "--all"]), [&["db running"][..], &known].concat());
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    assert_eq!(states(&["list"]), [""; 0]);
    assert_eq!(states(&["list", "--all"]), [&["db down"][..], &known].concat());
    let done = host.run(&["list", "--all", "--json"]);
    assert!(
        done.stdout.contains("\"state\": \"down\"") && done.stdout.contains("\"recipe\": \"[tmp]/db.rhai\""),
        "{done:?}"
    );
}
