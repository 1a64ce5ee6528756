//! Commands that only ask, where a recipe is only planned: who does not own it hears of them before they are run.

use super::sandbox::{Sandbox, same};
use std::os::unix::fs::chown;

const RECIPE: &str = "print(query(\"sh\", [\"-c\", \"echo $((6 * 7)) | tee asked\"]).trim());\n";

fn host() -> Sandbox {
    let host = Sandbox::new();
    host.write("lab.rhai", RECIPE);
    host
}

#[test]
fn what_ones_own_recipe_asks_is_asked_without_a_word() {
    let host = host();
    let done = host.run(&["plan", "lab.rhai"]);
    same(&done.stderr, "");
    assert_eq!((done.code, host.read("asked").as_str()), (0, "42\n"));
}

#[test]
fn what_somebody_elses_recipe_asks_is_told_before_it_is_asked() {
    let host = host();
    if chown(host.path("lab.rhai"), Some(54321), None).is_err() {
        return;
    }
    let said = "vmrun: the recipe, which is user 54321's, asks by running `sh -c 'echo $((6 * 7)) | tee asked'`\n";
    for command in ["plan", "network up", "network down"] {
        let args: Vec<&str> = command.split(' ').chain(["lab.rhai"]).collect();
        let done = host.run(&args);
        assert!(done.stderr.starts_with(said), "{command}: {done:?}");
    }
    let done = host.run(&["image", "verify", "vm/none.img", "lab.rhai"]);
    assert!(done.stderr.starts_with(said), "{done:?}");
}

#[test]
fn a_plan_without_queries_runs_nothing_and_names_what_it_has_not_run() {
    let host = host();
    let done = host.run(&["plan", "--no-query", "lab.rhai"]);
    assert!(!host.path("asked").exists());
    same(
        &done.stderr,
        "

warning: `sh -c 'echo $((6 * 7)) | tee asked'` is not run, and has answered nothing
 --> lab.rhai:1:13
  |
1 | print(query(\"sh\", [\"-c\", \"echo $((6 * 7)) | tee asked\"]).trim());
  |             ^^^^
  |
  = hint: without --no-query it is run
",
    );
    assert_eq!(done.code, 0);
}

#[test]
fn what_a_library_asks_is_told_before_it_is_asked() {
    let host = Sandbox::new();
    std::fs::create_dir(host.path("team")).unwrap();
    host.write("vmrun.toml", "[lib.team]\npath = \"team\"\n");
    host.write("team/lib.rhai", "fn cores() { query(\"sysctl\", [\"-n\", \"hw.ncpu\"]) }\n");
    host.write("lab.rhai", "import \"team\" as team;\nallow(#{ run: [\"sysctl\"] });\nteam::cores();\n");
    let done = host.run(&["plan", "lab.rhai"]);
    let first = done.stderr.lines().next().unwrap_or_default();
    assert_eq!(first, "vmrun: the library `team` asks by running `sysctl -n hw.ncpu`", "{done:?}");
}

#[test]
fn no_command_is_run_by_what_only_looks_where_none_may_be() {
    let host = host();
    let warning = "warning: `sh -c 'echo $((6 * 7)) | tee asked'` is not run, and has answered nothing
 --> lab.rhai:1:13
  |
1 | print(query(\"sh\", [\"-c\", \"echo $((6 * 7)) | tee asked\"]).trim());
  |             ^^^^
  |
  = hint: without --no-query it is run
";
    for command in ["network up", "network down"] {
        let args: Vec<&str> = command.split(' ').chain(["--no-query", "lab.rhai"]).collect();
        let done = host.run(&args);
        same(&done.stderr, &format!("\n\n{warning}"));
        assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{command}");
        assert!(!host.path("asked").exists(), "{command}");
    }
    let done = host.run(&["image", "verify", "--no-query", "vm/none.img", "lab.rhai"]);
    let refused = "error: lab.rhai writes no image\n |\n = hint: it is asked what it does with --init; an image is written by ipxe_image or \
                   cloud_seed\n";
    same(&done.stderr, &format!("\n{warning}{refused}"));
    assert_eq!(done.code, 1);
    assert!(!host.path("asked").exists());
}
