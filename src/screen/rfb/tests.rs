use super::*;
use crate::screen::keys;

/// What a server of version 3.8 without a password says until a screen of 2 by 2 pixels is looked at.
fn greeting() -> Vec<u8> {
    [&b"RFB 003.008\n\x01\x01\0\0\0\0"[..], &init(2, 2)].concat()
}

fn init(width: u16, height: u16) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &FORMAT, &[0, 0, 0, 5], b"bhyve"].concat()
}

/// An update of one piece.
fn piece(place: [u16; 4], encoding: i32, pixels: &[u32]) -> Vec<u8> {
    let place: Vec<u8> = place.iter().flat_map(|number| number.to_be_bytes()).collect();
    let pixels: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    [&[0, 0, 0, 1][..], &place, &encoding.to_be_bytes(), &pixels].concat()
}

/// Has a client hear all of it, and returns it with what it said.
fn heard(password: Option<&str>, bytes: &[u8]) -> (Client, Result<(), Fault>, Vec<u8>) {
    let mut client = Client::new(password.map(Secret::new));
    let result = client.take(bytes);
    let said = client.to_send();
    (client, result, said)
}

fn fault(password: Option<&str>, bytes: &[u8]) -> String {
    let fault = heard(password, bytes).1.unwrap_err();
    fault.hint.map_or(fault.message.clone(), |hint| format!("{} | {hint}", fault.message))
}

/// What follows when a client is let in: its wish to share, the format of pixels and its encodings.
const LET_IN: &[u8] =
    b"\x01\0\0\0\0\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\x02\0\0\x02\0\0\0\0\xff\xff\xff\x21";

#[test]
fn every_version_has_its_own_handshake() {
    let (client, result, said) = heard(None, &greeting());
    assert_eq!((result, client.is_in()), (Ok(()), true));
    assert_eq!(said, [b"RFB 003.008\n\x01", LET_IN].concat());
    let seven = [&b"RFB 003.007\n\x02\x05\x01"[..], &init(2, 2)].concat();
    assert_eq!(heard(None, &seven).2, [b"RFB 003.007\n\x01", LET_IN].concat());
    for old in [&b"RFB 003.003\n"[..], b"RFB 003.005\n", b"RFB 002.009\n"] {
        let old = [old, &b"\0\0\0\x01"[..], &init(2, 2)].concat();
        assert_eq!(heard(None, &old).2, [b"RFB 003.003\n", LET_IN].concat());
    }
    for new in [&b"RFB 003.889\n"[..], b"RFB 005.000\n"] {
        assert_eq!(heard(None, new).2, b"RFB 003.008\n");
    }
}

#[test]
fn a_password_is_the_key_of_what_is_answered() {
    // DES of 16 zeros by the key that is `hunter22` with the bits of each byte in reverse.
    let zeros = [&b"RFB 003.008\n\x02\x02\x10"[..], &[0; 16], &[0; 4]].concat();
    let (_, result, said) = heard(Some("hunter22 and more"), &zeros);
    let answer = b"\x02\xd1\xa5\x84\xaa\xf9\xaf\xb8\x92\xd1\xa5\x84\xaa\xf9\xaf\xb8\x92\x01";
    assert_eq!((result, said), (Ok(()), [&b"RFB 003.008\n"[..], answer].concat()));
    assert_eq!(response("", [0; 16])[..8], *b"\x8c\xa6\x4d\xe9\xc1\xb1\x23\xa7");
    let old = [&b"RFB 003.003\n\0\0\0\x02"[..], &[0; 16], &[0; 4]].concat();
    assert_eq!(heard(Some("hunter22"), &old).2, [&b"RFB 003.003\n"[..], &answer[1..]].concat());
}

#[test]
fn a_screen_is_there_when_every_pixel_was_sent() {
    let (mut client, ..) = heard(None, &greeting());
    assert_eq!((client.picture(), client.awaits()), (None, "its screen"));
    client.ask(false);
    assert_eq!(client.to_send(), b"\x03\0\0\0\0\0\0\x02\0\x02");
    client.take(&piece([0, 0, 2, 1], RAW, &[0x0012_3456, 0xff00_0001])).unwrap();
    // Only a part came: the rest is asked for.
    assert_eq!((client.picture(), client.updates()), (None, 1));
    assert_eq!(client.to_send(), b"\x03\x01\0\0\0\0\0\x02\0\x02");
    client.take(&piece([0, 1, 2, 1], RAW, &[3, 4])).unwrap();
    let rows = |client: &Client| {
        let picture = client.picture().unwrap();
        (0..picture.height()).flat_map(|y| picture.row(0, y, picture.width()).to_vec()).collect::<Vec<u32>>()
    };
    assert_eq!(rows(&client), [0xff12_3456, 0xff00_0001, 0xff00_0003, 0xff00_0004]);
    // A bell, a map of colours and a text of the clipboard mean nothing.
    client.take(b"\x02\x01\0\0\0\0\x01123456\x03\0\0\0\0\0\0\x03abc").unwrap();
    assert_eq!((client.updates(), client.to_send()), (2, Vec::new()));
    // A screen of another size is asked for anew.
    client.take(&piece([0, 0, 1, 1], SIZE, &[])).unwrap();
    assert_eq!(client.picture(), None);
    assert_eq!(client.to_send(), b"\x03\0\0\0\0\0\0\x01\0\x01");
    client.take(&piece([0, 0, 1, 1], RAW, &[5])).unwrap();
    assert_eq!(rows(&client), [0xff00_0005]);
    client.take(&piece([0, 0, 0, 0], SIZE, &[])).unwrap();
    assert_eq!(client.picture(), None);
}

