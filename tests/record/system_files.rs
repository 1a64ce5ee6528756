//! What scripts get that read files of FreeBSD's, where the host on which they are recorded has none of them.

use crate::sandbox::{Done, Sandbox, project, same};
use std::process::Command;

const BHYVE: &str = "bhyve -c $cpus -m 1G -s 0,hostbridge -s 31,lpc -l bootrom,/fw.fd a";

fn record(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.finish(&mut sandbox.command(&[&["record", "--on", "freebsd-14.3"], args].concat()))
}

#[test]
fn rc_conf_is_what_is_answered_and_else_empty() {
    let sandbox = Sandbox::new();
    sandbox
        .write("s.sh", &format!("#!/bin/sh\n[ -r /etc/rc.conf ] && . /etc/rc.conf\ncpus=${{vm_cpus:-1}}\n{BHYVE}\n"));
    let done = record(&sandbox, &["--", "sh", "s.sh"]);
    same(
        &done.stderr,
        "vmrun: made up, where `--answer` says nothing: /etc/rc.conf is there, and empty\nvmrun: same machine, same commands",
    );
    sandbox.write("rc.conf", "vm_cpus=3\nvm_enable=NO\n");
    let answered = ["--answer", "/etc/rc.conf=rc.conf", "--"];
    let done = record(&sandbox, &[answered.as_slice(), &["sh", "s.sh"]].concat());
    same(&done.stderr, "vmrun: same machine, same commands");
    assert!(done.stdout.contains("name: \"a\", cpus: 3, "), "{}", done.stdout);
    // It is the service's switch too.
    let service = format!(
        "#!/bin/sh\n. /etc/rc.subr\nname=vm rcvar=vm_enable start_cmd=go\nload_rc_config $name\ncpus=$vm_cpus\ngo() {{ {BHYVE}; }}\nrun_rc_command \"$1\"\n"
    );
    sandbox.write("s.sh", &service);
    let done = record(&sandbox, &[answered.as_slice(), &["sh", "s.sh", "start"]].concat());
    same(
        &done.stderr,
        "\
Cannot 'start' vm. Set vm_enable to YES in /etc/rc.conf or use 'onestart' instead of 'start'.
vmrun: made up, where `--answer` says nothing: /etc/rc.subr is there, and does what rc.subr(8) says
warning: `sh s.sh start` ended with status 1
 |
 = hint: what it would have done after that is not in the recording
error: the command called no program that is recorded
 |
 = hint: `vmrun record --help` lists them, and tells how a script gets past their stand-ins",
    );
    let done = record(&sandbox, &[answered.as_slice(), &["sh", "s.sh", "onestart"]].concat());
    same(
        &done.stderr,
        "\
vmrun: made up, where `--answer` says nothing: /etc/rc.subr is there, and does what rc.subr(8) says
vmrun: same machine, same commands",
    );
    let done = record(&sandbox, &[["--anyway"].as_slice(), &answered, &["sh", "s.sh"]].concat());
    same(
        &done.stderr,
        "\
error: --answer: by `--anyway` the script reads this host's /etc/rc.conf
 |
 = hint: leave out `--anyway`: in an enclosure it reads what is given",
    );
    assert_eq!(done.code, 2);
}

/// What a service says and how it ends, for each of some arguments in turn, by the stand-in of rc.subr(8).
fn service(shell: &str, lines: &str, arguments: &[&str]) -> String {
    let subr = project("src/recording/rc.subr");
    let script = format!(
        "kldstat() {{ false; }}\nkldload() {{ echo kldload \"$@\"; }}\n. {subr}\nname=web\n{lines}\nrun_rc_command \"$@\"\n"
    );
    let run = |argument: &&str| {
        let mut command = Command::new(shell);
        let done = command.args(["-c", &script, "web"]).args(argument.split(' ')).output().unwrap();
        let text = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        format!("{argument}: {} {}", done.status.code().unwrap(), text.trim_end().replace('\n', " / "))
    };
    arguments.iter().map(run).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_service_does_what_its_manual_page_says() {
    let own = "rcvar=web_enable extra_commands=console start_precmd=before start_cmd=go start_postcmd='echo after #' stop_cmd='echo stops'\n\
               console_cmd='echo console' required_modules='vmm if_x:x'\nbefore() { echo before; }\ngo() { echo goes \"$@\" fast=$rc_fast; }\n\
               : ${web_enable:=NO}";
    let refused = "Cannot 'start' web. Set web_enable to YES in /etc/rc.conf or use 'onestart' instead of 'start'.";
    let usage = "Usage: web [fast|force|one|quiet](start|stop|restart|rcvar|enabled|describe|extracommands|console|poll|status)";
    let plain = "command='echo starts' command_args=with web_flags=-v web_nice=5\nnice() { shift 2; \"$@\"; }";
    for shell in ["sh", "bash"] {
        same(
            &service(
                shell,
                own,
                &[
                    "start",
                    "quietstart",
                    "onestart a b",
                    "onefaststart",
                    "forcestop",
                    "onerestart",
                    "oneconsole",
                    "rcvar",
                    "enabled",
                    "extracommands",
                    "frob",
                ],
            ),
            &format!(
                "\
start: 1 {refused}
quietstart: 1 
onestart a b: 0 before / kldload vmm / kldload if_x / goes a b fast= / after
onefaststart: 0 before / kldload vmm / kldload if_x / goes fast=YES / after
forcestop: 0 stops
onerestart: 0 stops / before / kldload vmm / kldload if_x / goes fast= / after
oneconsole: 0 console
rcvar: 0 # web / web_enable=\"NO\"
enabled: 1 
extracommands: 0 console
frob: 1 web: unknown directive 'frob'. / {usage}"
            ),
        );
        same(
            &service(shell, plain, &["start", "stop", "status", "restart"]),
            "\
start: 0 Starting web. / starts -v with
stop: 1 web not running?
status: 1 web is not running.
restart: 0 Starting web. / starts -v with / web not running?",
        );
        // What is not done is an error, and what has to be there is looked for; who forces it goes on.
        let needs = "start_cmd='echo goes' required_files=/none required_dirs=/none/at/all";
        same(
            &service(shell, needs, &["start", "forcestart"]),
            "\
start: 1 web: WARNING: /none/at/all is not a directory.
forcestart: 0 goes / web: WARNING: /none/at/all is not a directory. / web: WARNING: /none is not readable.",
        );
        let failing = "start_precmd=false start_cmd='echo goes'";
        same(&service(shell, failing, &["start", "forcestart"]), "start: 1 \nforcestart: 0 goes");
        let jailed = "command=true web_svcj=YES";
        same(
            &service(shell, jailed, &["start"]),
            "start: 1 web: ERROR: $web_svcj is not understood by vmrun's stand-in for rc.subr(8)",
        );
        let words = "start_cmd=go\ngo() { checkyesno a; echo $?; a=yes; checkyesno a; echo $?; a=perhaps; checkyesno a; echo $?; reverse_list 1 2 3\n\
                     load_rc_config_var web x; echo \"[$x]\"; set_rcvar mail; info no; rc_info=YES; info yes; rc_debug=YES; debug why; err 7 ends; }";
        same(
            &service(shell, words, &["start"]),
            "start: 7 1 / 0 / 1 / 3 2 1 / [] / mail_enable / web: INFO: yes / web: WARNING: $a is not set properly - see rc.conf(5). / \
             web: DEBUG: why / web: ERROR: ends",
        );
    }
}
