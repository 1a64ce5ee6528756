//! `vmrun test`: tests of recipes, as people write them and as they see them.

use super::sandbox::{Done, Sandbox, project, same};
use std::fs;

/// A recipe with a tap, and tests of it.
fn folder(tests: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "lab.rhai",
        "let nic = tap(\"tap1\");\nprint(\"hello\");\nbridge(\"bridge2\").add(nic);\n\
         if init { truncate(\"/vm/lab.img\", 1.GiB); }\nlet e = bhyve(#{ name: \"lab\", bootrom: uefi(), slots: #{\n    \
         \"4\": virtio_blk(\"/vm/lab.img\"), \"5\": virtio_net(nic), \"31\": lpc(),\n} }).run();\n\
         if e.halted { throw \"it halted\"; }\n",
    );
    sandbox.write("lab_test.rhai", tests);
    sandbox
}

/// Runs tests; how long they take is different every time.
fn test(sandbox: &Sandbox, args: &[&str]) -> Done {
    let mut done = sandbox.finish(&mut sandbox.command(&[&["test"], args].concat()));
    if let Some(at) = done.stdout.find("; finished in ") {
        done.stdout.truncate(at);
    }
    done
}

const HOST: &str = "host(#{ interfaces: #{ bridge2: \"bridge\" }, files: [\"/vm/lab.img\"] });";

