//! Completion: what a shell that asks is told of commands, options and of what this host has. Other shells are in `tests/system`.

use super::sandbox::{Sandbox, project, same};
use std::fs;
use std::os::unix::fs::symlink;

/// A host with machines, recipes, a configuration and libraries.
fn scene() -> Sandbox {
    let sandbox = Sandbox::new();
    symlink(env!("CARGO_BIN_EXE_vmrun"), sandbox.path("bin/vmrun")).unwrap();
    for name in ["state/db", "state/web", "recipes"] {
        fs::create_dir_all(sandbox.path(name)).unwrap();
    }
    sandbox.write("config/config.toml", "hosts = [\"ssh://vm5\", \"192.168.2.6\"]\n");
    sandbox.write("vmrun.toml", "[lib.net]\npath = \"net\"\n\n[lib.lab]\npath = \"lab\"\n");
    let recipe = "let size = param(\"size\", 512.MiB);\nlet os = param(\"os\", \"openbsd\", [\"openbsd\", \"debian\"]);\n\
                  let uefi = param(\"uefi\", true);\nlet cpus = param(\"cpus\", 2, 1..=8);\n";
    sandbox.write("lab.rhai", recipe);
    sandbox.write("recipes/mail.rhai", "print(param(\"port\", 25));\n");
    sandbox.write("notes.txt", "");
    sandbox
}

/// What bash offers for a line, with the cursor at its end: the replies of the function that the script defines, as bash would call it.
fn bash(sandbox: &Sandbox, line: &str) -> Vec<String> {
    let script = r#"
eval "$(vmrun completions bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() COMP_CWORD=0
# The words, as bash takes them apart.
rest=$1
while [[ -n $rest ]]; do
    case $rest in
        [[:space:]]*) rest=${rest#?}; [[ -n $rest ]] || COMP_WORDS+=("") ;;
        [=:]*) COMP_WORDS+=("${rest:0:1}"); rest=${rest#?} ;;
        *) word=${rest%%[[:space:]=:]*}; COMP_WORDS+=("$word"); rest=${rest#"$word"} ;;
    esac
done
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
current=${COMP_WORDS[COMP_CWORD]}
[[ $current != [=:] ]] || current=
_vmrun vmrun "$current" ""
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"#;
    let done = sandbox.finish(&mut sandbox.program("bash", &["--norc", "-c", script, "bash", line]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{line}");
    assert_eq!(sandbox.calls(), "", "{line} starts nothing");
    done.stdout.lines().map(String::from).collect()
}

#[test]
fn bash_completes_commands_options_and_what_the_host_has() {
    let sandbox = scene();
    for (line, offered) in [
        ("vmrun scr", &["screenshot"][..]),
        ("vmrun rec", &["record", "recipes/"]),
        ("vmrun lab", &["lab.rhai"]),
        ("vmrun supe", &[]),
        ("vmrun stop ", &["db", "web", "--all", "--verbose", "--within", "--help", "--version"]),
        ("vmrun stop w", &["web"]),
        ("vmrun status d", &["db"]),
        ("vmrun snapshot l", &["lab", "lab.rhai"]),
        ("vmrun start ma", &["mail"]),
        ("vmrun plan recipes/", &["recipes/mail.rhai"]),
        ("vmrun plan no", &[]),
        ("vmrun plan lab.rhai --on freebsd-15", &["freebsd-15.1", "freebsd-15.0"]),
        ("vmrun plan lab.rhai --format ", &["argv", "config"]),
        ("vmrun plan lab.rhai --set ", &["size=", "os=", "uefi=", "cpus="]),
        // What stands before the sign is bash's own word.
        ("vmrun plan lab.rhai --set os=", &["openbsd", "debian"]),
        ("vmrun plan lab.rhai --set os=de", &["debian"]),
        ("vmrun lab.rhai --set=uefi=", &["true", "false"]),
        ("vmrun start mail --set port=", &["25"]),
        ("vmrun find web --hosts ssh:", &["//vm5"]),
        ("vmrun lib update ", &["net", "lab", "--moved", "--folder", "--verbose", "--help"]),
        ("vmrun doc std/g", &["std/guest"]),
        ("vmrun images pin debian-12", &["debian-12"]),
        ("vmrun words virtio_b", &["virtio_blk"]),
        ("vmrun man rec", &["record", "recipe"]),
        ("vmrun find --time", &[]),
    ] {
        assert_eq!(bash(&sandbox, line), offered, "{line}");
    }
}

#[test]
fn what_cannot_be_read_completes_nothing_and_says_nothing() {
    let sandbox = scene();
    sandbox.write("config/config.toml", "hosts = [");
    sandbox.write("vmrun.toml", "[lib.");
    sandbox.write("lab.rhai", "let size = param(\"size\"");
    for line in
        ["vmrun find --hosts s", "vmrun lib update n", "vmrun plan lab.rhai --set s", "vmrun plan gone.rhai --set s"]
    {
        assert_eq!(bash(&sandbox, line), [""; 0], "{line}");
    }
}

#[test]
fn each_shell_is_told_in_its_own_form() {
    let sandbox = scene();
    let told = |shell: &str, words: &[&str]| {
        let mut command = sandbox.command(&[&["--"], words].concat());
        sandbox.finish(command.env("VMRUN_COMPLETE", shell)).stdout
    };
    same(&told("bash", &["vmrun", "kil"]), "kill\n");
    same(&told("fish", &["vmrun", "kil"]), "kill\tSwitch machines off at once\n");
    same(&told("zsh", &["vmrun", "find", "--hosts", "ssh"]), "ssh\\://vm5:a host of config.toml\n");
}

#[test]
fn the_scripts_are_for_their_shells() {
    let sandbox = Sandbox::new();
    let script = |shell: &str| sandbox.run(&["completions", shell]).stdout;
    for shell in ["bash", "zsh", "fish"] {
        let path = project(&format!("src/cli/completion/vmrun.{shell}"));
        same(&script(shell), &fs::read_to_string(path).unwrap());
    }
    let tcsh = script("tcsh");
    assert!(tcsh.contains("complete vmrun 'c/--/(abort align all ") && tcsh.contains("'n/lib/(add sync "), "{tcsh}");
    for shell in ["tcsh", "elvish", "powershell"] {
        let text = script(shell);
        assert!(text.contains("stop-within") && text.contains("import"), "{shell}");
    }
}
