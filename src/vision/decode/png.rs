//! PNG: whole, in part, or not at all.
//!
//! A wrong checksum proves nothing where the data decode as they should; so it counts only where two of them are wrong.

use std::io::{BufRead, BufReader, ErrorKind, Seek};

use ::png::{
    BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, InterlaceInfo, Reader, Transformations,
};
use image::RgbImage;
use image::metadata::Orientation;

use super::{Decoded, File, UNREAD};
use crate::vision::VisionError;

const FORMAT: &str = "PNG";

/// Bytes that are handed to the decoder at a time when it is to be known where damage begins.
const STEP: usize = 64;

/// Bytes before the place at which the decoder gave up, up to which it is tried again; what lies between may be a header.
const BACK: [usize; 3] = [0, STEP, 3 * STEP];

/// First column, step of columns, first row and step of rows of the passes of an interlaced picture (PNG, section 8.2).
const PASSES: [(u32, u32, u32, u32); 7] =
    [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)];

/// Checksums that count.
#[derive(Clone, Copy)]
enum Checks {
    /// Those of chunks.
    Chunks,
    /// That of the pixels.
    Pixels,
    Nothing,
}

/// Rows that could be decoded.
struct Rows {
    picture: RgbImage,
    orientation: Orientation,
    read: u32,
    /// Error that ended the decoding, if rows are missing.
    error: Option<DecodingError>,
}

/// Size, and how the picture is turned, by the header.
pub fn header(file: &File<'_>, memory: u64) -> Result<((u32, u32), Orientation), VisionError> {
    if file.bytes.get(12..16) == Some(b"CgBI") {
        return Err(VisionError::Unsupported {
            format: FORMAT,
            reason: "a variant of Xcode's own (CgBI)".to_owned(),
        });
    }
    let reader =
        open(file.reader(usize::MAX), Checks::Nothing, memory).map_err(|error| refused(&error, memory))?;
    Ok((reader.info().size(), orientation(&reader)))
}

/// Decodes a picture whose size is within limits.
pub fn decode(file: &File<'_>, memory: u64) -> Result<Decoded, VisionError> {
    let done =
        |rows: Rows, damaged| Ok(Decoded { picture: rows.picture, orientation: rows.orientation, damaged });
    if let Ok(rows) = read(file.reader(usize::MAX), Checks::Chunks, memory)
        && rows.error.is_none()
    {
        return done(rows, false);
    }
    let mut source = BufReader::with_capacity(STEP, file.reader(usize::MAX));
    let rows = read(&mut source, Checks::Nothing, memory).map_err(|error| refused(&error, memory))?;
    let Some(error) = &rows.error else {
        // Chunks are not what they were; the pixels' own sum tells if that matters.
        let checked = read(file.reader(usize::MAX), Checks::Pixels, memory);
        let is_wrong = checked.is_ok_and(|rows| rows.error.is_some_and(|error| !is_cut(&error)));
        return done(rows, is_wrong);
    };
    // At the end of a file the decoder gives all rows there are, before an error not.
    let end = source.stream_position().ok().and_then(|end| usize::try_from(end).ok()).unwrap_or(0);
    let ends = BACK.iter().filter_map(|back| end.checked_sub(*back)).filter(|_| !is_cut(error));
    let again = ends.filter_map(|end| read(file.reader(end), Checks::Nothing, memory).ok());
    let best = again.max_by_key(|rows| rows.read).filter(|again| again.read > rows.read);
    match best.unwrap_or(rows) {
        Rows { read: 0, error: Some(error), .. } => Err(refused(&error, memory)),
        rows => done(rows, true),
    }
}

fn open<R: BufRead + Seek>(source: R, checks: Checks, memory: u64) -> Result<Reader<R>, DecodingError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_crc(!matches!(checks, Checks::Chunks));
    options.set_ignore_adler32(!matches!(checks, Checks::Pixels));
    let mut decoder = Decoder::new_with_options(source, options);
    let bytes = usize::try_from(memory).unwrap_or(usize::MAX);
    decoder.set_limits(::png::Limits { bytes });
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info()
}

fn orientation<R: BufRead + Seek>(reader: &Reader<R>) -> Orientation {
    let exif = reader.info().exif_metadata.as_ref();
    exif.and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(Orientation::NoTransforms)
}

fn read<R: BufRead + Seek>(source: R, checks: Checks, memory: u64) -> Result<Rows, DecodingError> {
    let mut reader = open(source, checks, memory)?;
    let (width, height) = reader.info().size();
    let (colour, depth) = reader.output_color_type();
    let stride = width as usize * 3;
    let mut rows = Rows {
        picture: RgbImage::from_pixel(width, height, image::Rgb(UNREAD)),
        orientation: orientation(&reader),
        read: 0,
        error: None,
    };
    let expected = if reader.info().interlaced { interlaced_rows(width, height) } else { height };
    let mut rgb = Vec::with_capacity(stride);
    while rows.read < expected {
        match reader.next_interlaced_row() {
            Ok(Some(row)) => {
                to_rgb(row.data(), colour, depth, &mut rgb);
                match row.interlace() {
                    // Pixels that later passes would bring look like their neighbours until then.
                    InterlaceInfo::Adam7(pass) => {
                        ::png::splat_interlaced_row(&mut rows.picture, stride, &rgb, pass, 24)
                    }
                    InterlaceInfo::Null(_) => {
                        let start = rows.read as usize * stride;
                        let place = rows.picture.get_mut(start..start + rgb.len());
                        place.into_iter().for_each(|place| place.copy_from_slice(&rgb));
                    }
                }
                rows.read += 1;
            }
            Ok(None) => break,
            Err(error) => {
                rows.error = Some(error);
                return Ok(rows);
            }
        }
    }
    if matches!(checks, Checks::Pixels) {
        rows.error = reader.finish().err();
    }
    Ok(rows)
}

fn interlaced_rows(width: u32, height: u32) -> u32 {
    let passes = PASSES.iter().filter(|(column, ..)| width > *column);
    passes.map(|(_, _, row, step)| height.saturating_sub(*row).div_ceil(*step)).sum()
}

/// One row as red, green and blue: grey is repeated, transparency dropped, 16 bits are scaled to 8.
fn to_rgb(row: &[u8], colour: ColorType, depth: BitDepth, rgb: &mut Vec<u8>) {
    rgb.clear();
    let channels = colour.samples();
    let colours: [usize; 3] = if channels < 3 { [0; 3] } else { [0, 1, 2] };
    if depth == BitDepth::Sixteen {
        let scaled = |pixel: &[u8], channel: usize| {
            let value = u16::from_be_bytes([pixel[2 * channel], pixel[2 * channel + 1]]);
            ((u32::from(value) + 128) / 257) as u8
        };
        rgb.extend(
            row.chunks_exact(2 * channels).flat_map(|pixel| colours.map(|channel| scaled(pixel, channel))),
        );
    } else if channels == 3 {
        rgb.extend_from_slice(row);
    } else {
        rgb.extend(row.chunks_exact(channels).flat_map(|pixel| colours.map(|channel| pixel[channel])));
    }
}

/// `true` if the file ends too early, as far as the decoder knows.
fn is_cut(error: &DecodingError) -> bool {
    matches!(error, DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof)
}

fn refused(error: &DecodingError, memory: u64) -> VisionError {
    match error {
        DecodingError::LimitsExceeded => VisionError::TooMuchMemory { format: FORMAT, limit: memory },
        _ => VisionError::damaged(FORMAT, error),
    }
}
