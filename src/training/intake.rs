//! What comes in: sightings of projects, webhook events, and requests to train.

use serde_json::Value;

use super::{Training, TrainingError, Trigger};
use crate::domain::annotation::Annotation;
use crate::domain::events::{Change, ProjectRef, ProjectSeen, WebhookEvent};
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::task::Task;
use crate::storage::{EventOutcome, EventRecord, JobRequest};

/// A project that `/setup` or `/predict` told of.
pub struct Sighting {
    project: ProjectRef,
    schema: String,
}

impl Sighting {
    pub fn new(project: ProjectRef, schema: String) -> Self {
        Self { project, schema }
    }
}

impl Training {
    /// Writes down behind the answer what a request told of a project; a repeated sighting costs nothing.
    pub fn saw_project(&self, sighting: Sighting) {
        let digest = *blake3::hash(sighting.schema.as_bytes()).as_bytes();
        let id = sighting.project.id;
        if self.0.sightings.get(&id) == Some(digest) {
            return;
        }
        self.0.sightings.insert(id, digest);
        let training = self.clone();
        tokio::spawn(async move {
            let seen = ProjectSeen::from_ref(&sighting.project, Some(sighting.schema));
            if let Err(error) = training.note_project(&seen).await {
                training.0.sightings.invalidate(&id);
                tracing::warn!(project = %id, %error, "project not written down; will be at its next sighting");
            }
        });
    }

    /// Stores what is known of a project; a changed label config asks for a training.
    async fn note_project(&self, seen: &ProjectSeen) -> Result<(), TrainingError> {
        let now = (self.0.now)();
        let before = self.0.storage.project(seen.id).await?;
        let digest = self.config_digest(seen);
        self.0.storage.see_project(seen, digest.as_deref(), now).await?;
        let before = before.and_then(|row| row.config_digest);
        if let (Some(before), Some(after)) = (before, digest)
            && before != after
            && self.0.policy.trigger != Trigger::Manual
        {
            self.enqueue(seen.id, "label config changed", now).await?;
        }
        Ok(())
    }

    fn config_digest(&self, seen: &ProjectSeen) -> Option<String> {
        let xml = seen.label_config.as_deref()?;
        match self.label_config(xml) {
            Ok(config) => Some(config.digest()),
            Err(error) => {
                tracing::warn!(project = %seen.id, %error, "project can't be classified");
                None
            }
        }
    }

    /// Commits an event, its annotations and tasks, and the training it asks for, in one transaction. The second
    /// delivery of an event changes nothing.
    ///
    /// # Errors
    /// The database does not take it; nothing is stored then.
    pub async fn record(&self, event: WebhookEvent, digest: String) -> Result<EventOutcome, TrainingError> {
        for problem in &event.problems {
            tracing::warn!(project = %event.project.id, action = event.action, problem, "part of an event left out");
        }
        metrics::counter!("weathervane_events_total", "action" => known_action(&event.action)).increment(1);
        let now = (self.0.now)();
        let config_digest = self.config_digest(&event.project);
        let before = match event.change {
            Change::ProjectUpdated => self.0.storage.project(event.project.id).await?,
            _ => None,
        };
        let config_changed = before.as_ref().is_some_and(|row| {
            row.config_digest.is_some() && config_digest.is_some() && row.config_digest != config_digest
        });
        let job = self.job_for(&event, config_changed);
        let record = EventRecord::new(event, digest, config_digest);
        let outcome = self.0.storage.record_event(&record, job.as_ref(), now).await?;
        tracing::debug!(project = %record.project.id, action = record.action, duplicate = outcome.duplicate,
            changed = outcome.changed, "event recorded");
        if outcome.job.is_some() {
            self.0.wake.notify_one();
        }
        Ok(outcome)
    }

    /// The training an event asks for, by the policy.
    fn job_for(&self, event: &WebhookEvent, config_changed: bool) -> Option<JobRequest> {
        let policy = &self.0.policy;
        let base = JobRequest {
            reason: event.action.to_ascii_lowercase(),
            pull_export: false,
            quiet_us: policy.quiet_us,
            max_wait_us: policy.max_wait_us,
            min_updates: policy.each_n_updates,
            min_annotations: 0,
            force: false,
        };
        match event.change {
            Change::StartTraining => {
                Some(JobRequest { pull_export: true, force: true, quiet_us: 0, ..base })
            }
            Change::ProjectUpdated if config_changed && policy.trigger != Trigger::Manual => {
                Some(JobRequest { reason: "label config changed".to_owned(), force: true, ..base })
            }
            Change::AnnotationsSaved { .. } | Change::AnnotationsDeleted(_) => match policy.trigger {
                Trigger::Submit => Some(base),
                Trigger::Toggle => {
                    // 0 means that the project's toggle is off.
                    let minimum = event.project.min_annotations_to_start_training.filter(|n| *n > 0)?;
                    Some(JobRequest { min_annotations: minimum, ..base })
                }
                Trigger::Manual => None,
            },
            _ => None,
        }
    }

