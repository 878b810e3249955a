//! One class in answers put in another's place.

use serde_json::{Value, json};

use super::{Named, control, named, text, words};
use crate::domain::field::shown;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{Control, HeadSpec, LabelConfig};
use crate::domain::shell::quoted;

/// Classes and questions that a message names.
const NAMED: usize = 20;

/// Longest name that is offered in a command, in bytes.
const MAX_OFFERED_BYTES: usize = 200;

/// Reason why a class can't take another's place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// No head has the name.
    #[error("the label config has no question `{}` that is learnt; there are: {known}", shown(name))]
    NoSuchQuestion { name: String, known: String },
    /// Several heads have the new class.
    #[error("`{}` is a class of {questions}; say which with --from-name", shown(new))]
    SeveralQuestions { new: String, questions: String },
    /// No head that can be meant has the new class.
    #[error(
        "the label config has no class `{}`; there are: {known}. To keep a class under a new name, change it in the label \
         config first",
        shown(new)
    )]
    NoSuchClass { new: String, known: String },
    /// The old name is in use.
    #[error(
        "`{}` is still a class, or a group of classes, of `{}`; take it out of the label config first, or say --merge to \
         have all its labels become those of `{}`",
        shown(old),
        shown(from_name),
        shown(new)
    )]
    StillAClass { old: String, from_name: String, new: String },
    /// Both names stand for one class.
    #[error(
        "`{}` and `{}` are the same class of `{}`: labels by either name count",
        shown(old),
        shown(new),
        shown(from_name)
    )]
    SameClass { old: String, new: String, from_name: String },
}

/// A change of answers to one question: one choice becomes a class of the label config.
#[derive(Clone, Debug, PartialEq)]
pub struct Rename {
    /// The control tag.
    pub from_name: String,
    /// The choice as answers have it; the names of a nested one joined by ` / `.
    pub old: String,
    /// The class's name.
    pub new: String,
    /// The class as a result has it: a name, or a nested path.
    choice: Value,
}

impl Rename {
    /// Finds the question that is meant: the one named, else the only one that has the new class. A choice that is still a
    /// class is given up only if `merge` is `true`.
    ///
    /// # Errors
    /// No question or several can be meant, the new name is no class, or the old one is still in use.
    pub fn plan(
        config: &LabelConfig,
        from_name: Option<&str>,
        old: &str,
        new: &str,
        merge: bool,
    ) -> Result<Self, RenameError> {
        // Numbers are renamed by nobody.
        let named_heads = config.heads.iter().filter(|head| head.control.is_choices());
        let meant: Vec<&HeadSpec> =
            named_heads.filter(|head| from_name.is_none_or(|name| head.from_name == name)).collect();
        if let (Some(name), []) = (from_name, meant.as_slice()) {
            let known = listed(config.heads.iter().map(|head| head.from_name.as_str()));
            return Err(RenameError::NoSuchQuestion { name: name.to_owned(), known });
        }
        let having: Vec<(&HeadSpec, usize)> =
            meant.iter().filter_map(|head| Some((*head, index(head, new)?))).collect();
        let (head, class) = match having.as_slice() {
            [one] => *one,
            [] => {
                let classes = meant.iter().flat_map(|head| &head.classes);
                let known = listed(classes.map(|class| class.name.as_str()));
                return Err(RenameError::NoSuchClass { new: new.to_owned(), known });
            }
            several => {
                let questions = listed(several.iter().map(|(head, _)| head.from_name.as_str()));
                return Err(RenameError::SeveralQuestions { new: new.to_owned(), questions });
            }
        };
        let old = old.to_owned();
        let new = head.classes[class].name.clone();
        let from_name = head.from_name.clone();
        match readings(&old).map(|choice| named(&choice, head)) {
            [Named::Unknown, Named::Unknown] => {}
            [Named::Class(same), _] | [_, Named::Class(same)] if same == class => {
                return Err(RenameError::SameClass { old, new, from_name });
            }
            _ if merge => {}
            _ => return Err(RenameError::StillAClass { old, from_name, new }),
        }
        let path = &head.classes[class].path;
        let choice = if path.is_empty() { json!(new) } else { json!(path) };
        Ok(Self { from_name, old, new, choice })
    }

    /// An annotation's result with the change made; `None` where the choice is not in it. Everything else stays as it is,
    /// and a class that would be chosen twice stays once.
    pub fn changed(&self, result: &Value) -> Option<Value> {
        let mut regions = result.as_array()?.clone();
        let mut is_changed = false;
        for region in regions.iter_mut() {
            if control(region) != Some(Control::Choices)
                || text(region, "from_name") != Some(self.from_name.as_str())
            {
                continue;
            }
            if let Some(choices) = region.get_mut("value").and_then(|value| value.get_mut("choices")) {
                is_changed |= self.change(choices);
            }
        }
        is_changed.then_some(Value::Array(regions))
    }

    fn change(&self, choices: &mut Value) -> bool {
        let is_old = |choice: &Value| words(choice).as_deref() == Some(&*self.old);
        match choices {
            Value::Array(list) if list.iter().any(is_old) => {
                let before = std::mem::take(list);
                for choice in before {
                    let choice = if is_old(&choice) { self.choice.clone() } else { choice };
                    if choice != self.choice || !list.contains(&choice) {
                        list.push(choice);
                    }
                }
                true
            }
            Value::String(_) if is_old(choices) => {
                *choices = json!([self.choice]);
                true
            }
            _ => false,
        }
    }
}

/// The command that makes such a change, for a person to copy; `None` for names that nobody could. `from_name` where the label
/// config asks several questions.
pub fn command(project: ProjectId, from_name: Option<&str>, old: &str, new: &str) -> Option<String> {
    let is_plain = |name: &str| name.len() <= MAX_OFFERED_BYTES && !name.contains(char::is_control);
    if ![old, new].into_iter().chain(from_name).all(is_plain) {
        return None;
    }
    let of = from_name.map(|name| format!(" --from-name={}", quoted(name))).unwrap_or_default();
    let end = if old.starts_with('-') || new.starts_with('-') { " --" } else { "" };
    Some(format!("weathervane labels rename --project {project}{of}{end} {} {}", quoted(old), quoted(new)))
}

/// Forms of a name in a result: a choice, or a path of choices.
fn readings(name: &str) -> [Value; 2] {
    [json!(name), json!(name.split(" / ").collect::<Vec<_>>())]
}

fn index(head: &HeadSpec, name: &str) -> Option<usize> {
    readings(name).iter().find_map(|choice| match named(choice, head) {
        Named::Class(index) => Some(index),
        Named::Parent(_) | Named::Unknown => None,
    })
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let first: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{}`", shown(name))).collect();
    let more = if names.len() > NAMED { ", ..." } else { "" };
    first.join(", ") + more
}

#[cfg(test)]
mod tests;
