//! Three nodes, the switch between them, a power switch, and the storage that all of them see.

use super::watch::Watch;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::PipeWriter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the cluster may take until all of it is there.
const UP: Duration = Duration::from_secs(60);

/// How long anything else may take before the test fails.
pub const LONG: Duration = Duration::from_secs(60);

/// How often it is looked whether something has happened.
const TICK: Duration = Duration::from_millis(5);

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// What differs between the clusters of the tests.
pub struct Setup<'a> {
    /// What the guest does: see `tests/guests/bootsector.S`.
    pub order: char,
    /// Whether Pacemaker may switch nodes off.
    pub fencing: bool,
    /// What stands in the recipe before its machine.
    pub before: &'a str,
    /// More parameters of the resource, and those that differ.
    pub params: &'a [(&'a str, &'a str)],
    /// Whether the machine waits until it is asked for.
    pub is_stopped: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { order: 'B', fencing: true, before: "", params: &[], is_stopped: false }
    }
}

/// How a command on a node ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    pub code: Option<i32>,
    pub said: String,
}

struct Node {
    /// The process whose child is the first of the namespaces.
    child: Child,
    /// The first process of its namespaces, as this test sees it.
    init: u32,
    /// Its end is the end of the node.
    _life: PipeWriter,
}

/// A cluster and all that belongs to it.
pub struct Lab {
    pub watch: Watch,
    nodes: BTreeMap<&'static str, Node>,
    switch: Child,
    _life: PipeWriter,
    power: Option<JoinHandle<()>>,
    /// The first processes of the nodes, for the power switch.
    inits: Arc<Mutex<BTreeMap<String, u32>>>,
    /// The nodes that were switched off, and when.
    fenced: Arc<Mutex<Vec<(String, Instant)>>>,
    ended: Arc<AtomicBool>,
    folder: TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for (name, node) in &mut self.nodes {
            if thread::panicking() {
                let _ = Command::new("cp")
                    .args(["-r", &format!("/proc/{}/root/var/log", node.init)])
                    .arg(self.folder.path().join(format!("{name}.log")))
                    .status();
            }
            off(node.init);
            let _ = node.child.wait();
        }
        let _ = self.switch.kill();
        let _ = self.switch.wait();
        if let Some(power) = self.power.take() {
            let _ = power.join();
        }
        if thread::panicking() {
            // What it said stays for whoever looks why.
            let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
            eprintln!("what the nodes said is kept in {}", folder.keep().display());
        }
    }
}

impl Lab {
    /// Starts a cluster, and waits until the machine `db` runs on the third node, its guest has booted, and nothing is left to do.
    pub fn started(setup: &Setup<'_>) -> Self {
        let lab = Self::new(setup);
        assert_eq!(lab.until_running("the first start", LONG, |_, _| true).0, "n3");
        lab.until_booted("n3");
        lab.settled("n3");
        lab
    }

    /// Waits until the guest on a node has come as far as to know its power button.
    #[track_caller]
    pub fn until_booted(&self, node: &str) {
        wait_for("the greeting of the guest", LONG, || self.log(node).contains("vmrun test guest: ").then_some(()));
    }

