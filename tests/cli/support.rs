//! A folder of small pictures, its labels, and the binary.

pub mod terminal;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Classes and the colours that even a tiny network tells apart.
const CLASSES: [(&str, [u8; 3]); 3] =
    [("cloudy", [200, 200, 205]), ("rain", [60, 70, 90]), ("sunrise", [250, 140, 60])];

/// Pictures in the folder; every fourth judges.
pub const PICTURES: usize = 48;

/// The header of a NumPy matrix of 32-bit floats.
pub fn npy(rows: usize, dim: usize, descr: &str, order: &str, values: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({rows}, {dim}), }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let numbers: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    [b"\x93NUMPY\x01\x00", length.as_slice(), header.as_bytes(), &numbers].concat()
}

/// A label config of the folder's classes.
pub const CONFIG: &str = r#"<View><Image name="image" value="$image"/><Choices name="weather" toName="image">
<Choice value="cloudy"/><Choice value="rain"/><Choice value="sunrise"/></Choices></View>"#;

/// A task with one answer, as Label Studio exports it.
pub fn answered(id: i64, image: &str, class: &str) -> Value {
    let region = json!({"id": "r", "type": "choices", "from_name": "weather", "to_name": "image",
        "value": {"choices": [class]}});
    json!({"id": id, "data": {"image": image}, "annotations": [{"id": id, "result": [region]}]})
}

pub struct Folder(TempDir);

impl Folder {
    /// Pictures of three classes in `images`, and `labels.csv` with columns filename,label,split.
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("images")).unwrap();
        let mut table = "filename,label,split\n".to_owned();
        for number in 0..PICTURES {
            let (class, colour) = CLASSES[number % CLASSES.len()];
            let picture = RgbImage::from_fn(24, 20, |x, y| {
                let noise = (x.wrapping_mul(7) ^ y.wrapping_mul(13) ^ (number as u32).wrapping_mul(31)) % 24;
                Rgb(colour.map(|value| value.saturating_sub(noise as u8)))
            });
            let name = format!("{class}{number}.png");
            picture.save(folder.path("images").join(&name)).unwrap();
            table += &format!("{name},{class},{}\n", if number % 4 == 3 { "val" } else { "train" });
        }
        folder.write("labels.csv", table.as_bytes());
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Runs a command line in the folder.
    pub fn weathervane(&self, line: &str) -> Output {
        let mut command = Command::cargo_bin("weathervane").unwrap();
        command.current_dir(self.0.path()).args(line.split_whitespace()).output().unwrap()
    }

    /// Stdout of a command line that must succeed.
    pub fn prints(&self, line: &str) -> String {
        let output = self.weathervane(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Stderr of a command line that must succeed.
    pub fn advises(&self, line: &str) -> String {
        let output = self.weathervane(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        said
    }

    /// What `prints` as JSON.
    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Writes `export.json` as Label Studio exports the first `labels` pictures of the folder, uploaded, and
    /// `label_config.xml`.
    pub fn exported(&self, labels: usize) {
        let table = String::from_utf8(self.read("labels.csv")).unwrap();
        let rows = table.lines().skip(1).take(labels).enumerate().map(|(index, line)| {
            let (name, rest) = line.split_once(',').unwrap();
            let class = rest.split(',').next().unwrap();
            answered(index as i64 + 1, &format!("/data/upload/1/{:08x}-{name}", index * 77), class)
        });
        self.write("export.json", Value::from_iter(rows).to_string().as_bytes());
        self.write("label_config.xml", CONFIG.as_bytes());
    }

    /// Trains `model.safetensors` on 36 pictures with the tiny backbone.
    pub fn trained(&self) {
        self.exported(36);
        self.prints("train --export export.json --images images --out model.safetensors --backbone tiny");
    }

    /// Stderr of a command line that must fail without a word on stdout.
    pub fn complains(&self, line: &str) -> String {
        let output = self.weathervane(line);
        assert!(!output.status.success(), "{line} should fail");
        assert!(output.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stdout));
        // Lines are wrapped to the terminal's width.
        String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
