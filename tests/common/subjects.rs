//! The recipes that are struck at, what stands beside them, and what has to be afterwards.

use super::efi::ipxe;
use super::sandbox::{Done, Sandbox, project};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixStream;

/// What the disks hold before any run.
pub(crate) const CONTENT: [u8; 4096] = [0xA5; 4096];

/// What others have, who must not notice.
pub(crate) const OTHERS: [&str; 6] = ["bridge2", "em0", "lo0", "tap7", "tap8", "tap9"];

/// A recipe of the project, and how it is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) init: bool,
}

pub(crate) const SUBJECTS: [Subject; 8] = [
    Subject { name: "links", init: false },
    Subject { name: "demo", init: false },
    Subject { name: "demo", init: true },
    Subject { name: "install", init: false },
    Subject { name: "install", init: true },
    Subject { name: "report1", init: false },
    Subject { name: "report1", init: true },
    Subject { name: "jailed", init: false },
];

/// A machine that makes its own network.
pub(crate) const LINKS: &str = r#"
let guests = vlan("em0", 82, #{ address: "127.100.100.82/32" });
let both = epair("epair0");
let own = bridge("bridge82", #{ create: true, description: "for links" });
own.add(guests);
own.add(both.a);
let nic = tap("tap82");
own.add(nic);
bhyve(#{ name: "links", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), slots: #{
    "0": hostbridge(), "4": virtio_blk("[tmp]/vm/report1.img"), "6": virtio_net(nic), "31": lpc(),
} }).run();
"#;

/// A machine in a jail of others, which has a network of its own, with a helper that serves it at a socket.
pub(crate) const JAILED: &str = r#"
helper(#{
    name: "served", socket: "[tmp]/vm/served.sock",
    run: ["perl", "-e", "use IO::Socket::UNIX; $s = IO::Socket::UNIX->new(Local => shift, Listen => 1) or die; sleep 600", "[tmp]/vm/served.sock"],
});
let nic = tap("tap81");
bridge("bridge2").add(nic);
bhyve(#{ name: "jailed", cpus: 1, memory: 256.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"), jail: "web", slots: #{
    "0": hostbridge(), "4": virtio_blk("[tmp]/vm/report1.img"), "6": virtio_net(nic), "31": lpc(),
} }).run();
"#;

impl Subject {
    pub(crate) fn args(self) -> Vec<String> {
        let mut args = vec![format!("{}.rhai", self.name), "--stop-within".into(), "2s".into()];
        args.extend(self.init.then(|| "--init".into()));
        args
    }

    /// The first boot of an initialized machine ends in a reboot.
    pub(crate) fn exits(self) -> &'static str {
        if self.init { "0\n1\n" } else { "1\n" }
    }
}

/// A FreeBSD with the project's recipes, their files, and what others have.
pub(crate) fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["demo", "install", "report1"] {
        let text = fs::read_to_string(project(&format!("recipes/{name}.rhai"))).unwrap();
        let text = text
            .replace("uefi()", "bootrom(\"[tmp]/vm/rom.fd\")")
            .replace("\"/vm/", "\"[tmp]/vm/")
            .replace("\"/iso/", "\"[tmp]/vm/")
            .replace("\"/root/", "\"[tmp]/vm/")
            .replace("/tmp/vmrun-demo.img", "[tmp]/vm/demo.img")
            .replace("ipxe_image(ipxe)", "ipxe_image(ipxe, #{ loader: \"[tmp]/vm/loader.efi\" })")
            .replace("ipxe_image(image, #{ script", "ipxe_image(image, #{ loader: \"[tmp]/vm/loader.efi\", script")
            .replace("8.GiB", "512.MiB")
            .replace("cpus: 4", "cpus: 1")
            .replace("192.168.2.0/24", "127.100.100.0/24");
        sandbox.write(&format!("{name}.rhai"), &text);
    }
    sandbox.write("links.rhai", LINKS);
    sandbox.write("jailed.rhai", JAILED);
    for folder in ["fake/jails", "fake/networks/web/interfaces"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    sandbox.write("fake/jails/web", "path=/\nallow.vmm\nvnet=new\n");
    sandbox.write("fake/networks/web/interfaces/bridge81", "kind bridge\n");
    for name in ["install.img", "install-data.img", "report1.img", "demo.img", "uefi-ipxe-chainload.img"] {
        fs::write(sandbox.path("vm").join(name), CONTENT).unwrap();
    }
    for name in ["rom.fd", "miniroot74.img"] {
        fs::write(sandbox.path("vm").join(name), CONTENT).unwrap();
    }
    fs::write(sandbox.path("vm/loader.efi"), ipxe(0x8664)).unwrap();
    sandbox.write("fake/interfaces/tap7", "kind tap\n");
    sandbox.write("fake/interfaces/tap8", "kind tap\ndescription vmrun:install\n");
    sandbox.write("fake/interfaces/tap9", "kind tap\ndescription vm/guest1/0\ngroup vm-port\n");
    sandbox.write("fake/interfaces/bridge2", "kind bridge\nup yes\nmember em0\nmember tap9\n");
    sandbox.write("fake/vmm/other", "cpus 1\n");
    sandbox
}

