//! Questions about regions: `perRegion="true"`.

use super::*;

const TWO: &str = r#"<Choice value="a"/><Choice value="b"/>"#;

#[test]
fn a_question_about_regions_is_a_head_of_its_own_scope() {
    let config = parse(&format!(
        r#"<Choices name="whole" toName="image">{TWO}</Choices>
        <RectangleLabels name="box" toName="image"><Label value="car"/></RectangleLabels>
        <Choices name="part" toName="image" PERREGION="True" choice="multiple">{TWO}</Choices>
        <Taxonomy name="kind" toName="image" perRegion="true">{TWO}</Taxonomy>
        <Rating name="stars" toName="image" perRegion="true"/>"#
    ));
    assert_eq!(config.ignored, Vec::<String>::new());
    let scopes: Vec<(&str, Scope)> =
        config.heads.iter().map(|head| (head.from_name.as_str(), head.scope)).collect();
    let region = Scope::Region;
    assert_eq!(scopes, [("whole", Scope::Image), ("part", region), ("kind", region), ("stars", region)]);
    assert!(config.asks_about_regions());
    let (of_images, left_out) = config.clone().of_images();
    assert_eq!((of_images.heads.as_slice(), left_out.len()), (&config.heads[..1], 3));
    assert!(!of_images.asks_about_regions());
}

#[test]
fn the_scope_is_part_of_the_digest_and_conditions_on_regions_are_not() {
    let digest = |attributes: &str| {
        parse(&format!(r#"<Choices name="n" toName="image" {attributes}>{TWO}</Choices>"#)).digest()
    };
    let of_regions = digest(r#"perRegion="true""#);
    assert_ne!(digest(""), of_regions);
    assert_eq!(digest(r#"perRegion="false""#), digest(""));
    assert_eq!(digest(r#"perRegion="true" whenLabelValue="car""#), of_regions);
}

#[test]
fn conditions_on_labels_are_read_and_others_count_as_visible() {
    let conditions = |around: &str, attributes: &str| {
        let config = parse(&format!(
            r#"<View {around}><Choices name="n" toName="image" perRegion="true" {attributes}>{TWO}</Choices></View>"#
        ));
        (config.heads[0].regions.clone(), config.ignored.len())
    };
    let condition = |tag: Option<&str>, labels: &[&str]| RegionCondition {
        tag: tag.map(str::to_owned),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    assert_eq!(conditions("", ""), (vec![], 0));
    assert_eq!(conditions("", r#"visibleWhen="region-selected""#), (vec![], 0));
    assert_eq!(conditions("", r#"whenLabelValue="car""#), (vec![condition(None, &["car"])], 0));
    let both = conditions(
        r#"visibleWhen="region-selected" whenTagName="box" whenLabelValue="car,van""#,
        r#"whenLabelValue="car""#,
    );
    assert_eq!(
        both,
        (vec![condition(None, &["car"]), condition(Some("box"), &["car", "van", "car,van"])], 0)
    );
    let (regions, ignored) =
        conditions("", r#"visibleWhen="choice-selected" whenTagName="whole" whenChoiceValue="a""#);
    assert_eq!((regions.as_slice(), ignored), (&[][..], 1));
}

#[test]
fn a_question_of_whole_images_behind_one_of_regions_counts_as_visible() {
    let config = parse(&format!(
        r#"<Choices name="part" toName="image" perRegion="true">{TWO}</Choices>
        <Choices name="whole" toName="image" visibleWhen="choice-selected" whenTagName="part">{TWO}</Choices>"#
    ));
    assert_eq!(config.heads[1].when, []);
    assert_eq!(
        config.ignored,
        [
            "`<Choices name=\"whole\">`: it is visible by the answer to `part`, which asks about regions: it counts as always visible"
        ]
    );
}

#[test]
fn a_question_about_regions_of_what_is_no_image_is_left_out() {
    let xml = format!(
        r#"<View><Image name="image" value="$image"/><Text name="text" value="$text"/>
        <Choices name="part" toName="text" perRegion="true">{TWO}</Choices>
        <Choices name="whole" toName="image">{TWO}</Choices></View>"#
    );
    let config = LabelConfig::parse(&xml).unwrap();
    assert_eq!((config.heads.len(), config.ignored.len()), (1, 1), "{:?}", config.ignored);
}
