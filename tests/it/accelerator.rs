//! What runs a guest's code under QEMU: the processor by KVM, or QEMU alone, which is said once.

use super::host::ended;
use super::sandbox::{Done, Sandbox, same};
use std::fs;

/// A machine of QEMU, with more keys.
fn host(keys: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let recipe = format!("let vm = bhyve(#{{ name: \"web\",{keys} slots: #{{ \"31\": lpc() }} }});\nvm.run();\n");
    sandbox.write("web.rhai", &recipe);
    sandbox.script("qemu-system-x86_64", "echo 'it has ended' >&2; exit 1");
    sandbox
}

/// One whose processor has nothing that helps; its device opens all the same.
fn slow(keys: &str) -> Sandbox {
    let sandbox = host(keys);
    sandbox.write("fake/host/proc/cpuinfo", "flags\t\t: fpu vme\n");
    sandbox
}

fn linux(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.finish(sandbox.command(args).env("VMRUN_PLATFORM", "linux"))
}

/// What QEMU is told in a plan of it.
fn told(done: &Done) -> &str {
    let line = done.stdout.lines().find(|line| line.starts_with("qemu-")).unwrap();
    line.split(" -accel ").nth(1).unwrap().split(" -smp").next().unwrap()
}

const SLOW: &str = "vmrun: web runs without KVM, many times slower: the processor shows neither VT-x nor AMD-V (vmx, svm in /proc/cpuinfo); \
                    `vmrun doctor` says what mends it, and accel: \"tcg\" in the recipe that it is meant\n";

#[test]
fn a_plan_has_kvm_where_it_works_and_says_why_it_does_not() {
    let sandbox = host("");
    let plan = linux(&sandbox, &["plan", "web.rhai"]);
    assert_eq!((told(&plan), plan.stderr.as_str()), ("kvm -cpu host", ""));
    let sandbox = slow("");
    let plan = linux(&sandbox, &["plan", "web.rhai"]);
    assert_eq!(told(&plan), "tcg -cpu max");
    same(&plan.stderr, SLOW);
    let document = linux(&sandbox, &["plan", "--json", "web.rhai"]);
    assert!(serde_json::from_str::<serde_json::Value>(&document.stdout).is_ok(), "{}", document.stdout);
    let sandbox = host("");
    fs::remove_file(sandbox.path("fake/host/dev/kvm")).unwrap();
    let plan = linux(&sandbox, &["plan", "web.rhai"]);
    assert_eq!(told(&plan), "tcg -cpu max");
    let why = "/dev/kvm does not work: kvm_intel is not loaded";
    same(&plan.stderr, &SLOW.replace("the processor shows neither VT-x nor AMD-V (vmx, svm in /proc/cpuinfo)", why));
}

#[test]
fn a_recipe_that_asks_for_emulation_has_it_everywhere_and_is_told_nothing() {
    for sandbox in [host(" accel: \"tcg\","), slow(" accel: \"tcg\",")] {
        let plan = linux(&sandbox, &["plan", "web.rhai"]);
        assert_eq!((told(&plan), plan.stderr.as_str()), ("tcg -cpu max", ""));
    }
}

#[test]
fn a_recipe_that_asks_for_kvm_is_refused_where_it_does_not_work() {
    let plan = linux(&host(" accel: \"kvm\","), &["plan", "web.rhai"]);
    assert_eq!((told(&plan), plan.stderr.as_str()), ("kvm -cpu host", ""));
    let refused = linux(&slow(" accel: \"kvm\","), &["start", "web.rhai"]);
    ended(
        &refused,
        3,
        r#"
error: KVM cannot be used here: the processor shows neither VT-x nor AMD-V (vmx, svm in /proc/cpuinfo)
 --> web.rhai:1:39
  |
1 | let vm = bhyve(#{ name: "web", accel: "kvm", slots: #{ "31": lpc() } });
  |                                       ^^^^^
  |
  = hint: switch it on in the firmware of this host; where this is a guest, let its host nest
"#,
    );
    let wrong = linux(&host(" accel: \"xen\","), &["start", "web.rhai"]);
    ended(
        &wrong,
        1,
        r#"
error: "xen" is none of its values
 --> web.rhai:1:39
  |
1 | let vm = bhyve(#{ name: "web", accel: "xen", slots: #{ "31": lpc() } });
  |                                       ^^^^^
  |
  = hint: one of kvm and tcg
"#,
    );
}

#[test]
fn a_start_says_once_that_it_goes_without_kvm() {
    let sandbox = slow("");
    let failed = "error: the hypervisor failed with status 4\n |\n = hint: its last words: it has ended\n";
    ended(&linux(&sandbox, &["web.rhai"]), 4, &format!("{SLOW}it has ended\n{failed}"));
    let start = "error: web did not start\n |\n = hint: its log: [tmp]/log/web.log\n";
    ended(&linux(&sandbox, &["start", "web.rhai"]), 4, &format!("{SLOW}{failed}{start}"));
}

#[test]
fn bhyve_is_not_told_of_it_and_says_so_unless_only_mistakes_are_looked_for() {
    let sandbox = host(" accel: \"tcg\", bootrom: \"rom.fd\",");
    sandbox.write("rom.fd", "code");
    ended(
        &sandbox.finish(&mut sandbox.command(&["check", "web.rhai"])),
        0,
        "vmrun: nothing is wrong with 1 recipe, after 3 rehearsals\n",
    );
    let plan = sandbox.finish(&mut sandbox.command(&["plan", "web.rhai"]));
    same(
        &plan.stderr,
        r#"
warning: `accel` tcg is for QEMU: bhyve is not told it
 --> web.rhai:1:39
  |
1 | let vm = bhyve(#{ name: "web", accel: "tcg", bootrom: "rom.fd", slots: #{ "31": lpc() } });
  |                                       ^^^^^
"#,
    );
    assert!(!plan.stdout.contains("tcg"), "{}", plan.stdout);
}
