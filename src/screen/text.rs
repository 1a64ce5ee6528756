//! The text on a screen, where it is in a typeface that is known and in one grid, as consoles have it.
//!
//! Three grids are known: the console of edk2's firmware, in cells of 8 by 19 pixels, and the glyphs of the VGA in cells of 8 by
//! 16, as consoles in a frame buffer have them, or of 9 by 16, as its text mode does. A grid may begin anywhere: the one counts
//! in which most characters are recognised. A cell's paper is the colour of its first pixel, so that text may have any colours.
//! What is in other typefaces, other sizes or drawn otherwise is not read.

use super::glyphs::{EFI, FIRST, Glyph, VGA};
use super::picture::Picture;
use std::collections::HashMap;

/// What stands for a cell that is neither empty nor known.
pub(crate) const UNKNOWN: char = '\u{fffd}';

/// How many pixels of a row a glyph has.
const GLYPH: usize = 8;

/// A typeface, in cells of that size.
struct Face {
    glyphs: &'static [Glyph; 94],
    width: usize,
    height: usize,
}

const FACES: [Face; 3] = [
    Face { glyphs: &EFI, width: 8, height: 19 },
    Face { glyphs: &VGA, width: 8, height: 16 },
    Face { glyphs: &VGA, width: 9, height: 16 },
];

/// Returns the rows of the text on a screen, each without what is empty at its end, from the first one that has any to the last.
pub fn read(picture: &Picture) -> Vec<String> {
    let screen = Screen::new(picture);
    let mut best: (usize, Vec<String>) = (0, Vec::new());
    for face in &FACES {
        let known: HashMap<Glyph, char> = face.glyphs.iter().copied().zip((FIRST..).map(char::from)).collect();
        let places = (0..face.height).flat_map(|y| (0..face.width).map(move |x| (x, y)));
        let known_in = |x, y| screen.cells(face, x, y).filter(|cell| cell.says(&known).is_some()).count();
        let counted = places.map(|(x, y)| (known_in(x, y), x, y));
        // Of grids that are as good the first one counts.
        let Some((count, x, y)) = counted.reduce(|one, other| if other.0 > one.0 { other } else { one }) else {
            continue;
        };
        if count > best.0 {
            best = (count, screen.rows(face, &known, x, y));
        }
    }
    best.1
}

/// A screen, with what each pixel has in common with those after it.
struct Screen<'a> {
    picture: &'a Picture,
    /// For each pixel which of the eight from it on have its colour, the highest bit being its own.
    alike: Vec<u8>,
    /// For each pixel in how many rows from it on all eight have its colour, as far as a glyph is high.
    empty: Vec<u8>,
}

/// A cell of a grid that is not empty.
struct Cell {
    line: usize,
    column: usize,
    /// What is on its paper.
    glyph: Glyph,
}

impl Cell {
    fn says(&self, known: &HashMap<Glyph, char>) -> Option<char> {
        known.get(&self.glyph).copied()
    }
}

