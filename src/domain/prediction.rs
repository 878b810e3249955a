//! Predictions in Label Studio's form.

mod of_regions;

use std::borrow::Cow;

use super::label_config::{ChoiceKind, Class, Control, HeadSpec, visible};
pub use of_regions::{RegionAnswers, prediction_with_regions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From this probability on a class of a multiple head is ticked, unless the label config sets another
/// threshold: the decision with fewest expected errors per class.
const TICKED_FROM: f32 = 0.5;
/// Characters of a region's id, as many as Label Studio's editor makes.
const REGION_ID_CHARS: usize = 10;

/// Reason why a head gives no prediction for an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictionError {
    /// Not one probability per class.
    #[error("head `{head}` has {classes} classes but {probabilities} probabilities; retrain it")]
    Length {
        /// Name of the head.
        head: String,
        /// Classes of the label config.
        classes: usize,
        /// Probabilities of the model.
        probabilities: usize,
    },
    /// Not a number.
    #[error("head `{head}` has a probability that is not a number; retrain it")]
    NotANumber {
        /// Name of the head.
        head: String,
    },
}

/// Decision of a head about one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Indices of the chosen classes, ascending. Empty where no class reaches the threshold.
    pub chosen: Vec<usize>,
    /// 0..=1, low where a person should look. Single: the calibrated probability of the most likely
    /// class. Multiple: `min over classes of max(p, 1 - p)`, the least certain yes or no.
    pub certainty: f32,
}

impl Decision {
    /// Decides from one calibrated probability per class. Values out of 0..=1 are clamped.
    ///
    /// Single: the most likely class, the first of equals, if it reaches the threshold; multiple: every class
    /// that does. The threshold is the label config's, else `default`, else 0 (single) or 0.5 (multiple).
    ///
    /// # Errors
    /// [`PredictionError`] where the probabilities don't belong to this head or are not numbers.
    pub fn new(
        head: &HeadSpec,
        probabilities: &[f32],
        default: Option<f32>,
    ) -> Result<Self, PredictionError> {
        let name = || head.from_name.clone();
        if probabilities.len() != head.classes.len() || probabilities.is_empty() {
            let classes = head.classes.len();
            let probabilities = probabilities.len();
            return Err(PredictionError::Length { head: name(), classes, probabilities });
        }
        if probabilities.iter().any(|p| p.is_nan()) {
            return Err(PredictionError::NotANumber { head: name() });
        }
        let clamped: Vec<f32> = probabilities.iter().map(|p| p.clamp(0.0, 1.0)).collect();
        let threshold = head.score_threshold.or(default);
        Ok(match head.kind {
            ChoiceKind::Single => Self::single(&clamped, threshold.unwrap_or(0.0)),
            ChoiceKind::Multiple => Self::multiple(&clamped, threshold.unwrap_or(TICKED_FROM)),
        })
    }

    fn single(probabilities: &[f32], threshold: f32) -> Self {
        let mut best = (0, f32::NEG_INFINITY);
        for (class, &p) in probabilities.iter().enumerate() {
            if p > best.1 {
                best = (class, p);
            }
        }
        let (class, certainty) = best;
        Self { chosen: if certainty >= threshold { vec![class] } else { Vec::new() }, certainty }
    }

    fn multiple(probabilities: &[f32], threshold: f32) -> Self {
        let chosen = (0..probabilities.len()).filter(|&class| probabilities[class] >= threshold).collect();
        let certainty = probabilities.iter().map(|&p| p.max(1.0 - p)).fold(1.0, f32::min);
        Self { chosen, certainty }
    }
}

/// One image's prediction, as `/predict` answers it and `POST /api/predictions` takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// One region per head that chose something. An empty list is stored with its score.
    pub result: Vec<ResultItem>,
    /// 0..=1, the least certainty of all heads: Label Studio's uncertainty sampling serves the lowest
    /// score first, and a person must look while any head is unsure.
    pub score: f64,
    /// Name of the published model.
    pub model_version: String,
}

/// One head's choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultItem {
    /// The same for the same head and version, so that a repeated prediction is the same bytes.
    pub id: String,
    /// Name of the control tag.
    pub from_name: String,
    /// Name of the `<Image>`.
    pub to_name: String,
    /// The control tag's: `choices`, `taxonomy` or `rating`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The chosen classes.
    pub value: RegionValue,
    /// The head's certainty, 0..=1; the editor shows it.
    pub score: f64,
}

