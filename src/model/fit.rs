//! Training a head on cached embeddings: milliseconds, no images.
//!
//! 1. [`scaling`]: columns are centred and scaled by the pool, so that labels decide nothing yet.
//! 2. [`evidence`]: the labels' marginal likelihood weighs the depths of the network.
//! 3. [`ridge`]: kernel ridge on one-hot targets, also for every fold, so that each label is judged by a model that
//!    never saw it nor its near-duplicates. The strength is the one that errs least there. [`self_training`]: what it
//!    guesses of unlabelled images teaches it too.
//!    Of classes in an order it learns one number.
//! 4. [`calibration`]: one temperature turns ridge scores into logits; [`steps`]: a bell turns a number into them.
//! 5. [`refine`]: a Burn module starts from there and follows the cross-entropy as far as the out-of-fold loss
//!    improves.

mod basis;
mod cross_validation;
mod evidence;
mod link;
mod normal_equations;
mod refine;
mod ridge;
mod scaling;
mod self_training;
mod steps;
mod temperature_scaling;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use faer::Mat;

use super::head::{Activation, Head};
use super::{Group, ModelError};
use crate::domain::ids::ContentHash;
use crate::eval::calibration::{self as calibration_of, CalibrationBin};
use crate::eval::near_duplicates::{near_copies, same_content};
use crate::eval::{Evaluation, confusion};
use crate::matrix::Matrix;
use cross_validation::Folds;
use link::Link;
use ridge::Ridge;
use scaling::Scaling;

/// The labels of a training, one for each row of its features.
#[derive(Clone, Debug)]
pub enum Targets {
    /// One class an image.
    Single { classes: usize, labels: Vec<usize> },
    /// One class an image, of classes in an order.
    Ordered { classes: usize, labels: Vec<usize> },
    /// For each class whether it applies.
    Multiple { classes: usize, labels: Vec<Vec<bool>> },
}

/// Labelled embeddings that a head is trained on.
#[derive(Clone, Debug)]
pub struct TrainingSet {
    /// `n x dim`
    pub features: Matrix,
    pub targets: Targets,
    /// Content hash of each row's image, or of the image its region is of: the same image never stands on both sides of a
    /// fold.
    pub hashes: Vec<ContentHash>,
}

/// Labelled images, near-duplicates counted once, from which an order of classes is learnt as such: it is measured from
/// there on (docs/BENCHMARKS.md). With fewer, or where all images of a class are copies of each other, out of fold tells
/// nothing, and the bell names stars between those that were given.
const ORDER_FROM: usize = 30;

/// Options of a training.
#[derive(Clone, Copy, Debug)]
pub struct FitOptions {
    /// Most epochs of the gradient refinement; 0 leaves the ridge solution as it is.
    pub epochs: usize,
    /// `true` if rows are regions of images. Regions of one image then stay on one side of every fold, and no others are
    /// kept together for being alike: over the regions of each image everything would be a copy of everything.
    pub of_regions: bool,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { epochs: refine::MAX_EPOCHS, of_regions: false }
    }
}

/// Most classes whose confusions are counted: the square of it is written down with every version.
pub const MAX_CONFUSION_CLASSES: usize = 50;

/// Progress of a training.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub epoch: usize,
    pub epochs: usize,
    /// Mean cross-entropy on the training labels, nats.
    pub loss: f32,
}

/// A trained head and what is known of it.
#[derive(Debug)]
pub struct Fitted {
    pub head: Head,
    /// Out of fold, on the labels it learnt from.
    pub evaluation: Evaluation,
    /// Confusion matrix, out of fold: counts, `[label][answer]`. Empty for multiple choice, and beyond 50 classes.
    pub confusion: Vec<Vec<usize>>,
    /// Out-of-fold decisions by certainty.
    pub calibration: Vec<CalibrationBin>,
    /// Training loss after each epoch of the refinement, nats.
    pub losses: Vec<f32>,
    /// Probabilities of each row by a model that had not seen it, `n x classes`.
    pub out_of_fold: Vec<Vec<f32>>,
    /// Number of each row's group of near-duplicates.
    pub copies: Vec<usize>,
    /// Feature groups and the weight the labels gave each; the weights sum to one.
    pub group_weights: Vec<(String, f32)>,
    /// Divisor of the ridge scores; of classes in an order the variance of the bell, in squared classes.
    pub temperature: f64,
    /// `true` if the gradient refinement improved the out-of-fold loss and was kept.
    pub refined: bool,
}

