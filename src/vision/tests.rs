//! Whole files through the whole room.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, RgbImage};
use proptest::prelude::*;

use super::*;

mod claims;
mod damaged;
mod regions;
mod tiff;
mod trimmed;

const LIMITS: Limits = Limits { max_bytes: 20_000_000, max_pixels: 100_000_000 };

/// Plain bytes 0..255, so that results compare with images.
const fn plain(px: usize) -> Input {
    Input { px, mean: [0.0; 3], scale: [1.0; 3] }
}

/// As in `tests/reference/vision.py`: a ramp in x, a ramp in y, a checker of 8 px.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let ramp = |at: u32, length: u32| (at * 255 / (length - 1)) as u8;
        image::Rgb([ramp(x, width), ramp(y, height), 255 * ((x / 8 + y / 8) % 2) as u8])
    })
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(image: RgbImage) -> Vec<u8> {
    encoded(&image.into(), ImageFormat::Png)
}

fn reference(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/vision").join(name)).unwrap()
}

/// The planes of [`prepare`] with [`plain`] as interleaved bytes.
fn prepared(bytes: &[u8], px: usize) -> Vec<u8> {
    let planes = prepare(bytes, &plain(px), &LIMITS).unwrap().pixels;
    assert_eq!(planes.len(), 3 * px * px);
    (0..3 * px * px).map(|i| planes[i % 3 * px * px + i / 3] as u8).collect()
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn resizing_gives_pillow_s_pixels_within_one_step() {
    for (width, height, px) in [(97, 61, 32), (97, 61, 160), (500, 333, 160)] {
        let pillow =
            image::load_from_memory(&reference(&format!("resize-{width}x{height}-{px}.png"))).unwrap();
        let difference = largest_difference(&prepared(&png(pattern(width, height)), px), pillow.as_bytes());
        assert!(difference <= 1, "{width} x {height} to {px}: {difference}");
    }
}

#[test]
fn decoding_gives_pillow_s_pixels() {
    // Lossless formats exactly. Lossy ones differ in the inverse DCT and in how chroma is enlarged, which shows at
    // the hard edges of the checker's blue: so a bound on the mean, and a wide one on the single value.
    for (name, largest, mean) in [
        ("palette.png", 0, 0.0),
        ("bilevel.png", 0, 0.0),
        ("palette.bmp", 0, 0.0),
        ("animated.gif", 0, 0.0),
        ("animated.webp", 0, 0.0),
        ("grey.jpg", 2, 0.3),
        ("baseline.jpg", 8, 0.6),
        ("progressive.jpg", 8, 0.6),
        ("cmyk.jpg", 4, 0.5),
        ("lossy.webp", 8, 0.6),
    ] {
        let pillow = image::load_from_memory(&reference(&format!("{name}-decoded.png"))).unwrap().into_rgb8();
        let Decoded { picture: ours, damaged, .. } = decode::decode(&reference(name), &LIMITS).unwrap();
        assert!(!damaged, "{name}");
        assert_eq!(ours.dimensions(), (97, 61), "{name}");
        let worst = largest_difference(&ours, &pillow);
        let average = mean_difference(&ours, &pillow);
        assert!(worst <= largest && average <= mean, "{name}: largest {worst}, mean {average:.3}");
    }
}

#[test]
fn every_colour_type_of_every_format_becomes_the_same_rgb() {
    let colour = DynamicImage::from(pattern(97, 61));
    let grey = DynamicImage::from(colour.to_luma8());
    let all = |image: &DynamicImage| {
        vec![
            image.clone(),
            image.to_rgba8().into(),
            image.to_rgb16().into(),
            image.to_rgba16().into(),
            image.to_rgb32f().into(),
        ]
    };
    let greys =
        [grey.clone(), grey.to_luma_alpha8().into(), grey.to_luma16().into(), grey.to_luma_alpha16().into()];
    let mut tried = 0;
    for (images, expected) in [(all(&colour), colour.to_rgb8()), (greys.to_vec(), grey.to_rgb8())] {
        let expected = prepared(&png(expected), 32);
        for image in images {
            for format in
                [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Jpeg, ImageFormat::Gif]
            {
                let mut bytes = Cursor::new(Vec::new());
                if image.write_to(&mut bytes, format).is_err() {
                    continue; // the format has no such colour type
                }
                let difference = mean_difference(&prepared(&bytes.into_inner(), 32), &expected);
                let allowed = if matches!(format, ImageFormat::Jpeg | ImageFormat::Gif) { 6.0 } else { 0.0 };
                assert!(difference <= allowed, "{:?} as {format:?}: {difference:.2}", image.color());
                tried += 1;
            }
        }
    }
    assert!(tried >= 20, "{tried} combinations");
}

#[test]
fn transparency_is_dropped_not_blended() {
    let clear = image::RgbaImage::from_pixel(4, 4, image::Rgba([10, 20, 30, 0]));
    let bytes = encoded(&clear.into(), ImageFormat::Png);
    assert_eq!(prepared(&bytes, 1), [10, 20, 30]);
}

#[test]
fn numbers_are_normalised_channel_by_channel() {
    let bytes = png(RgbImage::from_pixel(3, 2, image::Rgb([255, 127, 0])));
    let input = Input { px: 2, mean: [127.0, 127.0, 100.0], scale: [1.0 / 128.0, 2.0, 0.5] };
    let planes = prepare(&bytes, &input, &LIMITS).unwrap().pixels;
    assert_eq!(planes, [[1.0; 4], [0.0; 4], [-50.0; 4]].concat());
}

/// A JPEG with an EXIF block that holds nothing but the orientation (EXIF 2.32, tag 0x0112).
fn jpeg_with_orientation(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 100).encode_image(image).unwrap();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let segment = [&[0xff, 0xe1][..], &length[..], &exif[..]].concat();
    jpeg.splice(2..2, segment);
    jpeg
}

