//! Input of training: sightings of projects, webhook events, and requests to train.

use serde_json::Value;

use super::settle::Told;
use super::{Training, TrainingError, Trigger};
use crate::domain::annotation::Annotation;
use crate::domain::events::{Change, WebhookEvent};
use crate::domain::export::{Answered, ExportError, read_json};
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::project::{ProjectRef, ProjectSeen};
use crate::domain::task::Task;
use crate::storage::{
    EventOutcome, EventRecord, JobKind, JobRequest, Project, ProjectConfig, ProjectInfo, TaskRecord,
};

/// Reason of a training job that Label Studio requested.
pub(super) const START_TRAINING: &str = "start training";

/// A project that `/setup` or `/predict` reported.
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
    /// Stores, after the answer, the project that a request reported; a repeated sighting costs nothing.
    pub fn saw_project(&self, sighting: Sighting) {
        let digest = *blake3::hash(sighting.schema.as_bytes()).as_bytes();
        let id = sighting.project.id;
        if self.0.sightings.get(&id) == Some(digest) {
            return;
        }
        self.0.sightings.insert(id, digest);
        let training = self.clone();
        tokio::spawn(async move {
            // A request without a label config leaves the known one.
            let label_config = Some(sighting.schema).filter(|schema| !schema.trim().is_empty());
            let seen = ProjectSeen { label_config, ..ProjectSeen::only(id) };
            if let Err(error) = training.note_project(&seen).await {
                training.0.sightings.invalidate(&id);
                tracing::warn!(project = %id, %error, "project not written down; will be at its next sighting");
            }
        });
    }

    /// Stores what is known of a project; a changed label config asks for a training.
    pub(super) async fn note_project(&self, seen: &ProjectSeen) -> Result<(), TrainingError> {
        let now = (self.0.now)();
        let info = self.info(seen);
        let known = self.0.storage.project(seen.id).await?;
        self.0.storage.upsert_project(&info, now).await?;
        if is_new(known.as_ref(), &info) {
            self.connected(seen.id, now);
        }
        if config_changed(known.as_ref(), &info) {
            self.0.queue.version_changed();
            if self.0.policy.trigger != Trigger::Manual {
                self.enqueue(seen.id, "label config changed", now).await?;
            }
        }
        Ok(())
    }

    /// Takes over the tasks and labels that a project had before it was connected.
    fn connected(&self, project: ProjectId, now: i64) {
        self.0.pool.connected(project);
        self.reconciler().take_over(project, now);
    }

    fn info(&self, seen: &ProjectSeen) -> ProjectInfo {
        ProjectInfo {
            title: seen.title.clone(),
            config: seen.label_config.as_deref().map(|xml| self.project_config(seen.id, xml)),
            min_annotations: seen.min_annotations_to_start_training,
            model_version: seen.model_version.clone(),
            ls_created_at: seen.created_at,
            ..ProjectInfo::new(seen.id)
        }
    }

    fn project_config(&self, project: ProjectId, xml: &str) -> ProjectConfig {
        let (label_config, digest, problem) = match self.0.label_configs.parse(xml) {
            Ok(config) => (xml, Some(config.digest()), None),
            Err(error) => {
                tracing::warn!(%project, %error, "project can't be classified");
                // What was refused for its size or shape is not kept, so that no later start has to read it.
                let kept = if error.is_hostile() { "" } else { xml };
                (kept, None, Some(error.to_string()))
            }
        };
        ProjectConfig { label_config: label_config.to_owned(), digest, problem }
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
        let info = self.info(&event.project);
        let known = self.0.storage.project(info.id).await?;
        let config_changed = event.change == Change::ProjectUpdated && config_changed(known.as_ref(), &info);
        let job = match made_anew(known.as_ref(), &info) {
            true => Some(Self::at_once(JobKind::PullAndTrain, "project created again")),
            false => self.job_for(&event, config_changed).await?,
        };
        let is_new = is_new(known.as_ref(), &info);
        let received = received_config(known.as_ref(), &info);
        let labels_came = matches!(event.change, Change::TasksCreated(_, true));
        let record = event_record(event, info, digest);
        let outcome = self.0.storage.record_event(&record, job.as_ref(), now).await?;
        self.0.webhook_log.note(record.project.id, &record.action, now);
        if !(outcome.duplicate || record.tasks.is_empty() && record.deleted_tasks.is_empty()) {
            self.0.queue.tasks_changed(record.project.id, record.tasks.iter().map(|task| task.id));
        }
        tracing::debug!(project = %record.project.id, action = record.action, duplicate = outcome.duplicate,
            changed = outcome.changed, "event recorded");
        if let Some(received) = received {
            self.settle(received);
        }
        if config_changed {
            self.0.queue.version_changed();
        }
        if is_new {
            self.connected(record.project.id, now);
        } else if labels_came {
            self.reconciler().take_over(record.project.id, now);
        }
        if outcome.job.is_some() {
            self.0.wake.notify_one();
        }
        Ok(outcome)
    }

    /// The training an event asks for, by the policy.
    async fn job_for(
        &self,
        event: &WebhookEvent,
        config_changed: bool,
    ) -> Result<Option<JobRequest>, TrainingError> {
        let policy = &self.0.policy;
        let base = JobRequest {
            kind: JobKind::Train,
            reason: event.action.to_ascii_lowercase(),
            quiet_us: policy.quiet_us,
            max_wait_us: policy.max_wait_us,
            min_updates: policy.each_n_updates,
            force: false,
        };
        let job = match &event.change {
            // With the toggle on Label Studio asks within every submit, before it reports the annotation: both are one request.
            // A person who asks then waits for the quiet time, since nothing distinguishes the two.
            Change::StartTraining if event.toggle().is_some() => {
                Some(JobRequest { reason: START_TRAINING.to_owned(), force: true, ..base })
            }
            Change::StartTraining => Some(Self::at_once(JobKind::PullAndTrain, START_TRAINING)),
            Change::ProjectUpdated if config_changed && policy.trigger != Trigger::Manual => {
                Some(Self::at_once(JobKind::Train, "label config changed"))
            }
            Change::AnnotationsSaved(annotations, _) => match policy.trigger {
                Trigger::Submit => Some(base),
                Trigger::Toggle => self.toggle_is_due(event, annotations.len()).await?.then_some(base),
                Trigger::Manual => None,
            },
            Change::AnnotationsDeleted(_) | Change::TasksDeleted(_) if policy.trigger == Trigger::Submit => {
                Some(base)
            }
            _ => None,
        };
        Ok(job)
    }

    /// Returns `true` if the project's toggle is on and its minimum of annotations is reached with `arriving` more.
    async fn toggle_is_due(&self, event: &WebhookEvent, arriving: usize) -> Result<bool, TrainingError> {
        let Some(minimum) = event.toggle() else { return Ok(false) };
        let counts = self.0.storage.annotation_counts(event.project.id).await?;
        Ok(counts.live + arriving as i64 >= minimum)
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
        let id = match project {
            Some(project) => project.id,
            None => {
                let newest = self.0.storage.projects().await?.into_iter().max_by_key(|row| row.last_seen_at);
                newest.ok_or(TrainingError::NoProject)?.id
            }
        };
        let (tasks, annotations) = read_annotated(&annotations)?;
        let seen = ProjectSeen { label_config, ..ProjectSeen::only(id) };
        // One way in for all labels: what a request brings is recorded like an event.
        let mut record = EventRecord::new(self.info(&seen), "JobKind::Train");
        record.tasks = tasks.iter().map(task_record).collect();
        record.annotations = annotations;
        let job = Self::at_once(JobKind::PullAndTrain, "train requested");
        let outcome = self.0.storage.record_event(&record, Some(&job), now).await?;
        self.0.wake.notify_one();
        outcome.job.ok_or(TrainingError::NoProject)
    }

    /// Asks for a training if the project has labels that none has learnt, and the trigger is every submit.
    pub(super) async fn learn_pending(&self, project: ProjectId, reason: &str) {
        if self.0.policy.trigger != Trigger::Submit {
            return;
        }
        let request = JobRequest {
            min_updates: self.0.policy.each_n_updates,
            force: false,
            ..Self::at_once(JobKind::Train, reason)
        };
        match self.0.storage.enqueue_job(project, &request, (self.0.now)()).await {
            Ok(None) => {}
            Ok(Some(_)) => self.0.wake.notify_one(),
            Err(error) => tracing::warn!(%project, %error, "training not queued"),
        }
    }

    /// Puts a forced training into the queue.
    async fn enqueue(&self, project: ProjectId, reason: &str, now: i64) -> Result<(), TrainingError> {
        self.0.storage.enqueue_job(project, &Self::at_once(JobKind::Train, reason), now).await?;
        self.0.wake.notify_one();
        Ok(())
    }

    fn at_once(kind: JobKind, reason: &str) -> JobRequest {
        JobRequest {
            kind,
            reason: reason.to_owned(),
            quiet_us: 0,
            max_wait_us: 0,
            min_updates: 0,
            force: true,
        }
    }
}