/// Reason for which a head can't be trained.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    #[error("{rows} rows of features but {labels} labels and {hashes} hashes")]
    Rows { rows: usize, labels: usize, hashes: usize },
    #[error("label {label} of a head with {classes} classes")]
    Label { label: usize, classes: usize },
    #[error(
        "embedding {row} of the {of} holds numbers that are not finite; delete it and embed the image again"
    )]
    Damaged { of: &'static str, row: usize },
    #[error("no labelled image of this head has an embedding; see the log for why each was left out")]
    Empty,
    #[error("the labels' kernel could not be factorised; the embeddings are damaged")]
    Factorisation,
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Targets {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Single { classes, .. } | Self::Ordered { classes, .. } | Self::Multiple { classes, .. } => {
                *classes
            }
        }
    }

    /// Number of labelled images.
    pub fn len(&self) -> usize {
        match self {
            Self::Single { labels, .. } | Self::Ordered { labels, .. } => labels.len(),
            Self::Multiple { labels, .. } => labels.len(),
        }
    }

    /// Returns `true` if there is no label.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn activation(&self) -> Activation {
        match self {
            Self::Single { .. } | Self::Ordered { .. } => Activation::Softmax,
            Self::Multiple { .. } => Activation::Sigmoid,
        }
    }

    fn applies(&self, row: usize, class: usize) -> bool {
        match self {
            Self::Single { labels, .. } | Self::Ordered { labels, .. } => labels[row] == class,
            Self::Multiple { labels, .. } => labels[row][class],
        }
    }

    /// Targets of the ridge regression: `n x classes`, 1 where a class applies; of classes in an order `n x 1`, from 0 for
    /// the first to 1 for the last.
    fn matrix(&self) -> Mat<f64> {
        match self {
            Self::Ordered { classes, labels } => {
                let last = classes.saturating_sub(1).max(1) as f64;
                Mat::from_fn(labels.len(), 1, |row, _| labels[row] as f64 / last)
            }
            _ => Mat::from_fn(self.len(), self.classes(), |row, class| {
                f64::from(u8::from(self.applies(row, class)))
            }),
        }
    }

    fn evaluate(&self, probabilities: &[Vec<f32>]) -> Evaluation {
        match self {
            Self::Single { classes, labels } | Self::Ordered { classes, labels } => {
                Evaluation::single(probabilities, labels, *classes)
            }
            Self::Multiple { classes, labels } => Evaluation::multiple(probabilities, labels, *classes),
        }
    }

    fn confusion(&self, probabilities: &[Vec<f32>]) -> Vec<Vec<usize>> {
        match self {
            Self::Single { classes, labels } | Self::Ordered { classes, labels }
                if *classes <= MAX_CONFUSION_CLASSES =>
            {
                confusion(probabilities, labels, *classes)
            }
            _ => Vec::new(),
        }
    }

    fn calibration(&self, probabilities: &[Vec<f32>]) -> Vec<CalibrationBin> {
        match self {
            Self::Single { labels, .. } | Self::Ordered { labels, .. } => {
                calibration_of::single(probabilities, labels)
            }
            Self::Multiple { labels, .. } => calibration_of::multiple(probabilities, labels),
        }
    }
}

impl TrainingSet {
    fn check(&self, groups: &[Group]) -> Result<(), FitError> {
        let rows = self.features.len();
        let labels = self.targets.len();
        let hashes = self.hashes.len();
        if rows != labels || rows != hashes {
            return Err(FitError::Rows { rows, labels, hashes });
        }
        if rows == 0 {
            return Err(FitError::Empty);
        }
        check_embeddings(&self.features, "labelled images", groups)?;
        let classes = self.targets.classes();
        let wrong = match &self.targets {
            Targets::Single { labels, .. } | Targets::Ordered { labels, .. } => {
                labels.iter().copied().find(|label| *label >= classes)
            }
            Targets::Multiple { labels, .. } => labels.iter().map(Vec::len).find(|width| *width != classes),
        };
        wrong.map_or(Ok(()), |label| Err(FitError::Label { label, classes }))
    }
}

