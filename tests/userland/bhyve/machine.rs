//! Everything between the command line and the devices, and what comes after them, in bhyve's order.
//!
//! The words about NUMA domains, about a node that is in use, and the status of a bad domain size are (k).

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal};
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::tree::{ERROR, Tree, fatal};
use super::{device, twelve};
use crate::exit::{EINVAL, Exit, Step, say, strerror, warn};
use crate::node::{self, Memory, Node, Processors, Topology};
use crate::number::{memory_size, strtol};
use crate::release::{V14_3, V15_0};
use crate::state::State;

/// `EX_OSERR` and `EX_USAGE` of sysexits(3).
const EX_OSERR: u8 = 71;
const EX_USAGE: u8 = 64;

/// `EEXIST` and `EINVAL`, where their numbers are told.
const EEXIST_NUMBER: u8 = 17;
const EINVAL_NUMBER: u8 = 22;

pub(crate) const PAGE: u64 = 4096;

/// The room for the boot ROM and its variables.
pub(crate) const ROM_MAX: u64 = 16 << 20;

/// A machine that is being started, and what it holds while it runs.
pub(crate) struct Machine<'a> {
    pub(crate) state: &'a State,
    pub(crate) tree: Tree,
    pub(crate) name: String,
    /// Whether the node was not there before.
    pub(crate) created: bool,
    /// Whether a serial port has taken stdin and stdout.
    pub(crate) stdio: bool,
    /// What was printed by printf(3) on an stdout that is no terminal: it is written when bhyve exits, and lost where a signal ends
    /// it (signals.txt).
    pub(crate) printed: String,
    /// The boot order: index and device.
    pub(crate) boot: Vec<(i128, String)>,
    /// The one of the `sockets` that someone has to connect to before the guest starts.
    pub(crate) viewer: Option<usize>,
    pub(crate) sockets: Vec<TcpListener>,
    consoles: Vec<UnixListener>,
    topology: Topology,
    /// Whether files, interfaces and sockets are taken for granted.
    pub(crate) assume: bool,
}

