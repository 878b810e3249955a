//! Files that claim what they don't hold, or use what is not known.

use image::{ImageFormat, RgbImage};

use super::super::*;
use super::trimmed::gif_of_one_pixel;
use super::{LIMITS, encoded, pattern, plain, png_that_claims};

#[test]
fn a_few_bytes_cannot_claim_a_large_picture() {
    // A GIF of 37 bytes whose frame has 39 megapixels.
    let gif = gif_of_one_pixel([0x1880; 2], [0, 0, 0x1880, 0x1880]);
    for (bytes, name) in [(gif, "GIF"), (png_that_claims(6_000, 6_000, b"x\x01\x03\0"), "PNG")] {
        let error = prepare(&bytes, &plain(8), &LIMITS).unwrap_err();
        assert!(matches!(&error, VisionError::Damaged { format, .. } if *format == name), "{error}");
        assert!(error.to_string().contains("bytes can't hold the 6"), "{error}");
    }
    // A plain area of a real picture is no bomb.
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
        let plain_area = encoded(&RgbImage::from_pixel(6_000, 6_000, image::Rgb([9, 9, 9])).into(), format);
        assert!(prepare(&plain_area, &plain(8), &LIMITS).is_ok(), "{format:?}: {} bytes", plain_area.len());
    }
}

#[test]
fn a_coding_that_is_not_known_is_no_damage() {
    let mut jpeg = encoded(&pattern(64, 64).into(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 1] = 0xc9;
    let error = prepare(&jpeg, &plain(8), &LIMITS).unwrap_err();
    assert_eq!(error, VisionError::Unsupported { format: "JPEG", reason: "arithmetic coding".to_owned() });
}
