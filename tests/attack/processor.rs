//! Recipes that do much with `this` in each operation: Rhai has no hook there, so that only the processor time ends them.
//!
//! In a build for tests, which may take twenty times as much, it is a unit test of `src/script.rs` that shows it.

use super::share;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What is done over and over, to what. The first one stands for all of them where only a share is made.
const WORK: [(&str, &str); 5] = [
    ("this.to_upper()", "let value = \"x\"; value.pad(1000000, \"x\");"),
    ("this.contains(\"y\")", "let value = \"x\"; value.pad(1000000, \"x\");"),
    ("this.index_of(-1)", "let value = []; value.pad(10000, 0);"),
    ("this.reverse()", "let value = []; value.pad(10000, 0);"),
    ("this == this", "let value = []; value.pad(10000, 0);"),
];

/// A folder of the test's own, which goes away with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn said(folder: &Folder, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    command.args(args).current_dir(&folder.0).env("VMRUN_STATE_DIR", folder.0.join("state"));
    let done = command.env("VMRUN_CONFIG", folder.0.join("config")).output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
}

#[test]
fn what_is_done_to_this_alone_ends_by_the_processor_time_that_it_takes() {
    let folder = Folder(std::env::temp_dir().join(format!("vmrun-attack-{}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    let message = "the recipe takes more than 2 s of processor time";
    let made = if share() == 1 { WORK.len() } else { 1 };
    for (work, value) in WORK.iter().take(made) {
        let function = format!("fn work() {{ for at in range(0, 4000000) {{ {work}; }} }}\n");
        let body = format!("{value} value.work();");
        fs::write(folder.0.join("a.rhai"), format!("{function}{body}\n")).unwrap();
        let (code, text) = said(&folder, &["check", "a.rhai"]);
        assert_eq!(code, Some(1), "{work}: {text}");
        let hint = "= hint: is there a loop or a recursion without an end?";
        assert!(text.contains(&format!("error: {message}\n")) && text.contains(hint), "{work}: {text}");
        if made == WORK.len() {
            // A test of recipes is evaluated by an engine of its own.
            fs::write(folder.0.join("a_test.rhai"), format!("{function}fn test_it() {{ {body} }}\n")).unwrap();
            let (code, text) = said(&folder, &["test", "a_test.rhai"]);
            assert_eq!(code, Some(1), "{work}: {text}");
            assert!(text.contains(message), "{work}: {text}");
        }
    }
}
