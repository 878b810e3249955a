//! Gradient refinement in Burn: from the ridge solution along the cross-entropy, as far as unseen labels gain.

use std::ops::ControlFlow;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData, activation};
use faer::Mat;

use super::cross_validation::Folds;
use super::link::Link;
use super::ridge::{Fits, Ridge};
use super::{Activation, FitError, Progress, Targets};

/// Most epochs; the loss seldom improves for so long.
pub(super) const MAX_EPOCHS: usize = 60;

/// Epochs without a better out-of-fold loss after which the refinement stops.
const PATIENCE: usize = 8;

/// Step of Adam, in logits for a row of length one.
const LEARNING_RATE: f64 = 0.02;

/// Weight of the squared distance to the ridge solution, beside the mean cross-entropy.
const PULL: f64 = 1e-3;

/// Least gain of the out-of-fold loss, nats, that counts as better.
const LEAST_GAIN: f64 = 1e-4;

/// Start of a refinement.
pub(super) struct Start<'a> {
    pub ridge: &'a Ridge<'a>,
    pub fits: &'a Fits,
    pub folds: &'a Folds,
    pub targets: &'a Targets,
    pub link: &'a Link,
}

/// Result of a refinement.
pub(super) struct Refined {
    /// Logits as a map of the ridge's basis, `m x classes`, and biases.
    pub coefficients: Mat<f64>,
    pub bias: Vec<f64>,
    /// Probabilities of each row by the fit that never saw it.
    pub out_of_fold: Vec<Vec<f32>>,
    /// Epochs that were kept; 0 is the ridge solution.
    pub epochs: usize,
}

/// Changes to the logits of every fold's fit and of the fit on all labels, side by side in one layer of
/// `m x (folds + 1) classes`: Adam moves each number by itself, so that each fit is trained as if alone.
#[derive(Module, Debug)]
struct Changes {
    layer: Linear,
}

/// Tensors that stay the same over all epochs.
struct Data {
    z: Tensor<2>,
    /// `n x fits x classes`: logits of the ridge solutions.
    start: Tensor<3>,
    /// `n x 1 x classes`
    targets: Tensor<3>,
    /// `n x fits x 1`: one over the number of rows where a fit learns from the row, else 0.
    learns: Tensor<3>,
    activation: Activation,
}

