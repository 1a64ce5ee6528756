//! Whether a machine runs, with QEMU's guests: from its start to the end of its supervisor and of its guest.

use super::list::{inside, world};
use super::need;

#[test]
fn a_guest_of_qemu_is_told_by_an_exit_code_and_without_another_process() {
    need(&["strace"]);
    let world = world(&["db"]);
    let script = r#"
        ip link set lo up
        # One line for each: the answer, the exit code, and what it says without numbers of processes.
        look() {
            vmrun monitor db >out 2>err
            echo "$(cat out) $? $(sed -n '1{s/process [0-9]*/process [pid]/;p;}' err)"
        }
        number() { vmrun monitor db --json 2>/dev/null | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"; }
        # There is nobody here who waits for those that have lost their parent: they are zombies then.
        gone() { kill -9 "$1"; while [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; do :; done; }
        look
        vmrun start db.rhai 2>&1
        vmrun start db.rhai 2>&1
        look
        strace -f -e trace=execve,fork,vfork,execveat -o trace PROGRAM monitor db
        grep -c '(' trace
        gone "$(number supervisor)"
        look
        vmrun adopt --all 2>&1
        look
        supervisor=$(number supervisor) guest=$(number pid)
        gone "$supervisor"
        gone "$guest"
        look
        vmrun stop db >out 2>&1; echo "$? $(tail -n 1 out)"
        vmrun stop db 2>&1
        look
    "#;
    let (code, stdout, stderr) = inside(&world, &script.replace("PROGRAM", env!("CARGO_BIN_EXE_vmrun")));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(
        stdout,
        "db down 8 error: the machine db does not run
vmrun: db runs
vmrun: db runs already
db running 0 \n\
         db running
1
db unsupervised 9 error: the guest of db, process [pid], runs, and its supervisor is gone
vmrun: db goes on; it was taken over
db running 0 \n\
         db left 8 error: the machine db does not run
0 vmrun: db is down
vmrun: db does not run
db down 8 error: the machine db does not run
"
    );
}
