//! ps(1), sysctl(8) and clocks.

use super::ProcessFact;
use crate::host::program::Query;
use crate::model::{Argv, Release};
use nix::time::{ClockId, clock_gettime};

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
