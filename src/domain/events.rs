//! Events of Label Studio, as its webhooks send them.

use super::annotation::Annotation;
use super::field::{FieldError, found};
use super::ids::{AnnotationId, ProjectId, TaskId};
use super::project::ProjectSeen;
use super::task::{Task, many};
use serde_json::Value;

/// Problems kept of one event: enough to see the pattern.
const MAX_PROBLEMS: usize = 20;

/// Reason why an event can't be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The body isn't an object.
    #[error("webhook event is {found}, expected an object")]
    NotAnObject {
        /// Type of the body.
        found: String,
    },
    /// Nobody knows what happened.
    #[error("webhook event has no text `action`; expected for example `ANNOTATION_CREATED`")]
    NoAction,
    /// Nobody knows where.
    #[error(
        "webhook event `{action}` names no project; turn on \"send payload\" of this webhook in Label Studio"
    )]
    NoProject {
        /// Label Studio's name of the event.
        action: String,
    },
    /// The project can't be read.
    #[error("webhook event `{action}`: {source}")]
    Project {
        /// Label Studio's name of the event.
        action: String,
        /// Field of the project that is wrong.
        source: FieldError,
    },
}

/// A webhook, or a `START_TRAINING` request, which has the same shape.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookEvent {
    /// Label Studio's name of the event.
    pub action: String,
    /// Project of the event.
    pub project: ProjectSeen,
    /// Change that the event reports.
    pub change: Change,
    /// Parts that could not be read, at most 20; the rest of the event holds.
    pub problems: Vec<String>,
}

/// Change in Label Studio. Lists hold the parts that could be read and may be empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Annotations were submitted, changed or made from predictions; with the tasks they answer.
    AnnotationsSaved(Vec<Annotation>, Vec<Task>),
    /// Annotations were deleted; Label Studio doesn't say of which tasks.
    AnnotationsDeleted(Vec<AnnotationId>),
    /// Tasks were imported, and whether annotations came with them: their content is not told.
    TasksCreated(Vec<Task>, bool),
    /// Tasks were deleted, and with them their annotations.
    TasksDeleted(Vec<TaskId>),
    /// A setting changed, perhaps the label config.
    ProjectUpdated,
    /// Somebody pressed "Start training".
    StartTraining,
    /// Anything else.
    Other,
}

impl WebhookEvent {
    /// Annotations from which on Label Studio asks for a training at every submit, if the project's toggle "Start model
    /// training on annotation submission" is on.
    pub fn toggle(&self) -> Option<i64> {
        // 0 means that it is off.
        self.project.min_annotations_to_start_training.filter(|minimum| *minimum > 0)
    }

    /// Reads the body of a webhook: singular and plural event names, lists and single objects under
    /// singular and plural keys.
    ///
    /// # Errors
    /// Only where action or project are unknown; broken parts go to [`WebhookEvent::problems`].
    pub fn from_json(body: &Value) -> Result<Self, EventError> {
        if !body.is_object() {
            return Err(EventError::NotAnObject { found: found(body) });
        }
        let action = body.get("action").and_then(Value::as_str).ok_or(EventError::NoAction)?.to_owned();
        let project = project(body, &action)?;
        let mut problems = Vec::new();
        let change = Payload { body, problems: &mut problems }.change(&action);
        Ok(Self { action, project, change, problems })
    }

    /// `true` if the event can change what a model learns: these, and only these, are answered 201, as the Python backends
    /// do (their tests assert it).
    pub fn teaches(&self) -> bool {
        matches!(
            self.change,
            Change::AnnotationsSaved(..) | Change::AnnotationsDeleted(_) | Change::StartTraining
        )
    }
}

