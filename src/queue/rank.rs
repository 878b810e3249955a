//! Ranking of a project's pool with the version that serves it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::{Queue, QueueError};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::label_config::{ChoiceKind, HeadSpec, LabelConfig};
use crate::domain::prediction::{Decision, Prediction, seen};
use crate::models::{Serving, ServingHead, Snapshot};
use crate::pool::PoolEmbeddings;
use crate::pool::PoolError;
use crate::pool::image_key;
use crate::ranking::{self, Candidates, HeadView, Options, Strategy};
use crate::storage::{Project, TaskState};

/// A project's pool in the order in which its labels teach the most.
#[derive(Debug)]
pub struct Ranking {
    /// The version whose probabilities were used.
    pub version: String,
    pub strategy: Strategy,
    /// Unlabelled tasks that were ranked.
    pub pool: usize,
    /// The head of the ranking, the most useful task first.
    pub tasks: Vec<Ranked>,
    /// Models that the probabilities came from.
    pub(super) snapshot: Snapshot,
}

/// A ranked task, with its reason and its prediction.
#[derive(Debug, Serialize)]
pub struct Ranked {
    pub task: TaskId,
    /// The strategy's own measure; larger is more useful.
    pub score: f32,
    /// For people: "between cloudy and rain: 0.41 / 0.39; stands for 14 open images".
    pub reason: String,
    /// Open tasks that it stands for and no task before it does; `None` where the strategy does not count them.
    pub stands_for: Option<usize>,
    /// The most alike of those, at most three.
    pub alike: Vec<TaskId>,
    /// `None` while nothing can be predicted.
    pub prediction: Option<Prediction>,
    /// Class probabilities of each head that has a model.
    #[serde(skip)]
    pub heads: Vec<HeadProbabilities>,
}

/// A head's calibrated probabilities of a task, by class.
#[derive(Clone, Debug)]
pub struct HeadProbabilities {
    pub from_name: String,
    pub classes: Vec<(String, f32)>,
}

/// Request for a choice of a project's open tasks.
#[derive(Clone, Debug, Default)]
pub struct RankRequest {
    /// Maximum number of tasks.
    pub limit: usize,
    pub strategy: Option<Strategy>,
    /// Another number gives other choices by chance; without one the project's own.
    pub seed: Option<u64>,
    /// Tasks that count as labelled: they are not chosen, and what is chosen differs from them.
    pub known: BTreeSet<TaskId>,
    /// Only tasks with these images are chosen; `None`: all.
    pub among: Option<HashSet<ContentHash>>,
}

/// Input of the blocking part of a ranking.
struct Order {
    serving: Serving,
    config: Arc<LabelConfig>,
    strategy: Option<Strategy>,
    options: Options,
    score_threshold: Option<f32>,
    open: Vec<TaskId>,
    labelled: Vec<TaskId>,
    among: Option<HashSet<ContentHash>>,
}

impl Queue {
    /// The `limit` most useful of a project's unlabelled tasks; skipped ones are not asked for again. Without a strategy
    /// the project's own is taken, or the default. The same pool, labels and version give the same order.
    ///
    /// # Errors
    /// The project is unknown or has nothing to classify, or the database does not answer.
    pub async fn rank(
        &self,
        project: ProjectId,
        strategy: Option<Strategy>,
        limit: usize,
    ) -> Result<Ranking, QueueError> {
        self.choose(project, RankRequest { limit, strategy, ..RankRequest::default() }).await
    }

    /// As [`Queue::rank`], with all options of a request.
    ///
    /// # Errors
    /// As [`Queue::rank`].
    pub async fn choose(&self, project: ProjectId, request: RankRequest) -> Result<Ranking, QueueError> {
        let row = self.0.storage.project(project).await?.ok_or(PoolError::NoProject(project))?;
        let config = self.0.pool.config_of(&row)?;
        let key = image_key(project, &config)?;
        let states = self.0.storage.task_states(project).await?;
        let mut order = Order {
            serving: self.0.models.serving(project, &config),
            strategy: request.strategy.or_else(|| own_strategy(&row)),
            options: Options::new(request.limit, request.seed.unwrap_or_else(|| seed(project))),
            score_threshold: self.0.policy.score_threshold,
            open: Vec::new(),
            labelled: Vec::new(),
            among: request.among,
            config,
        };
        for (task, state) in &states {
            match state {
                TaskState::Open if !request.known.contains(task) => order.open.push(*task),
                TaskState::Open | TaskState::Labelled => order.labelled.push(*task),
                TaskState::Skipped => {}
            }
        }
        let pool = self.0.pool.clone();
        let mut embeddings = pool.embeddings(project, &key).await;
        tokio::task::spawn_blocking(move || {
            pool.retain(project, &mut embeddings, |task| states.contains_key(&task));
            embeddings.place();
            order.run(&embeddings)
        })
        .await
        .map_err(|_| QueueError::Interrupted)
    }
}

/// The strategy chosen for a project; one that only a newer program knows counts as none.
fn own_strategy(row: &Project) -> Option<Strategy> {
    row.strategy.as_deref().and_then(|name| name.parse().ok())
}

