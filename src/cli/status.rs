//! `vmrun status`: all that is known of one machine, and the threads of its hypervisor.

use super::inventory::meant;
use super::list::{advice, lasted, machines, object, percent};
use super::platform;
use super::table::{Column, table};
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::host::clock::now;
use crate::host::processes::{self, Hypervisor, Thread};
use crate::supervise::journal::Utc;
use crate::supervise::recovery;
use crate::supervise::roster::{Seen, State};
use crate::supervise::standing::Standing;
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Args)]
#[command(after_help = SCHEMA)]
pub(super) struct StatusArgs {
    /// The machine, or the process of its hypervisor
    machine: String,
    /// Print a JSON object, as below
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "\
Threads are told by the names that bhyve and QEMU give them; the column FOR says what a name means. CPU% is of one processor:
since the start under Linux, within the last minute under FreeBSD. What a thread waits for, Linux tells only to its owner.

JSON: the object of a machine, as in `vmrun list --json` (see `vmrun list --help`), and with it:
  init, user_net   whether it was started so, or null if that is not known
  params           an object: what the recipe was given, or null
  stop_within      how long its guest may take to power off, in seconds, or null
  after            a list: the machines that it starts after, or null
  threads          a list of objects: `id`, `name`, `for` (main, vcpu N, disk SLOT, net SLOT, screen or other), `state`,
                   and `processor`, `cpu` (percent) and `wait`, each null where it is not known
Keys may be added.";

pub(super) fn run(args: &StatusArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let all = machines()?;
    let one = find(&all, &args.machine)?;
    let platform = platform()?.platform;
    let threads = one.process.as_ref().map(|process| processes::threads(platform, process.pid)).transpose()?;
    let threads = threads.unwrap_or_default();
    if args.json {
        term.data(as_json(one, &threads))?;
        return Ok(());
    }
    term.data(as_text(one, &threads))?;
    advice(one).into_iter().for_each(|advice| term.say(advice));
    Ok(())
}

/// Finds a machine by its name, ours first, or by its process.
fn find<'a>(all: &'a [Seen], wanted: &str) -> Result<&'a Seen, Fault> {
    let has_name = |one: &&Seen| one.name.as_deref() == Some(wanted);
    let is_process = |one: &&Seen| one.process.as_ref().is_some_and(|process| process.pid.to_string() == wanted);
    let found = all.iter().find(has_name).or_else(|| all.iter().find(is_process));
    found.ok_or_else(|| {
        let near = meant(wanted, all.iter().filter_map(|one| one.name.clone()));
        let none = || Fault::host(format!("there is no machine {wanted} on this host"));
        wanted.parse().map_or_else(|_| none(), |name| recovery::not_running(&name)).maybe_hint(near)
    })
}

fn as_text(one: &Seen, threads: &[Thread]) -> String {
    let lines = facts(one);
    let width = lines.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    let mut text: String = lines.iter().map(|(key, value)| format!("{key:<width$}  {value}\n")).collect();
    if !threads.is_empty() {
        text = format!("{text}\n{}", of_threads(threads));
    }
    text.trim_end().into()
}

