//! Scripts that are recorded reach nothing of this host: as root, as an ordinary user, and where namespaces are refused not at all.

use crate::sandbox::same;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// The user and the group `nobody`.
const NOBODY: u32 = 65534;

/// A host's own folder, in which the script is, with a process, a port and a socket of the host's.
struct Host {
    folder: TempDir,
    victim: Child,
    port: TcpListener,
    socket: UnixListener,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.victim.kill().unwrap();
        self.victim.wait().unwrap();
    }
}

impl Host {
    fn new(script: &str, user: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("vmrun-enclosed").tempdir_in("/tmp").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        port.set_nonblocking(true).unwrap();
        let socket = UnixListener::bind(folder.path().join("socket")).unwrap();
        socket.set_nonblocking(true).unwrap();
        let victim = Command::new("sleep").arg("1000").uid_of(user).spawn().unwrap();
        let host = Self { folder, victim, port, socket };
        // By a program of its own: what is open for writing here may go on in what another test starts, and is then no program yet.
        let copied =
            Command::new("cp").args([env!("CARGO_BIN_EXE_vmrun").as_ref(), host.path("vmrun").as_path()]).status();
        assert!(copied.unwrap().success());
        fs::create_dir(host.path("kept")).unwrap();
        for name in ["victim", "kept/moved", "kept/mode", "kept/line"] {
            fs::write(host.path(name), "as it was\n").unwrap();
        }
        let own = |text: &str| {
            let text = text.replace("[victim]", &host.victim.id().to_string());
            text.replace("[port]", &host.port.local_addr().unwrap().port().to_string())
        };
        fs::write(host.path("s.sh"), own(script)).unwrap();
        for (path, _) in tree(host.folder.path()) {
            chown(&path, Some(user), Some(user)).unwrap();
        }
        chown(host.folder.path(), Some(user), Some(user)).unwrap();
        for name in ["s.sh", "vmrun"] {
            fs::set_permissions(host.path(name), Permissions::from_mode(0o755)).unwrap();
        }
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the folder, as a user, who sees nothing but the usual programs.
    fn command(&self, line: &[&str], user: u32) -> Command {
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).uid_of(user).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TMPDIR", self.folder.path())
            .env("HOME", self.folder.path());
        command
    }

    fn record(&self, args: &[&str], user: u32) -> Output {
        let program = self.path("vmrun");
        self.command(&[&[program.to_str().unwrap(), "record"], args].concat(), user).output().unwrap()
    }
}

/// Has a command run as a user.
trait AsUser {
    fn uid_of(&mut self, user: u32) -> &mut Self;
}

impl AsUser for Command {
    fn uid_of(&mut self, user: u32) -> &mut Self {
        use std::os::unix::process::CommandExt as _;
        if user == 0 { self } else { self.uid(user).gid(user) }
    }
}

/// Everything below a folder: kind and mode, owner, length and times, and of small files the content. Links are not followed.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            let content =
                if meta.is_file() && meta.len() < 4096 { fs::read(&path).unwrap_or_default() } else { Vec::new() };
            let (mode, time) = (meta.mode(), (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()));
            // What is in a folder stands beside it: the folder of the recording came and went.
            let time = if meta.is_dir() { (0, 0, 0, 0) } else { time };
            let content = String::from_utf8_lossy(&content).into_owned();
            all.insert(path.clone(), format!("{mode:o} {} {} {time:?} {content}", meta.uid(), meta.len()));
            if meta.is_dir() {
                left.push(path);
            }
        }
    }
    all
}

/// What there is of this host, by the names of what it is.
fn snapshot(host: &Host) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for folder in
        [host.folder.path(), Path::new("/etc"), Path::new("/var/spool"), Path::new("/usr/local"), Path::new("/dev/shm")]
    {
        for (path, what) in tree(folder) {
            all.insert(path.display().to_string(), what);
        }
    }
    let names = |folder: &str| {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names.join(" ")
    };
    for folder in ["/", "/dev", "/sys/class/net", "/sys/class/block"] {
        all.insert(format!("names in {folder}"), names(folder));
    }
    let files = [
        "/proc/self/mounts",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/sysrq",
        "/proc/sys/kernel/printk",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/vm/swappiness",
        "/proc/swaps",
        "/proc/sysvipc/shm",
        "/proc/sysvipc/msg",
        "/proc/sysvipc/sem",
    ];
    for file in files {
        // A kernel may be without one of them. Networks of other tests come and go.
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.contains(" /run/netns"));
        all.insert(file.into(), lines.collect::<Vec<_>>().join("\n"));
    }
    let device = fs::metadata("/dev/null").unwrap();
    all.insert("/dev/null".into(), format!("{:o} {}", device.mode(), device.uid()));
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let marked = pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // Processes of other tests come and go.
        String::from_utf8_lossy(&line).contains(&format!("31337.{}", host.victim.id())) || *pid == host.victim.id()
    });
    all.insert("processes".into(), marked.map(|pid| pid.to_string()).collect::<Vec<_>>().join(" "));
    all
}

