use super::*;
use crate::model::Backend;
use crate::model::Release;
use proptest::prelude::*;

fn message(ty: Type, text: &str) -> String {
    let fault = ty.read(text).unwrap_err();
    format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
}

#[test]
fn values_are_shown_as_bhyve_is_told_them() {
    let cases = [
        (Type::SectorSize, "512/4096", "512/4096"),
        (Type::SectorSize, "4096", "4096"),
        (Type::Eui64, "0x589cfc20ffee0001", "0x589cfc20ffee0001"),
        (Type::Flag, "YES", "true"),
        (Type::Password, "hunter2", "***"),
        (Type::Backend, "vmnet3", "vmnet3"),
        (Type::Tty, "/dev/nmdm5A", "/dev/nmdm5A"),
    ];
    for (ty, text, shown) in cases {
        assert_eq!(ty.read(text).unwrap().to_string(), shown);
    }
    assert_eq!(Value::Backend(Backend::Tap("web0".parse().unwrap())).to_string(), "web0");
}

#[test]
fn values_that_bhyve_would_ignore_or_cut_are_refused() {
    assert_eq!(
        message(Type::Text { max: 4 }, "12345"),
        "\"12345\" has 5 bytes | at most 4: bhyve cuts the rest without a word"
    );
    assert_eq!(message(Type::Integer { min: 1, max: 16 }, "64"), "64 is out of range | from 1 to 16");
    assert_eq!(message(Type::Integer { min: 1, max: 16 }, "9k"), "\"9k\" is not a whole number | from 1 to 16");
    assert_eq!(message(Type::Choice(&["io", "off"]), "on"), "\"on\" is none of its values | one of io and off");
    assert_eq!(message(Type::Flag, "maybe"), "\"maybe\" is neither true nor false | write `true` or `false`");
    assert_eq!(
        message(Type::Backend, "em 0"),
        "\"em 0\" is not a network backend | give a tap, `tap(\"tap1\")`, or \"slirp\" for a network that needs no root"
    );
    for text in ["1000", "4096/512", "256", "", "512/", "0x200"] {
        assert!(message(Type::SectorSize, text).starts_with(&format!("{text:?} is not a sector size | powers")));
    }
}

#[test]
fn a_password_longer_than_vnc_uses_is_refused_without_showing_it() {
    assert_eq!(
        message(Type::Password, "hunter2hunter2"),
        "the password has 14 bytes, of which VNC uses 8 | choose one of at most eight: the rest would protect nothing"
    );
    let empty = "the password is empty or holds a control character | one line of at most eight bytes";
    assert_eq!(message(Type::Password, "a\nb"), empty);
    assert_eq!(message(Type::Password, ""), empty);
}

#[test]
fn a_frame_buffer_is_as_large_as_the_release_can_make_it() {
    let width = Type::Pixels { min: 640, max: 3840, before: 1920 };
    assert_eq!(width.read("0"), Ok(Value::Integer(0)));
    let said = |number, release| {
        let target = Target { release, ..Target::default() };
        width.against(&width.read_integer(number).unwrap(), target).map(|fault| fault.message).unwrap_or_default()
    };
    assert_eq!((said(320, Release::V14_5), said(0, Release::V14_5)), (String::new(), String::new()));
    assert_eq!(said(0, Release::V15_0), "0 pixels are out of range for FreeBSD 15.0");
    assert_eq!(said(320, Release::V15_1), "320 pixels are out of range for FreeBSD 15.1");
    assert_eq!(said(3840, Release::V14_5), "3840 pixels are out of range for FreeBSD 14.5");
    assert_eq!(message(width, "66336"), "66336 is out of range | from 1 to 3840");
}

#[test]
fn what_bhyve_would_do_instead_is_said() {
    let on = "bhyve cannot do `vga=on`: it would run without any VNC server | write \"io\" (the default) or \"off\"";
    assert_eq!(message(Type::Vga, "on"), on);
    assert_eq!(
        message(Type::Uuid, "5c8dbf6a-0f3f-11ee-ed6b-589cfc0f1c2a"),
        "\"5c8dbf6a-0f3f-11ee-ed6b-589cfc0f1c2a\" is a UUID of a variant that bhyve refuses | the fourth group begins \
         with 0 to d; uuidgen(1) makes one"
    );
    assert_eq!(
        message(Type::Name { max: 9 }, "a=b"),
        "the name \"a=b\" holds a `=` | bhyve takes what follows a `=` for a value"
    );
    assert_eq!(message(Type::Register { host: false }, "host"), "\"host\" is not a register | write \"0x8086\"");
    assert_eq!(Type::Register { host: true }.read("host"), Ok(Value::Choice("host")));
    assert_eq!(Type::Register { host: true }.read("7000").unwrap().to_string(), "0x7000");
}

const ALL: &[Type] = &[
    Type::Path,
    Type::Text { max: 20 },
    Type::Name { max: 20 },
    Type::Line,
    Type::Integer { min: 0, max: 99 },
    Type::Pixels { min: 640, max: 3840, before: 1920 },
    Type::Flag,
    Type::Choice(&["io", "off"]),
    Type::Vga,
    Type::SectorSize,
    Type::Eui64,
    Type::Mac,
    Type::Backend,
    Type::Forwards,
    Type::Address,
    Type::Password,
    Type::Tty,
    Type::HostDevice,
    Type::Register { host: true },
    Type::CpuSet,
    Type::Size,
    Type::Uuid,
];

proptest! {
    #[test]
    fn no_text_panics_and_what_is_shown_reads_back(text in "[0-9a-f:/.,x-]{0,20}|.{0,20}") {
        for ty in ALL.iter().filter(|ty| **ty != Type::Password) {
            if let Ok(value) = ty.read(&text) {
                prop_assert_eq!(ty.read(&value.to_string()), Ok(value), "{}", ty);
            }
        }
    }

    #[test]
    fn no_number_panics(number: i64) {
        for ty in ALL {
            let _ = ty.read_integer(number);
        }
    }
}
