//! Structure of a JPEG file: its frame, its scans, and the places of their coded data (ITU-T T.81, annex B).

use std::ops::Range;

/// Data that stand for nothing but ones. No Huffman code consists of ones alone (T.81, annex C), so a decoder that
/// comes to these instead of data it lacks can't take them for any.
const ONES: [u8; 16] = [0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0];

const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// So many zeros at the end of a file that has no end marker are no data: room that was set aside and never filled.
const EMPTY_ROOM: usize = 16;

/// Most components of a frame that is read.
const COMPONENTS: usize = 4;

/// No scan told of a coefficient yet.
const UNTOLD: u8 = u8::MAX;

/// Content of the markers of a file.
#[derive(Debug, Default)]
pub struct Segments {
    /// The frame's marker, 0xC0 to 0xCF, or 0xF7 of JPEG-LS.
    pub frame: Option<u8>,
    /// Bits of a sample.
    pub precision: u8,
    /// Rows, by the frame.
    pub height: u16,
    /// Rows of pixels that one row of coded blocks holds.
    pub block_rows: u32,
    /// Stretches of coded data, each up to its marker.
    coded: Vec<Range<usize>>,
    /// Stretches of the first scan.
    first_scan: usize,
    /// `true` if the end marker is there.
    is_ended: bool,
    /// Component, and how far each of its coefficients is told: the bits that are still to come.
    told: Vec<(u8, [u8; 64])>,
}

impl Segments {
    /// Reads the markers up to the end of the first picture, as far as they make sense.
    pub fn read(bytes: &[u8]) -> Self {
        let mut segments = Self::default();
        let mut at = 2;
        while let Some((marker, start)) = next_marker(bytes, at) {
            let length = match (marker, bytes.get(start..start + 2)) {
                (0xD9, _) => {
                    segments.is_ended = !segments.coded.is_empty();
                    break;
                }
                // Markers that stand alone.
                (0x01 | 0xD0..=0xD8, _) => 0,
                (_, Some(&[high, low])) => usize::from(u16::from_be_bytes([high, low])),
                (_, _) => break,
            };
            let content = bytes.get(start + 2..start + length).unwrap_or_default();
            at = start + length;
            match marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                    segments.frame(marker, content)
                }
                0xDA => at = segments.scan(bytes, content, at),
                _ => {}
            }
        }
        segments
    }

    fn frame(&mut self, marker: u8, content: &[u8]) {
        let &[precision, high, low, _, _, _, ref components @ ..] = content else { return };
        if self.frame.is_some() {
            return;
        }
        self.frame = Some(marker);
        self.precision = precision;
        self.height = u16::from_be_bytes([high, low]);
        let components: Vec<&[u8]> = components.chunks_exact(3).take(COMPONENTS).collect();
        let lines = components.iter().map(|component| u32::from(component[1] & 15)).max().unwrap_or(1);
        // A component alone is coded block by block, whatever its sampling.
        self.block_rows = 8 * if components.len() == 1 { 1 } else { lines.max(1) };
        self.told = components.iter().map(|component| (component[0], [UNTOLD; 64])).collect();
    }

    /// Notes what a scan tells; returns where its coded data end.
    fn scan(&mut self, bytes: &[u8], header: &[u8], start: usize) -> usize {
        let count = usize::from(header.first().copied().unwrap_or(0)).min(COMPONENTS);
        let (of, rest) = header.get(1..).unwrap_or_default().split_at_checked(2 * count).unwrap_or_default();
        let (band, bits) = match (self.is_progressive(), rest) {
            (true, &[first, last, approximation, ..]) => {
                (usize::from(first.min(63))..usize::from(last.min(63)) + 1, approximation & 15)
            }
            _ => (0..64, 0),
        };
        for component in of.chunks_exact(2) {
            let known = self.told.iter_mut().filter(|(id, _)| *id == component[0]);
            known.for_each(|(_, told)| told.get_mut(band.clone()).unwrap_or_default().fill(bits));
        }
        let is_first = self.coded.is_empty();
        let mut from = start.min(bytes.len());
        loop {
            let (marker, after) = next_marker(bytes, from).unwrap_or((0xD9, bytes.len() + 2));
            self.coded.push(from..after - 2);
            if !matches!(marker, 0xD0..=0xD7) {
                self.first_scan = if is_first { self.coded.len() } else { self.first_scan };
                return after - 2;
            }
            from = after;
        }
    }

    fn is_progressive(&self) -> bool {
        self.frame == Some(0xC2)
    }

    /// `true` if all scans are there that it takes for a whole picture. A file that was ended properly may leave out the
    /// finest bits.
    pub fn are_complete(&self) -> bool {
        let mut told = self.told.iter().flat_map(|(_, told)| told);
        !self.coded.is_empty() && told.all(|bits| if self.is_ended { *bits != UNTOLD } else { *bits == 0 })
    }

    /// The first picture of the file with its end marker, and before it ones. With `everywhere`, they stand before the other
    /// markers that end coded data too.
    pub fn with_ones(&self, bytes: &[u8], everywhere: bool) -> Guarded {
        let mut guarded = Guarded { bytes: Vec::with_capacity(bytes.len() + 64), coded: Vec::new() };
        // No more than what doubles the file.
        let between = everywhere && self.coded.len() * ONES.len() <= bytes.len();
        let mut done = 0;
        for (index, stretch) in self.coded.iter().enumerate() {
            let is_last = index + 1 == self.coded.len();
            guarded.bytes.extend_from_slice(&bytes[done..stretch.start]);
            let coded = &bytes[stretch.clone()];
            let coded = if is_last && !self.is_ended { without_empty_room(coded) } else { coded };
            let start = guarded.bytes.len();
            guarded.bytes.extend_from_slice(coded);
            guarded.coded.push(start..guarded.bytes.len());
            // The decoder wants to meet the marker after a progressive picture's first scan while it reads the scan.
            let ends_first = self.is_progressive() && index + 1 == self.first_scan;
            if (is_last || between) && !(everywhere && ends_first) {
                guarded.bytes.extend_from_slice(&ONES);
            }
            done = stretch.end;
        }
        guarded.bytes.extend_from_slice(&END_OF_IMAGE);
        guarded
    }
}

/// A file whose coded data can't be read beyond their end unnoticed.
#[derive(Debug)]
pub struct Guarded {
    pub bytes: Vec<u8>,
    /// Places of the coded data.
    pub coded: Vec<Range<usize>>,
}

/// The next marker at or after `at`, and where what belongs to it begins.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let mut at = at;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        match bytes.get(at + 1)? {
            0 => at += 2,
            0xFF => at += 1,
            marker => return Some((*marker, at + 2)),
        }
    }
}

/// Coded data without zeros that were never filled, and without half a marker.
fn without_empty_room(coded: &[u8]) -> &[u8] {
    let filled = coded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let coded = if coded.len() - filled >= EMPTY_ROOM { &coded[..filled] } else { coded };
    coded.strip_suffix(&[0xFF]).unwrap_or(coded)
}