/// Returns `true` if the project's label config is seen for the first time: then its earlier tasks and labels are unknown, too.
fn is_new(known: Option<&Project>, info: &ProjectInfo) -> bool {
    info.config.is_some() && known.is_none_or(|known| known.label_config.is_none())
}

/// A label config that differs in any way from the one known so far.
fn received_config(known: Option<&Project>, info: &ProjectInfo) -> Option<Told> {
    let before = known?.label_config.as_ref()?;
    let now = &info.config.as_ref()?.label_config;
    (before != now).then(|| Told { project: info.id, label_config: now.clone() })
}

/// Returns `true` if the heads or classes differ from those known so far.
fn config_changed(known: Option<&Project>, info: &ProjectInfo) -> bool {
    let before = known.and_then(|project| project.config_digest.as_ref());
    let after = info.config.as_ref().and_then(|config| config.digest.as_ref());
    before.zip(after).is_some_and(|(before, after)| before != after)
}

/// Returns `true` if Label Studio was set up again since and gave the project's id to another one. Its export then replaces
/// the labels of the former project.
fn made_anew(known: Option<&Project>, info: &ProjectInfo) -> bool {
    let times = known.and_then(|project| project.ls_created_at).zip(info.ls_created_at);
    let anew = times.is_some_and(|(known, made)| known != made);
    if anew {
        tracing::warn!(project = %info.id, "another project of this id was known: its labels are given up for what \
            Label Studio exports now; a second Label Studio needs a weathervane and a MODEL_DIR of its own");
    }
    anew
}

