//! Which bytes of a disk are in an export.

use std::ops::Range;

/// In which steps a disk is looked at, in bytes: what is zero from one to the next is left out.
pub(crate) const BLOCK: usize = 64 << 10;

/// Where a member ends at the latest, in bytes from the beginning of the disk: as much of it is in memory at once.
pub(crate) const WINDOW: usize = 8 << 20;

/// Returns the stretches of a window that are not zero.
pub(crate) fn extents(window: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (number, block) in window.chunks(BLOCK).enumerate() {
        if is_zero(block) {
            continue;
        }
        let start = number * BLOCK;
        match found.last_mut().filter(|last| last.end == start) {
            Some(last) => last.end += block.len(),
            None => found.push(start..start + block.len()),
        }
    }
    found
}

/// Whether all bytes are zero: by comparing a block with itself, shifted by one, which is as quick as comparing memory is.
fn is_zero(block: &[u8]) -> bool {
    let Some((first, rest)) = block.split_first() else { return true };
    let (shifted, _) = block.split_at(rest.len());
    *first == 0 && rest == shifted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_of_zeroes_are_left_out_in_whole_blocks() {
        let mut window = vec![0; 5 * BLOCK + 7];
        assert_eq!(extents(&window), []);
        for at in [0, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 6] {
            window[at] = 1;
        }
        assert_eq!(extents(&window), [0..2 * BLOCK, 3 * BLOCK..4 * BLOCK, 5 * BLOCK..5 * BLOCK + 7]);
        assert!(is_zero(&[]) && is_zero(&[0]) && !is_zero(&[0, 1]) && !is_zero(&[1]) && !is_zero(&[1, 1]));
    }
}
