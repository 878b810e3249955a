//! Photographs in a folder of their own, and more of them than there are.

use std::fs;
use std::io::BufWriter;

use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use tempfile::TempDir;

use crate::Photographs;

/// Quality of the crops' JPEG files.
const QUALITY: u8 = 88;

/// One picture below the folder.
pub struct Picture {
    pub file: String,
    pub label: String,
}

/// Pictures in a random order that is the same every time.
pub struct Pictures {
    pub root: TempDir,
    pub pictures: Vec<Picture>,
}

impl Pictures {
    /// `count` pictures: the photographs themselves, and after them crops of 70 to 97 % of their sides, saved anew.
    pub fn of(photographs: &Photographs, count: usize) -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        let mut rows = photographs.folder.table.rows.clone();
        rows.sort_by_key(|row| *blake3::hash(row.filename.as_bytes()).as_bytes());
        let mut pictures = Vec::with_capacity(count);
        for index in 0..count {
            let (row, round) = (&rows[index % rows.len()], index / rows.len());
            let (from, file) = (photographs.images.join(&row.filename), format!("{index}.jpg"));
            let to = root.path().join(&file);
            if round == 0 {
                fs::copy(&from, &to)?;
            } else {
                let picture =
                    image::open(&from).with_context(|| format!("`{}`", from.display()))?.into_rgb8();
                let share = |side: u32| (side * (100 - 3 * round.min(10) as u32) / 100).max(1);
                let (width, height) = (share(picture.width()), share(picture.height()));
                // The window wanders with the round, so that no two crops are one window.
                let place = |room: u32| room * (round as u32 % 3) / 2;
                let (x, y) = (place(picture.width() - width), place(picture.height() - height));
                let crop = image::imageops::crop_imm(&picture, x, y, width, height).to_image();
                JpegEncoder::new_with_quality(BufWriter::new(fs::File::create(&to)?), QUALITY)
                    .encode_image(&crop)?;
            }
            pictures.push(Picture { file, label: row.label.clone() });
        }
        Ok(Self { root, pictures })
    }
}
