use super::*;
use crate::domain::label_config::LabelConfig;
use serde_json::json;

fn head(attributes: &str) -> HeadSpec {
    let xml = format!(
        r#"<View><Image name="image" value="$image"/><Choices name="weather" toName="image" {attributes}>
        <Choice value="Rain" alias="r"/><Choice value="Dry"><Choice value="shine"/><Choice value="cloudy"/></Choice>
        <Choice value="Fog"/></Choices></View>"#
    );
    LabelConfig::parse(&xml).unwrap().heads.remove(0)
}

fn region(choices: Value) -> Value {
    json!({"id": "a", "from_name": "weather", "to_name": "image", "type": "choices", "value": {"choices": choices}})
}

fn target(result: Value, head: &HeadSpec) -> Option<Target> {
    Annotation::from_json(&json!({"id": 1, "task": 2, "result": result}), None).unwrap().target(head)
}

#[test]
fn only_the_id_and_a_task_are_needed() {
    let annotation = Annotation::from_json(&json!({"id": 1}), Some(TaskId(2))).unwrap();
    let expected = Annotation {
        id: AnnotationId(1),
        task: TaskId(2),
        result: vec![],
        was_cancelled: false,
        ground_truth: false,
        created_at: 0,
        updated_at: 0,
        completed_by: None,
    };
    assert_eq!(annotation, expected);
    let full = json!({"id": 1, "task": {"id": 9, "data": {}}, "completed_by": {"id": 4, "email": "a@b"}, "result": null,
        "updated_at": null, "created_at": "1970-01-01T00:00:01.000002Z", "was_cancelled": true, "ground_truth": true});
    let annotation = Annotation::from_json(&full, Some(TaskId(2))).unwrap();
    assert_eq!(
        (annotation.task, annotation.completed_by, annotation.updated_at),
        (TaskId(9), Some(4), 1_000_002)
    );
    assert!(annotation.was_cancelled && annotation.ground_truth);
}

#[test]
fn a_broken_annotation_names_the_field() {
    for (value, message) in [
        (json!("x"), "annotation is a string, expected an object"),
        (json!({"task": 1}), "annotation has no field `id`"),
        (json!({"id": 5}), "annotation 5 has no field `task`"),
        (
            json!({"id": 5, "task": 1, "result": {}}),
            "field `result` of annotation 5 is an object, expected a list",
        ),
        (
            json!({"id": 5, "task": 1, "was_cancelled": "no"}),
            "field `was_cancelled` of annotation 5 is a string, expected true or false",
        ),
    ] {
        assert_eq!(Annotation::from_json(&value, None).unwrap_err().to_string(), message);
    }
}

#[test]
fn regions_of_other_tools_are_dropped_and_huge_results_cut() {
    let brush = json!({"from_name": "brush", "type": "brushlabels", "value": {"rle": vec![7; 1000]}});
    let mut result = vec![brush, json!(null), json!(3), json!({"type": 5})];
    result.extend(vec![region(json!(["r"])); MAX_REGIONS + 5]);
    let annotation = Annotation::from_json(&json!({"id": 1, "task": 2, "result": result}), None).unwrap();
    assert_eq!(annotation.result.len(), MAX_REGIONS);
    assert_eq!(annotation.target(&head("")), Some(Target::Single(0)));
}

#[test]
fn a_single_head_learns_from_exactly_one_known_class() {
    let head = head("");
    for (choices, class) in [
        (json!(["r"]), Some(0)),
        (json!(["Rain"]), Some(0)),
        (json!([["Rain"]]), Some(0)),
        (json!("Fog"), Some(2)),
        (json!(["Fog", "Fog"]), Some(2)),
        (json!(["Fog", "r"]), None),
        (json!(["Fog", "snow"]), None),
        (json!(["snow"]), None),
        (json!(["shine"]), None),
        (json!([]), None),
        (json!([[]]), None),
        (json!([7, null]), None),
        (json!([" Fog\n"]), Some(2)),
        (json!({"r": true}), None),
    ] {
        assert_eq!(target(json!([region(choices.clone())]), &head), class.map(Target::Single), "{choices}");
    }
    assert_eq!(target(json!([]), &head), None);
    assert_eq!(target(json!([{"type": "choices", "from_name": "weather"}]), &head), None);
    let other = json!({"from_name": "other", "type": "choices", "value": {"choices": ["Fog"]}});
    let two = json!([other, region(json!(["r"])), region(json!(["Fog"]))]);
    assert_eq!(target(two, &head), Some(Target::Single(0)), "the first of its own regions");
}

