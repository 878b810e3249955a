//! A network of some thousand fixed random weights, so that tests run the real path in a millisecond.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};

use super::file::{Card, Row};
use crate::model::ModelError;

/// The network's file; always the same bytes.
pub(super) fn file() -> Result<Vec<u8>, ModelError> {
    let card = Card {
        architecture: "mbconv-lite".to_owned(),
        stem: 8,
        rows: vec![
            Row { repeat: 1, kernel: 3, stride: 1, expand: 1, out: 8 },
            Row { repeat: 2, kernel: 3, stride: 2, expand: 4, out: 16 },
        ],
        head: 32,
        px: 32,
        mean: [127.0; 3],
        scale: [1.0 / 128.0; 3],
        pooled: vec![0, 2],
    };
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let mut tensors = Vec::new();
    let mut add = |name: &str, out: usize, input: usize, kernel: usize| {
        // He initialisation keeps the signal's size from layer to layer.
        let spread = (2.0 / (input * kernel * kernel) as f32).sqrt() * 1.7;
        let weight: Vec<f32> = (0..out * input * kernel * kernel).map(|_| random.next() * spread).collect();
        tensors.push((format!("{name}.weight"), vec![out, input, kernel, kernel], bytes(&weight)));
        tensors.push((format!("{name}.bias"), vec![out], bytes(&vec![0.1; out])));
    };
    add("stem", 8, 3, 3);
    add("blocks.0.depthwise", 8, 1, 3);
    add("blocks.0.project", 8, 8, 1);
    add("blocks.1.expand", 32, 8, 1);
    add("blocks.1.depthwise", 32, 1, 3);
    add("blocks.1.project", 16, 32, 1);
    add("blocks.2.expand", 64, 16, 1);
    add("blocks.2.depthwise", 64, 1, 3);
    add("blocks.2.project", 16, 64, 1);
    add("head", 32, 16, 1);
    let wrong = |error: String| ModelError::BackboneFile(error);
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, data) in &tensors {
        let view =
            TensorView::new(Dtype::F32, shape.clone(), data).map_err(|error| wrong(error.to_string()))?;
        views.push((name.as_str(), view));
    }
    let card = serde_json::to_string(&card).map_err(|error| wrong(error.to_string()))?;
    let header = HashMap::from([("weathervane-backbone".to_owned(), card)]);
    safetensors::serialize(views, Some(header)).map_err(|error| wrong(error.to_string()))
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Marsaglia's xorshift64 (2003), for weights that never change with a library's generator.
struct Xorshift(u64);

impl Xorshift {
    /// Uniform in -1..1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}