    /// What vmrun and the guest wrote on a node.
    pub fn log(&self, node: &str) -> String {
        let path = format!("/proc/{}/root/var/log/vmrun/db.log", self.nodes[node].init);
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Starts a cluster, and waits until its nodes know each other.
    pub fn new(setup: &Setup<'_>) -> Self {
        let needed =
            ["corosync", "pacemakerd", "crm_mon", "qemu-system-x86_64", "as", "ld", "unshare", "nsenter", "ip", "bash"];
        need(&needed);
        let folder = tempfile::Builder::new().prefix("vmrun-cluster.").tempdir().unwrap();
        // The daemons of Pacemaker are another user's.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fill(folder.path(), setup);
        let (switch, life) = switch();
        let mut nodes = BTreeMap::new();
        for (name, id) in NODES.into_iter().zip(1..) {
            nodes.insert(name, node(name, id, folder.path(), switch.id()));
        }
        let inits = nodes.iter().map(|(name, node): (&&str, &Node)| ((*name).to_string(), node.init)).collect();
        let inits = Arc::new(Mutex::new(inits));
        let fenced = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let of_power = (folder.path().join("power"), Arc::clone(&inits), Arc::clone(&fenced), Arc::clone(&ended));
        let power = Some(thread::spawn(move || power(&of_power.0, &of_power.1, &of_power.2, &of_power.3)));
        let watch = Watch::new(&folder.path().join("vm/db.img"));
        let lab = Self { watch, nodes, switch, _life: life, power, inits, fenced, ended, folder };
        lab.until_complete("n1");
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a line of shell on a node to its end.
    pub fn on(&self, node: &str, line: &str) -> Done {
        let init = self.nodes[node].init.to_string();
        let path = "PATH=/run/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
        let mut command = Command::new("nsenter");
        command.args([
            "-t",
            &init,
            "-m",
            "-n",
            "-p",
            "-u",
            "-i",
            "env",
            path,
            "LC_ALL=C.UTF-8",
            "VMRUN_PLATFORM=linux",
        ]);
        let output = command.args(["bash", "-c", line]).stdin(Stdio::null()).output().unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
        Done { code: output.status.code(), said }
    }

    /// The same, which has to succeed.
    #[track_caller]
    pub fn done_on(&self, node: &str, line: &str) -> String {
        let done = self.on(node, line);
        assert_eq!(done.code, Some(0), "{node}: {line}: {}", done.said);
        done.said
    }

    /// The node whose a process is.
    pub fn node_of(&self, pid: u32) -> Option<&'static str> {
        let space = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let of_process = space(pid)?;
        self.nodes.iter().find(|(_, node)| space(node.init).as_ref() == Some(&of_process)).map(|(name, _)| *name)
    }

    /// Where the machine runs, and the process of its hypervisor.
    pub fn running(&self) -> Option<(&'static str, u32)> {
        let pid = *self.watch.holders().first()?;
        Some((self.node_of(pid)?, pid))
    }

    /// Waits until the machine runs as it should, by what has its image open and by what vmrun says there.
    #[track_caller]
    pub fn until_running(&self, what: &str, within: Duration, fits: impl Fn(&str, u32) -> bool) -> (&'static str, u32) {
        let found = wait_for(what, within, || self.running().filter(|(node, pid)| fits(node, *pid)));
        wait_for("an answer that it runs", LONG, || {
            (self.on(found.0, "vmrun monitor db").code == Some(0)).then_some(())
        });
        found
    }

    /// Waits until a node sees all of them.
    #[track_caller]
    pub fn until_complete(&self, node: &str) {
        let seen = || self.on(node, "crm_mon -1 --include=none,nodes").said;
        wait_for("three nodes", UP, || seen().contains("Online: [ n1 n2 n3 ]").then_some(()));
    }

    /// Waits until nothing is left to do.
    #[track_caller]
    pub fn settled(&self, node: &str) {
        self.done_on(node, "crm_resource --wait --timeout 60");
    }

    /// The process of the machine's supervisor on a node, as this test sees it, if there is one.
    pub fn supervisor(&self, node: &str) -> Option<u32> {
        let said = self.on(node, "vmrun monitor db --json").said;
        let number = said.split_once("\"supervisor\": ")?.1.split(|it: char| !it.is_ascii_digit()).next()?;
        let found: u32 = number.parse().ok()?;
        all_pids().find(|pid| inner_pid(*pid) == Some(found) && self.node_of(*pid) == Some(name_of(node)))
    }

    /// A process on one of the nodes whose command line has a text.
    pub fn process_of(&self, nodes: &[&str], text: &str) -> Option<u32> {
        let has = |pid: u32| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
        };
        all_pids().find(|pid| has(*pid) && self.node_of(*pid).is_some_and(|node| nodes.contains(&node)))
    }

    /// Cuts a node's cable.
    pub fn cut(&self, node: &str) {
        self.on_switch(&format!("ip link set {node} nomaster"));
    }

    /// Mends it.
    pub fn mend(&self, node: &str) {
        self.on_switch(&format!("ip link set {node} master br0"));
    }

    fn on_switch(&self, line: &str) {
        on_switch(self.switch.id(), line);
    }

    /// Has all of a node stand still, as a host that hangs does.
    pub fn hang(&self, node: &str) {
        let pids = all_pids().filter(|pid| self.node_of(*pid) == Some(name_of(node)));
        let pids: Vec<String> = pids.map(|pid| pid.to_string()).collect();
        let words: Vec<&str> = ["-s", "STOP"].into_iter().chain(pids.iter().map(String::as_str)).collect();
        tool("kill", &words);
    }

    /// Takes a node's power away.
    pub fn off(&self, node: &str) {
        off(self.nodes[node].init);
    }

    /// Gives a node that was switched off its power again: it boots, and knows nothing of what it had.
    pub fn boot(&mut self, node: &str) {
        let (name, id) = NODES.into_iter().zip(1..).find(|(name, _)| *name == node).unwrap();
        // The end of its network was the end of its cable.
        wait_for("the end of a cable", LONG, || (!self.has_cable(name)).then_some(()));
        let new = self::node(name, id, self.folder.path(), self.switch.id());
        self.inits.lock().unwrap().insert(name.into(), new.init);
        let _ = self.nodes.insert(name, new).unwrap().child.wait();
    }