/// What is known, in the order in which it is told.
fn facts(one: &Seen) -> Vec<(&'static str, String)> {
    let unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".into());
    let mut facts = vec![("name", one.name.clone().unwrap_or_else(|| "none".into())), ("state", state(one))];
    if let Some(process) = &one.process {
        facts.push(("hypervisor", hypervisor(process)));
    }
    if let Some(pid) = one.supervisor {
        facts.push(("supervisor", format!("vmrun, process {pid}")));
    }
    if one.state != State::Foreign {
        facts.push(("recipe", format!("{}{}", unknown(one.recipe.clone()), given(one.standing.as_ref()))));
    }
    facts.push(("vcpus", unknown(one.shape.cpus.map(|count| count.to_string()))));
    facts.push(("memory", unknown(one.shape.memory.map(|size| size.to_string()))));
    let several = |texts: &[String]| Some(texts.join(", ")).filter(|text| !text.is_empty());
    facts.extend(one.shape.vnc.map(|address| ("console", address.to_string())));
    facts.extend(several(&one.shape.disks).map(|text| ("disks", text)));
    facts.extend(several(&one.shape.taps).map(|text| ("taps", text)));
    if let Some(standing) = &one.standing {
        facts.push(("boots", standing.boots.to_string()));
        facts.push(("restarts", standing.restarts.to_string()));
        facts.push(("power off", format!("within {:?}", standing.stop_within)));
        let after: Vec<String> = standing.after.iter().map(ToString::to_string).collect();
        facts.extend(several(&after).map(|text| ("after", text)));
        facts.extend(standing.error.clone().map(|error| ("last error", error)));
        facts.extend(Some(standing.log.clone()).filter(|log| !log.is_empty()).map(|log| ("log", log)));
    }
    facts
}

/// How it is found, and since when.
fn state(one: &Seen) -> String {
    let Some(standing) =
        one.standing.as_ref().filter(|standing| matches!(one.state, State::Kept(state) if state == standing.state))
    else {
        return one.state.to_string();
    };
    let since = format!("{} since {}", one.state, Utc(standing.since));
    match standing.until.and_then(|until| until.checked_sub(now())) {
        Some(left) => format!("{since}; it is started again in {}", lasted(Duration::from_secs(left))),
        None => since,
    }
}

fn hypervisor(process: &Hypervisor) -> String {
    let Hypervisor { pid, kind, uptime, cpu, resident, .. } = process;
    let (uptime, cpu, resident) = (lasted(*uptime), percent(*cpu), resident.rough());
    format!("{}, process {pid}, for {uptime}, {cpu} % of a processor, {resident} resident", kind.word())
}

/// What a recipe was given.
fn given(standing: Option<&Standing>) -> String {
    let Some(standing) = standing else { return String::new() };
    let flags = [(standing.init, " --init"), (standing.user_net, " --user-net")];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_string());
    let params = standing.params.iter().map(|(name, value)| format!(" --set {name}={value}"));
    flags.chain(params).collect()
}

fn of_threads(threads: &[Thread]) -> String {
    let columns = [
        Column::Number("THREAD"),
        Column::Text("NAME"),
        Column::Text("FOR"),
        Column::Text("STATE"),
        Column::Number("CPU%"),
        Column::Number("ON"),
        Column::Text("WAITS FOR"),
    ];
    let row = |thread: &Thread| {
        vec![
            thread.id.to_string(),
            thread.name.clone(),
            thread.work().to_string(),
            thread.state.clone(),
            thread.cpu.map(percent).unwrap_or_default(),
            thread.processor.map(|number| number.to_string()).unwrap_or_default(),
            thread.wait.clone().unwrap_or_default(),
        ]
    };
    table(&columns, &threads.iter().map(row).collect::<Vec<_>>())
}

fn as_json(one: &Seen, threads: &[Thread]) -> String {
    let mut all = object(one);
    let standing = one.standing.as_ref();
    all["init"] = json!(standing.map(|it| it.init));
    all["user_net"] = json!(standing.map(|it| it.user_net));
    all["params"] = json!(standing.map(|it| &it.params));
    all["stop_within"] = json!(standing.map(|it| it.stop_within.as_secs_f64()));
    all["after"] = json!(standing.map(|it| it.after.iter().map(ToString::to_string).collect::<Vec<_>>()));
    all["threads"] = threads.iter().map(thread).collect();
    format!("{all:#}")
}

fn thread(thread: &Thread) -> Value {
    let cpu: Option<Value> = thread.cpu.and_then(|share| percent(share).parse().ok());
    json!({
        "id": thread.id,
        "name": thread.name,
        "for": thread.work().to_string(),
        "state": thread.state,
        "processor": thread.processor,
        "cpu": cpu,
        "wait": thread.wait,
    })
}
