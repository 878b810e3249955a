//! Opening image files: format by content, limits from the header, then the pixels as RGB.

use std::io::Cursor;
use std::time::{Duration, Instant};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use super::error::looks_like;
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

/// Memory that decoding takes for each pixel, in bytes, about.
pub const DECODED_BYTES_PER_PX: u64 = 11;

/// Widest decoded pixel, in bytes: 16-bit RGBA.
const MAX_BYTES_PER_PIXEL: u64 = 8;

/// What a decoder may allocate beside the pixels, in bytes: tables, rows, metadata.
pub(super) const DECODER_BYTES: u64 = 16 * 1024 * 1024;

/// What a file's header says.
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
    let (format, mut decoder) = open(bytes, DECODER_BYTES, MAX_TIME)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = match orientation(&mut decoder) {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    };
    Ok(Described { format, width, height })
}

/// The pixels as stored, and how to turn them.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(RgbImage, Orientation), VisionError> {
    if bytes.len() > limits.max_bytes {
        return Err(VisionError::TooManyBytes { bytes: bytes.len() as u64, limit: limits.max_bytes as u64 });
    }
    let memory = limits.max_pixels.saturating_mul(MAX_BYTES_PER_PIXEL).saturating_add(DECODER_BYTES);
    let (format, mut decoder) = open(bytes, memory, MAX_TIME)?;
    check(format, decoder.dimensions(), bytes, limits)?;
    if format == tiff::NAME {
        tiff::bound(&mut decoder, bytes.len(), limits)?;
    }
    let orientation = orientation(&mut decoder);
    let picture = DynamicImage::from_decoder(decoder);
    let picture = picture.map_err(|error| refused(format, bytes, &error, memory))?;
    Ok((picture.into_rgb8(), orientation))
}

/// A decoder that has read the header, may allocate `memory` bytes, and read the file for that time.
pub(super) fn open(
    bytes: &[u8],
    memory: u64,
    time: Duration,
) -> Result<(&'static str, impl ImageDecoder), VisionError> {
    if bytes.is_empty() {
        return Err(VisionError::Empty);
    }
    let guess = image::guess_format(bytes).ok();
    let Some((format, name)) = guess.and_then(|format| Some((format, name(format)?))) else {
        return Err(VisionError::UnknownFormat { looks_like: looks_like(bytes) });
    };
    let file = Timed::new(Cursor::new(trimmed(format, bytes)), Instant::now() + time);
    let mut reader = ImageReader::with_format(file, format);
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(memory);
    reader.limits(allowed);
    let decoder = reader.into_decoder().map_err(|error| refused(name, bytes, &error, memory))?;
    Ok((name, decoder))
}

/// What the decoder's complaint means: a coding that it does not know is no damage.
fn refused(format: &'static str, bytes: &[u8], error: &ImageError, memory: u64) -> VisionError {
    match format == "JPEG" && is_arithmetic(bytes) {
        true => VisionError::Unsupported { format, reason: "arithmetic coding".to_owned() },
        false => VisionError::decoding(format, error, memory),
    }
}

/// Whether a JPEG's frame is coded arithmetically: its start has marker 0xC9, 0xCA or 0xCB (ITU-T T.81, table B.1).
fn is_arithmetic(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xFF, marker, high, low]) = bytes.get(at..at + 4) {
        match marker {
            0xC9..=0xCB => return true,
            // Another frame, or pixels.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xCD..=0xCF | 0xDA => return false,
            _ => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
        }
    }
    false
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

/// A missing or broken EXIF block is no reason to refuse a picture.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
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
        // The JPEG decoder paints grey what the file does not hold: of small ones too.
        if format == "JPEG" && pixels.div_ceil(most_pixels_a_byte(format)) > bytes.len() as u64 {
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
