//! Answers for installers, as PyYAML and debconf read them.

use crate::answers::{answers, reads};
use crate::sandbox::{Sandbox, same};

/// Reads YAML with PyYAML, and prints what a line of Python says of it.
fn yaml(text: &str, what: &str) -> String {
    let script = format!("import sys, yaml\nit = yaml.safe_load(sys.stdin)\n{what}");
    reads("python3", &["-c", &script], text)
}

#[test]
fn ubuntu_reads_its_user_data() {
    let text = answers("ubuntu", true);
    assert!(text.starts_with("#cloud-config\n"));
    let found = yaml(
        &text,
        "it = it['autoinstall']\nprint(it['version'], it['identity'], it['ssh'], it['storage']['layout'], it['packages'])\n\
         print(it['apt']['mirror-selection']['primary'][0]['uri'], it['timezone'])\nfor one in it['late-commands']: print(one)",
    );
    same(
        &found,
        r#"
1 {'hostname': 'web.example.org', 'username': 'ann', 'password': '$6$salt$Kbx1m0Df9'} {'install-server': True, 'allow-pw': True, 'authorized-keys': ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@home']} {'name': 'direct', 'match': {'path': 'vdb'}} ['vim', 'git']
mirror.example.org Europe/Berlin
curtin in-target -- sh -c 'usermod -p '\''$6$salt$Kbx1m0Df9'\'' root'
curtin in-target -- sh -c 'echo it'\''s "done": $HOME \ # {{x}} >/root/done'
"#,
    );
    let least = yaml(
        &answers("ubuntu", false),
        "it = it['autoinstall']\nprint(it['ssh'], it['packages'], it['late-commands'])",
    );
    same(
        &least,
        "{'install-server': True, 'allow-pw': False, 'authorized-keys': ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@home']} [] \
         [\"curtin in-target -- sh -c 'echo '\\\\''ann ALL=(ALL) NOPASSWD: ALL'\\\\'' >/etc/sudoers.d/ann'\"]",
    );
    let metadata = r#"import "std/answers" as answers; print(answers::meta_data("web"));"#;
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", metadata);
    let text = sandbox.run(&["recipe.rhai"]).stdout;
    assert_eq!(yaml(&text, "print(it)"), "{'instance-id': 'web', 'local-hostname': 'web'}\n");
}

#[test]
fn debconf_takes_every_line_of_a_preseed_file() {
    for all in [true, false] {
        reads("debconf-set-selections", &["--checkonly", "-"], &answers("debian", all));
    }
}
