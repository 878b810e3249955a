//! Parts of answers that teach nothing, with the reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::{Annotation, Named, choices, control, named, rename, text, words};
use crate::domain::field::shown;
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::{ChoiceKind, Control, HeadSpec, LabelConfig, alike};
use crate::domain::region::{PlaceError, is_of_a_part};

/// Tasks named for a reason.
const NAMED_TASKS: usize = 5;

/// Reasons told apart; the answers for all others, the rarest, are counted in one. A person reads no more, and a project may
/// have as many as it has answers.
const TOLD_REASONS: usize = 50;

/// Parts of one annotation that are examined: of more nobody needs the reasons, and comparing all takes quadratic time.
const TOLD_PARTS: usize = 100;

/// Longest name that is compared with others, in bytes: comparing takes the product of both lengths.
const LONGEST_COMPARED: usize = 1_000;

/// A part of an answer that no head learns from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unused {
    /// The control tag that was answered.
    pub from_name: String,
    pub why: Why,
}

/// Reason why a part of an answer teaches nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The label config has no such control tag, or none that can be learnt.
    NoSuchQuestion,
    /// The head has no such class.
    NoSuchClass(String),
    /// Several classes where exactly one can be right.
    SeveralClasses,
    /// A choice above others, where one of those can be right.
    OnlyAParent,
    /// The answer is no list of names, and no number where one is asked for.
    Unreadable,
    /// It is about a region, where the head is about whole images.
    OfARegion,
    /// It is about what can't be cut out of the image.
    Place(PlaceError),
    /// So many reasons, each of fewer answers than any that is told.
    Others(usize),
}

/// Parts of answers that teach nothing for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedAnswers {
    pub unused: Unused,
    /// Annotations with such a part.
    pub annotations: usize,
    /// The first tasks they answer, at most five.
    pub tasks: Vec<TaskId>,
    /// The class without any label that an unknown one may have been renamed to.
    pub renamed: Option<String>,
    /// The label config asks nothing else.
    is_only_question: bool,
}

impl UnusedAnswers {
    /// Collects the parts of many annotations that teach nothing, the most frequent reason first: at most 50 reasons, and
    /// one entry for all others.
    pub fn among<'a>(annotations: impl Iterator<Item = &'a Annotation>, config: &LabelConfig) -> Vec<Self> {
        let mut found: BTreeMap<Unused, Self> = BTreeMap::new();
        let mut answered: BTreeSet<(&str, usize)> = BTreeSet::new();
        for annotation in annotations {
            for head in &config.heads {
                let choices = annotation.answers(head).flat_map(|item| choices(item).unwrap_or_default());
                let classes = choices.filter_map(|choice| class(&named(choice, head)));
                answered.extend(classes.map(|class| (head.from_name.as_str(), class)));
            }
            for unused in annotation.unused(config) {
                let of = found.entry(unused.clone()).or_insert_with(|| Self::of(unused));
                of.annotations += 1;
                if of.tasks.len() < NAMED_TASKS && !of.tasks.contains(&annotation.task) {
                    of.tasks.push(annotation.task);
                }
            }
        }
        let mut found: Vec<Self> = found.into_values().collect();
        found.sort_by_key(|of| std::cmp::Reverse(of.annotations));
        let others = found.split_off(found.len().min(TOLD_REASONS));
        for of in &mut found {
            of.renamed = renamed(&of.unused, config, &answered);
            of.is_only_question = config.heads.len() == 1;
        }
        found.extend(Self::together(&others));
        found
    }

    /// All of them as one.
    fn together(others: &[Self]) -> Option<Self> {
        let first = others.first()?;
        let unused = Unused { from_name: String::new(), why: Why::Others(others.len()) };
        let annotations = others.iter().map(|of| of.annotations).sum();
        Some(Self { annotations, tasks: first.tasks.clone(), ..Self::of(unused) })
    }

    fn of(unused: Unused) -> Self {
        Self { unused, annotations: 0, tasks: Vec::new(), renamed: None, is_only_question: true }
    }

    /// In words for who works on a project: with the command that gives the answers their new name, where there may be one.
    pub fn in_project(&self, project: ProjectId) -> String {
        let (Some(new), Why::NoSuchClass(old)) = (&self.renamed, &self.unused.why) else {
            return self.to_string();
        };
        let from_name = (!self.is_only_question).then_some(self.unused.from_name.as_str());
        match rename::command(project, from_name, old, new) {
            Some(command) => format!(
                "{}; is `{}` the same? Then run `{command}`, or {}",
                self.counted(),
                shown(new),
                alias(old, new)
            ),
            None => self.to_string(),
        }
    }

    fn counted(&self) -> String {
        let number = self.annotations;
        let answers = if number == 1 { "answer" } else { "answers" };
        let verb = if number == 1 { "teaches" } else { "teach" };
        let tasks: Vec<String> = self.tasks.iter().map(ToString::to_string).collect();
        let kind = if tasks.len() == 1 { "task" } else { "tasks" };
        let more = if number > tasks.len() { ", ..." } else { "" };
        format!("{number} {answers} {verb} nothing: {} ({kind} {}{more})", self.unused, tasks.join(", "))
    }
}

