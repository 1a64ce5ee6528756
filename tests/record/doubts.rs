//! What one recording alone would have wrong: numbers of processes, what a script waits for, loaders that hang on files, and interfaces that are
//! on no host.

use crate::recorded::record_in;
use crate::sandbox::{Sandbox, same};

const ROM: &str = "-s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

const ENDS: &str =
    "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n\n";

const SAME: &str = "vmrun: same machine, same commands\n";

/// The recipe without its first line, of a script that is proved.
fn proved(script: &str) -> String {
    let done = record_in(&Sandbox::new(), script, &[]);
    assert!(done.code == 0 && done.stderr.ends_with(SAME), "{script}\n{}{}", done.stderr, done.stdout);
    done.stdout.replace("// Made from what `sh s.sh` called.\n", "")
}

#[test]
fn the_number_of_a_process_in_a_name_is_told() {
    let sandbox = Sandbox::new();
    let done = record_in(&sandbox, &format!("bhyve -c 1 -m 1G {ROM} test-$$"), &[]);
    let what = format!(
        "the script has the number of a process in `bhyve -c 1 -m 1G {ROM} test-2`, which is another one in each run, and the recipe has what \
         it was"
    );
    same(
        &done.stderr,
        &format!(
            "error: {what}\n |\n = hint: write a name that stays in its place: a run knows by the machine's name whether it runs already"
        ),
    );
    let gap = format!("NOT DERIVED: {what}.");
    assert!(done.code == 1 && done.stdout.replace("\n// ", " ").contains(&gap), "{}", done.stdout);
    let done = record_in(&sandbox, &format!("truncate -s 1G /vm/$$.img\nbhyve -c 1 -m 1G {ROM} a"), &[]);
    assert!(
        done.code == 1 && done.stderr.contains("has the number of a process in `truncate -s 1G"),
        "{}",
        done.stderr
    );
    // A file that says which process runs is one that vmrun makes needless.
    proved(&format!("echo $$ > /var/run/a.pid\nbhyve -c 1 -m 1G {ROM} a\nrm -f /var/run/a.pid"));
}

