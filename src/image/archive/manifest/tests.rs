//! What a manifest says, and what nobody may have in one.

use super::*;
use proptest::prelude::*;

/// A manifest with a bit of everything.
pub(crate) fn sample() -> Manifest {
    let volume = Volume {
        name: "zroot/vm/web".parse().unwrap(),
        size: Size::mib(64),
        block: Some(Size::bytes(65536)),
        is_sparse: true,
        compression: Some("lz4".into()),
        encryption: None,
    };
    let disk = |role, home, size, used| DiskPart {
        role,
        home,
        size: Size::mib(size),
        used: Size::mib(used),
        form: DiskForm::Bytes,
    };
    Manifest {
        vmrun: "0.1.0".into(),
        machine: "web".parse().unwrap(),
        configuration: [("cpus".into(), "2".into())].into(),
        params: [("size".into(), "2G".into())].into(),
        texts: vec![
            TextPart { name: "web.rhai".into(), size: 12 },
            TextPart { name: "lib/cards.rhai".into(), size: 4 },
        ],
        disks: vec![
            disk(Role::Disk, Home::File("/vm/web.img".into()), 32, 1),
            disk(Role::Disk, Home::Volume(volume), 64, 0),
            disk(Role::Vars, Home::File("/vm/web.vars".into()), 1, 1),
        ],
    }
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    assert_eq!(Manifest::parse(sample().text().as_bytes()), Ok(sample()));
    assert_eq!((sample().recipe(), sample().used()), ("web.rhai", 2 << 20));
}

#[test]
fn a_stream_of_zfs_send_is_of_a_volume_and_of_the_second_form() {
    let mut manifest = sample();
    manifest.disks[1].form = DiskForm::SentRaw;
    manifest.disks[1].used = Size::mib(100);
    let text = manifest.text();
    assert!(text.contains("\"form\": 2") && text.contains("\"stream\": \"zfs send -w\""), "{text}");
    assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest.clone()));
    assert_eq!(manifest.disks[1].most(), 192 << 20);
    let said = |from: &str, to: &str| Manifest::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err().message;
    assert_eq!(said("zfs send -w", "zfs send -R"), "\"zfs send -R\" is no stream that a disk can be");
    assert_eq!(
        said("\"used\": 104857600", "\"used\": 201326593"),
        "the `used` of a disk is 201326593, and at most 201326592"
    );
    let file = sample().text().replacen("\"role\": \"disk\"", "\"role\": \"disk\", \"stream\": \"zfs send -c\"", 1);
    assert_eq!(Manifest::parse(file.as_bytes()).unwrap_err().message, "a stream of zfs send is a volume");
}

#[test]
fn what_nobody_may_have_is_refused() {
    let said = |from: &str, to: &str| {
        let text = sample().text();
        assert!(text.contains(from), "{from}");
        Manifest::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err().message
    };
    for (from, to, expected) in [
        ("\"form\": 1", "\"form\": 3", "it has form 3, and this vmrun knows forms up to 2"),
        ("\"form\": 1", "\"form\": \"1\"", "it has no number `form`"),
        ("\"web\"", "\"../web\"", "\"../web\" is not a machine's name"),
        ("/vm/web.img", "/vm/../etc/passwd", "\"/vm/../etc/passwd\" is no path of a disk of an export"),
        ("/vm/web.img", "vm/web.img", "\"vm/web.img\" is no path of a disk of an export"),
        ("/vm/web.img", "/vm//web.img", "\"/vm//web.img\" is no path of a disk of an export"),
        ("/vm/web.img", "/", "\"/\" is no path of a disk of an export"),
        ("/vm/web.img", "/vm/a\\u001b[31m", "\"/vm/a\\u{1b}[31m\" is no path of a disk of an export"),
        ("/vm/web.vars", "/vm/web.img", "\"/vm/web.img\" is in it twice"),
        ("lib/cards.rhai", "../cards.rhai", "\"../cards.rhai\" is no path of a text of an export"),
        ("lib/cards.rhai", "/etc/cards", "\"/etc/cards\" is no path of a text of an export"),
        ("lib/cards.rhai", "./cards.rhai", "\"./cards.rhai\" is no path of a text of an export"),
        ("\"web.rhai\"", "\"bin/web.rhai\"", "\"bin/web.rhai\" is no file of a recipe"),
        ("\"web.rhai\"", "\"web.sh\"", "\"web.sh\" is no file of a recipe"),
        ("\"size\": 12", "\"size\": 2000000", "the `size` of a text is 2000000, and at most 1048576"),
        (
            "\"size\": 33554432",
            "\"size\": 18446744073709551615",
            "the `size` of a disk is 18446744073709551615, and at most 1152921504606846976",
        ),
        ("\"used\": 1048576", "\"used\": 99999999", "the `used` of a disk is 99999999, and at most 33554432"),
        ("\"size\": 12", "\"size\": -1", "a text has no number `size`"),
        ("zroot/vm/web", "zroot", "\"zroot\" is no name of a volume: a pool has no name before it"),
        ("65536", "65537", "65537 is no size of a volume's blocks"),
        ("\"lz4\"", "\"rar\"", "there is no compression \"rar\""),
        ("\"role\": \"vars\"", "\"role\": \"key\"", "\"key\" is no role of a disk"),
    ] {
        assert_eq!(said(from, to), expected);
    }
    assert_eq!(Manifest::parse(b"[]").unwrap_err().message, "it is no object");
    assert_eq!(Manifest::parse(b"\xff").unwrap_err().message, "it is no JSON");
}

proptest! {
    #[test]
    fn no_bytes_panic(at in 0..900_usize, byte in any::<u8>()) {
        let mut text = sample().text().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        let _ = Manifest::parse(&text);
    }
}

#[test]
fn how_a_volume_is_encrypted_is_read_as_it_was_written_and_a_key_that_is_no_file_is_refused() {
    let mut manifest = sample();
    assert_eq!(manifest.encrypted(), None);
    let key = VolumeKey { format: "raw".into(), file: "/etc/vm/web.key".into() };
    for key in [None, Some(key)] {
        let Home::Volume(volume) = &mut manifest.disks[1].home else { panic!("it is a volume") };
        volume.encryption = Some(Encryption { cipher: "aes-256-gcm".into(), key });
        assert_eq!(manifest.encrypted().map(VolumeName::as_str), Some("zroot/vm/web"));
        assert_eq!(Manifest::parse(manifest.text().as_bytes()), Ok(manifest.clone()));
    }
    let read =
        |from: &str, to: &str| Manifest::parse(manifest.text().replace(from, to).as_bytes()).unwrap_err().message;
    assert_eq!(
        read("file:///etc", "https://etc"),
        "\"https://etc/vm/web.key\" is no file with a key, from the root on"
    );
    assert_eq!(read("aes-256-gcm", "rot13"), "there is no cipher \"rot13\"");
    assert_eq!(read("\"raw\"", "\"pem\""), "there is no form of a key \"pem\"");
}
