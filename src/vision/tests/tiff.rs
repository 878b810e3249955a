//! TIFFs: drawn ones, odd ones, and ones that claim too much.

use image::{DynamicImage, ImageFormat, Rgb, Rgb32FImage, RgbImage};

use super::super::*;
use super::{LIMITS, encoded, pattern, plain, png, prepared};

/// A TIFF, little-endian, of these entries (tag, type, value) and the data behind them, which begins at [`data_at`].
fn tiff(entries: &[(u16, u16, u32)], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    assert_eq!(bytes.len() as u32, data_at(entries.len()));
    [&bytes, data].concat()
}

const fn data_at(entries: usize) -> u32 {
    8 + 2 + 12 * entries as u32 + 4
}

/// A grey picture in one strip with this compression (1 none, 5 LZW, 8 Deflate, 32,773 runs).
fn grey(width: u32, height: u32, compression: u32, data: &[u8]) -> Vec<u8> {
    let entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, compression),
        (262, 3, 1),
        (273, 4, data_at(9)),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, data.len() as u32),
    ];
    tiff(&entries, data)
}

#[test]
fn a_drawn_tiff_gives_the_pixels_of_a_png() {
    let picture = pattern(97, 61);
    let drawn = encoded(&picture.clone().into(), ImageFormat::Tiff);
    assert_eq!(prepared(&drawn, 32), prepared(&png(picture.clone()), 32));
    assert_eq!(describe(&drawn).unwrap(), Described { format: "TIFF", width: 97, height: 61 });
    let colours = DynamicImage::from(picture);
    for other in [
        DynamicImage::from(colours.to_luma8()),
        colours.to_luma16().into(),
        colours.to_rgba8().into(),
        colours.to_rgb16().into(),
        colours.to_rgba16().into(),
    ] {
        let drawn = encoded(&other, ImageFormat::Tiff);
        let png = encoded(&other, ImageFormat::Png);
        assert_eq!(prepared(&drawn, 32), prepared(&png, 32), "{:?}", other.color());
    }
}

#[test]
fn a_tiff_is_turned_as_its_header_says() {
    // 3 x 2 px, grey, to be turned by 90 degrees (6): what is left below comes to the upper left.
    let entries = [
        (256, 4, 3),
        (257, 4, 2),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, data_at(10)),
        (274, 3, 6),
        (277, 3, 1),
        (278, 4, 2),
        (279, 4, 6),
    ];
    let turned = tiff(&entries, &[10, 20, 30, 40, 50, 60]);
    assert_eq!(describe(&turned).unwrap(), Described { format: "TIFF", width: 2, height: 3 });
    let upright =
        RgbImage::from_fn(2, 3, |x, y| Rgb([[[40, 10], [50, 20], [60, 30]][y as usize][x as usize]; 3]));
    assert_eq!(prepared(&turned, 6), prepared(&png(upright), 6));
}

#[test]
fn runs_are_unpacked() {
    // PackBits: 64 times 7, and again.
    let packed = grey(16, 8, 32_773, &[0xc1, 7, 0xc1, 7]);
    assert!(prepared(&packed, 8).iter().all(|value| *value == 7));
}

#[test]
fn what_a_tiff_may_hold_and_is_not_read_is_named() {
    let float = Rgb32FImage::from_pixel(8, 8, Rgb([0.5; 3]));
    let error = prepare(&encoded(&float.into(), ImageFormat::Tiff), &plain(8), &LIMITS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the TIFF uses what can't be read here: floating-point samples; save it as plain JPEG or PNG"
    );
    for (what, bytes) in [("a palette", [(262, 3)]), ("YCbCr", [(262, 6)])].map(|(what, changed)| {
        let mut entries = vec![
            (256, 4, 8),
            (257, 4, 8),
            (258, 3, 8),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, data_at(9)),
            (277, 3, 1),
            (278, 4, 8),
            (279, 4, 64),
        ];
        for (tag, value) in changed {
            entries.iter_mut().filter(|entry| entry.0 == tag).for_each(|entry| entry.2 = value);
        }
        (what, tiff(&entries, &[0; 64]))
    }) {
        let error = prepare(&bytes, &plain(8), &LIMITS).unwrap_err();
        assert!(matches!(error, VisionError::Unsupported { format: "TIFF", .. }), "{what}: {error}");
    }
    // A compression that nobody has.
    let error = prepare(&grey(8, 8, 4_711, &[0; 64]), &plain(8), &LIMITS).unwrap_err();
    assert!(matches!(error, VisionError::Unsupported { format: "TIFF", .. }), "{error}");
}

#[test]
fn a_tiff_that_claims_too_much_is_refused_before_it_is_decoded() {
    let claims = |width, height, compression| {
        prepare(&grey(width, height, compression, &[0; 100]), &plain(8), &LIMITS).unwrap_err()
    };
    for compression in [1, 5, 8, 32_773] {
        let error = claims(6_000, 6_000, compression);
        assert!(error.to_string().contains("bytes can't hold the 6000 x 6000 px"), "{compression}: {error}");
    }
    assert!(matches!(claims(20_000, 20_000, 8), VisionError::TooManyPixels { .. }));
    assert!(matches!(claims(100_000, 1, 8), VisionError::TooLong { .. }));
    assert!(matches!(claims(0, 5, 8), VisionError::Damaged { .. }));

    // Both of an image's copies count: 16-bit colours take 15 bytes a pixel.
    let deep = DynamicImage::from(pattern(100, 100)).to_rgb16();
    let bytes = encoded(&deep.into(), ImageFormat::Tiff);
    let limits = |max_pixels| Limits { max_pixels, ..LIMITS };
    assert!(prepare(&bytes, &plain(8), &limits(13_637)).is_ok());
    let error = prepare(&bytes, &plain(8), &limits(13_636)).unwrap_err();
    assert_eq!(error, VisionError::TooMuchMemory { format: "TIFF", limit: 149_996 });
}

#[test]
fn a_tile_larger_than_the_picture_takes_no_memory() {
    for side in [16_384, 65_520] {
        let entries = [
            (256, 4, 10),
            (257, 4, 10),
            (258, 3, 8),
            (259, 3, 8),
            (262, 3, 1),
            (277, 3, 1),
            (322, 4, side),
            (323, 4, side),
            (324, 4, data_at(10)),
            (325, 4, 8),
        ];
        let bytes = tiff(&entries, &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]);
        let error = prepare(&bytes, &plain(8), &LIMITS).unwrap_err();
        let refused = matches!(error, VisionError::TooMuchMemory { .. } | VisionError::Damaged { .. });
        assert!(refused, "{side}: {error}");
    }
}

#[test]
fn a_cut_tiff_is_damaged_wherever_it_is_cut() {
    let whole = encoded(&pattern(40, 30).into(), ImageFormat::Tiff);
    for length in (4..whole.len()).step_by(7) {
        let error = prepare(&whole[..length], &plain(8), &LIMITS).unwrap_err();
        let named = matches!(
            error,
            VisionError::Damaged { format: "TIFF", .. } | VisionError::Unsupported { format: "TIFF", .. }
        );
        assert!(named, "{length} of {}: {error}", whole.len());
    }
}
