//! What a VNC server sends, a picture in a file, and a text that is to be typed.

use vmrun::internals::model::Secret;
use vmrun::internals::screen::picture::Picture;
use vmrun::internals::screen::rfb::Client;
use vmrun::internals::screen::{keys, text};

/// 32 bits to a pixel, true colour, and the name of the server.
const FORMAT: &[u8] = b"\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x05bhyve";

/// Conversations of every version, a picture, and keys.
pub fn seeds() -> Vec<Vec<u8>> {
    let screen = [&b"\0\x02\0\x02"[..], FORMAT].concat();
    let pixels = b"\0\0\0\x01\0\0\0\0\0\x02\0\x02\0\0\0\0aaa\0bbb\0ccc\0ddd\0";
    let resized = b"\0\0\0\x02\0\0\0\0\0\x01\0\x01\xff\xff\xff\x21\0\0\0\0\0\x01\0\x01\0\0\0\0eee\0";
    let rest = [&screen[..], pixels, b"\x02\x01\0\0\0\0\x01123456\x03\0\0\0\0\0\0\x03abc", resized].concat();
    let challenge = [b'x'; 16];
    let mut all: Vec<Vec<u8>> = vec![
        [&b"RFB 003.008\n\x01\x01\0\0\0\0"[..], &rest].concat(),
        [&b"RFB 003.008\n\x02\x02\x10"[..], &challenge, b"\0\0\0\0", &rest].concat(),
        [&b"RFB 003.007\n\x01\x02"[..], &challenge, b"\0\0\0\0", &rest].concat(),
        [&b"RFB 003.003\n\0\0\0\x01"[..], &rest].concat(),
        b"RFB 003.008\n\0\0\0\0\x11Too many failures".to_vec(),
        [&b"RFB 003.008\n\x01\x02"[..], &challenge, b"\0\0\0\x01\0\0\0\x02no"].concat(),
        b"<Ctrl-Alt-Del>root\\n<F2>\\t\\\\\\<".to_vec(),
    ];
    let mut client = Client::new(None);
    client.take(&all[0][..all[0].len() - resized.len()]).unwrap();
    all.push(client.picture().unwrap().to_png().unwrap());
    all
}

pub fn holds(bytes: &[u8]) {
    // What comes in pieces of any length means the same.
    let heard = |length: usize| {
        let mut client = Client::new(Some(Secret::new("hunter22")));
        let result = bytes.chunks(length).try_for_each(|piece| client.take(piece));
        let said = client.to_send();
        assert!(said.len() <= 200 + 12 * bytes.len(), "says more than it could be asked");
        let picture = client.picture().cloned();
        // What follows a fault is not heard, nor what was said before it sent.
        (result, picture, client.awaits(), client.updates(), said)
    };
    let all = heard(bytes.len().max(1));
    assert_eq!(all, heard(1));
    if let Some(picture) = all.1 {
        assert_eq!(Picture::from_png(&picture.to_png().unwrap()).unwrap(), picture);
        if picture.width() * picture.height() < 1 << 12 {
            assert!(text::read(&picture).len() <= picture.height());
        }
    }
    let _ = Picture::from_png(bytes);
    if let Ok(strokes) = keys::parse(&String::from_utf8_lossy(bytes)) {
        assert!(strokes.len() <= bytes.len() && strokes.iter().all(|stroke| !stroke.keys().is_empty()));
    }
}
