//! The tables of procstat(1), as 12.1 printed them.

use std::fs;

use super::{Thread, threads};
use crate::exit::Step;
use crate::getopt::Words;
use crate::process::Process;

/// What is asked of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Basic,
    Binary,
    Arguments,
    Files,
    Signals,
    /// With how many `-k`.
    Stacks(usize),
    Limits,
    Usage,
    Credentials,
    Threads,
    Memory,
}

/// What a process uses, of which nothing is counted here: a time, a size or a number.
const RESOURCES: &[(&str, &str)] = &[
    ("user time", "00:00:00.000000   "),
    ("system time", "00:00:00.004149   "),
    ("maximum RSS", "0.0 KB"),
    ("integral shared memory", "0.0 KB"),
    ("integral unshared data", "0.0 KB"),
    ("integral unshared stack", "0.0 KB"),
    ("page reclaims", "39   "),
    ("page faults", "0   "),
    ("swaps", "0   "),
    ("block reads", "0   "),
    ("block writes", "0   "),
    ("messages sent", "0   "),
    ("messages received", "0   "),
    ("signals received", "0   "),
    ("voluntary context switches", "1   "),
    ("involuntary context switches", "0   "),
];

/// Limits, soft and hard.
const LIMITS: &[(&str, &str, &str)] = &[
    ("cputime", "infinity    ", "infinity    "),
    ("filesize", "infinity    ", "infinity    "),
    ("datasize", "32768 MB", "32768 MB"),
    ("stacksize", "8388608 B ", "524288 KB"),
    ("coredumpsize", "infinity    ", "infinity    "),
    ("memoryuse", "999660 KB", "999660 KB"),
    ("memorylocked", "333220 KB", "999660 KB"),
    ("maxprocesses", "6404    ", "6404    "),
    ("openfiles", "32302    ", "32302    "),
    ("sbsize", "infinity    ", "infinity    "),
    ("vmemoryuse", "infinity    ", "infinity    "),
    ("pseudo-terminals", "infinity    ", "infinity    "),
    ("swapuse", "infinity    ", "infinity    "),
    ("kqueues", "infinity    ", "infinity    "),
    ("umtxp", "infinity    ", "infinity    "),
];

/// The names of signals from 1 on; what follows has none.
const SIGNALS: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "EMT", "FPE", "KILL", "BUS", "SEGV", "SYS", "PIPE", "ALRM", "TERM",
    "URG", "STOP", "TSTP", "CONT", "CHLD", "TTIN", "TTOU", "IO", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "INFO",
    "USR1", "USR2",
];

/// What the memory of a small program looks like.
const MEMORY: &str = "\
          0x200000           0x21d000 r--   17  125   4   1 CN--- vn FILE
          0x21d000           0x284000 r-x  103  125   4   1 CN--- vn FILE
          0x284000           0x286000 rw-    2  125   4   1 CN--- vn FILE
          0x286000           0x28a000 rw-    4    0   1   0 C---- vn FILE
          0x28a000           0x49c000 rw-   11   11   1   0 ----- df 
       0x800286000        0x800287000 r--    1    1   8   0 ----- dv 
       0x800287000        0x800298000 rw-    4    4   1   0 ----- df 
       0x800400000        0x800a00000 rw-    8    8   1   0 ----- df 
    0x7fffdfffe000     0x7ffffffde000 ---    0    0   0   0 ----- -- 
    0x7ffffffde000     0x7fffffffe000 rw-    1    1   1   0 ---D- df 
    0x7fffffffe000     0x7ffffffff000 r-x    1    1   9   0 ----- ph ";

/// How the kernel came to sleep, by what is waited for; then with the offsets of `-kk`.
const SLEEPS: &[(&str, &str)] = &[
    (
        "kqread",
        "mi_switch sleepq_catch_signals sleepq_wait_sig _sleep kqueue_kevent kern_kevent_fp kern_kevent kern_kevent_generic sys_kevent",
    ),
    ("uwait", "mi_switch sleepq_catch_signals sleepq_wait_sig _sleep umtxq_sleep do_wait __umtx_op_wait_uint_private"),
    ("accept", "mi_switch sleepq_catch_signals sleepq_wait_sig _sleep solisten_dequeue kern_accept4"),
    (
        "nanslp",
        "mi_switch+0xd5 sleepq_catch_signals+0x422 sleepq_timedwait_sig+0x14 _sleep+0x1dd kern_clock_nanosleep+0x181 sys_nanosleep+0x5f",
    ),
];

