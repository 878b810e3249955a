//! A trained head: one linear layer on an embedding, then softmax or sigmoid.

use std::collections::HashMap;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::ModelError;
use crate::matrix::dot;

/// Header entry that names the activation function.
const ACTIVATION: &str = "activation";

/// Largest number of weights read from a file: a thousand classes on the widest backbone stay far below.
const MAX_WEIGHTS: usize = 64 * 1024 * 1024;

/// Activation function: turns logits into probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Single choice: the probabilities of an image sum to one.
    Softmax,
    /// Multiple choice: each class has its own.
    Sigmoid,
}

impl Activation {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
        }
    }

    /// Turns a row of logits into probabilities, in place.
    pub(super) fn apply(self, row: &mut [f32]) {
        match self {
            Self::Softmax => {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|logit| *logit = (*logit - largest).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|value| *value /= sum);
            }
            Self::Sigmoid => row.iter_mut().for_each(|logit| *logit = 1.0 / (1.0 + (-*logit).exp())),
        }
    }
}

/// Weights `[classes, dim]` and biases `[classes]` on raw embeddings: standardisation, group weights and
/// temperature are folded in, so that serving an image is one small product.
///
/// Weights are rounded to f16 when the head is made, so that a head read back from its file predicts the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    activation: Activation,
    dim: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Head {
    /// A head of `bias.len()` classes; `weight` is row-major `[classes, dim]`.
    ///
    /// # Errors
    /// The lengths don't fit, or a number is not finite as f16.
    pub fn new(
        activation: Activation,
        dim: usize,
        mut weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Result<Self, ModelError> {
        if dim == 0 || bias.is_empty() || weight.len() != dim * bias.len() {
            return Err(ModelError::Length { expected: dim * bias.len(), found: weight.len() });
        }
        weight.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32());
        if weight.iter().chain(&bias).any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        Ok(Self { activation, dim, weight, bias })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Length of an embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Activation function of its logits.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// Row-major `[classes, dim]`.
    pub(super) fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// One for each class.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Calibrated probabilities of one embedding, one for each class.
    ///
    /// # Errors
    /// The embedding's length is not the head's, or it holds numbers that are not finite.
    pub fn probabilities(&self, embedding: &[f32]) -> Result<Vec<f32>, ModelError> {
        if embedding.len() != self.dim {
            return Err(ModelError::Length { expected: self.dim, found: embedding.len() });
        }
        let rows = self.weight.chunks_exact(self.dim).zip(&self.bias);
        let mut row: Vec<f32> = rows.map(|(weight, bias)| dot(weight, embedding) + bias).collect();
        self.activation.apply(&mut row);
        if row.iter().any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        Ok(row)
    }

    /// The head of some of the classes, in the given order.
    ///
    /// # Errors
    /// A column is not one of the head's classes.
    pub fn select(&self, columns: &[usize]) -> Result<Self, ModelError> {
        let mut weight = Vec::with_capacity(columns.len() * self.dim);
        let mut bias = Vec::with_capacity(columns.len());
        for &column in columns {
            let known = *self
                .bias
                .get(column)
                .ok_or(ModelError::Length { expected: self.classes(), found: column + 1 })?;
            weight.extend_from_slice(&self.weight[column * self.dim..(column + 1) * self.dim]);
            bias.push(known);
        }
        Self::new(self.activation, self.dim, weight, bias)
    }

    /// The head as safetensors: `weight` f16 `[classes, dim]`, `bias` f32 `[classes]`.
    ///
    /// # Errors
    /// Never for a head made by [`Head::new`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let failed = |error: safetensors::SafeTensorError| ModelError::HeadFile(error.to_string());
        let weight: Vec<u8> =
            self.weight.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
        let bias: Vec<u8> = self.bias.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape = vec![self.classes(), self.dim];
        let views = [
            ("weight", TensorView::new(Dtype::F16, shape, &weight).map_err(failed)?),
            ("bias", TensorView::new(Dtype::F32, vec![self.classes()], &bias).map_err(failed)?),
        ];
        let header = HashMap::from([(ACTIVATION.to_owned(), self.activation.name().to_owned())]);
        safetensors::serialize(views, Some(header)).map_err(failed)
    }

    /// Reads what [`Head::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes are no head, or hold numbers that are not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let wrong = |problem: &str| ModelError::HeadFile(problem.to_owned());
        let failed = |error: safetensors::SafeTensorError| ModelError::HeadFile(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
        let name = header.metadata().as_ref().and_then(|entries| entries.get(ACTIVATION));
        let activation = match name.map(String::as_str) {
            Some("softmax") => Activation::Softmax,
            Some("sigmoid") => Activation::Sigmoid,
            _ => return Err(wrong("its header names neither softmax nor sigmoid")),
        };
        let file = SafeTensors::deserialize(bytes).map_err(failed)?;
        let weight = file.tensor("weight").map_err(failed)?;
        let bias = file.tensor("bias").map_err(failed)?;
        let (&[classes, dim], Dtype::F16, Dtype::F32) = (weight.shape(), weight.dtype(), bias.dtype()) else {
            return Err(wrong("its tensors are not `weight` f16 [classes, dim] and `bias` f32 [classes]"));
        };
        if bias.shape() != [classes] || classes.saturating_mul(dim) > MAX_WEIGHTS {
            return Err(wrong("its tensors' shapes don't fit each other"));
        }
        let weight =
            weight.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
        let bias =
            bias.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Self::new(activation, dim, weight, bias)
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let weight = (0..30).map(|index| (index as f32 * 0.7).sin()).collect();
        Head::new(Activation::Softmax, 10, weight, vec![0.1, 0.0, -0.2]).unwrap()
    }

    #[test]
    fn a_head_read_back_predicts_the_same() {
        let embedding: Vec<f32> = (0..10).map(|index| index as f32 / 5.0).collect();
        let read = Head::from_bytes(&head().to_bytes().unwrap()).unwrap();
        assert_eq!(read, head());
        let row = read.probabilities(&embedding).unwrap();
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6 && row.iter().all(|p| *p > 0.0), "{row:?}");
    }

    #[test]
    fn selected_classes_keep_their_weights() {
        let two = head().select(&[2, 0]).unwrap();
        let all = head().probabilities(&[1.0; 10]).unwrap();
        let two = two.probabilities(&[1.0; 10]).unwrap();
        assert!((two[0] / two[1] - all[2] / all[0]).abs() < 1e-5, "{all:?} {two:?}");
        assert!(head().select(&[3]).is_err());
    }

    #[test]
    fn damaged_files_and_wrong_lengths_are_refused() {
        let bytes = head().to_bytes().unwrap();
        for cut in [0, 7, 40, bytes.len() - 1] {
            assert!(Head::from_bytes(&bytes[..cut]).is_err(), "{cut} bytes");
        }
        assert!(matches!(
            head().probabilities(&[0.0; 9]),
            Err(ModelError::Length { expected: 10, found: 9 })
        ));
        assert!(matches!(head().probabilities(&[f32::NAN; 10]), Err(ModelError::NotFinite)));
        assert!(Head::new(Activation::Sigmoid, 2, vec![1e30, 0.0], vec![0.0]).is_err());
    }
}
