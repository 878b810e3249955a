//! Small pictures that even a tiny network tells apart, as data URIs and as files.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};

pub const CLASSES: [&str; 4] = ["cloudy", "rain", "shine", "sunrise"];

/// Colours of the four classes.
const COLOURS: [[u8; 3]; 4] = [[200, 200, 205], [60, 70, 90], [80, 150, 250], [250, 140, 60]];

/// A picture of class `class`; `seed` varies it.
pub fn picture(class: usize, seed: u32) -> RgbImage {
    let colour = COLOURS[class % COLOURS.len()];
    RgbImage::from_fn(40, 30, |x, y| {
        let noise = (x.wrapping_mul(7) ^ y.wrapping_mul(13) ^ seed.wrapping_mul(31)) % 24;
        Rgb(colour.map(|value| value.saturating_sub(noise as u8)))
    })
}

pub fn png(class: usize, seed: u32) -> Vec<u8> {
    encode(&picture(class, seed), ImageFormat::Png)
}

pub fn encode(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("an encodable picture");
    bytes.into_inner()
}

pub fn data_uri(class: usize, seed: u32) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png(class, seed)))
}
