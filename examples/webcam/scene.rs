//! What the webcam sees on a day: sky, mountains, clouds, season and light, all by chance from the date.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageResult, Rgb, RgbImage};
use jiff::civil::Date;

/// Pixels.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

/// JPEG quality, 1 to 100, as webcams have it.
const QUALITY: u8 = 85;

/// Share of the view that clouds hide, from which a day is cloudy and very cloudy.
const CLOUDY: f32 = 0.33;
const VERY_CLOUDY: f32 = 0.66;

/// What a person would say of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The mountains behind are visible.
    Sunny,
    /// The near mountain is visible, the ones behind are mostly covered.
    Cloudy,
    /// Nearly nothing is visible.
    VeryCloudy,
}

impl Class {
    /// As the label config of the example calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sunny => "Sunny",
            Self::Cloudy => "Cloudy",
            Self::VeryCloudy => "Very Cloudy",
        }
    }
}

/// One day at 13:00.
pub struct Scene {
    seed: u32,
    /// 0 clear to 1 nothing to see
    cover: f32,
    /// 0 summer to 1 winter
    winter: f32,
    /// Brightness of the day, about 1
    light: f32,
}

impl Scene {
    /// The same day always looks the same.
    pub fn of(day: Date) -> Self {
        let seed = hash(day.year() as u32 * 400 + day.day_of_year() as u32);
        // Weather lasts some days, and each day has its own luck.
        let spell = noise(day.day_of_year() as f32 / 3.0, 0.5, 77);
        let cover = (1.6 * (0.6 * spell + 0.4 * unit(seed)) - 0.3).clamp(0.0, 1.0);
        let season = (day.day_of_year() as f32 / 366.0 * std::f32::consts::TAU).cos();
        Self {
            seed,
            cover,
            winter: 0.5 + 0.5 * season,
            light: 0.85 + 0.3 * unit(hash(seed + 1)) - 0.1 * season.max(0.0),
        }
    }

    pub fn class(&self) -> Class {
        match self.cover {
            cover if cover < CLOUDY => Class::Sunny,
            cover if cover < VERY_CLOUDY => Class::Cloudy,
            _ => Class::VeryCloudy,
        }
    }

    /// The frame as a file.
    pub fn jpeg(&self) -> ImageResult<Vec<u8>> {
        let mut bytes = Vec::new();
        // The camera sways a little from day to day.
        let sway = 0.02 * unit(hash(self.seed + 2));
        let columns: Vec<Column> = (0..WIDTH).map(|x| Column::of(x as f32 / WIDTH as f32 + sway)).collect();
        let mut picture = RgbImage::new(WIDTH, HEIGHT);
        // Nobody should wait for a camera: each core draws its share of the rows.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = (HEIGHT as usize).div_ceil(cores);
        std::thread::scope(|scope| {
            for (part, pixels) in picture.chunks_mut(3 * WIDTH as usize * share).enumerate() {
                let columns = &columns;
                scope.spawn(move || self.draw(columns, part * share, pixels));
            }
        });
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&picture)?;
        Ok(bytes)
    }

    /// Draws whole rows, from the row `top` on.
    fn draw(&self, columns: &[Column], top: usize, pixels: &mut [u8]) {
        for (row, line) in pixels.chunks_exact_mut(3 * WIDTH as usize).enumerate() {
            for ((x, column), pixel) in columns.iter().enumerate().zip(line.as_chunks_mut::<3>().0) {
                *pixel = self.pixel(column, x as u32, (top + row) as u32).0;
            }
        }
    }

    fn pixel(&self, column: &Column, x: u32, y: u32) -> Rgb<u8> {
        let v = y as f32 / HEIGHT as f32;
        let clouds = self.clouds(column.u, v);
        let land = if clouds < 1.0 { self.land(column, v) } else { [0.0; 3] };
        let colour = mix(land, self.cloud_colour(v), clouds);
        let grain = 6.0 * (unit(hash(self.seed ^ (y * WIDTH + x))) - 0.5);
        Rgb(colour.map(|channel| (255.0 * channel * self.light + grain).clamp(0.0, 255.0) as u8))
    }

    /// Sky, the far range, the near mountain.
    fn land(&self, column: &Column, v: f32) -> [f32; 3] {
        let &Column { u, far, near } = column;
        let texture = 0.12 * noise(u * 60.0, v * 60.0, 31);
        if v > near {
            // The snow line comes down in winter.
            let snow = (near + 0.05 + 0.35 * self.winter + texture - v) * 12.0;
            mix([0.20 + texture, 0.25 + texture, 0.18 + texture], [0.93, 0.95, 0.98], snow.clamp(0.0, 1.0))
        } else if v > far {
            let snow = (far + 0.02 + 0.2 * self.winter + texture - v) * 10.0;
            mix([0.42, 0.50, 0.60], [0.86, 0.90, 0.97], snow.clamp(0.0, 1.0))
        } else {
            mix([0.25, 0.48, 0.85], [0.72, 0.83, 0.95], v / far.max(0.1))
        }
    }

    fn cloud_colour(&self, v: f32) -> [f32; 3] {
        let grey = 0.95 - 0.35 * self.cover + 0.1 * v;
        [grey, grey, grey + 0.02]
    }

    /// How much of a point clouds hide, 0..1: banks at first, low behind the near mountain, in the end all.
    fn clouds(&self, u: f32, v: f32) -> f32 {
        let billow = 0.6 * noise(u * 4.0, v * 7.0, self.seed)
            + 0.3 * noise(u * 10.0, v * 16.0, self.seed + 5)
            + 0.1 * noise(u * 30.0, v * 40.0, self.seed + 6);
        // The far range goes first.
        let at_range = 1.0 - ((v - 0.5) / 0.35).powi(2).min(1.0);
        let density = 2.4 * self.cover - 0.75 + 0.45 * at_range * self.cover.sqrt();
        (1.8 * (billow - 0.5) + density).clamp(0.0, 1.0)
    }
}

/// Where the mountains begin in one column of the picture, as shares of its width and height.
struct Column {
    u: f32,
    far: f32,
    near: f32,
}

impl Column {
    fn of(u: f32) -> Self {
        let ridge = |height: f32, rough: f32, seed: u32| {
            let shape = noise(u * 3.0, 0.0, seed)
                + 0.4 * noise(u * 11.0, 0.0, seed)
                + 0.15 * noise(u * 40.0, 0.0, seed);
            height - rough * shape
        };
        Self { u, far: ridge(0.62, 0.16, 11), near: ridge(0.98, 0.34, 23) }
    }
}

fn mix(a: [f32; 3], b: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
}

/// Value noise between 0 and 1: random numbers at whole points, smooth between them.
fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (s, t) = (smooth(x - left), smooth(y - top));
    let at = |i: f32, j: f32| {
        unit(hash(seed ^ hash((left + i) as i32 as u32 ^ hash((top + j) as i32 as u32 ^ 0x5bd1))))
    };
    let (upper, lower) =
        (at(0.0, 0.0) * (1.0 - s) + at(1.0, 0.0) * s, at(0.0, 1.0) * (1.0 - s) + at(1.0, 1.0) * s);
    upper * (1.0 - t) + lower * t
}

/// Mixes the bits of a number (the finaliser of MurmurHash3, Appleby).
fn hash(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ x >> 16
}

/// 0..1
fn unit(x: u32) -> f32 {
    (x >> 8) as f32 / (1 << 24) as f32
}
