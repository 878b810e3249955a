use super::*;

const TWO: &str = r#"<View><Image name="image" value="$image"/>
    <Choices name="number" toName="image" choice="multiple">
        <Choice value="one"/><Choice value="ten new"/><Choice value="eleven" alias="11"/><Choice value="both"/></Choices>
    <Choices name="sky" toName="image" allowNested="true"><Choice value="both"/>
        <Choice value="dry"><Choice value="shine"/><Choice value="cloudy"/></Choice></Choices></View>"#;

fn plan(from_name: Option<&str>, old: &str, new: &str) -> Result<Rename, String> {
    let config = LabelConfig::parse(TWO).unwrap();
    Rename::plan(&config, from_name, old, new, false).map_err(|error| error.to_string())
}

fn choices(from_name: &str, choices: Value) -> Value {
    json!({"id": "r1", "from_name": from_name, "to_name": "image", "type": "choices", "origin": "manual",
        "value": {"choices": choices, "start": 1}})
}

#[test]
fn exactly_the_choice_becomes_the_class_and_all_else_stays() {
    let rename = plan(None, "ten", "ten new").unwrap();
    let boxes = json!({"id": "b", "from_name": "box", "type": "rectanglelabels", "value": {"rectanglelabels": ["ten"]}});
    let result =
        json!([choices("sky", json!(["ten"])), boxes, choices("number", json!(["one", "ten", "ten "]))]);
    let changed = rename.changed(&result).unwrap();
    let wanted =
        json!([choices("sky", json!(["ten"])), boxes, choices("number", json!(["one", "ten new", "ten "]))]);
    assert_eq!(changed, wanted);
    assert_eq!(rename.changed(&changed), None, "a second run changes nothing");
}

#[test]
fn choices_are_found_however_they_are_written() {
    let ten = plan(None, "ten", "ten new").unwrap();
    let seven = plan(None, "7", "11").unwrap();
    let fog = plan(None, "dry / fog", "dry / cloudy").unwrap();
    let flat = plan(None, "fog", "cloudy").unwrap();
    for (rename, before, after) in [
        (&ten, json!("ten"), json!(["ten new"])),
        (&ten, json!(["ten", "ten new", "one"]), json!(["ten new", "one"])),
        (&ten, json!(["ten", "ten"]), json!(["ten new"])),
        (&ten, json!([["ten"]]), json!(["ten new"])),
        (&seven, json!([7, 7.5]), json!(["11", 7.5])),
        (&fog, json!([["dry", "fog"], ["fog"]]), json!([["dry", "cloudy"], ["fog"]])),
        (&flat, json!(["fog", ["dry", "fog"]]), json!([["dry", "cloudy"], ["dry", "fog"]])),
    ] {
        let changed = rename.changed(&json!([choices(&rename.from_name, before.clone())])).unwrap();
        assert_eq!(changed, json!([choices(&rename.from_name, after)]), "{before}");
    }
}

#[test]
fn what_is_no_answer_to_the_question_is_left_alone() {
    let rename = plan(None, "ten", "ten new").unwrap();
    for result in [
        json!(null),
        json!({"choices": ["ten"]}),
        json!([]),
        json!([1, null, "ten"]),
        json!([{"type": "choices", "from_name": "number"}]),
        json!([{"type": "choices", "from_name": "number", "value": {"choices": {"ten": "ten"}}}]),
        json!([{"type": "labels", "from_name": "number", "value": {"choices": ["ten"]}}]),
        json!([choices("number", json!(["Ten", "ten!", null, ["ten", "ten"]]))]),
    ] {
        assert_eq!(rename.changed(&result), None, "{result}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_can() {
    for (from_name, old, new, said) in [
        (Some("weather"), "ten", "one", "no question `weather` that is learnt; there are: `number`, `sky`"),
        (None, "ten", "two", "no class `two`; there are: `one`, `ten new`, `11`, `both`, `both`, `shine`"),
        (Some("sky"), "ten", "one", "no class `one`; there are: `both`, `shine`, `cloudy`"),
        (None, "ten", "both", "a class of `number`, `sky`; say which with --from-name"),
        (None, "one", "ten new", "`one` is still a class, or a group of classes, of `number`"),
        (None, "dry", "cloudy", "`dry` is still a class, or a group of classes, of `sky`"),
        (None, "dry / shine", "cloudy", "`dry / shine` is still a class"),
        (None, "eleven", "11", "are the same class of `number`"),
        (None, " one", "one", "are the same class of `number`"),
        (None, "one", "one", "are the same class"),
    ] {
        let refused = plan(from_name, old, new).unwrap_err();
        assert!(refused.contains(said), "{old} -> {new}: {refused}");
    }
    assert_eq!(plan(Some("sky"), "ten", "both").unwrap().from_name, "sky");
    let config = LabelConfig::parse(TWO).unwrap();
    let merged = Rename::plan(&config, None, "one", "ten new", true).unwrap();
    let changed = merged.changed(&json!([choices("number", json!(["one", "11"]))])).unwrap();
    assert_eq!(changed[0]["value"]["choices"], json!(["ten new", "11"]));
}

#[test]
fn the_command_is_one_that_a_shell_takes() {
    for (from_name, old, new, line) in [
        (None, "ten", "ten new", "weathervane labels rename --project 3 ten 'ten new'"),
        (
            Some("a b"),
            "-x",
            "it's",
            r"weathervane labels rename --project 3 --from-name='a b' -- -x 'it'\''s'",
        ),
    ] {
        assert_eq!(command(ProjectId(3), from_name, old, new).as_deref(), Some(line));
    }
    assert_eq!(command(ProjectId(3), None, "a\nb", "ab"), None);
    assert_eq!(command(ProjectId(3), None, &"a".repeat(201), "ab"), None);
}