/// What touches a host, a line each. What each says does not matter: what is refused has been tried.
const WAYS: &str = r#"#!/bin/bash
touch made
rm -rf kept/line victim
echo changed > kept/redirected; echo more >> kept/mode
mv kept/moved gone
dd if=/dev/zero of=kept/mode bs=1 count=3
dd if=/dev/zero of=/dev/vda bs=512 count=1; dd if=/dev/zero of=/dev/mem bs=1 count=1
mkdir -p new/folder /made-by-a-script
chmod 777 kept; chmod 0 kept/mode; chmod 0 /dev/null; chown 1:1 kept/mode
ln -s /etc/passwd link; ln victim hard
cp s.sh /usr/local/bin/made-by-a-script; echo x >> /etc/hosts; echo x > /etc/made-by-a-script
/usr/bin/mount -t tmpfs none kept; /bin/umount /tmp; umount -l /
mount --bind / kept; busybox mount -t proc proc kept
perl -e 'syscall(165, "none", "kept", "tmpfs", 0, 0); syscall(166, "/usr", 2)'
ip link add made0 type dummy; ip link set lo down; ip addr add 10.99.0.1/8 dev lo
/usr/sbin/sysctl -w net.ipv4.ip_forward=1
for f in net/ipv4/ip_forward vm/swappiness kernel/sysrq kernel/printk kernel/hostname; do echo 7 > /proc/sys/$f; done
echo h > /proc/sysrq-trigger; echo 0 > /sys/class/block/vda/queue/read_ahead_kb; echo made > /sys/class/net/bonding_masters
kill -9 [victim]; kill -TERM -1; pkill -9 sleep
(setsid sleep 31337.[victim] >/dev/null 2>&1 &); nohup sleep 31337.[victim] >/dev/null 2>&1 & disown
echo 'touch /made-by-a-script' | at now; echo '* * * * * touch /made-by-a-script' | crontab -
hostname made-by-a-script; domainname made-by-a-script
echo x > /dev/shm/made-by-a-script; ipcmk -M 4096; ipcmk -Q
mknod node b 254 0; mknod /dev/made-by-a-script c 1 3; mkfifo pipe; echo x > /dev/made
(exec 3<>/dev/tcp/127.0.0.1/[port]; echo hello >&3)
perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new("socket") and print $s "hello"'
/usr/bin/curl -m 1 -o /made-by-a-script http://127.0.0.1:[port]/
wget -T 1 -t 1 -O /made-by-a-script http://127.0.0.1:[port]/
insmod /made-by-a-script; swapon kept/mode; date -s 2001-01-01; reboot -f; chroot /proc/1/root /bin/touch /tmp/made
bhyve -c 1 -m 512M vm
exit 0
"#;

fn nothing_is_touched(user: u32) {
    let host = Host::new(WAYS, user);
    let before = snapshot(&host);
    let done = host.record(&["--transcript", "--", "./s.sh"], user);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("bhyve -c 1 -m 512M vm"), "{said}");
    let after = snapshot(&host);
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let names: Vec<&String> = before.keys().chain(after.keys()).filter(differs).collect();
    let shown: Vec<String> =
        names.iter().map(|name| format!("{name}: {:?} {:?}", before.get(*name), after.get(*name))).collect();
    assert_eq!(shown, [""; 0], "{said}");
    assert!(host.port.accept().is_err() && host.socket.accept().is_err(), "{said}");
}

#[test]
fn a_script_of_roots_that_touches_the_host_in_all_ways_changes_nothing() {
    nothing_is_touched(0);
}

#[test]
fn a_script_of_an_ordinary_user_that_touches_the_host_in_all_ways_changes_nothing() {
    nothing_is_touched(NOBODY);
}

/// Each spelling of a program that is not the name alone, and what it calls.
const SPELLINGS: &str = "#!/bin/sh
SBIN=/usr/sbin
$SBIN/bhyve -c 1 one
command -p bhyve -c 1 two
env -i bhyve -c 1 three
PATH=/usr/bin bhyve -c 1 four
/usr/local/sbin/bhyve -c 1 five
sh -c '/sbin/ifconfig tap1 create'
env -i /bin/sh -c 'cd /; kldload vmm'
sudo /usr/bin/truncate -s 1G /vm/a.img
/usr/local/bin/doas /sbin/zfs create zroot/a
exec /usr/sbin/bhyvectl --destroy --vm=one
";