/// Makes the disks what they were, as far as a run may have grown them.
pub(crate) fn again(sandbox: &Sandbox, subject: Subject) {
    sandbox.write("fake/log", "");
    sandbox.write("fake/exits", subject.exits());
    for name in ["strike", "struck", "refuse"] {
        let _ = fs::remove_file(sandbox.path("fake").join(name));
    }
    for name in ["install.img", "install-data.img", "report1.img"] {
        fs::OpenOptions::new().write(true).open(sandbox.path("vm").join(name)).unwrap().set_len(4096).unwrap();
    }
}

pub(crate) fn run(sandbox: &Sandbox, args: &[String]) -> Done {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    sandbox.run(&args)
}

/// A file that was to replace another.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.rsplit('.').next() == Some("new")
}

/// Nothing of ours is left, nothing of others is gone, no disk has lost a byte.
#[track_caller]
pub(crate) fn spotless(sandbox: &Sandbox, case: &str) {
    // A fake program that is killed may leave a draft, which is nothing.
    let names = |folder| sandbox.names(folder).into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(names("fake/interfaces"), OTHERS, "{case}");
    let members: Vec<String> = sandbox
        .read("fake/interfaces/bridge2")
        .lines()
        .filter(|line| line.starts_with("member"))
        .map(Into::into)
        .collect();
    assert_eq!(members, ["member em0", "member tap9"], "{case}");
    assert_eq!(
        (names("fake/jails"), names("fake/networks/web/interfaces")),
        (vec!["web".into()], vec!["bridge81".into()]),
        "{case}"
    );
    assert_eq!(names("fake/vmm"), ["other"], "{case}");
    assert_eq!(sandbox.names("state"), [""; 0], "{case}");
    let is_served = UnixStream::connect(sandbox.path("vm/served.sock")).is_ok();
    assert!(!is_served, "the helper goes on: {case}");
    let left: Vec<String> = sandbox.names("vm").into_iter().filter(|name| is_unfinished(name)).collect();
    assert_eq!(left, [""; 0], "{case}");
    for name in ["install.img", "install-data.img", "report1.img"] {
        let bytes = fs::File::open(sandbox.path("vm").join(name)).and_then(|mut file| {
            let mut bytes = [0; 4096];
            std::io::Read::read_exact(&mut file, &mut bytes).map(|()| bytes)
        });
        assert!(bytes.is_ok_and(|bytes| bytes == CONTENT), "{name}: {case}");
    }
    for name in ["demo.img", "uefi-ipxe-chainload.img"] {
        let length = fs::metadata(sandbox.path("vm").join(name)).unwrap().len();
        assert!(length == 4096 || length == 4 << 20, "{name} has {length} bytes: {case}");
    }
}

/// The calls that change something, each with how often it came before.
pub(crate) fn calls(sandbox: &Sandbox, subject: Subject) -> Vec<(usize, String)> {
    again(sandbox, subject);
    let done = run(sandbox, &subject.args());
    assert_eq!(done.code, 0, "{subject:?}: {}", done.stderr);
    spotless(sandbox, &format!("{subject:?}"));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let log = fs::read_to_string(sandbox.path("fake/log")).unwrap();
    let changes = log.lines().filter(|line| *line != "ifconfig" && !line.starts_with("sysctl"));
    let call = |line: &str| {
        // All of a boot's arguments are not needed to know it.
        let call = if line.starts_with("bhyve ") { "bhyve -c" } else { line };
        let count = seen.entry(call.into()).or_default();
        *count += 1;
        (*count, call.to_string())
    };
    changes.map(call).collect()
}

/// What comes after a run that was killed: the collector or the next start of the machine.
pub(crate) fn recover(sandbox: &Sandbox, subject: Subject, by_start: bool, case: &str) {
    let _ = fs::remove_file(sandbox.path("fake/strike"));
    let done = if by_start {
        sandbox.write("fake/exits", "1\n1\n1\n");
        run(sandbox, &[format!("{}.rhai", subject.name), "--stop-within".into(), "2s".into()])
    } else {
        sandbox.run(&["gc", "--stop-within", "2s"])
    };
    assert_eq!(done.code, 0, "{case}: {}", done.stderr);
    spotless(sandbox, &format!("{case}: {done:?}\n{}", sandbox.calls()));
}
