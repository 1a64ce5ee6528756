//! From a recipe to a shell in its guest: the key by which the guest is known, where it is, and what the installed ssh is told.

use super::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const SEED: &str = r##"let key = ssh_host_key("vm/web.key");
cloud_seed("vm/web.seed", #{
    user_data: "#cloud-config\nhostname: web", meta_data: "instance-id: web-1", ssh_host_key: key,
});
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("vm/rom.fd"), slots: #{ "4": ahci_hd("vm/web.seed"), "31": lpc() },
    ssh: #{ user: "debian", host_key: key.public_key },
}).run();
"##;

fn mode(sandbox: &Sandbox, name: &str) -> u32 {
    fs::metadata(sandbox.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_host_key_is_made_once_and_its_seed_is_for_its_owner_only() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("web.rhai", SEED);
    let seeds = "vmrun image seed [tmp]/vm/web.seed --user-data - --meta-data 'text:instance-id: web-1' \
                 --ssh-host-key [tmp]/vm/web.key <<'EOF'\n#cloud-config\nhostname: web\nEOF\n";
    let boots = "bhyvectl --destroy --vm=web\n\
                 bhyve -c 1 -m 64M -s 4,ahci,hd:[tmp]/vm/web.seed -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web\n";
    let planned = sandbox.run(&["plan", "web.rhai"]);
    same(&planned.stderr, "");
    same(
        &planned.stdout,
        &format!("umask 026\nssh-keygen -q -t ed25519 -N '' -C '' -f [tmp]/vm/web.key\n{seeds}{boots}"),
    );
    assert_eq!(sandbox.names("vm"), ["rom.fd"], "a plan changes nothing");

    let done = sandbox.run(&["web.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.names("vm"), ["rom.fd", "web.key", "web.key.pub", "web.seed"]);
    assert_eq!(["web.key", "web.seed"].map(|name| mode(&sandbox, &format!("vm/{name}"))), [0o600; 2]);
    let (private, public) = (sandbox.read("vm/web.key"), sandbox.read("vm/web.key.pub"));
    let bytes = fs::read(sandbox.path("vm/web.seed")).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: String = private.lines().map(|line| format!("    {line}\n")).collect();
    let whole = format!(
        "#cloud-config\nhostname: web\nssh_keys:\n  ed25519_private: |\n{lines}  ed25519_public: {}\n\0",
        public.trim_end()
    );
    assert!(text.contains(&whole), "{whole}");

    // The same key again, and the same bytes by what the plan shows.
    let planned = sandbox.run(&["plan", "web.rhai"]);
    same(&planned.stdout, &format!("umask 026\n{seeds}{boots}"));
    fs::remove_file(sandbox.path("vm/web.seed")).unwrap();
    let line = sandbox.own(seeds).replace("vmrun", env!("CARGO_BIN_EXE_vmrun"));
    assert_eq!(sandbox.finish(&mut sandbox.shell(&line)).code, 0);
    assert!(fs::read(sandbox.path("vm/web.seed")).unwrap() == bytes);
    assert_eq!(mode(&sandbox, "vm/web.seed"), 0o600);
    assert_eq!(sandbox.run(&["web.rhai"]).code, 0);
    assert_eq!(sandbox.read("vm/web.key"), private);
    // A public key that is gone is made of the private one.
    fs::remove_file(sandbox.path("vm/web.key.pub")).unwrap();
    assert_eq!(sandbox.run(&["web.rhai"]).code, 0);
    assert!(fs::read(sandbox.path("vm/web.seed")).unwrap() == bytes);
    assert!(!sandbox.everything().contains("PRIVATE KEY-----\n-----"), "it is nowhere else");
}

#[test]
fn what_ssh_cannot_be_told_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    let refused = |text: &str, expected: &str| {
        sandbox.write("web.rhai", text);
        let done = sandbox.run(&["check", "web.rhai"]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        same(&done.stderr, &format!("{expected}error: 1 fault found in 1 file\n"));
    };
    let machine = |ssh: &str| format!("bhyve(#{{ name: \"web\", ssh: #{{ {ssh} }} }});\n");
    refused(
        &machine("user: \"-oProxyCommand=x\""),
        "
error: \"-oProxyCommand=x\" is no name of a user
 --> web.rhai:1:37
  |
1 | bhyve(#{ name: \"web\", ssh: #{ user: \"-oProxyCommand=x\" } });
  |                                     ^^^^^^^^^^^^^^^^^^
  |
  = hint: letters, digits, `_`, `-`, `.`, no hyphen first: \"debian\"
",
    );
    refused(
        &machine("host_key: \"x\""),
        "
error: that is no public key of ssh: it has a kind and a key, with a space between
 --> web.rhai:1:41
  |
1 | bhyve(#{ name: \"web\", ssh: #{ host_key: \"x\" } });
  |                                         ^^^
  |
  = hint: one line, as in /etc/ssh/ssh_host_ed25519_key.pub of the guest: \"ssh-ed25519 AAAA…\"
",
    );
    refused(
        &machine("keys: 1"),
        "
error: there is no key `keys`
 --> web.rhai:1:31
  |
1 | bhyve(#{ name: \"web\", ssh: #{ keys: 1 } });
  |                               ^^^^
  |
  = hint: keys: user, host_key, port, address, identity
",
    );
    refused(
        &machine("port: 0"),
        "
error: 0 is no port
 --> web.rhai:1:37
  |
1 | bhyve(#{ name: \"web\", ssh: #{ port: 0 } });
  |                                     ^
  |
  = hint: from 1 to 65535
",
    );
    refused(
        &machine("address: \"web\""),
        "
error: \"web\" is no address of a guest
 --> web.rhai:1:40
  |
1 | bhyve(#{ name: \"web\", ssh: #{ address: \"web\" } });
  |                                        ^^^^^
  |
  = hint: write \"10.0.0.5\" or \"fd00::5\"
",
    );
}
