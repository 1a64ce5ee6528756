//! ps(1), sysctl(8) and clocks.

use super::{ProcessFact, Witness};
use crate::host::identity::{IN_JAIL, ON_HOST};
use crate::host::program::Query;
use crate::model::{Argv, Release};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;

/// Returns the second of 1970 at which the kernel began to count, as CLOCK_MONOTONIC does there.
pub(super) fn boot() -> String {
    let second = |clock| clock_gettime(clock).map(|time| time.tv_sec()).unwrap_or_default();
    (second(ClockId::CLOCK_REALTIME) - second(ClockId::CLOCK_MONOTONIC)).to_string()
}

/// Returns what ps(1) says of a process; bhyve calls itself `bhyve: NAME`. A zombie is no more.
pub(super) fn process(query: Query<'_>, pid: u32) -> Option<ProcessFact> {
    let argv = Argv::new("ps").args(["-ww", "-o", "state=", "-o", "command=", "-p"]).arg(pid);
    let text = query(&argv).ok()?;
    let (state, command) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| ProcessFact { started: String::new(), command: command.trim().into() })
}

/// Returns what no step of the clock changes: the id of this start of the host, where there is one (13 and later), and when
/// processes were started, counted from when the host was.
pub(super) fn witness(query: Query<'_>, pids: &[u32]) -> Witness {
    let ask = Argv::new("sysctl").args(["-nx", "kern.boot_id"]);
    let boot = query(&ask).ok().and_then(|text| boot_id(&text));
    // One look may fall upon a step of the clock, a second one does not.
    let starts = if pids.is_empty() { None } else { starts(query, pids).or_else(|| starts(query, pids)) };
    Witness { boot, starts: starts.unwrap_or_default() }
}

/// Returns the host's UUID, which /etc/rc.d/hostid sets from /etc/hostid (rc.conf(5), `hostid_enable`). As memory has it, and not
/// tried on a host: where it is not set it is said to be all zeros, which tells nothing.
pub(super) fn host_id(query: Query<'_>) -> String {
    let text = query(&Argv::new("sysctl").args(["-n", "kern.hostuuid"])).unwrap_or_default();
    let is_set = text.trim().bytes().any(|it| !matches!(it, b'0' | b'-'));
    if is_set { text.trim().into() } else { String::new() }
}

/// Reads an opaque variable as sysctl(8) shows it with `-x`: its format and length, and its bytes as `Dump:0x…`.
fn boot_id(text: &str) -> Option<String> {
    let digits = text.trim().rsplit_once("0x").map_or(text.trim(), |(_, digits)| digits);
    (!digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit())).then(|| digits.to_ascii_lowercase())
}

/// Returns when processes were started, in seconds since the host was: both move by as much as the clock is set, so that the
/// difference does not, if it was not set in between. Nothing comes back where it was.
fn starts(query: Query<'_>, pids: &[u32]) -> Option<BTreeMap<u32, i64>> {
    let list = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    // A date is of the zone and of the language of whoever asks.
    let argv = Argv::new("env").args(["TZ=UTC", "LC_ALL=C", "ps", "-o", "pid=", "-o", "lstart=", "-p"]).arg(list);
    let before = boottime(query)?;
    let text = query(&argv).unwrap_or_default();
    let start = |line: &str| {
        let (pid, date) = line.trim().split_once(char::is_whitespace)?;
        Some((pid.parse().ok()?, seconds(date)?.checked_sub(before)?))
    };
    (boottime(query)? == before).then(|| text.lines().filter_map(start).collect())
}

/// Returns the second of 1970 at which the host was started, by today's clock: `{ sec = 1795875026, usec = 176283 } Sat Nov …`.
fn boottime(query: Query<'_>) -> Option<i64> {
    let text = query(&Argv::new("sysctl").args(["-n", "kern.boottime"])).ok()?;
    text.split_once("sec = ")?.1.split_once(',')?.0.trim().parse().ok()
}

