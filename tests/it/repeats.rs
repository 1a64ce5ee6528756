//! What a recipe runs by itself, when its guest reboots, on the fake FreeBSD.

use super::host::{Host, ended};
use super::sandbox::same;

/// Writes the recipe of a machine with commands before its boot.
fn recipe(host: &Host, commands: &str) {
    host.recipe("db", "");
    let text = host.read("db.rhai").replace("\nbridge(", &format!("\n{commands}\nbridge("));
    host.write("db.rhai", &text.replacen("[tmp]", &host.own("[tmp]"), 9));
}

/// The calls of these programs.
fn calls(host: &Host, programs: &[&str]) -> String {
    let is_one = |line: &&str| programs.iter().any(|program| line.starts_with(program));
    host.calls().lines().filter(is_one).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_this_run_has_run_is_not_run_again_after_a_reboot() {
    let host = Host::new("0\n0\n1\n");
    recipe(
        &host,
        "ifconfig([\"tap1\", \"mtu\", \"9000\"]);\n\
         let said = run(\"sh\", [\"-c\", \"echo once >>[tmp]/ran; echo out\"]);\n\
         run(\"sh\", [\"-c\", \"echo each >>[tmp]/ran\"], #{ each_boot: true });\n\
         ifconfig([\"tap1\", \"up\"], #{ each_boot: true });\n\
         run(\"sh\", [\"-c\", \"echo loader >>[tmp]/ran # bhyveload\"]);\n\
         print(said);",
    );
    let done = host.run(&["db.rhai"]);
    let told = "\
vmrun: the guest rebooted; starting it again
vmrun: the guest rebooted as soon as it was started; starting it again in 1s
";
    assert_eq!((done.code, done.stderr.as_str()), (0, told), "{}", done.stdout);
    // What is not run again says what it said.
    same(&done.stdout, "out\n\nout\n\nout\n");
    same(&host.read("ran"), "once\neach\nloader\neach\nloader\neach\nloader\n");
    same(&calls(&host, &["ifconfig tap1 mtu"]), "ifconfig tap1 mtu 9000\n");
    assert_eq!(calls(&host, &["ifconfig tap1 up"]).lines().count(), 3, "{}", host.calls());
    host.is_clean();
}

#[test]
fn what_the_end_of_an_evaluation_undoes_is_done_again_after_a_reboot() {
    let host = Host::new("0\n1\n");
    recipe(
        &host,
        "run(\"sh\", [\"-c\", \"echo mount >>[tmp]/ran\"]);\ndefer(|| run(\"sh\", [\"-c\", \"echo umount >>[tmp]/ran\"]));",
    );
    ended(&host.run(&["db.rhai"]), 0, "vmrun: the guest rebooted; starting it again\n");
    same(&host.read("ran"), "mount\numount\nmount\numount\n");
}

#[test]
fn a_plan_shows_what_is_run_before_each_boot() {
    let host = Host::new("");
    recipe(
        &host,
        "run(\"echo\", [\"once\"]);\nrun(\"echo\", [\"each\"], #{ each_boot: true });\nrun(\"sh\", [\"-c\", \"bhyveload db\"]);",
    );
    let done = host.run(&["plan", "db.rhai"]);
    let shown: String = done.stdout.lines().filter(|line| line.contains("echo") || line.contains("load")).collect();
    same(&shown, "echo onceecho each  # before each bootsh -c 'bhyveload db'  # before each boot");
    let json: serde_json::Value = serde_json::from_str(&host.run(&["plan", "db.rhai", "--json"]).stdout).unwrap();
    let steps = json["steps"].as_array().unwrap();
    let each = steps.iter().filter(|step| step["each_boot"] == true).map(|step| step["argv"][1].as_str().unwrap());
    assert_eq!(each.collect::<Vec<_>>(), ["each", "-c"]);
}

#[test]
fn each_boot_is_true_or_false() {
    let host = Host::new("");
    host.write("db.rhai", "ifconfig([\"lo0\", \"up\"], #{ each_boot: 5 });\n");
    ended(
        &host.run(&["db.rhai"]),
        1,
        "
error: expected true or false, got a number
 --> db.rhai:1:39
  |
1 | ifconfig([\"lo0\", \"up\"], #{ each_boot: 5 });
  |                                       ^
  |
  = hint: write `ifconfig([\"tap1\", \"mtu\", \"9000\"], #{ each_boot: false })`
",
    );
}
