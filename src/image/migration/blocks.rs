//! The blocks of a disk, and their digests: which of them the other side has already.

use crate::diag::Fault;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The size of a block, in bytes; the last one of a disk may be shorter.
pub(crate) const BLOCK: usize = 1 << 20;

/// The SHA-256 of a block.
pub(crate) type BlockDigest = [u8; 32];

/// How long an entry is where digests are sent: the number of a block, and its digest.
const ENTRY: usize = 8 + 32;

/// How many entries are sent at once.
const ENTRIES: usize = 16 << 10;

/// The digests of a disk's blocks, but for those that are all zero: a large disk with little on it takes little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockDigests(BTreeMap<u64, BlockDigest>);

impl BlockDigests {
    /// Returns how many blocks a disk of that size has.
    pub(crate) const fn count(size: u64) -> u64 {
        size.div_ceil(BLOCK as u64)
    }

    /// Returns how long a block of a disk of that size is; nothing if there is no such block.
    pub(crate) fn length(size: u64, at: u64) -> Option<usize> {
        let rest = size.checked_sub(at.checked_mul(BLOCK as u64)?).filter(|rest| *rest > 0)?;
        Some(usize::try_from(rest).map_or(BLOCK, |rest| rest.min(BLOCK)))
    }

    /// Returns the digest of a block; nothing of one that is all zero.
    pub(crate) fn of(block: &[u8]) -> Option<BlockDigest> {
        block.iter().any(|byte| *byte != 0).then(|| Sha256::digest(block).into())
    }

    /// Whether a block is all zero.
    pub(crate) fn is_zero(&self, at: u64) -> bool {
        !self.0.contains_key(&at)
    }

    /// Notes what a block is now, and returns whether it was something else.
    pub(crate) fn set(&mut self, at: u64, digest: Option<BlockDigest>) -> bool {
        match digest {
            Some(digest) => self.0.insert(at, digest) != Some(digest),
            None => self.0.remove(&at).is_some(),
        }
    }

    /// Returns the first block from that one on that is not all zero.
    pub(crate) fn next(&self, from: u64) -> Option<u64> {
        self.0.range(from..).next().map(|(at, _)| *at)
    }

    /// Returns what is sent of them, in parts that are frames.
    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        let entries: Vec<(&u64, &BlockDigest)> = self.0.iter().collect();
        let part = |part: &[(&u64, &BlockDigest)]| {
            part.iter().flat_map(|(at, digest)| at.to_be_bytes().into_iter().chain(**digest)).collect()
        };
        entries.chunks(ENTRIES).map(part).collect()
    }

    /// Takes in a part of what was sent of a disk that has so many blocks: in the order of the blocks, each once.
    pub(crate) fn take(&mut self, part: &[u8], blocks: u64) -> Result<(), Fault> {
        if part.is_empty() || !part.len().is_multiple_of(ENTRY) {
            return Err(Fault::host(format!("{} bytes are no digests of blocks", part.len())));
        }
        for entry in part.chunks_exact(ENTRY) {
            let (number, digest) = entry.split_at(8);
            let number = number.try_into().map_or(u64::MAX, u64::from_be_bytes);
            let is_next = self.0.last_key_value().is_none_or(|(last, _)| *last < number);
            let digest = digest.try_into().ok().filter(|_| is_next && number < blocks);
            let digest = digest.ok_or_else(|| Fault::host(format!("there is no block {number} whose turn it is")))?;
            self.0.insert(number, digest);
        }
        Ok(())
    }

    /// Returns the digest of all of them: two disks of one size with the same sum are the same.
    pub(crate) fn sum(&self) -> String {
        let mut all = Sha256::new();
        for (at, digest) in &self.0 {
            all.update(at.to_be_bytes());
            all.update(digest);
        }
        all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_disk_is_its_blocks_and_the_last_one_may_be_short() {
        let size = 2 * BLOCK as u64 + 7;
        assert_eq!(BlockDigests::count(size), 3);
        let lengths: Vec<_> = (0..4).map(|at| BlockDigests::length(size, at)).collect();
        assert_eq!(lengths, [Some(BLOCK), Some(BLOCK), Some(7), None]);
        assert_eq!(BlockDigests::length(u64::MAX, u64::MAX), None);
        assert_eq!((BlockDigests::count(0), BlockDigests::length(0, 0)), (0, None));
        assert_eq!(BlockDigests::of(&[0; 7]), None);
        assert_ne!(BlockDigests::of(&[1]), BlockDigests::of(&[1, 0]));
    }

    #[test]
    fn what_is_sent_of_digests_is_taken_in_only_as_it_was_sent() {
        let mut digests = BlockDigests::default();
        assert!(digests.set(3, Some([1; 32])) && !digests.set(3, Some([1; 32])) && digests.set(3, Some([2; 32])));
        assert!(digests.set(9, Some([3; 32])) && digests.set(9, None) && !digests.set(9, None));
        let part = digests.parts().concat();
        let taken = |parts: &[&[u8]], blocks| {
            let mut taken = BlockDigests::default();
            parts.iter().try_for_each(|part| taken.take(part, blocks)).map(|()| taken).map_err(|fault| fault.message)
        };
        assert_eq!(taken(&[&part], 4), Ok(digests));
        assert_eq!(taken(&[&part], 3), Err("there is no block 3 whose turn it is".into()));
        assert_eq!(taken(&[&part, &part], 4), Err("there is no block 3 whose turn it is".into()));
        assert_eq!(taken(&[&part[1..]], 4), Err("39 bytes are no digests of blocks".into()));
        assert_eq!(taken(&[&[]], 4), Err("0 bytes are no digests of blocks".into()));
    }

    proptest! {
        #[test]
        fn digests_come_as_they_were_sent_and_their_sum_tells_them_apart(
            one in prop::collection::btree_map(0_u64..60_000, any::<u8>(), 0..40),
            other in prop::collection::btree_map(0_u64..60_000, any::<u8>(), 0..40),
        ) {
            let of = |all: &BTreeMap<u64, u8>| BlockDigests(all.iter().map(|(at, byte)| (*at, [*byte; 32])).collect());
            let mut taken = BlockDigests::default();
            for part in of(&one).parts() {
                taken.take(&part, 60_000).unwrap();
            }
            prop_assert_eq!(&taken, &of(&one));
            prop_assert_eq!(taken.sum() == of(&other).sum(), one == other);
        }

        #[test]
        fn whatever_is_sent_of_digests_is_taken_in_or_refused(part in prop::collection::vec(any::<u8>(), 0..200), blocks in any::<u64>()) {
            let mut taken = BlockDigests::default();
            if taken.take(&part, blocks).is_ok() {
                prop_assert!(taken.0.keys().all(|at| *at < blocks));
            }
        }
    }
}
