//! The `<Choice>` tags of a `<Choices>` or a `<Taxonomy>`, as classes.

use super::{Class, Control, xml};
use crate::domain::field::shown;
use roxmltree::Node;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Most classes of one head; bounds the memory of its model.
pub const MAX_CLASSES: usize = 1_000;

/// Most choices inside each other.
pub const MAX_CHOICE_DEPTH: usize = 16;
/// Most bytes of all names of a label config. Each nested choice repeats the names of its parents, so that a small text could
/// take any amount of memory.
pub const MAX_NAME_BYTES: usize = 1_000_000;

/// Bytes that names may still take.
pub(super) struct NameBudget(usize);

impl Default for NameBudget {
    fn default() -> Self {
        Self(MAX_NAME_BYTES)
    }
}

impl NameBudget {
    fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            let limit = MAX_NAME_BYTES / 1_000_000;
            format!(
                "its choices' names, each with those of its parents, take more than {limit} MB; shorten them"
            )
        })?;
        Ok(())
    }
}

/// Between the names of a path that the editor shows in one line, unless the label config sets another.
const PATH_SEPARATOR: &str = " / ";

/// The classes of a control tag, with what was left out, or why there are too few or too many.
pub(super) fn read(
    control: Control,
    choices: Node<'_, '_>,
    budget: &mut NameBudget,
) -> Result<(Vec<Class>, Vec<String>), String> {
    let is_taxonomy = control == Control::Taxonomy;
    let nested = is_taxonomy || xml::is_true(choices, "allowNested");
    let leaves_only = nested && (!is_taxonomy || xml::is_true(choices, "leafsOnly"));
    let separator = xml::attribute(choices, "pathSeparator").unwrap_or(PATH_SEPARATOR);
    let mut ignored = Vec::new();
    let mut seen = HashSet::new();
    let mut classes = Vec::new();
    for choice in choices.descendants().filter(|node| xml::is(*node, "Choice")) {
        let path = path(choice, choices);
        if path.len() > MAX_CHOICE_DEPTH {
            return Err(format!("it nests choices deeper than {MAX_CHOICE_DEPTH} levels; flatten it"));
        }
        if leaves_only && choice.descendants().skip(1).any(|node| xml::is(node, "Choice")) {
            continue;
        }
        if !nested && path.len() > 1 {
            note(
                &mut ignored,
                "choices inside a choice need `allowNested=\"true\"`; they are ignored".to_owned(),
            );
            continue;
        }
        let written = xml::attribute(choice, "predicted_values").map_or(0, str::len);
        budget.take(written + 2 * path.iter().map(|name| name.len()).sum::<usize>())?;
        let path = path.into_iter().map(Cow::into_owned).collect();
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
        if is_taxonomy && class.path.iter().any(|name| name.contains(separator)) {
            note(&mut ignored, taken_apart(&class, separator));
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

/// Message about a choice whose answers Label Studio's editor writes as another path.
fn taken_apart(class: &Class, separator: &str) -> String {
    format!(
        "choice `{}` has `{}` in its path, where Label Studio's editor takes it apart; set another `pathSeparator`",
        shown(&class.name),
        shown(separator)
    )
}

fn class(choice: Node<'_, '_>, path: Vec<String>, nested: bool) -> Result<Class, String> {
    let name = path.last().cloned().unwrap_or_default();
    if name.trim().is_empty() {
        return Err("a choice has neither `value` nor `alias`; it is ignored".to_owned());
    }
    let alias = xml::attribute(choice, "alias");
    if alias.is_none() && is_variable(&name) {
        return Err(format!("choice `{}` takes its name from the task; it is ignored", shown(&name)));
    }
    let predicted = xml::attribute(choice, "predicted_values").unwrap_or_default();
    let predicted_values =
        predicted.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let path = if nested { path } else { Vec::new() };
    // Label Studio's server knows the attribute alone, its editor a text before it: answers may have either.
    let attribute = xml::attribute(choice, "value").map(str::to_owned);
    let value = match alias {
        Some(_) => Some(value(choice)).filter(|value| !value.is_empty()),
        None => attribute,
    };
    Ok(Class { value: value.unwrap_or_else(|| name.clone()), name, path, predicted_values })
}

/// The names from the topmost `<Choice>` down to this one; of one that lies too deep, of the lowest levels only.
fn path<'a>(choice: Node<'a, '_>, choices: Node<'a, '_>) -> Vec<Cow<'a, str>> {
    let within = choice.ancestors().take_while(|node| *node != choices);
    let above = within.filter(|node| xml::is(*node, "Choice")).take(MAX_CHOICE_DEPTH + 1);
    let mut path: Vec<Cow<'a, str>> = above.map(result_name).collect();
    path.reverse();
    path
}

/// Name of this choice in a result: its alias, else its value.
fn result_name<'a>(choice: Node<'a, '_>) -> Cow<'a, str> {
    xml::attribute(choice, "alias").map_or_else(|| value(choice).into(), Cow::Borrowed)
}

/// The text of a choice without child tags counts as its value, before the attribute, and as it is written in XML: so
/// the editor, which takes its `innerHTML`.
fn value(choice: Node<'_, '_>) -> String {
    let text = choice.text().map(str::trim).filter(|text| !text.is_empty());
    let text = text.filter(|_| !choice.children().any(|child| child.is_element())).map(escaped_text);
    text.unwrap_or_else(|| xml::attribute(choice, "value").unwrap_or_default().to_owned())
}

/// A text node as XML: <https://www.w3.org/TR/DOM-Parsing/#dfn-xml-serializing-a-text-node>.
fn escaped_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `$name`: filled from the task's data. `$5` is a price.
pub(super) fn is_variable(value: &str) -> bool {
    let mut rest = value.strip_prefix('$').unwrap_or_default().chars();
    rest.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && rest.all(|char| char.is_alphanumeric() || "_[].{}".contains(char))
}

/// Gives classes of the same own name, which only nested ones can be, their whole path as name.
pub(in crate::domain) fn tell_apart(classes: &mut [Class]) {
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