/// Reads a date as `%c` of strftime(3) writes it in the language C: `Sat Nov 28 14:10:26 2026`. Returns seconds of 1970, UTC.
fn seconds(date: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [_, month, day, time, year] = date.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let (day, year) = (day.parse::<i64>().ok()?, year.parse::<i64>().ok().filter(|it| (1970..10_000).contains(it))?);
    // Howard Hinnant's `days_from_civil`: years begin in March, so that the leap day comes last.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - 719_469;
    let days = days.checked_add(day)?;
    let clock = time.split(':').map(|part| part.parse::<i64>().ok()).collect::<Option<Vec<_>>>()?;
    let [hours, minutes, seconds] = clock.try_into().ok()?;
    days.checked_mul(86400)?.checked_add(hours.checked_mul(3600)?)?.checked_add(minutes.checked_mul(60)? + seconds)
}

/// Returns where this process is: `host`, or `jail:` and the host name of the jail around it, which sees no processes of others
/// and, with a network of its own, other interfaces. The number of a jail is not to be seen from inside: ps(1) shows 0 for all that
/// is in the own one (kern_proc.c, `fill_kinfo_proc_only`), and jls(8) only jails below it. Two jails of one host name count as one.
///
/// The kernel tells it (kern_jail.c, kern_mib.c), without a command: every start asks.
#[cfg(target_os = "freebsd")]
pub(super) fn space() -> Option<String> {
    use sysctl::Sysctl as _;
    let is_jailed = sysctl::Ctl::new("security.jail.jailed").ok()?.value_string().ok()?;
    place(is_jailed.trim(), nix::unistd::gethostname().ok()?.to_str()?)
}

/// Where a process is that is run on another system, whose programs stand for FreeBSD's: in the jail of this host name, if there is one.
#[cfg(not(target_os = "freebsd"))]
pub(super) fn space() -> Option<String> {
    const JAIL: &str = "VMRUN_JAIL";
    crate::host::environment::env(JAIL).map_or_else(|| place("0", ""), |hostname| place("1", &hostname))
}

fn place(is_jailed: &str, hostname: &str) -> Option<String> {
    match is_jailed {
        "0" => Some(ON_HOST.into()),
        "1" => Some(format!("{IN_JAIL}{hostname}")),
        _ => None,
    }
}

/// Returns a number that the kernel tells by sysctl(8), if it knows that name.
pub(super) fn sysctl(query: Query<'_>, name: &str) -> Option<u64> {
    query(&Argv::new("sysctl").arg("-n").arg(name)).ok()?.trim().parse().ok()
}

