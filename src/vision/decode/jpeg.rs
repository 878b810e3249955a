//! JPEG: whole, in part, or not at all.
//!
//! The decoder fills with grey what it can't read and says nothing. So a file is read strictly first, with ones put where its
//! coded data end, which no Huffman code matches; and only one that fails so is read again for what there is.

use std::cell::Cell;
use std::ops::Range;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZCursor, ZSeekFrom};
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::segments::Segments;
use super::{Decoded, UNREAD};
use crate::vision::VisionError;

const FORMAT: &str = "JPEG";

/// Coded bytes that may be left over when all blocks are read, beside padding.
const LEFT_OVER: usize = 2;

/// Decodes a picture whose size is within limits.
pub fn decode(bytes: &[u8]) -> Result<Decoded, VisionError> {
    let segments = Segments::read(bytes);
    if let Some(reason) = coding(&segments) {
        return Err(VisionError::Unsupported { format: FORMAT, reason });
    }
    match read(&segments, bytes, true) {
        Ok((picture, orientation)) if segments.are_complete() => {
            Ok(Decoded { picture, orientation, damaged: false })
        }
        // Scans are missing; whether the first of a progressive picture is there to its end, only the other reading tells.
        Ok(found) => {
            part(read(&segments, bytes, false).unwrap_or(found), &segments, &DecodeErrors::ExhaustedData)
        }
        Err(error) => {
            let found = read(&segments, bytes, false).map_err(|error| refused(&error))?;
            part(found, &segments, &error)
        }
    }
}

/// A picture of which a block at least was read; what wasn't is grey.
fn part(
    (mut picture, orientation): (RgbImage, Orientation),
    segments: &Segments,
    error: &DecodeErrors,
) -> Result<Decoded, VisionError> {
    let read =
        picture.rows().rposition(|mut row| row.any(|pixel| pixel.0 != UNREAD)).map_or(0, |last| last + 1);
    // Reading ended in the first row of blocks, so that nothing was read of its last one.
    if read <= segments.block_rows as usize {
        let unread = *picture.get_pixel(picture.width() - 1, 0);
        if picture.rows().take(read).flatten().all(|pixel| *pixel == unread) {
            return Err(refused(error));
        }
        picture.pixels_mut().filter(|pixel| **pixel == unread).for_each(|pixel| pixel.0 = UNREAD);
    }
    Ok(Decoded { picture, orientation, damaged: true })
}

/// Reads the picture; `strictly`, so that data that are missing, wrong or left over are an error.
fn read(segments: &Segments, bytes: &[u8], strictly: bool) -> Result<(RgbImage, Orientation), DecodeErrors> {
    let guarded = segments.with_ones(bytes, strictly);
    let left_over = Cell::new(0);
    let source =
        Source { cursor: ZCursor::new(&guarded.bytes), coded: &guarded.coded, left_over: &left_over };
    let options =
        DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(source, options);
    decoder.decode_headers()?;
    let colours = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    // An oddity in the headers alone is no damage.
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(colours).set_strict_mode(strictly));
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let size = decoder.dimensions().zip(decoder.output_buffer_size());
    let ((width, height), length) = size.ok_or(DecodeErrors::ZeroError)?;
    let mut pixels = vec![UNREAD[0]; length];
    decoder.decode_into(&mut pixels)?;
    if strictly && left_over.get() > LEFT_OVER {
        return Err(DecodeErrors::FormatStatic("coded data are left over"));
    }
    let width = width as u32;
    let height = height as u32;
    let picture = match colours {
        ColorSpace::Luma => {
            GrayImage::from_raw(width, height, pixels).map(|grey| DynamicImage::from(grey).into_rgb8())
        }
        _ => RgbImage::from_raw(width, height, pixels),
    };
    Ok((picture.ok_or(DecodeErrors::ZeroError)?, orientation))
}

/// Feature of a file that no decoder here supports.
pub fn unsupported(bytes: &[u8]) -> Option<String> {
    coding(&Segments::read(bytes))
}

/// The same by its frame (T.81, table B.1).
fn coding(segments: &Segments) -> Option<String> {
    let coding = match segments.frame? {
        0xC0..=0xC2 if segments.precision != 8 => {
            return Some(format!("{} bits a sample", segments.precision));
        }
        0xC0..=0xC2 if segments.height == 0 => "a height that is told after the picture",
        0xC0..=0xC2 => return None,
        0xC3 => "lossless coding",
        0xC5..=0xC7 => "hierarchical coding",
        0xF7 => "JPEG-LS",
        _ => "arithmetic coding",
    };
    Some(coding.to_owned())
}

fn refused(error: &DecodeErrors) -> VisionError {
    match error {
        DecodeErrors::Unsupported(coding) => {
            VisionError::Unsupported { format: FORMAT, reason: format!("{coding:?}") }
        }
        DecodeErrors::Format(reason) => VisionError::damaged(FORMAT, reason),
        DecodeErrors::FormatStatic(reason) => VisionError::damaged(FORMAT, reason),
        _ => VisionError::damaged(FORMAT, error),
    }
}

/// A file in memory that counts the coded bytes that are passed over: the decoder reads data in fours and then one by one,
/// but looks for markers byte by byte.
struct Source<'a> {
    cursor: ZCursor<&'a [u8]>,
    coded: &'a [Range<usize>],
    left_over: &'a Cell<usize>,
}

impl Source<'_> {
    fn count(&self, byte: u8, at: u64) {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let stretch = self.coded.partition_point(|stretch| stretch.end <= at);
        let is_coded = self.coded.get(stretch).is_some_and(|stretch| stretch.start <= at);
        // Zeros and ones are padding.
        if is_coded && byte != 0 && byte != 0xFF {
            self.left_over.set(self.left_over.get() + 1);
        }
    }
}

impl ZByteReaderTrait for Source<'_> {
    fn read_byte_no_error(&mut self) -> u8 {
        self.cursor.read_byte_no_error()
    }

    fn read_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        self.cursor.read_exact_bytes(buffer)?;
        if let &mut [byte] = buffer {
            let end = self.cursor.z_position()?;
            self.count(byte, end.saturating_sub(1));
        }
        Ok(())
    }

    fn read_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.cursor.read_bytes(buffer)
    }

    fn peek_bytes(&mut self, buffer: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.cursor.peek_bytes(buffer)
    }

    fn peek_exact_bytes(&mut self, buffer: &mut [u8]) -> Result<(), ZByteIoError> {
        self.cursor.peek_exact_bytes(buffer)
    }

    fn z_seek(&mut self, from: ZSeekFrom) -> Result<u64, ZByteIoError> {
        self.cursor.z_seek(from)
    }

    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        self.cursor.is_eof()
    }

    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        self.cursor.z_position()
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        self.cursor.read_remaining(sink)
    }
}