#[test]
fn keys_are_pressed_in_order_and_let_go_in_reverse() {
    let (mut client, ..) = heard(None, &greeting());
    client.press(&keys::parse("<Ctrl-c>").unwrap()[0]);
    let events = b"\x04\x01\0\0\0\0\xff\xe3\x04\x01\0\0\0\0\0c\x04\0\0\0\0\0\0c\x04\0\0\0\0\0\xff\xe3";
    assert_eq!(client.to_send(), events);
}

#[test]
fn what_a_server_does_wrong_is_told() {
    let known = "the recipe knows it: `password: secret(\"vnc\")`, from VMRUN_SECRET_VNC or the file secrets/vnc";
    let started = "it is the one with which the machine was started; only its first eight bytes count";
    let kinds = "bhyve and QEMU have two: none, and VNC's password";
    let asked = |end: &[u8]| [&b"RFB 003.008\n\x01\x02"[..], &[0; 16], end].concat();
    let in_and = |end: &[u8]| [&greeting()[..], end].concat();
    let all = [
        fault(None, b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        fault(None, b"RFB three.8\n"),
        fault(None, b"RFB 003.008\n\0\0\0\0\x11Too many\nfailures"),
        fault(None, b"RFB 003.003\n\0\0\0\0\0\0\0\0"),
        fault(None, b"RFB 003.008\n\x02\x05\x13"),
        fault(None, b"RFB 003.003\n\0\0\x01\0"),
        fault(None, b"RFB 003.008\n\x01\x02"),
        fault(None, b"RFB 003.008\n\x01\x01\0\0\0\x01\0\0\0\x02no"),
        fault(Some("wrong"), &asked(b"\0\0\0\x01\0\0\0\x1eAuth Failed: Invalid Password.")),
        fault(Some("wrong"), &[&b"RFB 003.007\n\x01\x02"[..], &[0; 16], b"\0\0\0\x01"].concat()),
        fault(None, &[&greeting()[..18], &init(65535, 65535)].concat()),
        fault(None, &in_and(&piece([1, 0, 2, 1], RAW, &[]))),
        fault(None, &in_and(&piece([0, 0, 2, 1], 7, &[]))),
        fault(None, &in_and(b"\xc8")),
    ];
    let expected = [
        "is no VNC server: it says \"SSH-2.0-Open\"".into(),
        "is no VNC server: it says \"RFB three.8\"".into(),
        "refuses: Too many failures".into(),
        "refuses".into(),
        format!("wants a kind of security that is not known here: 5, 19 | {kinds}"),
        format!("wants a kind of security that is not known here: 255 | {kinds}"),
        format!("asks for a password, and none is known | {known}"),
        "refuses: no".into(),
        format!("does not take the password | {started}"),
        format!("does not take the password | {started}"),
        "has a screen of 65535x65535, which is more than is looked at here | at most 16777216 pixels".into(),
        "sent a piece that is outside of its screen".into(),
        "sent its screen in an encoding that was not asked for: 7".into(),
        "sent a message that nobody knows: 200".into(),
    ];
    assert_eq!(all, expected);
}

#[test]
fn what_comes_next_has_a_name() {
    let awaits = |bytes: &[u8]| heard(Some("x"), bytes).0.awaits();
    let all = [
        awaits(b"RFB 003"),
        awaits(b"RFB 003.003\n\0"),
        awaits(b"RFB 003.008\n"),
        awaits(b"RFB 003.008\n\0\0\0"),
        awaits(b"RFB 003.008\n\x01\x02"),
        awaits(&[&b"RFB 003.008\n\x01\x02"[..], &[0; 16]].concat()),
        awaits(b"RFB 003.008\n\x01\x01"),
        awaits(b"RFB 003.008\n\x01\x01\0\0\0\0"),
    ];
    let expected = [
        "its version",
        "what it asks for",
        "what it asks for",
        "why it refuses",
        "what to encrypt by the password",
        "an answer to the password",
        "the size of its screen",
        "the size of its screen",
    ];
    assert_eq!(all, expected);
}