fn event_record(event: WebhookEvent, info: ProjectInfo, digest: String) -> EventRecord {
    let mut record = EventRecord::new(info, event.action);
    // Pressing "Start training" twice is not a repeated delivery, nor is a project that is again as it was.
    record.dedupe = !matches!(event.change, Change::StartTraining | Change::ProjectUpdated | Change::Other);
    record.digest = digest;
    match event.change {
        Change::AnnotationsSaved(annotations, tasks) => {
            record.summary = format!("{} annotations", annotations.len());
            record.tasks = tasks.iter().map(task_record).collect();
            record.annotations = annotations;
        }
        Change::AnnotationsDeleted(ids) => record.deleted_annotations = ids,
        Change::TasksCreated(tasks, _) => record.tasks = tasks.iter().map(task_record).collect(),
        Change::TasksDeleted(ids) => record.deleted_tasks = ids,
        Change::ProjectUpdated | Change::StartTraining | Change::Other => {}
    }
    record
}

pub(super) fn task_record(task: &Task) -> TaskRecord {
    TaskRecord { id: task.id, data: task.data.clone(), created_at: task.created_at, updated_at: 0 }
}

/// Tasks and annotations of an older `/train` payload or of an export: `[{id, data, annotations: [...]}]`.
pub(super) fn read_annotated(tasks: &[Value]) -> Result<(Vec<Task>, Vec<Annotation>), TrainingError> {
    let answered = read_json(tasks).whole().map_err(|error| match error {
        ExportError::Task { index, problem } => TrainingError::Annotation { index, problem },
        error => TrainingError::Annotation { index: 0, problem: error.to_string() },
    })?;
    let mut read = (Vec::with_capacity(answered.len()), Vec::new());
    for Answered { task, annotations } in answered {
        read.0.push(task);
        read.1.extend(annotations);
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
        "TASK_UPDATED" | "TASKS_UPDATED" => "tasks_updated",
        "TASK_DELETED" | "TASKS_DELETED" => "tasks_deleted",
        "PROJECT_CREATED" | "PROJECT_UPDATED" | "PROJECT_DELETED" => "project",
        "START_TRAINING" => "start_training",
        _ => "other",
    }
}
