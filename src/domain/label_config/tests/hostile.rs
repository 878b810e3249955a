//! Hostile XML is survived, and every config that can be written is read back.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::*;
use super::{WEATHER, parse, refused};

/// Parses on a small stack and in bounded time: hostile XML may exhaust neither.
fn survive(xml: String) -> Result<LabelConfig, LabelConfigError> {
    let started = Instant::now();
    let parser =
        std::thread::Builder::new().stack_size(128 * 1024).spawn(move || LabelConfig::parse(&xml)).unwrap();
    let result = parser.join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    result
}

#[test]
fn hostile_xml_is_refused_quickly_and_without_recursion() {
    let attributes = |count: usize| {
        (0..count).fold(String::new(), |mut text, i| {
            let _ = write!(text, " a{i}=\"\"");
            text
        })
    };
    let bomb = r#"<!DOCTYPE v [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>"#;
    for (xml, expected) in [
        ("<a>".repeat(300_000), LabelConfigError::TooDeep),
        (format!("{}{}", "<a>".repeat(257), "</a>".repeat(257)), LabelConfigError::TooDeep),
        ("<View>".to_owned() + &"<a/>".repeat(200_000) + "</View>", LabelConfigError::TooManyNodes),
        (format!("<View{}/>", attributes(50_000)), LabelConfigError::TooManyAttributes),
        (
            format!("<!--><![CDATA[--><View{}/><!--]]>-->", attributes(50_000)),
            LabelConfigError::TooManyAttributes,
        ),
        ("<a xmlns:b=\"c\"/>".repeat(1_000), LabelConfigError::TooManyNamespaces),
        (bomb.to_owned(), LabelConfigError::Dtd),
        ("<!DOCTYPE View SYSTEM \"file:///etc/passwd\"><View/>".to_owned(), LabelConfigError::Dtd),
        (" ".repeat(MAX_CONFIG_BYTES + 1), LabelConfigError::TooLarge { bytes: MAX_CONFIG_BYTES + 1 }),
    ] {
        let start: String = xml.chars().take(40).collect();
        assert_eq!(survive(xml), Err(expected), "{start}");
    }
    assert!(matches!(survive("<View>&undefined;</View>".to_owned()), Err(LabelConfigError::Xml(_))));
    let message = LabelConfigError::TooLarge { bytes: 41_234_567 }.to_string();
    assert_eq!(message, "label config is 41.2 MB, limit is 1 MB; move long texts and styles out of it");
}

#[test]
fn a_megabyte_of_styles_and_full_depth_are_no_problem() {
    let style = format!("<Style>{}</Style>", ".x { a = b }".repeat(75_000));
    let deep = format!("{}{}", "<View>".repeat(250), "</View>".repeat(250));
    let xml = WEATHER.replace("<View>", &format!("<View>{style}{deep}"));
    assert_eq!(survive(xml).map(|config| config.heads.len()), Ok(1));
}

#[test]
fn too_many_choices_and_heads_are_left_out() {
    let choices = (0..=MAX_CLASSES).map(|i| format!("<Choice value=\"{i}\"/>")).collect::<String>();
    let message = refused(&format!("<Choices name=\"n\" toName=\"image\">{choices}</Choices>"));
    assert!(message.ends_with("it has more than 1000 choices"), "{message}");
    let heads = (0..300)
        .map(|i| {
            format!(
                "<Choices name=\"n{i}\" toName=\"image\"><Choice value=\"a\"/><Choice value=\"b\"/></Choices>"
            )
        })
        .collect::<String>();
    let config = parse(&heads);
    assert_eq!((config.heads.len(), config.ignored.len()), (MAX_HEADS, 100));
}

#[test]
fn nested_choices_cannot_multiply_the_names_of_their_parents() {
    let nested = |depth: usize, size: usize, leaves: usize| {
        let above = format!("<Choice value=\"{}\">", "n".repeat(size)).repeat(depth);
        let leaves = (0..leaves).map(|leaf| format!("<Choice value=\"{leaf}\"/>")).collect::<String>();
        let below = "</Choice>".repeat(depth);
        format!("<Choices name=\"n\" toName=\"image\" allowNested=\"true\">{above}{leaves}{below}</Choices>")
    };
    assert_eq!(parse(&nested(MAX_CHOICE_DEPTH - 1, 10, 900)).heads[0].classes.len(), 900);
    let deep = refused(&nested(MAX_CHOICE_DEPTH, 10, 2));
    assert!(deep.ends_with("it nests choices deeper than 16 levels; flatten it"), "{deep}");
    let wide = refused(&nested(15, 2_000, 999));
    assert!(wide.contains("take more than 1 MB; shorten them"), "{wide}");
    // All heads share one budget, and what is kept is no larger than it.
    let many: String =
        (0..60).map(|head| nested(15, 100, 300).replace("\"n\" ", &format!("\"n{head}\" "))).collect();
    let config = parse(&many);
    assert!(!config.heads.is_empty() && config.ignored.iter().any(|why| why.contains("MB")));
    assert!(config.bytes() < 4 * MAX_NAME_BYTES, "{}", config.bytes());
}

