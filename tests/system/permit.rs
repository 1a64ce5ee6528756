//! A machine that runs only while a lock of a real etcd is held, of three members on the loopback of a network namespace of its own.

use super::host::{Host, SOON, lives};
use super::tools::{need, search_path, tool};
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a lease is good; the guest is down within two thirds of it.
const TTL: Duration = Duration::from_secs(3);

/// Three members of an etcd, which nobody else sees.
struct Etcd {
    network: String,
    folder: tempfile::TempDir,
    members: Vec<Option<Child>>,
}

/// The address at which a member has its clients, or its peers.
fn url(member: usize, is_peers: bool) -> String {
    format!("http://{}:{}", Ipv4Addr::LOCALHOST, 2379 + 10 * member + usize::from(is_peers))
}

impl Etcd {
    fn new(of: &str) -> Self {
        need(&["ip", "etcd", "etcdctl"]);
        let network = format!("vmrun-etcd-{of}-{}", std::process::id());
        tool("ip", &["netns", "add", &network]);
        tool("ip", &["-n", &network, "link", "set", "lo", "up"]);
        let mut etcd = Self { network, folder: tempfile::tempdir().unwrap(), members: vec![None, None, None] };
        (0..3).for_each(|member| etcd.begin(member));
        let begin = Instant::now();
        while !etcd.inside("etcdctl", &[&etcd.endpoints(), "get", "vm"]).output().unwrap().status.success() {
            assert!(begin.elapsed() < SOON, "{}", fs::read_to_string(etcd.folder.path().join("0.log")).unwrap());
        }
        etcd
    }

    /// Has a member begin, or go on.
    fn begin(&mut self, member: usize) {
        let path = |name: String| self.folder.path().join(name).display().to_string();
        let all: Vec<String> = (0..3).map(|one| format!("m{one}={}", url(one, true))).collect();
        let args = [
            format!("--name=m{member}"),
            format!("--data-dir={}", path(format!("{member}"))),
            format!("--listen-client-urls={}", url(member, false)),
            format!("--advertise-client-urls={}", url(member, false)),
            format!("--listen-peer-urls={}", url(member, true)),
            format!("--initial-advertise-peer-urls={}", url(member, true)),
            format!("--initial-cluster={}", all.join(",")),
            "--heartbeat-interval=50".into(),
            "--election-timeout=500".into(),
        ];
        let log = fs::File::options().create(true).append(true).open(path(format!("{member}.log"))).unwrap();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.inside("etcd", &args);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.members[member] = Some(command.spawn().unwrap());
    }

    /// Kills a member.
    fn kill(&mut self, member: usize) {
        let mut child = self.members[member].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn endpoints(&self) -> String {
        format!("--endpoints={}", [0, 1, 2].map(|member| url(member, false)).join(","))
    }

    /// Returns the command that runs a program beside the members.
    fn inside(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.env("PATH", search_path()).args(["netns", "exec", &self.network, program]).args(args);
        command
    }

    /// Returns the line of a recipe whose machine needs the lock `vm/db`, with more of its map.
    fn permit(&self, keeps: bool) -> String {
        let (endpoints, ttl) = (self.endpoints(), TTL.as_secs());
        let keep = format!("keep: [\"etcdctl\", \"{endpoints}\", \"--command-timeout=400ms\", \"get\", \"vm/db\"],");
        let keep = if keeps { keep } else { String::new() };
        format!(
            "permit(#{{ acquire: [\"etcdctl\", \"{endpoints}\", \"lock\", \"--ttl={ttl}\", \"vm/db\"], {keep} ttl: {ttl}, wait: \"20s\" }});\n"
        )
    }

    /// Returns the command that runs vmrun of a host beside the members.
    fn vmrun(&self, host: &Host, args: &[&str]) -> Command {
        host.program("ip", &[&["netns", "exec", &self.network, env!("CARGO_BIN_EXE_vmrun")], args].concat())
    }

    /// Starts the machine of a host whose permit etcd has, and returns the process of its guest.
    #[track_caller]
    fn start(&self, host: &Host) -> u32 {
        let done = host.finish(&mut self.vmrun(host, &["start", "db.rhai"]));
        assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: db runs\n"));
        host.status("db").unwrap().guest.unwrap()
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in (0..3).filter(|member| self.members[*member].is_some()).collect::<Vec<_>>() {
            self.kill(member);
        }
        let _ = Command::new("ip").env("PATH", search_path()).args(["netns", "delete", &self.network]).status();
    }
}

/// Returns how long it takes until a process is gone.
#[track_caller]
fn gone(pid: u32, begin: Instant) -> Duration {
    while lives(pid) {
        assert!(begin.elapsed() < SOON, "it goes on");
        sleep(Duration::from_millis(5));
    }
    begin.elapsed()
}

#[test]
fn a_guest_is_down_before_its_lease_is_over_when_etcd_loses_its_quorum_and_runs_elsewhere_when_it_is_back() {
    let mut etcd = Etcd::new("keeps");
    let [here, there] = ["deaf\n", "run\n"].map(Host::new);
    [&here, &there].into_iter().for_each(|host| host.recipe("db", &etcd.permit(true)));
    let guest = etcd.start(&here);
    let start = etcd.vmrun(&there, &["start", "db.rhai", "--wait", "30s"]).spawn().unwrap();
    sleep(Duration::from_millis(500));
    let begin = Instant::now();
    (1..3).for_each(|member| etcd.kill(member));
    let lost = gone(guest, begin);
    assert!(there.status("db").is_none_or(|status| status.guest.is_none()));
    let down = Instant::now();
    (1..3).for_each(|member| etcd.begin(member));
    let done = start.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let had = down.elapsed();
    eprintln!("etcd without a quorum: down after {lost:.1?} of {TTL:?}; elsewhere {had:.1?} after the quorum was back");
    assert!(lost < TTL, "{lost:?}");
    let log = here.log("db");
    assert!(log.contains("error: the permit is lost: it was not renewed for "), "{log}");
    assert_eq!(there.finish(&mut etcd.vmrun(&there, &["stop", "db"])).code, 0);
    here.is_clean();
    there.is_clean();
}

/// What only holds tells later: etcdctl waits until its lease is over by its own clock, and the guest has its time only then.
#[test]
fn a_guest_is_down_within_its_time_after_etcdctl_has_given_its_lease_up() {
    let mut etcd = Etcd::new("holds");
    let here = Host::new("deaf\n");
    here.recipe("db", &etcd.permit(false));
    let guest = etcd.start(&here);
    let begin = Instant::now();
    (1..3).for_each(|member| etcd.kill(member));
    let lost = gone(guest, begin);
    while !here.log("db").contains("it is down") {
        assert!(begin.elapsed() < SOON, "{}", here.log("db"));
        sleep(Duration::from_millis(10));
    }
    eprintln!("etcd without a quorum, and nothing but `etcdctl lock`: down after {lost:.1?}, of a lease of {TTL:?}");
    let log = here.log("db");
    assert!(log.contains("error: the permit is lost: `etcdctl "), "{log}");
    here.is_clean();
}
