//! `vmrun top --all-hosts`: what each of many hosts carries, and their busiest machines.

use super::super::list::hosts::{as_table, shown_below};
use super::super::paint::PLAIN;
use super::super::table::{Column, Cut, Fit, fitted};
use crate::diag::{Diagnostic, shown};
use crate::model::Size;
use crate::ops::all_hosts::{AllHosts, TellingHost, ask};
use crate::ops::display::terminal::cut;
use crate::ops::machines::percent;
use crate::ops::remote::ToldMachine;
use crate::ops::search::HostQuery;
use std::cmp::Reverse;

const COLUMNS: [Column; 6] = [
    Column::Text("HOST"),
    Column::Number("MACHINES"),
    Column::Number("RUNNING"),
    Column::Number("CPUS"),
    Column::Number("MEMORY"),
    Column::Number("CPU%"),
];

const FIT: Fit = Fit { cut: &[("HOST", Cut::Front, 12)], left_out: &["MACHINES"] };

/// Returns the lines of a terminal that has so many columns and lines: hosts, then machines, the busiest first, then what is wrong.
pub(super) fn lines(query: &HostQuery, columns: usize, lines: usize) -> Result<Vec<String>, Vec<Diagnostic>> {
    let all = ask(query, false)?;
    let rows: Vec<Vec<String>> = all.hosts.iter().map(row).collect();
    let hosts = fitted(&COLUMNS, &rows, FIT, columns, PLAIN);
    let said: Vec<String> = shown_below(&all).iter().map(|line| cut(&shown::line(line), columns)).collect();
    let mut shown: Vec<String> = hosts.lines().map(String::from).collect();
    shown.push(String::new());
    let room = lines.saturating_sub(2 + said.len().min(lines / 4));
    let table = as_table(&busiest(&all), Some(columns), PLAIN);
    shown.extend(table.lines().map(String::from));
    if shown.len() > room && room > 0 {
        let more = shown.len() + 1 - room;
        shown.truncate(room - 1);
        shown.push(format!("… and {more} more"));
    }
    shown.extend(said.into_iter().take(lines / 4));
    shown.resize(lines.saturating_sub(1), String::new());
    shown.push(cut("q leaves", columns));
    Ok(shown)
}

/// The machines that run, those first that use most of a processor.
fn busiest(all: &AllHosts) -> Vec<(&TellingHost, &ToldMachine)> {
    let mut machines: Vec<_> = all.machines().into_iter().filter(|(_, one)| one.pid.is_some()).collect();
    machines.sort_by_key(|(_, one)| Reverse(one.permille()));
    machines
}

fn row(host: &TellingHost) -> Vec<String> {
    let running: Vec<&ToldMachine> = host.told.machines.iter().filter(|one| one.pid.is_some()).collect();
    let sum = |key: &str| running.iter().filter_map(|one| one.number(key)).fold(0, u64::saturating_add);
    let memory = Size::bytes(sum("memory"));
    vec![
        host.name.clone(),
        host.told.machines.len().to_string(),
        running.len().to_string(),
        sum("cpus").to_string(),
        memory.to_string(),
        percent(running.iter().map(|one| one.permille()).fold(0, u64::saturating_add)),
    ]
}