    fn has_cable(&self, node: &str) -> bool {
        let switch = self.switch.id().to_string();
        let looked = Command::new("nsenter").args(["-t", &switch, "-n", "ip", "link", "show", node]).output();
        looked.unwrap().status.success()
    }

    /// The nodes that were fenced, with the time.
    pub fn fenced(&self) -> Vec<(String, Instant)> {
        self.fenced.lock().unwrap().clone()
    }
}

fn name_of(node: &str) -> &'static str {
    NODES.into_iter().find(|name| *name == node).unwrap()
}

/// Says how long something took, for whoever runs `make cluster`.
pub fn took(what: &str, time: Duration) {
    eprintln!("{what:<64} {:>6.2} s", time.as_secs_f64());
}

/// Waits until something is there; fails when it takes too long.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < within, "{what}: not within {within:?}");
        sleep(TICK);
    }
}

/// Kills a process, by its number outside of all namespaces.
pub fn kill(pid: u32) {
    tool("kill", &["-s", "KILL", &pid.to_string()]);
}

/// Kills the first process of a node, and with it all of them, and waits until they are gone.
fn off(init: u32) {
    let _ = Command::new("kill").args(["-s", "KILL", &init.to_string()]).stderr(Stdio::null()).status();
    // It is a zombie only when all of its namespace have ended.
    wait_for("the end of a node", LONG, || (!lives(init)).then_some(()));
}

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub fn all_pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The number that a process has in the innermost of its namespaces.
fn inner_pid(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().last()?.parse().ok()
}

fn tool(program: &str, args: &[&str]) {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|why| panic!("cannot start {program}: {why}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn need(programs: &[&str]) {
    let path = format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let is_there = |program: &str| path.split(':').any(|folder| Path::new(folder).join(program).is_file());
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !is_there(program)).collect();
    assert!(missing.is_empty(), "this test needs {}: tools/setup.sh cluster", missing.join(", "));
}

/// Starts the switch: a network of its own with a bridge.
fn switch() -> (Child, PipeWriter) {
    let (life, writer) = std::io::pipe().unwrap();
    let child = Command::new("unshare").args(["-n", "cat"]).stdin(life).stdout(Stdio::null()).spawn().unwrap();
    wait_for("the switch", LONG, || {
        fs::read_to_string(format!("/proc/{}/comm", child.id())).is_ok_and(|name| name == "cat\n").then_some(())
    });
    on_switch(child.id(), "ip link add br0 type bridge && ip link set br0 up");
    (child, writer)
}

fn on_switch(switch: u32, line: &str) {
    tool("nsenter", &["-t", &switch.to_string(), "-n", "sh", "-c", line]);
}

/// Starts a node, and puts its cable into the switch.
fn node(name: &str, id: u8, lab: &Path, switch: u32) -> Node {
    let (life, writer) = std::io::pipe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "-n", "-p", "-u", "-i", "-f", "--kill-child=KILL", "--mount-proc", "bash"]);
    command.arg(format!("{PROJECT}/tests/cluster/node.sh")).args([name, &id.to_string()]).arg(lab);
    let (stdout, stderr) =
        (File::create(lab.join(format!("{name}.out"))), File::create(lab.join(format!("{name}.err"))));
    let child = command.stdin(life).stdout(stdout.unwrap()).stderr(stderr.unwrap()).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let init =
        wait_for("the first process of a node", LONG, || fs::read_to_string(&children).ok()?.trim().parse().ok());
    on_switch(
        switch,
        &format!("ip link add {name} type veth peer name eth0 netns {init} && ip link set {name} master br0 up"),
    );
    Node { child, init, _life: writer }
}

/// The power switch: what is asked for by a file is done, and answered by another one.
fn power(
    folder: &Path,
    inits: &Mutex<BTreeMap<String, u32>>,
    fenced: &Mutex<Vec<(String, Instant)>>,
    ended: &AtomicBool,
) {
    while !ended.load(Ordering::Relaxed) {
        for request in fs::read_dir(folder).unwrap().flatten() {
            let name = request.file_name().into_string().unwrap();
            let done = folder.join(format!("{name}.done"));
            if name == "broken" || name == "refused" || name.ends_with(".done") || done.exists() {
                continue;
            }
            let node = name.split('.').next().unwrap().to_string();
            off(inits.lock().unwrap()[&node]);
            fenced.lock().unwrap().push((node, Instant::now()));
            File::create(done).unwrap();
        }
        sleep(TICK);
    }
}