#[test]
fn stand_ins_are_reached_in_all_spellings() {
    for user in [0, NOBODY] {
        let host = Host::new(SPELLINGS, user);
        let done = host.record(&["--transcript", "--", "./s.sh"], user);
        same(&String::from_utf8_lossy(&done.stderr), "");
        let text = String::from_utf8_lossy(&done.stdout).replace(&host.folder.path().display().to_string(), "[tmp]");
        same(
            &text,
            "\
bhyve -c 1 one  # status 1; given back by bhyvectl --destroy --vm=one
bhyve -c 1 two  # status 1
bhyve -c 1 three  # status 1
bhyve -c 1 four  # status 1
bhyve -c 1 five  # status 1
ifconfig tap1 create
cd /
kldload vmm
cd [tmp]
truncate -s 1G /vm/a.img
zfs create zroot/a
bhyvectl --destroy --vm=one",
        );
    }
}

/// What would fetch, install and switch off.
const SERVICES: &str = "#!/bin/sh
set -e
curl -fsSLo a.img https://nowhere.invalid/b.img
/usr/bin/wget -q https://nowhere.invalid/c.img
test -f a.img && test -f c.img
pkg info -e grub2-bhyve || pkg install -y grub2-bhyve
sysrc vm_enable=YES
test $(sysrc -n vm_enable) = YES
su root -c 'ifconfig tap3 create'
cpuset -l 0-1 /usr/sbin/bhyve -c 1 one || true
jail -c name=a command=/bin/sh
service netif restart
/sbin/shutdown -p now
";

#[test]
fn nothing_is_fetched_installed_or_switched_off() {
    for user in [0, NOBODY] {
        let host = Host::new(SERVICES, user);
        let done = host.record(&["--transcript", "--", "./s.sh"], user);
        let made_up = "vmrun: made up, where `--answer` says nothing: `pkg info -e grub2-bhyve` finds what it asks for";
        same(&String::from_utf8_lossy(&done.stderr), made_up);
        same(
            &String::from_utf8_lossy(&done.stdout),
            "\
curl -fsSLo a.img https://nowhere.invalid/b.img
wget -q https://nowhere.invalid/c.img
pkg info -e grub2-bhyve
sysrc vm_enable=YES
sysrc -n vm_enable
ifconfig tap3 create
bhyve -c 1 one  # status 1
jail -c name=a command=/bin/sh
service netif restart
shutdown -p now",
        );
        assert!(!host.path("a.img").exists());
    }
}

/// A network of the host's: its name is a file that opens and cannot be read.
struct Network(String);

impl Network {
    fn new() -> Self {
        let name = format!("vmrun-enclosed-{}", std::process::id());
        assert!(Command::new("ip").args(["netns", "add", &name]).status().unwrap().success());
        Self(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        assert!(Command::new("ip").args(["netns", "delete", &self.0]).status().unwrap().success());
    }
}

#[test]
fn what_a_script_writes_is_in_its_recording() {
    let _network = Network::new();
    let script = "#!/bin/sh
echo '(hd0) /vm/a.img' > device.map
mkdir -p /vm/sub; printf 'memory.size=1G\\n' > /vm/sub/a.conf; chmod 600 /vm/sub/a.conf
chmod 700 kept/mode; rm victim; echo password=geheim > kept/line
bhyve -c 1 vm
exit 0
";
    for user in [0, NOBODY] {
        let host = Host::new(script, user);
        let done = host.record(&["--json", "--", "./s.sh"], user);
        let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        let at = |name: &str| host.path(name).display().to_string();
        let expected = serde_json::json!([
            { "path": at("device.map"), "mode": "0644", "content": "(hd0) /vm/a.img\n" },
            { "path": at("kept/line"), "mode": "0644", "content": "password=***\n" },
            { "path": "/vm/sub/a.conf", "mode": "0600", "content": "memory.size=1G\n" },
        ]);
        assert_eq!(json["with"]["written"], expected);
    }
}

#[test]
fn a_file_that_a_script_writes_for_a_program_is_in_the_recipe() {
    let script = "#!/bin/sh
printf 'set skip on lo\\n' > pf.conf; chmod 600 pf.conf
echo unread > other
pfctl -f pf.conf
printf 'cpus=2\\nmemory.size=1G\\npci.0.0.0.device=hostbridge\\nlpc.bootrom=/fw.fd\\npci.0.31.0.device=lpc\\n' > vm.conf
bhyve -k vm.conf vm
exit 0
";
    let host = Host::new(script, NOBODY);
    let done = host.record(&["--on", "freebsd-14.3", "--", "./s.sh"], NOBODY);
    same(&String::from_utf8_lossy(&done.stderr), "vmrun: same machine, same commands");
    let text = String::from_utf8_lossy(&done.stdout).replace(&host.folder.path().display().to_string(), "[tmp]");
    same(
        &text,
        r#"
// Made from what `s.sh` called.
// The script ends when the guest reboots; vmrun starts it again, with `init` false, until it powers off.

write_file("[tmp]/pf.conf", "set skip on lo\n", #{ mode: "600" });
run("pfctl", ["-f", "pf.conf"]);

bhyve(#{
    name: "vm", cpus: 2, memory: 1.GiB,
    bootrom: "/fw.fd",
    slots: #{
        "0": hostbridge(),
        "31": lpc(),
    },
}).run();
"#,
    );
}

