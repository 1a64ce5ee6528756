//! What tools for texts change, which a shell has in every pipe: it is in the recipe like any other program's change, or told.

use crate::recorded::record;
use crate::sandbox::same;

/// A machine with a disk of each path.
fn boot(disks: &[&str]) -> String {
    let disks: Vec<String> =
        disks.iter().enumerate().map(|(at, path)| format!(" -s {},virtio-blk,{path}", at + 4)).collect();
    format!("bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd{} a", disks.concat())
}

/// What stands in the recipe of a proved script between its first lines and its machine.
fn body(script: &str) -> String {
    let done = record(script);
    let same = "vmrun: same machine, same commands\n";
    assert!(done.code == 0 && done.stderr.ends_with(same), "{script}\n{}{}", done.stderr, done.stdout);
    let (_, text) = done.stdout.split_once("\n\n").unwrap();
    text.split("\nbhyve(#{").next().unwrap().trim().to_string()
}

#[test]
fn what_tools_for_texts_write_the_recipe_writes() {
    let disks = ["/vm/a", "/vm/b", "/vm/c", "/vm/d", "/vm/e", "/vm/f", "/vm/g"];
    let script = format!(
        "mkdir -p /vm\n\
         echo one | tee /vm/a >/dev/null\n\
         awk 'BEGIN {{ print \"two\" > \"/vm/b\" }}'\n\
         printf 'z\\ny\\n' | sort -o /vm/c\n\
         dd of=/vm/d status=none <<E\nthree\nE\n\
         install -m 600 /dev/stdin /vm/e <<E\nfour\nE\n\
         printf '@N@\\n' > /vm/f.in; sed s/@N@/five/ /vm/f.in > /vm/f; rm /vm/f.in\n\
         echo si > /vm/g; sed -i '' s/si/six/ /vm/g; sed -i .bak s/six/seven/ /vm/g\n\
         {}\nexit $?",
        boot(&disks)
    );
    assert_eq!(
        body(&script),
        "\
run(\"mkdir\", [\"-p\", \"/vm\"], #{ makes: \"/vm\" });
write_file(\"/vm/a\", \"one\\n\");
write_file(\"/vm/b\", \"two\\n\");
write_file(\"/vm/c\", \"y\\nz\\n\");
write_file(\"/vm/d\", \"three\\n\");
write_file(\"/vm/e\", \"four\\n\", #{ mode: \"600\" });
write_file(\"/vm/f\", \"five\\n\");
write_file(\"/vm/g\", \"seven\\n\");"
    );
}

#[test]
fn what_is_no_text_is_made_by_what_makes_it() {
    let script = format!("mkdir -p /vm\nbase64 -d > /vm/a <<E\nAAECAwQF/w==\nE\n{}\nexit $?", boot(&["/vm/a"]));
    assert_eq!(
        body(&script),
        "\
run(\"mkdir\", [\"-p\", \"/vm\"], #{ makes: \"/vm\" });
run(\"sh\", [\"-c\", \"printf %s \\\"$1\\\" | base64 -d > /vm/a\", \"sh\", \"AAECAwQF/w==\\n\"], #{ makes: \"/vm/a\" });"
    );
    let done = record(&format!(
        "mkdir -p /vm\nhead -c 70000 /dev/zero | dd of=/vm/a bs=1k 2>/dev/null\nhead -c 900 /dev/urandom | dd of=/vm/b status=none\n{}\nexit $?",
        boot(&["/vm/a", "/vm/b"])
    ));
    same(
        &done.stderr,
        "\
error: what `dd of=/vm/a bs=1k` reads from a pipe is not in the recipe
 |
 = hint: let the script write it into a file, and the program read that
error: what `dd of=/vm/b status=none` reads from a pipe is not in the recipe
 |
 = hint: let the script write it into a file, and the program read that",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn what_tools_write_elsewhere_is_told() {
    let done = record(&format!(
        "echo 'if_bridge_load=\"YES\"' | tee -a /etc/vmrun-test.conf > /dev/null\n{}\nexit $?",
        boot(&[])
    ));
    same(
        &done.stderr,
        "\
error: the script writes /etc/vmrun-test.conf, and the recipe does not: nothing that it calls is told of it
 |
 = hint: write it into the recipe, as `write_file(…)`, or make the file once by hand",
    );
    assert_eq!(done.code, 1);
}

/// Its names are other ones each time, and GNU's mktemp(1) takes no prefix.
#[test]
fn a_file_by_a_name_of_mktemp_has_the_same_name_each_time() {
    let script = format!(
        "d=$(mktemp -d -t rules) map=$(mktemp -t map)\ntrap 'rm -rf $d $map' EXIT\necho pass > $d/pf.conf\npfctl -a x -f $d/pf.conf\n\
         echo '(hd0) /vm/a' > $map\nprintf 'boot\\n' > /vm/grub.in\n\
         grub-bhyve -m $map -r hd0 -M 1G a < /vm/grub.in\n{}\nexit $?",
        "bhyve -c 1 -m 1G -s 0,hostbridge -s 31,lpc -s 4,virtio-blk,/vm/a a"
    );
    assert_eq!(
        body(&script),
        "\
run(\"mkdir\", [\"-p\", \"/tmp/rules.00000001\"], #{ makes: \"/tmp/rules.00000001\", each_boot: true });
defer(|| run(\"rm\", [\"-rf\", \"/tmp/rules.00000001\"]));
write_file(\"/tmp/rules.00000001/pf.conf\", \"pass\\n\");
run(\"pfctl\", [\"-a\", \"x\", \"-f\", \"/tmp/rules.00000001/pf.conf\"]);"
    );
}
