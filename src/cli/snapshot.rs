//! `vmrun snapshot`, `vmrun snapshots` and `vmrun rollback`: the disks of a machine as they were.

use super::confirm::confirm;
use super::fetching::Meter;
use super::table::{Column, table};
use super::term::Term;
use crate::diag::Diagnostic;
use crate::diag::may_fail::MayFail as _;
use crate::model::{Argv, Size};
use crate::ops::snapshots::{self, Listed, Removal, RollbackRequest, SnapshotEvent, TakeRequest};
use clap::Args;
use serde_json::{Value, json};

#[derive(Args)]
pub(super) struct SnapshotArgs {
    /// The machine, or its recipe
    #[arg(value_name = "NAME")]
    machine: String,
    /// What the snapshot is called; otherwise the time, as 2026-11-29T13-20-05Z
    tag: Option<String>,
    /// Copy the data of files whose file system has no reflinks; the machine may not run meanwhile
    #[arg(long)]
    copy: bool,
    /// Only print the commands
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct SnapshotsArgs {
    /// The machine, or its recipe
    #[arg(value_name = "NAME")]
    machine: String,
    /// Remove the snapshot with this tag
    #[arg(long, value_name = "TAG")]
    remove: Option<String>,
    /// Remove it without asking
    #[arg(long, requires = "remove")]
    yes: bool,
    /// Only print the commands that would remove it
    #[arg(long, requires = "remove")]
    dry_run: bool,
    /// Print a JSON list: tag, own, taken, disks, missing, used
    #[arg(long, conflicts_with = "remove")]
    json: bool,
}

#[derive(Args)]
pub(super) struct RollbackArgs {
    /// The machine, or its recipe
    #[arg(value_name = "NAME")]
    machine: String,
    /// The snapshot, as `vmrun snapshots` lists it
    tag: String,
    /// Remove the snapshots that are newer, whoever has made them
    #[arg(long)]
    destroy_newer: bool,
    /// Copy the data of files whose file system has no reflinks
    #[arg(long)]
    copy: bool,
    /// Only print the commands
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn take(args: &SnapshotArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let request = TakeRequest {
        machine: &args.machine,
        tag: args.tag.as_deref(),
        may_copy: args.copy,
        only_look: args.dry_run,
        is_for_replica: false,
    };
    let name = snapshots::take(&request, &mut shown(term))?;
    if !args.dry_run {
        term.say(format!("the snapshot {name} is made"));
    }
    Ok(())
}

pub(super) fn rollback(args: &RollbackArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let request = RollbackRequest {
        machine: &args.machine,
        tag: &args.tag,
        destroys_newer: args.destroy_newer,
        may_copy: args.copy,
        only_look: args.dry_run,
    };
    snapshots::rollback(&request, &mut shown(term))?;
    if !args.dry_run {
        term.say(format!("the disks of {} are as in {}", args.machine, args.tag));
    }
    Ok(())
}

pub(super) fn list(args: &SnapshotsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    if let Some(tag) = &args.remove {
        return remove(args, tag, term);
    }
    let all = snapshots::list(&args.machine)?;
    if args.json {
        return Ok(term.json(format!("{:#}", Value::Array(all.iter().map(object).collect())))?);
    }
    if all.is_empty() {
        return Ok(term.data(format!("{} has no snapshots", args.machine))?);
    }
    let row = |one: &Listed| {
        let (has, of) = (one.disks.len(), one.disks.len() + one.missing.len());
        let disks = if one.missing.is_empty() { has.to_string() } else { format!("{has} of {of}") };
        let whose = if one.name.is_own() { "vmrun" } else { "others" };
        let used = one.used.map(Size::rough).unwrap_or_default();
        vec![one.name.tag(), snapshots::shown_time(one.taken), whose.into(), disks, used]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let columns = [
        Column::Text("TAG"),
        Column::Text("TAKEN"),
        Column::Text("BY"),
        Column::Number("DISKS"),
        Column::Number("FREED BY REMOVAL"),
    ];
    Ok(term.data(table(&columns, &rows))?)
}

fn object(one: &Listed) -> Value {
    json!({
        "tag": one.name.tag(), "own": one.name.is_own(), "taken": one.taken, "disks": one.disks, "missing": one.missing,
        "used": one.used.map(Size::get),
    })
}

fn remove(args: &SnapshotsArgs, tag: &str, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let removal = Removal::of(&args.machine, tag)?;
    if args.dry_run {
        return Ok(removal.commands().try_for_each(|argv| term.data(argv))?);
    }
    let commands: Vec<&Argv> = removal.commands().collect();
    if !confirm(&format!("remove the snapshot {tag} of {}", args.machine), &commands, args.yes, term)? {
        return Ok(());
    }
    Ok(removal.perform(&mut shown(term))?)
}

/// Returns who shows what goes on.
fn shown(term: &Term) -> impl FnMut(&SnapshotEvent<'_>) {
    let mut meter = Meter::default();
    move |event| match event {
        SnapshotEvent::Runs(argv) => term.data(argv).may_fail("what is begun is ended, whoever reads of it"),
        SnapshotEvent::Note(text) => term.say(text),
        SnapshotEvent::Copies(path, done, whole) => meter.draw(path, *done, Some(*whole)),
    }
}
