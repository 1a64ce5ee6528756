//! A client of VNC's protocol, RFB (RFC 6143), as a machine of states: it takes what the server says, and says what to send.
//!
//! It speaks the versions 3.3, 3.7 and 3.8, without a password or with VNC's, and has the encodings Raw and DesktopSize: what
//! bhyve's frame buffer and QEMU both send to one who asks for no more. A server that ignores the format of pixels which it is asked for,
//! as bhyve does, has the same one already.
//!
//! A fault says what the server did, as the end of a sentence that begins with the console.

use super::keys::Stroke;
use super::picture::{OPAQUE, Picture, is_seen};
use crate::diag::Fault;
use crate::model::Secret;
use des::Des;
use des::cipher::{BlockCipherEncrypt as _, KeyInit as _};

/// The most pixels that a screen may have: 5120x2880 has fewer.
const PIXELS: usize = 1 << 24;

/// The longest text of a server that is read; of a longer one only its beginning counts.
const TEXT: usize = 1024;

/// Raw and DesktopSize (RFC 6143, 7.7 and 7.8).
const ENCODINGS: [i32; 2] = [RAW, SIZE];
const RAW: i32 = 0;
const SIZE: i32 = -223;

/// 32 bits, of which 24 are used, little-endian, true colour, 255 of each at 16, 8 and 0 (7.4): bhyve has no other one.
const FORMAT: [u8; 16] = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];

/// The kinds of security (7.1.2).
const NONE: u8 = 1;
const PASSWORD: u8 = 2;

/// What the server has to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The 12 bytes of its version (RFC 6143, 7.1.1).
    Version,
    /// Its kind of security, which it decides alone up to version 3.3.
    Decision,
    /// The kinds of security that it offers.
    Offer,
    /// Why it refuses; after a password it is that.
    Reason { password: bool },
    /// What the password encrypts.
    Challenge,
    /// Whether the client is let in.
    Verdict { password: bool },
    /// The size of its screen.
    Init,
    /// The first byte of a message, which says its type (RFC 6143, 7.6).
    Message,
    /// So many pieces of a screen.
    Pieces(u16),
    /// The rows of a piece, and how many pieces come after it.
    Rows { piece: Piece, row: u16, left: u16 },
    /// Bytes that mean nothing here.
    Rest(u64),
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
}

/// A client of one server.
pub struct Client {
    state: State,
    /// What was heard and is not understood yet.
    heard: Vec<u8>,
    /// How much of it is.
    understood: usize,
    outgoing: Vec<u8>,
    password: Option<Secret>,
    /// The last digit of the version that is spoken: 3, 7 or 8.
    version: u8,
    picture: Picture,
    unseen: usize,
    resized: bool,
    updates: u64,
}

impl Client {
    /// Makes a client that has heard nothing yet.
    pub fn new(password: Option<Secret>) -> Self {
        Self {
            state: State::Version,
            heard: Vec::new(),
            understood: 0,
            outgoing: Vec::new(),
            password,
            version: 0,
            picture: Picture::default(),
            unseen: 0,
            resized: false,
            updates: 0,
        }
    }

