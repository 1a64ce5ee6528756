//! What an installation puts below its prefix on either system, and what is left after it.

use super::program::commands;
use super::sandbox::{Done, Sandbox, project, same};
use std::fs;

/// Runs the script with the variables that `make` gives it.
fn script_with(sandbox: &Sandbox, variables: &[(&str, &str)], args: &[&str]) -> Done {
    let script = project("tools/install.sh");
    let mut command = sandbox.program("sh", &[&[script.as_str()], args].concat());
    command.env("DESTDIR", sandbox.path("root")).env("PREFIX", "/usr/local").env("SYSTEM", "linux");
    sandbox.finish(command.envs(variables.iter().copied()))
}

fn script(sandbox: &Sandbox, args: &[&str]) -> Done {
    script_with(sandbox, &[], args)
}

pub(crate) fn install_with(sandbox: &Sandbox, variables: &[(&str, &str)]) {
    let done = script_with(sandbox, variables, &["install", env!("CARGO_BIN_EXE_vmrun")]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
}

fn install(sandbox: &Sandbox) {
    install_with(sandbox, &[]);
}

/// Every file, by its path below the prefix, or below the root where it is somewhere else.
pub(crate) fn files(sandbox: &Sandbox) -> Vec<String> {
    fn below(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { below(&path, found) } else { found.push(path.display().to_string()) }
        }
    }
    let (root, mut found) = (sandbox.path("root/usr/local"), Vec::new());
    below(&sandbox.path("root"), &mut found);
    found.sort();
    found
        .iter()
        .map(|path| {
            path.trim_start_matches(&format!("{}/", root.display()))
                .replace(&sandbox.path("root").display().to_string(), "")
        })
        .collect()
}

#[test]
fn an_installation_has_the_program_its_manual_completions_and_examples() {
    let sandbox = Sandbox::new();
    install(&sandbox);
    let help = sandbox.run(&["--help"]).stdout;
    let mut expected: Vec<String> = commands(&help).map(|name| format!("share/man/man1/vmrun-{name}.1")).collect();
    let recipes =
        fs::read_dir(project("recipes")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    expected.extend(
        recipes
            .filter(|name| std::path::Path::new(name).extension().is_some_and(|kind| kind == "rhai"))
            .map(|name| format!("share/examples/vmrun/{name}")),
    );
    let others = [
        "/usr/lib/ocf/resource.d/vmrun/vmrun",
        "bin/vmrun",
        "lib/systemd/system/vmrun.service",
        "share/bash-completion/completions/vmrun",
        "share/doc/vmrun/LICENSE",
        "share/doc/vmrun/README.md",
        "share/fish/vendor_completions.d/vmrun.fish",
        "share/man/man1/vmrun.1",
        "share/man/man5/vmrun-config.5",
        "share/man/man5/vmrun-recipe.5",
        "share/man/man5/vmrun.toml.5",
        "share/vmrun/completions/vmrun.tcsh",
        "share/vmrun/installed",
        "share/zsh/site-functions/_vmrun",
    ];
    expected.extend(others.map(String::from));
    expected.sort();
    assert_eq!(files(&sandbox), expected);
}

#[test]
fn removal_leaves_what_was_there_before_and_nothing_else() {
    let sandbox = Sandbox::new();
    let man = sandbox.path("root/usr/local/share/man/man1");
    fs::create_dir_all(&man).unwrap();
    fs::write(man.join("vmrun-of-mine.1"), "").unwrap();
    install(&sandbox);
    // A page that a version had which is not there any more goes with the next installation.
    let list = sandbox.path("root/usr/local/share/vmrun/installed");
    fs::write(man.join("vmrun-old.1"), "").unwrap();
    fs::write(&list, fs::read_to_string(&list).unwrap() + "file /usr/local/share/man/man1/vmrun-old.1\n").unwrap();
    install(&sandbox);
    assert!(!files(&sandbox).contains(&"share/man/man1/vmrun-old.1".to_string()));
    fs::write(sandbox.path("root/usr/local/share/examples/vmrun/mine.rhai"), "").unwrap();
    let done = script(&sandbox, &["uninstall"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(files(&sandbox), ["share/examples/vmrun/mine.rhai", "share/man/man1/vmrun-of-mine.1"]);
    let mut folders: Vec<_> =
        fs::read_dir(sandbox.path("root/usr/local/share")).unwrap().map(|it| it.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(folders, ["examples", "man"]);
    let again = script(&sandbox, &["uninstall"]);
    let fault = "install: [tmp]/root/usr/local/share/vmrun/installed is not there: nothing was installed below [tmp]/root/usr/local, or not by this script\n";
    assert_eq!(again.code, 1);
    same(&again.stderr, fault);
}

#[test]
fn removal_on_freebsd_leaves_nothing() {
    let sandbox = Sandbox::new();
    install_with(&sandbox, &[("SYSTEM", "freebsd"), ("PREFIX", "/opt/a&b")]);
    // What rc(8) and periodic(8) start is what was installed.
    let read = |name: &str| fs::read_to_string(sandbox.path(&format!("root/opt/a&b/{name}"))).unwrap();
    assert!(read("etc/rc.d/vmrun").contains("\ncommand=\"/opt/a&b/bin/vmrun\"\n"));
    assert!(read("etc/periodic/daily/400.vmrun").contains("\n: \"${daily_vmrun_program:=/opt/a&b/bin/vmrun}\"\n"));
    assert!(sandbox.path("root/opt/a&b/lib/ocf/resource.d/vmrun/vmrun").exists());
    let done = script_with(&sandbox, &[("PREFIX", "/opt/a&b")], &["uninstall"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(!sandbox.path("root").exists() || fs::read_dir(sandbox.path("root")).unwrap().next().is_none());
}

#[test]
fn the_unit_starts_the_program_that_was_installed() {
    let sandbox = Sandbox::new();
    install_with(&sandbox, &[("PREFIX", "/usr")]);
    let unit = fs::read_to_string(sandbox.path("root/usr/lib/systemd/system/vmrun.service")).unwrap();
    let own = fs::read_to_string(project("packaging/vmrun.service")).unwrap();
    same(&unit, &own.replace("/usr/local/", "/usr/"));
    assert_eq!(unit.matches("/usr/bin/vmrun ").count(), 4);
}
