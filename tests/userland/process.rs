//! The processes of the fake system: those of the host that have its folder in their environment, and the few that every FreeBSD has.
//! What of them is to be seen is read from /proc.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::exit::Step;
use crate::jail;
use crate::node;
use crate::release::Release;
use crate::state::{State, is_root};
use crate::sysctl::variables;

/// What main's thread of a bhyve is called on the host while it waits for a viewer; it has no title yet then (12.1).
pub(crate) const WAITS: &str = "bhyve-waits";

/// How many ticks a second has in /proc (`USER_HZ`).
const TICKS: u64 = 100;

/// What a machine's process is said to have used from 13 on, so that tests can compare it: it is a day, two hours, three minutes
/// and four seconds old.
const SETTLED: Use = Use { elapsed: 93_784, hundredths: 1_172_350, permille: 125, resident: 65536, size: 131_072 };

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    /// Seconds since it was started.
    pub(crate) elapsed: u64,
    /// Processor time in hundredths of a second.
    pub(crate) hundredths: u64,
    /// The share of a processor.
    pub(crate) permille: u64,
    /// Resident memory in KiB.
    pub(crate) resident: u64,
    /// All memory in KiB.
    pub(crate) size: u64,
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// What ps says of its state, the flags behind the letter too.
    pub(crate) state: String,
    /// The name of the file that it runs.
    pub(crate) name: String,
    /// The words it was started with, or its title.
    pub(crate) command: String,
    pub(crate) user: String,
    /// Seconds of 1970.
    pub(crate) started: u64,
    pub(crate) usage: Use,
    /// The machine that it runs, if it has given itself its title.
    pub(crate) machine: Option<String>,
    /// Whether it is a bhyve that waits for its viewer.
    pub(crate) waits: bool,
    /// The jail that it is in.
    pub(crate) jail: Option<String>,
    /// The number of that jail, as who calls sees it.
    pub(crate) jid: usize,
}

impl Process {
    pub(crate) fn is_zombie(&self) -> bool {
        self.state.starts_with('Z')
    }
}

/// The processes that 12.1 was seen with: number, parent, state, name and command.
const SYSTEM: &[(u32, u32, &str, &str, &str)] = &[
    (0, 0, "DLs", "kernel", "[kernel]"),
    (1, 0, "ILs", "init", "/sbin/init --"),
    (2, 0, "DL", "cam", "[cam]"),
    (3, 0, "DL", "rand_harvestq", "[rand_harvestq]"),
    (4, 0, "DL", "soaiod1", "[soaiod1]"),
    (5, 0, "DL", "soaiod2", "[soaiod2]"),
    (6, 0, "DL", "soaiod3", "[soaiod3]"),
    (7, 0, "DL", "soaiod4", "[soaiod4]"),
    (8, 0, "DL", "pagedaemon", "[pagedaemon]"),
    (9, 0, "DL", "vmdaemon", "[vmdaemon]"),
    (10, 0, "RNL", "idle", "[idle]"),
    (11, 0, "WL", "intr", "[intr]"),
    (12, 0, "DL", "geom", "[geom]"),
    (13, 0, "DL", "bufdaemon", "[bufdaemon]"),
    (14, 0, "DL", "vnlru", "[vnlru]"),
    (15, 0, "DL", "syncer", "[syncer]"),
    (16, 0, "DL", "racctd", "[racctd]"),
    (17, 1, "Ss+", "sh", "-sh /etc/rc.vm (sh)"),
    (1292, 17, "S+", "sh", "sh /tmp/job.sh"),
    (1293, 17, "S+", "cat", "cat"),
    (1310, 1292, "S+", "sh", "sh /tmp/steps.sh"),
];

/// What Capsicum confines (`C` among the flags of a state).
const CONFINED: &[&str] = &["bhyve", "sleep"];

/// Every process, whoever may see it: first those of the system itself, then the others by their numbers.
pub(crate) fn all(state: &State) -> Step<Vec<Process>> {
    let is_recorded = Release::of_environment()?.major < 13;
    let machines = node::running(state)?;
    let boot = boot();
    let system =
        SYSTEM.iter().filter(|(pid, ..)| is_recorded || *pid < 2).map(|(pid, parent, state, name, command)| Process {
            pid: *pid,
            parent: *parent,
            state: (*state).into(),
            name: (*name).into(),
            command: (*command).into(),
            user: "root".into(),
            started: boot,
            usage: Use { elapsed: now().saturating_sub(boot), ..Use::default() },
            machine: None,
            waits: false,
            ..Process::default()
        });
    let mut all: Vec<Process> = system.collect();
    let mut pids: Vec<u32> =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    for pid in pids {
        let machine = machines.iter().find(|(runner, _)| *runner == pid).map(|(_, name)| name.clone());
        let Some(mut one) = of_host(state, pid, boot, machine) else { continue };
        if !is_recorded && (one.machine.is_some() || one.waits) {
            one.usage = SETTLED;
        }
        all.push(one);
    }
    Ok(all)
}

