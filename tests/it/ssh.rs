//! From a recipe to a shell in its guest: the key by which the guest is known, where it is, and what the installed ssh is told.

use super::host::Host;
use super::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

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
    let boots = "bhyve -c 1 -m 64M -s 4,ahci-hd,[tmp]/vm/web.seed -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web\n\
                 # given back when the run ends:\nbhyvectl --destroy --vm=web\n";
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
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &line]).current_dir(sandbox.path("")).stdout(Stdio::null());
    assert_eq!(sandbox.finish(&mut shell).code, 0);
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
  = hint: keys: user, host_key, port, address and identity
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

/// A public key that no ssh-keygen of these tests makes.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVCLQ3m+2VYBi3xdrn9vCePq1LrFl0Fk9nqFi0kY6sK";

/// What every ssh to `web` is told.
const OPTIONS: &str = "-oUserKnownHostsFile=[tmp]/state/.web.known_hosts -oGlobalKnownHostsFile=/dev/null -oStrictHostKeyChecking=yes \
                       -oUpdateHostKeys=no -oCheckHostIP=no -oHostKeyAlias=vmrun-web -oHostKeyAlgorithms=ssh-ed25519,ecdsa-sha2-nistp256,\
                       ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256 -oIgnoreUnknown=KnownHostsCommand \
                       -oKnownHostsCommand=[vmrun] ssh-offered web [tmp]/state/.web.known_hosts %I %t %K";