impl Table {
    pub(super) fn of(words: &Words<'_>) -> Self {
        let tables = [
            ('b', Self::Binary),
            ('c', Self::Arguments),
            ('f', Self::Files),
            ('i', Self::Signals),
            ('k', Self::Stacks(words.count('k'))),
            ('l', Self::Limits),
            ('r', Self::Usage),
            ('s', Self::Credentials),
            ('t', Self::Threads),
            ('v', Self::Memory),
        ];
        tables.into_iter().find(|(flag, _)| words.has(*flag)).map_or(Self::Basic, |(_, table)| table)
    }

    /// Whether an ordinary user is told it of others' processes: what p_candebug(9) guards is not.
    pub(super) fn is_for_all(self) -> bool {
        !matches!(self, Self::Files | Self::Stacks(_) | Self::Memory)
    }

    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Basic => "  PID  PPID  PGID   SID  TSID THR LOGIN    WCHAN     EMUL          COMM        \n",
            Self::Binary => "  PID COMM                OSREL PATH\n",
            Self::Arguments => "  PID COMM             ARGS                                                 \n",
            Self::Files => "  PID COMM                FD T V FLAGS    REF  OFFSET PRO NAME        \n",
            Self::Signals => "  PID COMM             SIG     FLAGS\n",
            Self::Stacks(_) => "  PID    TID COMM                TDNAME              KSTACK                       \n",
            Self::Limits => "  PID COMM             RLIMIT                  SOFT             HARD     \n",
            Self::Usage => "  PID COMM             RESOURCE                          VALUE        \n",
            Self::Credentials => {
                "  PID COMM              EUID  RUID SVUID  EGID  RGID SVGID UMASK FLAGS GROUPS         \n"
            }
            Self::Threads => "  PID    TID COMM                TDNAME              CPU  PRI STATE   WCHAN    \n",
            Self::Memory => "  PID              START                END PRT  RES PRES REF SHD FLAG  TP PATH\n",
        }
    }

    /// The lines of a process.
    pub(super) fn rows(self, one: &Process) -> Step<String> {
        let (pid, name) = (format!("{:>5}", one.pid), &one.name);
        let each =
            |lines: Vec<String>| lines.iter().map(|line| format!("{pid} {name:16} {line}\n")).collect::<String>();
        Ok(match self {
            Self::Basic => {
                let all = threads(one)?;
                let wait = all.first().map_or("-", |(_, thread)| thread.wait);
                format!(
                    "{pid} {:>5} {:>5} {:>5} {:>5} {:>3} {:8} {wait:9} FreeBSD ELF64 {name:11} \n",
                    one.parent,
                    17,
                    17,
                    17,
                    all.len(),
                    "-"
                )
            }
            Self::Binary => format!("{pid} {name:16}  1201000 {}\n", path(name)),
            Self::Arguments => format!("{pid} {name:16} {}\n", one.command.trim_end_matches(&format!(" ({name})"))),
            Self::Files => each(files(one).iter().map(File::line).collect()),
            Self::Signals => each((1..=128).map(signal).collect()),
            Self::Stacks(_) => {
                let line = |(id, thread): &(u32, Thread)| {
                    let stack = stack(thread.wait);
                    format!("{pid} {id} {name:19} {:19} {stack:<29}\n", thread.name)
                };
                threads(one)?.iter().map(line).collect()
            }
            Self::Limits => {
                each(LIMITS.iter().map(|(what, soft, hard)| format!("{what:16} {soft:>16} {hard:>16} ")).collect())
            }
            Self::Usage => each(RESOURCES.iter().map(|(what, value)| format!("{what:28} {value:>18}")).collect()),
            Self::Credentials => each(vec!["    0     0     0     0     0     0   022 C     0".to_string()]),
            Self::Threads => threads(one)?.iter().map(|thread| format!("{pid} {}", thread_row(name, thread))).collect(),
            Self::Memory => {
                MEMORY.lines().map(|line| format!("{pid} {}\n", line.replace("FILE", &path(name)))).collect()
            }
        })
    }

    /// The processes as JSON; there are threads and files only.
    pub(super) fn json(self, all: &[&Process]) -> Step<String> {
        let what = if self == Self::Files { "files" } else { "threads" };
        let mut processes = Vec::new();
        for one in all {
            let (pid, name) = (one.pid, &one.name);
            let inner = if self == Self::Files {
                format!("[{}]", files(one).iter().map(File::json).collect::<Vec<_>>().join(", "))
            } else {
                let threads: Vec<String> = threads(one)?.iter().map(thread_json).collect();
                format!("{{{}}}", threads.join(", "))
            };
            processes.push(format!("\"{pid}\": {{\"process_id\":{pid},\"command\":\"{name}\", \"{what}\": {inner}}}"));
        }
        Ok(format!("{{\"__version\": \"1\", \"procstat\": {{\"{what}\": {{{}}}}}\n}}\n", processes.join(", ")))
    }
}