fn escaped(text: &str) -> String {
    text.chars().map(|char| format!("&#{};", u32::from(char))).collect()
}

fn to_xml(heads: &[HeadSpec]) -> String {
    let mut xml = String::from("<View>");
    for (index, head) in heads.iter().enumerate() {
        let kind = if head.kind == ChoiceKind::Single { "single" } else { "multiple" };
        let _ = write!(
            xml,
            r#"<Image name="{}" value="${}"/><Choices name="{}" toName="{}" choice="{kind}" allowNested="{}" model_skip="{}""#,
            escaped(&head.to_name),
            escaped(&head.image_key),
            escaped(&head.from_name),
            escaped(&head.to_name),
            index % 2 == 1,
            head.skip
        );
        if let Some(threshold) = head.score_threshold {
            let _ = write!(xml, r#" model_score_threshold="{threshold}""#);
        }
        if !head.is_of_image() {
            xml.push_str(r#" perRegion="true""#);
        }
        xml.push('>');
        for class in &head.classes {
            let parents = class.path.split_last().map(|(_, parents)| parents).unwrap_or_default();
            parents.iter().for_each(|name| {
                let _ = write!(xml, r#"<Choice value="{}">"#, escaped(name));
            });
            let predicted = escaped(&class.predicted_values.join(","));
            let _ = write!(
                xml,
                r#"<Choice value="{}" alias="{}" predicted_values="{predicted}"/>"#,
                escaped(&class.value),
                escaped(&class.name)
            );
            xml.push_str(&"</Choice>".repeat(parents.len()));
        }
        xml.push_str("</Choices>");
    }
    xml + "</View>"
}

/// Characters that XML, `$key` and `a,b` lists leave alone, markup among them.
const NAME: &str = "[a-zé日<>&\"' ]{0,5}[a-z<&\"]";

fn any_head(index: usize) -> impl Strategy<Value = HeadSpec> {
    let classes = prop::collection::btree_map(
        NAME,
        (NAME, prop::collection::vec(NAME, 0..3), prop::collection::vec("[a-z]{1,4}", 0..3)),
        2..6,
    );
    (NAME, classes, any::<(bool, bool)>(), prop::option::of(0.0_f32..=1.0)).prop_map(
        move |(name, classes, (single, skip), score_threshold)| HeadSpec {
            from_name: format!("c{index}{name}"),
            control: Control::Choices,
            scope: if index == 3 { Scope::Region } else { Scope::Image },
            regions: Vec::new(),
            to_name: format!("i{index}"),
            image_key: format!("key{index}"),
            kind: if single { ChoiceKind::Single } else { ChoiceKind::Multiple },
            classes: classes
                .into_iter()
                .map(|(name, (value, mut path, predicted_values))| {
                    if index % 2 == 1 {
                        path.push(name.clone())
                    } else {
                        path.clear()
                    }
                    Class { name, value, path, predicted_values }
                })
                .collect(),
            score_threshold,
            skip,
            when: Vec::new(),
        },
    )
}

fn any_heads() -> impl Strategy<Value = Vec<HeadSpec>> {
    (1..5_usize).prop_flat_map(|count| (0..count).map(any_head).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn a_config_written_as_xml_is_read_back(heads in any_heads()) {
        let config = LabelConfig::parse(&to_xml(&heads)).unwrap();
        prop_assert_eq!(&config.ignored, &Vec::<String>::new());
        prop_assert_eq!(config.heads, heads);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = LabelConfig::parse(&text);
    }

    #[test]
    fn no_shuffled_markup_makes_it_panic(parts in prop::collection::vec(prop::sample::select(vec![
        "<View>", "</View>", "<Image name=\"i\" value=\"$i\"/>", "<Choices name=\"c\" toName=\"i\">", "</Choices>",
        "<Choices name=\"d\" toName=\"i\" allowNested=\"true\">", "<Choice value=\"a\">", "</Choice>", "<Choice value=\"b\"/>",
        "<Choice>", "<Taxonomy name=\"t\" toName=\"i\">", "</Taxonomy>", "<Rating name=\"r\" toName=\"i\"/>", "<!--", "-->", "<![CDATA[", "]]>", "<?x", "?>", "\"", "'", "é", "&amp;", "<", ">", "<Repeater>",
    ]), 0..40)) {
        let xml = format!("<View><Image name=\"i\" value=\"$i\"/>{}</View>", parts.concat());
        if let Ok(config) = LabelConfig::parse(&xml) {
            prop_assert!(config.heads.iter().all(|head| head.classes.len() > 1));
        }
    }
}