/// The `value` of a region, under the name of its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegionValue {
    /// In the order of the label config.
    Choices(Vec<ChoiceValue>),
    /// Paths, in the order of the label config.
    Taxonomy(Vec<Vec<String>>),
    /// From 1 on.
    Rating(u32),
}

/// A chosen class as Label Studio writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChoiceValue {
    /// A flat choice: alias or value.
    Name(String),
    /// A choice under `allowNested="true"`: the names from the topmost parent down.
    Path(Vec<String>),
}

impl RegionValue {
    /// The answer that consists of these classes of a head; `None` where that is none.
    pub fn of(head: &HeadSpec, chosen: &[usize]) -> Option<Self> {
        let mut classes = chosen.iter().filter_map(|&class| head.classes.get(class));
        match head.control {
            Control::Choices => {
                let choices: Vec<ChoiceValue> = classes.map(ChoiceValue::from).collect();
                (!choices.is_empty()).then_some(Self::Choices(choices))
            }
            Control::Taxonomy => {
                let paths: Vec<Vec<String>> = classes.map(|class| class.path.clone()).collect();
                (!paths.is_empty()).then_some(Self::Taxonomy(paths))
            }
            Control::Rating => classes.next()?.name.parse().ok().map(Self::Rating),
        }
    }
}

impl From<&Class> for ChoiceValue {
    fn from(class: &Class) -> Self {
        if class.path.is_empty() { Self::Name(class.name.clone()) } else { Self::Path(class.path.clone()) }
    }
}

impl Prediction {
    /// Builds the prediction of one image from each head's calibrated probabilities, one per class.
    ///
    /// These are heads of whole images: [`prediction_with_regions`] adds the answers about regions. Heads with `model_skip`,
    /// heads whose [`Decision`] fails, and questions that a person would not see by the decisions about others are left out;
    /// `None` where all are. `threshold` is for heads without one of their own.
    pub fn new(heads: &[(&HeadSpec, &[f32])], version: &str, threshold: Option<f32>) -> Option<Self> {
        let spoken = heads.iter().filter(|(head, _)| !head.skip);
        let mut decided: Vec<(&HeadSpec, Decision)> =
            spoken.filter_map(|(head, p)| Some((*head, Decision::new(head, p, threshold).ok()?))).collect();
        let mut seen = seen(&decided).into_iter();
        decided.retain(|_| seen.next() == Some(true));
        let score = decided.iter().map(|(_, decision)| decision.certainty).reduce(f32::min)?;
        let result = decided.iter().filter_map(|(head, decision)| region(head, decision, version)).collect();
        Some(Self { result, score: rounded(score), model_version: version.to_owned() })
    }
}

/// One flag per head: `true` if a person would see it, if the decisions were the answers.
pub fn seen(decided: &[(&HeadSpec, Decision)]) -> Vec<bool> {
    let heads: Vec<&HeadSpec> = decided.iter().map(|(head, _)| *head).collect();
    if heads.iter().all(|head| head.when.is_empty()) {
        return vec![true; heads.len()];
    }
    let names = |(head, decision): &(&'_ HeadSpec, Decision)| -> Vec<Cow<'static, str>> {
        decision
            .chosen
            .iter()
            .filter_map(|class| head.classes.get(*class))
            // As the editor, which reads the last name of a path.
            .map(|class| class.path.last().unwrap_or(&class.name).clone().into())
            .collect()
    };
    visible(&heads, &decided.iter().map(names).collect::<Vec<_>>())
}

/// [`Prediction::new`] as JSON; `[]`, Label Studio's "no prediction for this task", where no head speaks.
pub fn prediction_json(heads: &[(&HeadSpec, &[f32])], version: &str, threshold: Option<f32>) -> Value {
    prediction_with_regions(heads, &[], version, threshold)
}

/// A head that chose nothing has no region: the editor itself never writes an empty one.
fn region(head: &HeadSpec, decision: &Decision, version: &str) -> Option<ResultItem> {
    let value = RegionValue::of(head, &decision.chosen)?;
    let digest = blake3::hash(format!("{version}\0{}\0{}", head.from_name, head.to_name).as_bytes());
    Some(ResultItem {
        id: digest.to_hex().chars().take(REGION_ID_CHARS).collect(),
        from_name: head.from_name.clone(),
        to_name: head.to_name.clone(),
        kind: head.control.result_type().to_owned(),
        value,
        score: rounded(decision.certainty),
    })
}

/// Six decimals, about what an f32 holds: `0.67` and not `0.6700000166893005`.
fn rounded(probability: f32) -> f64 {
    (f64::from(probability) * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
