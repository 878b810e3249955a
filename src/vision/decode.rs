//! Opening image files: format by content, limits from the header, then the pixels as RGB, as far as they can be read.

mod frames;
mod jpeg;
mod png;
mod segments;

use std::borrow::Cow;
use std::io::Cursor;
use std::time::{Duration, Instant};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use super::error::looks_like;
use super::memory::DECODER_BYTES;
use super::trimmed::{Timed, trimmed};
use super::{Limits, VisionError, tiff};

/// Longest side, in pixels: what JPEG and GIF can express at most. It bounds the resize's intermediate rows
/// (side x target side x 3 bytes) for pictures that are a line of millions of pixels.
pub const MAX_SIDE_PX: u32 = 65_535;

/// A file is read for so long. A picture of 40 megapixels takes about a second, also a JPEG of 100 scans, the most that its decoder
/// takes; a busy machine some times that.
pub const MAX_TIME: Duration = Duration::from_secs(30);

/// A picture of so many pixels costs little, whatever its file holds.
const SMALL_PX: u64 = 1_000_000;

/// Widest decoded pixel, in bytes: 16-bit RGBA.
const MAX_BYTES_PER_PIXEL: u64 = 8;

/// Colour of pixels that could not be read: a neutral grey.
const UNREAD: [u8; 3] = [128; 3];

/// The pixels as stored, their orientation, and a flag for missing ones.
pub(super) struct Decoded {
    pub picture: RgbImage,
    pub orientation: Orientation,
    /// `true` if a part could not be read, which is [`UNREAD`].
    pub damaged: bool,
}

/// Format and size of a picture, from its file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// E.g. `JPEG`.
    pub format: &'static str,
    /// Pixels, as the picture is shown, i.e. after its EXIF orientation.
    pub width: u32,
    /// Pixels, as the picture is shown.
    pub height: u32,
}

/// Reads format and size from the header; nothing is decoded.
///
/// # Errors
/// The bytes are empty, of no known format, or damaged within the header.
pub fn describe(bytes: &[u8]) -> Result<Described, VisionError> {
    let (file, format) = File::new(bytes, MAX_TIME)?;
    let ((width, height), orientation) = header(&file, format, DECODER_BYTES)?;
    let (width, height) = match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    };
    Ok(Described { format, width, height })
}

/// Decodes a picture, whole or in part; one of which no row can be read is damaged.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, VisionError> {
    decode_within(bytes, limits, MAX_TIME)
}

/// The same, within that time.
pub(super) fn decode_within(bytes: &[u8], limits: &Limits, time: Duration) -> Result<Decoded, VisionError> {
    if bytes.len() > limits.max_bytes {
        return Err(VisionError::TooManyBytes { bytes: bytes.len() as u64, limit: limits.max_bytes as u64 });
    }
    let memory = limits.max_pixels.saturating_mul(MAX_BYTES_PER_PIXEL).saturating_add(DECODER_BYTES);
    let (file, name) = File::new(bytes, time)?;
    let decoded = header(&file, name, memory).and_then(|(size, orientation)| {
        check(name, size, &file.bytes, limits)?;
        pixels(&file, name, orientation, memory, limits)
    });
    // Whatever the decoder makes of a file that ends in its middle: it was given no more time.
    if file.until <= Instant::now() {
        Err(VisionError::TooSlow { format: name, limit: MAX_TIME })
    } else {
        decoded
    }
}

fn pixels(
    file: &File<'_>,
    name: &'static str,
    orientation: Orientation,
    memory: u64,
    limits: &Limits,
) -> Result<Decoded, VisionError> {
    let refused = |error: ImageError| VisionError::decoding(name, &error, memory);
    let frame = match file.format {
        ImageFormat::Jpeg => return jpeg::decode(&file.bytes),
        ImageFormat::Png => return png::decode(file, memory),
        ImageFormat::Gif => frames::gif(file, |size| check(name, size, &file.bytes, limits))?,
        ImageFormat::Bmp => frames::bmp(|| open(file, memory)).map_err(refused)?,
        _ => {
            let mut decoder = open(file, memory).map_err(refused)?;
            if file.format == ImageFormat::Tiff {
                tiff::bound(&mut decoder, file.bytes.len(), limits)?;
            }
            let picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
            return Ok(Decoded { picture: picture.into_rgb8(), orientation, damaged: false });
        }
    };
    Ok(Decoded { damaged: frame.read < frame.rows, picture: frame.picture, orientation })
}

/// Bytes of a file that are read, and the time until which they are.
struct File<'a> {
    bytes: Cow<'a, [u8]>,
    format: ImageFormat,
    until: Instant,
}

impl<'a> File<'a> {
    /// A file of a known format, with its name.
    fn new(bytes: &'a [u8], time: Duration) -> Result<(Self, &'static str), VisionError> {
        let until = Instant::now() + time;
        if bytes.is_empty() {
            return Err(VisionError::Empty);
        }
        let guess = image::guess_format(bytes).ok();
        let Some((format, name)) = guess.and_then(|format| Some((format, name(format)?))) else {
            return Err(VisionError::UnknownFormat { looks_like: looks_like(bytes) });
        };
        Ok((Self { bytes: trimmed(format, bytes), format, until }, name))
    }