impl fmt::Display for UnusedAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.counted())?;
        if let (Some(new), Why::NoSuchClass(old)) = (&self.renamed, &self.unused.why) {
            write!(f, "; is `{}` the same? Then {}", shown(new), alias(old, new))?;
        }
        Ok(())
    }
}

fn alias(old: &str, new: &str) -> String {
    let old = shown(old);
    let new = shown(new);
    format!("keep the old name in the label config: <Choice value=\"{new}\" alias=\"{old}\"/>")
}

/// The class of the same head that nobody chose and whose name is like the unknown one.
fn renamed(unused: &Unused, config: &LabelConfig, answered: &BTreeSet<(&str, usize)>) -> Option<String> {
    let Why::NoSuchClass(old) = &unused.why else { return None };
    let is_short = |name: &str| name.len() <= LONGEST_COMPARED;
    if !is_short(old) {
        return None;
    }
    let head = config.heads.iter().find(|head| head.from_name == unused.from_name)?;
    // Numbers are renamed by nobody, and an alias is no path.
    if head.control != Control::Choices {
        return None;
    }
    let without = head.classes.iter().enumerate();
    let without = without.filter(|(index, _)| !answered.contains(&(head.from_name.as_str(), *index)));
    let without = without.filter(|(_, class)| is_short(&class.name));
    alike(old, without.map(|(_, class)| class.name.as_str())).map(str::to_owned)
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from_name = shown(&self.from_name);
        match &self.why {
            Why::NoSuchQuestion => {
                write!(f, "`{from_name}` is not a question of the label config that is learnt")
            }
            Why::NoSuchClass(class) => write!(f, "`{from_name}` has no class `{}`", shown(class)),
            Why::SeveralClasses => {
                write!(f, "`{from_name}` is answered with several classes, where one can be right")
            }
            Why::OnlyAParent => {
                write!(f, "`{from_name}` is answered with a group of classes, where one class can be right")
            }
            Why::Unreadable => {
                write!(f, "`{from_name}` is answered with something that is not a list of names")
            }
            Why::OfARegion => {
                write!(
                    f,
                    "`{from_name}` is answered for a region, where the label config asks about whole images"
                )
            }
            Why::Place(problem) => write!(f, "`{from_name}` is answered for {problem}"),
            Why::Others(1) => f.write_str("another reason"),
            Why::Others(reasons) => write!(f, "{reasons} other reasons"),
        }
    }
}

