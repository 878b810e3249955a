//! The `<Choice>` tags of a `<Choices>`, as classes.

use super::{Class, xml};
use crate::domain::field::shown;
use roxmltree::Node;
use std::collections::{HashMap, HashSet};

/// Most classes of one head; bounds the memory of its model.
pub const MAX_CLASSES: usize = 1_000;

/// The classes of a `<Choices>`, with what was left out, or why there are too few or too many.
pub(super) fn read(choices: Node<'_, '_>) -> Result<(Vec<Class>, Vec<String>), String> {
    let nested = xml::is_true(choices, "allowNested");
    let mut ignored = Vec::new();
    let mut seen = HashSet::new();
    let mut classes = Vec::new();
    for choice in choices.descendants().filter(|node| xml::is(*node, "Choice")) {
        let path = path(choice, choices);
        if nested && choice.descendants().skip(1).any(|node| xml::is(node, "Choice")) {
            continue;
        }
        if !nested && path.len() > 1 {
            note(
                &mut ignored,
                "choices inside a choice need `allowNested=\"true\"`; they are ignored".to_owned(),
            );
            continue;
        }
        let Some(class) = class(choice, path, nested).map_err(|reason| note(&mut ignored, reason)).ok()
        else {
            continue;
        };
        let key = if nested { class.path.join("\0") } else { class.name.clone() };
        if !seen.insert(key) {
            note(
                &mut ignored,
                format!("choice `{}` stands there twice; it is one class", shown(&class.name)),
            );
            continue;
        }
        classes.push(class);
        if classes.len() > MAX_CLASSES {
            return Err(format!("it has more than {MAX_CLASSES} choices"));
        }
    }
    tell_apart(&mut classes);
    match classes.as_slice() {
        [] => Err("it has no `<Choice>` with a value".to_owned()),
        [only] => Err(format!("it has one class, `{}`; there is nothing to tell apart", shown(&only.name))),
        _ => Ok((classes, ignored)),
    }
}

fn class(choice: Node<'_, '_>, path: Vec<String>, nested: bool) -> Result<Class, String> {
    let value = value(choice);
    let name = path.last().cloned().unwrap_or_default();
    if name.trim().is_empty() {
        return Err("a choice has neither `value` nor `alias`; it is ignored".to_owned());
    }
    if xml::attribute(choice, "alias").is_none() && is_variable(&name) {
        return Err(format!("choice `{}` takes its name from the task; it is ignored", shown(&name)));
    }
    let predicted = xml::attribute(choice, "predicted_values").unwrap_or_default();
    let predicted_values =
        predicted.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let path = if nested { path } else { Vec::new() };
    Ok(Class { value: if value.is_empty() { name.clone() } else { value }, name, path, predicted_values })
}

/// The names from the topmost `<Choice>` down to this one.
fn path(choice: Node<'_, '_>, choices: Node<'_, '_>) -> Vec<String> {
    let within = choice.ancestors().take_while(|node| *node != choices);
    let mut path: Vec<String> = within.filter(|node| xml::is(*node, "Choice")).map(result_name).collect();
    path.reverse();
    path
}

/// What a result holds for this choice: its alias, else its value.
fn result_name(choice: Node<'_, '_>) -> String {
    xml::attribute(choice, "alias").map_or_else(|| value(choice), str::to_owned)
}

/// The text of a choice without child tags counts as its value, before the attribute: so the editor.
fn value(choice: Node<'_, '_>) -> String {
    let text = choice.text().map(str::trim).filter(|text| !text.is_empty());
    let text = text.filter(|_| !choice.children().any(|child| child.is_element()));
    text.or_else(|| xml::attribute(choice, "value")).unwrap_or_default().to_owned()
}

/// `$name`: filled from the task's data. `$5` is a price.
pub(super) fn is_variable(value: &str) -> bool {
    let mut rest = value.strip_prefix('$').unwrap_or_default().chars();
    rest.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && rest.all(|char| char.is_alphanumeric() || "_[].{}".contains(char))
}

/// Gives classes of the same own name, which only nested ones can be, their whole path as name.
fn tell_apart(classes: &mut [Class]) {
    let mut uses = HashMap::<String, usize>::new();
    classes.iter().for_each(|class| *uses.entry(class.name.clone()).or_default() += 1);
    for class in classes.iter_mut().filter(|class| uses.get(&class.name).is_some_and(|uses| *uses > 1)) {
        class.name = class.path.join(" / ");
    }
}

/// Keeps a reason once: a thousand choices may share it.
fn note(ignored: &mut Vec<String>, reason: String) {
    /// Reasons kept per `<Choices>`: enough to see the pattern.
    const MAX_REASONS: usize = 10;
    if ignored.len() < MAX_REASONS && !ignored.contains(&reason) {
        ignored.push(reason);
    }
}
