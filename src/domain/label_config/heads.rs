//! The control tags of a document, as heads.

use super::classes::{self, NameBudget};
use super::{
    ChoiceKind, Control, HeadSpec, LabelConfig, LabelConfigError, Scope, rating, scope, visible, xml,
};
use crate::domain::field::shown;
use crate::domain::task::{is_of_variable, variables};
use roxmltree::{Document, Node};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Most heads of one project; each is a model of its own.
pub const MAX_HEADS: usize = 64;
/// Reasons kept per config: enough to see the pattern.
const MAX_REASONS: usize = 100;

pub(super) fn read(document: &Document<'_>) -> Result<LabelConfig, LabelConfigError> {
    let tags: Vec<Node> = document.descendants().filter(Node::is_element).collect();
    let controls: Vec<(Control, Node)> =
        tags.iter().filter_map(|tag| Some((Control::of(*tag)?, *tag))).collect();
    if controls.is_empty() {
        return Err(LabelConfigError::NoChoices { found: tags_with(&tags, "toName") });
    }
    if !tags.iter().any(|tag| xml::is(*tag, "Image")) {
        let objects: Vec<Node> =
            tags.into_iter().filter(|tag| xml::attribute(*tag, "toName").is_none()).collect();
        return Err(LabelConfigError::NoImage { found: tags_with(&objects, "name") });
    }
    let named = tags.iter().filter(|tag| xml::attribute(**tag, "toName").is_none());
    let objects = named.filter_map(|tag| Some((xml::attribute(*tag, "name")?, *tag))).collect();
    let mut config = LabelConfig { heads: Vec::new(), ignored: Vec::new() };
    let mut names = HashSet::new();
    let mut budget = NameBudget::default();
    for (control, tag) in controls {
        add(&mut config, control, tag, &objects, &mut names, &mut budget);
    }
    for (control, name, reason) in visible::resolve(&mut config.heads) {
        config.ignored.push(about(control, &name, &reason));
    }
    config.ignored.truncate(MAX_REASONS);
    if config.heads.is_empty() {
        return Err(LabelConfigError::NoUsableHead { reasons: config.ignored });
    }
    Ok(config)
}

/// Message about a control tag.
fn about(control: Control, name: &str, reason: &str) -> String {
    format!("`<{} name=\"{}\">`: {reason}", control.tag(), shown(name))
}

fn add<'a>(
    config: &mut LabelConfig,
    control: Control,
    tag: Node<'a, '_>,
    objects: &HashMap<&str, Node>,
    names: &mut HashSet<&'a str>,
    budget: &mut NameBudget,
) {
    let name = xml::attribute(tag, "name").unwrap_or_default();
    let mut ignore = |reason: String| {
        if config.ignored.len() < MAX_REASONS {
            config.ignored.push(about(control, name, &reason));
        }
    };
    if name.is_empty() {
        return ignore("it has no `name`".to_owned());
    }
    if !names.insert(name) {
        return ignore("another tag has the same `name`".to_owned());
    }
    if config.heads.len() == MAX_HEADS {
        return ignore(format!("there are more than {MAX_HEADS} questions"));
    }
    match head(name, control, tag, objects, budget) {
        Ok((head, reasons)) => {
            reasons.into_iter().for_each(&mut ignore);
            config.heads.push(head);
        }
        Err(reason) => ignore(reason),
    }
}

/// The head of one control tag and what of it is left out, or why it can't be one.
fn head(
    name: &str,
    control: Control,
    tag: Node<'_, '_>,
    objects: &HashMap<&str, Node>,
    budget: &mut NameBudget,
) -> Result<(HeadSpec, Vec<String>), String> {
    one_picture(tag)?;
    let kind = match control {
        Control::Choices => kind(tag)?,
        // The editor lets a person choose any number of paths, unless it is told how many.
        Control::Taxonomy if xml::attribute(tag, "maxUsages").is_none_or(|most| most.trim() != "1") => {
            ChoiceKind::Multiple
        }
        Control::Taxonomy | Control::Rating => ChoiceKind::Single,
    };
    let scope = Scope::of(tag);
    let (when, (regions, others)) = match scope {
        Scope::Image => (visible::conditions(control, tag)?, Default::default()),
        Scope::Region => (Vec::new(), scope::conditions(tag)),
    };
    let (to_name, image_key) = image(tag, objects)?;
    let (classes, mut ignored) = match control {
        Control::Choices | Control::Taxonomy => classes::read(control, tag, budget)?,
        Control::Rating => (rating::read(tag)?, Vec::new()),
    };
    let score_threshold = threshold(tag).unwrap_or_else(|reason| {
        ignored.push(reason);
        None
    });
    ignored.extend(others);
    let skip = xml::is_true(tag, "model_skip");
    let from_name = name.to_owned();
    let head = HeadSpec {
        from_name,
        control,
        scope,
        regions,
        to_name,
        image_key,
        kind,
        classes,
        score_threshold,
        skip,
        when,
    };
    Ok((head, ignored))
}