#[test]
fn what_a_script_waits_for_before_its_machine_the_recipe_waits_for() {
    let boot = format!("bhyve -c 1 -m 1G {ROM} a");
    let cases = [
        (
            format!("until ping -c 1 -t 1 nas >/dev/null 2>&1; do\nsleep 2\ndone\n{boot}\nexit 0"),
            "run(\"sh\", [\"-c\", \"until ping -c 1 -t 1 nas; do sleep 2; done\"]);",
        ),
        (
            format!(
                "i=0\nwhile ! nc -z nas 3260; do\ni=$((i+1))\n[ $i -ge 5 ] && exit 1\nsleep 1\ndone\n{boot}\nexit 0"
            ),
            "run(\"sh\", [\"-c\", \"i=0; until nc -z nas 3260; do i=$((i+1)); [ $i -lt 5 ] || exit 1; sleep 1; done\"]);",
        ),
        (
            format!("for i in 1 2 3; do\nping -c 1 nas && break\ndone\n{boot}\nexit 0"),
            "run(\"sh\", [\"-c\", \"i=0; until ping -c 1 nas; do i=$((i+1)); [ $i -lt 3 ] || exit 0; :; done\"]);",
        ),
        (
            format!("until ping -c 1 a; do sleep 1; done\nuntil ping -c 1 b; do sleep 1; done\n{boot}\nexit 0"),
            "run(\"sh\", [\"-c\", \"until ping -c 1 a; do sleep 1; done\"]);\n\
             run(\"sh\", [\"-c\", \"until ping -c 1 b; do sleep 1; done\"]);",
        ),
        (
            format!("ping -c 1 nas || {{ echo no storage; exit 1; }}\n{boot}\nexit 0"),
            "run(\"ping\", [\"-c\", \"1\", \"nas\"]);",
        ),
        (
            format!("ping -c 1 nas || {{ sleep 5; ping -c 1 nas || exit 1; }}\n{boot}\nexit 0"),
            "run(\"sh\", [\"-c\", \"i=0; until ping -c 1 nas; do i=$((i+1)); [ $i -lt 2 ] || exit 1; sleep 5; done\"]);",
        ),
        // Whether somebody answers changes nothing, and what is asked while the guest runs is no wait for it to be booted.
        (format!("ping -c 1 nas && echo there\n{boot}\nexit 0"), ""),
        (
            format!("{boot} &\nuntil ping -c 1 guest; do sleep 1; done\nwait\nexit 0"),
            "// The script runs it by `&`: `vmrun start` keeps it in the background instead.",
        ),
    ];
    for (script, expected) in cases {
        let text = proved(&script);
        let head = text.split("bhyve(#{").next().unwrap();
        assert_eq!(head.strip_prefix(ENDS).unwrap_or(&head[ENDS.len() - 1..]).trim(), expected, "{script}");
    }
    let done = record_in(&Sandbox::new(), &format!("ping -c 1 nas || sysctl a.b=1\n{boot}\nexit 0"), &[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: `ping -c 1 nas` finds somebody who answers
error: where `ping -c 1 nas` finds nobody the script calls `sysctl a.b=1`, which no recipe says
 |
 = hint: write it into the recipe by hand, or record where it is so",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn a_loader_that_hangs_on_a_file_does_so_in_the_recipe() {
    let script = "if [ -f /vm/a/installed ]; then D=/vm/a/disk.img; CD=; else D=/iso/a.iso; CD='-s 4,ahci-cd,/iso/a.iso'; fi\n\
                  bhyveload -m 1G -d $D a\n\
                  bhyve -c 1 -m 1G -s 0,hostbridge -s 3,virtio-blk,/vm/a/disk.img $CD -s 31,lpc a";
    assert_eq!(
        proved(script),
        format!(
            "{ENDS}\
bhyve(#{{
    name: \"a\", memory: 1.GiB,
    loader: if exists(\"/vm/a/installed\") {{ bhyveload(#{{ disks: \"/vm/a/disk.img\" }}) }} else {{ bhyveload(#{{ disks: \"/iso/a.iso\" }}) }},
    slots: #{{
        \"0\": hostbridge(),
        \"3\": virtio_blk(\"/vm/a/disk.img\"),
        \"4\": if !exists(\"/vm/a/installed\") {{ ahci_cd(\"/iso/a.iso\") }},
        \"31\": lpc(),
    }},
}}).run();
"
        )
    );
    // It is so at each boot, and of a folder into which the script goes all is there that it needs.
    let script = "cd /vm/b\nprintf '(hd0) /vm/b/d.img\\n(cd0) /b.iso\\n' > device.map\nwhile true; do\n\
                  if [ -e boot-cd ]; then R=cd0; else R=hd0,msdos1; fi\n\
                  grub-bhyve -m device.map -r $R -M 1G b\n\
                  bhyve -c 1 -m 1G -s 0,hostbridge -s 3,virtio-blk,/vm/b/d.img -s 4,ahci-cd,/b.iso -s 31,lpc b || break\ndone";
    let text = proved(script);
    let loader = "loader: if exists(\"/vm/b/boot-cd\") { grub_bhyve(#{ root: \"cd0\" }) } else { grub_bhyve(#{ root: \"hd0,msdos1\" }) },";
    assert!(text.contains(loader), "{text}");
}

