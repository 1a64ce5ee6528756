//! `vmrun check`: what it prints, in which form, and what its exit code says.

use super::sandbox::{Done, Sandbox, project, same};
use std::fs;

/// Two recipes that want one tap, one that nothing is wrong with, a library, and what is no recipe.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["recipes", "recipes/lib", "recipes/.hidden"] {
        fs::create_dir(sandbox.path(name)).unwrap();
    }
    let recipe = |name: &str, tap: &str| {
        format!(
            "let nic = tap(\"{tap}\");\nbhyve(#{{\n    name: \"{name}\", bootrom: uefi(),\n    \
             slots: #{{ \"5\": virtio_net(nic), \"31\": lpc() }},\n}}).run();\n"
        )
    };
    sandbox.write("recipes/db.rhai", &recipe("db", "tap1"));
    sandbox.write("recipes/mail.rhai", &recipe("mail", "tap2"));
    sandbox.write("recipes/web.rhai", &recipe("web", "tap1"));
    sandbox.write("recipes/lib/disks.rhai", "/// Makes a disk.\nfn make(path) {\n    truncate(path, 1.GiB);\n}\n");
    sandbox.write("recipes/.hidden/old.rhai", "brigde();\n");
    sandbox.write("recipes/notes.txt", "brigde();\n");
    sandbox
}

fn check(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.finish(&mut sandbox.command(&[&["check"], args].concat()))
}

#[test]
fn a_folder_with_nothing_wrong_is_told_in_one_line() {
    let sandbox = folder();
    fs::remove_file(sandbox.path("recipes/web.rhai")).unwrap();
    let done = check(&sandbox, &["recipes"]);
    same(&done.stderr, "vmrun: nothing is wrong with 2 recipes and 1 library, after 6 rehearsals");
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
}

#[test]
fn two_recipes_that_want_the_same_are_shown_with_both_places() {
    let done = check(&folder(), &[]);
    same(
        &done.stderr,
        "
error: `db` is plugged into tap1 too
 --> recipes/web.rhai:4:31
  |
4 |     slots: #{ \"5\": virtio_net(nic), \"31\": lpc() },
  |                               ^^^
  |
 ::: recipes/db.rhai:4:31
  |
4 |     slots: #{ \"5\": virtio_net(nic), \"31\": lpc() },
  |                               --- here first
  |
  = hint: give each card a tap of its own
error: 1 fault found in 4 files
",
    );
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
}

#[test]
fn what_only_looks_wrong_is_a_warning_and_fails_all_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.rhai", "let disk = \"/vm/lab.img\";\ntap(\"tap1\");\n");
    let done = check(&sandbox, &["lab.rhai"]);
    same(
        &done.stderr,
        "
warning: the variable `disk` is never read
 --> lab.rhai:1:5
  |
1 | let disk = \"/vm/lab.img\";
  |     ^^^^
  |
  = hint: remove it, or call it `_disk` if that is meant
error: 1 fault found in 1 file
",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn programs_read_findings_as_json() {
    let done = check(&folder(), &["--json", "recipes/db.rhai", "recipes/web.rhai"]);
    same(
        &done.stdout,
        r#"
{
  "files": 2,
  "findings": [
    {
      "hint": "give each card a tap of its own",
      "message": "`db` is plugged into tap1 too",
      "place": {
        "column": 31,
        "end_column": 34,
        "end_line": 4,
        "file": "recipes/web.rhai",
        "line": 4
      },
      "related": [
        {
          "label": "here first",
          "place": {
            "column": 31,
            "end_column": 34,
            "end_line": 4,
            "file": "recipes/db.rhai",
            "line": 4
          }
        }
      ],
      "rule": "shared",
      "severity": "error"
    }
  ]
}
"#,
    );
    assert_eq!((done.code, done.stderr.as_str()), (1, "error: 1 fault found in 2 files\n"));
    let whole = check(&folder(), &["--format", "json", "recipes/db.rhai"]);
    same(&whole.stdout, "{\n  \"files\": 1,\n  \"findings\": []\n}");
    assert_eq!(whole.code, 0);
}