/// How a file is to be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// For writing, or else for reading only, without a word.
    Disk,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(state: &'a State, tree: Tree, name: &str, assume: bool) -> Self {
        Self {
            state,
            tree,
            name: name.to_string(),
            created: false,
            stdio: false,
            printed: String::new(),
            boot: Vec::new(),
            viewer: None,
            sockets: Vec::new(),
            consoles: Vec::new(),
            topology: Topology::default(),
            assume,
        }
    }

    /// Does all that bhyve does before the guest runs.
    pub(crate) fn start(&mut self) -> Step<()> {
        self.topology = topology(&self.tree)?;
        for vcpu in 0..self.topology.cpus {
            if let Some(list) = self.tree.get(&format!("vcpu.{vcpu}.cpuset")) {
                cpu_list(&list, &format!("vcpu {vcpu}"))?;
            }
        }
        let memory = self.memory_size("memory.size")?;
        self.open()?;
        if self.tree.release.major < 13 {
            self.set_up_memory(memory)?;
            return twelve::start(self);
        }
        self.check_flags(&["x86.vmexit_on_hlt", "x86.vmexit_on_pause", "x86.x2apic"])?;
        self.set_up_memory(memory)?;
        self.check_flags(&["x86.strictmsr", "x86.strictio", "rtc.use_localtime"])?;
        if self.tree.release >= V15_0 {
            self.check_flags(&["x86.verbosemsr"])?;
        }
        if self.tree.release.major >= 15 {
            self.load_rom("")?;
        }
        device::start(self)?;
        self.start_tpm()?;
        self.start_gdb()?;
        self.build_mptable()?;
        if self.tree.get("uuid").is_some_and(|uuid| !is_uuid(&uuid)) {
            return Err(Exit::silent(ERROR));
        }
        self.check_flags(&["acpi_tables", "acpi_tables_in_memory"])
    }

    /// The stub for gdb: its port goes to getaddrinfo(3) with AI_NUMERICSERV, which reads decimal numbers alone. The words are (k).
    fn start_gdb(&self) -> Step<()> {
        let Some(port) = self.tree.get("gdb.port") else { return Ok(()) };
        self.check_flags(&["gdb.wait"])?;
        if strtol(&port, 10).and_then(|number| number.whole()).is_some_and(|port| u16::try_from(port).is_ok()) {
            return Ok(());
        }
        Err(fatal(format!("gdb: invalid port \"{port}\"")))
    }

    /// A table of the first bus alone: `mptable_build` refuses more of them.
    fn build_mptable(&self) -> Step<()> {
        let is_further = |place: &device::Place| place.bus > 0;
        if self.tree.flag("x86.mptable", true)? && device::places(self).iter().any(is_further) {
            return Err(Exit::new(ERROR, "MPtable is incompatible with multiple PCI hierarchies."));
        }
        Ok(())
    }

    fn check_flags(&self, keys: &[&str]) -> Step<()> {
        keys.iter().try_for_each(|key| self.tree.flag(key, false).map(|_| ()))
    }

    fn memory_size(&self, key: &str) -> Step<u64> {
        let text = self.tree.get(key).unwrap_or_default();
        memory_size(&text).ok_or_else(|| Exit::new(EX_USAGE, format!("bhyve: invalid memsize '{text}'")))
    }

    /// printf(3).
    pub(crate) fn print(&mut self, text: &str) {
        if io::stdout().is_terminal() {
            say(text);
        } else {
            self.printed.push_str(text);
        }
    }

    /// Opens the node, or makes it if there is a boot ROM to start from.
    fn open(&mut self) -> Step<()> {
        let _lock = self.state.lock()?;
        let rom = self.tree.get(if self.tree.release.major >= 15 { "bootrom" } else { "lpc.bootrom" });
        if self.tree.release.major < 13 {
            twelve::may_create(self)?;
        }
        let mut node = match node::load(self.state, &self.name)? {
            // What was not loaded has nothing to start from; whether bhyve itself sees that is (k).
            Some(node) if rom.is_none() && !node.loaded && !self.assume => {
                return Err(Exit::new(ERROR, "virtual machine cannot be booted"));
            }
            Some(node) => self.reopen(node)?,
            None if !node::is_valid(&self.name)? => return Err(fatal(format!("vm_openf: {EINVAL}"))),
            None if rom.is_some() => {
                self.created = true;
                Node::default()
            }
            None if self.tree.release.major >= 15 => return Err(fatal("no bootrom was configured")),
            // Before 15 the node is made first and left behind (bhyve-node.txt).
            None => {
                Node::default().save(self.state, &self.name)?;
                return Err(Exit::new(ERROR, "virtual machine cannot be booted"));
            }
        };
        node.pid = Some(std::process::id());
        node.save(self.state, &self.name)?;
        let most = self.state.sysctl("hw.vmm.maxcpu")?.and_then(|text| text.trim().parse().ok()).unwrap_or(16);
        let cpus = self.topology.cpus;
        if cpus > most {
            return Err(if self.tree.release.major < 14 {
                Exit::new(EX_OSERR, "bhyve: vm_set_topology")
            } else {
                Exit::new(ERROR, format!("{cpus} vCPUs requested but only {most} available"))
            });
        }
        node.topology = self.topology;
        Ok(node.save(self.state, &self.name)?)
    }

    /// Makes a node new that is there already. Before its processors are set going even a second bhyve can have it, so it was
    /// seen on 12.1; later releases hold it for the one that has opened it. (k)
    fn reopen(&self, mut node: Node) -> Step<Node> {
        let held = self.tree.release.major >= 13 && node.runner().is_some();
        if held || !node.reinit() {
            return Err(Exit::new(ERROR, "vm_reinit: Device busy"));
        }
        Ok(node)
    }

    /// Sets the first processor going; false if the node is gone, or another's.
    pub(crate) fn set_going(&self) -> Step<bool> {
        let _lock = self.state.lock()?;
        let node = node::load(self.state, &self.name)?;
        let Some(mut node) = node.filter(|node| node.pid == Some(std::process::id())) else {
            return Ok(false);
        };
        // What it was told before its first start it finds; by a reboot it was obeyed.
        node.suspend = node.suspend.filter(|_| node.processors == Processors::Idle);
        node.processors = Processors::Going;
        node.save(self.state, &self.name)?;
        Ok(true)
    }

    /// What bhyve asserts in vain once the machine runs: 12.1 tells it the kernel then that a processor of the host's is wanted.
    pub(crate) fn assertion(&self) -> Option<&'static str> {
        (self.tree.release.major < 13).then(|| twelve::assertion(self)).flatten()
    }

    /// Splits the memory over the NUMA domains, and asks the kernel for it.
    fn set_up_memory(&self, memory: u64) -> Step<()> {
        let mut sizes = Vec::new();
        let mut domains = 0;
        while self.tree.has_node(&format!("domains.{domains}")) {
            let key = format!("domains.{domains}");
            let cpus = self.tree.get(&format!("{key}.cpus"));
            let cpus = cpus.ok_or_else(|| fatal(format!("CPU list for domain {domains} is missing")))?;
            cpu_list(&cpus, &format!("domain {domains}"))?;
            if let Some(policy) = self.tree.get(&format!("{key}.domain_policy")).filter(|policy| !is_policy(policy)) {
                return Err(Exit::new(EX_USAGE, format!("bhyve: invalid domain policy '{policy}'")));
            }
            if self.tree.get(&format!("{key}.size")).is_some() {
                sizes.push(self.memory_size(&format!("{key}.size"))?);
            }
            domains += 1;
        }
        if sizes.len() < domains {
            warn("bhyve: memory size of a domain is missing, all memory is split evenly");
        }
        let total = if domains > 0 && sizes.len() == domains {
            sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size))
        } else {
            memory
        };
        self.check_flags(&["memory.wired", "memory.guest_in_core"])?;
        let refused = |errno: u8| Exit::new(ERROR, format!("Unable to setup memory ({errno})"));
        if total == 0 || total % PAGE != 0 {
            return Err(refused(EINVAL_NUMBER));
        }
        let wired = self.tree.flag("memory.wired", false)?;
        let _lock = self.state.lock()?;
        let Some(mut node) = node::load(self.state, &self.name)? else { return Ok(()) };
        // What was set up stays as long as the node (bhyve-node.txt).
        match node.memory {
            Some(memory) if memory.wired != wired => return Err(refused(EEXIST_NUMBER)),
            Some(memory) if memory.size != total => return Err(refused(EINVAL_NUMBER)),
            _ => node.memory = Some(Memory { size: total, wired }),
        }
        Ok(node.save(self.state, &self.name)?)
    }

    /// Loads the boot ROM and its variables; before 15 that is the LPC bridge's work.
    pub(crate) fn load_rom(&self, prefix: &str) -> Step<()> {
        let Some(rom) = self.tree.get(&format!("{prefix}bootrom")) else {
            return Ok(());
        };
        let failed = |what: &str, path: &str, why| Exit::new(ERROR, format!("Error opening {what} \"{path}\": {why}"));
        let rom_size = self.size(&rom, Access::Read).map_err(|why| failed("bootrom", &rom, why))?;
        let mut vars_size = None;
        if let Some(vars) = self.tree.get(&format!("{prefix}bootvars")) {
            vars_size = self.size(&vars, Access::Write).map_err(|why| failed("bootrom variable file", &vars, why))?;
        }
        if let Some(size) = vars_size.filter(|size| *size > ROM_MAX || (1..PAGE).contains(size)) {
            return Err(Exit::new(ERROR, format!("Invalid bootrom variable size {size}")));
        }
        match rom_size {
            Some(size) if size + vars_size.unwrap_or(0) > ROM_MAX => Err(Exit::new(
                ERROR,
                format!("Invalid bootrom and variable aggregate size {}", size + vars_size.unwrap_or(0)),
            )),
            Some(0) => Err(fatal("ROM size 0 is invalid")),
            Some(size) if size % PAGE != 0 => Err(fatal(format!("ROM size {size} is not a multiple of the page size"))),
            _ => Ok(()),
        }
    }

    fn start_tpm(&self) -> Step<()> {
        if !self.tree.has_node("tpm") {
            return Ok(());
        }
        // What is not there is asserted to be there.
        let value = |key: &str| self.tree.get(&format!("tpm.{key}")).filter(|text| !text.is_empty());
        let (Some(version), Some(kind), Some(path)) = (value("version"), value("type"), value("path")) else {
            return Err(Exit::signal(device::SIGABRT));
        };
        let is_kind = kind == "passthru" || (kind == "swtpm" && self.tree.release >= V14_3);
        let is_known = |key: &str, known: &str| value(key).is_none_or(|text| text == known);
        let known = is_kind && version == "2.0" && is_known("intf", "crb") && is_known("ppi", "qemu");
        if known && (self.assume || Path::new(&path).exists()) {
            return Ok(());
        }
        Err(Exit::new(ERROR, "Failed to init TPM device"))
    }

    /// Opens a file and tells its size, or FreeBSD's reason why it cannot be opened. When files are taken for granted
    /// there is no size.
    pub(crate) fn size(&self, path: &str, access: Access) -> Result<Option<u64>, &'static str> {
        if self.assume {
            return Ok(None);
        }
        let open = |write: bool| OpenOptions::new().read(true).write(write).open(path);
        let opened = match access {
            Access::Read => open(false),
            Access::Write => open(true),
            Access::Disk => open(true).or_else(|_| open(false)),
        };
        let size = opened.and_then(|file| file.metadata()).map(|metadata| metadata.len());
        size.map(Some).map_err(|error| strerror(&error))
    }

    /// Whether a folder is there.
    pub(crate) fn has_folder(&self, path: &str) -> bool {
        self.assume || fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Listens on an address, if it is one that every system has; others are taken to be free.
    pub(crate) fn listen(&mut self, address: IpAddr, port: u16) -> io::Result<()> {
        let everywhere = match address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(_) => false,
        };
        if everywhere && !self.assume {
            self.sockets.push(TcpListener::bind((address, port))?);
        }
        Ok(())
    }

    /// Binds a socket of the file system, of a console port or the frame buffer: it must not be there, and is left behind.
    pub(crate) fn bind_socket(&mut self, path: &str) -> io::Result<()> {
        if !self.assume {
            self.consoles.push(UnixListener::bind(path)?);
        }
        Ok(())
    }
}

