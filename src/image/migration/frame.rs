//! What is sent between two hosts: a kind, a length, and so many bytes.

use super::blocks::BLOCK;
use crate::diag::Fault;
use std::io::{self, ErrorKind, Read, Write};

/// How long a message may be, in bytes.
const MESSAGE: usize = 4 << 20;
/// How long a text may be, in bytes.
const TEXT: usize = 16 << 20;
/// What stands before the bytes of a block: the number of its disk, and its own.
const PLACE: usize = 4 + 8;
/// How long a frame's head is: its kind, and how many bytes follow.
const HEAD: usize = 1 + 4;

/// What is sent at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A request or an answer, in JSON.
    Message(Vec<u8>),
    /// A text of a recipe.
    Text(Vec<u8>),
    /// A block of a disk.
    Block {
        /// The number of the disk.
        disk: u32,
        /// The number of the block.
        at: u64,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// A block that is all zero.
    Hole {
        /// The number of the disk.
        disk: u32,
        /// The number of the block.
        at: u64,
    },
    /// Digests of blocks.
    Digests(Vec<u8>),
    /// Nothing but that somebody is still there: a disk in which nothing has changed is read in silence.
    Still,
}

impl Frame {
    const fn kind(&self) -> u8 {
        match self {
            Self::Message(_) => b'M',
            Self::Text(_) => b'T',
            Self::Block { .. } => b'B',
            Self::Hole { .. } => b'H',
            Self::Digests(_) => b'D',
            Self::Still => b'S',
        }
    }

    /// Returns what it is called in messages.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Message(_) => "a message",
            Self::Text(_) => "a text",
            Self::Block { .. } => "a block",
            Self::Hole { .. } => "a hole",
            Self::Digests(_) => "digests",
            Self::Still => "a sign of life",
        }
    }

    /// Writes it.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let place = match self {
            Self::Block { disk, at, .. } | Self::Hole { disk, at } => {
                [disk.to_be_bytes().as_slice(), at.to_be_bytes().as_slice()].concat()
            }
            Self::Message(_) | Self::Text(_) | Self::Digests(_) | Self::Still => Vec::new(),
        };
        let bytes: &[u8] = match self {
            Self::Message(bytes) | Self::Text(bytes) | Self::Block { bytes, .. } | Self::Digests(bytes) => bytes,
            Self::Hole { .. } | Self::Still => &[],
        };
        let length = u32::try_from(place.len() + bytes.len());
        let length = length.map_err(|_| io::Error::new(ErrorKind::InvalidInput, "it is too long to be sent"))?;
        to.write_all(&[self.kind()])?;
        to.write_all(&length.to_be_bytes())?;
        to.write_all(&place)?;
        to.write_all(bytes)
    }

    /// Reads one; nothing where the stream has ended between two.
    pub(crate) fn read(from: &mut impl Read) -> Result<Option<Self>, Fault> {
        let head = some(from, HEAD)?;
        let Some((kind, length)) = head.split_first().filter(|(_, length)| length.len() == HEAD - 1) else {
            return if head.is_empty() { Ok(None) } else { Err(cut()) };
        };
        let length = length.try_into().map_or(usize::MAX, |length| u32::from_be_bytes(length) as usize);
        let most = match kind {
            b'M' => MESSAGE,
            b'T' => TEXT,
            b'B' | b'D' => PLACE + BLOCK,
            b'H' => PLACE,
            b'S' => 0,
            _ => return Err(Fault::host("what came is no frame of a move").hint("is it a vmrun that sends it?")),
        };
        if length > most {
            return Err(Fault::host(format!("a frame of {length} bytes came, where at most {most} are sent")));
        }
        let bytes = some(from, length)?;
        if bytes.len() < length {
            return Err(cut());
        }
        Self::of(*kind, bytes).ok_or_else(|| Fault::host("a block came that does not say where it belongs")).map(Some)
    }

    fn of(kind: u8, mut bytes: Vec<u8>) -> Option<Self> {
        match kind {
            b'M' => return Some(Self::Message(bytes)),
            b'T' => return Some(Self::Text(bytes)),
            b'D' => return Some(Self::Digests(bytes)),
            b'S' => return Some(Self::Still),
            _ => {}
        }
        let (disk, at) = bytes.get(..PLACE)?.split_at_checked(4)?;
        let (disk, at) = (u32::from_be_bytes(disk.try_into().ok()?), u64::from_be_bytes(at.try_into().ok()?));
        bytes.drain(..PLACE);
        match (kind, bytes.is_empty()) {
            (b'H', true) => Some(Self::Hole { disk, at }),
            (b'B', false) => Some(Self::Block { disk, at, bytes }),
            _ => None,
        }
    }
}