#[test]
fn forges_read_findings_as_sarif() {
    let sandbox = folder();
    sandbox.write("my recipe.rhai", "tpa(\"tap1\");\n");
    let done = check(&sandbox, &["--format", "sarif", "my recipe.rhai", "recipes/db.rhai", "recipes/web.rhai"]);
    let log: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(run["tool"]["driver"]["name"], "vmrun");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    same(
        &format!("{:#}", run["results"]),
        r#"
[
  {
    "level": "error",
    "locations": [
      {
        "physicalLocation": {
          "artifactLocation": {
            "uri": "my%20recipe.rhai"
          },
          "region": {
            "endColumn": 4,
            "endLine": 1,
            "startColumn": 1,
            "startLine": 1
          }
        }
      }
    ],
    "message": {
      "text": "there is no function `tpa`\ndid you mean `tap`?"
    },
    "ruleId": "unknown-name",
    "ruleIndex": 1
  },
  {
    "level": "error",
    "locations": [
      {
        "physicalLocation": {
          "artifactLocation": {
            "uri": "recipes/web.rhai"
          },
          "region": {
            "endColumn": 34,
            "endLine": 4,
            "startColumn": 31,
            "startLine": 4
          }
        }
      }
    ],
    "message": {
      "text": "`db` is plugged into tap1 too\ngive each card a tap of its own"
    },
    "relatedLocations": [
      {
        "id": 1,
        "message": {
          "text": "here first"
        },
        "physicalLocation": {
          "artifactLocation": {
            "uri": "recipes/db.rhai"
          },
          "region": {
            "endColumn": 34,
            "endLine": 4,
            "startColumn": 31,
            "startLine": 4
          }
        }
      }
    ],
    "ruleId": "shared",
    "ruleIndex": 12
  }
]
"#,
    );
}

#[test]
fn a_recipe_is_rehearsed_for_each_kind_of_host_that_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.rhai", "if platform == \"linux\" { throw \"not there\"; }\n");
    assert_eq!(check(&sandbox, &["lab.rhai"]).code, 0);
    let done = check(&sandbox, &["lab.rhai", "--on", "freebsd-14", "--on", "linux"]);
    same(
        &done.stderr,
        "
error: not there
 --> lab.rhai:1:26
  |
1 | if platform == \"linux\" { throw \"not there\"; }
  |                          ^^^^^
  |
  = hint: the recipe itself threw this
error: 1 fault found in 1 file
",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn a_recipe_that_needs_a_parameter_is_rehearsed_when_it_is_given() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.rhai", "tap(param(\"tap\"));\n");
    let done = check(&sandbox, &["lab.rhai"]);
    same(
        &done.stderr,
        "
vmrun: lab.rhai was not rehearsed: it needs the parameter `tap`, so add --set tap=…
vmrun: nothing is wrong with 1 recipe, after 0 rehearsals
",
    );
    assert_eq!(done.code, 0);
    let done = check(&sandbox, &["lab.rhai", "--set", "tap=tap/1"]);
    same(
        &done.stderr,
        r#"
error: "tap/1" is not an interface name
 --> lab.rhai:1:5
  |
1 | tap(param("tap"));
  |     ^^^^^^^^^^^^
  |
  = hint: letters, digits, `.`, `_` and `-`, beginning with a letter or digit: tap1
error: 1 fault found in 1 file
"#,
    );
}

