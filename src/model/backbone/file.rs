//! A backbone as a file: safetensors with a header that describes architecture, input and pooled blocks.

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::model::ModelError;

/// Header entry that holds the card.
const CARD: &str = "weathervane-backbone";

/// The architecture this program builds.
const ARCHITECTURE: &str = "mbconv-lite";

/// Largest side of the input, in pixels: beyond it an image takes seconds.
const MAX_PX: usize = 1024;

/// Most pooled blocks: two share a weight, and a training tries every combination of three weights.
const MAX_POOLED: usize = 8;

/// Most channels of a layer; far above any known network, low enough that products never overflow.
const MAX_WIDTH: usize = 16_384;

/// Model card of a backbone file: architecture and preprocessing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Card {
    pub architecture: String,
    /// Channels of the first convolution.
    pub stem: usize,
    pub rows: Vec<Row>,
    /// Channels of the last convolution.
    pub head: usize,
    /// Side of the square input, in pixels.
    pub px: usize,
    /// A pixel of 0..255 enters as `(pixel - mean) * scale`, for red, green, blue.
    pub mean: [f32; 3],
    pub scale: [f32; 3],
    /// Blocks whose outputs are pooled, ascending.
    pub pooled: Vec<usize>,
}

/// A run of blocks, as the architecture tables write it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub repeat: usize,
    pub kernel: usize,
    pub stride: usize,
    pub expand: usize,
    pub out: usize,
}

/// An opened backbone file.
pub(super) struct BackboneFile<'a> {
    tensors: SafeTensors<'a>,
    card: Card,
}

impl<'a> BackboneFile<'a> {
    /// Opens a file's bytes and checks its card.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let wrong = ModelError::BackboneFile;
        let (_, header) = SafeTensors::read_metadata(bytes)
            .map_err(|error| wrong(format!("not a safetensors file ({error})")))?;
        let card = header.metadata().as_ref().and_then(|entries| entries.get(CARD));
        let card = card.ok_or_else(|| wrong(format!("the header has no `{CARD}` entry")))?;
        let card: Card = serde_json::from_str(card)
            .map_err(|error| wrong(format!("the header's `{CARD}` entry can't be read ({error})")))?;
        card.check().map_err(wrong)?;
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|error| wrong(format!("not a safetensors file ({error})")))?;
        Ok(Self { tensors, card })
    }

    pub(super) fn card(&self) -> &Card {
        &self.card
    }

    /// A tensor's values as f32, if its shape is the expected one.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let view = self.tensors.tensor(name);
        let view = view.map_err(|_| ModelError::BackboneFile(format!("tensor `{name}` is missing")))?;
        if view.shape() != shape {
            return Err(ModelError::Shape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: view.shape().to_vec(),
            });
        }
        let values: Vec<f32> = match view.dtype() {
            Dtype::F16 => {
                view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            Dtype::F32 => {
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            other => {
                let text = format!("tensor `{name}` is {other:?}; only F16 and F32 are read");
                return Err(ModelError::BackboneFile(text));
            }
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(ModelError::BackboneFile(format!(
                "tensor `{name}` holds numbers that are not finite"
            )));
        }
        Ok(values)
    }
}

impl Card {
    fn check(&self) -> Result<(), String> {
        if self.architecture != ARCHITECTURE {
            return Err(format!("architecture `{}` is not known, only `{ARCHITECTURE}`", self.architecture));
        }
        if !(32..=MAX_PX).contains(&self.px) {
            return Err(format!("input of {} px is not between 32 and {MAX_PX}", self.px));
        }
        let width = |value: usize| (1..=MAX_WIDTH).contains(&value);
        let sound = |row: &Row| {
            (1..=64).contains(&row.repeat)
                && [1, 3, 5, 7].contains(&row.kernel)
                && [1, 2].contains(&row.stride)
                && (1..=16).contains(&row.expand)
                && width(row.out)
        };
        if self.rows.is_empty() || self.rows.len() > 64 || !self.rows.iter().all(sound) {
            return Err("its rows are not a network".to_owned());
        }
        if !width(self.stem) || !width(self.head) {
            return Err(format!("stem of {} or head of {} channels is absurd", self.stem, self.head));
        }
        let blocks: usize = self.rows.iter().map(|row| row.repeat).sum();
        let ascending = self.pooled.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.pooled.last().is_some_and(|last| *last >= blocks) {
            return Err(format!("pooled blocks {:?} don't ascend within {blocks} blocks", self.pooled));
        }
        if self.pooled.len() > MAX_POOLED {
            return Err(format!("{} pooled blocks, at most {MAX_POOLED} are weighed", self.pooled.len()));
        }
        if self.mean.iter().chain(&self.scale).any(|value| !value.is_finite()) {
            return Err("mean or scale is not finite".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            architecture: ARCHITECTURE.to_owned(),
            stem: 8,
            rows: vec![Row { repeat: 12, kernel: 3, stride: 2, expand: 4, out: 16 }],
            head: 32,
            px: 64,
            mean: [127.0; 3],
            scale: [1.0 / 128.0; 3],
            pooled: (0..8).collect(),
        }
    }

    #[test]
    fn absurd_cards_are_refused() {
        assert_eq!(card().check(), Ok(()));
        let row = |change: fn(&mut Row)| {
            let mut card = card();
            change(&mut card.rows[0]);
            card
        };
        for (what, card) in [
            ("px", Card { px: 1 << 40, ..card() }),
            ("stem", Card { stem: usize::MAX, ..card() }),
            ("head", Card { head: 0, ..card() }),
            ("rows", Card { rows: Vec::new(), ..card() }),
            ("repeat", row(|row| row.repeat = usize::MAX)),
            ("kernel", row(|row| row.kernel = 2)),
            ("stride", row(|row| row.stride = 0)),
            ("expand", row(|row| row.expand = 0)),
            ("out", row(|row| row.out = 1 << 20)),
            ("mean", Card { mean: [f32::NAN, 0.0, 0.0], ..card() }),
            ("order of pooled", Card { pooled: vec![3, 1], ..card() }),
            ("number of pooled", Card { pooled: (0..9).collect(), ..card() }),
        ] {
            assert!(card.check().is_err(), "{what}");
        }
    }
}