impl Annotation {
    /// Lists the parts of this annotation that teach nothing. Skips and answers without a choice are not listed: they hold
    /// no answer.
    pub fn unused(&self, config: &LabelConfig) -> Vec<Unused> {
        if self.was_cancelled {
            return Vec::new();
        }
        let mut unused = Vec::new();
        let mut note = |from_name: &str, why: Why| {
            let found = Unused { from_name: from_name.to_owned(), why };
            if unused.len() < TOLD_PARTS && !unused.contains(&found) {
                unused.push(found);
            }
        };
        for region in &self.result {
            let Some(control) = control(region) else { continue };
            let from_name = text(region, "from_name").unwrap_or_default();
            if !config.heads.iter().any(|head| head.from_name == from_name && head.control == control) {
                note(&shown(from_name), Why::NoSuchQuestion);
            }
        }
        for head in config.heads.iter().filter(|head| self.shows(head)) {
            if head.is_of_image() {
                if self.items(head).any(is_of_a_part) {
                    note(&head.from_name, Why::OfARegion);
                }
            } else {
                for why in self.placed(head).into_iter().filter_map(|(_, place)| place.err()) {
                    note(&head.from_name, Why::Place(why));
                }
            }
            for item in self.answers(head) {
                unused_of(item, head, &mut |why| note(&head.from_name, why));
            }
        }
        unused
    }
}

/// Notes the parts of one answer to a head that teach nothing.
fn unused_of(item: &Value, head: &HeadSpec, note: &mut dyn FnMut(Why)) {
    let Some(choices) = choices(item) else { return note(Why::Unreadable) };
    let read: Vec<Named> = choices.iter().map(|choice| named(choice, head)).collect();
    for (choice, _) in choices.iter().zip(&read).filter(|(_, named)| matches!(named, Named::Unknown)) {
        note(words(choice).map_or(Why::Unreadable, Why::NoSuchClass));
    }
    if head.kind == ChoiceKind::Single && !read.iter().any(|named| matches!(named, Named::Unknown)) {
        let mut classes: Vec<usize> = read.iter().filter_map(class).collect();
        classes.sort_unstable();
        classes.dedup();
        match classes.len() {
            0 if !read.is_empty() => note(Why::OnlyAParent),
            0 | 1 => {}
            _ => note(Why::SeveralClasses),
        }
    }
}

