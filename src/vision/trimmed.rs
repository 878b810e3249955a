//! Removal of the parts of a file that are not decoded: of a GIF all but the rectangle of its first frame, of a PNG the
//! colour profile. Both would let a small file take much memory for nothing.

use std::borrow::Cow;
use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};
use std::time::Instant;

use image::ImageFormat;

/// The file as it is, or without the parts that are not decoded.
pub(super) fn trimmed(format: ImageFormat, bytes: &[u8]) -> Cow<'_, [u8]> {
    let trimmed = match format {
        ImageFormat::Gif => first_frame_alone(bytes),
        ImageFormat::Png => without_profile(bytes),
        _ => None,
    };
    trimmed.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

/// A GIF whose canvas is the rectangle of its first frame (GIF89a, sections 18 and 20); `None` if it is already, or if there
/// is no frame.
fn first_frame_alone(bytes: &[u8]) -> Option<Vec<u8>> {
    /// Header, screen descriptor.
    const TABLE: usize = 13;
    let flags = *bytes.get(TABLE - 3)?;
    let mut at = TABLE + if flags & 0x80 == 0 { 0 } else { 6 << (flags & 7) };
    while *bytes.get(at)? == 0x21 {
        // An extension: its label, and blocks until an empty one.
        at += 2;
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
    let place = bytes.get(at..at + 9).filter(|frame| frame[0] == 0x2c)?;
    if place[1..5] == [0; 4] && place[5..9] == bytes[6..10] {
        return None;
    }
    let mut alone = bytes.to_vec();
    alone.copy_within(at + 5..at + 9, 6);
    alone[at + 1..at + 5].fill(0);
    Some(alone)
}

/// A PNG without the chunks that hold a compressed colour profile; `None` if it has none.
fn without_profile(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut at = 8;
    let mut kept: Option<Vec<u8>> = None;
    loop {
        let length = bytes.get(at..at + 4).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
        let kind = bytes.get(at + 4..at + 8);
        let (Some(length), Some(kind)) = (length, kind) else { break };
        // Length, kind and checksum beside the content.
        let Some(next) = usize::try_from(length).ok().and_then(|length| (at + 12).checked_add(length)) else {
            break;
        };
        match kind {
            b"IDAT" => break,
            b"iCCP" => {
                kept.get_or_insert_with(|| bytes[..at].to_vec());
            }
            _ => {
                let chunk = bytes.get(at..next);
                kept.iter_mut().zip(chunk).for_each(|(kept, chunk)| kept.extend_from_slice(chunk));
            }
        }
        if next > bytes.len() {
            break;
        }
        at = next;
    }
    let mut kept = kept?;
    kept.extend_from_slice(&bytes[at..]);
    Some(kept)
}

/// A file that can be read until a time, and not after.
pub(super) struct Timed<R> {
    file: R,
    until: Instant,
}

impl<R> Timed<R> {
    pub fn new(file: R, until: Instant) -> Self {
        Self { file, until }
    }

    fn in_time(&mut self) -> io::Result<&mut R> {
        if Instant::now() < self.until { Ok(&mut self.file) } else { Err(ErrorKind::TimedOut.into()) }
    }
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.in_time()?.read(into)
    }
}

impl<R: BufRead> BufRead for Timed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.in_time()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.file.consume(amount);
    }
}

impl<R: Seek> Seek for Timed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
