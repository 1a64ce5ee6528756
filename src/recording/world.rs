//! The world that the stand-ins pretend to live in.
//!
//! It is what earlier calls make of it, and nothing else: whoever tells a new world the calls again gets the same answers.
//! A call that changes something succeeds without a word. Later calls that only ask see the change.

mod host;
mod kernel;
mod machines;
mod network;
mod storage;

use super::system_files;
use super::watched::{Watched, WatchedPrograms};
use kernel::Kernel;
use machines::Machines;
use network::Network;
use storage::Storage;

/// What a stand-in answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What a loader has read from its standard input; nothing for any other program.
    pub heard: String,
    /// The text of the file that it was told of: a loader's map of devices, bhyve's configuration.
    pub map: String,
    /// The process that called, by which calls of the background have the order in which they were started.
    pub pid: u32,
    /// What has started that process.
    pub parent: u32,
    /// Its umask.
    pub umask: Option<u32>,
    /// The carriers that run it, with blanks between them.
    pub carriers: String,
    /// The exit status.
    pub status: u8,
    /// What it writes to its standard output.
    pub output: String,
    /// What it writes to its standard error.
    pub error: String,
    /// The call only asks and changes nothing.
    pub reads: bool,
    /// What a watched program did.
    pub watched: Option<Watched>,
    /// What was made up for the answer: nothing that the script did before says so, and nobody else did.
    pub made_up: Option<String>,
}

impl Answer {
    /// The answer to a call that changes something: status 0 and no word.
    fn done() -> Self {
        Self::default()
    }

    /// The answer to a call that changes something and prints what it made.
    fn made(name: impl std::fmt::Display) -> Self {
        Self { output: format!("{name}\n"), ..Self::default() }
    }

    /// The answer to a call that asks.
    fn tells(output: impl Into<String>) -> Self {
        Self { output: output.into(), reads: true, ..Self::default() }
    }

    /// The answer to a call that asks for what is not there.
    fn no(status: u8, error: impl std::fmt::Display) -> Self {
        Self { status, error: format!("{error}\n"), reads: true, ..Self::default() }
    }
}

/// An answer that the user prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The call that it is for: a whole command line. One word alone is for every call of the program that only asks.
    pub words: Vec<String>,
    /// The output.
    pub text: String,
    /// The exit status.
    pub status: u8,
    /// How many calls are answered so; later ones are as if nobody had prepared anything. Nothing where it is all of them.
    pub times: Option<usize>,
}

/// A file that is there before a script begins, or is not, whatever the host has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileState {
    /// Its path from the root on.
    pub path: String,
    /// Whether it is there.
    pub is_there: bool,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is a socket.
    pub is_socket: bool,
}

impl FileState {
    /// What is in a file that is there for a recording alone.
    pub(crate) const CONTENT: &[u8] = b"\n";
}

/// What a world begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The exit statuses of bhyve, in turn; the last one repeats.
    pub exits: Vec<u8>,
    /// The machine whose exit statuses they are; any other powers off. Nothing where they are of all machines in turn.
    pub exits_of: Option<String>,
    /// How many calls a script may make.
    pub limit: usize,
    /// How often a script may boot one machine before its recording is cut: it would go on for ever.
    pub boots_max: usize,
    /// The interfaces that are there, as `ifconfig` prints them.
    pub interfaces: String,
    /// What the user prepared.
    pub answers: Vec<Prepared>,
    /// Files that are as the recording wants them, whatever the host has.
    pub files: Vec<FileState>,
    /// Programs that are not on this host, and have stand-ins of their own: they succeed, or fail where that is said.
    pub programs: Vec<String>,
    /// Whether those programs fail.
    pub are_failing: bool,
    /// Programs of this host that are watched.
    pub watched: WatchedPrograms,
    /// Whether modules of the kernel are there that the script did not load. It is so where the script loads none itself, which then shows
    /// all that it loads.
    pub has_modules: bool,
    /// How many processes there were before the script: its own number is that much higher.
    pub processes_before: usize,
    /// Whether the script reads something from its standard input, which is empty else.
    pub has_input: bool,
}