/// A host on which `web` runs, whose recipe says this of ssh; what ssh, scp, arp and ndp are asked is printed.
fn web(ssh: &str) -> Host {
    let host = Host::new("run\n");
    for program in ["ssh", "scp"] {
        host.script(program, &format!("printf '%s\\n' \"{program} $*\"; exit 7"));
    }
    for program in ["arp", "ndp"] {
        host.script(program, "cat \"$0.said\" 2>/dev/null");
    }
    host.write("config/config.toml", "leases = [\"[tmp]/leases\"]\n");
    let text = format!(
        "let nic = tap(\"tap2\");\nbridge(\"bridge2\").add(nic);\nbhyve(#{{\n\
         name: \"web\", memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), ssh: #{{ {ssh} }},\n\
         slots: #{{ \"0\": hostbridge(), \"6\": virtio_net(nic, #{{ mac: \"58:9c:fc:00:00:01\" }}), \"31\": lpc() }},\n}}).run();\n"
    );
    host.write("web.rhai", &text);
    let done = host.run(&["start", "web.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    host
}

#[track_caller]
fn said(host: &Host, line: &str, code: i32, stdout: &str, stderr: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let done = host.run(&words);
    same(&done.stderr, stderr);
    same(&done.stdout, &stdout.replace("OPTIONS", &OPTIONS.replace("[vmrun]", env!("CARGO_BIN_EXE_vmrun"))));
    assert_eq!(done.code, code, "{line}");
}

#[test]
fn a_guest_is_found_by_each_way_and_what_is_more_certain_comes_first() {
    let host = web(&format!("user: \"debian\", host_key: \"{KEY} root@web\""));
    let unknown = "
error: the address of web is not known: its recipe names none, it has no agent, no lease of a DHCP server of this host is for it, and this host has not spoken to it
 |
 = hint: --wait 60s waits until it has one; `ssh: #{ address: \"10.0.0.5\" }` in its recipe says it; leases that are elsewhere: leases = [\"/var/db/dnsmasq.leases\"] in config.toml; `agent: \"9\"`, a free slot, has the guest asked, whose package is qemu-guest-agent
";
    said(&host, "ssh web", 3, "", unknown);
    let begin = std::time::Instant::now();
    said(&host, "ssh --wait 100ms web", 3, "", unknown);
    assert!(begin.elapsed() < std::time::Duration::from_secs(10));

    host.write("bin/ndp.said", "fd00::8 58:9c:fc:00:00:01 bridge2 20s R\n");
    said(&host, "ssh web -- uname -a", 7, "ssh OPTIONS -l debian -- fd00::8 uname -a\n", "");
    host.write("bin/arp.said", "? (10.0.0.8) at 58:9c:fc:00:00:01 on bridge2 expires in 1195 seconds [bridge]\n");
    said(&host, "ssh web", 7, "ssh OPTIONS -l debian -- 10.0.0.8\n", "");
    let address = |line: &str| {
        host.run(&["status", "web"]).stdout.lines().any(|one| one.starts_with("address") && one.ends_with(line))
    };
    assert!(address("10.0.0.8 (neighbours)"), "{}", host.run(&["status", "web"]).stdout);
    host.write("leases", "0 58:9c:fc:00:00:01 10.0.0.7 web *\n");
    said(&host, "ssh web.rhai", 7, "ssh OPTIONS -l debian -- 10.0.0.7\n", "");
    said(
        &host,
        "ssh web.rhai[2]",
        3,
        "",
        "\nerror: no machine of web.rhai[2] runs here\n |\n = hint: `vmrun start 'web.rhai[2]'` starts it\n",
    );
    said(&host, "cp -r a ./b:c web:/tmp/", 7, "scp OPTIONS -r -- a ./b:c debian@10.0.0.7:/tmp/\n", "");
    let list: serde_json::Value = serde_json::from_str(&host.run(&["list", "--json"]).stdout).unwrap();
    let one = &list["machines"][0];
    assert_eq!((&one["address"], &one["address_from"]), (&"10.0.0.7".into(), &"leases".into()));
    assert_eq!(
        one["ssh"],
        serde_json::json!({ "user": "debian", "host_key": KEY, "port": 22, "address": null, "identity": null })
    );
    assert!(host.run(&["list"]).stdout.contains("ADDRESS"));
    said(
        &host,
        "ssh-config",
        0,
        "
Host web
  HostName 10.0.0.7
  Port 22
  HostKeyAlias vmrun-web
  UserKnownHostsFile [tmp]/state/.web.known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  CheckHostIP no
  User debian
",
        "",
    );
    let known = host.read("state/.web.known_hosts");
    assert_eq!(known.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), [format!("vmrun-web {KEY}")]);

    // One that does not run is not looked for.
    assert_eq!(host.run(&["stop", "web"]).code, 0);
    said(&host, "ssh web", 8, "", "\nerror: the machine web does not run\n |\n = hint: `vmrun start web` starts it\n");
    said(
        &host,
        "cp a b",
        2,
        "",
        "\nerror: no machine is named: its files are NAME:PATH\n |\n = hint: write `vmrun cp notes.txt web:/tmp/`, or `vmrun cp web:/etc/hosts .`\n",
    );
}

#[test]
fn a_guest_whose_key_is_not_known_is_not_spoken_to() {
    let host = web("address: \"10.0.0.5\", port: 2022, identity: \"id\"");
    said(
        &host,
        "ssh web",
        3,
        "",
        "
error: the host key of web is not known: ssh could not tell whether it is web that answers
 |
 = hint: in its recipe `let key = ssh_host_key(\"web.key\");`, `ssh_host_key: key` for cloud_seed and `ssh: #{ host_key: key.public_key }` for bhyve; or `ssh: #{ host_key: \"ssh-ed25519 …\" }` with the line of /etc/ssh/ssh_host_ed25519_key.pub in the guest, which `vmrun console web` shows
",
    );
    said(
        &host,
        "ssh-config",
        0,
        "",
        "vmrun: web is left out: the host key of web is not known: ssh could not tell whether it is web that answers\n",
    );
    // What cloud-init writes to the console.
    let log = host.path("log/web.log");
    let text = format!("-----BEGIN SSH HOST KEY KEYS-----\r\n{KEY} root@web\r\n-----END SSH HOST KEY KEYS-----\r\n");
    fs::write(&log, host.read("log/web.log") + text.as_str()).unwrap();
    said(&host, "ssh web", 7, "ssh OPTIONS -oIdentityFile=[tmp]/id -oIdentitiesOnly=yes -p 2022 -- 10.0.0.5\n", "");
    assert_eq!(host.run(&["stop", "web"]).code, 0);
}

#[test]
fn a_machine_that_nobody_knows_is_not_told_to_be_started() {
    let host = Host::new("run\n");
    host.recipe("web", "");
    said(
        &host,
        "ssh wbe",
        8,
        "",
        "
error: the machine wbe does not run
 |
 = hint: did you mean `web`?
",
    );
    said(
        &host,
        "ssh nothing",
        8,
        "",
        "
error: no machine nothing is known: none runs, and no recipe describes one
 |
 = hint: looked for nothing.rhai in [tmp]/config/recipes, recipes and .
",
    );
    said(&host, "ssh web", 8, "", "\nerror: the machine web does not run\n |\n = hint: `vmrun start web` starts it\n");
    said(
        &host,
        "ssh wbe.rhai",
        1,
        "",
        "
error: cannot read the recipe wbe.rhai: there is no such file
 |
 = hint: did you mean web.rhai?
",
    );
}
