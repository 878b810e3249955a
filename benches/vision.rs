//! How long one image takes from its bytes to the backbone's input, on one thread.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use weathervane::vision::{Input, Limits, describe, prepare};

const LIMITS: Limits = Limits { max_bytes: 20_000_000, max_pixels: 100_000_000 };

/// What the default backbone asks for.
const INPUT: Input = Input { px: 160, mean: [127.0; 3], scale: [1.0 / 128.0; 3] };

/// A JPEG of about a photograph's entropy: waves of several lengths with a little noise on top.
fn photograph(width: u32, height: u32) -> Vec<u8> {
    let mut seed = 1_u32;
    let image = RgbImage::from_fn(width, height, |x, y| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y, noise) = (x as f32, y as f32, (seed >> 24) as f32 / 16.0);
        let wave = |length: f32| ((x + 0.6 * y) / length).sin() * ((y - 0.3 * x) / length).cos();
        Rgb([wave(90.0), wave(37.0), wave(13.0)].map(|value| (120.0 + 90.0 * value + noise) as u8))
    });
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 88).encode_image(&image).expect("a JPEG in memory");
    jpeg
}

fn prepare_jpegs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("vision");
    for (width, height) in [(320, 240), (640, 480), (1920, 1080)] {
        let bytes = photograph(width, height);
        let size = format!("{width}x{height}");
        group.bench_function(BenchmarkId::new("prepare", &size), |bencher| {
            bencher.iter(|| prepare(black_box(&bytes), &INPUT, &LIMITS));
        });
        group.bench_function(BenchmarkId::new("describe", &size), |bencher| {
            bencher.iter(|| describe(black_box(&bytes)));
        });
    }
    group.finish();
}

criterion_group!(benches, prepare_jpegs);
criterion_main!(benches);
