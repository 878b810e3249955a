//! Files that lack something, or hold something wrong: whole, in part, or refused.

use image::{ImageFormat, RgbImage};

use super::super::*;
use super::{LIMITS, encoded, plain, png_chunk, reference};

/// Smooth and rough, so that every row of it takes bytes in every format.
fn drawn(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise =
            (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917) >> 27;
        image::Rgb([(x / 2 + noise) as u8, (y / 2 + noise) as u8, ((x + y) / 4 + 2 * noise) as u8])
    })
}

fn drawn_as(format: ImageFormat) -> Vec<u8> {
    encoded(&drawn(320, 240).into(), format)
}

fn decoded(bytes: &[u8]) -> Result<Decoded, VisionError> {
    decode::decode(bytes, &LIMITS)
}

/// Offset of a marker of a JPEG.
fn marker(jpeg: &[u8], marker: u8) -> usize {
    jpeg.windows(2).position(|pair| pair == [0xff, marker]).unwrap()
}

/// Offset of the first chunk of this kind, at its length field.
fn chunk(png: &[u8], kind: &[u8; 4]) -> usize {
    png.windows(4).position(|four| four == kind).unwrap() - 4
}

/// An interlaced PNG (PNG, section 8.2), its data in one stored block.
fn interlaced(picture: &RgbImage) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    let passes =
        [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)];
    let mut raw = Vec::new();
    for (column, columns, row, rows) in passes {
        for y in (row..height).step_by(rows) {
            raw.push(0);
            (column..width).step_by(columns).for_each(|x| raw.extend(picture.get_pixel(x, y).0));
        }
    }
    let length = u16::try_from(raw.len()).unwrap();
    let sum = raw.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    let data = [
        &[0x78, 0x01, 1][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        &raw,
        &(sum.1 << 16 | sum.0).to_be_bytes(),
    ];
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 1]].concat();
    let chunks = [png_chunk(b"IHDR", &header), png_chunk(b"IDAT", &data.concat()), png_chunk(b"IEND", b"")];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat()
}

/// Rows at the top that are as they should be.
fn rows_alike(part: &RgbImage, whole: &RgbImage) -> usize {
    part.rows().zip(whole.rows()).take_while(|(part, whole)| part.clone().eq(whole.clone())).count()
}

