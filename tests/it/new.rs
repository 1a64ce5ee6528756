//! `vmrun new`: the recipe of a machine from an image, for every system of the table, and what is refused.

use super::golden;
use super::image_host::{HOSTS, Scene, WAYS, Written, systems};
use super::publisher::Answer;
use super::sandbox::{Sandbox, same};
use super::terminal::Terminal;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[test]
fn a_machine_of_every_kind_is_planned_as_its_recipe_says() {
    let scene = Scene::new();
    let mut golden = Vec::new();
    // Everywhere what is not as on FreeBSD 15; all of it by `make attack`.
    for (on, ways) in [("freebsd-14.3", &WAYS[..1]), ("freebsd-15", &WAYS[..]), ("linux", &WAYS[..2])] {
        let mut text = String::new();
        for (name, way) in ways {
            let written = Written::new(&scene, on, "debian-13", (name, way));
            let (recipe, first, later) = (&written.text, written.plan(&["--init"]), written.plan(&[]));
            write!(text, "## {name}\n{recipe}\n# --init\n{first}\n# later\n{later}\n").unwrap();
            written.is_right();
        }
        golden.push((format!("tests/it/new/{on}.golden"), text));
    }
    golden::check(golden);
}

#[test]
fn every_system_of_the_table_becomes_a_machine() {
    let scene = Scene::new();
    let mut text = String::new();
    for (at, os) in systems(&scene).iter().enumerate() {
        let (on, (name, way)) = (HOSTS[at % HOSTS.len()], WAYS[at % WAYS.len()]);
        let written = Written::new(&scene, on, os, (name, way));
        let all = format!("{}{}", written.text, written.plan(&["--init"]));
        // What is not the same with every system: the recipe, and what becomes of the image.
        let is_own = |line: &&str| {
            let begins =
                ["os:", "user:", "sudo:", "doas:", "shell:", "groups:", "- \"wheel", "qemu-img", "sh -c", "dd "];
            begins.iter().any(|begin| line.trim_start().starts_with(begin))
        };
        let lines: Vec<&str> = all.lines().filter(is_own).collect();
        write!(text, "## {os} on {on}: {name}\n{}\n", lines.join("\n")).unwrap();
    }
    golden::check([("tests/it/new/systems.golden".into(), text)]);
}

#[test]
fn every_system_in_every_way_on_every_host_is_right() {
    let scene = Scene::new();
    let is_all = std::env::var_os("VMRUN_ATTACK").is_some_and(|value| value == "all");
    for os in systems(&scene).iter().take(if is_all { usize::MAX } else { 1 }) {
        for on in HOSTS {
            for way in WAYS.into_iter().take(if is_all { usize::MAX } else { 1 }) {
                let written = Written::new(&scene, on, os, way);
                written.is_right();
                let has_image = |plan: &str| plan.contains("/sha256/");
                assert!(has_image(&written.plan(&["--init"])) && !has_image(&written.plan(&[])), "{}", written.text);
            }
        }
    }
}

#[test]
fn two_commands_are_told_and_what_the_host_lacks() {
    let scene = Scene::new();
    scene.sandbox.script("qemu-img", "exit 1");
    let done = scene.run("freebsd-14.3", &["new", "web", "--os", "debian-13"]);
    same(&done.stdout, "vmrun start web.rhai --init\nvmrun ssh --wait 5m web");
    let pinned = "vmrun: debian-13: http://127.0.0.1:80/debian-13.qcow2 is what http://127.0.0.1:80/debian-13.sums says it is \
                  (signed: nothing says whether they are signed; not verified, nothing vouches for it)";
    let told: Vec<&str> =
        done.stderr.lines().filter(|line| line.starts_with("vmrun: ") || line.contains("14.3")).collect();
    assert_eq!(
        told,
        [
            pinned,
            "vmrun: web.rhai is written",
            "warning: FreeBSD 14.3 has no network in the process that reaches out: ssh reaches the guest, and the guest nobody",
        ]
    );
    assert!(
        done.stderr.contains(" = hint: --net BRIDGE connects it; FreeBSD 15.0 has one that does\n"),
        "{}",
        done.stderr
    );
    let slirp = "warning: /usr/local/lib/libslirp.so.0 is not there, and bhyve needs it for slirp\n";
    assert!(done.stderr.contains(slirp), "{}", done.stderr);
    assert!(done.stderr.contains("= hint: pkg install libslirp\n"));
    // The next one has a port and a tap of its own.
    let port = |name: &str| {
        let text = scene.sandbox.read(name);
        text.split_once("ssh_port: ").unwrap().1.split(',').next().unwrap().to_string()
    };
    assert_eq!(scene.says("new db --os arch").code, 0);
    assert_ne!(port("web.rhai"), port("db.rhai"));
    for (name, tap) in [("a", "tap0"), ("b", "tap1")] {
        assert_eq!(scene.says(&format!("new {name} --os arch --net bridge2")).code, 0);
        assert!(scene.recipe(&format!("{name}.rhai")).contains(&format!("bridge: \"bridge2\", tap: \"{tap}\",")));
    }
    let lists = scene.says("new --os list");
    assert_eq!(lists.stdout, scene.says("images").stdout);
}