impl<'a> Screen<'a> {
    fn new(picture: &'a Picture) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let mut alike = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = picture.row(0, y, width);
            let bits = |pixels: &[u32]| pixels.iter().fold(0, |bits, pixel| bits << 1 | u8::from(*pixel == pixels[0]));
            alike.extend(row.windows(GLYPH).map(bits));
            // No glyph begins there.
            alike.resize((y + 1) * width, 0);
        }
        let mut empty = vec![0_u8; width * height];
        for y in (0..height).rev() {
            let (row, below) = (picture.row(0, y, width), picture.row(0, y + 1, width));
            for x in (0..width).filter(|x| alike[y * width + x] == u8::MAX) {
                let goes_on = below.get(x) == Some(&row[x]);
                empty[y * width + x] = if goes_on { empty[(y + 1) * width + x].saturating_add(1) } else { 1 };
            }
        }
        Self { picture, alike, empty }
    }

    /// Returns the cells of a grid that are not empty.
    fn cells<'b>(&'b self, face: &'b Face, x: usize, y: usize) -> impl Iterator<Item = Cell> + 'b {
        let count = |whole: usize, from: usize, each: usize| whole.saturating_sub(from) / each;
        // The last cell of a row may lack what is between glyphs.
        let columns = count((self.picture.width() + face.width).saturating_sub(GLYPH), x, face.width);
        let lines = count(self.picture.height(), y, face.height);
        let places = (0..lines).flat_map(move |line| (0..columns).map(move |column| (line, column)));
        places.filter_map(move |(line, column)| {
            let (x, y) = (x + column * face.width, y + line * face.height);
            let empty = usize::from(*self.empty.get(y * self.picture.width() + x)?);
            if empty >= face.height {
                return None;
            }
            Some(Cell { line, column, glyph: self.glyph(x, y, face.height)? })
        })
    }

    /// Returns what is on a cell's paper, the colour of its first pixel.
    fn glyph(&self, x: usize, y: usize, height: usize) -> Option<Glyph> {
        let width = self.picture.width();
        let paper = self.picture.row(x, y, 1).first()?;
        let mut glyph = Glyph::default();
        for (row, bits) in glyph.iter_mut().enumerate().take(height) {
            let alike = *self.alike.get((y + row) * width + x)?;
            let is_paper = self.picture.row(x, y + row, 1).first() == Some(paper);
            *bits = if is_paper { !alike } else { alike };
        }
        Some(glyph)
    }

    fn rows(&self, face: &Face, known: &HashMap<Glyph, char>, x: usize, y: usize) -> Vec<String> {
        let mut rows: Vec<String> = Vec::new();
        for cell in self.cells(face, x, y) {
            rows.resize(rows.len().max(cell.line + 1), String::new());
            let row = &mut rows[cell.line];
            let length = row.chars().count();
            row.extend(std::iter::repeat_n(' ', cell.column - length));
            row.push(cell.says(known).unwrap_or(UNKNOWN));
        }
        let first = rows.iter().position(|row| !row.is_empty()).unwrap_or_default();
        rows.split_off(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes rows of text into a picture, in colours that are different in each row.
    fn write(face: &Face, (x, y): (usize, usize), rows: &[&str]) -> Picture {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or_default();
        let mut picture = Picture::blank(x + longest * face.width + 3, y + rows.len() * face.height + 5);
        for (line, row) in rows.iter().enumerate() {
            let (paper, ink) = if line % 2 == 0 { (0, 0xff00_00aa) } else { (0xff00_00aa, 0xffff_ffff) };
            for (column, c) in row.bytes().enumerate() {
                let glyph = c.checked_sub(FIRST).map_or(Glyph::default(), |at| face.glyphs[usize::from(at)]);
                for (down, bits) in glyph.iter().take(face.height).enumerate() {
                    let place = (x + column * face.width, y + line * face.height + down);
                    let pixels = picture.row_mut(place.0, place.1, face.width).unwrap();
                    for (right, pixel) in pixels.iter_mut().enumerate() {
                        *pixel = if right < GLYPH && bits << right & 0x80 != 0 { ink } else { paper };
                    }
                }
            }
        }
        picture
    }

    #[test]
    fn text_is_read_in_every_typeface_wherever_its_grid_begins() {
        let rows = ["iPXE 1.21.1 -- Open Source", "", "  login: _", "!\"#$%&'()*+,-./{|}~"];
        for face in &FACES {
            for place in [(0, 0), (3, 5), (7, 11)] {
                assert_eq!(read(&write(face, place, &rows)), rows, "{}x{} {place:?}", face.width, face.height);
            }
        }
        assert_eq!(read(&Picture::default()), [""; 0]);
        assert_eq!(read(&Picture::blank(640, 480)), [""; 0]);
    }

    #[test]
    fn what_is_no_text_stands_as_what_it_is() {
        let mut picture = write(&FACES[0], (0, 0), &["logo: x and more"]);
        for y in 3..10 {
            picture.row_mut(6 * 8 + 1, y, 5).unwrap().fill(0xff12_3456);
        }
        assert_eq!(read(&picture), ["logo: \u{fffd} and more"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
        #[test]
        fn no_picture_panics(width in 1_usize..40, pixels in prop::collection::vec(0_u32..3, 0..1600)) {
            let mut picture = Picture::blank(width, pixels.len() / width);
            for (y, row) in pixels.chunks_exact(width).enumerate() {
                picture.row_mut(0, y, width).unwrap().copy_from_slice(row);
            }
            let _ = read(&picture);
        }
    }
}