/// What `ifconfig` prints on a host that is not known.
pub const INTERFACES: &str = "\
em0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\toptions=0
\tether 58:9c:fc:00:00:05
\tinet 192.168.2.5 netmask 0xffffff00 broadcast 192.168.2.255
\tmedia: Ethernet autoselect (1000baseT <full-duplex>)
\tstatus: active
lo0: flags=1008049<UP,LOOPBACK,RUNNING,MULTICAST,LOWER_UP> metric 0 mtu 16384
\tinet6 ::1 prefixlen 128
\tinet 127.0.0.1 netmask 0xff000000
\tgroups: lo
";

impl Scenario {
    /// Returns what is in a file that is there for a recording alone: what the user prepared, or the system has, else hardly anything.
    pub(crate) fn content_of(&self, path: &str) -> &[u8] {
        let prepared =
            self.answers.iter().rev().find(|prepared| matches!(prepared.words.as_slice(), [word] if word == path));
        let text = prepared.map(|prepared| prepared.text.as_str()).or_else(|| system_files::content(path));
        text.map_or(FileState::CONTENT, str::as_bytes)
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            exits: vec![1],
            exits_of: None,
            limit: 1000,
            boots_max: usize::MAX,
            interfaces: INTERFACES.into(),
            answers: Vec::new(),
            files: Vec::new(),
            programs: Vec::new(),
            are_failing: false,
            watched: WatchedPrograms::These(Vec::new()),
            has_modules: false,
            processes_before: 0,
            has_input: false,
        }
    }
}

/// A host that answers a script's programs as one would on which its calls had their effects.
#[derive(Clone, Debug)]
pub struct World {
    answers: Vec<Prepared>,
    network: Network,
    machines: Machines,
    storage: Storage,
    kernel: Kernel,
    /// Programs that are not on this host, and whether they fail.
    programs: (Vec<String>, bool),
}

impl World {
    /// Makes a world in which nothing was called yet.
    pub fn new(setting: &Scenario) -> Self {
        // Interfaces that the user prepared are there from the beginning, so that they can be changed.
        let is_list = |prepared: &&Prepared| matches!(prepared.words.as_slice(), [word] if word == "ifconfig");
        let list = setting.answers.iter().rev().find(is_list);
        let interfaces = list.map_or(&setting.interfaces, |prepared| &prepared.text);
        Self {
            answers: setting.answers.iter().filter(|prepared| !is_list(prepared)).cloned().collect(),
            network: Network::read(interfaces),
            machines: Machines::new(&setting.exits, setting.exits_of.clone()),
            storage: Storage::default(),
            kernel: Kernel::new(setting.has_modules),
            programs: (setting.programs.clone(), setting.are_failing),
        }
    }

    /// Answers a call, and lets it change the world. A program without a stand-in is answered like one that changes
    /// something.
    pub fn call(&mut self, command: &[String]) -> Answer {
        let Some((program, args)) = command.split_first() else { return Answer::done() };
        let mut answer = self.simulate(program, &args.iter().map(String::as_str).collect::<Vec<_>>());
        let is_for = |prepared: &&Prepared| match prepared.words.as_slice() {
            words if words == command => true,
            [word] => word == program && (answer.reads || self.programs.0.contains(word)),
            _ => false,
        };
        // What fails is no host on which it would work.
        answer.made_up = answer.made_up.filter(|_| answer.status == 0);
        if let Some(at) = self.answers.iter().rposition(|prepared| prepared.times != Some(0) && is_for(&prepared))
            && let Some(prepared) = self.answers.get_mut(at)
        {
            prepared.times = prepared.times.map(|times| times.saturating_sub(1));
            answer = Answer {
                output: prepared.text.clone(),
                status: prepared.status,
                reads: answer.reads,
                ..Answer::default()
            };
        }
        answer
    }