#[test]
fn the_systems_are_listed_in_as_many_columns_as_a_terminal_has() {
    let sandbox = Sandbox::new();
    let listed = |columns: usize| {
        let done =
            sandbox.finish(&mut sandbox.on_terminal(&format!("stty cols {columns} rows 24; vmrun new --os list")));
        let text = done.stdout.replace('\r', "");
        assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
        text.lines().filter(|line| line.starts_with("NAME") || line.starts_with("arch ")).collect::<Vec<_>>().join("\n")
    };
    same(
        &[listed(40), listed(80), listed(120)].join("\n"),
        "
NAME                USER
arch                arch
NAME                FOR          USER       VERIFIED        NOTE
arch                amd64        arch       no              made anew twice a m…
NAME                FOR          KIND    USER       CHECKSUMS SIGNED                VERIFIED        NOTE
arch                amd64        qcow2   arch       FILE.sig beside the image, by…  no              made anew twice a m…
",
    );
}

#[test]
fn what_is_to_be_done_next_can_be_pasted() {
    let scene = Scene::new();
    fs::create_dir(scene.sandbox.path("a b")).unwrap();
    let done = scene.run("freebsd-15", &["new", "web", "--os", "debian-13", "--dir", "a b"]);
    same(&done.stdout, "vmrun start 'a b/web.rhai' --init\nvmrun ssh --wait 5m web");
}