/// Reads so many bytes, or what there is until the end. Room is taken only for what comes.
fn some(from: &mut impl Read, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes).map_err(|why| match why.kind() {
        ErrorKind::TimedOut => Fault::host("nothing came from the other side for too long"),
        _ => Fault::host(format!("nothing more can be read from the other side: {why}")),
    })?;
    Ok(bytes)
}

fn cut() -> Fault {
    Fault::host("what the other side sent was cut off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame.write(&mut bytes).unwrap();
        bytes
    }

    fn faulty(mut bytes: &[u8]) -> String {
        Frame::read(&mut bytes).unwrap_err().message
    }

    #[test]
    fn a_stream_that_lies_is_refused() {
        assert_eq!(Frame::read(&mut &b""[..]), Ok(None));
        assert_eq!(faulty(b"M\0"), "what the other side sent was cut off");
        assert_eq!(faulty(b"M\0\0\0\x05ab"), "what the other side sent was cut off");
        assert_eq!(faulty(b"Welcome to web!\n"), "what came is no frame of a move");
        assert_eq!(faulty(b"M\xff\xff\xff\xff"), "a frame of 4294967295 bytes came, where at most 4194304 are sent");
        assert_eq!(faulty(b"B\x00\x10\x00\x0d"), "a frame of 1048589 bytes came, where at most 1048588 are sent");
        let homeless = "a block came that does not say where it belongs";
        assert_eq!(faulty(b"B\0\0\0\x03abc"), homeless);
        assert_eq!(faulty(&[b"B\0\0\0\x0c".as_slice(), &[0; 12]].concat()), homeless);
        assert_eq!(faulty(b"H\0\0\0\0"), homeless);
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let bytes = || prop::collection::vec(any::<u8>(), 1..100);
        prop_oneof![
            bytes().prop_map(Frame::Message),
            bytes().prop_map(Frame::Text),
            bytes().prop_map(Frame::Digests),
            Just(Frame::Still),
            (any::<u32>(), any::<u64>()).prop_map(|(disk, at)| Frame::Hole { disk, at }),
            (any::<u32>(), any::<u64>(), bytes()).prop_map(|(disk, at, bytes)| Frame::Block { disk, at, bytes }),
        ]
    }

    proptest! {
        #[test]
        fn frames_come_as_they_were_sent(all in prop::collection::vec(frames(), 0..8), cut in 0_usize..100) {
            let bytes: Vec<u8> = all.iter().flat_map(written).collect();
            let mut from = &bytes[..];
            for frame in &all {
                prop_assert_eq!(Frame::read(&mut from), Ok(Some(frame.clone())));
            }
            prop_assert_eq!(Frame::read(&mut from), Ok(None));
            // Of one that is cut off nothing comes but what was whole.
            let mut from = &bytes[..bytes.len().saturating_sub(cut)];
            let whole = std::iter::from_fn(|| Frame::read(&mut from).ok().flatten()).collect::<Vec<_>>();
            prop_assert!(all.starts_with(&whole));
        }

        #[test]
        fn any_bytes_are_a_frame_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Frame::read(&mut &bytes[..]);
        }
    }
}
