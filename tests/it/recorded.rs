//! What FreeBSD 12.1 answered once (tests/fixtures/freebsd-12.1), as vmrun's readers understand it: all of it is read, and what was
//! read stands in files beside it.

#[path = "../../src/host/corpus.rs"]
pub(crate) mod corpus;

use super::golden;
use corpus::{Step, steps};
use std::fmt::Write as _;
use vmrun::internals::bhyve;
use vmrun::internals::host::{interfaces, processes, statistics};

/// Returns the transcript of the steps of a file that a reader understands.
fn transcript(file: &str, read: impl Fn(&Step) -> Option<Vec<String>>) -> (String, String) {
    let mut text = String::new();
    for step in steps(file) {
        let Some(lines) = read(&step) else { continue };
        writeln!(text, "$ {}", step.command).unwrap();
        lines.iter().for_each(|line| writeln!(text, "  {line}").unwrap());
    }
    assert!(!text.is_empty(), "nothing in {file} was read");
    (format!("tests/fixtures/freebsd-12.1/read/{file}"), text)
}

/// Any list of interfaces, whichever words of ifconfig(8) printed it.
fn of_ifconfig(step: &Step) -> Option<Vec<String>> {
    let is_list = step.output.lines().next().is_some_and(|line| line.contains(": flags="));
    let is_whole = step.command.starts_with("ifconfig") && !step.command.contains('|');
    (is_list && is_whole).then_some(())?;
    let all = interfaces::freebsd::parse_interfaces(&step.output);
    let heads = step.output.lines().filter(|line| !line.starts_with('\t')).count();
    assert_eq!(all.len(), heads, "{}", step.command);
    let line = |one: &_| {
        let vmrun::internals::host::Interface { name, kind, addresses, members, mtu, up, mark, .. } = one;
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut line = format!("{name}: {kind:?}, {}, {mtu}", if *up { "up" } else { "down" });
        line += &addresses.iter().map(|address| format!(", {address}")).collect::<String>();
        line += &members.iter().map(|member| format!(", has {member}")).collect::<String>();
        line += if one.is_ours { ", ours" } else { "" };
        line += &mark.iter().map(|name| format!(", of {name}")).collect::<String>();
        line += if one.is_open { ", open" } else { "" };
        line += &one.opener.iter().map(|pid| format!(" by {pid}")).collect::<String>();
        line
    };
    Some(all.iter().map(line).collect())
}

fn of_ps(step: &Step) -> Option<Vec<String>> {
    let keys = "ps -axww -o pid= -o ppid= -o etimes= -o %cpu= -o time= -o rss= -o command=";
    step.command.starts_with(keys).then_some(())?;
    let line = |one: &processes::Hypervisor| {
        let name = one.name.as_deref().unwrap_or("-");
        let used = one.used.map_or("-".into(), |used| format!("{}ms", used.as_millis()));
        let (pid, parent, uptime, cpu) = (one.pid, one.parent, one.uptime.as_secs(), one.cpu);
        format!("{pid} of {parent}: {name}, {uptime}s, {cpu} thousandths, {used}, {}", one.resident)
    };
    Some(processes::freebsd::parse_processes(&step.output).hypervisors.iter().map(line).collect())
}

fn of_procstat(step: &Step) -> Option<Vec<String>> {
    step.command.starts_with("procstat -t").then_some(())?;
    let mut lines = Vec::new();
    for (pid, threads) in processes::freebsd::parse_threads(&step.output) {
        lines.extend(threads.iter().map(|one| {
            let on = one.processor.map_or("-".into(), |on| on.to_string());
            let wait = one.wait.as_deref().unwrap_or("-");
            format!("{pid}/{}: {:?} is {}, on {on}, {} {wait}", one.id, one.name, one.work(), one.state)
        }));
    }
    let has_head = step.output.trim_start().starts_with("PID");
    let expected = step.output.lines().count() - usize::from(has_head);
    assert_eq!(lines.len(), expected, "{}", step.command);
    Some(lines)
}