#[test]
fn interfaces_that_are_on_no_host_are_told() {
    let sandbox = Sandbox::new();
    let script =
        format!("N=$(ifconfig -l | cut -d ' ' -f 1)\nifconfig bridge0 addm $N\nbhyve -c 1 -m 1G {ROM} a\nexit 0");
    let command = |args: &[&str]| {
        sandbox.write("s.sh", &format!("#!/bin/sh\n{script}\n"));
        let words = [&["record", "--on", "freebsd-14.3"], args, &["--", "sh", "s.sh"]].concat();
        let mut command = sandbox.command(&words);
        // A host without FreeBSD's ifconfig.
        command.env("PATH", "/usr/bin:/bin");
        sandbox.finish(&mut command)
    };
    let done = command(&[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: the interfaces of the host are em0 and lo0
error: what the script calls hangs on what `ifconfig -l` prints, which was made up, and the recipe has what that was
 |
 = hint: say what it is on its host: --answer ifconfig=FILE",
    );
    assert_eq!(done.code, 1);
    sandbox.write("if", "igb0: flags=8843<UP> metric 0 mtu 1500\n\tether 00:00:00:00:00:01\n");
    let done = command(&["--answer", "ifconfig=if"]);
    assert_eq!(done.stderr, SAME);
    assert!(done.stdout.contains("bridge(\"bridge0\").add(\"igb0\");"), "{}", done.stdout);
    // One that is asked for and changes nothing is no doubt.
    let done = record_in(&sandbox, &format!("ifconfig -a >/dev/null\nbhyve -c 1 -m 1G {ROM} a\nexit 0"), &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn an_address_at_which_a_machine_listens_is_one_of_its_host() {
    let text = proved(&format!("bhyve -c 1 -m 1G -s 5,fbuf,tcp=10.1.1.1:5900 {ROM} a"));
    assert!(text.contains("fbuf(#{ tcp: \"10.1.1.1:5900\" })"), "{text}");
}

#[test]
fn a_loop_that_no_stand_in_ends_is_told_at_once_and_a_file_that_it_waits_for_is_there() {
    let boot = format!("bhyve -c 1 -m 1G {ROM} a");
    let done = record_in(&Sandbox::new(), &format!("until [ -e /run/ready ]; do sleep 1; done\n{boot}\nexit 0"), &[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: /run/ready is there, for which the script waits
error: the script waits until /run/ready is there, and the recipe does not
 |
 = hint: write into it, where it waits, `run(\"sh\", [\"-c\", \"until [ -e /run/ready ]; do sleep 1; done\"])`",
    );
    assert_eq!(done.code, 1);
    let script =
        format!("{boot} &\nuntil [ -e /dev/vmm/a ]; do sleep 1; done\nwhile [ -e /dev/vmm/a ]; do sleep 1; done");
    let done = record_in(&Sandbox::new(), &script, &[]);
    same(
        &done.stderr,
        "\
error: the script asks for /dev/vmm/a again and again, and no stand-in changes that
 |
 = hint: leave the loop that waits for it out of the script that is recorded",
    );
    assert_eq!(done.code, 1);
    let swtpm = "S=/run/a.sock\nrm -f $S\nswtpm socket --tpm2 --ctrl type=unixio,path=$S --daemon\nwhile [ ! -S $S ]; do sleep 0.1; done";
    let text = proved(&format!("{swtpm}\nbhyve -c 1 -m 1G -l tpm,swtpm,$S {ROM} a\npkill swtpm\nexit 0"));
    assert!(text.contains("tpm: #{ type: \"swtpm\", path: \"/run/a.sock\" }"), "{text}");
}

/// What stands between the first lines of a recipe and its machine, of a script that is proved.
fn body(script: &str) -> String {
    let text = proved(script);
    let text = text.strip_prefix(ENDS).unwrap_or(&text);
    text.split("\nbhyve(#{").next().unwrap().trim().to_string()
}

#[test]
fn an_interface_that_a_script_makes_where_it_cannot_change_it_is_made() {
    let sandbox = Sandbox::new();
    let script = format!(
        "ifconfig bridge10 inet 10.0.0.1/24 2>/dev/null || {{ ifconfig bridge10 create; ifconfig bridge10 inet 10.0.0.1/24 up; }}\n\
         T=$(ifconfig tap create)\nifconfig bridge10 addm $T\nbhyve -c 1 -m 1G -s 2,virtio-net,$T {ROM} a\nifconfig $T destroy\nexit 0"
    );
    let done = record_in(&sandbox, &script, &[]);
    same(
        &done.stderr,
        &format!(
            "vmrun: made up, where `--answer` says nothing: `ifconfig bridge10 inet 10.0.0.1/24` fails, as it is not there\n{SAME}"
        ),
    );
    let text = "let net = bridge(\"bridge10\", #{ create: true, address: \"10.0.0.1/24\" });\nlet nic = tap(\"tap0\");\nnet.add(nic);\n";
    assert!(done.stdout.contains(text), "{}", done.stdout);
    // Where the kernel chooses the name that is asked for, it is the same whether it is there or not.
    let script = format!(
        "T=tap0\nif ! ifconfig $T >/dev/null 2>&1; then T=$(ifconfig tap create); fi\nifconfig $T up\n\
         bhyve -c 1 -m 1G -s 2,virtio-net,$T {ROM} a\nexit 0"
    );
    assert_eq!(body(&script), "let nic = tap(\"tap0\");\nifconfig([\"tap0\", \"up\"]);");
}

#[test]
fn that_a_service_is_enabled_is_told_as_made_up_and_enabling_it_starts_nothing() {
    let enabled = format!("service x enabled && M=2G || M=1G\nbhyve -c 1 -m $M {ROM} a\nexit 0");
    let done = record_in(&Sandbox::new(), &enabled, &[]);
    same(
        &done.stderr,
        "vmrun: made up, where `--answer` says nothing: the service x is enabled\nvmrun: same machine, same commands",
    );
    let asked = format!("service x enable\nservice x status && M=2G || M=1G\nbhyve -c 1 -m $M {ROM} a\nexit 0");
    let done = record_in(&Sandbox::new(), &asked, &[]);
    let gap = "where `service x status` finds something the script boots another machine than the recipe";
    assert!(done.code == 1 && done.stderr.contains(gap), "{done:?}");
}

#[test]
fn a_service_runs_where_the_script_has_started_it() {
    let script =
        format!("service dnsmasq onestatus >/dev/null || service dnsmasq onestart\nbhyve -c 1 -m 1G {ROM} a\nexit 0");
    assert_eq!(
        body(&script),
        "// It may be so already, and the script goes on.\ntry { run(\"service\", [\"dnsmasq\", \"onestart\"]); } catch { }"
    );
}

#[test]
fn a_snapshot_that_is_renamed_at_each_start_is_made_at_each_start() {
    let script = format!(
        "zfs destroy t/a@1 2>/dev/null\nzfs rename t/a@0 t/a@1 2>/dev/null\nzfs snapshot t/a@0\nbhyve -c 1 -m 1G -s 3,nvme,/dev/zvol/t/a {ROM} a\nexit 0"
    );
    let tried = |words: &str| format!("// It may not be there.\ntry {{ run(\"zfs\", [{words}]); }} catch {{ }}\n");
    let expected = [
        tried("\"destroy\", \"t/a@1\""),
        tried("\"rename\", \"t/a@0\", \"t/a@1\""),
        "run(\"zfs\", [\"snapshot\", \"t/a@0\"]);".into(),
    ];
    assert_eq!(body(&script), expected.concat());
}

#[test]
fn what_a_script_calls_where_it_has_gone_to_is_called_there() {
    let script = format!(
        "mkdir -p /vm/f\ncd /vm/f\n[ -f base.raw ] || {{ fetch -o base.raw.xz https://a/b.raw.xz; xz -d base.raw.xz; }}\n\
         [ -f disk.raw ] || cp base.raw disk.raw\nfetch https://a/x.iso\nprintf 'x\\n' > user-data\nmakefs -t cd9660 seed.iso user-data\n\
         bhyve -c 1 -m 1G -s 3,virtio-blk,disk.raw -s 4,ahci-cd,seed.iso -s 5,ahci-cd,x.iso {ROM} f\nexit 0"
    );
    assert_eq!(
        body(&script),
        "\
run(\"mkdir\", [\"-p\", \"/vm/f\"], #{ makes: \"/vm/f\" });

if !exists(\"/vm/f/base.raw\") {
    run(\"fetch\", [\"-o\", \"/vm/f/base.raw.xz\", \"https://a/b.raw.xz\"]);
    run(\"xz\", [\"-d\", \"/vm/f/base.raw.xz\"], #{ makes: \"/vm/f/base.raw\" });
}

if !exists(\"/vm/f/disk.raw\") {
    run(\"cp\", [\"/vm/f/base.raw\", \"/vm/f/disk.raw\"], #{ makes: \"/vm/f/disk.raw\" });
}

run(\"sh\", [\"-c\", \"cd /vm/f && fetch https://a/x.iso\"]);
write_file(\"/vm/f/user-data\", \"x\\n\");
run(\"makefs\", [\"-t\", \"cd9660\", \"/vm/f/seed.iso\", \"/vm/f/user-data\"]);"
    );
}

/// This host has tar(1), and what it unpacks while a script is recorded is nowhere afterwards.
#[test]
fn what_unpacks_and_packs_files_is_called_by_the_recipe_too() {
    let script = format!(
        "mkdir -p /vm/f/root\ncd /vm/f\ntar -C root -xf /vm/base.txz\ntar -C /vm/f -xf /vm/kernel.txz\n\
         bhyve -c 1 -m 1G -s 3,virtio-blk,disk.raw {ROM} f\nexit 0"
    );
    let done = record_in(&Sandbox::new(), &script, &[]);
    same(
        &done.stderr,
        &format!(
            "vmrun: made up, where `--answer` says nothing: the folder /vm/f is there; `tar` is not run here and succeeds: the recipe runs it\n{SAME}"
        ),
    );
    assert_eq!(
        body(&script),
        "\
run(\"mkdir\", [\"-p\", \"/vm/f/root\"], #{ makes: \"/vm/f/root\" });
run(\"tar\", [\"-C\", \"/vm/f/root\", \"-xf\", \"/vm/base.txz\"]);
run(\"tar\", [\"-C\", \"/vm/f\", \"-xf\", \"/vm/kernel.txz\"]);"
    );
}

#[test]
fn scripts_and_configurations_that_a_script_writes_for_its_machine_are_in_it() {
    let text = proved(&format!(
        "cat > /usr/local/etc/a.sh <<E\n#!/bin/sh\nbhyve -c 1 -m 1G {ROM} a\nE\nchmod 755 /usr/local/etc/a.sh\n\
         tmux new-session -d -s a /usr/local/etc/a.sh\nexit 0"
    ));
    assert!(!text.contains("a.sh"), "{text}");
    let text = proved(
        "printf 'cpus=4\\nmemory.size=2G\\n' > a.conf\nprintf 'lpc.bootrom=/fw.fd\\npci.0.31.0.device=lpc\\n' > b.conf\n\
         bhyve -k a.conf -m 3G -k b.conf -o cpus=2 -s 0,hostbridge a",
    );
    assert!(text.contains("name: \"a\", cpus: 2, memory: 3.GiB,\n    bootrom: \"/fw.fd\",\n"), "{text}");
}

#[test]
fn the_name_of_the_host_is_made_up_and_the_order_of_a_loaders_variables_is_none() {
    let done = record_in(&Sandbox::new(), &format!("bhyve -c 1 -m 1G {ROM} $(hostname -s)-a"), &[]);
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: the host is called host1
error: what the script calls hangs on what `hostname -s` prints, which was made up, and the recipe has what that was
 |
 = hint: say what it is on its host: --answer 'hostname -s=FILE'",
    );
    proved(
        "bhyveload -m 1G -d /vm/a.img -e b=1 -e a=2 a\nbhyve -c 1 -m 1G -s 0,hostbridge -s 3,virtio-blk,/vm/a.img -s 31,lpc a",
    );
}

#[test]
fn a_machine_that_is_none_without_a_program_is_told_with_it() {
    let script = format!("M=$(vmrun-test-mac web)\nbhyve -c 1 -m 1G -s 2,virtio-net,tap0,mac=$M {ROM} a");
    let done = record_in(&Sandbox::new(), &script, &[]);
    let what = "error: what the script calls may hang on what `vmrun-test-mac` prints, and this host has no such program\n |\n = hint: record where it is";
    assert!(done.stderr.contains("\"\" is not a MAC address") && done.stderr.contains(what), "{}", done.stderr);
    assert_eq!(done.code, 1);
}

#[test]
fn the_time_the_standard_input_and_files_that_are_not_there_are_told() {
    let told = |script: &str, what: &str| {
        let done = record_in(&Sandbox::new(), script, &[]);
        assert!(done.code == 1 && done.stderr.contains(what), "{script}\n{}", done.stderr);
    };
    let dated = "the script has the date, or the time, in `a-20";
    told(&format!("D=$(awk 'BEGIN {{ print strftime(\"%Y%m%d\") }}')\nbhyve -c 1 -m 1G {ROM} a-$D"), dated);
    told(
        &format!("printf 'name? '; read N\nbhyve -c 1 -m 1G {ROM} ${{N:-a}}"),
        "what the script calls hangs on what it reads from its standard input, which is empty here",
    );
    told(
        &format!(
            "D=\nfor f in /vmrun-no-such/*.img; do D=\"$D -s 3,virtio-blk,$f\"; done\nbhyve -c 1 -m 1G $D {ROM} a"
        ),
        "the script names files by `/vmrun-no-such/*.img`, and none is there",
    );
    told(
        &format!(
            "D=\nfor z in $(zfs list -H -o name -r t/a); do D=\"$D -s 3,nvme,/dev/zvol/$z\"; done\nbhyve -c 1 -m 1G $D {ROM} a"
        ),
        "where `zfs list -H -o name -r t/a` finds something the script boots another machine than the recipe",
    );
    // One that is read and hangs on nothing is none.
    proved(&format!("while read -r l; do :; done </etc/passwd\nread x\nbhyve -c 1 -m 1G {ROM} a"));
    // The first tap that is free is another one where there is one.
    let script = format!(
        "n=0\nwhile ifconfig tap$n >/dev/null 2>&1; do n=$((n+1)); done\nifconfig tap$n create\nbhyve -c 1 -m 1G -s 2,virtio-net,tap$n {ROM} a\nifconfig tap$n destroy"
    );
    let done = record_in(&Sandbox::new(), &script, &[]);
    same(
        &done.stderr,
        "\
error: where `ifconfig tap0` finds something the script boots another machine than the recipe
 |
 = hint: record where it is so, with what it finds there by `--answer`",
    );
}