    /// Asks for a training now, whatever the trigger; `annotations` are tasks with annotations as older Label
    /// Studios send them, learnt first. Without a project the one seen last is meant.
    ///
    /// # Errors
    /// No project is known, an annotation can't be read, or the database does not answer.
    pub async fn request(
        &self,
        project: Option<ProjectRef>,
        label_config: Option<String>,
        annotations: Vec<Value>,
    ) -> Result<JobId, TrainingError> {
        let now = (self.0.now)();
        let seen = match project {
            Some(project) => ProjectSeen::from_ref(&project, label_config),
            None => {
                let newest = self.0.storage.projects().await?.into_iter().max_by_key(|row| row.last_seen_at);
                let newest = newest.ok_or(TrainingError::NoProject)?;
                ProjectSeen::from_ref(&ProjectRef { id: newest.id, created_at: None }, label_config)
            }
        };
        let (tasks, labels) = read_annotated(&annotations)?;
        let digest = self.config_digest(&seen);
        self.0.storage.see_project(&seen, digest.as_deref(), now).await?;
        self.0.storage.upsert_tasks(seen.id, &tasks, now).await?;
        self.0.storage.upsert_annotations(seen.id, &labels, now).await?;
        let job = JobRequest { pull_export: true, ..Self::at_once("train requested") };
        let id = self.0.storage.enqueue_job(seen.id, &job, now).await?;
        self.0.wake.notify_one();
        Ok(id)
    }

    /// Puts a forced training into the queue.
    pub(super) async fn enqueue(
        &self,
        project: ProjectId,
        reason: &str,
        now: i64,
    ) -> Result<JobId, TrainingError> {
        let id = self.0.storage.enqueue_job(project, &Self::at_once(reason), now).await?;
        self.0.wake.notify_one();
        Ok(id)
    }

    fn at_once(reason: &str) -> JobRequest {
        JobRequest {
            reason: reason.to_owned(),
            pull_export: false,
            quiet_us: 0,
            max_wait_us: 0,
            min_updates: 0,
            min_annotations: 0,
            force: true,
        }
    }
}

/// Tasks and annotations of an older `/train` payload or of an export: `[{id, data, annotations: [...]}]`.
pub(super) fn read_annotated(tasks: &[Value]) -> Result<(Vec<Task>, Vec<Annotation>), TrainingError> {
    let mut read = (Vec::with_capacity(tasks.len()), Vec::new());
    for (index, value) in tasks.iter().enumerate() {
        let wrong = |problem: String| TrainingError::Annotation { index, problem };
        let task = Task::from_json(value).map_err(|error| wrong(error.to_string()))?;
        // `completions` is the name of Label Studio before 1.0.
        let annotations = value.get("annotations").or_else(|| value.get("completions"));
        for annotation in annotations.and_then(Value::as_array).into_iter().flatten() {
            let annotation = Annotation::from_json(annotation, Some(task.id));
            read.1.push(annotation.map_err(|error| wrong(error.to_string()))?);
        }
        read.0.push(task);
    }
    Ok(read)
}

/// The action as a metric label: strangers must not make up new time series.
fn known_action(action: &str) -> &'static str {
    match action {
        "ANNOTATION_CREATED" | "ANNOTATIONS_CREATED" => "annotations_created",
        "ANNOTATION_UPDATED" | "ANNOTATIONS_UPDATED" => "annotations_updated",
        "ANNOTATION_DELETED" | "ANNOTATIONS_DELETED" => "annotations_deleted",
        "TASK_CREATED" | "TASKS_CREATED" => "tasks_created",
        "TASK_DELETED" | "TASKS_DELETED" => "tasks_deleted",
        "PROJECT_CREATED" | "PROJECT_UPDATED" | "PROJECT_DELETED" => "project",
        "START_TRAINING" => "start_training",
        _ => "other",
    }
}
