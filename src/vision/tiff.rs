//! TIFF holds nearly anything; what of it is read, and what it may cost.

use image::{ColorType, ImageDecoder, ImageError};

use super::memory::{DECODED_BYTES_PER_PX, DECODER_BYTES};
use super::{Limits, VisionError};

pub(super) const NAME: &str = "TIFF";

/// Bytes of a pixel that is shown.
const RGB_BYTES: u64 = 3;

/// Checks by the header what the decoder would take, and bounds it: `bytes` is the file's size.
///
/// # Errors
/// Floating-point samples, whose scale nothing tells; or a picture that takes more memory than one of another format may. The
/// decoder holds a TIFF's pixels twice.
pub(super) fn bound(
    decoder: &mut impl ImageDecoder,
    bytes: usize,
    limits: &Limits,
) -> Result<(), VisionError> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let colours = decoder.color_type();
    if matches!(colours, ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(VisionError::Unsupported { format: NAME, reason: "floating-point samples".to_owned() });
    }
    let stored = u64::from(decoder.original_color_type().bits_per_pixel()).div_ceil(8);
    let decoded = u64::from(colours.bytes_per_pixel());
    let shown = if colours == ColorType::Rgb8 { 0 } else { RGB_BYTES };
    let limit = limits.max_pixels.saturating_mul(DECODED_BYTES_PER_PX);
    let too_much = VisionError::TooMuchMemory { format: NAME, limit };
    if pixels.saturating_mul(stored + decoded + shown) > limit {
        return Err(too_much);
    }
    // A part of the file may claim to be larger than the picture: a tile, a strip.
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(pixels * stored.max(decoded) + bytes as u64 + DECODER_BYTES);
    decoder.set_limits(allowed).map_err(|error: ImageError| VisionError::decoding(NAME, &error, limit))
}
