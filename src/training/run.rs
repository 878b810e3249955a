//! One training from labels to a published version.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use super::dataset::HeadData;
use super::events::START_TRAINING;
use super::{TrainingError, Worker};
use crate::domain::ids::TaskId;
use crate::domain::label_config::LabelConfig;
use crate::eval::label_errors::LabelError;
use crate::eval::{self, Evaluation};
use crate::model::{FitError, FitOptions, Fitted, Progress, Targets};
use crate::models::{Card, Draft, HeadCard, HeadSource, ModelsError, Published, SuspectCard, VersionFile};
use crate::storage::{Job, JobKind};

/// Suspected label errors a version remembers.
const MAX_SUSPECTS: usize = 100;

/// Groups of near-duplicates a version remembers.
const MAX_COPY_GROUPS: usize = 200;

/// Result of a finished job.
pub(super) struct Outcome {
    pub version: i64,
    pub metrics: Value,
}

impl Worker {
    /// Runs one claimed job.
    pub(super) async fn run_job(
        &self,
        job: &Job,
        progress: watch::Sender<Option<Progress>>,
    ) -> Result<Outcome, TrainingError> {
        let started = Instant::now();
        if self.0.label_studio.is_configured() && self.wants_export(job).await? {
            // Labels that came by import are only in the export; what the webhooks brought is learnt anyway.
            if let Err(error) = self.0.training().reconciler().pull_export(job.project).await {
                tracing::warn!(project = %job.project, %error, "training without Label Studio's export");
            }
        }
        let config = self.stored_config(job).await?;
        let dataset = match self.dataset(job.project, &config).await {
            Err(TrainingError::NothingToLearn(missing)) => {
                self.0.models.retire(job.project).await?;
                self.0.queue.version_changed();
                return Err(TrainingError::NothingToLearn(missing));
            }
            dataset => dataset?,
        };
        let labels = dataset.labels;
        let groups = self.0.embedder.spec().groups.clone();
        let (heads, fits) = self.0.trainer.fit(dataset, groups, FitOptions::default(), progress).await?;
        let mut fitted = Vec::with_capacity(fits.len());
        for (head, fit) in heads.iter().zip(fits) {
            let name = head.spec.from_name.clone();
            fitted.push(fit.map_err(|source| match source {
                FitError::Cancelled => TrainingError::Cancelled,
                source => TrainingError::Fit { head: name, source },
            })?);
        }
        let file = self.version_file(job, &config, labels, &heads, fitted)?;
        let draft = Draft { project: job.project, file, job: Some(job.id) };
        let published = self.0.models.publish(draft, (self.0.now)()).await?;
        self.0.queue.version_changed();
        let serves = self.0.models.current(job.project).is_some_and(|live| live.number == published.number);
        log_published(job, labels, &published, serves, started);
        let metrics = published.file.card.metrics_json().map_err(ModelsError::from)?;
        Ok(Outcome { version: published.number, metrics })
    }

    /// Returns `true` if there may be labels that no webhook brought. Where Label Studio asked within a submit, its webhook
    /// brought the label.
    async fn wants_export(&self, job: &Job) -> Result<bool, TrainingError> {
        if job.kind == JobKind::PullAndTrain || job.reason != START_TRAINING {
            return Ok(job.kind == JobKind::PullAndTrain);
        }
        let row = self.0.storage.project(job.project).await?;
        Ok(row.is_none_or(|row| row.pending_updates() == 0))
    }

    async fn stored_config(&self, job: &Job) -> Result<std::sync::Arc<LabelConfig>, TrainingError> {
        let row = self.0.storage.project(job.project).await?;
        let xml = row.and_then(|row| row.label_config).ok_or(TrainingError::NoLabelConfig(job.project))?;
        Ok(self.0.label_configs.parse(&xml)?)
    }

    fn version_file(
        &self,
        job: &Job,
        config: &LabelConfig,
        labels: i64,
        heads: &[HeadData],
        fitted: Vec<Fitted>,
    ) -> Result<VersionFile, TrainingError> {
        let spec = self.0.embedder.spec();
        let mut file = VersionFile {
            card: Card::new(job.project, &spec.fingerprint, &spec.name, config.digest(), labels),
            heads: Vec::with_capacity(fitted.len()),
        };
        for (data, fitted) in heads.iter().zip(fitted) {
            let starter = self.starter_on(data)?;
            let use_starter =
                starter.as_ref().is_some_and(|starter| starter.is_better_than(&fitted.evaluation));
            file.card.heads.push(HeadCard {
                source: if use_starter { HeadSource::Starter } else { HeadSource::Own },
                starter_accuracy: starter.as_ref().map(|starter| starter.accuracy),
                suspects: suspects(data, &fitted),
                near_copies: near_copies(data, &fitted),
                ..HeadCard::trained(&data.spec, &fitted)
            });
            file.heads.push(match starter {
                Some(starter) if use_starter => starter.head,
                _ => fitted.head,
            });
        }
        Ok(file)
    }