#[test]
fn all_eight_exif_orientations_show_the_same_picture() {
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    let upright = pattern(96, 64);
    let expected = prepared(&jpeg_with_orientation(&upright, 1), 32);
    // The picture as the camera stored it, so that the orientation's rotation makes it upright again.
    let stored: [(u8, RgbImage); 8] = [
        (1, upright.clone()),
        (2, flip_horizontal(&upright)),
        (3, rotate180(&upright)),
        (4, flip_vertical(&upright)),
        (5, flip_horizontal(&rotate90(&upright))),
        (6, rotate270(&upright)),
        (7, flip_horizontal(&rotate270(&upright))),
        (8, rotate90(&upright)),
    ];
    for (orientation, image) in stored {
        let bytes = jpeg_with_orientation(&image, orientation);
        let difference = mean_difference(&prepared(&bytes, 32), &expected);
        assert!(difference <= 1.0, "orientation {orientation}: {difference:.2}");
        let shown = describe(&bytes).unwrap();
        assert_eq!((shown.format, shown.width, shown.height), ("JPEG", 96, 64), "orientation {orientation}");
    }
    for broken in [0, 9, 255] {
        assert_eq!(prepared(&jpeg_with_orientation(&upright, broken), 32), expected);
    }
}

#[test]
fn limits_are_checked_before_anything_is_decoded() {
    let bytes = png(pattern(97, 61));
    let few = Limits { max_bytes: bytes.len() - 1, ..LIMITS };
    let too_many = VisionError::TooManyBytes { bytes: bytes.len() as u64, limit: few.max_bytes as u64 };
    assert_eq!(prepare(&bytes, &plain(8), &few), Err(too_many));
    let small = Limits { max_pixels: 97 * 61 - 1, ..LIMITS };
    let too_large = VisionError::TooManyPixels { width: 97, height: 61, limit: small.max_pixels };
    assert_eq!(prepare(&bytes, &plain(8), &small), Err(too_large));
    assert!(prepare(&bytes, &plain(8), &Limits { max_bytes: bytes.len(), max_pixels: 97 * 61 }).is_ok());
}

fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let sum = [kind, data].concat().iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    });
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &(!sum).to_be_bytes()].concat()
}

/// A PNG's start with a chosen size; `body` follows as its only data chunk.
fn png_that_claims(width: u32, height: u32, body: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let chunks = [png_chunk(b"IHDR", &header), png_chunk(b"IDAT", body), png_chunk(b"IEND", b"")];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat()
}