/// Works out the CPUs.
fn topology(tree: &Tree) -> Step<Topology> {
    let count = |key: &str| {
        let Some(text) = tree.get(key) else {
            return Ok(None);
        };
        let number = strtol(&text, 0).and_then(|number| number.whole()).and_then(|value| u16::try_from(value).ok());
        match number.filter(|number| *number > 0) {
            Some(number) => Ok(Some(number)),
            None => Err(fatal(format!("Invalid value for {key}: '{text}'"))),
        }
    };
    let cpus = count("cpus")?;
    let cores = count("cores")?.unwrap_or(1);
    let threads = count("threads")?.unwrap_or(1);
    let sockets = count("sockets")?.or(cpus).unwrap_or(1);
    let product = u64::from(sockets) * u64::from(cores) * u64::from(threads);
    let Ok(total) = u16::try_from(product) else {
        return Err(fatal(format!("Computed number of vCPUs too high: {product}")));
    };
    if let Some(cpus) = cpus.filter(|cpus| *cpus != total) {
        return Err(fatal(format!(
            "Topology ({sockets} sockets, {cores} cores, {threads} threads) does not match {cpus} vCPUs"
        )));
    }
    Ok(Topology { cpus: total, sockets, cores, threads })
}

/// Checks a list of host CPUs: numbers and ranges.
fn cpu_list(text: &str, whose: &str) -> Step<()> {
    let invalid = || fatal(format!("invalid cpuset for {whose}: '{text}'"));
    for item in text.split(',') {
        let bounds: Vec<_> = item.split('-').map(|text| strtol(text, 0).and_then(|number| number.whole())).collect();
        let (from, to) = match bounds[..] {
            [Some(one)] => (one, one),
            [Some(from), Some(to)] => (from, to),
            _ => return Err(invalid()),
        };
        if let Some(outside) = [from, to].into_iter().find(|cpu| !(0..super::CPU_SETSIZE).contains(cpu)) {
            let last = super::CPU_SETSIZE - 1;
            return Err(fatal(format!("hostcpu '{outside}' outside valid range from 0 to {last}")));
        }
        if from > to {
            return Err(fatal(format!("Invalid hostcpu range {from}-{to}")));
        }
    }
    Ok(())
}

