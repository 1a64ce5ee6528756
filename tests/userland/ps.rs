//! ps(1), as 12.1 answered: columns are as wide as what stands in them.
//!
//! Lists of all processes have from 13 on only init(8), machines, and what the file `processes` has of others, line for line; what machines
//! use is the same for each then, so that tests can compare it.

use crate::exit::{Exit, Step, say, warn};
use crate::getopt::{self, Words};
use crate::process::{self, Process, date};
use crate::procstat::{Thread, threads};
use crate::release::Release;
use crate::state::State;

use columns::Column;

mod columns;

const USAGE: &str = "usage: ps [--libxo] [-aCcdeHfhjlmrSTuvwXxZ] [-O fmt | -o fmt]\n          \
                     [-G gid[,gid...]] [-J jid[,jid...]] [-M core] [-N system]\n          \
                     [-p pid[,pid...]] [-t tty[,tty...]] [-U user[,user...]]";

/// The largest number of a process (`PID_MAX`).
const PID_MAX: u32 = 99999;

/// A line of the list: a process, and its thread where threads are listed.
struct Row {
    process: Process,
    thread: Option<(u32, Thread)>,
}

/// Runs ps.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let (is_json, args) = match args {
        [libxo, json, rest @ ..] if libxo == "--libxo" && json == "json" => (true, rest),
        _ => (false, args),
    };
    let words = getopt::or_usage("ps", "aCcdefG:gHhJ:jLlM:mN:O:o:p:rSTt:U:uvwXxZ", args, (1, USAGE))?;
    if !words.operands.is_empty() {
        return Err(Exit::new(1, USAGE));
    }
    let (columns, is_known) = columns(&words)?;
    let wanted = pids(&words)?;
    let _lock = state.lock()?;
    let of_all = wanted.is_none();
    let is_recorded = Release::of_environment()?.major < 13;
    let is_listed = |one: &Process| match &wanted {
        Some(wanted) => wanted.contains(&one.pid),
        None => is_recorded || one.pid == 1 || one.machine.is_some() || one.waits,
    };
    let listed = process::visible(state)?.into_iter().filter(is_listed);
    let mut rows = Vec::new();
    for process in listed {
        if words.has('H') {
            rows.extend(threads(&process)?.into_iter().map(|one| Row { process: process.clone(), thread: Some(one) }));
        } else {
            rows.push(Row { process, thread: None });
        }
    }
    say(if is_json { json(&columns, &rows) } else { table(&columns, &rows) });
    if of_all && !is_recorded {
        say(state.read("processes")?);
    }
    Ok(u8::from(!is_known || (rows.is_empty() && !of_all)))
}

/// The columns that are wanted, and whether all of them are known.
fn columns(words: &Words<'_>) -> Step<(Vec<Column>, bool)> {
    let wanted = words.values('o');
    if wanted.is_empty() {
        let keys = match (words.has('l'), words.has('u')) {
            (true, _) => "uid,pid,ppid,cpu,pri,ni,vsz,rss,mwchan,state,tt,time,command",
            (_, true) => "user,pid,%cpu,%mem,vsz,rss,tt,state,start,time,command",
            _ => "pid,tt,state,time,command",
        };
        return Ok((keys.split(',').filter_map(Column::of).collect(), true));
    }
    let mut columns = Vec::new();
    let mut is_known = true;
    for text in wanted {
        // A header may have commas and blanks, so that it ends the list.
        let (keys, header) = text.split_once('=').map_or((text, None), |(keys, header)| (keys, Some(header)));
        for key in keys.split([',', ' ', '\t']).filter(|key| !key.is_empty()) {
            let Some(mut column) = Column::of(key) else {
                warn(format!("ps: {key}: keyword not found"));
                is_known = false;
                continue;
            };
            column.header = header.unwrap_or(column.header.as_str()).to_string();
            columns.push(column);
        }
    }
    if columns.is_empty() {
        warn("ps: no valid keywords; valid keywords:");
        say(format!("{}\n", columns::KEYWORDS));
        return Err(Exit::silent(1));
    }
    Ok((columns, is_known))
}

/// The numbers that are wanted; none where all are.
fn pids(words: &Words<'_>) -> Step<Option<Vec<u32>>> {
    let mut all = Vec::new();
    for text in words.values('p').into_iter().flat_map(|list| list.split([',', ' ', '\t'])) {
        let pid: u64 = text.parse().map_err(|_| Exit::new(1, format!("ps: Invalid process id: {text}")))?;
        let pid = u32::try_from(pid).ok().filter(|pid| *pid <= largest());
        all.push(pid.ok_or_else(|| Exit::new(1, format!("ps: process id too large: {text}")))?);
    }
    Ok((!all.is_empty()).then_some(all))
}

/// The largest number that a process can have: the host's may be larger than FreeBSD's.
fn largest() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.trim().parse().unwrap_or(PID_MAX).max(PID_MAX)
}

fn table(columns: &[Column], rows: &[Row]) -> String {
    let has_header = columns.iter().any(|column| !column.header.is_empty());
    let header = has_header.then(|| columns.iter().map(|column| column.header.clone()).collect::<Vec<String>>());
    let cells = rows.iter().map(|row| columns.iter().map(|column| column.value(row)).collect());
    let lines: Vec<Vec<String>> = header.into_iter().chain(cells).collect();
    let width = |at: usize| lines.iter().map(|line| line[at].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = (0..columns.len())
            .map(|at| match (columns[at].is_left, at + 1 == columns.len()) {
                (true, true) => line[at].clone(),
                (true, false) => format!("{:width$}", line[at], width = widths[at]),
                (false, _) => format!("{:>width$}", line[at], width = widths[at]),
            })
            .collect();
        text += &cells.join(" ");
        text.push('\n');
    }
    text
}

fn json(columns: &[Column], rows: &[Row]) -> String {
    let field = |column: &Column, row: &Row| format!("\"{}\":\"{}\"", column.field, column.value(row));
    let one = |row: &Row| columns.iter().map(|column| field(column, row)).collect::<Vec<_>>().join(",");
    let all: Vec<String> = rows.iter().map(|row| format!("{{{}}}", one(row))).collect();
    format!("{{\"process-information\": {{\"process\": [{}]}}\n}}\n", all.join(", "))
}