#[test]
fn the_projects_own_recipes_pass_their_tests() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("recipes")).unwrap();
    for entry in fs::read_dir(project("recipes")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, sandbox.path("recipes").join(path.file_name().unwrap())).unwrap();
    }
    let done = test(&sandbox, &["recipes"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
    assert!(done.stdout.starts_with("running 15 tests\ntest recipes/demo_test.rhai: "), "{}", done.stdout);
    assert!(done.stdout.ends_with("\n\ntest result: ok. 15 passed; 0 failed"), "{}", done.stdout);
}

#[test]
fn a_test_that_fails_shows_what_is_otherwise() {
    let tests = format!(
        "fn test_the_plan() {{\n    {HOST}\n    let r = recipe(\"lab.rhai\");\n    assert_plan(r, `\numask 026\nifconfig tap1 create\n\
         `);\n}}\n\nfn test_the_end() {{\n    {HOST}\n    exits([\"halt\"]);\n    assert_error(recipe(\"lab.rhai\"), \"it halted\");\n}}\n"
    );
    let done = test(&folder(&tests), &[]);
    same(
        &done.stdout,
        "
running 2 tests
test lab_test.rhai: test_the_plan ... FAILED
test lab_test.rhai: test_the_end ... ok

failures:

---- lab_test.rhai: test_the_plan ----
hello
error: lab.rhai does something else
 --> lab_test.rhai:4:20
  |
4 |       assert_plan(r, `
  |  ____________________^
5 | | umask 026
6 | | ifconfig tap1 create
7 | | `);
  | |_^
  |
  = hint: - expected, + done; --bless writes what is done
          + ifconfig tap1 group vmrun description vmrun:lab up
          + ifconfig bridge2 addm tap1
          + bhyve -c 1 -m 256M -s 4,virtio-blk,/vm/lab.img -s 5,virtio-net,tap1 -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd lab
          + # the guest powered off
          + bhyvectl --destroy --vm=lab
          + ifconfig tap1 destroy

failures:
    lab_test.rhai: test_the_plan

test result: FAILED. 1 passed; 1 failed
",
    );
    assert_eq!((done.code, done.stderr.as_str()), (1, "error: 1 test failed\n"));
}

#[test]
fn plans_are_written_into_the_tests_when_they_are_blessed() {
    let tests =
        format!("{HOST}\nlet r = recipe(\"lab.rhai\", #{{ init: true }});\nassert_plan(r, \"\");\nprove_clean(r);\n");
    let sandbox = folder(&tests);
    assert_eq!(test(&sandbox, &["lab_test.rhai"]).code, 1);
    let done = test(&sandbox, &["lab_test.rhai", "--bless"]);
    same(&done.stdout, "running 1 test\ntest lab_test.rhai ... ok\n\ntest result: ok. 1 passed; 0 failed");
    same(
        &sandbox.read("lab_test.rhai"),
        r#"
host(#{ interfaces: #{ bridge2: "bridge" }, files: ["/vm/lab.img"] });
let r = recipe("lab.rhai", #{ init: true });
assert_plan(r, `
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:lab up
ifconfig bridge2 addm tap1
truncate -s 1G /vm/lab.img
bhyve -c 1 -m 256M -s 4,virtio-blk,/vm/lab.img -s 5,virtio-net,tap1 -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd lab
# the guest powered off
bhyvectl --destroy --vm=lab
ifconfig tap1 destroy
`);
prove_clean(r);
"#,
    );
    assert_eq!(test(&sandbox, &[]).code, 0);
}

#[test]
fn servers_read_the_report_of_junit() {
    let tests = "fn test_a() { assert(1 < 2); }\nfn test_b() { assert(1 > 2, \"<no> & \\\"so\\\"\"); }\n";
    let sandbox = folder(tests);
    let done = test(&sandbox, &["--junit", "report.xml"]);
    assert_eq!(done.code, 1);
    let report: String = sandbox.read("report.xml").split('"').enumerate().fold(String::new(), |all, (at, part)| {
        let is_time = at % 2 == 1 && part.parse::<f64>().is_ok() && part.len() >= "0.000".len();
        all + if at == 0 { "" } else { "\"" } + if is_time { "[time]" } else { part }
    });
    same(
        &report,
        r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="lab_test.rhai" tests="2" failures="1" errors="0" skipped="0" time="[time]">
    <testcase name="test_a" classname="lab_test" time="[time]"/>
    <testcase name="test_b" classname="lab_test" time="[time]">
      <failure message="&lt;no&gt; &amp; &quot;so&quot;">error: &lt;no&gt; &amp; &quot;so&quot;&#10; --&gt; lab_test.rhai:2:15&#10;  |&#10;2 | fn test_b() { assert(1 &gt; 2, &quot;&lt;no&gt; &amp; \&quot;so\&quot;&quot;); }&#10;  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^</failure>
    </testcase>
  </testsuite>
</testsuites>
"#,
    );
}

#[test]
fn some_of_the_tests_are_run_when_they_are_asked_for() {
    let sandbox = folder("fn test_a() { }\nfn test_b() { }\nfn helper() { }\n");
    let done = test(&sandbox, &["--only", "_b"]);
    same(&done.stdout, "running 1 test\ntest lab_test.rhai: test_b ... ok\n\ntest result: ok. 1 passed; 0 failed");
}

/// What is wrong with a test of one line.
#[track_caller]
fn wrong(line: &str, message: &str) {
    let done = test(&folder(line), &[]);
    let told = done.stdout.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or_default().to_string();
    assert_eq!((told.as_str(), done.code), (message, 1), "{}", done.stdout);
}

#[test]
fn a_file_of_tests_that_is_taken_for_a_recipe_is_told_so() {
    let sandbox = folder("fn test_lab() { assert_clean(recipe(\"lab.rhai\")); }\n");
    for words in [vec!["plan", "lab_test.rhai"], vec!["lab_test.rhai"]] {
        let done = sandbox.run(&words);
        let told = "error: lab_test.rhai has tests of recipes, and is no recipe\n |\n = hint: `vmrun test lab_test.rhai` runs them";
        same(&done.stderr, told);
        assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    }
}

#[test]
fn what_a_test_says_has_to_mean_something() {
    wrong("host(#{ interface: #{} });", "there is no key `interface`");
    wrong("host(#{ release: \"13.0\" });", "\"13.0\" is no release");
    wrong("host(#{ interfaces: #{ ix0: \"fast\" } });", "\"fast\" is nothing that an interface is or has");
    wrong("host(#{ files: 5 });", "expected a map #{ … }, got a number");
    wrong("exits([\"rebooot\"]);", "no boot ends by \"rebooot\"");
    wrong("recipe(\"none.rhai\");", "cannot read the recipe none.rhai: there is no such file");
    wrong("recipe(\"lab.rhai\", #{ initial: true });", "there is no key `initial`");
    wrong("assert_clean(5);", "expected what `recipe(\"…\")` returned, got a number");
    wrong("assert(5);", "expected true or false, got a number");
    wrong("assert(1 == 2);", "it is not so");
    wrong(&format!("{HOST} assert_error(recipe(\"lab.rhai\"), \"no\");"), "the run of lab.rhai went well");
    wrong("assert_error(recipe(\"lab.rhai\"), \"zebra\");", "the error is another");
    wrong("assert_clean(recipe(\"lab.rhai\"));", "the run of lab.rhai failed");
    let done = test(&folder("let a = ;"), &[]);
    assert!(
        done.stderr.starts_with("error: a value is missing before this `;`\n --> lab_test.rhai:1:9\n"),
        "{}",
        done.stderr
    );
    assert_eq!(done.code, 1);
    let sandbox = Sandbox::new();
    let done = test(&sandbox, &["config"]);
    same(&done.stderr, "error: there is no test in config\n |\n = hint: tests are files that end in _test.rhai");
    assert_eq!(done.code, 2);
}

#[test]
fn what_is_blessed_parses_and_is_what_was_done() {
    let tests = format!(
        "{HOST}\nlet one = recipe(\"one.rhai\");\nassert_plan(one, \"\");\nassert_plan(recipe(\"two.rhai\"), `a\\`);\n"
    );
    let sandbox = folder(&tests);
    sandbox.write("one.rhai", "run(\"sh\", [\"-c\", \"printf 'a\\\\n' `date`\"]);\n");
    sandbox.write("two.rhai", "run(\"sh\", [\"-c\", \"echo ${HOME} \\x1b\"]);\n");
    assert_eq!(test(&sandbox, &["lab_test.rhai", "--bless"]).code, 0);
    same(
        &sandbox.read("lab_test.rhai"),
        r#"
host(#{ interfaces: #{ bridge2: "bridge" }, files: ["/vm/lab.img"] });
let one = recipe("one.rhai");
assert_plan(one, `
umask 026
sh -c 'printf '\''a\n'\'' ``date``'
`);
assert_plan(recipe("two.rhai"), "umask 026\nsh -c 'echo ${HOME} \x1b'");
"#,
    );
    let done = test(&sandbox, &["lab_test.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stdout);
}

#[test]
fn a_test_sees_addresses_limits_folders_and_that_there_are_secrets() {
    let test_of = |platform: &str, plan: &str| {
        format!(
            "host(#{{ platform: \"{platform}\", interfaces: #{{ ix0: \"192.168.2.5/24\" }}, secrets: #{{ vnc: \"s3cret\" }} }});\n\
             let r = recipe(\"lab.rhai\");\nassert(r.printed == [\"10.9.0.1\", \"10.8.0.1\"]);\nassert_plan(r, `{plan}`);\n"
        )
    };
    let freebsd = r#"
umask 026
ifconfig bridge9 create
ifconfig bridge9 group vmrun description vmrun:@lab up
ifconfig bridge9 inet 10.9.0.1/24
ifconfig ix0.80 create
ifconfig ix0.80 group vmrun description vmrun:@lab up
ifconfig ix0.80 inet 10.8.0.1/24
mkdir -p /var/run/vmrun
install -m 600 /dev/stdin /var/run/vmrun/.lab.secrets <<'EOF'
pci.0.29.0.password=***
EOF
sh -c 'rctl -a process:$$:memoryuse:deny=2G && exec "$0" "$@" || exit 73' bhyve -c 1 -m 256M -s 0,hostbridge -s 29,fbuf,tcp=127.0.0.1:5901 -k /var/run/vmrun/.lab.secrets -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd lab
# the guest powered off
bhyvectl --destroy --vm=lab
ifconfig ix0.80 destroy
ifconfig bridge9 destroy
"#;
    let linux = r#"
umask 026
ip link add name bridge9.new type bridge forward_delay 0
ip link set dev bridge9.new name bridge9 alias vmrun:@lab up
ip address add 10.9.0.1/24 dev bridge9
ip link add link ix0 name ix0.80.new type vlan id 80
ip link set dev ix0.80.new name ix0.80 alias vmrun:@lab up
ip address add 10.8.0.1/24 dev ix0.80
mkdir /sys/fs/cgroup/vmrun-lab
mkdir -p -m 755 /var/run/vmrun/lab
install -m 600 /usr/share/OVMF/OVMF_VARS_4M.fd /var/run/vmrun/lab/vars.fd
install -m 600 /dev/stdin /var/run/vmrun/lab/vnc <<'EOF'
***
EOF
sh -c 'echo 2147483648 > /sys/fs/cgroup/vmrun-lab/memory.max && echo $$ > /sys/fs/cgroup/vmrun-lab/cgroup.procs && exec "$0" "$@" || exit 73' qemu-system-x86_64 -name lab,debug-threads=on -M q35,sata=off,smbus=off -accel tcg -cpu max -smp 1 -m 256M -nodefaults -no-user-config -display none -action reboot=shutdown,shutdown=pause -d cpu_reset -D /var/run/vmrun/lab/reset.log -chardev socket,id=qmp,path=/var/run/vmrun/lab/qmp.sock,server=on,wait=off -mon chardev=qmp,mode=control -chardev socket,id=ask,path=/var/run/vmrun/lab/ask.sock,server=on,wait=off -mon chardev=ask,mode=control -drive if=pflash,format=raw,file=/usr/share/OVMF/OVMF_CODE_4M.fd,readonly=on -drive if=pflash,format=raw,file=/var/run/vmrun/lab/vars.fd -device VGA,xres=1024,yres=768,addr=1d.0 -object secret,id=vnc,file=/var/run/vmrun/lab/vnc -vnc 127.0.0.1:1,password-secret=vnc
# the guest powered off
rmdir /sys/fs/cgroup/vmrun-lab
ip link delete dev ix0.80
ip link delete dev bridge9
"#;
    let sandbox = folder(&test_of("freebsd", freebsd));
    sandbox.write(
        "lab.rhai",
        "bridge(\"bridge9\", #{ address: \"10.9.0.1/24\", create: true });\nvlan(\"ix0\", 80, #{ address: \"10.8.0.1/24\" });\n\
         print(host_ip(\"10.9.0.0/24\"));\nprint(host_ip(\"10.8.0.0/24\"));\n\
         let screen = fbuf(#{ tcp: \"127.0.0.1:5901\", password: secret(\"vnc\") });\n\
         let vm = bhyve(#{ name: \"lab\", bootrom: uefi(), slots: #{ \"0\": hostbridge(), \"29\": screen, \"31\": lpc() } });\n\
         vm.limits(#{ memory: 2.GiB });\nvm.run();\n",
    );
    sandbox.write("linux_test.rhai", &test_of("linux", linux));
    let done = test(&sandbox, &[]);
    assert_eq!(done.code, 0, "{}", done.stdout);
}
