//! From ridge scores to logits and probabilities.

use faer::Mat;

use super::{Activation, FitError, Targets, calibration, steps};

/// A linear map of ridge scores to logits.
pub(super) enum Link {
    /// Each class has its score.
    Divided { temperature: f64, centre: f64 },
    /// Classes in an order share one score; of each class what the score is multiplied by and what is added.
    Steps { rises: Vec<f64>, offsets: Vec<f64>, variance: f64 },
}

impl Link {
    /// The map with which out-of-fold scores, `n x targets`, tell the labels best.
    pub(super) fn learn(scores: &Mat<f64>, targets: &Targets) -> Result<Self, FitError> {
        if let Targets::Ordered { classes, labels } = targets {
            return steps::learn(scores, labels, *classes);
        }
        let temperature = calibration::temperature(scores, targets);
        Ok(Self::Divided { temperature, centre: centre(targets.activation()) })
    }

    /// Logit of a class for a row of scores, `n x targets`.
    pub(super) fn logit(&self, scores: &Mat<f64>, row: usize, class: usize) -> f64 {
        match self {
            Self::Divided { temperature, centre } => (scores[(row, class)] - centre) / temperature,
            Self::Steps { rises, offsets, .. } => scores[(row, 0)] * rises[class] + offsets[class],
        }
    }

    /// Of a map to scores, `m x targets`, that to logits, `m x classes`, without what is added.
    pub(super) fn slopes(&self, coefficients: &Mat<f64>) -> Mat<f64> {
        let slope = |row, class: usize| match self {
            Self::Divided { temperature, .. } => coefficients[(row, class)] / temperature,
            Self::Steps { rises, .. } => coefficients[(row, 0)] * rises[class],
        };
        let classes = match self {
            Self::Divided { .. } => coefficients.ncols(),
            Self::Steps { rises, .. } => rises.len(),
        };
        Mat::from_fn(coefficients.nrows(), classes, slope)
    }

    /// What scores are divided by; the variance, in squared classes, where they share one.
    pub(super) fn temperature(&self) -> f64 {
        match self {
            Self::Divided { temperature, .. } => *temperature,
            Self::Steps { variance, .. } => *variance,
        }
    }
}

/// Ridge score at which a class is as likely as not: one-hot targets are 0 and 1; a softmax needs no centre.
fn centre(activation: Activation) -> f64 {
    match activation {
        Activation::Softmax => 0.0,
        Activation::Sigmoid => 0.5,
    }
}

/// Ridge scores, `n x classes`, as probabilities.
pub(super) fn probabilities(scores: &Mat<f64>, targets: &Targets, temperature: f64) -> Vec<Vec<f32>> {
    let shift = centre(targets.activation());
    let rows = (0..scores.nrows()).map(|row| {
        let logits = (0..scores.ncols()).map(|class| ((scores[(row, class)] - shift) / temperature) as f32);
        let mut row: Vec<f32> = logits.collect();
        targets.activation().apply(&mut row);
        row
    });
    rows.collect()
}
