//! `<Taxonomy>`: each path that may be chosen is a class.

use super::*;

const TREE: &str = r#"<Choice value="Eukarya" alias="e"><Choice value="Animals"/><Choice value="Other"/></Choice>
    <Choice value="Bacteria"><Choice value="Other" alias="o"/></Choice><Choice value="Animals"/></Taxonomy>"#;

fn taxonomy(attributes: &str) -> LabelConfig {
    parse(&format!(r#"<Taxonomy name="kingdom" toName="image" {attributes}>{TREE}"#))
}

fn paths(head: &HeadSpec) -> Vec<String> {
    head.classes.iter().map(|class| class.path.join(">")).collect()
}

#[test]
fn every_node_is_a_class_unless_only_leaves_may_be_chosen() {
    let config = taxonomy("");
    assert_eq!(config.ignored, Vec::<String>::new());
    let head = &config.heads[0];
    assert_eq!((head.control, head.kind), (Control::Taxonomy, ChoiceKind::Multiple));
    assert_eq!(paths(head), ["e", "e>Animals", "e>Other", "Bacteria", "Bacteria>o", "Animals"]);
    assert_eq!(names(head), ["e", "e / Animals", "Other", "Bacteria", "o", "Animals"]);
    let leaves = &taxonomy(r#"LEAFSONLY="true" maxUsages="1" showFullPath="true""#).heads[0];
    assert_eq!(leaves.kind, ChoiceKind::Single);
    assert_eq!(paths(leaves), ["e>Animals", "e>Other", "Bacteria>o", "Animals"]);
    assert_eq!(taxonomy(r#"maxUsages="2""#).heads[0].kind, ChoiceKind::Multiple);
}

#[test]
fn a_path_stands_for_the_class_at_its_own_place_only() {
    let all = &taxonomy("").heads[0];
    for (path, class) in [
        (&["e"][..], Some(0)),
        (&["Eukarya"], Some(0)),
        (&["e", "Animals"], Some(1)),
        (&["Animals"], Some(5)),
        (&["Bacteria", "o"], Some(4)),
        (&["Bacteria", " Other"], Some(4)),
        (&["o"], None),
        (&["Animals", "e"], None),
    ] {
        assert_eq!(all.path_index(path), class, "{path:?}");
    }
}

#[test]
fn what_of_a_taxonomy_cannot_be_learnt_is_refused_by_its_name() {
    for (attributes, reason) in [
        (
            r#"apiUrl="https://me:secret@host/tree.json""#,
            "`apiUrl` loads the choices from elsewhere; this backend needs them in the label config",
        ),
        (r#"labeling="true""#, "`labeling=\"true\"` draws regions; this backend classifies what is there"),
        (
            r#"value="$tree""#,
            "`value=\"$tree\"` takes the choices from each task; this backend needs them in the label config",
        ),
    ] {
        let good = r#"<Rating name="good" toName="image"/>"#;
        let config = parse(&format!(r#"<Taxonomy name="t" toName="image" {attributes}>{TREE}{good}"#));
        assert_eq!(config.heads.len(), 1, "the other question is still there");
        assert_eq!(config.ignored, [format!("`<Taxonomy name=\"t\">`: {reason}")]);
    }
}

#[test]
fn a_choice_that_the_editor_takes_apart_is_named() {
    let config = |attributes: &str| {
        parse(&format!(
            r#"<Taxonomy name="t" toName="image" {attributes}><Choice value="a / b"/><Choice value="c"/></Taxonomy>"#
        ))
    };
    assert_eq!(
        config("").ignored,
        [
            "`<Taxonomy name=\"t\">`: choice `a / b` has ` / ` in its path, where Label Studio's editor takes it apart; set \
          another `pathSeparator`"
        ]
    );
    assert_eq!(config(r#"pathSeparator=" > ""#).ignored, Vec::<String>::new());
}

#[test]
fn an_answer_to_a_taxonomy_shows_the_questions_behind_it() {
    let config = parse(&format!(
        r#"<Taxonomy name="kingdom" toName="image" leafsOnly="true">{TREE}<Choices name="which" toName="image"
        visibleWhen="choice-selected" whenTagName="kingdom" whenChoiceValue="Other">
        <Choice value="x"/><Choice value="y"/></Choices>"#
    ));
    let parent = &config.heads[0];
    let child = &config.heads[1];
    assert_eq!((child.when.len(), config.ignored.len()), (1, 0));
    let seen = |last: &'static str| visible(&[parent, child], &[vec![last.into()], vec![]])[1];
    assert_eq!((seen("Other"), seen("Animals")), (true, false));
}

#[test]
fn a_tree_cannot_multiply_the_names_of_its_parents() {
    let nested = |depth: usize, size: usize, leaves: usize| {
        let above = format!("<Choice value=\"{}\">", "n".repeat(size)).repeat(depth);
        let leaves = (0..leaves).map(|leaf| format!("<Choice value=\"{leaf}\"/>")).collect::<String>();
        let below = "</Choice>".repeat(depth);
        format!("<Taxonomy name=\"t\" toName=\"image\">{above}{leaves}{below}</Taxonomy>")
    };
    assert_eq!(parse(&nested(15, 10, 900)).heads[0].classes.len(), 915);
    for (config, why) in [
        (nested(16, 10, 2), "it nests choices deeper than 16 levels; flatten it"),
        (nested(15, 2_000, 900), "take more than 1 MB; shorten them"),
        (nested(1, 1, MAX_CLASSES), "it has more than 1000 choices"),
    ] {
        let said = refused(&config);
        assert!(said.ends_with(why), "{said}");
    }
}