/// The processor that a thread is on, and its priority.
fn place(thread: &Thread) -> (i32, u32) {
    if thread.state == "run" { (1, 180) } else { (-1, 152) }
}

fn thread_row(command: &str, (id, thread): &(u32, Thread)) -> String {
    let (on, priority) = place(thread);
    let Thread { name, state, wait } = thread;
    format!("{id:>6} {command:19} {name:19} {on:>3} {priority:>4} {state:7} {wait:9} \n")
}

fn thread_json((id, thread): &(u32, Thread)) -> String {
    let (on, priority) = place(thread);
    let Thread { name, state, wait } = thread;
    format!(
        "\"{id}\": {{\"thread_id\":{id},\"thread_name\":\"{name}\",\"cpu\":{on},\"priority\":{priority},\
         \"run_state\":\"{state}\",\"wait_channel\":\"{wait}\"}}"
    )
}

/// Where a program is.
fn path(name: &str) -> String {
    if name == "bhyve" { "/usr/sbin/bhyve".into() } else { format!("/bin/{name}") }
}

fn stack(wait: &str) -> String {
    let tail = "amd64_syscall fast_syscall_common ";
    match SLEEPS.iter().find(|(known, _)| *known == wait) {
        Some((_, way)) if way.contains("+0x") => format!("{way} amd64_syscall+0x223 fast_syscall_common+0x101 "),
        Some((_, way)) => format!("{way} {tail}"),
        None => "mi_switch ast doreti_ast ".to_string(),
    }
}

fn signal(number: usize) -> String {
    let name = SIGNALS.get(number - 1).map_or_else(|| number.to_string(), ToString::to_string);
    let flags = match name.as_str() {
        "URG" | "CHLD" | "IO" | "WINCH" => "-I-",
        "INFO" => "--C",
        _ => "---",
    };
    format!("{name:8} {flags}")
}

/// Something that a process has open.
struct File {
    /// A number, or what it is else: `text`, `ctty`, `cwd`, `root`.
    id: String,
    /// `v`node, `s`ocket, `k`queue, `p`ipe or else, and of a vnode `r`egular, `c`haracter or `d`irectory.
    kind: [char; 2],
    /// `r`, `w` and `n`onblocking.
    flags: &'static str,
    references: Option<u32>,
    offset: u64,
    path: String,
}

impl File {
    fn line(&self) -> String {
        let has = |flag: char| if self.flags.contains(flag) { flag } else { '-' };
        let flags = format!("{}{}---{}--", has('r'), has('w'), has('n'));
        let [kind, of] = self.kind;
        let (references, offset) = match self.references {
            Some(count) => (count.to_string(), self.offset.to_string()),
            None => ("-".into(), "-".into()),
        };
        let protocol = if kind == 's' { "TCP" } else { "-" };
        format!("{:>5} {kind} {of} {flags} {references:>3} {offset:>7} {protocol:3} {:<18}", self.id, self.path)
    }