/// Trains until the out-of-fold loss stops improving, and goes back to where it was best.
pub(super) fn refine(
    start: &Start<'_>,
    epochs: usize,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Refined, FitError> {
    let device = Device::flex().autodiff();
    let data = Data::new(start, &device);
    let m = start.ridge.z.ncols();
    let fits = start.fits.0.len();
    let classes = start.targets.classes();
    let zero = |shape: &[usize]| TensorData::zeros::<f32, _>(shape.to_vec());
    let mut changes = Changes {
        layer: Linear {
            weight: Param::from_data(zero(&[m, fits * classes]), &device),
            bias: Some(Param::from_data(zero(&[fits * classes]), &device)),
        },
    };
    let mut adam = AdamConfig::new().init();
    let mut best =
        Best { loss: f64::INFINITY, epoch: 0, probabilities: Vec::new(), layer: changes.layer.clone() };
    for epoch in 0..=epochs {
        let logits = data.logits(&changes);
        let seen = held_out(&logits, start)?;
        let loss = start.targets.evaluate(&seen).log_loss;
        if loss < best.loss - LEAST_GAIN {
            best = Best { loss, epoch, probabilities: seen, layer: changes.layer.clone() };
        }
        if epoch == epochs || epoch >= best.epoch + PATIENCE {
            break;
        }
        let objective = data.cross_entropy(logits) + changes.distance().mul_scalar(PULL);
        let gradients = GradientsParams::from_grads(objective.backward(), &changes);
        changes = adam.step(LEARNING_RATE, changes, gradients);
        let loss = objective.into_scalar::<f32>() / fits as f32;
        if watch(Progress { epoch: epoch + 1, epochs, loss }).is_break() {
            return Err(FitError::Cancelled);
        }
    }
    best.refined(start)
}

/// The epoch with the least out-of-fold loss so far.
struct Best {
    loss: f64,
    epoch: usize,
    probabilities: Vec<Vec<f32>>,
    layer: Linear,
}

impl Best {
    /// The ridge solution on all labels with its changes.
    fn refined(self, start: &Start<'_>) -> Result<Refined, FitError> {
        let classes = start.targets.classes();
        let (fit, first) = match start.fits.0.split_last() {
            Some((fit, folds)) => (fit, folds.len() * classes),
            None => return Err(FitError::Empty),
        };
        let weight = numbers(self.layer.weight.val())?;
        let bias = self.layer.bias.map(|bias| numbers(bias.val())).transpose()?.unwrap_or_default();
        let columns = first + classes;
        let change = |row: usize, class: usize| f64::from(weight[row * columns + first + class]);
        let slopes = start.link.slopes(&fit.coefficients);
        let coefficients =
            Mat::from_fn(slopes.nrows(), classes, |row, class| slopes[(row, class)] + change(row, class));
        let intercept = Mat::from_fn(1, fit.intercept.len(), |_, target| fit.intercept[target]);
        let bias =
            (0..classes).map(|class| start.link.logit(&intercept, 0, class) + f64::from(bias[first + class]));
        Ok(Refined {
            coefficients,
            bias: bias.collect(),
            out_of_fold: self.probabilities,
            epochs: self.epoch,
        })
    }
}

impl Data {
    fn new(start: &Start<'_>, device: &Device) -> Self {
        let n = start.ridge.z.nrows();
        let m = start.ridge.z.ncols();
        let fits = start.fits.0.len();
        let classes = start.targets.classes();
        let z = rows_of(n, m, |row, column| start.ridge.z[(row, column)] as f32);
        let logits = rows_of(n, fits * classes, |row, column| {
            start.link.logit(&start.fits.0[column / classes].scores, row, column % classes) as f32
        });
        let targets =
            rows_of(n, classes, |row, class| f32::from(u8::from(start.targets.applies(row, class))));
        let learns = rows_of(n, fits, |row, fit| {
            let of_fold = start.folds.of_row.iter().filter(|fold| **fold == fit).count();
            if start.folds.of_row[row] == fit { 0.0 } else { 1.0 / (n - of_fold).max(1) as f32 }
        });
        let tensor =
            |values, shape: [usize; 3]| Tensor::<3>::from_data(TensorData::new(values, shape), device);
        Self {
            z: Tensor::from_data(TensorData::new(z, [n, m]), device),
            start: tensor(logits, [n, fits, classes]),
            targets: tensor(targets, [n, 1, classes]),
            learns: tensor(learns, [n, fits, 1]),
            activation: start.targets.activation(),
        }
    }

    /// `n x fits x classes`
    fn logits(&self, changes: &Changes) -> Tensor<3> {
        self.start.clone() + changes.layer.forward(self.z.clone()).reshape(self.start.dims())
    }

    /// Mean cross-entropy of each fit over the rows it learns from, summed over fits.
    fn cross_entropy(&self, logits: Tensor<3>) -> Tensor<1> {
        let log_likelihood = match self.activation {
            Activation::Softmax => self.targets.clone() * activation::log_softmax(logits, 2),
            Activation::Sigmoid => {
                let without = self.targets.clone().mul_scalar(-1.0).add_scalar(1.0);
                self.targets.clone() * activation::log_sigmoid(logits.clone())
                    + without * activation::log_sigmoid(logits.neg())
            }
        };
        (log_likelihood * self.learns.clone()).sum().neg()
    }
}

impl Changes {
    fn distance(&self) -> Tensor<1> {
        self.layer.weight.val().square().sum()
    }
}

/// Probabilities of each row by the fit that left its fold out.
fn held_out(logits: &Tensor<3>, start: &Start<'_>) -> Result<Vec<Vec<f32>>, FitError> {
    let [_, fits, classes] = logits.dims();
    let values = numbers(logits.clone().inner())?;
    let rows = start.folds.of_row.iter().enumerate().map(|(row, fold)| {
        let at = (row * fits + fold) * classes;
        let mut row = values[at..at + classes].to_vec();
        start.targets.activation().apply(&mut row);
        row
    });
    Ok(rows.collect())
}

fn rows_of(n: usize, width: usize, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    (0..n * width).map(|at| value(at / width, at % width)).collect()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, FitError> {
    let values = tensor.to_data().try_to_vec::<f32>();
    values.map_err(|error| super::ModelError::Tensor(format!("{error:?}")).into())
}
