//! From an image file's bytes to the pixels a backbone takes.
//!
//! bytes -> limits -> decode by content, never by name -> RGB -> squash to a square -> EXIF orientation ->
//! `(x - mean) * scale` in planes; of a region upright first, then cut out and squashed. Pure: no network, no disk, no clock but the
//! time a decoder may take.
//!
//! A file that decodes to a whole picture counts, whatever else is wrong with it. One that decodes in part, one row of a
//! JPEG's blocks or of other pixels at least, is `damaged` and grey where nothing could be read. One that does not decode is
//! refused, a WebP of which anything is missing too: its decoder gives all or nothing.

mod decode;
mod error;
mod memory;
mod tiff;
mod trimmed;

#[cfg(test)]
mod tests;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GenericImageView, RgbImage};

use crate::domain::region::Place;
use decode::Decoded;
pub use decode::{Described, MAX_SIDE_PX, MAX_TIME, describe};
pub use error::VisionError;
pub use memory::DECODED_BYTES_PER_PX;

/// JPEG quality of a thumbnail, 1 to 100: the usual balance for small previews.
const THUMBNAIL_QUALITY: u8 = 80;

/// Largest image that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub max_bytes: usize,
    /// Largest picture, in pixels (width x height), checked in the header before anything is decoded. Decoding
    /// takes up to [`DECODED_BYTES_PER_PX`] for each.
    pub max_pixels: u64,
}

/// Input format of a backbone: size and normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Side of the square, in pixels.
    pub px: usize,
    /// Subtracted from each channel (red, green, blue), on the scale 0 to 255.
    pub mean: [f32; 3],
    /// Multiplied with the difference.
    pub scale: [f32; 3],
}

/// An image as a backbone takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// `[3, px, px]` numbers, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// `true` if a part of the picture could not be read.
    pub damaged: bool,
}

/// Decodes, squashes and normalises one image.
///
/// The aspect ratio is not kept and nothing is cropped. The resize is bilinear with a support that grows with the
/// reduction, which is Pillow's `resize(.., BILINEAR)`, within 1/255. Transparency is dropped, not blended, and
/// grey is repeated, as Pillow's `convert("RGB")` does; 16-bit channels are
/// scaled to 8 (where Pillow would clip 16-bit grey to white).
/// Colour profiles are not read. Of an animation the first frame counts, of a GIF's first frame its own
/// rectangle, of a TIFF the first page.
///
/// # Errors
/// The bytes are too many, no image of a known format, damaged, or take too long; the picture has too many pixels; the
/// input's side is not 1 to [`MAX_SIDE_PX`].
pub fn prepare(bytes: &[u8], input: &Input, limits: &Limits) -> Result<Prepared, VisionError> {
    let side = side(input)?;
    let Decoded { picture, orientation, damaged } = decode::decode(bytes, limits)?;
    // Turning the small square instead of the whole picture is the same but for rounding: the filter is symmetric.
    let mut square = DynamicImage::ImageRgb8(resize(&picture, side, side)?);
    square.apply_orientation(orientation);
    Ok(Prepared { pixels: normalise(square.as_bytes(), input), damaged })
}

/// Decodes one image, cuts regions out of it as it is shown upright, and squashes and normalises each like a picture of its own:
/// for each place, in their order, what [`prepare`] gives of such a picture.
///
/// # Errors
/// As [`prepare`]; of a single region that it lies outside of the picture.
pub fn prepare_regions(
    bytes: &[u8],
    places: &[Place],
    input: &Input,
    limits: &Limits,
) -> Result<Vec<Result<Prepared, VisionError>>, VisionError> {
    let side = side(input)?;
    let Decoded { picture, orientation, damaged } = decode::decode(bytes, limits)?;
    let mut upright = DynamicImage::ImageRgb8(picture);
    upright.apply_orientation(orientation);
    let picture = upright.into_rgb8();
    let (width, height) = picture.dimensions();
    let prepare = |place: &Place| {
        let crop = place.crop(width, height).ok_or(VisionError::Outside { width, height })?;
        let region = picture.view(crop.x, crop.y, crop.width, crop.height).to_image();
        let square = resize(&region, side, side)?;
        Ok(Prepared { pixels: normalise(square.as_raw(), input), damaged })
    };
    Ok(places.iter().map(prepare).collect())
}

/// The side of a backbone's square, in pixels.
fn side(input: &Input) -> Result<u32, VisionError> {
    let side = u32::try_from(input.px).ok().filter(|side| (1..=MAX_SIDE_PX).contains(side));
    side.ok_or(VisionError::Side { px: input.px })
}

/// Decodes one image, whole or in part, and returns its format and size.
///
/// # Errors
/// The bytes are too many, no image of a known format, or damaged; the picture has too many pixels.
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Described, VisionError> {
    decode::decode(bytes, limits)?;
    describe(bytes)
}

/// As [`inspect`], but the picture is whole.
///
/// # Errors
/// As [`inspect`]; damaged is also a picture that decodes in part.
pub fn verify(bytes: &[u8], limits: &Limits) -> Result<Described, VisionError> {
    let decoded = decode::decode(bytes, limits)?;
    let described = describe(bytes)?;
    match decoded.damaged {
        true => Err(VisionError::damaged(described.format, &"only a part of it decodes")),
        false => Ok(described),
    }
}

/// A small JPEG of the image, upright, at most `max_side` pixels wide and high, never enlarged.
///
/// # Errors
/// As [`prepare`].
pub fn thumbnail(bytes: &[u8], max_side: u32, limits: &Limits) -> Result<Vec<u8>, VisionError> {
    if max_side == 0 {
        return Err(VisionError::Side { px: 0 });
    }
    let Decoded { picture, orientation, .. } = decode::decode(bytes, limits)?;
    let (width, height) = fit(picture.dimensions(), max_side);
    let mut small = DynamicImage::ImageRgb8(resize(&picture, width, height)?);
    small.apply_orientation(orientation);
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, THUMBNAIL_QUALITY);
    small.write_with_encoder(encoder).map_err(|error| VisionError::Resize { reason: error.to_string() })?;
    Ok(jpeg)
}

/// The largest size of the same shape with no side above `max_side`, each side at least one pixel.
fn fit((width, height): (u32, u32), max_side: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= max_side {
        return (width, height);
    }
    let shrink =
        |side: u32| (f64::from(side) * f64::from(max_side) / f64::from(longest)).round().max(1.0) as u32;
    (shrink(width), shrink(height))
}

fn resize(picture: &RgbImage, width: u32, height: u32) -> Result<RgbImage, VisionError> {
    let failed = |reason: String| VisionError::Resize { reason };
    let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3);
    let source = source.map_err(|error| failed(error.to_string()))?;
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| failed(error.to_string()))?;
    RgbImage::from_raw(width, height, target.into_vec()).ok_or_else(|| failed("wrong size".to_owned()))
}

/// Interleaved RGB bytes to normalised planes.
fn normalise(rgb: &[u8], input: &Input) -> Vec<f32> {
    let mut planes = Vec::with_capacity(rgb.len());
    for channel in 0..3 {
        let mean = input.mean[channel];
        let scale = input.scale[channel];
        planes.extend(rgb.iter().skip(channel).step_by(3).map(|&value| (f32::from(value) - mean) * scale));
    }
    planes
}
