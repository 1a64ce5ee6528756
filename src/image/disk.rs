//! Disks as bytes: what is read, and what was made.

use super::Seed;
use crate::diag::Fault;
use std::rc::Rc;

/// The bytes of a disk that is read: a file, or an [`Image`].
pub trait Disk {
    /// Returns how many there are.
    fn size(&self) -> u64;
    /// Reads so many bytes from there; what is not there is a fault.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Fault>;
}

/// Bytes of an image and where they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where, in bytes from the start of the image.
    pub at: u64,
    /// The bytes; shared, because those of a loader are in its own file already.
    pub bytes: Rc<Vec<u8>>,
}

impl Piece {
    /// Makes a piece.
    pub(super) fn new(at: u64, bytes: Vec<u8>) -> Self {
        Self { at, bytes: Rc::new(bytes) }
    }

    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// A disk that was made: a few pieces in order, and zeros between them. So an image of any size takes no more memory than what
/// is in it, and its file has holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    size: u64,
    pieces: Vec<Piece>,
    seed: Option<Rc<Seed>>,
}

impl Image {
    /// Makes a disk of zeros.
    pub fn blank(size: u64) -> Self {
        Self { size, pieces: Vec::new(), seed: None }
    }

    pub(super) fn new(size: u64, mut pieces: Vec<Piece>) -> Self {
        pieces.sort_by_key(|piece| piece.at);
        Self { size, pieces, seed: None }
    }

    /// Says of which seed it is made.
    pub(super) fn of_seed(self, seed: Seed) -> Self {
        Self { seed: Some(Rc::new(seed)), ..self }
    }

    /// Returns the seed of which it is made; nothing of any other image.
    pub(crate) fn seed(&self) -> Option<&Seed> {
        self.seed.as_deref()
    }

    /// Returns the pieces, in order and apart from each other.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Returns where it first differs from another disk, or nothing if they are the same.
    pub fn first_difference(&self, other: &dyn Disk) -> Result<Option<u64>, Fault> {
        const CHUNK: usize = 1 << 18;
        let both = self.size.min(other.size());
        let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut at = 0;
        while at < both {
            let length = usize::try_from(both - at).unwrap_or(CHUNK).min(CHUNK);
            self.read(at, &mut ours[..length])?;
            other.read(at, &mut theirs[..length])?;
            if ours[..length] != theirs[..length] {
                let differs = |index: &usize| ours[*index] != theirs[*index];
                return Ok((0..length).find(differs).map(|index| at + index as u64));
            }
            at += length as u64;
        }
        Ok(Some(both).filter(|_| self.size != other.size()))
    }
}

impl Disk for Image {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Fault> {
        let end = at.checked_add(into.len() as u64).filter(|end| *end <= self.size).ok_or_else(|| outside(at))?;
        into.fill(0);
        let first = self.pieces.partition_point(|piece| piece.end() <= at);
        for piece in self.pieces[first..].iter().take_while(|piece| piece.at < end) {
            let (from, to) = (at.max(piece.at), end.min(piece.end()));
            let part = |start: u64| usize::try_from(from - start).unwrap_or_default();
            let length = usize::try_from(to - from).unwrap_or_default();
            into[part(at)..][..length].copy_from_slice(&piece.bytes[part(piece.at)..][..length]);
        }
        Ok(())
    }
}

impl Disk for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Fault> {
        let there = usize::try_from(at).ok().and_then(|at| self.get(at..)?.get(..into.len()));
        into.copy_from_slice(there.ok_or_else(|| outside(at))?);
        Ok(())
    }
}

fn outside(at: u64) -> Fault {
    Fault::new(format!("the image ends before byte {}", super::grouped(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image::new(20, vec![Piece::new(10, vec![4, 5]), Piece::new(2, vec![1, 2, 3])])
    }

    #[test]
    fn between_the_pieces_are_zeros() {
        let mut bytes = [9; 20];
        image().read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut part = [9; 8];
        image().read(3, &mut part).unwrap();
        assert_eq!(part, [2, 3, 0, 0, 0, 0, 0, 4]);
        assert_eq!(image().read(13, &mut part), Err(Fault::new("the image ends before byte 13")));
        assert_eq!(vec![0].read(1, &mut part), Err(Fault::new("the image ends before byte 1")));
    }

    #[test]
    fn the_first_difference_is_found() {
        let mut bytes = vec![0; 20];
        image().read(0, &mut bytes).unwrap();
        assert_eq!(image().first_difference(&bytes), Ok(None));
        bytes[11] = 0;
        assert_eq!(image().first_difference(&bytes), Ok(Some(11)));
        bytes.truncate(11);
        assert_eq!(image().first_difference(&bytes), Ok(Some(11)));
    }
}