/// The event's project, else the one its first annotation or task belongs to.
fn project(body: &Value, action: &str) -> Result<ProjectSeen, EventError> {
    if let Some(project) = body.get("project").filter(|project| !project.is_null()) {
        return ProjectSeen::from_json(project)
            .map_err(|source| EventError::Project { action: action.to_owned(), source });
    }
    let mut parts = ["annotation", "annotations", "task", "tasks"].iter().filter_map(|key| body.get(key));
    let id = parts.find_map(|part| many(part).first()?.get("project")?.as_i64());
    id.map(|id| ProjectSeen::only(ProjectId(id)))
        .ok_or_else(|| EventError::NoProject { action: action.to_owned() })
}

struct Payload<'a> {
    body: &'a Value,
    problems: &'a mut Vec<String>,
}

impl<'a> Payload<'a> {
    /// An update of a task counts as its creation: both say what its data is now.
    fn change(mut self, action: &str) -> Change {
        match action {
            "ANNOTATION_CREATED" | "ANNOTATIONS_CREATED" | "ANNOTATION_UPDATED" | "ANNOTATIONS_UPDATED" => {
                let annotations = self.annotations();
                Change::AnnotationsSaved(annotations, self.tasks())
            }
            "ANNOTATION_DELETED" | "ANNOTATIONS_DELETED" => {
                Change::AnnotationsDeleted(self.ids("annotation", "annotations").map(AnnotationId).collect())
            }
            "TASK_CREATED" | "TASKS_CREATED" | "TASK_UPDATED" | "TASKS_UPDATED" => {
                Change::TasksCreated(self.tasks(), self.are_annotated())
            }
            "TASK_DELETED" | "TASKS_DELETED" => {
                Change::TasksDeleted(self.ids("task", "tasks").map(TaskId).collect())
            }
            "PROJECT_UPDATED" => Change::ProjectUpdated,
            "START_TRAINING" => Change::StartTraining,
            // Among them LABEL_LINK_*: links to labels of the organisation, which no open version has.
            _ => Change::Other,
        }
    }

    fn annotations(&mut self) -> Vec<Annotation> {
        let tasks = self.parts("task", "tasks");
        let annotations = self.parts("annotation", "annotations");
        if annotations.is_empty() {
            self.problem("it has no `annotation`".to_owned());
        }
        let read = |(index, value): (usize, &&Value)| {
            let task = tasks.get(index).and_then(|task| task.get("id")?.as_i64()).map(TaskId);
            // Only lists of equal length tell which task an annotation without `task` answers.
            let task = task.filter(|_| tasks.len() == annotations.len());
            self.keep(index, Annotation::from_json(value, task))
        };
        annotations.iter().enumerate().filter_map(read).collect()
    }

    fn tasks(&mut self) -> Vec<Task> {
        let tasks = self.parts("task", "tasks");
        tasks
            .iter()
            .enumerate()
            .filter_map(|(index, value)| self.keep(index, Task::from_json(value)))
            .collect()
    }

    /// `true` if any task has an annotation, by Label Studio's own counts.
    fn are_annotated(&self) -> bool {
        let counts =
            |task: &Value| ["total_annotations", "cancelled_annotations"].map(|key| task.get(key)?.as_i64());
        self.parts("task", "tasks").into_iter().flat_map(counts).flatten().any(|count| count > 0)
    }

    /// The ids of deleted records, sent as `{"id": 1}` or plain.
    fn ids(&mut self, singular: &str, plural: &str) -> impl Iterator<Item = i64> {
        let mut ids = Vec::new();
        for (index, value) in self.parts(singular, plural).iter().enumerate() {
            match value.as_i64().or_else(|| value.get("id")?.as_i64()) {
                Some(id) => ids.push(id),
                None => self.problem(format!("element {index} of `{plural}` has no integer `id`")),
            }
        }
        ids.into_iter()
    }

    fn parts(&self, singular: &str, plural: &str) -> Vec<&'a Value> {
        let of = |key| self.body.get(key).map(many).unwrap_or_default();
        of(singular).iter().chain(of(plural)).collect()
    }

    fn keep<T, E: std::fmt::Display>(&mut self, index: usize, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.problem(format!("element {index}: {error}"))).ok()
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests;