#[test]
fn what_decodes_to_a_whole_picture_counts_whatever_else_is_wrong() {
    let jpeg = drawn_as(ImageFormat::Jpeg);
    let png = drawn_as(ImageFormat::Png);
    let gif = drawn_as(ImageFormat::Gif);
    let webp = drawn_as(ImageFormat::WebP);
    let bmp = encoded(&drawn(321, 240).into(), ImageFormat::Bmp);
    let progressive = reference("progressive.jpg");
    let without = |bytes: &[u8], last: usize| bytes[..bytes.len() - last].to_vec();
    let with = |bytes: &[u8], more: &[u8]| [bytes, more].concat();
    let wrong_sum = |kind: &[u8; 4]| {
        let mut png = png.clone();
        let at = chunk(&png, kind);
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        png[at + 8 + length] ^= 0x55;
        png
    };
    let mut comment = png_chunk(b"tEXt", b"Comment\0drawn");
    *comment.last_mut().unwrap() ^= 1;
    let with_comment = [&png[..chunk(&png, b"IDAT")], &comment, &png[chunk(&png, b"IDAT")..]].concat();
    let interlaced = interlaced(&drawn(96, 64));
    for (case, bytes, intact) in [
        ("JPEG without end", without(&jpeg, 2), &jpeg),
        ("JPEG with more behind", with(&jpeg, &[7; 999]), &jpeg),
        ("JPEG with another behind", with(&jpeg, &jpeg), &jpeg),
        ("progressive JPEG", progressive.clone(), &progressive),
        ("progressive JPEG without end", without(&progressive, 2), &progressive),
        ("PNG without IEND", without(&png, 12), &png),
        ("PNG without the checksums of its data and IEND", without(&png, 20), &png),
        ("PNG with more behind", with(&png, b"garbage"), &png),
        ("PNG with a wrong sum of IHDR", wrong_sum(b"IHDR"), &png),
        ("PNG with a wrong sum of IDAT", wrong_sum(b"IDAT"), &png),
        ("PNG with a wrong sum of IEND", wrong_sum(b"IEND"), &png),
        ("PNG with a wrong sum of a comment", with_comment, &png),
        ("interlaced PNG", interlaced.clone(), &interlaced),
        ("interlaced PNG without IEND", without(&interlaced, 12), &interlaced),
        ("GIF without trailer", without(&gif, 1), &gif),
        ("GIF with more behind", with(&gif, b"garbage"), &gif),
        ("WebP with more behind", with(&webp, b"garbage"), &webp),
        ("BMP with more behind", with(&bmp, b"garbage"), &bmp),
        ("BMP without the padding of its last row", without(&bmp, 1), &bmp),
    ] {
        let found = decoded(&bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(!found.damaged, "{case} is damaged");
        assert!(found.picture == decoded(intact).unwrap().picture, "{case} shows something else");
        assert!(verify(&bytes, &LIMITS).is_ok(), "{case}");
    }
    assert!(decoded(&interlaced).unwrap().picture == drawn(96, 64));
}

#[test]
fn a_file_that_is_cut_decodes_in_part_and_is_damaged() {
    for (case, whole) in [
        ("JPEG", drawn_as(ImageFormat::Jpeg)),
        ("PNG", drawn_as(ImageFormat::Png)),
        ("GIF", drawn_as(ImageFormat::Gif)),
    ] {
        let intact = decoded(&whole).unwrap().picture;
        for percent in [10, 50, 90, 99] {
            let part = decoded(&whole[..whole.len() * percent / 100]);
            let part = part.unwrap_or_else(|error| panic!("{case} at {percent} %: {error}"));
            assert!(part.damaged, "{case} at {percent} %");
            let rows = rows_alike(&part.picture, &intact);
            let least = 240 * percent.saturating_sub(8) / 100;
            assert!((least..240).contains(&rows), "{case} at {percent} %: {rows} rows");
            assert!(percent > 90 || part.picture.get_pixel(319, 239).0 == [128; 3], "{case} at {percent} %");
        }
    }
    let progressive = reference("progressive.jpg");
    let interlaced = interlaced(&drawn(96, 64));
    let bmp = drawn_as(ImageFormat::Bmp);
    for (case, whole) in [("progressive JPEG", progressive), ("interlaced PNG", interlaced), ("BMP", bmp)] {
        for percent in [50, 90, 99] {
            let part = &whole[..whole.len() * percent / 100];
            assert!(
                decoded(part).unwrap_or_else(|error| panic!("{case}: {error}")).damaged,
                "{case} at {percent} %"
            );
            assert!(
                matches!(verify(part, &LIMITS), Err(VisionError::Damaged { .. })),
                "{case} at {percent} %"
            );
            assert!(inspect(part, &LIMITS).is_ok(), "{case} at {percent} %");
            assert!(prepare(part, &plain(8), &LIMITS).unwrap().damaged, "{case} at {percent} %");
        }
    }
}

#[test]
fn a_cut_that_looks_like_an_end_is_damage_too() {
    let jpeg = drawn_as(ImageFormat::Jpeg);
    let half = &jpeg[..jpeg.len() / 2];
    let ended = [half, &[0xff, 0xd9]].concat();
    let never_filled = [half, &vec![0; jpeg.len() - half.len()]].concat();
    let png = drawn_as(ImageFormat::Png);
    let data = chunk(&png, b"IDAT");
    let little = &png[data + 8..data + 8 + 20_000];
    let little_data = [&png[..data], &png_chunk(b"IDAT", little), &png_chunk(b"IEND", b"")].concat();
    for (case, bytes) in [
        ("JPEG with an end marker too early", ended),
        ("JPEG that was never filled", never_filled),
        ("PNG with too little data", little_data),
    ] {
        assert!(decoded(&bytes).unwrap_or_else(|error| panic!("{case}: {error}")).damaged, "{case}");
    }
    // A progressive picture of all whose scans but the first nothing is there.
    let progressive = reference("progressive.jpg");
    let scans: Vec<usize> =
        (0..progressive.len() - 1).filter(|at| progressive[*at..].starts_with(&[0xff, 0xda])).collect();
    for scan in &scans[1..] {
        assert!(decoded(&progressive[..*scan]).unwrap().damaged, "cut before the scan at {scan}");
    }
}

#[test]
fn garbage_among_the_data_is_damage() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif] {
        let whole = drawn_as(format);
        for fill in [0x00, 0x5a, 0xff] {
            let mut bytes = whole.clone();
            let middle = whole.len() / 2;
            bytes[middle..middle + 2_000].fill(fill);
            let found = decoded(&bytes).unwrap_or_else(|error| panic!("{format:?} with {fill}: {error}"));
            assert!(found.damaged, "{format:?} with {fill}");
        }
        let lost = [&whole[..whole.len() / 2], &whole[whole.len() / 2 + 2_000..]].concat();
        assert!(decoded(&lost).unwrap_or_else(|error| panic!("{format:?}: {error}")).damaged, "{format:?}");
    }
    // Small pictures leave the inflater in one piece.
    let small = encoded(&drawn(40, 40).into(), ImageFormat::Png);
    let mut bytes = small.clone();
    bytes[small.len() * 3 / 4..][..100].fill(0xff);
    assert!(decoded(&bytes).unwrap().damaged);
}

