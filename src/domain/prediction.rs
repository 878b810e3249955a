//! Predictions in Label Studio's form.

use std::borrow::Cow;

use super::label_config::{ChoiceKind, Class, Control, HeadSpec, visible};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From this probability on a class of a multiple head is ticked, unless the label config sets another
/// threshold: the decision with fewest expected errors per class.
const TICKED_FROM: f32 = 0.5;
/// Characters of a region's id, as many as Label Studio's editor makes.
const REGION_ID_CHARS: usize = 10;

/// Why a head says nothing about an image.
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

/// What a head decides about one image.
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
            let (classes, probabilities) = (head.classes.len(), probabilities.len());
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
    pub result: Vec<Region>,
    /// 0..=1, the least certainty of all heads: Label Studio's uncertainty sampling serves the lowest
    /// score first, and a person must look while any head is unsure.
    pub score: f64,
    /// Name of the published model.
    pub model_version: String,
}

/// One head's choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The same for the same head and version, so that a repeated prediction is the same bytes.
    pub id: String,
    /// Name of the control tag.
    pub from_name: String,
    /// Name of the `<Image>`.
    pub to_name: String,
    /// The control tag's: `choices` or `rating`.
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
    /// Heads with `model_skip`, heads whose [`Decision`] fails, and questions that a person would not see by what is decided of
    /// others say nothing; `None` where all do. `threshold` is for heads without one of their own.
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

/// Which of the heads a person would see, if what is decided were answered.
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
            // As the editor, which looks at the last name of a path.
            .map(|class| class.path.last().unwrap_or(&class.name).clone().into())
            .collect()
    };
    visible(&heads, &decided.iter().map(names).collect::<Vec<_>>())
}

/// [`Prediction::new`] as JSON; `[]`, Label Studio's "no prediction for this task", where no head speaks.
pub fn prediction_json(heads: &[(&HeadSpec, &[f32])], version: &str, threshold: Option<f32>) -> Value {
    Prediction::new(heads, version, threshold)
        .and_then(|prediction| serde_json::to_value(prediction).ok())
        .unwrap_or_else(|| Value::Array(Vec::new()))
}

