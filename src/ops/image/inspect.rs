//! What is in an image, whoever made it.

use crate::diag::Fault;
use crate::host::files::disk_file::DiskFile;
use crate::image::{self, DiskContents, File, Partition, Volume};
use serde_json::{Value, json};
use std::path::Path;

/// Reads the tables and volumes of an image.
pub(crate) fn inspect(path: &Path) -> Result<DiskContents, Fault> {
    image::inspect(&DiskFile::open(path)?)
}

/// Returns a JSON object: the size, the table, the partitions with their volumes, and what is wrong.
pub(crate) fn json(found: &DiskContents) -> String {
    let table = found.table.as_ref().map(|table| json!({ "kind": table.kind, "guid": table.guid }));
    let partitions: Vec<Value> = found.partitions.iter().map(partition).collect();
    format!("{:#}", json!({ "size": found.size, "table": table, "partitions": partitions, "wrong": found.wrong }))
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
