//! Answers for installers: what they are, that their readers take them, and what is refused.

use super::plan;
use crate::answers::{KEY, answers, reads};
use crate::sandbox::{Sandbox, same};

#[test]
fn openbsd_answers_what_autoinstall_asks() {
    same(
        &answers("openbsd", true),
        "
System hostname = web.example.org
Password for root account = $6$salt$Kbx1m0Df9
Start sshd(8) by default = yes
Setup a user = ann
Full name for user = ann
Password for user = $6$salt$Kbx1m0Df9
Public ssh key for user = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@home
Allow root ssh login = no
What timezone are you in = Europe/Berlin
Which disk is the root disk = sd1
Location of sets = http
HTTP Server = mirror.example.org
",
    );
    let least = answers("openbsd", false);
    assert!(least.contains("Password for root account = *************\n"), "{least}");
    assert!(least.contains("Password for user = *************\n"), "{least}");
}

#[test]
fn debian_reads_its_preseed_file() {
    for all in [true, false] {
        let text = answers("debian", all);
        // Every line is an owner, a question, a type and the answer.
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            assert!(["string", "select", "boolean", "password", "multiselect", "note"].contains(&words[2]), "{line}");
        }
        let late = text.lines().find_map(|line| line.strip_prefix("d-i preseed/late_command string in-target "));
        // The installer's shell takes one word from it, which the shell in the target reads.
        let inner = reads("sh", &["-c", "eval \"set -- $(cat)\"; printf %s \"$3\""], late.unwrap());
        let commands: Vec<&str> = inner.split("; ").collect();
        assert_eq!(commands[1], format!("echo '{KEY}' >>/home/ann/.ssh/authorized_keys"));
        let sudo = "echo 'ann ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ann";
        let last = if all { r#"echo it's "done": $HOME \ # {{x}} >/root/done"# } else { sudo };
        assert_eq!(commands.last(), Some(&last));
    }
}

#[test]
fn rocky_reads_its_kickstart_file() {
    same(
        &answers("rocky", true),
        r#"
text
reboot
lang en_US.UTF-8
keyboard us
timezone Europe/Berlin --utc
network --bootproto=dhcp --device=link --activate --hostname=web.example.org
url --url=mirror.example.org
rootpw --iscrypted $6$salt$Kbx1m0Df9
user --name=ann --groups=wheel --iscrypted --password=$6$salt$Kbx1m0Df9
sshkey --username=ann "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@home"
services --enabled=sshd
firstboot --disable
ignoredisk --only-use=vdb
zerombr
clearpart --all --initlabel
autopart --type=plain
%packages
@^minimal-environment
vim
git
%end
%post
echo it's "done": $HOME \ # {{x}} >/root/done
%end
"#,
    );
    let least = answers("rocky", false);
    for line in ["cdrom", "rootpw --lock", "user --name=ann --groups=wheel --lock"] {
        assert!(least.contains(&format!("\n{line}\n")), "{least}");
    }
    let post = least.split("%post\n").nth(1).unwrap().strip_suffix("%end\n").unwrap();
    reads("sh", &["-n"], post);
}