#[test]
fn sizes_that_no_memory_holds_are_refused_by_the_header() {
    let started = std::time::Instant::now();
    let refused = |bytes: &[u8]| prepare(bytes, &plain(8), &LIMITS).unwrap_err();
    let huge = VisionError::TooManyPixels { width: 50_000, height: 50_000, limit: LIMITS.max_pixels };
    assert_eq!(refused(&png_that_claims(50_000, 50_000, b"")), huge);
    assert_eq!(
        refused(&png_that_claims(100_000_000, 1, b"")),
        VisionError::TooLong { width: 100_000_000, height: 1 }
    );
    // Rows of more bytes than can be counted: the decoder itself gives up.
    let endless = refused(&png_that_claims(u32::MAX >> 1, u32::MAX >> 1, b""));
    assert!(matches!(endless, VisionError::TooMuchMemory { format: "PNG", .. }), "{endless}");
    assert!(matches!(refused(&png_that_claims(0, 7, b"")), VisionError::Damaged { .. }));

    let mut bmp = encoded(&pattern(8, 8).into(), ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[0x50, 0xc3, 0, 0, 0x50, 0xc3, 0, 0]);
    assert_eq!(refused(&bmp), huge);
    let mut gif = encoded(&pattern(8, 8).into(), ImageFormat::Gif);
    let frame = gif.windows(9).position(|nine| nine == [0x2c, 0, 0, 0, 0, 8, 0, 8, 0]).unwrap();
    gif[frame + 5..frame + 9].copy_from_slice(&[0x50, 0xc3, 0x50, 0xc3]);
    assert_eq!(refused(&gif), huge);
    let mut jpeg = encoded(&pattern(8, 8).into(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xc3, 0x50, 0xc3, 0x50]);
    assert_eq!(refused(&jpeg), huge);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn an_image_that_lies_about_its_size_is_damaged() {
    // Within the limits, but the bytes hold far less than the header announces.
    let mut jpeg = encoded(&pattern(8, 8).into(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
    // A canvas of 97 x 61 with a lossy frame of 16,383 x 16,383.
    let lossy = reference("lossy.webp");
    let mut frame_header = lossy[12..].to_vec();
    frame_header[14..18].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    let canvas = b"VP8X\x0a\0\0\0\0\0\0\0\x60\0\0\x3c\0\0";
    let length = (4 + canvas.len() + frame_header.len()) as u32;
    let webp = [b"RIFF", &length.to_le_bytes()[..], b"WEBP", canvas, &frame_header].concat();
    for (bytes, name) in [(jpeg, "JPEG"), (png_that_claims(9_000, 9_000, b"x\x01\x03\0"), "PNG")] {
        let error = prepare(&bytes, &plain(8), &LIMITS).unwrap_err();
        assert!(matches!(error, VisionError::Damaged { format, .. } if format == name), "{error}");
    }
    let error = prepare(&webp, &plain(8), &LIMITS).unwrap_err();
    assert!(matches!(error, VisionError::TooManyPixels { width: 16_383, .. }), "{error}");
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    assert_eq!(prepare(b"", &plain(8), &LIMITS), Err(VisionError::Empty));
    let page = prepare(b"<!doctype html><title>Log in</title>", &plain(8), &LIMITS).unwrap_err();
    assert_eq!(page, VisionError::UnknownFormat { looks_like: "an HTML page (a login or error page?)" });
    let heic = prepare(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", &plain(8), &LIMITS).unwrap_err();
    assert_eq!(heic, VisionError::UnknownFormat { looks_like: "a HEIC image" });
    assert_eq!(describe(b"").unwrap_err(), VisionError::Empty);
    for px in [0, MAX_SIDE_PX as usize + 1] {
        assert_eq!(prepare(&png(pattern(8, 8)), &plain(px), &LIMITS), Err(VisionError::Side { px }));
    }
}

#[test]
fn a_truncated_file_is_damaged_or_partly_shown_but_never_a_panic() {
    let names = [
        "baseline.jpg",
        "progressive.jpg",
        "palette.png",
        "lossy.webp",
        "animated.webp",
        "animated.gif",
        "palette.bmp",
    ];
    for name in names {
        let whole = reference(name);
        for end in 0..whole.len() {
            let _ = describe(&whole[..end]);
            if let Err(error) = prepare(&whole[..end], &plain(4), &LIMITS) {
                assert!(!error.to_string().is_empty());
            } else {
                assert!(end > 30, "{name} from {end} bytes");
            }
        }
    }
}

#[test]
fn a_thumbnail_is_a_small_upright_jpeg() {
    let sideways = jpeg_with_orientation(&pattern(400, 100), 6);
    let small = describe(&thumbnail(&sideways, 64, &LIMITS).unwrap()).unwrap();
    assert_eq!(small, Described { format: "JPEG", width: 16, height: 64 });
    let tiny = describe(&thumbnail(&png(pattern(9, 8)), 64, &LIMITS).unwrap()).unwrap();
    assert_eq!((tiny.width, tiny.height), (9, 8));
    let line = describe(&thumbnail(&png(pattern(2_000, 2)), 64, &LIMITS).unwrap()).unwrap();
    assert_eq!((line.width, line.height), (64, 1));
    assert_eq!(thumbnail(&sideways, 0, &LIMITS), Err(VisionError::Side { px: 0 }));
}

/// The folder with the photographs, which are no part of the repository.
fn photographs() -> PathBuf {
    match std::env::var_os("WEATHERVANE_WEATHER4") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
    }
}

#[test]
fn photographs_with_a_wrong_name_or_colour_type_are_read() {
    let folder = photographs().join("weather4-oddities");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no folder `{}`; set WEATHERVANE_WEATHER4", folder.display());
        return;
    };
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 10);
    for file in files {
        let Prepared { pixels: planes, damaged } =
            prepare(&std::fs::read(&file).unwrap(), &plain(64), &LIMITS).unwrap();
        assert!(!damaged, "{}", file.display());
        let distinct =
            planes.iter().map(|value| *value as u8).collect::<std::collections::BTreeSet<_>>().len();
        assert!(distinct > 50, "{}: only {distinct} values", file.display());
    }
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let names = [
        "baseline.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "grey.jpg",
        "palette.png",
        "bilevel.png",
        "lossy.webp",
        "animated.webp",
        "animated.gif",
        "palette.bmp",
    ];
    proptest::sample::select(names.map(reference).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in 0..8_usize) {
        let magics: [&[u8]; 8] = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBPVP8 ",
            b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\xff\0\0\0WEBPVP8L"];
        let bytes = [magics[magic], &bytes].concat();
        let _ = describe(&bytes);
        let _ = prepare(&bytes, &plain(4), &Limits { max_pixels: 4_000_000, ..LIMITS });
    }

    #[test]
    fn changed_files_never_panic(
        file in any_file(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = file;
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = describe(&bytes);
        let _ = prepare(&bytes, &plain(4), &Limits { max_pixels: 4_000_000, ..LIMITS });
    }
}
