//! Comparison of an export with a label config.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Answered, ExportError};
use crate::domain::annotation::{choices, control, is_known};
use crate::domain::field::shown;
use crate::domain::label_config::{HeadSpec, LabelConfig};

/// Names a message repeats.
const SHOWN_NAMES: usize = 8;

/// Checks that the answers are to the label config's questions: that its heads are answered if others are, and by classes it
/// has. Answers to further questions are accepted where all of its own have some, and so are answers by further classes
/// where others are by its own: [`UnusedAnswers`](crate::domain::annotation::UnusedAnswers) reports those that teach
/// nothing.
///
/// # Errors
/// [`ExportError::OtherConfig`] names what doesn't match.
pub fn check(tasks: &[Answered], config: &LabelConfig) -> Result<(), ExportError> {
    let mut answered: BTreeSet<&str> = BTreeSet::new();
    let mut known = false;
    let mut foreign: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut unknown: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let regions = tasks.iter().flat_map(|task| &task.annotations).flat_map(|answer| &answer.result);
    for region in regions {
        let Some(name) = region.get("from_name").and_then(Value::as_str) else { continue };
        if control(region).is_none() {
            continue;
        }
        let choices = choices(region).unwrap_or_default();
        let asked = |head: &&HeadSpec| head.from_name == name && control(region) == Some(head.control);
        match config.heads.iter().find(asked) {
            Some(head) => {
                answered.insert(&head.from_name);
                let missing: Vec<&Value> = choices.iter().filter(|choice| !is_known(choice, head)).collect();
                known |= missing.len() < choices.len();
                unknown.entry(name).or_default().extend(missing.into_iter().map(text));
            }
            None => foreign.entry(name).or_default().extend(choices.iter().map(text)),
        }
    }
    unknown.retain(|_, classes| !classes.is_empty());
    if let Some((head, classes)) = unknown.first_key_value().filter(|_| !known) {
        let known = config.heads.iter().filter(|spec| spec.from_name == *head).flat_map(|spec| &spec.classes);
        return Err(ExportError::OtherConfig(format!(
            "it answers `{}` with {}, the label config has {}",
            shown(head),
            list(classes.iter().map(String::as_str)),
            list(known.map(|class| class.name.as_str()))
        )));
    }
    let unanswered: Vec<&str> = config
        .heads
        .iter()
        .map(|head| head.from_name.as_str())
        .filter(|name| !answered.contains(name))
        .collect();
    if foreign.is_empty() && !answered.is_empty() || unanswered.is_empty() {
        return Ok(());
    }
    let found = match foreign.is_empty() {
        true => "nothing that it asks".to_owned(),
        false => list(foreign.keys().copied()),
    };
    Err(ExportError::OtherConfig(format!(
        "it answers {found}, the label config asks {}",
        list(unanswered.into_iter())
    )))
}

/// A choice for a message.
fn text(choice: &Value) -> String {
    match choice {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    }
}

/// `` `a`, `b` and 3 more ``
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{}`", shown(name))).collect();
    let more = names.len().saturating_sub(SHOWN_NAMES);
    let text = names[..names.len() - more].join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}