#[test]
fn an_answer_that_is_only_written_otherwise_is_the_class_that_is_shown() {
    let xml = r#"<View><Image name="image" value="$image"/><Choices name="weather" toName="image">
        <Choice value="7"/><Choice value="été"/><Choice value=" sun "/><Choice value="Sun"/><Choice value="x">y</Choice>
        <Choice value="true"/></Choices></View>"#;
    let head = LabelConfig::parse(xml).unwrap().heads.remove(0);
    for (choice, class) in [
        (json!(7), Some(0)),
        (json!(7.0), Some(0)),
        (json!("7 "), Some(0)),
        (json!(7.5), None),
        (json!("e\u{301}te\u{301}"), Some(1)),
        (json!("sun"), Some(2)),
        (json!("Sun"), Some(3)),
        (json!("SUN"), None),
        (json!("x"), Some(4)),
        (json!("y"), Some(4)),
        (json!(true), Some(5)),
    ] {
        assert_eq!(target(json!([region(json!([choice]))]), &head), class.map(Target::Single), "{choice}");
    }
}

#[test]
fn a_nested_single_head_reads_what_the_editor_writes_for_a_leaf_and_its_parent() {
    let head = head(r#"allowNested="true""#);
    for (choices, class) in [
        (json!([["r"]]), Some(0)),
        (json!([["Dry", "cloudy"]]), Some(2)),
        (json!([["Dry"], ["Dry", "cloudy"]]), Some(2)),
        (json!(["cloudy"]), Some(2)),
        (json!([["Dry"], ["Dry", "shine"], ["Dry", "cloudy"]]), None),
        (json!([["Dry"]]), None),
        (json!([["Wet", "cloudy"]]), None),
    ] {
        assert_eq!(target(json!([region(choices.clone())]), &head), class.map(Target::Single), "{choices}");
    }
}

#[test]
fn a_multiple_head_learns_which_classes_apply_and_which_do_not() {
    let flat = head(r#"choice="multiple""#);
    for (choices, applies) in [
        (json!(["r", "Fog"]), Some([true, false, true])),
        (json!(["Dry", "snow"]), Some([false, true, false])),
        (json!(["snow"]), None),
        (json!([]), Some([false; 3])),
    ] {
        let expected = applies.map(|applies| Target::Multiple(applies.to_vec()));
        assert_eq!(target(json!([region(choices.clone())]), &flat), expected, "{choices}");
    }
    assert_eq!(target(json!([]), &flat), None, "no region says nothing");
    let nested = head(r#"choice="multiple" allowNested="true""#);
    let expected = Some(Target::Multiple(vec![false, true, true, false]));
    assert_eq!(target(json!([region(json!([["Dry"]]))]), &nested), expected);
    assert_eq!(
        target(json!([region(json!([["Dry"], ["Dry", "shine"], ["Dry", "cloudy"]]))]), &nested),
        expected
    );
}

#[test]
fn an_answer_without_a_choice_is_empty_unless_it_says_that_none_of_several_applies() {
    let empty = |result: Value, any_number: bool, skipped: bool| {
        let annotation = json!({"id": 1, "task": 2, "was_cancelled": skipped, "result": result});
        Annotation::from_json(&annotation, None).unwrap().is_empty(|_| any_number)
    };
    for any_number in [false, true] {
        assert!(empty(json!([]), any_number, false));
        assert!(empty(json!([{"type": "choices", "from_name": "weather"}]), any_number, false));
        assert!(empty(json!([region(json!(""))]), any_number, false));
        assert_eq!(empty(json!([region(json!([]))]), any_number, false), !any_number);
        assert!(!empty(json!([]), any_number, true), "a skip");
        for choices in [json!(["r"]), json!("r"), json!([["Dry", "shine"]])] {
            assert!(!empty(json!([region(json!([])), region(choices)]), any_number, false));
        }
    }
}

#[test]
fn a_skipped_task_teaches_nothing() {
    let skipped = json!({"id": 1, "task": 2, "was_cancelled": true, "result": [region(json!(["r"]))]});
    assert_eq!(Annotation::from_json(&skipped, None).unwrap().target(&head("")), None);
}

#[test]
fn a_rating_teaches_its_number_and_none_teaches_nothing() {
    let xml = r#"<View><Image name="image" value="$image"/><Rating name="stars" toName="image"/></View>"#;
    let config = LabelConfig::parse(xml).unwrap();
    let rated = |kind: &str, rating: Value| {
        let region = json!({"from_name": "stars", "to_name": "image", "type": kind, "value": {kind: rating}});
        Annotation::from_json(&json!({"id": 1, "task": 2, "result": [region]}), None).unwrap()
    };
    for (rating, class, unused) in [
        (json!(4), Some(3), None),
        (json!(4.0), Some(3), None),
        (json!("4"), Some(3), None),
        (json!(0), None, None),
        (json!(6), None, Some("`stars` has no class `6`")),
        (json!(2.5), None, Some("`stars` has no class `2.5`")),
        (json!({"a": 1}), None, Some("`stars` is answered with something that is not a list of names")),
    ] {
        let annotation = rated("rating", rating.clone());
        assert_eq!(annotation.target(&config.heads[0]), class.map(Target::Single), "{rating}");
        let said: Vec<String> = annotation.unused(&config).iter().map(Unused::to_string).collect();
        assert_eq!(said, unused.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{rating}");
        assert_eq!(annotation.is_empty(|_| false), rating == json!(0) || rating.is_object(), "{rating}");
    }
    let choices = rated("choices", json!(["4"]));
    assert_eq!(choices.target(&config.heads[0]), None, "an answer of another kind");
    assert_eq!(choices.unused(&config).len(), 1);
    assert!(rated("number", json!(4)).result.is_empty());
    let offered = UnusedAnswers::among([rated("rating", json!(10))].iter(), &config);
    assert_eq!(offered[0].renamed, None);
}

#[test]
fn a_taxonomy_teaches_the_paths_that_were_chosen() {
    let config = |attributes: &str| {
        let xml = format!(
            r#"<View><Image name="image" value="$image"/><Taxonomy name="life" toName="image" {attributes}>
            <Choice value="Eukarya"><Choice value="Animals" alias="a"/><Choice value="Plants"/></Choice>
            <Choice value="Bacteria"/></Taxonomy></View>"#
        );
        LabelConfig::parse(&xml).unwrap()
    };
    let chosen = |paths: Value| {
        let region = json!({"from_name": "life", "to_name": "image", "type": "taxonomy", "value": {"taxonomy": paths}});
        Annotation::from_json(&json!({"id": 1, "task": 2, "result": [region]}), None).unwrap()
    };
    let single = config(r#"leafsOnly="true" maxUsages="1""#);
    for (paths, class, unused) in [
        (json!([["Eukarya", "a"]]), Some(0), None),
        (json!([["Eukarya", "Animals"]]), Some(0), None),
        (json!([["Bacteria"]]), Some(2), None),
        (json!([]), None, None),
        (json!([["Eukarya"]]), None, Some("`life` has no class `Eukarya`")),
        (json!([["a"]]), None, Some("`life` has no class `a`")),
        (json!([["Eukarya", "Fungi"]]), None, Some("`life` has no class `Eukarya / Fungi`")),
        (
            json!([["Eukarya", "a"], ["Bacteria"]]),
            None,
            Some("`life` is answered with several classes, where one can be right"),
        ),
    ] {
        let annotation = chosen(paths.clone());
        assert_eq!(annotation.target(&single.heads[0]), class.map(Target::Single), "{paths}");
        let said: Vec<String> = annotation.unused(&single).iter().map(Unused::to_string).collect();
        assert_eq!(said, unused.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{paths}");
    }
    let every = config("");
    let applies = |paths: Value| match chosen(paths).target(&every.heads[0]) {
        Some(Target::Multiple(flags)) => flags,
        other => panic!("{other:?}"),
    };
    assert_eq!(applies(json!([["Eukarya"]])), [true, false, false, false]);
    assert_eq!(applies(json!([["Eukarya", "Plants"], ["Bacteria"], ["Fungi"]])), [false, false, true, true]);
}
