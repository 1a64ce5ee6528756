//! A picture: what is on a screen, as a file and in a terminal.

use crate::diag::Fault;
use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Transformations};
use std::fmt::Write as _;
use std::io::Cursor;

/// The highest byte of a pixel that is there; of one that is not it is 0.
pub(crate) const OPAQUE: u8 = u8::MAX;

/// The most bytes that a PNG may take in memory.
const MEMORY: usize = 1 << 28;

/// Returns whether a pixel is there.
pub(crate) fn is_seen(pixel: u32) -> bool {
    pixel >> 24 == u32::from(OPAQUE)
}

/// Pixels in rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Opacity, red, green and blue, a byte of each.
    pixels: Vec<u32>,
}

/// How a picture is drawn in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Two pixels to a character, each in its own colour.
    Colour,
    /// Two pixels to a character, as dark as it is.
    Shade,
}

impl Picture {
    /// The picture of nothing.
    pub const EMPTY: Self = Self { width: 0, height: 0, pixels: Vec::new() };

    /// Makes a picture of which no pixel is there.
    pub fn blank(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }

    /// Its width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Its height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns so many pixels of a row from a place on, or nothing where there are not so many.
    pub fn row(&self, x: usize, y: usize, count: usize) -> &[u32] {
        let row = self.pixels.get(y * self.width..(y + 1) * self.width).unwrap_or_default();
        row.get(x..x.saturating_add(count)).unwrap_or_default()
    }

    /// Returns so many pixels of a row from a place on, to change them.
    pub fn row_mut(&mut self, x: usize, y: usize, count: usize) -> Option<&mut [u32]> {
        self.pixels.get_mut(y * self.width..(y + 1) * self.width)?.get_mut(x..x.checked_add(count)?)
    }

    /// Returns the picture as a PNG, without opacity.
    pub fn to_png(&self) -> Result<Vec<u8>, Fault> {
        let fault = |why: &dyn std::fmt::Display| Fault::host(format!("cannot make a PNG of the screen: {why}"));
        let side = |length: usize| u32::try_from(length).map_err(|why| fault(&why));
        let bytes: Vec<u8> = self.pixels.iter().flat_map(|pixel| rgb(*pixel)).collect();
        let mut png = Vec::new();
        let mut encoder = Encoder::new(&mut png, side(self.width)?, side(self.height)?);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&bytes)?;
            writer.finish()
        });
        written.map(|()| png).map_err(|why| fault(&why))
    }

    /// Reads a PNG. What is not wholly opaque is not there.
    pub fn from_png(bytes: &[u8]) -> Result<Self, Fault> {
        let fault = |why: &dyn std::fmt::Display| Fault::usage(format!("that is no PNG: {why}"));
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MEMORY });
        decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
        let mut reader = decoder.read_info().map_err(|why| fault(&why))?;
        let size =
            reader.output_buffer_size().filter(|size| *size <= MEMORY).ok_or_else(|| fault(&"it is too large"))?;
        let mut buffer = vec![0; size];
        let frame = reader.next_frame(&mut buffer).map_err(|why| fault(&why))?;
        let pixel = |bytes: &[u8]| match (frame.color_type, bytes) {
            (ColorType::GrayscaleAlpha, [grey, alpha]) => u32::from_be_bytes([*alpha, *grey, *grey, *grey]),
            (_, [red, green, blue, alpha]) => u32::from_be_bytes([*alpha, *red, *green, *blue]),
            _ => 0,
        };
        let (width, height) = (frame.width as usize, frame.height as usize);
        let pixels: Vec<u32> =
            buffer[..frame.buffer_size()].chunks_exact(frame.color_type.samples()).map(pixel).collect();
        if pixels.len() == width * height { Ok(Self { width, height, pixels }) } else { Err(fault(&"it is cut off")) }
    }

    /// Returns where a part is found, from the top: every pixel of it that is there is the same.
    pub fn find(&self, part: &Self) -> Option<(usize, usize)> {
        let same = |part: &[u32], whole: &[u32]| {
            part.len() == whole.len() && part.iter().zip(whole).all(|(one, other)| !is_seen(*one) || one == other)
        };
        let is_at = |x: usize, y: usize| {
            (0..part.height).all(|row| same(part.row(0, row, part.width), self.row(x, y + row, part.width)))
        };
        if part.width == 0 || part.height == 0 || part.width > self.width || part.height > self.height {
            return None;
        }
        let places = (0..=self.height - part.height).flat_map(|y| (0..=self.width - part.width).map(move |x| (x, y)));
        places.into_iter().find(|(x, y)| is_at(*x, *y))
    }

    /// Draws the picture for a terminal of that size, as large as it fits there and never larger than it is.
    pub fn draw(&self, columns: usize, lines: usize, ink: Ink) -> String {
        let (columns, rows) = (columns.max(1), 2 * lines.max(1));
        // Of a pixel of the terminal: how many of ours it is wide and high.
        let each = self.width.div_ceil(columns).max(self.height.div_ceil(rows)).max(1);
        let (width, height) = (self.width.div_ceil(each), self.height.div_ceil(each));
        let mut text = String::new();
        for y in (0..height).step_by(2) {
            for x in 0..width {
                let upper = self.average(x * each, y * each, each);
                let lower = self.average(x * each, (y + 1) * each, each);
                match ink {
                    // A text in memory takes everything.
                    Ink::Colour => drop(write!(text, "{}▀", colours(upper, lower))),
                    Ink::Shade => text.push(shade(upper, lower)),
                }
            }
            text += if ink == Ink::Colour { "\x1b[0m\n" } else { "\n" };
        }
        text
    }

    /// The colour of a square, which is black where the picture is not.
    fn average(&self, x: usize, y: usize, side: usize) -> [u8; 3] {
        let mut sums = [0_u64; 3];
        let mut count = 0;
        for y in y..(y + side).min(self.height) {
            for pixel in self.row(x, y, side.min(self.width - x)) {
                sums.iter_mut().zip(rgb(*pixel)).for_each(|(sum, part)| *sum += u64::from(part));
                count += 1;
            }
        }
        sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX))
    }
}

