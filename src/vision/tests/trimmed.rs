//! Parts of a file that are not decoded, and the time limit for the others.

use std::time::Duration;

use image::{GrayImage, ImageFormat, RgbImage};

use super::super::trimmed::trimmed;
use super::super::*;
use super::{LIMITS, encoded, pattern, plain, png, png_chunk};

/// A GIF whose file holds one white pixel, whatever its canvas (width, height) and frame (left, top, width, height) say.
pub fn gif_of_one_pixel(canvas: [u16; 2], frame: [u16; 4]) -> Vec<u8> {
    let bytes = |numbers: &[u16]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    [
        &b"GIF89a"[..],
        &bytes(&canvas),
        &[0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff],
        // A comment and a delay stand before the frame.
        b"\x21\xfe\x02hi\0\x21\xf9\x04\0\x05\0\0\0",
        &[0x2c],
        &bytes(&frame),
        &[0, 2, 2, 0x4c, 1, 0, 0x3b],
    ]
    .concat()
}

#[test]
fn of_a_gif_the_first_frame_s_rectangle_is_decoded_and_not_its_canvas() {
    let gif = gif_of_one_pixel([6_000, 6_000], [5_000, 40, 1, 1]);
    let described = describe(&gif).unwrap();
    assert_eq!((described.width, described.height), (1, 1));
    assert_eq!(prepare(&gif, &plain(1), &LIMITS).unwrap().pixels, [255.0; 3]);
    // A frame beyond its canvas counts as itself.
    let error = prepare(&gif_of_one_pixel([1, 1], [0, 0, 20_000, 20_000]), &plain(1), &LIMITS).unwrap_err();
    assert!(matches!(error, VisionError::TooManyPixels { width: 20_000, .. }), "{error}");
    let whole = encoded(&pattern(64, 48).into(), ImageFormat::Gif);
    assert_eq!(*trimmed(ImageFormat::Gif, &whole), whole[..]);
    for cut in 1..gif.len() - 9 {
        assert!(prepare(&gif[..cut], &plain(1), &LIMITS).is_err(), "{cut} bytes");
    }
}

#[test]
fn the_colour_profile_of_a_png_is_not_unpacked() {
    // 100 MB of zeros in 100 kB: what a plain picture's pixels are packed to.
    let plain_area = encoded(&GrayImage::new(10_000, 10_000).into(), ImageFormat::Png);
    let packed: Vec<u8> =
        chunks(&plain_area).filter(|(kind, _)| kind == b"IDAT").flat_map(|(_, data)| data).collect();
    let picture = png(pattern(97, 61));
    let profile = png_chunk(b"iCCP", &[b"grey\0\0", &packed[..]].concat());
    let (start, rest) = picture.split_at(8 + 25);
    let with_profile = [start, &profile, rest].concat();
    assert!(packed.len() < 1_000_000 && with_profile.len() > packed.len());

    assert_eq!(*trimmed(ImageFormat::Png, &with_profile), picture[..]);
    assert_eq!(*trimmed(ImageFormat::Png, &picture), picture[..]);
    assert_eq!(prepare(&with_profile, &plain(16), &LIMITS), prepare(&picture, &plain(16), &LIMITS));
    for cut in [1, 7, 20, 33, 40, 60, 60_000] {
        assert!(prepare(&with_profile[..cut], &plain(1), &LIMITS).is_err(), "{cut} bytes");
    }
}

fn chunks(png: &[u8]) -> impl Iterator<Item = ([u8; 4], Vec<u8>)> {
    let mut rest = &png[8..];
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (data, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        rest = &after[4..];
        Some((*kind, data.to_vec()))
    })
}

#[test]
fn a_file_is_not_read_for_longer_than_its_time() {
    let picture = RgbImage::from_pixel(64, 64, image::Rgb([9, 9, 9]));
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Jpeg]
    {
        let bytes = encoded(&picture.clone().into(), format);
        let error = decode::decode_within(&bytes, &LIMITS, Duration::ZERO).err().unwrap();
        assert!(matches!(error, VisionError::TooSlow { .. }), "{format:?}: {error}");
    }
}

/// A grey progressive JPEG of that many scans: one of the means, and each other one goes over all blocks in a few bytes.
fn jpeg_of_scans(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        [&[0xff, marker][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
    };
    // Tables of one code each, a single 0 bit: no difference, and no coefficients in the next 16,384 blocks and as many more as
    // 14 bits say.
    let table = |class: u8, symbol: u8| segment(0xc4, &[&[class, 1][..], &[0; 15], &[symbol]].concat());
    let scan = |from: u8, to: u8, bits: Vec<u8>| [segment(0xda, &[1, 1, 0, from, to, 0]), bits].concat();
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    let mut run = String::new();
    (0..blocks.div_ceil(32_767)).for_each(|_| run.push_str("011111111111111"));
    run.push_str(&"1".repeat(run.len().next_multiple_of(8) - run.len()));
    let bytes =
        run.as_bytes().chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')));
    let run: Vec<u8> =
        bytes.flat_map(|byte: u8| if byte == 0xff { vec![byte, 0] } else { vec![byte] }).collect();
    let [high, low] = height.to_be_bytes();
    let [wide, narrow] = width.to_be_bytes();
    let head = [
        vec![0xff, 0xd8],
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(0xc2, &[8, high, low, wide, narrow, 1, 1, 0x11, 0]),
        table(0, 0),
        table(0x10, 0xe0),
        scan(0, 0, vec![0; blocks.div_ceil(8)]),
    ];
    let others = scan(1, 63, run).repeat(scans - 1);
    [head.concat(), others, vec![0xff, 0xd9]].concat()
}

#[test]
fn the_scans_of_a_jpeg_are_counted() {
    let most = jpeg_of_scans(6_000, 6_600, 100);
    let grey = prepare(&most, &plain(8), &LIMITS).unwrap();
    assert!(grey.pixels.iter().all(|value| *value == 128.0));
    let error = prepare(&jpeg_of_scans(64, 64, 101), &plain(8), &LIMITS).unwrap_err();
    assert!(error.to_string().contains("scans"), "{error}");
}
