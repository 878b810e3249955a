//! Label Studio's exports: tasks with people's answers, as JSON and as JSON-MIN.

mod compare;
mod infer;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::annotation::Annotation;
use super::field::{FieldError, Record, found};
use super::ids::TaskId;
use super::label_config::{Control, HeadSpec, LabelConfig};
use super::task::Task;

pub use compare::check;
pub use infer::infer;

/// A task and the answers to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub task: Task,
    pub annotations: Vec<Annotation>,
}

/// Reason why an export can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("an export is a list of tasks, this is {found}; export as JSON or JSON-MIN")]
    NotAList { found: String },
    #[error("it holds no task")]
    Empty,
    #[error("task {index} of the list: {problem}")]
    Task { index: usize, problem: String },
    #[error(
        "it is of another label config: {0}; give the project's own label config, or export the right project"
    )]
    OtherConfig(String),
    #[error("its label config can't be told from it: {0}; give it with --label-config")]
    NoConfig(String),
}

/// The list an export is, whichever of the two formats.
///
/// # Errors
/// It is no list, or an empty one.
pub fn rows(export: &Value) -> Result<&[Value], ExportError> {
    match export {
        Value::Array(rows) if rows.is_empty() => Err(ExportError::Empty),
        Value::Array(rows) => Ok(rows),
        other => Err(ExportError::NotAList { found: found(other) }),
    }
}

/// `true` if the rows are JSON-MIN's: one for each answer, its fields beside the task's.
pub fn is_min(rows: &[Value]) -> bool {
    rows.first().is_some_and(|row| row.get("data").is_none_or(|data| !data.is_object()))
}

/// Tasks of an export that can be read, and the problems with the rest.
#[derive(Debug, Default)]
pub struct Read {
    pub tasks: Vec<Answered>,
    pub problems: Vec<ExportError>,
}

impl Read {
    /// All of it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn whole(self) -> Result<Vec<Answered>, ExportError> {
        match self.problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(self.tasks),
        }
    }
}

/// Reads JSON: `[{id, data, annotations: [...]}]`, which is also what older Label Studios send to `/train`. A row that is no
/// task is left out, and an annotation that is none.
pub fn read_json(rows: &[Value]) -> Read {
    let mut read = Read::default();
    for (index, row) in rows.iter().enumerate() {
        let wrong = |problem: String| ExportError::Task { index, problem };
        let task = match Task::from_json(row) {
            Ok(task) => task,
            Err(error) => {
                read.problems.push(wrong(error.to_string()));
                continue;
            }
        };
        // `completions` is the name of Label Studio before 1.0.
        let answers = row.get("annotations").or_else(|| row.get("completions"));
        let answers = answers.and_then(Value::as_array).into_iter().flatten();
        let mut annotations = Vec::new();
        for answer in answers {
            match Annotation::from_json(answer, Some(task.id)) {
                Ok(annotation) => annotations.push(annotation),
                Err(error) => read.problems.push(wrong(error.to_string())),
            }
        }
        read.tasks.push(Answered { task, annotations });
    }
    read
}

/// Reads JSON-MIN: `[{id, image, weather: "rain", annotation_id, updated_at, ...}]`, one row for each answer; which
/// fields are answers the label config tells. A row that can't be read is left out.
pub fn read_min(rows: &[Value], config: &LabelConfig) -> Read {
    let mut tasks: BTreeMap<TaskId, Answered> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match min_row(index, row, config) {
            Ok((task, annotation)) => {
                let answered =
                    tasks.entry(task.id).or_insert_with(|| Answered { task, annotations: Vec::new() });
                answered.annotations.push(annotation);
            }
            Err(error) => problems.push(ExportError::Task { index, problem: error.to_string() }),
        }
    }
    Read { tasks: tasks.into_values().collect(), problems }
}

fn min_row(index: usize, row: &Value, config: &LabelConfig) -> Result<(Task, Annotation), FieldError> {
    let record = Record::of("task", row)?;
    let data = row.as_object().cloned().unwrap_or_default();
    let task = Task { id: TaskId(record.id()?), data, created_at: 0 };
    let regions = config.heads.iter().filter_map(|head| {
        let answer = answer(row.get(&head.from_name)?, head)?;
        let kind = head.control.result_type();
        Some(json!({"type": kind, "from_name": head.from_name, "to_name": head.to_name, "value": {kind: answer}}))
    });
    let answer = json!({
        "id": record.integer("annotation_id")?.unwrap_or(index as i64),
        "result": regions.collect::<Vec<_>>(),
        "created_at": row.get("created_at"),
        "updated_at": row.get("updated_at"),
    });
    let annotation = Annotation::from_json(&answer, Some(task.id)).map_err(|error| match error {
        super::annotation::AnnotationError::Field(error) => error,
    })?;
    Ok((task, annotation))
}

/// Answer in a field: `"rain"`, `["rain"]` or `{"choices": ["rain", "cloudy"]}`, of a taxonomy `[["sky", "rain"]]` or
/// `[{"taxonomy": [["sky", "rain"]]}]`, of a rating `4` or `[{"rating": 4}]`; an empty text is no answer.
fn answer(field: &Value, head: &HeadSpec) -> Option<Value> {
    let kind = head.control.result_type();
    match field {
        Value::String(choice) => (!choice.is_empty()).then(|| json!([choice])),
        // Label Studio's converter takes the value out of its list, and the answer out of its value, for some tags only.
        Value::Array(answers) => match answers.as_slice() {
            [Value::Object(value)] => value.get(kind).cloned(),
            answers => Some(json!(answers)),
        },
        Value::Object(value) => value.get(kind).cloned(),
        Value::Number(_) if head.control == Control::Rating => Some(field.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