    fn json(&self) -> String {
        let id = if self.references.is_some() { self.id.clone() } else { format!("\"{}\"", self.id) };
        let of = match self.kind[1] {
            'r' => "regular",
            'c' => "character",
            _ => "directory",
        };
        let names = [('r', "\"read\""), ('w', "\"write\""), ('n', "\"nonblocking\"")];
        let flags: Vec<&str> =
            names.iter().filter(|(flag, _)| self.flags.contains(*flag)).map(|(_, name)| *name).collect();
        let (references, offset) = match self.references {
            Some(count) => (count.to_string(), self.offset.to_string()),
            None => ("\"-\"".into(), "\"-\"".into()),
        };
        // So it is called: `vode_type` (12.1).
        format!(
            "{{\"fd\":{id},\"fd_type\":\"vnode\",\"vode_type\":\"{of}\", \"fd_flags\": [{}],\"ref_count\":{references},\
             \"offset\":{offset},\"protocol\":\"-\",\"path\":\"{}\"}}",
            flags.join(","),
            self.path
        )
    }
}

/// What a process has open: the standard streams as they are, and of a bhyve what its command line says.
fn files(one: &Process) -> Vec<File> {
    let file = |id: &str, of: char, flags, path: &str| File {
        id: id.into(),
        kind: ['v', of],
        flags,
        references: None,
        offset: 0,
        path: path.into(),
    };
    let mut all = vec![
        file("text", 'r', "r", &path(&one.name)),
        file("ctty", 'c', "rw", "/dev/console"),
        file("cwd", 'd', "r", "/"),
        file("root", 'd', "r", "/"),
    ];
    all.extend((0..3).filter_map(|number| standard(one.pid, number)));
    if let Some(machine) = &one.machine {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", one.pid)).unwrap_or_default();
        let words: Vec<&str> = line.split('\0').collect();
        for (number, (kind, flags, references, path)) in (3..).zip(of_bhyve(machine, &words)) {
            all.push(File { id: number.to_string(), kind, flags, references: Some(references), offset: 0, path });
        }
    }
    all
}

/// One of the standard streams. What is shared after a fork(2) cannot be told from what is not.
fn standard(pid: u32, number: u8) -> Option<File> {
    let path = fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()?.display().to_string();
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = field("flags:").and_then(|text| u32::from_str_radix(text, 8).ok()).unwrap_or(0);
    let flags = match (flags & 3, flags & 0o4000 != 0) {
        (0, _) => "r",
        (1, false) => "w",
        (1, true) => "wn",
        (_, false) => "rw",
        (_, true) => "rwn",
    };
    let of = if path.starts_with("/dev/") { 'c' } else { 'r' };
    let offset = field("pos:").and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(File { id: number.to_string(), kind: ['v', of], flags, references: Some(1), offset, path })
}

type Open = ([char; 2], &'static str, u32, String);

fn of_bhyve(machine: &str, words: &[&str]) -> Vec<Open> {
    let mut all: Vec<Open> = vec![(['v', 'c'], "rw", 1, format!("/dev/vmm/{machine}"))];
    for pair in words.windows(2).filter(|pair| pair[0] == "-s") {
        let parts: Vec<&str> = pair[1].split(',').collect();
        match parts.as_slice() {
            [_, "virtio-blk" | "ahci-hd" | "ahci-cd", path, ..] => all.push((['v', 'r'], "rw", 1, (*path).to_string())),
            [_, "virtio-net", tap, ..] => all.push((['v', 'c'], "rwn", 2, format!("/dev/{tap}"))),
            [_, "fbuf", address, ..] => {
                let address = address.strip_prefix("tcp=").unwrap_or(address);
                all.push((['s', '-'], "rw", 2, format!("0 0 {address} 0.0.0.0:0")));
            }
            _ => {}
        }
    }
    all.push((['k', '-'], "rw", 2, "-".into()));
    all.push((['?', '-'], "", 2, "-".into()));
    all.push((['p', '-'], "rw", 2, "-".into()));
    all.push((['p', '-'], "rw", 1, "-".into()));
    all
}