/// Returns the release of this host by what `uname -K` prints too: unlike its name, nobody gives it another one by a variable.
pub(super) fn release(query: Query<'_>) -> Option<Release> {
    sysctl(query, "kern.osreldate").map(Release::of_osreldate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::corpus::steps;

    #[test]
    fn a_process_is_read_as_ps_shows_it() {
        let mut seen: Vec<(u32, Option<String>)> = Vec::new();
        for step in steps("ps.txt") {
            let pid = step.command.strip_prefix("ps -ww -o state= -o command= -p ").and_then(|pid| pid.parse().ok());
            let Some(pid) = pid else { continue };
            let query = |argv: &Argv| {
                assert_eq!(argv.to_string(), step.command);
                step.outcome()
            };
            let one = (pid, process(&query, pid).map(|fact| fact.command));
            seen.extend((!seen.contains(&one)).then_some(one));
        }
        let seen: Vec<String> = seen.iter().map(|(pid, command)| format!("{pid} {command:?}")).collect();
        assert_eq!(
            seen,
            [
                "99998 None",
                "0 Some(\"[kernel]\")",
                "999999999 None",
                "1 Some(\"/sbin/init --\")",
                "1432 Some(\"bhyve: web (bhyve)\")",
                "1441 Some(\"sleep 60\")",
                // Not this user's, and security.bsd.see_other_uids=0; then it has ended.
                "1432 None",
                "1 None",
                // It waits for its viewer, and has no title yet.
                "2184 Some(\"bhyve -c 1 -m 32M -w -H -s 0,hostbridge -s 29,fbuf,tcp=127.0.0.1:5901,wait -s 31,lpc -l \
                 bootrom,/vm/rom/deaf.rom web\")",
            ]
        );
        let zombie = process(&|_| Ok("Z+ <defunct>\n".into()), 7);
        assert_eq!(zombie, None);
    }

    /// A second of 1970, as `%c` writes it.
    fn written(second: i64) -> String {
        let argv = Argv::new("date").args(["-u", "-d"]).arg(format!("@{second}")).arg("+%a %b %e %H:%M:%S %Y");
        crate::host::program::run(&argv).unwrap().trim().into()
    }

    /// A host that was started then, with a process that was started 40 seconds later, both by the clock as it is set now.
    fn clock(boot: i64) -> impl Fn(&Argv) -> Result<String, crate::diag::Fault> {
        move |argv| match argv.to_string().as_str() {
            "sysctl -nx kern.boot_id" => Ok("Format: Length:16 Dump:0x0123456789ABCDEF0123456789abcdef\n".into()),
            "sysctl -n kern.boottime" => Ok(format!("{{ sec = {boot}, usec = 176283 }} {}\n", written(boot))),
            "env TZ=UTC LC_ALL=C ps -o pid= -o lstart= -p 7,8" => Ok(format!("    7 {}\n", written(boot + 40))),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_known_of_a_boot_and_of_a_process_stays_when_the_clock_is_set() {
        let boot = Some("0123456789abcdef0123456789abcdef".to_string());
        let witness_of = Witness { boot, starts: [(7, 40)].into() };
        for set_to in [1_795_875_026, 1_795_875_026 + 3600, 951_782_399, 1_709_164_800] {
            assert_eq!(witness(&clock(set_to), &[7, 8]), witness_of);
        }
    }

    #[test]
    fn a_clock_that_is_set_while_it_is_asked_is_asked_again() {
        let asked = std::cell::Cell::new(0);
        let query = |argv: &Argv| {
            asked.set(asked.get() + 1);
            clock(if asked.get() < 3 { 1_795_875_026 } else { 1_795_878_626 })(argv)
        };
        assert_eq!((witness(&query, &[7, 8]).starts, asked.get()), ([(7, 40)].into(), 7));
        // Set again and again it tells nothing.
        let set = |argv: &Argv| {
            asked.set(asked.get() + 1);
            clock(1_795_875_026 + 60 * asked.get())(argv)
        };
        assert_eq!(witness(&set, &[7, 8]).starts, BTreeMap::new());
    }

    #[test]
    fn what_a_release_does_not_tell_is_not_known() {
        let old = |argv: &Argv| {
            steps("sysctl.txt")
                .iter()
                .find(|step| step.command == argv.to_string())
                .map_or_else(|| Err(crate::diag::Fault::host(argv.to_string())), crate::host::corpus::Step::outcome)
        };
        assert_eq!(witness(&old, &[7]), Witness::default());
        assert!(boottime(&old).is_some_and(|second| second > 1_700_000_000));
        for text in ["", "\n", "0x", "Format: Length:16 Dump:0xzz", "sysctl: unknown oid"] {
            assert_eq!(boot_id(text), None, "{text}");
        }
        for date in [
            "",
            "Sat Nov 28",
            "Sat Nov 28 14:10 2026",
            "Sat Nox 28 14:10:26 2026",
            "a Nov b c:d:e f",
            "Sat Nov 9223372036854775807 9:9:9 2026",
        ] {
            let _ = seconds(date);
        }
        assert_eq!(seconds("Sat Nov 28 14:10:26 2026"), Some(1_795_875_026));
        assert_eq!(seconds("Thu Jan  1 00:00:00 1970"), Some(0));
    }

    #[test]
    fn a_process_is_in_a_jail_by_the_host_name_of_that_or_on_the_host() {
        let told = [("0", "fb"), ("1", "web.example.org"), ("1", ""), ("", ""), ("-", "fb")];
        let places = ["host", "jail:web.example.org", "jail:"].map(|it| Some(it.to_string()));
        assert_eq!(told.map(|(is_jailed, hostname)| place(is_jailed, hostname))[..3], places);
        assert_eq!((place("", ""), place("-", "fb")), (None, None));
    }

    #[test]
    fn a_number_of_the_kernel_is_read_as_sysctl_tells_it() {
        let steps = steps("sysctl.txt");
        let query = |argv: &Argv| steps.iter().find(|step| step.command == argv.to_string()).unwrap().outcome();
        let numbers = ["hw.ncpu", "hw.physmem", "hw.vmm.maxcpu", "hw.model"].map(|name| sysctl(&query, name));
        assert_eq!(numbers, [Some(1), Some(1_058_492_416), None, None]);
        // 12.1, which is older than all that are known.
        assert_eq!(release(&query), Some(Release::OLDEST));
    }
}