fn of_netstat(step: &Step) -> Option<Vec<String>> {
    let is_json = step.command.starts_with("netstat --libxo json") && step.command.contains("-ibn");
    is_json.then_some(())?;
    let line = |one: &statistics::InterfaceUse| {
        let (received, sent) = (one.received, one.sent);
        format!("{}: {received} in {} in, {sent} in {} out", one.name, one.received_packets, one.sent_packets)
    };
    Some(statistics::of_netstat(&step.output).iter().map(line).collect())
}

fn of_bhyvectl(step: &Step) -> Option<Vec<String>> {
    (step.command.contains("--get-stats") && step.status == 0).then_some(())?;
    Some(bhyve::statistics::read(&step.output).iter().map(|count| format!("{count:?}")).collect())
}

/// How bhyve ended, and whose its node was: of those that were run to their end, in the foreground or not.
fn of_bhyve(step: &Step) -> Option<Vec<String>> {
    (step.command.starts_with("bhyve ") || step.command.starts_with("= ")).then_some(())?;
    let words: Vec<String> = step.complaint.lines().map(String::from).collect();
    let ended = match step.status {
        signal @ 129.. => vmrun::internals::model::Ended::Killed { signal: signal - 128 },
        status => bhyve::ended(status, &words),
    };
    let refused = if bhyve::is_node_refused(&ended, &words) { ", its node is another's" } else { "" };
    Some(vec![format!("status {}: {ended}{refused}", step.status)])
}

/// Whether bhyvectl found no machine.
fn of_nodes(step: &Step) -> Option<Vec<String>> {
    (step.command.starts_with("bhyvectl ") && step.status != 0).then_some(())?;
    let is_none = bhyve::is_not_created(&format!("{}{}", step.complaint, step.output));
    Some(vec![if is_none { "there is none".into() } else { format!("status {}", step.status) }])
}

/// Whose machine a process is, of every line that ps printed of one.
fn of_titles(step: &Step) -> Option<Vec<String>> {
    (step.command.starts_with("ps ") && step.output.contains("bhyve")).then_some(())?;
    let words = |line: &str| line.find("bhyve").map(|at| line[at..].to_string());
    let titles = step.output.lines().filter_map(words);
    Some(titles.map(|title| format!("{title}: {}", bhyve::seen::machine_of(&title).unwrap_or("-"))).collect())
}

#[test]
fn what_freebsd_answered_is_read_as_it_was_meant() {
    let ifconfig = ["bridge", "epair", "names-groups", "show", "tap", "tap-open", "vlan"];
    let mut files: Vec<_> =
        ifconfig.iter().map(|topic| transcript(&format!("ifconfig-{topic}.txt"), of_ifconfig)).collect();
    for topic in ["exit", "node", "start"] {
        files.push(transcript(&format!("bhyve-{topic}.txt"), of_bhyve));
    }
    files.extend([transcript("signals.txt", of_bhyve), transcript("memory.txt", of_bhyve)]);
    let (_, nodes) = transcript("bhyvectl.txt", of_nodes);
    files.push(("tests/fixtures/freebsd-12.1/read/bhyvectl-nodes.txt".into(), nodes));
    let (_, titles) = transcript("ps.txt", of_titles);
    files.push(("tests/fixtures/freebsd-12.1/read/ps-titles.txt".into(), titles));
    files.push(transcript("ps.txt", of_ps));
    files.push(transcript("procstat.txt", of_procstat));
    files.push(transcript("netstat.txt", of_netstat));
    files.push(transcript("bhyvectl.txt", of_bhyvectl));
    golden::check(files);
}

#[test]
fn no_reader_falls_over_what_another_program_answered() {
    let mut outputs = 0;
    for file in crate::replay::FILES {
        for step in steps(file) {
            for text in [&step.output, &step.complaint] {
                let _ = interfaces::freebsd::parse_interfaces(text);
                let _ = interfaces::linux::parse_interfaces(text);
                let _ = processes::freebsd::parse_processes(text);
                let _ = processes::freebsd::parse_threads(text);
                let _ = statistics::of_netstat(text);
                let _ = bhyve::statistics::read(text);
                let lines: Vec<String> = text.lines().map(String::from).collect();
                let _ = bhyve::is_node_refused(&bhyve::ended(step.status, &lines), &lines);
                let _ = lines.iter().filter_map(|line| bhyve::seen::machine_of(line)).count();
                outputs += 1;
            }
        }
    }
    assert_eq!(outputs, 2 * 1286);
}