    /// Evaluates the starter on the labels a head learnt from; `None` without a starter whose classes match.
    fn starter_on(&self, data: &HeadData) -> Result<Option<StarterTrial>, TrainingError> {
        let (Some(starter), Targets::Single { labels, .. }) = (self.0.models.starter(), &data.set.targets)
        else {
            return Ok(None);
        };
        let Some(columns) = starter.columns(&data.spec) else { return Ok(None) };
        let fit_error = |source| TrainingError::Fit { head: data.spec.from_name.clone(), source };
        let head = starter.head.select(&columns).map_err(|error| fit_error(error.into()))?;
        let mut probabilities = Vec::new();
        let mut unseen = Vec::new();
        for ((row, label), hash) in data.set.features.rows().zip(labels).zip(&data.set.hashes) {
            if !starter.has_learnt(*hash) {
                probabilities.push(head.probabilities(row).map_err(|error| fit_error(error.into()))?);
                unseen.push(*label);
            }
        }
        // Its own training images are no test of it: there its out-of-fold figures stand in.
        let out_of_fold = &starter.evaluation;
        let seen = (labels.len() - unseen.len()) as f64;
        let mean = |of_unseen: f64, of_seen: f64| {
            (of_unseen * unseen.len() as f64 + of_seen * seen) / labels.len() as f64
        };
        let accuracy = mean(crate::eval::accuracy(&probabilities, &unseen), out_of_fold.accuracy);
        let log_loss = mean(crate::eval::log_loss(&probabilities, &unseen), out_of_fold.log_loss);
        Ok(Some(StarterTrial { head, accuracy, log_loss }))
    }
}

/// Labels of a single-choice head that are probably wrong (confident learning, Northcutt 2021). None of regions: a task does
/// not name the region.
fn suspects(data: &HeadData, fitted: &Fitted) -> Vec<SuspectCard> {
    if !data.spec.is_of_image() {
        return Vec::new();
    }
    let (Targets::Single { classes, labels } | Targets::Ordered { classes, labels }) = &data.set.targets
    else {
        return Vec::new();
    };
    let name = |class: usize| data.spec.classes[class].name.clone();
    let found = eval::label_errors::label_errors(&fitted.out_of_fold, labels, *classes)
        .into_iter()
        .take(MAX_SUSPECTS);
    let card = |suspect: LabelError| SuspectCard {
        task: data.tasks[suspect.row],
        given: name(suspect.given),
        likely: name(suspect.likely),
        p_given: suspect.p_given,
        p_likely: suspect.p_likely,
    };
    found.map(card).collect()
}

/// Groups of labelled tasks whose images are near-duplicates of each other; none for a head of regions.
fn near_copies(data: &HeadData, fitted: &Fitted) -> Vec<Vec<TaskId>> {
    if !data.spec.is_of_image() {
        return Vec::new();
    }
    let mut groups: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
    for (task, group) in data.tasks.iter().zip(&fitted.copies) {
        groups.entry(*group).or_default().push(*task);
    }
    groups.into_values().filter(|tasks| tasks.len() > 1).take(MAX_COPY_GROUPS).collect()
}

/// The starter model on a project's own labels.
struct StarterTrial {
    head: crate::model::Head,
    accuracy: f64,
    log_loss: f64,
}

impl StarterTrial {
    /// Own labels take over as soon as they are better out of fold; at equal accuracy the log loss decides.
    fn is_better_than(&self, own: &Evaluation) -> bool {
        self.accuracy > own.accuracy || (self.accuracy == own.accuracy && self.log_loss <= own.log_loss)
    }
}

fn log_published(job: &Job, labels: i64, published: &Published, serves: bool, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("weathervane_training_seconds").record(seconds);
    metrics::counter!("weathervane_trainings_total", "outcome" => "done").increment(1);
    for card in &published.file.card.heads {
        let accuracy = card.evaluation.as_ref().map(|evaluation| evaluation.accuracy);
        tracing::info!(project = %job.project, version = published.name, head = card.from_name, labels,
            source = card.source.name(), out_of_fold_accuracy = accuracy, duration_ms = (seconds * 1e3) as u64,
            "{}", if serves { "version serves" } else { "version kept aside, another one is pinned" });
    }
}
