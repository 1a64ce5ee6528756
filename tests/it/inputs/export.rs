//! What `vmrun export` writes, unpacked.

use vmrun::internals::image::read_whole;

/// What an export says of itself.
const MANIFEST: &str = r#"{"form":1,"vmrun":"0.1.0","machine":"web","configuration":{"cpus":"1"},"params":{},"texts":[{"name":"web.rhai","size":12}],"disks":[{"role":"disk","file":"/vm/web.img","size":1048576,"used":131072}]}"#;
/// The digests of that and of the recipe.
const SUMS: &str = "5168742b210f1be5085f2de0b622e66a48fe7c6d195ca9d01664410073f4bd5d  manifest.json\n876756b2ad5dd5b7b4d34fd8a3e7641330dcf2550c0a8db56c8223e607c4e52b  texts/web.rhai\n";
/// The digests of a disk with 64 KiB of sevens.
const TRAILER: &str = r#"{"disks":[{"extents":1,"data":65536,"sha256":"07dcb6d11a03624831513672ffdb84d6b1730f54e90aaace444fe3a8ea9b2163","map":"fd1888fa9d43e92ca8bb91be38fe1437ea949349d4e7d3f42807285111dd3f33"}]}"#;

/// The same of one whose disk is a volume, and a stream of zfs-send(8).
const SENT_MANIFEST: &str = r#"{"form":2,"vmrun":"0.1.0","machine":"web","configuration":{"cpus":"1"},"params":{},"texts":[{"name":"web.rhai","size":12}],"disks":[{"role":"disk","volume":"zroot/vm/web","sparse":true,"size":1048576,"used":65536,"stream":"zfs send -w"}]}"#;
const SENT_SUMS: &str = "3668ee9a2f7abb0a6bd761a57cfa208fb8717cdde5b953f7a4617f37ff6431cb  manifest.json\n876756b2ad5dd5b7b4d34fd8a3e7641330dcf2550c0a8db56c8223e607c4e52b  texts/web.rhai\n";
/// The digests of a stream of a hundred sevens.
const SENT_TRAILER: &str = r#"{"disks":[{"extents":1,"data":100,"sha256":"d876885b7f40eae70bd1f5247a9854914fa5812ce63998e2d894a68e187967cb","map":"98fcfada63dd9f0c7cc6b83cf5d5f1cf643567340fb66d869487dd2dd9d60d98"}]}"#;

/// A member of a tar, as ustar has it.
fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(124, format!("{:011o}", bytes.len()).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, b"vmrun-export");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    [&header[..], bytes, &vec![0; bytes.len().next_multiple_of(512) - bytes.len()]].concat()
}

/// What stands before the disks.
fn before(manifest: &str, sums: &str) -> Vec<u8> {
    let all = [
        member("manifest.json", manifest.as_bytes()),
        member("SHA256SUMS", sums.as_bytes()),
        member("texts/web.rhai", b"let a = 1;\n\n"),
    ];
    all.concat()
}

pub fn seeds() -> Vec<Vec<u8>> {
    let before_disk = before(MANIFEST, SUMS);
    let disk = member("disks/1/00000000000000065536", &vec![7; 65536]);
    let end = [member("trailer.json", TRAILER.as_bytes()), vec![0; 1024]].concat();
    let stream = member("disks/1/00000000000000000000", &[7; 100]);
    let stream_end = [member("trailer.json", SENT_TRAILER.as_bytes()), vec![0; 1024]].concat();
    vec![
        [before_disk.clone(), disk, end.clone()].concat(),
        [before_disk, end].concat(),
        [before(SENT_MANIFEST, SENT_SUMS), stream, stream_end].concat(),
    ]
}

/// No more of its disk comes than it says, and the whole of it is as it was written.
pub fn holds(bytes: &[u8]) {
    match read_whole(bytes) {
        // A stream is as long as that of a volume of its size can be, and nothing comes that was not there.
        Ok(read) => assert!(read <= 131_072 && read <= bytes.len() as u64),
        Err(fault) => assert!(!fault.message.is_empty()),
    }
}

#[cfg(test)]
#[test]
fn a_seed_is_an_export() {
    assert_eq!(
        seeds().iter().map(|seed| read_whole(seed.as_slice()).ok()).collect::<Vec<_>>(),
        [Some(65536), None, Some(100)]
    );
}
