mod hostile;
mod rating;
mod regions;
mod taxonomy;

use super::*;

const WEATHER: &str = r#"<View><Image name="image" value="$image"/>
    <Choices name="weather" toName="image"><Choice value="rain"/><Choice value="shine"/></Choices></View>"#;

fn parse(inner: &str) -> LabelConfig {
    LabelConfig::parse(&with_image(inner)).unwrap()
}

fn refused(inner: &str) -> String {
    LabelConfig::parse(&with_image(inner)).unwrap_err().to_string()
}

fn with_image(inner: &str) -> String {
    format!(r#"<View><Image name="image" value="$image"/>{inner}</View>"#)
}

fn names(head: &HeadSpec) -> Vec<&str> {
    head.classes.iter().map(|class| class.name.as_str()).collect()
}

#[test]
fn a_plain_config_is_one_single_head() {
    let config = LabelConfig::parse(WEATHER).unwrap();
    assert_eq!(config.ignored, Vec::<String>::new());
    let [head] = config.heads.as_slice() else { panic!("{config:?}") };
    assert_eq!(
        (head.from_name.as_str(), head.to_name.as_str(), head.image_key.as_str()),
        ("weather", "image", "image")
    );
    assert_eq!((head.kind, head.score_threshold, head.skip), (ChoiceKind::Single, None, false));
    assert_eq!(names(head), ["rain", "shine"]);
    assert!(head.classes.iter().all(|class| class.path.is_empty()));
}

#[test]
fn every_setting_of_a_head_is_read_whatever_its_case() {
    let config = LabelConfig::parse(
        r#"<view><Header value="Weather?"/><image NAME="photo" VALUE="$photo.url"/>
        <CHOICES Name="sky" toname="photo" choice="multiple" model_score_threshold="0.25" model_skip="true">
            <View><choice value="Rain" alias="r" predicted_values="drizzle, shower,"/></View>
            <Choice>Sun shine</Choice><Choice value="$5"/>
        </CHOICES>
        <Choices name="light" toName="photo" choice="single-radio"><Choice value="a"/><Choice value="b"/></Choices></view>"#,
    )
    .unwrap();
    assert_eq!(config.ignored, Vec::<String>::new());
    let [sky, light] = config.heads.as_slice() else { panic!("{config:?}") };
    assert_eq!((sky.kind, sky.score_threshold, sky.skip), (ChoiceKind::Multiple, Some(0.25), true));
    assert_eq!(sky.image_key, "photo.url");
    assert_eq!(names(sky), ["r", "Sun shine", "$5"]);
    assert_eq!(sky.classes[0].value, "Rain");
    assert_eq!(sky.classes[0].predicted_values, ["drizzle", "shower"]);
    assert_eq!(light.kind, ChoiceKind::Single);
}

#[test]
fn several_images_have_heads_of_their_own() {
    let config = LabelConfig::parse(
        r#"<View><Image name="a" value="$left"/><Image name="b" value="$right"/>
        <Choices name="x" toName="b"><Choice value="1"/><Choice value="2"/></Choices>
        <Choices name="y" toName="a"><Choice value="1"/><Choice value="2"/></Choices></View>"#,
    )
    .unwrap();
    let keys: Vec<_> =
        config.heads.iter().map(|head| (head.from_name.as_str(), head.image_key.as_str())).collect();
    assert_eq!(keys, [("x", "right"), ("y", "left")]);
}

const NESTED: &str = r#"<Choice value="Wet" alias="w"><Choice value="Rain" alias="r"/><Choice value="Other"/></Choice>
    <Choice value="Dry"><Choice value="Sun"/><Choice value="Other"/></Choice><Choice value="Fog"/></Choices>"#;

#[test]
fn nested_choices_are_the_leaves_with_their_paths() {
    let config = parse(&format!(r#"<Choices name="n" toName="image" allowNested="true">{NESTED}"#));
    let head = &config.heads[0];
    assert_eq!(names(head), ["r", "w / Other", "Sun", "Dry / Other", "Fog"]);
    let paths: Vec<_> = head.classes.iter().map(|class| class.path.join(">")).collect();
    assert_eq!(paths, ["w>r", "w>Other", "Dry>Sun", "Dry>Other", "Fog"]);
    assert_eq!(head.path_index(&["w", "r"]), Some(0));
    assert_eq!(head.path_index(&["w", "Rain"]), Some(0));
    assert_eq!(head.path_index(&["Dry", "Other"]), Some(3));
    assert_eq!(head.path_index(&["Dry"]), None);
    assert_eq!(head.path_index(&["Sun"]), Some(2));
    assert_eq!(head.class_index("Other"), None, "two classes are called so");
}

#[test]
fn without_allow_nested_only_the_outer_choices_are_classes() {
    let config = parse(&format!(r#"<Choices name="n" toName="image">{NESTED}"#));
    assert_eq!(names(&config.heads[0]), ["w", "Dry", "Fog"]);
    assert!(config.heads[0].classes.iter().all(|class| class.path.is_empty()));
    assert_eq!(
        config.ignored,
        [r#"`<Choices name="n">`: choices inside a choice need `allowNested="true"`; they are ignored"#]
    );
}

#[test]
fn a_class_is_found_by_alias_and_by_value() {
    let config = parse(
        r#"<Choices name="n" toName="image"><Choice value="Rain" alias="r"/><Choice value="r" alias="s"/></Choices>"#,
    );
    let head = &config.heads[0];
    assert_eq!(head.class_index("r"), Some(0), "the alias comes first");
    assert_eq!(
        (head.class_index("Rain"), head.class_index("s"), head.class_index("snow")),
        (Some(0), Some(1), None)
    );
}

#[test]
fn what_this_backend_cannot_classify_is_refused_with_the_reason() {
    let two = r#"<Choice value="a"/><Choice value="b"/></Choices>"#;
    for (choices, reason) in [
        (
            format!(r#"<Choices name="n" toName="image" perItem="true">{two}"#),
            "`perItem=\"true\"` labels items of a list; this backend classifies one image",
        ),
        (
            format!(r#"<Choices name="n" toName="image" value="$options">{two}"#),
            "`value=\"$options\"` takes the choices from each task; this backend needs them in the label config",
        ),
        (
            format!(r#"<Choices name="n" toName="image" choice="many">{two}"#),
            "`choice=\"many\"` is not one of `single`, `single-radio`, `multiple`",
        ),
        (format!(r#"<Choices name="n">{two}"#), "it has no `toName`"),
        (format!(r#"<Choices name="n" toName="gone">{two}"#), "`toName=\"gone\"` names no tag"),
        (
            format!(r#"<Choices name="n" toName="image,gone">{two}"#),
            "`toName=\"image,gone\"` names several tags; this backend needs one image",
        ),
        (
            format!(r#"<Video name="v" value="$v"/><Choices name="n" toName="v">{two}"#),
            "`toName=\"v\"` is a `<Video>`; this backend only classifies images",
        ),
        (
            format!(r#"<Image name="l" valueList="$l"/><Choices name="n" toName="l">{two}"#),
            "`<Image name=\"l\">` shows a list (`valueList`); this backend needs one image",
        ),
        (
            format!(r#"<Image name="c" value="http://x/y.png"/><Choices name="n" toName="c">{two}"#),
            "`<Image name=\"c\">` has `value=\"http://x/y.png\"`, expected `$key` of the data, or an address with it",
        ),
        (
            format!(r#"<Repeater on="$list"><Choices name="n" toName="image">{two}</Repeater>"#),
            "it stands in a `<Repeater>`; this backend needs a fixed set of choices",
        ),
        (r#"<Choices name="n" toName="image"/>"#.to_owned(), "it has no `<Choice>` with a value"),
        (
            r#"<Choices name="n" toName="image"><Choice value="a"/></Choices>"#.to_owned(),
            "it has one class, `a`; there is nothing to tell apart",
        ),
        (
            r#"<Choices name="n" toName="image"><Choice value="a"/><Choice value="a"/></Choices>"#.to_owned(),
            "it has one class, `a`; there is nothing to tell apart",
        ),
    ] {
        assert_eq!(
            refused(&choices),
            format!("label config has no question that can be learnt: `<Choices name=\"n\">`: {reason}")
        );
        let good = r#"<Choices name="good" toName="image"><Choice value="a"/><Choice value="b"/></Choices>"#;
        let config = parse(&format!("{choices}{good}"));
        assert_eq!(config.heads.len(), 1, "the other head is still there");
        assert_eq!(config.ignored, [format!("`<Choices name=\"n\">`: {reason}")]);
    }
}

#[test]
fn conditions_are_those_of_the_editor() {
    let config = parse(
        r#"<Choices name="a" toName="image" visibleWhen="no-region-selected"><Choice value="x"/><Choice value="y"/></Choices>
        <Choices name="b" toName="image" visibleWhen="choice-selected" whenTagName="boxes"><Choice value="x"/><Choice value="y"/></Choices>
        <View whenRole="reviewer"><Choices name="c" toName="image"><Choice value="x"/><Choice value="y"/></Choices></View>"#,
    );
    assert!(config.heads.len() == 3 && config.heads.iter().all(|head| head.when.is_empty()));
    assert_eq!(config.ignored.len(), 1);
    assert!(config.ignored[0].contains("by the answer to `boxes`"), "{:?}", config.ignored);
}

#[test]
fn a_question_about_the_image_that_waits_for_a_region_is_left_out_with_advice() {
    let question = r#"<Choices name="a" toName="image"><Choice value="x"/><Choice value="y"/></Choices>"#;
    let waits = r#"<Choices name="b" toName="image"><Choice value="x"/><Choice value="y"/></Choices>"#;
    let around = format!(r#"{question}<View visibleWhen="region-selected">{waits}</View>"#);
    let own = format!(
        "{question}{}",
        waits.replace("<Choices", r#"<Choices visibleWhen="region-selected" whenLabelValue="car""#)
    );
    for xml in [around, own] {
        let config = parse(&xml);
        assert_eq!(config.heads.len(), 1, "{xml}");
        assert!(config.ignored[0].contains("`perRegion=\"true\"`"), "{:?}", config.ignored);
    }
}

#[test]
fn a_config_of_another_kind_says_what_was_found() {
    for (xml, message) in [
        (
            "<View></View>",
            "label config has no `<Choices>`, `<Taxonomy>` or `<Rating>` tag: it labels nothing; this backend only classifies images",
        ),
        (
            r#"<View><Image name="i" value="$i"/><RectangleLabels name="r" toName="i"><Label value="x"/></RectangleLabels></View>"#,
            "label config has no `<Choices>`, `<Taxonomy>` or `<Rating>` tag: found `<RectangleLabels>`; this backend only classifies images",
        ),
        (
            r#"<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="x"/></Choices></View>"#,
            "label config has no `<Image>` tag: found `<Text>`; this backend only classifies images",
        ),
    ] {
        assert_eq!(LabelConfig::parse(xml).unwrap_err().to_string(), message);
    }
    for broken in ["", "<View", "hello", "<View></Viev>", "<View a=b/>", "<a/><b/>", "<!-->"] {
        let error = LabelConfig::parse(broken).unwrap_err();
        assert!(matches!(error, LabelConfigError::Xml(_)), "{broken}: {error}");
    }
}

#[test]
fn odd_choices_and_settings_are_left_out_with_a_reason() {
    let config = parse(
        r#"<Choices name="n" toName="image" model_score_threshold="high"><Choice value="a"/><Choice value="b"/>
        <Choice value="a"/><Choice/><Choice value=" "/><Choice value="$extra"/></Choices>
        <Choices name="n" toName="image"><Choice value="a"/><Choice value="b"/></Choices><Choices toName="image"/>"#,
    );
    assert_eq!(names(&config.heads[0]), ["a", "b"]);
    let reasons = [
        "`<Choices name=\"n\">`: choice `a` stands there twice; it is one class",
        "`<Choices name=\"n\">`: a choice has neither `value` nor `alias`; it is ignored",
        "`<Choices name=\"n\">`: choice `$extra` takes its name from the task; it is ignored",
        "`<Choices name=\"n\">`: `model_score_threshold=\"high\"` is not a number in 0..1; it is not applied",
        "`<Choices name=\"n\">`: another tag has the same `name`",
        "`<Choices name=\"\">`: it has no `name`",
    ];
    assert_eq!(config.ignored, reasons);
}

#[test]
fn the_digest_changes_with_heads_and_classes_only() {
    let digest = |xml: &str| LabelConfig::parse(xml).unwrap().digest();
    let base = digest(WEATHER);
    assert_eq!(base.len(), 64);
    let restyled = WEATHER
        .replace("<View>", "<View style=\"color: red\"><Header value=\"h\"/><!-- note -->")
        .replace(
            "toName=\"image\"",
            "toName=\"image\" layout=\"inline\" required=\"true\" model_score_threshold=\"0.5\"",
        )
        .replace("value=\"rain\"", "value=\"rain\" hotkey=\"r\" background=\"blue\"");
    assert_eq!(digest(&restyled), base);
    let aliased = digest(&WEATHER.replace("value=\"rain\"", "value=\"Rain!\" alias=\"rain\""));
    assert_eq!(aliased, base, "results hold the same name");
    for (from, to) in [
        ("name=\"weather\"", "name=\"sky\""),
        ("\"$image\"", "\"$photo\""),
        ("toName=\"image\"", "toName=\"image\" choice=\"multiple\""),
        ("toName=\"image\"", "toName=\"image\" allowNested=\"true\""),
        ("\"rain\"", "\"snow\""),
        (
            "<Choice value=\"rain\"/><Choice value=\"shine\"/>",
            "<Choice value=\"shine\"/><Choice value=\"rain\"/>",
        ),
        ("<Choice value=\"rain\"/>", "<Choice value=\"rain\"/><Choice value=\"fog\"/>"),
    ] {
        assert_ne!(digest(&WEATHER.replace(from, to)), base, "{to}");
    }
}