#[test]
fn what_does_not_decode_is_refused_as_damaged() {
    let jpeg = drawn_as(ImageFormat::Jpeg);
    let scan = marker(&jpeg, 0xda);
    let png = drawn_as(ImageFormat::Png);
    let webp = drawn_as(ImageFormat::WebP);
    let lossy = reference("lossy.webp");
    for (case, bytes) in [
        ("JPEG without a scan", &jpeg[..scan]),
        ("JPEG without data", &jpeg[..scan + 14]),
        ("PNG without data", &png[..chunk(&png, b"IDAT") + 8]),
        ("PNG without header", &png[..20]),
        ("half a lossless WebP", &webp[..webp.len() / 2]),
        ("a lossy WebP without its end", &lossy[..lossy.len() - 40]),
        ("BMP without pixels", &drawn_as(ImageFormat::Bmp)[..60]),
        ("GIF without data", &drawn_as(ImageFormat::Gif)[..13]),
    ] {
        let refused = decoded(bytes).map(|found| found.damaged);
        assert!(matches!(refused, Err(VisionError::Damaged { .. })), "{case}: {refused:?}");
    }
}

#[test]
fn a_coding_that_is_not_read_is_named() {
    let jpeg = drawn_as(ImageFormat::Jpeg);
    let frame = marker(&jpeg, 0xc0);
    let with = |at: usize, value: u8| {
        let mut jpeg = jpeg.clone();
        jpeg[at] = value;
        jpeg
    };
    let mut without_height = jpeg.clone();
    without_height[frame + 5..frame + 7].fill(0);
    let mut apple = b"\x89PNG\r\n\x1a\n".to_vec();
    apple.extend(png_chunk(b"CgBI", &[0x50, 0, 0x20, 6]));
    for (bytes, reason) in [
        (with(frame + 1, 0xc3), "lossless coding"),
        (with(frame + 1, 0xc5), "hierarchical coding"),
        (with(frame + 1, 0xc9), "arithmetic coding"),
        (with(frame + 1, 0xca), "arithmetic coding"),
        (with(frame + 1, 0xf7), "JPEG-LS"),
        (with(frame + 4, 12), "12 bits a sample"),
        (without_height, "a height that is told after the picture"),
        (apple, "a variant of Xcode's own (CgBI)"),
    ] {
        match decoded(&bytes).map(|found| found.damaged) {
            Err(VisionError::Unsupported { reason: found, .. }) => assert_eq!(found, reason),
            other => panic!("{reason}: {other:?}"),
        }
    }
}

/// A grey JPEG of 64 x 32 px with a restart marker after every four blocks, and the places of the markers.
fn with_restarts() -> (Vec<u8>, Vec<usize>) {
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    };
    // Huffman codes: `0` for no difference and `10` for one of six bits; `0` for the end of a block.
    let table = |class: u8, lengths: [u8; 2], symbols: &[u8]| {
        segment(0xc4, &[&[class][..], &lengths, &[0; 14], symbols].concat())
    };
    let mut jpeg = [
        vec![0xff, 0xd8],
        segment(0xdb, &[&[0][..], &[8; 64]].concat()),
        segment(0xc0, &[8, 0, 32, 0, 64, 1, 1, 0x11, 0]),
        table(0x00, [1, 1], &[0, 6]),
        table(0x10, [1, 0], &[0]),
        segment(0xdd, &[0, 4]),
        segment(0xda, &[1, 1, 0, 0, 63, 0]),
    ]
    .concat();
    let mut markers = Vec::new();
    for stretch in 0..8 {
        // A difference of 32 and more, and three blocks without one.
        jpeg.extend([0b1010_0000 | (3 * stretch), 0b0000_0001]);
        markers.push(jpeg.len());
        jpeg.extend([0xff, if stretch == 7 { 0xd9 } else { 0xd0 + stretch }]);
    }
    (jpeg, markers)
}

#[test]
fn data_that_are_missing_before_a_restart_marker_are_damage() {
    let (whole, markers) = with_restarts();
    let intact = decoded(&whole).unwrap();
    assert!(!intact.damaged);
    let shades: std::collections::BTreeSet<_> = intact.picture.pixels().map(|pixel| pixel.0).collect();
    assert_eq!(shades.len(), 8, "one of each stretch");
    let without = |place: std::ops::Range<usize>| [&whole[..place.start], &whole[place.end..]].concat();
    let middle = markers[4];
    for (case, bytes) in [
        ("the marker", without(middle..middle + 2)),
        ("the data", without(middle - 2..middle)),
        ("half of the data", without(middle - 1..middle)),
        ("data and marker", without(middle - 2..middle + 2)),
        ("the rest", whole[..middle].to_vec()),
    ] {
        assert!(decoded(&bytes).unwrap_or_else(|error| panic!("{case}: {error}")).damaged, "without {case}");
    }
}
