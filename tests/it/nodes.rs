//! Machines of somebody else, and nodes that they have left: nothing of theirs ends because a recipe has their name.

use super::sandbox::{Sandbox, same};
use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

/// A host with a recipe of the machine `db`, which begins so.
fn host(begins: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let recipe = format!(
        "{begins}let db = bhyve(#{{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{{ \"31\": lpc() }} \
         }});\ndb.run();\n"
    );
    sandbox.write("db.rhai", &recipe);
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox
}

/// Another bhyve of that name, which somebody has started by hand.
struct Theirs(Child);

impl Theirs {
    fn start(sandbox: &Sandbox) -> Self {
        sandbox.write("fake/exits", "run\n");
        let line = sandbox.own("exec bhyve -c 1 -m 64M -s 31,lpc -l bootrom,[tmp]/vm/rom.fd db");
        let child = sandbox.shell(&line).stderr(Stdio::null()).spawn().unwrap();
        while !(sandbox.path("fake/vmm/db").exists() && sandbox.read("fake/vmm/db").contains("pid ")) {
            thread::sleep(Duration::from_millis(5));
        }
        Self(child)
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is said of such a machine, as an error of a run.
fn refused(pid: u32, line: usize) -> String {
    format!(
        "
error: db runs already: process {pid}, which vmrun did not start
 --> db.rhai:{line}:25
  |
{line} | let db = bhyve(#{{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{{ \"31\": lpc() }} }});
  |                         ^^^^
  |
  = hint: give this machine another name, or stop that one: kill {pid}
"
    )
}

#[test]
fn a_machine_of_somebody_else_is_refused_before_anything_happens() {
    let sandbox = host("truncate(\"[tmp]/vm/a.img\", 1.MiB);\n");
    let mut theirs = Theirs::start(&sandbox);
    let pid = theirs.0.id();
    let plan = sandbox.run(&["plan", "db.rhai"]);
    assert_eq!(plan.code, 0);
    same(&plan.stderr, &refused(pid, 2).replace("error:", "warning:"));
    for words in [&["db.rhai"][..], &["start", "db.rhai"]] {
        let done = sandbox.run(words);
        same(&done.stderr, &refused(pid, 2));
        assert_eq!(done.code, 3, "{words:?}");
    }
    assert!(theirs.lives() && !sandbox.path("vm/a.img").exists());
    assert!(!sandbox.calls().contains("--destroy"), "{}", sandbox.calls());
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn a_node_without_a_process_is_refused_with_the_line_that_takes_it_away() {
    let sandbox = host("");
    sandbox.write("fake/vmm/db", "cpus 1\n");
    let done = sandbox.run(&["db.rhai"]);
    let expected = "
error: db has a node already, [tmp]/fake/vmm/db
 --> db.rhai:1:25
  |
1 | let db = bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"31\": lpc() } });
  |                         ^^^^
  |
  = hint: a bhyve that is gone has left it, and the next one is refused: bhyvectl --destroy --vm=db
";
    same(&done.stderr, expected);
    assert_eq!((done.code, sandbox.path("fake/vmm/db").exists()), (3, true));
    // The recipe may say so itself.
    sandbox.write("db.rhai", &format!("bhyvectl(\"db\").destroy();\n{}", sandbox.read("db.rhai")));
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.names("fake/vmm"), [""; 0]);
}

#[test]
fn a_recipe_destroys_no_node_that_a_bhyve_has() {
    let sandbox = host("bhyvectl(\"db\").destroy();\n");
    let mut theirs = Theirs::start(&sandbox);
    let pid = theirs.0.id();
    let expected = format!(
        "
error: the node of db belongs to process {pid}, which would end
 --> db.rhai:1:16
  |
1 | bhyvectl(\"db\").destroy();
  |                ^^^^^^^^^
  |
  = hint: stop that machine first, as its owner does, or by kill {pid}
"
    );
    for words in [&["plan", "db.rhai"][..], &["db.rhai"]] {
        let done = sandbox.run(words);
        same(&done.stderr, &expected);
        assert_eq!(done.code, 3, "{words:?}");
    }
    assert!(theirs.lives() && !sandbox.calls().contains("--destroy"), "{}", sandbox.calls());
}

#[test]
fn whose_a_node_is_that_cannot_be_told_is_not_ours() {
    let sandbox = host("bhyvectl(\"db\").destroy();\n");
    sandbox.write("fake/vmm/db", "cpus 1\n");
    sandbox.write("fake/refuse", "ps \tps: kvm_getprocs: Operation not permitted\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!((done.code, sandbox.path("fake/vmm/db").exists()), (3, true));
    assert!(done.stderr.starts_with("error: db has a node, and whose it is cannot be told: `ps "), "{}", done.stderr);
    let hint = "  = hint: vmrun as root sees all processes; if no bhyve runs db: bhyvectl --destroy --vm=db\n";
    assert!(done.stderr.ends_with(hint), "{}", done.stderr);
    assert!(!sandbox.calls().contains("--destroy"), "{}", sandbox.calls());
}

#[test]
fn a_node_of_which_only_others_could_see_the_process_is_not_called_left() {
    let sandbox = host("");
    let mut theirs = Theirs::start(&sandbox);
    sandbox.write("fake/sysctl", "security.bsd.see_other_uids=0\n");
    let mut command = sandbox.command(&["plan", "db.rhai"]);
    let done = sandbox.finish(command.env("FAKE_FREEBSD_USER", "nobody"));
    let expected = "
warning: db has a node, and whose it is cannot be told: the processes of other users are not to be seen here
 --> db.rhai:1:25
  |
1 | let db = bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"31\": lpc() } });
  |                         ^^^^
  |
  = hint: vmrun as root sees all processes; if no bhyve runs db: bhyvectl --destroy --vm=db
";
    same(&done.stderr, expected);
    assert!(theirs.lives());
}

#[test]
fn a_node_that_bhyve_was_refused_is_not_given_back_and_one_that_it_made_is() {
    let sandbox = host("");
    let mut theirs = Theirs::start(&sandbox);
    // It came about after we looked.
    fs::create_dir(sandbox.path("nothing")).unwrap();
    let done = sandbox.finish(sandbox.command(&["db.rhai"]).env("VMRUN_VMM_DIR", sandbox.path("nothing")));
    let expected = "
vm_reinit: Device busy
error: the hypervisor failed with status 4: vm_reinit: Device busy
 --> db.rhai:1:25
  |
1 | let db = bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{ \"31\": lpc() } });
  |                         ^^^^
  |
  = hint: a machine of this name runs that vmrun did not start: stop it, or give this one another name; if `ps` shows none, `bhyvectl --destroy --vm=db` takes away what it has left
";
    same(&done.stderr, expected);
    assert_eq!(done.code, 4);
    assert!(theirs.lives() && !sandbox.calls().contains("--destroy"), "{}", sandbox.calls());
    assert_eq!(sandbox.names("state"), [""; 0]);
    drop(theirs);
    fs::remove_file(sandbox.path("fake/vmm/db")).unwrap();
    sandbox.write("fake/exits", "err Unable to setup memory (22)|4\n");
    assert_eq!(sandbox.run(&["db.rhai"]).code, 4);
    assert_eq!(sandbox.names("fake/vmm"), [""; 0]);
}

#[test]
fn what_a_dead_run_of_ours_has_left_is_no_stranger() {
    let sandbox = host("");
    sandbox.write("fake/exits", "run\nrun\n");
    let mut run = sandbox.start(&["db.rhai"]);
    run.until("the guest", |sandbox| {
        // It has taken its line as well, and writes the others back no more.
        let has_begun = sandbox.path("fake/vmm/db").exists() && sandbox.read("fake/vmm/db").contains("pid ");
        has_begun && sandbox.read("fake/exits") == "run\n"
    });
    run.kill();
    sandbox.write("fake/exits", "1\n");
    let done = sandbox.run(&["db.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!((sandbox.names("fake/vmm"), sandbox.names("state")), (vec![], vec![]));
}