fn class(named: &Named) -> Option<usize> {
    match named {
        Named::Class(index) => Some(*index),
        Named::Parent(_) | Named::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_teaches_nothing_is_named_with_its_reason() {
        let xml = r#"<View><Image name="image" value="$image"/><Choices name="weather" toName="image" allowNested="true">
            <Choice value="rain"/><Choice value="dry"><Choice value="shine"/><Choice value="cloudy"/></Choice></Choices>
            <Choices name="seen" toName="image" choice="multiple"><Choice value="sun"/><Choice value="moon"/></Choices></View>"#;
        let config = LabelConfig::parse(xml).unwrap();
        let said = |regions: &[(&str, Value)]| -> Vec<String> {
            let region = |(name, choices): &(&str, Value)| json!({"type": "choices", "from_name": name, "to_name": "image", "value": {"choices": choices}});
            let result: Vec<Value> = regions.iter().map(region).collect();
            let annotation =
                Annotation::from_json(&json!({"id": 1, "task": 2, "result": result}), None).unwrap();
            annotation.unused(&config).iter().map(Unused::to_string).collect()
        };
        for (regions, words) in [
            (vec![("weather", json!([["rain"]])), ("seen", json!(["sun"]))], &[][..]),
            (vec![("weather", json!([])), ("seen", json!([]))], &[]),
            (vec![("weather", json!(["fog"]))], &["`weather` has no class `fog`"]),
            (vec![("weather", json!([["dry", "fog"]]))], &["`weather` has no class `dry / fog`"]),
            (
                vec![("weather", json!(["rain", "shine"]))],
                &["`weather` is answered with several classes, where one can be right"],
            ),
            (
                vec![("weather", json!([["dry"]]))],
                &["`weather` is answered with a group of classes, where one class can be right"],
            ),
            (
                vec![("weather", json!({"a": 1}))],
                &["`weather` is answered with something that is not a list of names"],
            ),
            (vec![("seen", json!(["sun", "stars", "stars"]))], &["`seen` has no class `stars`"]),
            (vec![("sky", json!(["blue"]))], &["`sky` is not a question of the label config that is learnt"]),
        ] {
            assert_eq!(said(&regions), words, "{regions:?}");
        }
        let skipped = json!({"id": 1, "task": 2, "was_cancelled": true, "result": []});
        assert_eq!(Annotation::from_json(&skipped, None).unwrap().unused(&config), []);
    }

    #[test]
    fn answers_are_counted_by_reason_and_a_new_name_is_offered() {
        let classes = ["one", "two", "ten new", "eleven"].map(|class| format!("<Choice value=\"{class}\"/>"));
        let xml = format!(
            "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"n\" toName=\"image\">{}</Choices></View>",
            classes.concat()
        );
        let config = LabelConfig::parse(&xml).unwrap();
        let annotation = |id: i64, choice: &str| {
            let region = json!({"type": "choices", "from_name": "n", "to_name": "image", "value": {"choices": [choice]}});
            Annotation::from_json(&json!({"id": id, "task": id, "result": [region]}), None).unwrap()
        };
        let answers = ["one", "ten", "two", "zebra", "ten", "ten", "ten", "ten", "ten"];
        let answers: Vec<Annotation> =
            answers.iter().enumerate().map(|(id, choice)| annotation(id as i64, choice)).collect();
        let unused = UnusedAnswers::among(answers.iter(), &config);
        let said: Vec<String> = unused.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "6 answers teach nothing: `n` has no class `ten` (tasks 1, 4, 5, 6, 7, ...); is `ten new` the same? Then keep \
                 the old name in the label config: <Choice value=\"ten new\" alias=\"ten\"/>",
                "1 answer teaches nothing: `n` has no class `zebra` (task 3)",
            ]
        );
        let said: Vec<String> = unused.iter().map(|of| of.in_project(ProjectId(7))).collect();
        let offer = "; is `ten new` the same? Then run `weathervane labels rename --project 7 ten 'ten new'`, or keep the \
                     old name in the label config: <Choice value=\"ten new\" alias=\"ten\"/>";
        assert!(said[0].starts_with("6 answers teach nothing") && said[0].ends_with(offer), "{}", said[0]);
        assert_eq!(said[1], "1 answer teaches nothing: `n` has no class `zebra` (task 3)");
    }
    #[test]
    fn as_many_reasons_as_answers_are_told_in_short() {
        let xml = "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"n\" toName=\"image\"><Choice value=\"one\"/>\
            <Choice value=\"two\"/></Choices></View>";
        let config = LabelConfig::parse(xml).unwrap();
        let annotation = |id: i64, choices: Value| {
            let region = json!({"type": "choices", "from_name": "n", "to_name": "image", "value": {"choices": choices}});
            Annotation::from_json(&json!({"id": id, "task": id, "result": [region]}), None).unwrap()
        };
        let often = (0..3).map(|id| annotation(id, json!(["often"])));
        let answers: Vec<Annotation> =
            often.chain((3..3_000).map(|id| annotation(id, json!([format!("{id:05}")])))).collect();
        let found = UnusedAnswers::among(answers.iter(), &config);
        assert_eq!(found.len(), TOLD_REASONS + 1);
        assert!(found[0].to_string().starts_with("3 answers teach nothing: `n` has no class `often`"));
        assert_eq!(
            found[TOLD_REASONS].to_string(),
            "2948 answers teach nothing: 2948 other reasons (task 52, ...)"
        );
        let many: Vec<String> = (0..200_000).map(|id| id.to_string()).collect();
        let hostile = annotation(1, json!(many));
        assert_eq!(hostile.unused(&config).len(), TOLD_PARTS);
        let long = [annotation(1, json!(["x".repeat(2_000_000)]))];
        assert!(UnusedAnswers::among(long.iter(), &config)[0].to_string().len() < 1_000);
    }
}