/// The processes that who calls may see: in a jail those of that jail, which then have no number of one (kern_proc.c,
/// `fill_kinfo_proc_only`), and with `security.bsd.see_other_uids=0` an ordinary user its own.
pub(crate) fn visible(state: &State) -> Step<Vec<Process>> {
    let sees_all = is_root() || variables::one(state, "security.bsd.see_other_uids")?.as_deref() != Some("0");
    let own = std::env::var("FAKE_FREEBSD_USER").unwrap_or_default();
    let (jail, jails) = (jail::own(), jail::all(state)?);
    let is_there = |one: &Process| (sees_all || one.user == own) && (jail.is_none() || one.jail == jail);
    let numbered = |one: Process| {
        let jid = jails.iter().position(|name| one.jail != jail && one.jail.as_ref() == Some(name));
        Process { jid: jid.map_or(0, |at| at + 1), ..one }
    };
    Ok(all(state)?.into_iter().filter(is_there).map(numbered).collect())
}

/// The process that has started another.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    Stat::read(pid)
        .map(|stat| stat.number(1))
        .and_then(|parent| u32::try_from(parent).ok())
        .filter(|parent| *parent > 0)
}

/// What /proc/PID/stat has: the name, and the fields behind it, of which the first is the state.
struct Stat {
    name: String,
    fields: Vec<String>,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, rest) = text.rsplit_once(") ")?;
        let name = head.split_once('(')?.1.to_string();
        Some(Self { name, fields: rest.split_whitespace().map(str::to_string).collect() })
    }

    fn number(&self, at: usize) -> u64 {
        self.fields.get(at).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// What the environment of a process was when it was started; of a zombie only its parent's is known.
fn environment(pid: u32, stat: &Stat) -> Option<Vec<String>> {
    let of = |pid: u64| fs::read(format!("/proc/{pid}/environ")).ok().filter(|bytes| !bytes.is_empty());
    let bytes = of(pid.into()).or_else(|| if stat.fields.first()? == "Z" { of(stat.number(1)) } else { None })?;
    Some(bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

fn of_host(state: &State, pid: u32, boot: u64, machine: Option<String>) -> Option<Process> {
    let stat = Stat::read(pid)?;
    let environment = environment(pid, &stat)?;
    let value = |name: &str| environment.iter().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    if Path::new(value("FAKE_FREEBSD")?) != state.path("") {
        return None;
    }
    let letter = stat.fields.first()?.chars().next()?;
    let machine = machine.filter(|_| stat.name != WAITS);
    let waits = stat.name == WAITS;
    let name = if waits { "bhyve".to_string() } else { stat.name.clone() };
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> =
        words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let command = match (letter, &machine) {
        ('Z' | 'X', _) => "<defunct>".to_string(),
        (_, Some(machine)) => format!("bhyve: {machine} (bhyve)"),
        _ => words.join(" ").trim_end().to_string(),
    };
    // bhyve confines itself when its devices are made, as it gives itself its title.
    let is_confined = CONFINED.contains(&name.as_str()) && (name != "bhyve" || machine.is_some() || letter == 'Z');
    // The main thread of a bhyve sleeps in kevent(2); here it looks around.
    let letter = if matches!(letter, 'I' | 'D') || (letter == 'R' && name == "bhyve") { 'S' } else { letter };
    let started = boot + stat.number(19) / TICKS;
    let elapsed = now().saturating_sub(started);
    let hundredths = (stat.number(11) + stat.number(12)) * 100 / TICKS;
    Some(Process {
        pid,
        parent: u32::try_from(stat.number(1)).ok()?,
        state: format!("{}{}+", letter.to_ascii_uppercase(), if is_confined { "C" } else { "" }),
        name,
        command,
        user: value("FAKE_FREEBSD_USER").unwrap_or("root").to_string(),
        started,
        usage: Use {
            elapsed,
            hundredths,
            permille: (hundredths * 10 / elapsed.max(1)).min(1000),
            resident: stat.number(21) * 4,
            size: stat.number(20) / 1024,
        },
        machine,
        waits,
        jail: value(jail::VARIABLE).map(str::to_string),
        jid: 0,
    })
}

/// The second of 1970 at which the host was started.
fn boot() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// A second of 1970 as asctime(3) shows it in UTC: `Sat Nov 28 14:10:26 2026`.
pub(crate) fn date(second: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (mut day, time) = (second / 86400, second % 86400);
    let weekday = DAYS[usize::try_from(day % 7).unwrap_or(0)];
    let mut year = 1970;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut months = MONTHS.iter().zip([31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);
    let month = months
        .find(|(_, length)| {
            day < *length || {
                day -= length;
                false
            }
        })
        .map_or("Dec", |(name, _)| name);
    format!("{weekday} {month} {:>2} {:02}:{:02}:{:02} {year}", day + 1, time / 3600, time / 60 % 60, time % 60)
}

#[test]
fn dates_are_as_asctime_shows_them() {
    assert_eq!(date(0), "Thu Jan  1 00:00:00 1970");
    assert_eq!(date(1_795_875_026), "Sat Nov 28 14:10:26 2026");
    assert_eq!(date(1_709_164_800), "Thu Feb 29 00:00:00 2024");
    assert_eq!(date(1_704_067_199), "Sun Dec 31 23:59:59 2023");
}
