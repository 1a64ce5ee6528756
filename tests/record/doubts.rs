//! What one recording alone would have wrong: numbers of processes, what a script waits for, loaders that hang on files, and interfaces that are
//! on no host.

use crate::sandbox::{Done, Sandbox, same};

const ROM: &str = "-s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd";

const ENDS: &str =
    "// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.\n\n";

const SAME: &str = "vmrun: same machine, same commands\n";

fn record(sandbox: &Sandbox, script: &str, args: &[&str]) -> Done {
    sandbox.write("s.sh", &format!("#!/bin/sh\n{script}\n"));
    sandbox.finish(&mut sandbox.command(&[&["record", "--on", "freebsd-14.3"], args, &["--", "sh", "s.sh"]].concat()))
}

/// The recipe without its first line, of a script that is proved.
fn proved(script: &str) -> String {
    let done = record(&Sandbox::new(), script, &[]);
    assert!(done.code == 0 && done.stderr.ends_with(SAME), "{script}\n{}{}", done.stderr, done.stdout);
    done.stdout.replace("// Made from what `sh s.sh` called.\n", "")
}

#[test]
fn the_number_of_a_process_in_a_name_is_told() {
    let sandbox = Sandbox::new();
    let done = record(&sandbox, &format!("bhyve -c 1 -m 1G {ROM} test-$$"), &[]);
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
    let done = record(&sandbox, &format!("truncate -s 1G /vm/$$.img\nbhyve -c 1 -m 1G {ROM} a"), &[]);
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
    let done = record(&Sandbox::new(), &format!("ping -c 1 nas || sysctl a.b=1\n{boot}\nexit 0"), &[]);
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
    let done = record(&sandbox, &format!("ifconfig -a >/dev/null\nbhyve -c 1 -m 1G {ROM} a\nexit 0"), &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn an_address_at_which_a_machine_listens_is_one_of_its_host() {
    let text = proved(&format!("bhyve -c 1 -m 1G -s 5,fbuf,tcp=10.1.1.1:5900 {ROM} a"));
    assert!(text.contains("fbuf(#{ tcp: \"10.1.1.1:5900\" })"), "{text}");
}
