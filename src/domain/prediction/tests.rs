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
    assert_eq!(told([[0.1, 0.9], unsure, unsure, [0.2, 0.8]]), (vec!["weather".into(), "sun".into()], 0.8));
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
fn a_taxonomy_is_written_as_paths() {
    let xml = r#"<View><Image name="i" value="$i"/><Taxonomy name="t" toName="i">
        <Choice value="A"><Choice value="B" alias="b"/></Choice><Choice value="C"/></Taxonomy></View>"#;
    let config = LabelConfig::parse(xml).unwrap();
    for (probabilities, paths) in
        [([0.1, 0.9, 0.7], json!([["A", "b"], ["C"]])), ([0.9, 0.1, 0.2], json!([["A"]]))]
    {
        let json = prediction_json(&[(&config.heads[0], &probabilities)], "v1", None);
        let region = &json["result"][0];
        assert_eq!((&region["type"], &region["value"]), (&json!("taxonomy"), &json!({"taxonomy": paths})));
        assert!(serde_json::from_value::<Prediction>(json).is_ok());
    }
    let json = prediction_json(&[(&config.heads[0], &[0.1, 0.2, 0.3])], "v1", None);
    assert_eq!(json["result"], json!([]));
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
    let sure = head("a", "");
    let unsure = head("b", r#"model_score_threshold="0.6""#);
    let skipped = head("c", r#"model_skip="true""#);
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
        let a = head("a", "");
        let b = head("b", r#"choice="multiple""#);
        let heads: [(&HeadSpec, &[f32]); 2] = [(&a, &single), (&b, &multiple)];
        let json = prediction_json(&heads, "v1", None);
        let read: Prediction = serde_json::from_value(json).unwrap();
        prop_assert!((0.0..=1.0).contains(&read.score));
        prop_assert_eq!(Some(read), Prediction::new(&heads, "v1", None));
    }
}