#[test]
fn freebsd_runs_its_installerconfig() {
    let text = answers("freebsd", true).replace(r#"echo it's "done""#, r#"echo "it's done""#);
    same(
        &text,
        r#"
PARTITIONS="vdb GPT"
DISTRIBUTIONS="kernel.txz base.txz"
export nonInteractive=YES
export BSDINSTALL_DISTSITE='mirror.example.org'

#!/bin/sh
sysrc hostname='web.example.org'
sysrc ifconfig_DEFAULT=SYNCDHCP
sysrc sshd_enable=YES
ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime
echo '$6$salt$Kbx1m0Df9' | pw useradd -n ann -m -G wheel -s /bin/sh -H 0
echo '$6$salt$Kbx1m0Df9' | pw usermod -n root -H 0
mkdir -p -m 700 /home/ann/.ssh
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@home' >>/home/ann/.ssh/authorized_keys
chmod 600 /home/ann/.ssh/authorized_keys
chown -R ann /home/ann/.ssh
ASSUME_ALWAYS_YES=yes pkg install -y vim git
echo "it's done": $HOME \ # {{x}} >/root/done
"#,
    );
    for text in [text, answers("freebsd", false)] {
        let (preamble, script) = text.split_once("\n\n").unwrap();
        reads("sh", &["-n"], preamble);
        reads("sh", &["-n"], script);
    }
    let least = answers("freebsd", false);
    assert!(least.contains("\npw usermod -n root -w no\n"), "{least}");
    assert!(least.contains("\npw useradd -n ann -m -G wheel -s /bin/sh -w no\n"), "{least}");
}

/// Compares what is said of answers that no installer would take.
#[track_caller]
fn refused(keys: &str, message: &str, place: &str, hint: &str) {
    let sandbox = Sandbox::new();
    let recipe = format!("import \"std/answers\" as answers;\nprint(answers::debian(#{{ {keys} }}));\n");
    let done = plan(&sandbox, &recipe, &[]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{keys}");
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines[0], format!("error: {message}"), "{}", done.stderr);
    let marks = lines[4].trim_start_matches(['|', ' ']).len();
    let column = lines[1].rsplit(':').next().unwrap().parse::<usize>().unwrap();
    let line = recipe.lines().nth(1).unwrap();
    let shown: String = line.chars().skip(column - 1).take(marks).collect();
    assert_eq!((shown.as_str(), lines.last()), (place, Some(&format!("  = hint: {hint}").as_str())), "{}", done.stderr);
}

#[test]
fn what_no_installer_would_take_is_refused_where_it_stands() {
    let me = "hostname: \"web\", user: \"ann\", ssh_keys: [\"ssh-rsa AAAA\"]";
    let with = |more: &str| format!("{me}, {more}");
    let letters = |marks: &str| format!("write letters, digits and {marks} only");
    let secret = "this is no hash of a password, and a password would be read by others";
    let hash = "write what `openssl passwd -6` prints, or on OpenBSD `encrypt`";
    refused(&with("hash: \"hunter2\""), secret, "\"hunter2\"", hash);
    refused(&with("root_hash: \"$6$a b$c\""), secret, "\"$6$a b$c\"", hash);
    refused(&with("timezone: \"UTC; reboot\""), "this is no timezone", "\"UTC; reboot\"", &letters("/_+-"));
    refused(&with("disk: \"a b\""), "this is no disk", "\"a b\"", &letters("/._-"));
    refused(&with("mirror: \"a'b\""), "this is no mirror", "\"a'b\"", &letters("/:._~%+-"));
    refused(&with("packages: [\"vim\", \"a b\"]"), "this is no package", "\"a b\"", &letters("@^+._:-"));
    refused(&with("packages: \"vim\""), "`packages` is a list", "\"vim\"", "write packages: [\"…\"]");
    refused(&with("commands: [\"a\\nb\"]"), "this is no text of one line", "\"a\\nb\"", "write one text for each line");
    refused("hostname: \"a_b\", user: \"a\", ssh_keys: []", "this is no hostname", "\"a_b\"", &letters("-."));
    refused("hostname: \"a\", user: \"a b\", ssh_keys: []", "this is no user", "\"a b\"", &letters("-_"));
    refused(
        "hostname: \"a\", user: \"ann\"",
        "nobody could log in: the user has no key and no password",
        "\"ann\"",
        "give `ssh_keys`, or a `hash`",
    );
    refused(
        "hostname: \"a\", user: \"a\", ssh_keys: [\"AAAA\"]",
        "this is no public key of ssh",
        "\"AAAA\"",
        "write the line of a file such as id_ed25519.pub",
    );
    refused(
        &with("password: \"x\""),
        "there is no key `password`",
        "password",
        "keys: hostname, user, ssh_keys, hash, root_hash, timezone, disk, mirror, packages and commands",
    );
    let sandbox = Sandbox::new();
    let recipe = "import \"std/answers\" as answers;\nprint(answers::openbsd(#{ hostname: \"a\", user: \"a\", ssh_keys: [\"ssh-rsa A\", \"ssh-rsa B\"] }));\n";
    let done = plan(&sandbox, recipe, &[]);
    assert!(done.stderr.starts_with("error: OpenBSD's installer takes one key of ssh\n"), "{}", done.stderr);
    assert!(done.stderr.ends_with("= hint: leave one, and add the others later\n"), "{}", done.stderr);
}