/// A head that chose nothing has no region: the editor itself never writes an empty one.
fn region(head: &HeadSpec, decision: &Decision, version: &str) -> Option<Region> {
    let value = RegionValue::of(head, &decision.chosen)?;
    let digest = blake3::hash(format!("{version}\0{}\0{}", head.from_name, head.to_name).as_bytes());
    Some(Region {
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
mod tests {
    use super::*;
    use crate::domain::label_config::LabelConfig;
    use proptest::prelude::*;
    use serde_json::json;

    fn head(name: &str, attributes: &str) -> HeadSpec {
        let xml = format!(
            r#"<View><Image name="image" value="$image"/><Choices name="{name}" toName="image" {attributes}>
            <Choice value="Rain" alias="rain"/><Choice value="shine"/><Choice value="fog"/></Choices></View>"#
        );
        LabelConfig::parse(&xml).unwrap().heads.remove(0)
    }

    #[test]
    fn a_question_that_nobody_sees_is_not_predicted_and_makes_nothing_uncertain() {
        let xml = r#"<View><Image name="image" value="$image"/>
            <Choices name="weather" toName="image"><Choice value="Rain" alias="r"/><Choice value="shine"/></Choices>
            <View visibleWhen="choice-selected" whenTagName="weather" whenChoiceValue="Rain,hail">
            <Choices name="intensity" toName="image"><Choice value="light"/><Choice value="heavy"/></Choices></View>
            <Choices name="wind" toName="image" visibleWhen="choice-selected" whenTagName="intensity" whenChoiceValue="heavy">
            <Choice value="calm"/><Choice value="storm"/></Choices>
            <Choices name="sun" toName="image" visibleWhen="choice-unselected" whenTagName="weather" whenChoiceValue="Rain">
            <Choice value="low"/><Choice value="high"/></Choices></View>"#;
        let config = LabelConfig::parse(xml).unwrap();
        assert_eq!(config.ignored, Vec::<String>::new());
        let told = |rows: [[f32; 2]; 4]| {
            let rows: Vec<(&HeadSpec, &[f32])> =
                config.heads.iter().zip(rows.iter().map(|row| &row[..])).collect();
            let told = Prediction::new(&rows, "v1", None).unwrap();
            (told.result.iter().map(|region| region.from_name.clone()).collect::<Vec<_>>(), told.score)
        };
        let unsure = [0.51, 0.49];
        assert_eq!(
            told([[0.1, 0.9], unsure, unsure, [0.2, 0.8]]),
            (vec!["weather".into(), "sun".into()], 0.8)
        );
        assert_eq!(
            told([[0.9, 0.1], [0.7, 0.3], unsure, unsure]),
            (vec!["weather".into(), "intensity".into()], 0.7)
        );
        assert_eq!(
            told([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], unsure]),
            (vec!["weather".into(), "intensity".into(), "wind".into()], 0.6)
        );
    }

    #[test]
    fn a_single_head_gives_the_most_likely_class_with_its_probability() {
        let json = prediction_json(&[(&head("weather", ""), &[0.2, 0.67, 0.13])], "v1", None);
        let id = json["result"][0]["id"].clone();
        assert_eq!(id.as_str().map(str::len), Some(10));
        let expected = json!({
            "result": [{"id": id, "from_name": "weather", "to_name": "image", "type": "choices",
                "value": {"choices": ["shine"]}, "score": 0.67}],
            "score": 0.67, "model_version": "v1"
        });
        assert_eq!(json, expected);
        assert_eq!(
            json.to_string(),
            prediction_json(&[(&head("weather", ""), &[0.2, 0.67, 0.13])], "v1", None).to_string()
        );
    }

    #[test]
    fn a_multiple_head_ticks_every_likely_class_and_scores_its_least_certain_one() {
        let head = head("m", r#"choice="multiple""#);
        let prediction = Prediction::new(&[(&head, &[0.9, 0.5, 0.05])], "v1", None).unwrap();
        let names = ["rain", "shine"].map(|name| ChoiceValue::Name(name.to_owned()));
        assert_eq!(prediction.result[0].value, RegionValue::Choices(names.to_vec()));
        assert_eq!(prediction.score, 0.5);
        let nothing = Prediction::new(&[(&head, &[0.1, 0.2, 0.05])], "v1", None).unwrap();
        assert_eq!((nothing.result.len(), nothing.score), (0, 0.8));
    }

    #[test]
    fn a_rating_is_written_as_a_number() {
        let xml = r#"<View><Image name="image" value="$image"/><Rating name="stars" toName="image" maxRating="3"/></View>"#;
        let config = LabelConfig::parse(xml).unwrap();
        let json = prediction_json(&[(&config.heads[0], &[0.2, 0.67, 0.13])], "v1", None);
        let region = &json["result"][0];
        assert_eq!((&region["type"], &region["value"]), (&json!("rating"), &json!({"rating": 2})));
        assert_eq!((&region["score"], &json["score"]), (&json!(0.67), &json!(0.67)));
        let read: Prediction = serde_json::from_value(json).unwrap();
        assert_eq!(read.result[0].value, RegionValue::Rating(2));
    }

    #[test]
    fn nested_choices_are_written_as_paths() {
        let xml = r#"<View><Image name="i" value="$i"/><Choices name="c" toName="i" allowNested="true">
            <Choice value="A"><Choice value="B" alias="b"/></Choice><Choice value="C"/></Choices></View>"#;
        let config = LabelConfig::parse(xml).unwrap();
        for (probabilities, choices) in [([0.9, 0.1], json!([["A", "b"]])), ([0.1, 0.9], json!([["C"]]))] {
            let json = prediction_json(&[(&config.heads[0], &probabilities)], "v1", None);
            assert_eq!(json["result"][0]["value"]["choices"], choices);
        }
    }

    #[test]
    fn the_score_is_the_least_sure_head_and_thresholds_only_hide_regions() {
        let (sure, unsure, skipped) =
            (head("a", ""), head("b", r#"model_score_threshold="0.6""#), head("c", r#"model_skip="true""#));
        let heads: [(&HeadSpec, &[f32]); 3] =
            [(&sure, &[0.9, 0.1, 0.0]), (&unsure, &[0.4, 0.3, 0.3]), (&skipped, &[0.34, 0.33, 0.33])];
        let prediction = Prediction::new(&heads, "v1", None).unwrap();
        let names: Vec<&str> = prediction.result.iter().map(|region| region.from_name.as_str()).collect();
        assert_eq!((names, prediction.score), (vec!["a"], 0.4));
        let stricter = Prediction::new(&heads[..1], "v1", Some(0.95)).unwrap();
        assert_eq!(
            (stricter.result.len(), stricter.score),
            (0, 0.9),
            "the setting counts where the config is silent"
        );
        let own = Prediction::new(&heads[1..2], "v1", Some(0.1)).unwrap();
        assert_eq!(own.result.len(), 0, "the label config's own threshold wins");
        assert_eq!(prediction_json(&heads[2..], "v1", None), json!([]), "a skipped head says nothing");
        assert_eq!(prediction_json(&[], "v1", None), json!([]));
    }

    #[test]
    fn numbers_that_are_none_are_no_prediction() {
        let head = head("a", "");
        assert_eq!(prediction_json(&[(&head, &[f32::NAN, 0.1, 0.1])], "v1", None), json!([]));
        assert_eq!(prediction_json(&[(&head, &[0.5, 0.5])], "v1", None), json!([]));
        let error = Decision::new(&head, &[0.5, 0.5], None).unwrap_err();
        assert_eq!(error.to_string(), "head `a` has 3 classes but 2 probabilities; retrain it");
        let clamped = Prediction::new(&[(&head, &[f32::INFINITY, -3.0, 0.0])], "v1", None).unwrap();
        assert_eq!(clamped.score, 1.0);
    }

    proptest! {
        #[test]
        fn a_prediction_survives_its_json_and_its_score_is_a_probability(
            single in prop::collection::vec(any::<f32>(), 3), multiple in prop::collection::vec(-0.1_f32..1.1, 3),
        ) {
            let (a, b) = (head("a", ""), head("b", r#"choice="multiple""#));
            let heads: [(&HeadSpec, &[f32]); 2] = [(&a, &single), (&b, &multiple)];
            let json = prediction_json(&heads, "v1", None);
            let read: Prediction = serde_json::from_value(json).unwrap();
            prop_assert!((0.0..=1.0).contains(&read.score));
            prop_assert_eq!(Some(read), Prediction::new(&heads, "v1", None));
        }
    }
}