fn rgb(pixel: u32) -> [u8; 3] {
    let [_, red, green, blue] = pixel.to_be_bytes();
    [red, green, blue]
}

/// What makes the upper half of a character of the one colour and the lower half of the other.
fn colours([r, g, b]: [u8; 3], [s, h, c]: [u8; 3]) -> String {
    format!("\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m")
}

fn shade(upper: [u8; 3], lower: [u8; 3]) -> char {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    // The shares of red, green and blue in what is seen as light (Rec. 601), in thousandths.
    let light = |[r, g, b]: [u8; 3]| 299 * usize::from(r) + 587 * usize::from(g) + 114 * usize::from(b);
    let both = usize::midpoint(light(upper), light(lower));
    SHADES[(both * SHADES.len() / 255_001).min(SHADES.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(width: usize, rows: &[u32]) -> Picture {
        let pixels = rows.iter().map(|pixel| pixel | 0xff00_0000).collect();
        Picture { width, height: rows.len() / width, pixels }
    }

    #[test]
    fn a_part_is_found_where_all_that_is_there_is_the_same() {
        let whole = picture(3, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(whole.find(&picture(2, &[5, 6, 8, 9])), Some((1, 1)));
        assert_eq!(whole.find(&picture(2, &[5, 6, 8, 8])), None);
        assert_eq!(whole.find(&picture(4, &[1, 2, 3, 4])), None);
        let mut hole = picture(2, &[5, 6, 8, 8]);
        hole.pixels[3] = 0;
        assert_eq!(whole.find(&hole), Some((1, 1)));
        assert_eq!(whole.find(&Picture::default()), None);
    }

    #[test]
    fn a_terminal_has_two_pixels_to_a_character() {
        let black_and_white = picture(2, &[0, 0x00ff_ffff, 0, 0x00ff_ffff, 0x00ff_ffff, 0]);
        assert_eq!(black_and_white.draw(80, 24, Ink::Shade), " █\n▒ \n");
        let one = picture(1, &[0x0001_0203, 0x0004_0506]);
        assert_eq!(one.draw(80, 24, Ink::Colour), "\x1b[38;2;1;2;3;48;2;4;5;6m▀\x1b[0m\n");
        assert_eq!(picture(4, &[0x00ff_ffff; 16]).draw(2, 1, Ink::Shade), "██\n");
        assert_eq!(Picture::default().draw(0, 0, Ink::Colour), "");
    }

    #[test]
    fn what_is_no_png_is_told() {
        let message = |bytes: &[u8]| Picture::from_png(bytes).unwrap_err().message;
        assert_eq!(message(b"GIF89a"), "that is no PNG: Invalid PNG signature.");
        let png = picture(2, &[1, 2, 3, 4]).to_png().unwrap();
        assert_eq!(message(&png[..40]), "that is no PNG: unexpected end of file");
    }

    proptest! {
        #[test]
        fn a_picture_reads_back(width in 1_usize..20, pixels in prop::collection::vec(0_u32..0x0100_0000, 20..100)) {
            let whole = picture(width, &pixels[..pixels.len() / width * width]);
            prop_assert_eq!(Picture::from_png(&whole.to_png().unwrap()), Ok(whole));
        }
    }
}