#[test]
fn what_nobody_could_have_is_refused_and_nothing_is_written() {
    let scene = Scene::new();
    fs::write(scene.sandbox.path("old.img"), "a disk").unwrap();
    fs::write(scene.sandbox.path("private"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    fs::write(scene.sandbox.path("none.pub"), "ssh-dss AAAA me\n").unwrap();
    assert_eq!(scene.says("new web --os arch").code, 0);
    let before = scene.sandbox.names("");
    let kinds = "ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, sk-ssh-ed25519@openssh.com \
                 and sk-ecdsa-sha2-nistp256@openssh.com";
    for (line, code, message, hint) in [
        ("new", 2, "nothing says what the machine is called", "for example: vmrun new web --os debian-13"),
        (
            "new db",
            2,
            "nothing says which system it has, and `--os list` lists them",
            "for example: vmrun new db --os debian-13",
        ),
        ("new db --os debain-13", 2, "there is no image \"debain-13\"", "did you mean `debian-13`?"),
        ("new db --os debain", 2, "there is no image \"debain\"", "did you mean `debian-13`?"),
        ("new db --os arch --dir no=(where", 2, "no=(where is no folder", "mkdir -p 'no=(where'"),
        ("new db --os arch --cpus 0", 2, "invalid value '0' for '--cpus <CPUS>': 0 is not in 1..=65535", ""),
        (
            "new db --os arch --user=-oProxyCommand=x",
            2,
            "invalid value '-oProxyCommand=x' for '--user <USER>': \"-oProxyCommand=x\" is no name of a user",
            "letters, digits, `_`, `-`, `.`, no hyphen first: \"debian\"",
        ),
        (
            "new db.rhai --os arch",
            2,
            "db.rhai is how the recipe of a machine db is called, and no machine",
            "call the machine db",
        ),
        (
            "new db --os arch --size 20",
            2,
            "invalid value '20' for '--size <SIZE>': a disk of 20 bytes has no room for a system",
            "for example 20G",
        ),
        (
            "new db --os arch --size 1.5G",
            2,
            "invalid value '1.5G' for '--size <SIZE>': \"1.5G\" is not a size",
            "for example 20G, with one of K, M, G and T",
        ),
        (
            "new db --os arch --memory 1K",
            2,
            "invalid value '1K' for '--memory <MEMORY>': 1 KiB of memory are too little for a system",
            "for example 2G",
        ),
        (
            "new db --os arch --net nat",
            2,
            "invalid value 'nat' for '--net <slirp|BRIDGE>': it is no name of a bridge",
            "slirp is the network inside the process, which needs no root; else name a bridge of this host, as in `--net bridge0`",
        ),
        ("new db --os arch --ram 2G", 2, "unexpected argument '--ram' found", "`vmrun new` calls it --memory"),
        ("new web --os arch", 2, "web.rhai is there already", "choose another name"),
        ("new web --os arch --dir home", 2, "there is a machine web already", "choose another name"),
        ("new old --os arch", 2, "./old.img is there already", "choose another name for the machine, or move it away"),
        ("new db --os arch --dir nowhere", 2, "nowhere is no folder", "mkdir -p nowhere"),
        (
            "new db --os arch --key private",
            2,
            "private is a private key, which stays where it is",
            "name its public half: private.pub",
        ),
        (
            "new db --os arch --key none.pub",
            2,
            "none.pub has no public key of ssh",
            &format!("sshd takes {kinds}; `ssh-keygen -t ed25519` makes one"),
        ),
        (
            "new db --os arch --key gone.pub",
            2,
            "cannot read gone.pub: No such file or directory",
            "name the file of a public key, such as ~/.ssh/id_ed25519.pub",
        ),
        ("new db --os arch --zvol zroot/none", 1, "the filesystem zroot/none is not there", "zfs create -p zroot/none"),
        ("new d_b --os arch", 1, "this is no hostname", "write letters, digits and -. only"),
    ] {
        let done = scene.says(line);
        let lines: Vec<&str> = done.stderr.lines().collect();
        let told = |start: &str| lines.iter().find_map(|line| line.split_once(start)).map_or("", |(_, rest)| rest);
        assert_eq!((done.code, told("error: "), told("= hint: ")), (code, message, hint), "{line}: {}", done.stderr);
        assert_eq!((done.stdout.as_str(), scene.sandbox.names("")), ("", before.clone()), "{line}");
    }
}

#[test]
fn who_has_no_key_gets_one() {
    let scene = Scene::new();
    fs::remove_file(scene.sandbox.path("home/.ssh/id_ed25519.pub")).unwrap();
    let public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVCLQ3m+2VYBi3xdrn9vCePq1LrFl0Fk9nqFi0kY6sK";
    scene.sandbox.script(
        "ssh-keygen",
        &format!("for file; do :; done\numask 077\necho private >\"$file\"\necho '{public}' >\"$file.pub\""),
    );
    // What is refused afterwards leaves none.
    assert_eq!(scene.says("new d_b --os arch").code, 1);
    assert_eq!(scene.sandbox.names("config/ssh"), [""; 0]);
    let done = scene.says("new web --os arch");
    let key = "vmrun: ~/.ssh has no public key: [tmp]/config/ssh/id_ed25519 is a new one, without a passphrase";
    assert!(done.stderr.lines().any(|line| line == key), "{}", done.stderr);
    assert_eq!(scene.sandbox.names("config/ssh"), ["id_ed25519", "id_ed25519.pub"]);
    let mode = |name: &str| fs::metadata(scene.sandbox.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("config/ssh"), mode("config/ssh/id_ed25519")), (0o700, 0o600));
    let line = format!("ssh_keys: [\"{public}\"], identity: \"[tmp]/config/ssh/id_ed25519\",");
    assert!(scene.recipe("web.rhai").contains(&line), "{}", scene.recipe("web.rhai"));
    // The next machine has the same.
    let done = scene.says("new db --os arch");
    assert!(!done.stderr.contains("a new one"), "{}", done.stderr);
    assert!(scene.recipe("db.rhai").contains(&line));
}

#[test]
fn a_machine_is_made_and_started_on_freebsd() {
    let scene = Scene::new();
    let image = vec![0x5a_u8; 65536];
    let hex: String = Sha256::digest(&image).iter().map(|byte| format!("{byte:02x}")).collect();
    let url = scene.publisher.serve("mine.raw", Answer::File(image.clone()));
    let sums = scene.publisher.serve("mine.sums", Answer::File(format!("{hex}  mine.raw\n").into_bytes()));
    let row = format!(
        "[images.mine]\nurl = \"{url}\"\nchecksums = \"{sums}\"\ndigest = \"sha256\"\nkind = \"raw\"\nuser = \"me\"\namd64 = \"x\"\n"
    );
    scene.sandbox.write("config/config.toml", &row);
    assert_eq!(scene.says("new web --os mine --size 1M --memory 64M --cpus 1 --net bridge2").code, 0);
    let text = scene.sandbox.read("web.rhai");
    // The firmware is not on the host of the test.
    fs::write(scene.sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    let text = text.replace("guest::cloud", "let vm = guest::cloud");
    let text = text.replace("}).run();", "});\nvm.bootrom = bootrom(\"vm/rom.fd\");\nvm.run();");
    scene.sandbox.write("web.rhai", &text);
    fs::remove_file(scene.sandbox.path("fake/log")).unwrap();
    let done = scene.says("start web.rhai --init");
    assert_eq!(
        (done.code, done.stderr.lines().last()),
        (0, Some("vmrun: web has run and ended; its log: [tmp]/log/web.log")),
        "{}",
        done.stderr
    );
    let asks = |line: &&str| !["kldstat", "ps", "procstat", "sysctl"].iter().any(|program| line.starts_with(program));
    let calls = scene.publisher.shown(&scene.sandbox.calls().replace(&hex, "[digest]"));
    same(
        &calls.lines().filter(asks).filter(|line| *line != "ifconfig").collect::<Vec<_>>().join("\n"),
        "
fetch -q -r -T 60 -o [tmp]/cache/partial/sha256-[digest]/data http://127.0.0.1:80/mine.raw
bhyvectl --destroy --vm=web
ifconfig tap0 create
ifconfig tap0 group vmrun description vmrun:web up
ifconfig bridge2 addm tap0
bhyve -c 1 -m 64M -w -H -A -u -s 0,hostbridge -s 4,virtio-blk,[tmp]/web.img -s 5,virtio-net,tap0,mac=02:0f:d9:bc:91:00 -s 26,virtio-console,org.qemu.guest_agent.0=[tmp]/state/web/agent.sock -s 27,virtio-blk,[tmp]/web.seed,ro -s 28,virtio-rnd -s 31,lpc -l com1,/dev/nmdm-web.1A -l bootrom,[tmp]/vm/rom.fd web
bhyvectl --destroy --vm=web
ifconfig tap0 destroy
",
    );
    let disk = fs::read(scene.sandbox.path("web.img")).unwrap();
    assert!(disk.len() == 1 << 20 && disk.starts_with(&image));
    let seed = scene.says("image inspect web.seed");
    assert!(seed.stdout.contains("user-data"), "{}", seed.stdout);
    let mode = |name: &str| fs::metadata(scene.sandbox.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("web.seed"), mode("web.key")), (0o600, 0o600), "the guest's own key is in it");
    // Later it is only booted.
    let before = fs::read(scene.sandbox.path("web.seed")).unwrap();
    assert_eq!(scene.says("start web").code, 0);
    assert!(fs::read(scene.sandbox.path("web.seed")).unwrap() == before);
}

#[test]
fn on_a_terminal_what_is_missing_is_asked() {
    const SOON: Duration = Duration::from_secs(20);
    let scene = Scene::new();
    let mut terminal = Terminal::new();
    let new = terminal.start(scene.sandbox.command(&["new"]).env("NO_COLOR", "1"));
    let mut dialog = String::new();
    for (question, answer) in [
        ("name: ", "we b"),
        ("name: ", "web"),
        ("os: ", "debain-13"),
        ("os: ", "arch"),
        ("disk (20G): ", "40G"),
        ("memory (2G): ", ""),
    ] {
        dialog += &terminal.shows(question, SOON);
        terminal.types(&format!("{answer}\n"));
    }
    let (status, rest) = terminal.ends(new);
    assert_eq!(status.code(), Some(0), "{dialog}{rest}");
    assert!(rest.contains("vmrun start web.rhai --init"), "{rest}");
    let dialog = dialog.replace('\r', "");
    let systems = dialog.lines().find(|line| line.starts_with("vmrun: systems: ")).unwrap();
    assert!(systems.contains(" debian-13, "), "{systems}");
    same(
        &dialog.replace(systems, "[systems]"),
        "
name: we b
error: \"we b\" is not a machine's name
 |
 = hint: a name begins with a letter or digit; letters, digits, `.`, `_` and `-` follow
name: web
[systems]
os: debain-13
error: there is no image \"debain-13\"
 |
 = hint: did you mean `debian-13`?
os: arch
disk (20G): 40G
memory (2G): ",
    );
    let recipe = scene.recipe("web.rhai");
    assert!(recipe.contains("disks: [[\"web.img\", 40.GiB]]") && recipe.contains("memory: 2.GiB"), "{recipe}");
}
