//! `vmrun image inspect FILE`: what is in an image, whoever made it.

use crate::cli::term::Term;
use crate::diag::Fault;
use crate::host::files::DiskFile;
use crate::image::{File, Found, Partition, Volume, inspect};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct InspectArgs {
    /// The image
    file: PathBuf,
    /// Print a JSON object: `size`, `table`, `partitions` with their `volume`, and what is `wrong`
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InspectArgs, term: &Term) -> Result<(), Fault> {
    let found = inspect(&DiskFile::open(&args.file)?)?;
    if args.json { term.data(format!("{:#}", as_json(&found))) } else { term.data(found) }
}

fn as_json(found: &Found) -> Value {
    let table = found.table.as_ref().map(|table| json!({ "kind": table.kind, "guid": table.guid }));
    let partitions: Vec<Value> = found.partitions.iter().map(partition).collect();
    json!({ "size": found.size, "table": table, "partitions": partitions, "wrong": found.wrong })
}

fn partition(partition: &Partition) -> Value {
    let (volume, instead) = match &partition.volume {
        Ok(found) => (Some(volume(found)), None),
        Err(why) => (None, Some(why)),
    };
    json!({
        "number": partition.number, "type": partition.kind, "guid": partition.guid, "name": partition.name,
        "first": partition.first, "last": partition.last, "volume": volume, "instead": instead,
    })
}

fn volume(volume: &Volume) -> Value {
    let files: Vec<Value> = volume.files.iter().map(file).collect();
    json!({
        "kind": volume.kind, "label": volume.label, "serial": volume.serial, "cluster": volume.cluster,
        "clusters": volume.clusters, "free": volume.free, "files": files, "script": volume.script,
    })
}

fn file(file: &File) -> Value {
    json!({
        "path": file.path, "folder": file.is_folder, "size": file.size, "time": file.time, "program": file.program,
    })
}