#[test]
fn a_parameter_is_what_it_may_be() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "lab.rhai",
        "print(param(\"cpus\", 4, 1..=16));\nprint(param(\"os\", \"openbsd\", [\"openbsd\", \"debian\"]));\n",
    );
    let plan = |set: &str| sandbox.finish(&mut sandbox.command(&["plan", "lab.rhai", "--set", set]));
    same(&plan("cpus=16").stderr, "16\nopenbsd");
    same(&plan("os=debian").stderr, "4\ndebian");
    same(
        &plan("cpus=17").stderr,
        "
error: --set cpus=17: expected a number from 1 to 16
 --> lab.rhai:1:7
  |
1 | print(param(\"cpus\", 4, 1..=16));
  |       ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: the default is 4
",
    );
    let done = plan("os=beos");
    assert!(done.stderr.contains("error: --set os=beos: expected one of openbsd and debian\n"), "{}", done.stderr);
}

#[test]
fn a_file_of_tests_is_looked_at_and_not_rehearsed() {
    let sandbox = folder();
    sandbox.write(
        "recipes/db_test.rhai",
        "fn test_db() {\n    let ran = recipie(\"db.rhai\");\n    assert_clean(ran, 5);\n    tap(\"tap1\");\n    print(init);\n}\n",
    );
    let done = check(&sandbox, &["recipes/db.rhai", "recipes/db_test.rhai"]);
    same(
        &done.stderr,
        "
error: there is no function `recipie`
 --> recipes/db_test.rhai:2:15
  |
2 |     let ran = recipie(\"db.rhai\");
  |               ^^^^^^^
  |
  = hint: did you mean `recipe`?
error: `assert_clean` does not take 2 arguments
 --> recipes/db_test.rhai:3:5
  |
3 |     assert_clean(ran, 5);
  |     ^^^^^^^^^^^^
error: `tap` is a word of recipes, and a test only runs them
 --> recipes/db_test.rhai:4:5
  |
4 |     tap(\"tap1\");
  |     ^^^
  |
  = hint: let ran = recipe(\"web.rhai\"); runs one; the name of a recipe does not end in _test.rhai
error: `init` is the recipe's: a test says how it is run
 --> recipes/db_test.rhai:5:11
  |
5 |     print(init);
  |           ^^^^
  |
  = hint: recipe(\"web.rhai\", #{ init: true })
error: 4 faults found in 2 files
",
    );
    // One without functions, and all that the project brings along.
    sandbox.write(
        "recipes/db_test.rhai",
        "let ran = recipe(\"db.rhai\");\nassert(ran.plan.contains(\"tap1\"), \"no tap\");\n",
    );
    let done = check(&sandbox, &["recipes/db_test.rhai"]);
    same(&done.stderr, "vmrun: nothing is wrong with 1 test file, after 0 rehearsals");
    let tests = ["install", "report1", "demo", "needs"].map(|name| project("recipes") + "/" + name + "_test.rhai");
    let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
    same(&check(&sandbox, &tests).stderr, "vmrun: nothing is wrong with 4 test files, after 0 rehearsals");
}

#[test]
fn what_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("empty")).unwrap();
    let done = check(&sandbox, &["empty"]);
    same(&done.stderr, "error: there is no recipe in empty\n |\n = hint: recipes are files that end in .rhai");
    assert_eq!(done.code, 2);
    let done = check(&sandbox, &["lab.rhai"]);
    same(&done.stderr, "error: cannot read the recipe lab.rhai: there is no such file\nerror: 1 fault found in 1 file");
    assert_eq!(done.code, 1);
    let done = check(&sandbox, &["--on", "plan9", "lab.rhai"]);
    assert_eq!(done.code, 2);
}

#[test]
fn nothing_is_wrong_with_what_the_project_brings_along() {
    let sandbox = Sandbox::new();
    for (name, folder) in [("recipes", "recipes"), ("stdlib", "stdlib")] {
        fs::create_dir(sandbox.path(name)).unwrap();
        for entry in fs::read_dir(project(folder)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, sandbox.path(name).join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::copy(project("tests/it/all.rhai"), sandbox.path("all.rhai")).unwrap();
    let done = check(&sandbox, &["recipes", "stdlib"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = check(&sandbox, &["all.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn a_check_of_many_recipes_ends_however_few_addresses_there_are() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..24).map(|number| format!("m{number}")).collect();
    for name in &names {
        sandbox.write(&format!("{name}.rhai"), &format!("bhyve(#{{ name: \"{name}\", memory: 64.MiB }}).run();\n"));
    }
    let checked = |kib: u32| {
        let done = sandbox.finish(&mut sandbox.shell(&format!("ulimit -v {kib}; exec vmrun check .")));
        (done.code, done.stderr.lines().last().map(String::from))
    };
    let (code, last) = checked(4 << 20);
    for kib in (140_000..=300_000).step_by(10_000) {
        assert_eq!(checked(kib), (code, last.clone()), "{kib} KiB");
    }
}