/// Whether a text is a policy of cpuset(1), with a list of domains behind it.
fn is_policy(text: &str) -> bool {
    const NAMES: [&str; 8] = ["ft", "first-touch", "il", "interleave", "rr", "round-robin", "p", "prefer"];
    let (name, domains) = text.split_once(':').map_or((text, None), |(name, domains)| (name, Some(domains)));
    NAMES.contains(&name) && domains.is_none_or(|domains| cpu_list(domains, "policy").is_ok())
}

/// Whether a text has the form of a UUID, of a variant that uuid_from_string(3) knows: 111 is none of them (`uuid_s_bad_version`).
pub(crate) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_variant = !text.get(19..20).is_some_and(|digit| "eEfF".contains(digit));
    lengths == [8, 4, 4, 4, 12]
        && is_variant
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::{Topology, cpu_list, is_uuid, topology};
    use crate::bhyve::tree::Tree;
    use crate::release::Release;

    fn shape(options: &[&str]) -> Result<Topology, String> {
        let mut tree = Tree::new(Release::newest(15));
        for option in options {
            tree.set_option(option).unwrap();
        }
        topology(&tree).map_err(|exit| exit.lines.join("\n"))
    }

    #[test]
    fn sockets_default_to_the_number_of_cpus() {
        assert_eq!(shape(&["cpus=4"]), Ok(Topology { cpus: 4, sockets: 4, cores: 1, threads: 1 }));
        assert_eq!(shape(&["cores=4"]), Ok(Topology { cpus: 4, sockets: 1, cores: 4, threads: 1 }));
        assert_eq!(
            shape(&["cpus=4", "cores=2"]).unwrap_err(),
            "bhyve: Topology (4 sockets, 2 cores, 1 threads) does not match 4 vCPUs"
        );
    }

    #[test]
    fn cpus_must_be_numbers_that_fit() {
        for wrong in ["cpus=0", "cpus=two", "cpus=65536", "cpus=2x"] {
            assert!(shape(&[wrong]).unwrap_err().starts_with("bhyve: Invalid value for cpus"), "{wrong}");
        }
        assert!(shape(&["sockets=300", "cores=300"]).unwrap_err().contains("too high: 90000"));
    }

    #[test]
    fn cpu_lists_have_no_empty_items_and_no_reversed_ranges() {
        assert!(cpu_list("0-3,8", "vcpu 0").is_ok());
        for wrong in ["1,,2", "", "3-1", "1-2-3", "1024", "a"] {
            assert!(cpu_list(wrong, "vcpu 0").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_uuid_has_five_groups() {
        assert!(is_uuid("5c8dbf6a-0f3f-11ee-9d6b-589cfc0f1c2a") && !is_uuid("1234"));
        assert!(!is_uuid("5c8dbf6a-0f3f-11ee-fd6b-589cfc0f1c2a"));
    }
}
