//! Real photographs where there are some, drawn ones elsewhere.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::OnceLock;

use image::{ImageFormat, Rgb, RgbImage};

use super::say;

pub const CLASSES: [&str; 4] = ["cloudy", "rain", "shine", "sunrise"];

/// A picture file and what it shows; the name begins with the class.
#[derive(Clone)]
pub struct Picture {
    pub name: String,
    pub class: &'static str,
    pub bytes: Vec<u8>,
}

/// Whether the photographs are there; without them nothing is claimed of how many are recognised.
pub fn are_real() -> bool {
    static REAL: OnceLock<bool> = OnceLock::new();
    *REAL.get_or_init(|| {
        let found = folder().join("cloudy1.jpg").is_file() && split_file().is_file();
        if !found {
            say(&format!("no photographs in `{}`: drawn pictures take their place", folder().display()));
        }
        found
    })
}

/// `per_class` pictures of each class to learn from, class by class in turn.
pub fn to_learn(per_class: usize) -> Vec<Picture> {
    take("train", 0, per_class)
}

/// `per_class` other pictures of each class.
pub fn to_ask(per_class: usize) -> Vec<Picture> {
    take("val", 1000, per_class)
}

/// What a picture with this file name shows.
pub fn class_of(name: &str) -> Option<&'static str> {
    CLASSES.into_iter().find(|class| name.starts_with(class))
}

fn take(split: &str, first_seed: u32, per_class: usize) -> Vec<Picture> {
    let columns = CLASSES.map(|class| {
        if are_real() { photographs(class, split, per_class) } else { drawings(class, first_seed, per_class) }
    });
    (0..per_class).flat_map(|row| columns.iter().map(move |column| column[row].clone())).collect()
}

fn folder() -> PathBuf {
    std::env::var_os("WEATHERVANE_WEATHER4").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/weather4")),
        PathBuf::from,
    )
}

fn split_file() -> PathBuf {
    folder().with_file_name("weather4-split.csv")
}

/// Lines are `filename,label,split`.
fn photographs(class: &'static str, split: &str, count: usize) -> Vec<Picture> {
    let list = std::fs::read_to_string(split_file()).expect("the list of photographs");
    let names = list.lines().filter_map(|line| {
        let mut fields = line.split(',');
        let (name, label, its_split) = (fields.next()?, fields.next()?, fields.next()?);
        (label == class && its_split == split).then(|| name.to_owned())
    });
    let pictures: Vec<Picture> = names
        .take(count)
        .map(|name| Picture {
            bytes: std::fs::read(folder().join(&name)).expect("a photograph"),
            name,
            class,
        })
        .collect();
    assert_eq!(pictures.len(), count, "{class}, {split}");
    pictures
}

fn drawings(class: &'static str, first_seed: u32, count: usize) -> Vec<Picture> {
    (first_seed..)
        .take(count)
        .map(|seed| Picture { name: format!("{class}-{seed}.png"), class, bytes: draw(class, seed) })
        .collect()
}

fn draw(class: &str, seed: u32) -> Vec<u8> {
    png(&drawn(class, seed))
}

pub fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("an encodable picture");
    bytes.into_inner()
}

/// 160 x 120 px: grey clouds, dark streaks, a sun in the blue, a sun at the horizon.
pub fn drawn(class: &str, seed: u32) -> RgbImage {
    let (width, height) = (160, 120);
    let sun = (40.0 + (seed % 8) as f32 * 10.0, if class == "shine" { 30.0 } else { 75.0 });
    RgbImage::from_fn(width, height, |x, y| {
        let noise = (x.wrapping_mul(7) ^ y.wrapping_mul(13) ^ seed.wrapping_mul(31)) % 16;
        let down = y as f32 / height as f32;
        let is_sun = (x as f32 - sun.0).hypot(y as f32 - sun.1) < 14.0;
        let colour = match class {
            "cloudy" => [190.0 - 40.0 * down, 195.0 - 40.0 * down, 200.0 - 30.0 * down],
            "rain" if (x + 2 * y + seed) % 11 < 2 => [120.0, 130.0, 150.0],
            "rain" => [50.0, 58.0, 75.0],
            _ if is_sun => [255.0, 245.0, 200.0],
            "shine" => [70.0, 140.0 + 40.0 * down, 240.0],
            _ if down > 0.7 => [40.0, 25.0, 30.0],
            _ => [120.0 + 130.0 * down, 60.0 + 90.0 * down, 90.0 - 50.0 * down],
        };
        Rgb(colour.map(|value| (value as u8).saturating_sub(noise as u8)))
    })
}