    /// Reads it from its start, and up to its first `end` bytes.
    fn reader(&self, end: usize) -> Timed<Cursor<&[u8]>> {
        Timed::new(Cursor::new(&self.bytes[..end.min(self.bytes.len())]), self.until)
    }
}

/// Size and orientation by the header, with `memory` bytes at most.
fn header(
    file: &File<'_>,
    name: &'static str,
    memory: u64,
) -> Result<((u32, u32), Orientation), VisionError> {
    let bytes = &file.bytes;
    let format = file.format;
    Ok(match format {
        ImageFormat::Png => png::header(file, memory)?,
        _ => {
            let refused = |error| match jpeg::unsupported(bytes).filter(|_| format == ImageFormat::Jpeg) {
                Some(reason) => VisionError::Unsupported { format: name, reason },
                None => VisionError::decoding(name, &error, memory),
            };
            let mut decoder = open(file, memory).map_err(refused)?;
            // A missing or broken EXIF block is no reason to refuse a picture.
            (decoder.dimensions(), decoder.orientation().unwrap_or(Orientation::NoTransforms))
        }
    })
}

/// A decoder that has read the header and may allocate `memory` bytes.
fn open<'a>(file: &'a File<'_>, memory: u64) -> Result<impl ImageDecoder + use<'a>, ImageError> {
    let mut reader = ImageReader::with_format(file.reader(usize::MAX), file.format);
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(memory);
    reader.limits(allowed);
    reader.into_decoder()
}

fn name(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Jpeg => Some("JPEG"),
        ImageFormat::Png => Some("PNG"),
        ImageFormat::WebP => Some("WebP"),
        ImageFormat::Bmp => Some("BMP"),
        ImageFormat::Gif => Some("GIF"),
        ImageFormat::Tiff => Some(tiff::NAME),
        _ => None,
    }
}

/// Refuses by the header alone what is too large or can't be true.
fn check(format: &'static str, size: (u32, u32), bytes: &[u8], limits: &Limits) -> Result<(), VisionError> {
    let damaged = |reason| Err(VisionError::Damaged { format, reason });
    let frame = if format == "WebP" { webp_frame_size(bytes) } else { None };
    for (width, height) in [Some(size), frame].into_iter().flatten() {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return damaged(format!("the header says {width} x {height} px"));
        }
        if pixels > limits.max_pixels {
            return Err(VisionError::TooManyPixels { width, height, limit: limits.max_pixels });
        }
        if width.max(height) > MAX_SIDE_PX {
            return Err(VisionError::TooLong { width, height });
        }
        if pixels > SMALL_PX.max(most_pixels_a_byte(format).saturating_mul(bytes.len() as u64)) {
            return damaged(format!(
                "{} bytes can't hold the {width} x {height} px of its header",
                bytes.len()
            ));
        }
    }
    Ok(())
}

/// Most pixels that a byte of a file can stand for. A header that claims more is a bomb: a few bytes that cost the memory and
/// time of a large picture.
fn most_pixels_a_byte(format: &str) -> u64 {
    match format {
        // Each block of 8 x 8 pixels takes at least one bit, its DC code.
        "JPEG" => 64 * 8,
        // LZW: the longest run in a full table has 3,838 pixels, a code 12 bits.
        "GIF" => 2_560,
        // Deflate's 1,032 bytes for one, of eight pixels each. A fax's empty page would take less.
        "PNG" | tiff::NAME => 1_032 * 8,
        // Run lengths: 255 pixels in two bytes.
        "BMP" => 128,
        // Measured: 25,140 for one colour, lossless, 6,000 x 6,000 px.
        _ => 30_000,
    }
}

/// Size of a WebP's first lossy frame, in pixels. The frame has a header of its own, which the decoder believes
/// for its allocations before it compares it with the canvas.
fn webp_frame_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut position = 12;
    loop {
        let kind = bytes.get(position..position + 4)?;
        let length = bytes.get(position + 4..position + 8)?.try_into().ok().map(u32::from_le_bytes)?;
        let content = position + 8;
        match kind {
            // RFC 6386 section 9.1: 3 bytes tag, 3 bytes start code, then width and height with 14 bits each.
            b"VP8 " => {
                let side = |at: usize| {
                    let pair = bytes.get(at..at + 2)?.try_into().ok()?;
                    Some(u32::from(u16::from_le_bytes(pair) & 0x3fff))
                };
                return Some((side(content + 6)?, side(content + 8)?));
            }
            // A frame of an animation: 16 bytes of its own, then chunks.
            b"ANMF" => position = content.checked_add(16)?,
            _ => {
                let padded = usize::try_from(length).ok()?.checked_next_multiple_of(2)?;
                position = content.checked_add(padded)?;
            }
        }
    }
}