#[test]
fn a_daemon_ends_with_its_recording_and_is_not_waited_for() {
    let host = Host::new("#!/bin/sh\nsetsid sleep 31338 >/dev/null 2>&1 &\nbhyve -c 1 vm\nexit 0\n", 0);
    let begin = std::time::Instant::now();
    assert_eq!(host.record(&["--", "./s.sh"], 0).status.code(), Some(0));
    // The patience with those who may still say something is two seconds.
    assert!(begin.elapsed().as_millis() < 1900, "{:?}", begin.elapsed());
    let lives = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\x0031338")
    });
    assert!(!lives);
}

#[test]
fn a_script_is_not_run_where_namespaces_are_refused() {
    let refused = |why: &str| {
        format!(
            "error: the script cannot be enclosed, and was not run: {why}
 |
 = hint: allow namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), record as root, or let the \
             script reach this host by `--anyway`: all that has no stand-in is done for real then"
        )
    };
    let record = "echo 0 > /proc/sys/user/max_[kind]_namespaces; ./vmrun record --transcript [anyway] -- ./s.sh";
    // Limits of a namespace of this test's own.
    let user = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c"];
    let root = ["unshare", "--user", "--map-root-user", "sh", "-c"];
    let cases = [
        (&user[..], "user", "user namespaces are refused (unshare: No space left on device)"),
        (&root[..], "mnt", "namespaces are refused (unshare: No space left on device)"),
    ];
    for (begin, kind, why) in cases {
        let host = Host::new("#!/bin/sh\nbhyve -c 1 vm\ntouch made\nexit 0\n", NOBODY);
        let run = |anyway: &str| {
            let line = record.replace("[kind]", kind).replace("[anyway]", anyway);
            host.command(&[begin, &[line.as_str()]].concat(), NOBODY).output().unwrap()
        };
        let done = run("");
        let said = String::from_utf8_lossy(&done.stderr).replace("│", "|").trim_end().to_string();
        same(&said, &refused(why));
        assert_eq!((done.status.code(), host.path("made").exists()), (Some(3), false));
        let done = run("--anyway");
        same(&String::from_utf8_lossy(&done.stdout), "bhyve -c 1 vm  # status 1\ntouch made");
        assert_eq!((done.status.code(), host.path("made").exists()), (Some(0), true));
    }
}

/// What is mounted below a folder the kernel does not show to an ordinary user, in a namespace of his own (mount_namespaces(7)).
#[test]
fn programs_in_a_mount_and_around_one_are_watched() {
    const MOUNTS: &str = "\
set -e
mkdir -p outer/bin
mount -t tmpfs tmpfs outer/bin
for program in outer/around outer/bin/within; do
    printf '#!/bin/sh\\nhead -c 8 /dev/urandom | od -An -tx1 > \"$1\"\\n' > $program
    chmod 755 $program
done
PATH=$PWD/outer:$PWD/outer/bin:$PATH
exec setpriv --reuid=[user] --regid=[user] --clear-groups ./vmrun record --on freebsd-14.3 -- ./s.sh";
    let script = "\
#!/bin/sh
within /var/tmp/a
around /var/tmp/b
bhyve -c 1 -m 1G -s 0,hostbridge -s 3,virtio-blk,/var/tmp/a -s 4,virtio-blk,/var/tmp/b -s 31,lpc -l bootrom,/fw.fd vm
exit 0
";
    for user in [0, NOBODY] {
        let host = Host::new(script, user);
        let line = MOUNTS.replace("[user]", &user.to_string());
        let done = host.command(&["unshare", "-m", "sh", "-c", &line], 0).output().unwrap();
        same(&String::from_utf8_lossy(&done.stderr), "vmrun: same machine, same commands");
        let text = String::from_utf8_lossy(&done.stdout);
        let calls: Vec<&str> = text.lines().filter(|line| line.starts_with("run(")).collect();
        let expected = [
            "run(\"within\", [\"/var/tmp/a\"], #{ makes: \"/var/tmp/a\" });",
            "run(\"around\", [\"/var/tmp/b\"], #{ makes: \"/var/tmp/b\" });",
        ];
        assert_eq!(calls, expected, "{text}");
    }
}
