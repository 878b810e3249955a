//! Annotations: one person's answer to one task, and what it teaches a head.

use super::field::{FieldError, Record};
use super::ids::{AnnotationId, TaskId};
use super::label_config::{ChoiceKind, HeadSpec, MAX_CLASSES};
use serde_json::Value;

/// Most choices regions kept of one annotation; a whole-image label config makes at most one per head.
pub const MAX_REGIONS: usize = 10_000;

/// Why an annotation can't be used.
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
    /// Its regions of type `choices`, as sent, at most [`MAX_REGIONS`]. Boxes, masks and texts of other
    /// tags, which may be megabytes, are dropped on arrival: Label Studio keeps them.
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

/// What an annotation teaches a head, as class indices of its [`HeadSpec`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The one class.
    Single(usize),
    /// For each class whether it applies.
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

    /// Whether each of `classes` classes applies, `classes` long.
    pub fn as_flags(&self, classes: usize) -> Vec<bool> {
        match self {
            Self::Single(class) => (0..classes).map(|index| index == *class).collect(),
            Self::Multiple(flags) => flags.clone(),
        }
    }
}

/// What one entry of `value.choices` stands for.
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
            result: regions.iter().filter(|region| is_choices(region)).take(MAX_REGIONS).cloned().collect(),
            was_cancelled: record.flag("was_cancelled")?,
            ground_truth: record.flag("ground_truth")?,
            created_at,
            updated_at: record.micros("updated_at").unwrap_or(created_at),
            completed_by: record.reference("completed_by").unwrap_or(None),
        })
    }

    /// What this annotation teaches a head; `None` is nothing.
    ///
    /// Of several regions with the head's name the first counts, the one Label Studio's editor shows.
    /// Choices may be given as names or nested paths, by alias or by value. A single head learns only
    /// from exactly one class: two contradict each other, and an unknown one (renamed, removed) is no
    /// other class. A multiple head skips unknown names unless there are only such; an empty region says
    /// that no class applies, a missing one says nothing. A parent of nested choices stands for its children.
    pub fn target(&self, head: &HeadSpec) -> Option<Target> {
        if self.was_cancelled {
            return None;
        }
        let mut regions = self.result.iter().filter(|region| is_choices(region));
        let region = regions.find(|region| text(region, "from_name") == Some(&head.from_name))?;
        let choices = match region.get("value")?.get("choices")? {
            Value::Array(choices) => choices.as_slice(),
            single @ Value::String(_) => std::slice::from_ref(single),
            _ => return None,
        };
        // Every class and every parent once is far below this; more is no answer of a person.
        let named: Vec<Named> =
            choices.iter().take(10 * MAX_CLASSES).map(|choice| named(choice, head)).collect();
        match head.kind {
            ChoiceKind::Single => single(&named).map(Target::Single),
            ChoiceKind::Multiple => multiple(&named, head.classes.len()).map(Target::Multiple),
        }
    }
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

fn named(choice: &Value, head: &HeadSpec) -> Named {
    let path: Option<Vec<&str>> = match choice {
        Value::String(name) => Some(vec![name.as_str()]),
        Value::Array(names) => names.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Named::Unknown };
    if let Some(index) = head.path_index(&path) {
        return Named::Class(index);
    }
    let below = |index: &usize| {
        let class = &head.classes[*index].path;
        class.len() > path.len() && class.iter().zip(&path).all(|(of_class, of_choice)| of_class == of_choice)
    };
    let children: Vec<usize> = (0..head.classes.len()).filter(below).collect();
    if children.is_empty() { Named::Unknown } else { Named::Parent(children) }
}

fn is_choices(region: &Value) -> bool {
    text(region, "type") == Some("choices")
}

