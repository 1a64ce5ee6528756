//! QEMU's disks while their guest runs: which there are (`query-block`), and another size for one of them (`block_resize`), by the names
//! of QEMU's QMP reference.

use serde_json::{Value, json};
use std::path::PathBuf;

/// A disk that a guest has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunningDisk {
    /// QEMU's name of it: `disk-4.0` is the one in slot 4.
    pub name: String,
    /// Its file, as QEMU was told it.
    pub file: PathBuf,
    /// How large it is to the guest, in bytes.
    pub size: u64,
}

/// What asks for the disks.
pub(crate) const QUESTION: &str = "{\"execute\":\"query-block\",\"id\":\"blocks\"}";

/// Reads the line that answers the question; nothing of any other.
pub(crate) fn answer(line: &str) -> Option<Vec<RunningDisk>> {
    let value: Value = serde_json::from_str(line).ok()?;
    let all = value.get("return").filter(|_| value.get("id").and_then(Value::as_str) == Some("blocks"))?;
    Some(all.as_array()?.iter().filter_map(disk).collect())
}

fn disk(value: &Value) -> Option<RunningDisk> {
    let name = value.get("device")?.as_str().filter(|name| !name.is_empty())?.into();
    let inserted = value.get("inserted")?;
    let file = inserted.get("file")?.as_str()?.into();
    Some(RunningDisk { name, file, size: inserted.pointer("/image/virtual-size")?.as_u64()? })
}

/// Returns what gives a disk another size, in bytes. QEMU has its file grow, and tells the guest.
pub(crate) fn resize(name: &str, size: u64) -> String {
    json!({ "execute": "block_resize", "arguments": { "device": name, "size": size }, "id": "resize" }).to_string()
}

/// Reads the line that says what has become of that, in QEMU's words where it was refused; nothing of any other.
pub(crate) fn resized(line: &str) -> Option<Result<(), String>> {
    let value: Value = serde_json::from_str(line).ok()?;
    value.get("id").and_then(Value::as_str).filter(|id| *id == "resize")?;
    match value.get("error") {
        Some(error) => Some(Err(error.get("desc").and_then(Value::as_str).unwrap_or("it does not say why").into())),
        None => value.get("return").map(|_| Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn disks_and_what_becomes_of_them_are_read_as_qemu_tells_it() {
        // Captured from QEMU 7.2, shortened.
        let line = r##"{"return": [{"device": "disk-4.0", "locked": false, "removable": true, "inserted": {"iops_rd": 0,
            "image": {"virtual-size": 1048576, "filename": "/vm/db.img", "format": "raw", "actual-size": 0}, "ro": false,
            "node-name": "#block160", "drv": "raw", "file": "/vm/db.img"}, "type": "unknown"},
            {"device": "cd", "removable": true, "type": "unknown"}, {"device": "", "inserted": {}}], "id": "blocks"}"##;
        let disk = RunningDisk { name: "disk-4.0".into(), file: "/vm/db.img".into(), size: 1 << 20 };
        assert_eq!(answer(line), Some(vec![disk]));
        for other in ["{\"return\": {}}", "{\"QMP\": {}}", "{\"return\": 1, \"id\": \"blocks\"}", "", "[]"] {
            assert_eq!((answer(other), resized(other)), (None, None), "{other}");
        }
        assert_eq!(
            resize("disk-4.0", 4 << 20),
            r#"{"arguments":{"device":"disk-4.0","size":4194304},"execute":"block_resize","id":"resize"}"#
        );
        assert_eq!(resized("{\"return\": {}, \"id\": \"resize\"}"), Some(Ok(())));
        let why = "Cannot find device='disk-9.0' nor node-name=''";
        let refused =
            format!("{{\"id\": \"resize\", \"error\": {{\"class\": \"GenericError\", \"desc\": \"{why}\"}}}}");
        assert_eq!(resized(&refused), Some(Err(why.into())));
        assert_eq!(resized(r#"{"id": "resize", "error": 1}"#), Some(Err("it does not say why".into())));
    }

    proptest! {
        #[test]
        fn any_line_can_be_read(line in "\\{\"(return|error)\": \\[\\{\"device\": .{0,30}|.{0,80}") {
            let _ = (answer(&line), resized(&line));
        }
    }
}
