//! Annotations: one person's answer to one task, and what it teaches a head.

mod of_regions;
mod rename;
mod unused;

use std::borrow::Cow;

use super::field::{FieldError, Record};
use super::ids::{AnnotationId, TaskId};
use super::label_config::{ChoiceKind, Control, HeadSpec, MAX_CLASSES};
use super::region::is_of_a_part;
pub use rename::{Rename, RenameError, command as rename_command};
use serde_json::{Number, Value};
pub use unused::{Unused, UnusedAnswers, Why};

/// Most items kept of one annotation: of whole images a label config makes at most one per head, and people draw some hundreds.
pub const MAX_REGIONS: usize = 10_000;

/// Reason why an annotation can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    /// The JSON isn't an annotation.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// One person's answer to a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Label Studio's id.
    pub id: AnnotationId,
    /// The task it answers.
    pub task: TaskId,
    /// Its items that answer a [`Control`], as sent, at most [`MAX_REGIONS`], and the boxes and ellipses that such an answer is
    /// about where it does not hold their place itself. Masks, texts and boxes of other tags, which may be megabytes, are
    /// dropped on arrival: Label Studio keeps them.
    pub result: Vec<Value>,
    /// The task was skipped: the answer teaches nothing.
    pub was_cancelled: bool,
    /// Marked as certainly right.
    pub ground_truth: bool,
    /// Unix microseconds; 0 where it is not known.
    pub created_at: i64,
    /// Unix microseconds of the last change, else of creation; 0 where neither is known, which counts as oldest.
    pub updated_at: i64,
    /// Label Studio's id of the person.
    pub completed_by: Option<i64>,
}

/// Target of a head from an annotation, as class indices of its [`HeadSpec`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The one class.
    Single(usize),
    /// One flag per class: `true` if it applies.
    Multiple(Vec<bool>),
}

impl Target {
    /// The class, where exactly one can be right.
    pub fn as_index(&self) -> Option<usize> {
        match self {
            Self::Single(class) => Some(*class),
            Self::Multiple(_) => None,
        }
    }

    /// One flag per class, `classes` long: `true` if it applies.
    pub fn as_flags(&self, classes: usize) -> Vec<bool> {
        match self {
            Self::Single(class) => (0..classes).map(|index| index == *class).collect(),
            Self::Multiple(flags) => flags.clone(),
        }
    }
}

/// Meaning of one entry of an answer.
enum Named {
    Class(usize),
    Parent(Vec<usize>),
    Unknown,
}

impl Annotation {
    /// Reads an annotation as it stands in webhooks and exports. Only `id` is needed, and `task`, an
    /// integer or a task object, unless the caller knows the task from the context.
    ///
    /// # Errors
    /// [`AnnotationError::Field`] names the field that is missing or of the wrong type.
    pub fn from_json(value: &Value, task: Option<TaskId>) -> Result<Self, AnnotationError> {
        let record = Record::of("annotation", value)?;
        let id = AnnotationId(record.id()?);
        let task = record.reference("task")?.map(TaskId).or(task).ok_or_else(|| record.missing("task"))?;
        let regions = record.list("result")?.map(Vec::as_slice).unwrap_or_default();
        let created_at = record.micros("created_at").unwrap_or(0);
        Ok(Self {
            id,
            task,
            result: of_regions::kept(regions),
            was_cancelled: record.flag("was_cancelled")?,
            ground_truth: record.flag("ground_truth")?,
            created_at,
            updated_at: record.micros("updated_at").unwrap_or(created_at),
            completed_by: record.reference("completed_by").unwrap_or(None),
        })
    }

    /// `true` if it was submitted without any choice. The editor writes no region then, be it by a slip or because nothing
    /// fits: the two can't be told apart, so it is no answer. `any_number` returns `true` for the name of a control that
    /// takes any number of choices: there a region without a choice, which only an import or the API brings, means that none
    /// applies.
    pub fn is_empty(&self, any_number: impl Fn(&str) -> bool) -> bool {
        let answers = |region: &Value| match answered(region) {
            Some(Value::Array(choices)) if choices.is_empty() => {
                text(region, "from_name").is_some_and(&any_number)
            }
            Some(Value::String(choice)) => !choice.is_empty(),
            Some(Value::Array(_)) => true,
            Some(Value::Number(rating)) => is_rated(region, rating),
            _ => false,
        };
        !self.was_cancelled && !self.result.iter().any(answers)
    }

    /// Target of a head of whole images; `None` if the annotation teaches it nothing. For regions see
    /// [`Annotation::region_targets`].
    ///
    /// Of several regions with the head's name the first counts, the one Label Studio's editor shows. A rating of 0 is none.
    /// Choices may be given as names or nested paths, by alias or by value, also as numbers. A single head learns only
    /// from exactly one class: two contradict each other, and an unknown one (renamed, removed) is no
    /// other class. A multiple head skips unknown names unless there are only such; an empty region means that no class
    /// applies, a missing one teaches nothing, nor does an answer to a question that is hidden. A parent of nested choices
    /// stands for its children; one of a taxonomy stands for itself, and where only leaves may be chosen it is unknown.
    pub fn target(&self, head: &HeadSpec) -> Option<Target> {
        if self.was_cancelled || !head.is_of_image() || !self.shows(head) {
            return None;
        }
        read(self.answers(head).next()?, head)
    }
}

/// Target of the head that an item answers.
fn read(item: &Value, head: &HeadSpec) -> Option<Target> {
    let named: Vec<Named> = choices(item)?.iter().map(|choice| named(choice, head)).collect();
    match head.kind {
        ChoiceKind::Single => single(&named).map(Target::Single),
        ChoiceKind::Multiple => multiple(&named, head.classes.len()).map(Target::Multiple),
    }
}

