//! From ridge scores to logits and probabilities.

use faer::Mat;

use super::steps::{self, Steps};
use super::{FitError, Targets, temperature_scaling};

/// A linear map of ridge scores to logits.
pub(super) enum Link {
    /// Each class has its score.
    Divided { temperature: f64, centre: f64 },
    /// Classes in an order share one score.
    Steps(Steps),
}

impl Link {
    /// The map with which out-of-fold scores, `n x targets`, tell the labels best.
    pub(super) fn learn(scores: &Mat<f64>, targets: &Targets) -> Result<Self, FitError> {
        if let Targets::Ordered { classes, labels } = targets {
            return Ok(Self::Steps(steps::learn(scores, labels, *classes)?));
        }
        let temperature = temperature_scaling::temperature(scores, targets);
        Ok(Self::Divided { temperature, centre: temperature_scaling::centre(targets.activation()) })
    }

    /// Logit of a class for a row of scores, `n x targets`.
    pub(super) fn logit(&self, scores: &Mat<f64>, row: usize, class: usize) -> f64 {
        match self {
            Self::Divided { temperature, centre } => (scores[(row, class)] - centre) / temperature,
            Self::Steps(steps) => scores[(row, 0)] * steps.rises[class] + steps.offsets[class],
        }
    }

    /// Of a map to scores, `m x targets`, that to logits, `m x classes`, without what is added.
    pub(super) fn slopes(&self, coefficients: &Mat<f64>) -> Mat<f64> {
        let slope = |row, class: usize| match self {
            Self::Divided { temperature, .. } => coefficients[(row, class)] / temperature,
            Self::Steps(steps) => coefficients[(row, 0)] * steps.rises[class],
        };
        let classes = match self {
            Self::Divided { .. } => coefficients.ncols(),
            Self::Steps(steps) => steps.rises.len(),
        };
        Mat::from_fn(coefficients.nrows(), classes, slope)
    }

    /// Divisor of the scores; the variance, in squared classes, where they share one.
    pub(super) fn temperature(&self) -> f64 {
        match self {
            Self::Divided { temperature, .. } => *temperature,
            Self::Steps(steps) => steps.variance,
        }
    }
}
