//! `<Rating>`: each number is a class.

use super::*;

#[test]
fn a_rating_is_a_head_of_numbers() {
    for (attributes, most) in
        [("", 5), (r#"maxRating="3" defaultValue="2" icon="heart""#, 3), (r#"MAXRATING=" 10 ""#, 10)]
    {
        let config = parse(&format!(r#"<rating name="quality" toName="image" {attributes}/>"#));
        assert_eq!(config.ignored, Vec::<String>::new());
        let head = &config.heads[0];
        assert_eq!((head.control, head.kind), (Control::Rating, ChoiceKind::Single));
        let numbers: Vec<String> = (1..=most).map(|number: usize| number.to_string()).collect();
        assert_eq!(names(head), numbers);
        assert_eq!((head.class_index("1"), head.class_index("0")), (Some(0), None));
    }
}

#[test]
fn what_of_a_rating_cannot_be_learnt_is_refused_by_its_name_and_the_rest_works() {
    for (attributes, reason) in [
        (r#"maxRating="many""#, "`maxRating=\"many\"` is not a whole number from 2 to 1000"),
        (r#"maxRating="1""#, "`maxRating=\"1\"` is not a whole number from 2 to 1000"),
        (r#"maxRating="4.5""#, "`maxRating=\"4.5\"` is not a whole number from 2 to 1000"),
        (r#"maxRating="99999""#, "`maxRating=\"99999\"` is not a whole number from 2 to 1000"),
    ] {
        let rating = format!(r#"<Rating name="r" toName="image" {attributes}/>"#);
        assert_eq!(
            refused(&rating),
            format!("label config has no question that can be learnt: `<Rating name=\"r\">`: {reason}")
        );
        let good = r#"<Choices name="good" toName="image"><Choice value="a"/><Choice value="b"/></Choices>"#;
        let config = parse(&format!("{rating}{good}"));
        assert_eq!(config.heads.len(), 1);
        assert_eq!(config.ignored, [format!("`<Rating name=\"r\">`: {reason}")]);
    }
}

#[test]
fn a_rating_is_hidden_by_what_stands_around_it_and_hides_nothing() {
    let config = parse(
        r#"<Choices name="seen" toName="image"><Choice value="yes"/><Choice value="no"/></Choices>
        <View visibleWhen="choice-selected" whenTagName="seen" whenChoiceValue="yes">
        <Rating name="size" toName="image" visibleWhen="choice-unselected" whenTagName="seen"/></View>
        <Choices name="why" toName="image" visibleWhen="choice-selected" whenTagName="size" whenChoiceValue="5">
        <Choice value="a"/><Choice value="b"/></Choices>"#,
    );
    let conditions: Vec<usize> = config.heads.iter().map(|head| head.when.len()).collect();
    assert_eq!(conditions, [0, 1, 0]);
    assert_eq!(
        config.ignored,
        [
            "`<Choices name=\"why\">`: it is visible by the answer to `size`, which is a `<Rating>`, of which the editor \
          tells no choice: it counts as always visible"
        ]
    );
}

#[test]
fn a_rating_of_another_length_is_another_question_and_so_are_choices_of_the_same_numbers() {
    let digest = |inner: &str| parse(inner).digest();
    let five = digest(r#"<Rating name="n" toName="image"/>"#);
    assert_ne!(five, digest(r#"<Rating name="n" toName="image" maxRating="4"/>"#));
    assert_eq!(five, digest(r#"<Rating name="n" toName="image" size="large" maxRating="5"/>"#));
    let choices: String = (1..=5).map(|number| format!("<Choice value=\"{number}\"/>")).collect();
    assert_ne!(five, digest(&format!(r#"<Choices name="n" toName="image">{choices}</Choices>"#)));
}