impl Annotation {
    /// The items that bear a head's name and type.
    fn items<'a>(&'a self, head: &'a HeadSpec) -> impl Iterator<Item = &'a Value> {
        let items = self.result.iter().filter(|item| control(item) == Some(head.control));
        items.filter(|item| text(item, "from_name") == Some(&head.from_name))
    }

    /// Those that answer it: for whole images the first that is not about a part of it, for regions all.
    fn answers<'a>(&'a self, head: &'a HeadSpec) -> impl Iterator<Item = &'a Value> {
        let of_image = head.is_of_image();
        self.items(head).filter(move |item| !of_image || !is_of_a_part(item)).take(if of_image {
            1
        } else {
            MAX_REGIONS
        })
    }

    /// The region that answers a question by whose choices others are shown.
    fn region_of(&self, from_name: &str) -> Option<&Value> {
        let mut regions = self.result.iter().filter(|region| control(region).is_some());
        regions.find(|region| text(region, "from_name") == Some(from_name))
    }

    /// `true` if a person who gave these answers saw the head's question: where an answer to a question that is not seen any
    /// more was left over, it teaches nothing.
    fn shows(&self, head: &HeadSpec) -> bool {
        head.when.iter().all(|condition| {
            let answers = self.region_of(&condition.tag).and_then(choices).unwrap_or_default();
            let last = |choice: &'_ Value| match choice {
                Value::Array(path) => path.last().and_then(name).map(Cow::into_owned),
                other => name(other).map(Cow::into_owned),
            };
            condition.holds(answers.iter().filter_map(last))
        })
    }
}

/// Answer of a region: the entry of its `value` that its type names.
fn answered(region: &Value) -> Option<&Value> {
    region.get("value")?.get(control(region)?.result_type())
}

/// `true` if a number is a rating: Label Studio's own client takes 0 for none.
fn is_rated(region: &Value, number: &Number) -> bool {
    control(region) == Some(Control::Rating) && number.as_f64() != Some(0.0)
}

/// The choices of a region, of a rating the number; `None` where they can't be read.
pub(super) fn choices(region: &Value) -> Option<&[Value]> {
    let choices = match answered(region)? {
        Value::Array(choices) => choices.as_slice(),
        single @ Value::String(_) => std::slice::from_ref(single),
        rating @ Value::Number(number) if is_rated(region, number) => std::slice::from_ref(rating),
        Value::Number(_) if control(region) == Some(Control::Rating) => &[],
        _ => return None,
    };
    // Every class and every parent once is far below this; more is no answer of a person.
    Some(&choices[..choices.len().min(10 * MAX_CLASSES)])
}

fn single(named: &[Named]) -> Option<usize> {
    let mut class = None;
    for name in named {
        match name {
            Named::Class(index) if class.is_none_or(|other| other == *index) => class = Some(*index),
            Named::Parent(_) => {}
            Named::Class(_) | Named::Unknown => return None,
        }
    }
    class
}

fn multiple(named: &[Named], classes: usize) -> Option<Vec<bool>> {
    let mut applies = vec![false; classes];
    let mut understood = named.is_empty();
    for name in named {
        let indices = match name {
            Named::Class(index) => std::slice::from_ref(index),
            Named::Parent(children) => children.as_slice(),
            Named::Unknown => continue,
        };
        understood = true;
        for &index in indices {
            applies[index] = true;
        }
    }
    understood.then_some(applies)
}

/// `true` if the head knows a choice, as a class or as a parent of classes.
pub(super) fn is_known(choice: &Value, head: &HeadSpec) -> bool {
    !matches!(named(choice, head), Named::Unknown)
}

fn named(choice: &Value, head: &HeadSpec) -> Named {
    let path: Option<Vec<Cow<str>>> = match choice {
        Value::Array(names) => names.iter().map(name).collect(),
        other => name(other).map(|name| vec![name]),
    };
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Named::Unknown };
    let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    if let Some(index) = head.path_index(&path) {
        return Named::Class(index);
    }
    if head.control == Control::Taxonomy {
        return Named::Unknown;
    }
    let below = |index: &usize| {
        let class = &head.classes[*index].path;
        class.len() > path.len() && class.iter().zip(&path).all(|(of_class, of_choice)| of_class == of_choice)
    };
    let children: Vec<usize> = (0..head.classes.len()).filter(below).collect();
    if children.is_empty() { Named::Unknown } else { Named::Parent(children) }
}

/// The name of a choice: a class `7` comes as a number from programs that make answers of tables, a `7.0` too.
pub(super) fn name(choice: &Value) -> Option<Cow<'_, str>> {
    match choice {
        Value::String(name) => Some(Cow::Borrowed(name)),
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            let whole = float.filter(|float| float.fract() == 0.0 && float.abs() < 1e15);
            Some(Cow::Owned(whole.map_or_else(|| number.to_string(), |whole| format!("{whole:.0}"))))
        }
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        _ => None,
    }
}

/// The control tag that a region answers, by its type.
pub(super) fn control(region: &Value) -> Option<Control> {
    text(region, "type").and_then(Control::of_result_type)
}

fn text<'a>(region: &'a Value, field: &str) -> Option<&'a str> {
    region.get(field)?.as_str()
}

/// A choice in words, parents first.
fn words(choice: &Value) -> Option<String> {
    match choice {
        Value::Array(names) if !names.is_empty() => {
            names.iter().map(name).collect::<Option<Vec<_>>>().map(|names| names.join(" / "))
        }
        other => name(other).map(|name| name.into_owned()),
    }
}

#[cfg(test)]
mod tests;