fn check_embeddings(features: &Matrix, of: &'static str, groups: &[Group]) -> Result<(), FitError> {
    let dim = features.dim;
    let expected = groups.iter().map(|group| group.width).sum();
    if dim != expected {
        return Err(ModelError::Length { expected, found: dim }.into());
    }
    let whole = features.len() * dim;
    if features.values.len() != whole {
        return Err(ModelError::Length { expected: whole, found: features.values.len() }.into());
    }
    let damaged = features.rows().position(|row| row.iter().any(|value| !value.is_finite()));
    damaged.map_or(Ok(()), |row| Err(FitError::Damaged { of, row }))
}

/// Trains one head. `pool` holds embeddings of the project's images, labelled or not: their columns' mean and spread
/// scale the features, and the unlabelled ones take part with guessed labels. Without a row in it the labelled rows
/// serve. `watch` is called after every epoch and may end the training. The same input gives the same head.
///
/// Classes in an order are also learnt each by itself, as where each looks its own way: the order serves where it has no more log loss
/// out of fold and no fewer right, from 30 distinct images on.
///
/// # Errors
/// Shapes that don't fit, numbers that are not finite, or [`FitError::Cancelled`].
pub fn fit(
    set: &TrainingSet,
    pool: Option<&Matrix>,
    groups: &[Group],
    options: &FitOptions,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, FitError> {
    let Targets::Ordered { classes, labels } = &set.targets else {
        return fit_as_told(set, pool, groups, options, watch);
    };
    let targets = Targets::Single { classes: *classes, labels: labels.clone() };
    let apart = TrainingSet { targets, ..set.clone() };
    let apart = fit_as_told(&apart, pool, groups, options, watch)?;
    if distinct(&apart.copies) < ORDER_FROM {
        return Ok(apart);
    }
    let ordered = fit_as_told(set, pool, groups, options, watch)?;
    let one = &ordered.evaluation;
    let other = &apart.evaluation;
    Ok(if one.log_loss <= other.log_loss && one.accuracy >= other.accuracy { ordered } else { apart })
}

/// Number of images of which none is a near-duplicate of another.
fn distinct(copies: &[usize]) -> usize {
    copies.iter().collect::<BTreeSet<_>>().len()
}

fn fit_as_told(
    set: &TrainingSet,
    pool: Option<&Matrix>,
    groups: &[Group],
    options: &FitOptions,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, FitError> {
    set.check(groups)?;
    let pool = pool.filter(|pool| !pool.is_empty()).unwrap_or(&set.features);
    check_embeddings(pool, "project's images", groups)?;
    let mut scaling = Scaling::of(pool, groups)?;
    let mut rows = scaling.apply(&set.features);
    let copies = match options.of_regions {
        true => same_content(&set.hashes),
        false => near_copies(&scaling.standardised(&rows), set.features.dim, &set.hashes),
    };
    let folds = Folds::new(&set.targets, &copies);

    let weights = evidence::weights(&rows, &scaling, &set.targets)?;
    scaling.weigh(&weights, &mut rows);
    let unlabelled = scaling.apply(&self_training::unlabelled(pool, &set.features));
    let ridge = Ridge::new(&rows, &unlabelled, set.features.dim, &set.targets)?;
    let fits = ridge.fit_folds(&ridge.sums(&folds), &folds)?;

    let link = Link::learn(&fits.out_of_fold(&folds), &set.targets)?;
    let start =
        refine::Start { ridge: &ridge, fits: &fits, folds: &folds, targets: &set.targets, link: &link };
    let mut losses = Vec::new();
    let refined = refine::refine(&start, options.epochs, &mut |step| {
        losses.push(step.loss);
        watch(step)
    })?;
    let (weight, bias) = scaling.unfold(&ridge.basis.in_features(&refined.coefficients), &refined.bias);
    Ok(Fitted {
        head: Head::new(set.targets.activation(), set.features.dim, weight, bias)?,
        evaluation: set.targets.evaluate(&refined.out_of_fold),
        confusion: set.targets.confusion(&refined.out_of_fold),
        calibration: set.targets.calibration(&refined.out_of_fold),
        losses,
        out_of_fold: refined.out_of_fold,
        copies,
        group_weights: scaling.named(&weights),
        temperature: link.temperature(),
        refined: refined.epochs > 0,
    })
}

#[cfg(test)]
mod tests;