impl Order {
    fn run(&self, pool: &PoolEmbeddings) -> Ranking {
        let mut open = pool.places(self.open.iter().copied());
        if let Some(among) = &self.among {
            open.retain(|place| among.contains(&pool.image(*place).hash));
        }
        let heads = self.heads(pool.image_key());
        let mut probabilities: Vec<Vec<f32>> = heads.iter().map(|(_, head)| all(head, pool, &open)).collect();
        let specs: Vec<&HeadSpec> = heads.iter().map(|(spec, _)| *spec).collect();
        hide(&specs, &mut probabilities, open.len(), self.score_threshold);
        let views: Vec<HeadView> = heads
            .iter()
            .zip(&probabilities)
            .map(|((spec, _), probabilities)| HeadView {
                classes: spec.classes.len(),
                multiple: spec.kind == ChoiceKind::Multiple,
                probabilities,
            })
            .collect();
        let unlabelled = pool.points(&open);
        let labelled = pool.points(&pool.places(self.labelled.iter().copied()));
        let wanted =
            self.strategy.unwrap_or(if heads.is_empty() { Strategy::COLD } else { Strategy::DEFAULT });
        let strategy = if wanted.needs_model() && heads.is_empty() { Strategy::COLD } else { wanted };
        let pool_view = Candidates { unlabelled: &unlabelled, labelled: &labelled, heads: &views };
        let picks = ranking::rank(&pool_view, strategy, &self.options);
        let names: Vec<Vec<&str>> = heads.iter().map(|(spec, _)| class_names(spec)).collect();
        let tasks = picks.into_iter().map(|pick| {
            let rows: Vec<(&HeadSpec, &[f32])> = heads
                .iter()
                .zip(&views)
                .map(|((spec, _), view)| {
                    (*spec, &view.probabilities[pick.row * view.classes..(pick.row + 1) * view.classes])
                })
                .collect();
            Ranked {
                task: pool.task(open[pick.row]),
                score: pick.score,
                reason: pick.reason(&names),
                stands_for: pick.reach.as_ref().map(|reach| reach.images),
                alike: pick
                    .reach
                    .iter()
                    .flat_map(|reach| &reach.alike)
                    .map(|row| pool.task(open[*row]))
                    .collect(),
                prediction: Prediction::new(&rows, &self.serving.version, self.score_threshold),
                heads: rows.iter().map(|(spec, row)| head_probabilities(spec, row)).collect(),
            }
        });
        Ranking {
            version: self.serving.version.clone(),
            strategy,
            pool: open.len(),
            tasks: tasks.collect(),
            snapshot: self.serving.snapshot.clone(),
        }
    }

    /// The heads that classify the pool's whole images and have a model.
    fn heads(&self, key: &str) -> Vec<(&HeadSpec, &ServingHead)> {
        let heads = self.config.heads.iter().zip(&self.serving.heads);
        heads
            .filter(|(spec, _)| !spec.skip && spec.is_of_image() && spec.image_key == key)
            .filter_map(|(spec, head)| Some((spec, head.as_ref()?)))
            .collect()
    }
}

/// A head's probabilities of every row, `n x classes`; a row it can't read is as uncertain as can be.
fn all(head: &ServingHead, pool: &PoolEmbeddings, places: &[usize]) -> Vec<f32> {
    let classes = head.width();
    let mut row = vec![0.0; pool.dim()];
    let mut probabilities = Vec::with_capacity(places.len() * classes);
    for place in places {
        pool.row(*place, &mut row);
        match head.probabilities(&row) {
            Ok(of_row) => probabilities.extend(of_row),
            Err(_) => probabilities.extend(std::iter::repeat_n(1.0 / classes as f32, classes)),
        }
    }
    probabilities
}

/// A question that a person would not see by what is decided of others counts as certain: nobody is asked it.
fn hide(specs: &[&HeadSpec], probabilities: &mut [Vec<f32>], rows: usize, threshold: Option<f32>) {
    if specs.iter().all(|spec| spec.when.is_empty()) {
        return;
    }
    for row in 0..rows {
        let of_row = |head: usize| row * specs[head].classes.len()..(row + 1) * specs[head].classes.len();
        let mut decided = Vec::with_capacity(specs.len());
        for (head, spec) in specs.iter().enumerate() {
            let Ok(decision) = Decision::new(spec, &probabilities[head][of_row(head)], threshold) else {
                break;
            };
            decided.push((*spec, decision));
        }
        for (head, _) in seen(&decided).into_iter().enumerate().filter(|(_, seen)| !seen) {
            let hidden = &mut probabilities[head][of_row(head)];
            hidden.fill(0.0);
            hidden[0] = 1.0;
        }
    }
}

fn head_probabilities(spec: &HeadSpec, row: &[f32]) -> HeadProbabilities {
    let classes = spec.classes.iter().zip(row).map(|(class, p)| (class.name.clone(), *p));
    HeadProbabilities { from_name: spec.from_name.clone(), classes: classes.collect() }
}

fn class_names(spec: &HeadSpec) -> Vec<&str> {
    spec.classes.iter().map(|class| class.name.as_str()).collect()
}

/// A project's own seed: its random tasks are the same ones each time.
fn seed(project: ProjectId) -> u64 {
    project.0.unsigned_abs()
}