    /// Takes what the server says, in pieces of any length.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.heard.extend_from_slice(bytes);
        while self.step()? {}
        self.heard.drain(..self.understood);
        self.understood = 0;
        Ok(())
    }

    /// Returns what is to be sent, once.
    pub fn to_send(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Returns whether the server has let the client in, and told it of its screen.
    pub fn is_in(&self) -> bool {
        matches!(self.state, State::Message | State::Pieces(_) | State::Rows { .. } | State::Rest(_))
    }

    /// Returns what is awaited, as a noun.
    pub fn awaits(&self) -> &'static str {
        match self.state {
            State::Version => "its version",
            State::Decision | State::Offer => "what it asks for",
            State::Reason { .. } => "why it refuses",
            State::Challenge => "what to encrypt by the password",
            State::Verdict { password: true } => "an answer to the password",
            State::Verdict { password: false } | State::Init => "the size of its screen",
            State::Message | State::Pieces(_) | State::Rows { .. } | State::Rest(_) => "its screen",
        }
    }

    /// Returns the screen, if all of it was sent and it has a size.
    pub fn picture(&self) -> Option<&Picture> {
        let has_size = self.picture.width() > 0 && self.picture.height() > 0;
        (self.is_in() && self.unseen == 0 && has_size).then_some(&self.picture)
    }

    /// Returns how many updates have come, whole ones.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Asks for the screen; of one that was sent already only for what changes.
    pub fn ask(&mut self, only_changes: bool) {
        let (width, height) = (self.picture.width(), self.picture.height());
        self.outgoing.extend_from_slice(&[3, u8::from(only_changes), 0, 0, 0, 0]);
        // What was said of the size fits into 16 bits each.
        self.outgoing.extend_from_slice(&u16::try_from(width).unwrap_or(u16::MAX).to_be_bytes());
        self.outgoing.extend_from_slice(&u16::try_from(height).unwrap_or(u16::MAX).to_be_bytes());
    }

    /// Presses keys in order, and lets them go in reverse.
    pub fn press(&mut self, stroke: &Stroke) {
        let mut event = |key: u32, down: bool| {
            self.outgoing.extend_from_slice(&[4, u8::from(down), 0, 0]);
            self.outgoing.extend_from_slice(&key.to_be_bytes());
        };
        stroke.keys().iter().for_each(|key| event(*key, true));
        stroke.keys().iter().rev().for_each(|key| event(*key, false));
    }

    /// Returns so many bytes, once they are there.
    fn next(&mut self, count: usize) -> Option<&[u8]> {
        let from = self.understood;
        let bytes = self.heard.get(from..from.checked_add(count)?)?;
        self.understood += count;
        Some(bytes)
    }

    /// Looks at so many bytes, once they are there.
    fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        self.heard.get(self.understood..)?.first_chunk().copied()
    }

    /// Understands a little more; nothing more is understood if it returns false.
    fn step(&mut self) -> Result<bool, Fault> {
        match self.state {
            State::Version => self.version(),
            State::Decision => self.decision(),
            State::Offer => self.offer(),
            State::Reason { password } => self.reason(password),
            State::Challenge => Ok(self.challenge()),
            State::Verdict { password } => self.verdict(password),
            State::Init => self.init(),
            State::Message => self.message(),
            State::Pieces(left) => self.piece(left),
            State::Rows { piece, row, left } => Ok(self.row(piece, row, left)),
            State::Rest(left) => Ok(self.rest(left)),
        }
    }

    /// `RFB 003.008` and a newline; a version that nobody knows is to be taken for 3.3 (7.1.1).
    fn version(&mut self) -> Result<bool, Fault> {
        let Some(bytes) = self.peek::<12>() else { return Ok(false) };
        let number = |range: std::ops::Range<usize>| std::str::from_utf8(&bytes[range]).ok()?.parse::<u16>().ok();
        let (Some(major), Some(minor)) = (number(4..7), number(8..11)) else { return Err(no_vnc(&bytes)) };
        if !bytes.starts_with(b"RFB ") || bytes[7] != b'.' || bytes[11] != b'\n' {
            return Err(no_vnc(&bytes));
        }
        self.understood += bytes.len();
        self.version = match (major, minor) {
            (3, 7) => 7,
            (3, 8..) | (4.., _) => 8,
            _ => 3,
        };
        self.outgoing.extend_from_slice(format!("RFB 003.00{}\n", self.version).as_bytes());
        self.state = if self.version == 3 { State::Decision } else { State::Offer };
        Ok(true)
    }

    fn decision(&mut self) -> Result<bool, Fault> {
        let Some(bytes) = self.peek::<4>() else { return Ok(false) };
        self.understood += bytes.len();
        match u32::from_be_bytes(bytes) {
            0 => self.state = State::Reason { password: false },
            kind => {
                let kinds = [u8::try_from(kind).unwrap_or(u8::MAX)];
                let kind = self.chosen(&kinds)?;
                self.enter(kind);
            }
        }
        Ok(true)
    }

    fn offer(&mut self) -> Result<bool, Fault> {
        let Some([count]) = self.peek::<1>() else { return Ok(false) };
        let Some(kinds) = self.next(1 + usize::from(count)).map(|bytes| bytes[1..].to_vec()) else {
            return Ok(false);
        };
        if kinds.is_empty() {
            self.state = State::Reason { password: false };
            return Ok(true);
        }
        let kind = self.chosen(&kinds)?;
        self.outgoing.push(kind);
        self.enter(kind);
        Ok(true)
    }

    /// Chooses a kind of security.
    fn chosen(&self, kinds: &[u8]) -> Result<u8, Fault> {
        if kinds.contains(&NONE) {
            return Ok(NONE);
        }
        if !kinds.contains(&PASSWORD) {
            let list: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            let fault = Fault::host(format!("wants a kind of security that is not known here: {}", list.join(", ")));
            return Err(fault.hint("bhyve and QEMU have two: none, and VNC's password"));
        }
        if self.password.is_none() {
            let fault = Fault::host("asks for a password, and none is known");
            return Err(fault.hint(
                "the recipe knows it: `password: secret(\"vnc\")`, from VMRUN_SECRET_VNC or the file secrets/vnc",
            ));
        }
        Ok(PASSWORD)
    }

    fn enter(&mut self, kind: u8) {
        match kind {
            PASSWORD => self.state = State::Challenge,
            // Before 3.8 nobody says that the client is let in who had nothing to answer.
            _ if self.version < 8 => self.share(),
            _ => self.state = State::Verdict { password: false },
        }
    }

    fn challenge(&mut self) -> bool {
        let Some(bytes) = self.peek::<16>() else { return false };
        self.understood += bytes.len();
        let password = self.password.as_ref().map(Secret::reveal).unwrap_or_default();
        let response = response(password, bytes);
        self.outgoing.extend_from_slice(&response);
        self.state = State::Verdict { password: true };
        true
    }

    fn verdict(&mut self, password: bool) -> Result<bool, Fault> {
        let Some(bytes) = self.peek::<4>() else { return Ok(false) };
        self.understood += bytes.len();
        match u32::from_be_bytes(bytes) {
            0 => self.share(),
            _ if self.version == 8 => self.state = State::Reason { password },
            _ => return Err(refused(password, "")),
        }
        Ok(true)
    }

    /// A text with its length.
    fn reason(&mut self, password: bool) -> Result<bool, Fault> {
        let Some(bytes) = self.peek::<4>() else { return Ok(false) };
        let length = usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(TEXT).min(TEXT);
        let Some(text) = self.next(4 + length) else { return Ok(false) };
        Err(refused(password, &shown(&text[4..])))
    }

    /// Asks to be let in beside others.
    fn share(&mut self) {
        self.outgoing.push(1);
        self.state = State::Init;
    }

    fn init(&mut self) -> Result<bool, Fault> {
        let Some(bytes) = self.peek::<24>() else { return Ok(false) };
        self.understood += bytes.len();
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let name = u32::from_be_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]);
        self.resize(number(0), number(2))?;
        self.outgoing.extend_from_slice(&[0, 0, 0, 0]);
        self.outgoing.extend_from_slice(&FORMAT);
        self.outgoing.extend_from_slice(&[2, 0, 0, 2]);
        ENCODINGS.iter().for_each(|encoding| self.outgoing.extend_from_slice(&encoding.to_be_bytes()));
        self.state = State::Rest(u64::from(name));
        Ok(true)
    }

    fn resize(&mut self, width: u16, height: u16) -> Result<(), Fault> {
        let pixels = usize::from(width) * usize::from(height);
        if pixels > PIXELS {
            let fault = Fault::host(format!("has a screen of {width}x{height}, which is more than is looked at here"));
            return Err(fault.hint(format!("at most {PIXELS} pixels")));
        }
        self.picture = Picture::blank(width.into(), height.into());
        self.unseen = pixels;
        Ok(())
    }

    fn message(&mut self) -> Result<bool, Fault> {
        let Some([kind]) = self.peek::<1>() else { return Ok(false) };
        match kind {
            0 => {
                let Some([_, _, a, b]) = self.peek::<4>() else { return Ok(false) };
                self.understood += 4;
                self.state = State::Pieces(u16::from_be_bytes([a, b]));
            }
            // Colours of a map, which there is none of; the bell; a text of the guest's clipboard.
            1 => {
                let Some([_, _, _, _, a, b]) = self.peek::<6>() else { return Ok(false) };
                self.understood += 6;
                self.state = State::Rest(6 * u64::from(u16::from_be_bytes([a, b])));
            }
            2 => self.understood += 1,
            3 => {
                let Some([_, _, _, _, a, b, c, d]) = self.peek::<8>() else { return Ok(false) };
                self.understood += 8;
                self.state = State::Rest(u32::from_be_bytes([a, b, c, d]).into());
            }
            _ => return Err(Fault::host(format!("sent a message that nobody knows: {kind}"))),
        }
        Ok(true)
    }

    fn rest(&mut self, left: u64) -> bool {
        let there = self.heard.len() - self.understood;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        self.understood += count;
        let left = left - count as u64;
        self.state = if left == 0 { State::Message } else { State::Rest(left) };
        left == 0
    }

    fn piece(&mut self, left: u16) -> Result<bool, Fault> {
        let Some(left) = left.checked_sub(1) else {
            self.update();
            return Ok(true);
        };
        let Some(bytes) = self.peek::<12>() else { return Ok(false) };
        self.understood += bytes.len();
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let piece = Piece { x: number(0), y: number(2), width: number(4), height: number(6) };
        let encoding = i32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        self.state = match encoding {
            SIZE => {
                self.resize(piece.width, piece.height)?;
                self.resized = true;
                State::Pieces(left)
            }
            RAW => State::Rows { piece: self.inside(piece)?, row: 0, left },
            _ => return Err(Fault::host(format!("sent its screen in an encoding that was not asked for: {encoding}"))),
        };
        Ok(true)
    }

    /// Fails unless a piece is part of the screen.
    fn inside(&self, piece: Piece) -> Result<Piece, Fault> {
        let fits = |at: u16, length: u16, whole: usize| usize::from(at) + usize::from(length) <= whole;
        let is_inside =
            fits(piece.x, piece.width, self.picture.width()) && fits(piece.y, piece.height, self.picture.height());
        if is_inside { Ok(piece) } else { Err(Fault::host("sent a piece that is outside of its screen")) }
    }

    fn row(&mut self, piece: Piece, row: u16, left: u16) -> bool {
        if row == piece.height || piece.width == 0 {
            self.state = State::Pieces(left);
            return true;
        }
        let Some(bytes) = self.next(4 * usize::from(piece.width)) else { return false };
        let pixels: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], OPAQUE])).collect();
        self.put(piece.x, piece.y + row, &pixels);
        self.state = State::Rows { piece, row: row + 1, left };
        true
    }

    fn put(&mut self, x: u16, y: u16, pixels: &[u32]) {
        let Some(row) = self.picture.row_mut(x.into(), y.into(), pixels.len()) else { return };
        let unseen = |pixels: &[u32]| pixels.iter().filter(|pixel| !is_seen(**pixel)).count();
        let before = unseen(row);
        row.copy_from_slice(pixels);
        let after = unseen(row);
        self.unseen = self.unseen + after - before;
    }

    /// An update is over. One that told of another size, or of a part only, is not all that was asked for.
    fn update(&mut self) {
        self.updates += 1;
        self.state = State::Message;
        if std::mem::take(&mut self.resized) {
            self.ask(false);
        } else if self.unseen > 0 {
            self.ask(true);
        }
    }
}

/// Encrypts what the server asks for by the first eight bytes of a password, whose bits DES is given in reverse (7.2.2).
fn response(password: &str, challenge: [u8; 16]) -> [u8; 16] {
    let mut key = [0; 8];
    key.iter_mut().zip(password.bytes()).for_each(|(bits, byte)| *bits = byte.reverse_bits());
    let cipher = Des::new(&key.into());
    let mut response = challenge;
    for block in response.as_chunks_mut::<8>().0 {
        let mut bytes = (*block).into();
        cipher.encrypt_block(&mut bytes);
        *block = bytes.into();
    }
    response
}

fn no_vnc(heard: &[u8]) -> Fault {
    Fault::host(format!("is no VNC server: it says {:?}", shown(heard)))
}

fn refused(password: bool, reason: &str) -> Fault {
    if !password {
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        return Fault::host(format!("refuses{reason}"));
    }
    // The server says the same in words of its own.
    let fault = Fault::host("does not take the password");
    fault.hint("it is the one with which the machine was started; only its first eight bytes count")
}

/// A text of a server in one line.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().into()
}

#[cfg(test)]
mod tests;
