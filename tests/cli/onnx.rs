//! The exported ONNX model against onnxruntime, by `tests/reference/onnx.py`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use weathervane::model::{BackboneChoice, DeviceChoice, load_backbone};
use weathervane::vision::{Limits, prepare};

use crate::support::{CONFIG, Folder};

/// Names a Python that has onnxruntime, numpy and Pillow.
const PYTHON: &str = "WEATHERVANE_ONNX_PYTHON";

/// Largest difference of a probability.
const TOLERANCE: f64 = 1e-4;

#[test]
fn onnxruntime_gives_the_same_probabilities() {
    let Ok(python) = std::env::var(PYTHON) else {
        eprintln!("skipped: {PYTHON} names no Python with onnxruntime, numpy and Pillow");
        return;
    };
    let folder = Folder::new();
    folder.trained();
    folder.write("multiple.xml", CONFIG.replace("toName", "choice=\"multiple\" toName").as_bytes());
    let train = "train --export export.json --images images --backbone";
    folder.prints(&format!("{train} tiny --label-config multiple.xml --out multiple.safetensors"));
    folder.prints(&format!("{train} lite0-fast --out fast.safetensors"));
    for (name, model, choice) in [
        ("tiny", "--model model.safetensors", BackboneChoice::Tiny),
        ("multiple", "--model multiple.safetensors", BackboneChoice::Tiny),
        ("lite0", "", BackboneChoice::Lite0),
        ("lite0-fast", "--model fast.safetensors", BackboneChoice::Lite0Fast),
    ] {
        folder.prints(&format!("export model {model} --format onnx --out {name}.onnx"));
        let rows = folder.json(&format!("predict images {model} --format json"));
        let card: Value = serde_json::from_slice(&folder.read(&format!("{name}.onnx.json"))).unwrap();
        write_pixels(&folder, &rows, &choice);
        let theirs = run(&python, &folder, &format!("{name}.onnx"));
        let largest = difference(&rows, &theirs["heads"]["weather"], &card["heads"][0]["classes"]);
        println!("{name}: largest difference {largest:e}, onnxruntime {}", theirs["onnxruntime"]);
        assert!(largest < TOLERANCE, "{name}: {largest:e}");
    }
}

/// The input of every predicted image, in order.
fn write_pixels(folder: &Folder, rows: &Value, choice: &BackboneChoice) {
    let input = load_backbone(choice, DeviceChoice::Flex).unwrap().spec().input;
    let limits = Limits { max_bytes: 1_000_000, max_pixels: 1_000_000 };
    let rows = rows.as_array().unwrap();
    let pixels = rows.iter().flat_map(|row| {
        let bytes = folder.read(row["image"].as_str().unwrap());
        prepare(&bytes, &input, &limits).unwrap().pixels
    });
    let data: Vec<u8> = pixels.flat_map(|value| value.to_le_bytes()).collect();
    let shape = format!("({}, 3, {px}, {px})", rows.len(), px = input.px);
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    folder.write("pixels.npy", &[b"\x93NUMPY\x01\x00", length.as_slice(), header.as_bytes(), &data].concat());
}

fn run(python: &str, folder: &Folder, model: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/onnx.py");
    let arguments = [script, folder.path(model), folder.path("pixels.npy")];
    let output = Command::new(python).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn difference(ours: &Value, theirs: &Value, classes: &Value) -> f64 {
    let mut largest: f64 = 0.0;
    for (ours, theirs) in ours.as_array().unwrap().iter().zip(theirs.as_array().unwrap()) {
        for (class, theirs) in classes.as_array().unwrap().iter().zip(theirs.as_array().unwrap()) {
            let ours = &ours["heads"]["weather"]["probabilities"][class.as_str().unwrap()];
            largest = largest.max((ours.as_f64().unwrap() - theirs.as_f64().unwrap()).abs());
        }
    }
    largest
}
