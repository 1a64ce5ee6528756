//! Commands that one shell runs, and that is refused processes by strace(1).

use std::fs;
use std::process::Command;
use vmrun::internals::host::program::Chain;
use vmrun::internals::model::Argv;

/// The status of a shell that could not start the first of its commands.
const CROWDED: i32 = 213;

#[test]
fn a_shell_that_cannot_fork_says_at_which_command_and_leaves_what_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made").display().to_string();
    let mkdir = Argv::new("mkdir").arg(&made);
    let rmdir = Argv::new("rmdir").arg(&made);
    let chain = Chain {
        argvs: vec![mkdir, Argv::new("/bin/true"), Argv::new("/bin/false")],
        made: vec![rmdir],
        is_apart: false,
        folder: None,
    };
    // The fourth process is that which takes back what was made.
    for (number, crowded, is_made) in [(1, 0, false), (2, 1, true), (3, 2, true), (4, 2, true)] {
        let argv = chain.argv();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-b", "execve", "-qq", "-o", "/dev/null", "-e"]);
        strace.arg(format!("inject=clone,vfork,fork:error=EAGAIN:when={number}")).arg(&argv.program).args(&argv.args);
        let status = strace.status().unwrap_or_else(|why| panic!("this test needs strace: {why}"));
        assert_eq!(status.code(), Some(CROWDED + crowded), "{number}");
        assert_eq!(fs::exists(&made).unwrap(), is_made, "{number}");
        if is_made {
            fs::remove_dir(&made).unwrap();
        }
    }
}
