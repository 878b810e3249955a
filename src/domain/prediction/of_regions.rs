//! Predictions of heads of regions.

use serde_json::{Map, Value, json};

use super::{Decision, Prediction, RegionValue, rounded};
use crate::domain::label_config::HeadSpec;
use crate::domain::region::Region;

/// A region, and the prediction of each head that is asked about it: one calibrated probability per class.
#[derive(Debug)]
pub struct RegionAnswers<'a> {
    pub region: &'a Region,
    pub heads: Vec<(&'a HeadSpec, Vec<f32>)>,
}

/// [`Prediction::new`] for the heads of whole images, followed by the answers about regions, as JSON; `[]` where there is no
/// answer.
///
/// An answer about a region is an item with the region's id and place. The items that the region came with stand before it:
/// in Label Studio's editor a prediction is by itself, and an answer whose region is not in it would be of a region without
/// a drawn shape. The score is that of the whole image where a head predicts anything for that, else the least certainty of
/// all answers about regions.
pub fn prediction_with_regions(
    heads: &[(&HeadSpec, &[f32])],
    regions: &[RegionAnswers<'_>],
    version: &str,
    threshold: Option<f32>,
) -> Value {
    let image = Prediction::new(heads, version, threshold);
    let mut result = Vec::new();
    let mut score = image.as_ref().map(|prediction| prediction.score);
    if let Some(prediction) = &image {
        result.extend(prediction.result.iter().filter_map(|region| serde_json::to_value(region).ok()));
    }
    for RegionAnswers { region, heads } in regions {
        let decided =
            heads.iter().filter_map(|(head, row)| Some((head, Decision::new(head, row, threshold).ok()?)));
        let mut answers = Vec::new();
        for (head, decision) in decided {
            let certainty = rounded(decision.certainty);
            if image.is_none() {
                score = Some(score.map_or(certainty, |least| least.min(certainty)));
            }
            answers.extend(answer(head, &decision).map(|value| region.item(head, value, certainty)));
        }
        if !answers.is_empty() {
            result.extend(region.items.iter().cloned());
            result.extend(answers);
        }
    }
    match score {
        Some(score) => json!({"result": result, "score": score, "model_version": version}),
        None => json!([]),
    }
}

/// The entry of an item's `value` that is the answer; a head that chose nothing has none.
fn answer(head: &HeadSpec, decision: &Decision) -> Option<Map<String, Value>> {
    match serde_json::to_value(RegionValue::of(head, &decision.chosen)?) {
        Ok(Value::Object(answer)) => Some(answer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::label_config::LabelConfig;

    fn config() -> LabelConfig {
        let xml = r#"<View><Image name="image" value="$image"/>
            <Choices name="whole" toName="image"><Choice value="a"/><Choice value="b"/></Choices>
            <Choices name="part" toName="image" perRegion="true"><Choice value="a"/><Choice value="b"/></Choices>
            <Rating name="stars" toName="image" perRegion="true" maxRating="2" model_score_threshold="0.8"/></View>"#;
        LabelConfig::parse(xml).unwrap()
    }

    fn region(id: &str) -> Region {
        let drawn = json!([{"id": id, "type": "rectangle", "from_name": "box", "to_name": "image",
            "value": {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0}}]);
        Region::all(drawn.as_array().unwrap()).0.remove(0)
    }

    #[test]
    fn each_region_stands_before_what_is_said_of_it() {
        let config = config();
        let [whole, part, stars] = config.heads.as_slice() else { panic!("{config:?}") };
        let first = region("1");
        let second = region("2");
        let third = region("3");
        let answers = [
            RegionAnswers { region: &first, heads: vec![(part, vec![0.25, 0.75]), (stars, vec![0.9, 0.1])] },
            RegionAnswers { region: &second, heads: vec![(stars, vec![0.6, 0.4])] },
            RegionAnswers { region: &third, heads: Vec::new() },
        ];
        let told = prediction_with_regions(&[], &answers, "v1", None);
        let items = told["result"].as_array().unwrap();
        let kinds: Vec<(&Value, &Value)> = items.iter().map(|item| (&item["id"], &item["type"])).collect();
        let id = json!("1");
        assert_eq!(kinds, [(&id, &json!("rectangle")), (&id, &json!("choices")), (&id, &json!("rating"))]);
        assert_eq!((&items[1]["value"]["choices"], &items[1]["score"]), (&json!(["b"]), &json!(0.75)));
        assert_eq!((&items[2]["value"]["rating"], &items[2]["value"]["x"]), (&json!(1), &json!(10)));
        assert_eq!((&told["score"], &told["model_version"]), (&json!(0.6), &json!("v1")));

        let rows: [(&HeadSpec, &[f32]); 1] = [(whole, &[0.125, 0.875])];
        let told = prediction_with_regions(&rows, &answers, "v1", None);
        assert_eq!((told["result"].as_array().unwrap().len(), &told["score"]), (4, &json!(0.875)));
        assert_eq!(told["result"][0]["from_name"], "whole");
        assert_eq!(prediction_with_regions(&[], &answers[2..], "v1", None), json!([]));
        let unsure = prediction_with_regions(&[], &answers[1..2], "v1", None);
        assert_eq!((&unsure["result"], &unsure["score"]), (&json!([]), &json!(0.6)));
    }

    #[test]
    fn a_row_that_is_not_of_the_head_says_nothing() {
        let config = config();
        let region = region("1");
        for row in [vec![], vec![0.5], vec![f32::NAN, 0.5]] {
            let answers = [RegionAnswers { region: &region, heads: vec![(&config.heads[1], row)] }];
            assert_eq!(prediction_with_regions(&[], &answers, "v1", None), json!([]));
        }
    }
}