/// Refuses what labels more than one image, or draws, or has no known classes.
fn one_picture(tag: Node<'_, '_>) -> Result<(), String> {
    if xml::is_true(tag, "perItem") {
        return Err("`perItem=\"true\"` labels items of a list; this backend classifies one image".to_owned());
    }
    if let Some(value) = xml::attribute(tag, "value").filter(|value| value.starts_with('$')) {
        return Err(format!(
            "`value=\"{}\"` takes the choices from each task; this backend needs them in the label config",
            shown(value)
        ));
    }
    // Its address may hold a password.
    if xml::attribute(tag, "apiUrl").is_some() {
        return Err("`apiUrl` loads the choices from elsewhere; this backend needs them in the label config"
            .to_owned());
    }
    if xml::is_true(tag, "labeling") {
        return Err("`labeling=\"true\"` draws regions; this backend classifies what is there".to_owned());
    }
    if tag.ancestors().any(|above| xml::is(above, "Repeater")) {
        return Err("it stands in a `<Repeater>`; this backend needs a fixed set of choices".to_owned());
    }
    Ok(())
}

fn kind(tag: Node<'_, '_>) -> Result<ChoiceKind, String> {
    let written = xml::attribute(tag, "choice").unwrap_or("single");
    match written.trim().to_ascii_lowercase().as_str() {
        "single" | "single-radio" => Ok(ChoiceKind::Single),
        "multiple" => Ok(ChoiceKind::Multiple),
        _ => {
            Err(format!("`choice=\"{}\"` is not one of `single`, `single-radio`, `multiple`", shown(written)))
        }
    }
}

/// Name and data key of the image the tag labels.
fn image(tag: Node<'_, '_>, objects: &HashMap<&str, Node>) -> Result<(String, String), String> {
    let to_name = xml::attribute(tag, "toName").ok_or("it has no `toName`")?.trim();
    if to_name.contains(',') {
        return Err(format!(
            "`toName=\"{}\"` names several tags; this backend needs one image",
            shown(to_name)
        ));
    }
    let to = shown(to_name);
    let object = objects.get(to_name).ok_or_else(|| format!("`toName=\"{to}\"` names no tag"))?;
    if !xml::is(*object, "Image") {
        let found = shown(object.tag_name().name());
        return Err(format!("`toName=\"{to}\"` is a `<{found}>`; this backend only classifies images"));
    }
    if xml::attribute(*object, "valueList").is_some() {
        return Err(format!(
            "`<Image name=\"{to}\">` shows a list (`valueList`); this backend needs one image"
        ));
    }
    let value = xml::attribute(*object, "value").unwrap_or_default();
    let is_plain = |key: &str| !key.is_empty() && !key.contains('{') && key.chars().all(is_of_variable);
    match value.strip_prefix('$').filter(|key| is_plain(key)) {
        Some(key) => Ok((to_name.to_owned(), key.to_owned())),
        None if !value.contains('{') && !variables(value).is_empty() => {
            Ok((to_name.to_owned(), value.to_owned()))
        }
        None => Err(format!(
            "`<Image name=\"{to}\">` has `value=\"{}\"`, expected `$key` of the data, or an address with it",
            shown(value)
        )),
    }
}

/// `model_score_threshold`, or why it is not applied.
fn threshold(tag: Node<'_, '_>) -> Result<Option<f32>, String> {
    let Some(text) = xml::attribute(tag, "model_score_threshold") else { return Ok(None) };
    match text.trim().parse::<f32>() {
        Ok(threshold) if (0.0..=1.0).contains(&threshold) => Ok(Some(threshold)),
        _ => Err(format!(
            "`model_score_threshold=\"{}\"` is not a number in 0..1; it is not applied",
            shown(text)
        )),
    }
}

/// For a message: the distinct tags that have an attribute.
fn tags_with(tags: &[Node], attribute: &str) -> String {
    /// Tag names a message repeats.
    const SHOWN_TAGS: usize = 5;
    let tags = tags.iter().filter(|tag| xml::attribute(**tag, attribute).is_some());
    let names: BTreeSet<&str> = tags.map(|tag| tag.tag_name().name()).collect();
    let names: Vec<String> =
        names.iter().take(SHOWN_TAGS).map(|name| format!("`<{}>`", shown(name))).collect();
    if names.is_empty() { "it labels nothing".to_owned() } else { format!("found {}", names.join(", ")) }
}
