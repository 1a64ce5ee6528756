//! The columns of ps(1).

use super::{Row, date};

/// What ps says that it knows (12.1).
pub(super) const KEYWORDS: &str = "%cpu %mem acflag acflg args blocked caught class comm command cow cpu cputime dsiz egid egroup emul etime etimes euid f f2 fib flags flags2 gid group ignored inblk inblock jail jid jobc ktrace label lim lockname login logname lstart lwp majflt minflt msgrcv msgsnd mwchan ni nice nivcsw nlwp nsignals nsigs nswap nvcsw nwchan oublk oublock paddr pagein pcpu pending pgid pid pmem ppid pri re rgid rgroup rss rtprio ruid ruser sid sig sigcatch sigignore sigmask sl ssiz start stat state svgid svuid systime tdaddr tdev tdnam tdname tid time tpgid tracer tsid tsiz tt tty ucomm uid upr uprocp user usertime usrpri vmaddr vsize vsz wchan xstat";

/// A column.
pub(super) struct Column {
    key: &'static str,
    pub(super) header: String,
    /// What JSON calls it.
    pub(super) field: &'static str,
    pub(super) is_left: bool,
}

/// Key, header, field of JSON, and whether it begins at the left.
const ALL: &[(&str, &str, &str, bool)] = &[
    ("%cpu", "%CPU", "percent-cpu", false),
    ("%mem", "%MEM", "percent-memory", false),
    ("args", "COMMAND", "arguments", true),
    ("comm", "COMMAND", "command", true),
    ("command", "COMMAND", "command", true),
    ("cpu", "CPU", "on-cpu", false),
    ("etime", "ELAPSED", "elapsed-time", false),
    ("etimes", "ELAPSED", "elapsed-times", false),
    ("jid", "JID", "jail-id", false),
    ("lstart", "STARTED", "start-time", true),
    ("lwp", "LWP", "thread-id", false),
    ("mwchan", "MWCHAN", "wait-channel", true),
    ("ni", "NI", "nice", false),
    ("pid", "PID", "pid", false),
    ("ppid", "PPID", "ppid", false),
    ("pri", "PRI", "priority", false),
    ("rss", "RSS", "rss", false),
    ("start", "STARTED", "start-time", true),
    ("state", "STAT", "state", true),
    ("tdname", "TDNAME", "thread-name", true),
    ("time", "TIME", "cpu-time", false),
    ("tt", "TT", "terminal-name", true),
    ("ucomm", "UCOMM", "accounting-name", true),
    ("uid", "UID", "uid", false),
    ("user", "USER", "user", true),
    ("vsz", "VSZ", "virtual-size", false),
    ("wchan", "WCHAN", "wait-channel", true),
];

/// Other names of columns.
const ALIASES: &[(&str, &str)] = &[
    ("pcpu", "%cpu"),
    ("pmem", "%mem"),
    ("stat", "state"),
    ("cputime", "time"),
    ("nice", "ni"),
    ("tid", "lwp"),
    ("vsize", "vsz"),
];

impl Column {
    /// The column of a keyword.
    pub(super) fn of(key: &str) -> Option<Self> {
        let key = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, key)| key);
        let (key, header, field, is_left) = ALL.iter().find(|(known, ..)| *known == key)?;
        Some(Self { key, header: (*header).to_string(), field, is_left: *is_left })
    }

    /// What stands in a line.
    pub(super) fn value(&self, row: &Row) -> String {
        let one = &row.process;
        let thread = row.thread.as_ref();
        let used = one.usage;
        match self.key {
            "%cpu" => percent(row),
            "%mem" => "0.4".into(),
            "args" | "command" => one.command.clone(),
            "comm" | "ucomm" => one.name.clone(),
            "etime" => elapsed(used.elapsed),
            "etimes" => used.elapsed.to_string(),
            "jid" => one.jid.to_string(),
            "lstart" => date(one.started),
            "lwp" => thread.map_or(100_000, |(id, _)| *id).to_string(),
            "mwchan" | "wchan" => thread.map_or("kqread", |(_, thread)| thread.wait).to_string(),
            "pid" => one.pid.to_string(),
            "ppid" => one.parent.to_string(),
            "pri" => "52".into(),
            "rss" => {
                if one.is_zombie() {
                    "0".into()
                } else {
                    used.resident.to_string()
                }
            }
            "start" => date(one.started)[11..16].to_string(),
            "state" => state(row),
            "tdname" => thread.map_or_else(|| "-".into(), |(_, thread)| thread.name.clone()),
            "time" => time(row),
            "tt" => "u0 ".into(),
            "user" => one.user.clone(),
            "uid" if one.user != "root" => "65534".into(),
            "vsz" => used.size.to_string(),
            _ => "0".into(),
        }
    }
}

/// A thread that runs uses nearly all of a processor, and one that sleeps none.
fn percent(row: &Row) -> String {
    match &row.thread {
        Some((_, thread)) if thread.state == "run" => "98.2".into(),
        Some(_) => "0.0".into(),
        None => format!("{}.{}", row.process.usage.permille / 10, row.process.usage.permille % 10),
    }
}

fn state(row: &Row) -> String {
    let is_running = row.thread.as_ref().is_some_and(|(_, thread)| thread.state == "run");
    let state = &row.process.state;
    if is_running { state.replacen('S', "R", 1) } else { state.clone() }
}

/// Minutes, seconds and hundredths of processor time.
fn time(row: &Row) -> String {
    let hundredths = match &row.thread {
        Some((_, thread)) if thread.state != "run" => 0,
        _ => row.process.usage.hundredths,
    };
    format!("{}:{:02}.{:02}", hundredths / 6000, hundredths / 100 % 60, hundredths % 100)
}

/// `DD-HH:MM:SS`, without what is nothing at its beginning.
fn elapsed(seconds: u64) -> String {
    let (days, hours, minutes, seconds) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{seconds:02}"),
        (0, _) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}-{hours:02}:{minutes:02}:{seconds:02}"),
    }
}
