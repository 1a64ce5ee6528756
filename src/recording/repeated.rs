//! Which commands fail where what they do is done already.

use super::{Call, DAEMONS};

/// Whether a command fails at a second start, as what it did at the first still stands: pf(4) is enabled, a route is there, a service runs.
pub(crate) fn fails_again(call: &Call) -> bool {
    let args: Vec<&str> = call.args().iter().map(String::as_str).collect();
    let has = |word: &str| args.contains(&word);
    let has_letter = |letter: char| {
        let options = args.iter().filter_map(|word| word.strip_prefix('-'));
        options.into_iter().any(|letters| letters.starts_with(letter))
    };
    !call.reads
        && match call.program() {
            "pfctl" => has_letter('e'),
            "route" => has("add"),
            "service" => ["start", "onestart", "faststart", "quietstart"].into_iter().any(has),
            "vale-ctl" => ['a', 'h', 'n'].into_iter().any(has_letter),
            "ngctl" => ["mkpeer", "connect", "name"].into_iter().any(has),
            "devctl" => {
                ["attach", "detach", "disable", "enable"].into_iter().any(has) || has("set") && !has_letter('f')
            }
            "jail" => has_letter('c'),
            program => DAEMONS.contains(&program),
        }
}

/// Returns the commands of a recording that fail at a second start, each once: those before its last boot, where no later command of the same
/// program may take them back.
pub(crate) fn failing_again(calls: &[Call]) -> Vec<&Call> {
    let last = calls.iter().rposition(|call| call.boots().is_some()).unwrap_or_default();
    let (before, after) = calls.split_at(last);
    let ends = |call: &Call, other: &Call| {
        // One that no driver has cannot be detached, at the first start already.
        if call.args().first().is_some_and(|word| word == "detach") {
            return false;
        }
        let ends_it = ["pkill", "killall"].contains(&other.program()) && DAEMONS.contains(&call.program());
        !other.reads && (other.program() == call.program() || ends_it)
    };
    let mut all: Vec<&Call> = Vec::new();
    for call in before.iter().filter(|call| fails_again(call)) {
        if !after.iter().any(|other| ends(call, other)) && all.iter().all(|known| known.argv != call.argv) {
            all.push(call);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(lines: &[&str]) -> Vec<Call> {
        let call = |line: &&str| Call { argv: line.split(' ').map(String::from).collect(), ..Call::default() };
        lines.iter().map(call).collect()
    }

    #[test]
    fn a_command_fails_again_where_nothing_takes_back_what_it_did() {
        let failing = [
            "pfctl -ef /etc/pf.conf",
            "route -q add default 10.0.0.1",
            "service nginx onestart",
            "vale-ctl -h vale0:em0",
            "ngctl mkpeer em0: bridge lower link0",
            "devctl set driver pci0:1:0:0 ppt",
            "jail -c name=a",
            "dnsmasq",
        ];
        let others = [
            "pfctl -f /etc/pf.conf",
            "route delete default",
            "service nginx restart",
            "vale-ctl -d vale0:em0",
            "ngctl msg em0: setpromisc 1",
            "devctl set driver -f pci0:1:0:0 ppt",
            "jail -r a",
            "sysctl a=1",
        ];
        assert!(calls(&failing).iter().all(fails_again) && !calls(&others).iter().any(fails_again));
        let all = calls(&[
            "route add a b",
            "route add a b",
            "dnsmasq",
            "jail -c name=a",
            "devctl detach a",
            "bhyve a",
            "jail -r a",
            "pkill dnsmasq",
            "devctl clear driver -f a",
            "pfctl -e",
        ]);
        let found: Vec<String> = failing_again(&all).iter().map(|call| call.command().to_string()).collect();
        assert_eq!(found, ["route add a b", "devctl detach a"]);
    }
}
