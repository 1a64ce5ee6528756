//! `vmrun status`: all that is known of one machine, and the threads of its hypervisor.

use super::list::{advice, lasted};
use super::table::{Column, table};
use super::term::Term;
use crate::diag::{Diagnostic, shown};
use crate::ops::inventory::{Entry, EntryState, Hypervisor, MachineStatus};
use crate::ops::machines::percent;
use crate::ops::status::{Thread, document, start_in, state_began, status};
use clap::Args;

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
    let status = status(&args.machine)?;
    if args.json {
        term.json(format!("{:#}", document(&status)))?;
        return Ok(());
    }
    term.data(as_text(&status.machine, &status.threads))?;
    advice(&status.machine).into_iter().for_each(|advice| term.say(advice));
    Ok(())
}

fn as_text(one: &Entry, threads: &[Thread]) -> String {
    let lines = facts(one);
    let width = lines.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    let mut text: String =
        lines.iter().map(|(key, value)| format!("{key:<width$}  {}\n", shown::line(value))).collect();
    if !threads.is_empty() {
        text = format!("{text}\n{}", of_threads(threads));
    }
    text.trim_end().into()
}

/// What is known, in the order in which it is told.
fn facts(one: &Entry) -> Vec<(&'static str, String)> {
    let unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".into());
    let mut facts = vec![("name", one.name.clone().unwrap_or_else(|| "none".into())), ("state", state(one))];
    if let Some(process) = &one.process {
        facts.push(("hypervisor", hypervisor(process)));
    }
    if let Some(pid) = one.supervisor {
        facts.push(("supervisor", format!("vmrun, process {pid}")));
    }
    if one.state != EntryState::Foreign {
        facts.push(("recipe", format!("{}{}", unknown(one.recipe.clone()), given(one.status.as_ref()))));
    }
    facts.push(("vcpus", unknown(one.shape.cpus.map(|count| count.to_string()))));
    facts.push(("memory", unknown(one.shape.memory.map(|size| size.to_string()))));
    let several = |texts: &[String]| Some(texts.join(", ")).filter(|text| !text.is_empty());
    facts.extend(one.shape.vnc.map(|address| ("screen", address.to_string())));
    facts.extend(several(&one.shape.disks).map(|text| ("disks", text)));
    facts.extend(several(&one.shape.taps).map(|text| ("taps", text)));
    facts.extend(one.address.map(|found| ("address", format!("{} ({})", found.ip, found.source.word()))));
    facts.extend(one.permit.as_ref().map(|permit| ("permit", permit.to_string())));
    if let Some(status) = &one.status {
        facts.push(("boots", status.boots.to_string()));
        facts.push(("restarts", status.restarts.to_string()));
        facts.push(("power off", format!("within {:?}", status.stop_within)));
        let after: Vec<String> = status.after.iter().map(ToString::to_string).collect();
        facts.extend(several(&after).map(|text| ("after", text)));
        facts.extend(status.error.clone().map(|error| ("last error", error)));
        facts.extend(Some(status.log.clone()).filter(|log| !log.is_empty()).map(|log| ("log", log)));
    }
    facts
}

/// How it is found, and since when.
fn state(one: &Entry) -> String {
    let Some(began) = state_began(one) else { return one.state.to_string() };
    let since = format!("{} since {began}", one.state);
    start_in(one).map_or_else(|| since.clone(), |left| format!("{since}; it is started again in {}", lasted(left)))
}

fn hypervisor(process: &Hypervisor) -> String {
    let Hypervisor { pid, kind, uptime, cpu, resident, .. } = process;
    let (uptime, cpu, resident) = (lasted(*uptime), percent(*cpu), resident.rough());
    format!("{}, process {pid}, for {uptime}, {cpu} % of a processor, {resident} resident", kind.word())
}

/// What a recipe was given.
fn given(status: Option<&MachineStatus>) -> String {
    let Some(status) = status else { return String::new() };
    let flags = [(status.init, " --init"), (status.user_net, " --user-net")];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_string());
    let params = status.params.iter().map(|(name, value)| format!(" --set {name}={value}"));
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