fn text<'a>(region: &'a Value, field: &str) -> Option<&'a str> {
    region.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::label_config::LabelConfig;
    use serde_json::json;

    fn head(attributes: &str) -> HeadSpec {
        let xml = format!(
            r#"<View><Image name="image" value="$image"/><Choices name="weather" toName="image" {attributes}>
            <Choice value="Rain" alias="r"/><Choice value="Dry"><Choice value="shine"/><Choice value="cloudy"/></Choice>
            <Choice value="Fog"/></Choices></View>"#
        );
        LabelConfig::parse(&xml).unwrap().heads.remove(0)
    }

    fn region(choices: Value) -> Value {
        json!({"id": "a", "from_name": "weather", "to_name": "image", "type": "choices", "value": {"choices": choices}})
    }

    fn target(result: Value, head: &HeadSpec) -> Option<Target> {
        Annotation::from_json(&json!({"id": 1, "task": 2, "result": result}), None).unwrap().target(head)
    }

    #[test]
    fn only_the_id_and_a_task_are_needed() {
        let annotation = Annotation::from_json(&json!({"id": 1}), Some(TaskId(2))).unwrap();
        let expected = Annotation {
            id: AnnotationId(1),
            task: TaskId(2),
            result: vec![],
            was_cancelled: false,
            ground_truth: false,
            created_at: 0,
            updated_at: 0,
            completed_by: None,
        };
        assert_eq!(annotation, expected);
        let full = json!({"id": 1, "task": {"id": 9, "data": {}}, "completed_by": {"id": 4, "email": "a@b"}, "result": null,
            "updated_at": null, "created_at": "1970-01-01T00:00:01.000002Z", "was_cancelled": true, "ground_truth": true});
        let annotation = Annotation::from_json(&full, Some(TaskId(2))).unwrap();
        assert_eq!(
            (annotation.task, annotation.completed_by, annotation.updated_at),
            (TaskId(9), Some(4), 1_000_002)
        );
        assert!(annotation.was_cancelled && annotation.ground_truth);
    }

    #[test]
    fn a_broken_annotation_names_the_field() {
        for (value, message) in [
            (json!("x"), "annotation is a string, expected an object"),
            (json!({"task": 1}), "annotation has no field `id`"),
            (json!({"id": 5}), "annotation 5 has no field `task`"),
            (
                json!({"id": 5, "task": 1, "result": {}}),
                "field `result` of annotation 5 is an object, expected a list",
            ),
            (
                json!({"id": 5, "task": 1, "was_cancelled": "no"}),
                "field `was_cancelled` of annotation 5 is a string, expected true or false",
            ),
        ] {
            assert_eq!(Annotation::from_json(&value, None).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn regions_of_other_tools_are_dropped_and_huge_results_cut() {
        let brush = json!({"from_name": "brush", "type": "brushlabels", "value": {"rle": vec![7; 1000]}});
        let mut result = vec![brush, json!(null), json!(3), json!({"type": 5})];
        result.extend(vec![region(json!(["r"])); MAX_REGIONS + 5]);
        let annotation = Annotation::from_json(&json!({"id": 1, "task": 2, "result": result}), None).unwrap();
        assert_eq!(annotation.result.len(), MAX_REGIONS);
        assert_eq!(annotation.target(&head("")), Some(Target::Single(0)));
    }

    #[test]
    fn a_single_head_learns_from_exactly_one_known_class() {
        let head = head("");
        for (choices, class) in [
            (json!(["r"]), Some(0)),
            (json!(["Rain"]), Some(0)),
            (json!([["Rain"]]), Some(0)),
            (json!("Fog"), Some(2)),
            (json!(["Fog", "Fog"]), Some(2)),
            (json!(["Fog", "r"]), None),
            (json!(["Fog", "snow"]), None),
            (json!(["snow"]), None),
            (json!(["shine"]), None),
            (json!([]), None),
            (json!([[]]), None),
            (json!([7, null]), None),
            (json!({"r": true}), None),
        ] {
            assert_eq!(
                target(json!([region(choices.clone())]), &head),
                class.map(Target::Single),
                "{choices}"
            );
        }
        assert_eq!(target(json!([]), &head), None);
        assert_eq!(target(json!([{"type": "choices", "from_name": "weather"}]), &head), None);
        let other = json!({"from_name": "other", "type": "choices", "value": {"choices": ["Fog"]}});
        let two = json!([other, region(json!(["r"])), region(json!(["Fog"]))]);
        assert_eq!(target(two, &head), Some(Target::Single(0)), "the first of its own regions");
    }

    #[test]
    fn a_nested_single_head_reads_what_the_editor_writes_for_a_leaf_and_its_parent() {
        let head = head(r#"allowNested="true""#);
        for (choices, class) in [
            (json!([["r"]]), Some(0)),
            (json!([["Dry", "cloudy"]]), Some(2)),
            (json!([["Dry"], ["Dry", "cloudy"]]), Some(2)),
            (json!(["cloudy"]), Some(2)),
            (json!([["Dry"], ["Dry", "shine"], ["Dry", "cloudy"]]), None),
            (json!([["Dry"]]), None),
            (json!([["Wet", "cloudy"]]), None),
        ] {
            assert_eq!(
                target(json!([region(choices.clone())]), &head),
                class.map(Target::Single),
                "{choices}"
            );
        }
    }

    #[test]
    fn a_multiple_head_learns_which_classes_apply_and_which_do_not() {
        let flat = head(r#"choice="multiple""#);
        for (choices, applies) in [
            (json!(["r", "Fog"]), Some([true, false, true])),
            (json!(["Dry", "snow"]), Some([false, true, false])),
            (json!(["snow"]), None),
            (json!([]), Some([false; 3])),
        ] {
            let expected = applies.map(|applies| Target::Multiple(applies.to_vec()));
            assert_eq!(target(json!([region(choices.clone())]), &flat), expected, "{choices}");
        }
        assert_eq!(target(json!([]), &flat), None, "no region says nothing");
        let nested = head(r#"choice="multiple" allowNested="true""#);
        let expected = Some(Target::Multiple(vec![false, true, true, false]));
        assert_eq!(target(json!([region(json!([["Dry"]]))]), &nested), expected);
        assert_eq!(
            target(json!([region(json!([["Dry"], ["Dry", "shine"], ["Dry", "cloudy"]]))]), &nested),
            expected
        );
    }

    #[test]
    fn a_skipped_task_teaches_nothing() {
        let skipped = json!({"id": 1, "task": 2, "was_cancelled": true, "result": [region(json!(["r"]))]});
        assert_eq!(Annotation::from_json(&skipped, None).unwrap().target(&head("")), None);
    }
}