    fn simulate(&mut self, program: &str, args: &[&str]) -> Answer {
        match program {
            "ifconfig" => self.network.ifconfig(args),
            "route" => network::route(args),
            "ngctl" => self.kernel.ngctl(args, args.iter().any(|path| self.network.has_node(path))),
            "pgrep" => self.kernel.pgrep(args),
            "pkill" | "killall" => self.kernel.end(args),
            _ if super::DAEMONS.contains(&program) => self.kernel.start(program),
            "service" => self.kernel.service(args),
            "vale-ctl" | "pfctl" | "devctl" | "gpart" | "rctl" => kernel::administer(program, args),
            "bhyve" => self.machines.bhyve(args),
            "bhyvectl" => self.machines.bhyvectl(args),
            "bhyveload" | "grub-bhyve" => self.machines.load(args),
            "mdconfig" => self.storage.mdconfig(args),
            "mount" => self.storage.mount(args),
            "umount" => self.storage.umount(args),
            "zfs" => self.storage.zfs(args),
            "zpool" => storage::zpool(args),
            "kldload" => self.kernel.kldload(args),
            "kldunload" => self.kernel.kldunload(args),
            "kldstat" => self.kernel.kldstat(args),
            "sysctl" => self.kernel.sysctl(args),
            "sysrc" => self.kernel.sysrc(args),
            "pkg" => kernel::pkg(args),
            "curl" | "fetch" | "wget" => kernel::download(program, args),
            "qemu-img" if ["info", "check"].contains(args.first().unwrap_or(&"")) => Answer::tells(""),
            "date" | "mktemp" | "sleep" => Answer::tells(""),
            "freebsd-version" | "hostname" | "jls" | "kenv" | "nc" | "pciconf" | "ping" | "pw" | "sockstat"
            | "uname" => host::ask(program, args),
            _ if self.programs.0.iter().any(|name| name == program) => self.missing(program),
            _ => Answer::done(),
        }
    }
}

impl World {
    /// Answers a program that is not on this host.
    fn missing(&self, program: &str) -> Answer {
        if self.programs.1 {
            return Answer { status: 1, ..Answer::done() };
        }
        let made_up = if super::MAKERS.contains(&program) {
            format!("`{program}` is not run here and succeeds: the recipe runs it")
        } else {
            format!("`{program}`, which is not on this host, succeeds")
        };
        Answer { made_up: Some(made_up).filter(|_| !super::TELLERS.contains(&program)), ..Answer::done() }
    }
}

/// Tells a new world a row of commands, and returns what each is answered.
#[cfg(test)]
fn answers_of(setting: &Scenario, lines: &[&str]) -> Vec<String> {
    let mut world = World::new(setting);
    let argv = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
    let shown = |answer: Answer| format!("{} {}{}", answer.status, answer.output, answer.error);
    lines.iter().map(|line| shown(world.call(&argv(line))).trim_end().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prepared_answer_is_for_a_whole_line_or_for_all_that_a_program_is_asked() {
        let prepared = |words: &[&str], text: &str| Prepared {
            words: words.iter().map(ToString::to_string).collect(),
            text: text.into(),
            ..Prepared::default()
        };
        let answers = vec![
            prepared(&["sysctl"], "7\n"),
            prepared(&["sysctl", "-n", "hw.ncpu"], "64\n"),
            prepared(&["mdconfig", "-l"], "md5\n"),
            prepared(&["ifconfig"], "igb0: flags=0<UP>\n"),
        ];
        let setting = Scenario { answers, ..Scenario::default() };
        let lines = [
            "sysctl -n hw.ncpu",
            "sysctl -n x",
            "sysctl x=1",
            "mdconfig -l",
            "mdconfig -a -t swap",
            "ifconfig -l",
            "ifconfig tap create",
            "ifconfig -l",
        ];
        assert_eq!(
            answers_of(&setting, &lines),
            ["0 64", "0 7", "0", "0 md5", "0 md0", "0 igb0", "0 tap0", "0 igb0 tap0"]
        );
    }

    proptest! {
        #[test]
        fn no_call_is_too_much(
            calls in proptest::collection::vec((proptest::sample::select(super::super::NAMES), proptest::collection::vec(
                "-?[a-zA-Z]|create|destroy|addm|deletem|name|group|tap[0-9]?|bridge1|inet|list|get|set|-[on] ?|a/b|a=b|[0-9]{1,20}|.{0,9}", 0..6)), 0..8)
        ) {
            let mut world = World::new(&Scenario::default());
            for (program, args) in calls {
                let argv: Vec<String> = std::iter::once(program.to_string()).chain(args).collect();
                let _ = world.call(&argv);
            }
        }
    }
}