/// Writes all that the nodes have in common.
fn fill(folder: &Path, setup: &Setup<'_>) {
    let copy = |from: &str, to: &str| fs::copy(from, folder.join(to)).unwrap();
    fs::create_dir(folder.join("power")).unwrap();
    fs::create_dir(folder.join("vm")).unwrap();
    copy(&format!("{PROJECT}/packaging/ocf/vmrun"), "agent");
    copy(&format!("{PROJECT}/tests/cluster/fence_lab"), "fence_lab");
    copy(env!("CARGO_BIN_EXE_vmrun"), "vmrun");
    fs::write(folder.join("corosync.conf"), corosync()).unwrap();
    fs::write(folder.join("cib.xml"), cib(folder, setup)).unwrap();
    fs::write(folder.join("vm/db.img"), image(folder, setup.order)).unwrap();
    fs::write(folder.join("vm/db.rhai"), format!("{}{}", setup.before, recipe(folder, "db"))).unwrap();
}

/// The recipe of a machine that boots from the image.
pub fn recipe(folder: &Path, name: &str) -> String {
    let slots = format!(r#""0": hostbridge(), "4": virtio_blk("{}/vm/db.img"), "31": lpc()"#, folder.display());
    format!("bhyve(#{{ name: \"{name}\", memory: 64.MiB, com1: \"stdio\", slots: #{{ {slots} }} }}).run();\n")
}

fn image(folder: &Path, order: char) -> Vec<u8> {
    let (object, sector) = (folder.join("guest.o"), folder.join("guest.bin"));
    let (object, sector) = (object.to_str().unwrap(), sector.to_str().unwrap());
    tool("as", &["--32", "-o", object, &format!("{PROJECT}/tests/guests/bootsector.S")]);
    tool("ld", &["-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", sector, object]);
    let mut image = fs::read(sector).unwrap();
    image.push(u8::try_from(order).unwrap());
    image.resize(1 << 20, 0);
    image
}

fn corosync() -> String {
    let node = |(name, id): (&str, u8)| {
        format!("    node {{\n        name: {name}\n        nodeid: {id}\n        ring0_addr: 10.24.0.{id}\n    }}\n")
    };
    let nodes: String = NODES.into_iter().zip(1..).map(node).collect();
    format!(
        "totem {{\n    version: 2\n    cluster_name: lab\n    transport: knet\n    crypto_cipher: none\n    crypto_hash: none\n    token: 1000\n    token_coefficient: 0\n}}\nquorum {{\n    provider: corosync_votequorum\n}}\nlogging {{\n    to_stderr: yes\n    to_syslog: no\n    timestamp: \
         hires\n}}\nnodelist {{\n{nodes}}}\n"
    )
}

/// The cluster's configuration, as `cibadmin` would write it.
fn cib(folder: &Path, setup: &Setup<'_>) -> String {
    let pairs = |of: &str, all: &[(&str, &str)]| -> String {
        let pair =
            |(name, value): &(&str, &str)| format!("<nvpair id=\"{of}-{name}\" name=\"{name}\" value=\"{value}\"/>\n");
        all.iter().map(pair).collect()
    };
    let fencing = if setup.fencing { "true" } else { "false" };
    let options = pairs("cluster", &[("stonith-enabled", fencing), ("stonith-action", "off"), ("dc-deadtime", "2s")]);
    let lab = folder.display().to_string();
    let power = pairs("power", &[("lab", &lab), ("pcmk_host_list", "n1 n2 n3"), ("pcmk_host_check", "static-list")]);
    let power = format!(
        "<primitive id=\"power\" class=\"stonith\" type=\"fence_lab\"><instance_attributes id=\"power-params\">{power}</instance_attributes></primitive>\n"
    );
    let recipe = format!("{lab}/vm/db.rhai");
    let mut params = BTreeMap::from([("recipe", &recipe[..]), ("within", "3s"), ("wait", "10s")]);
    params.extend(setup.params.iter().copied());
    let params = pairs("db", &params.into_iter().collect::<Vec<_>>());
    let role = if setup.is_stopped { "Stopped" } else { "Started" };
    format!(
        r#"<cib validate-with="pacemaker-3.7" admin_epoch="0" epoch="1" num_updates="0"><configuration>
<crm_config><cluster_property_set id="cluster">
{options}</cluster_property_set></crm_config>
<nodes/>
<resources>
{power}<primitive id="db" class="ocf" provider="vmrun" type="vmrun"><instance_attributes id="db-params">
{params}</instance_attributes><meta_attributes id="db-meta"><nvpair id="db-role" name="target-role" value="{role}"/></meta_attributes><operations>
<op id="db-monitor" name="monitor" interval="1s" timeout="20s"/>
<op id="db-start" name="start" interval="0" timeout="60s"/>
<op id="db-stop" name="stop" interval="0" timeout="30s"/>
</operations></primitive>
</resources>
<constraints><rsc_location id="prefers" rsc="db" node="n3" score="1"/></constraints>
</configuration><status/></cib>
"#
    )
}
