//! Simulated active learning: labelling rounds replayed without a person.
//!
//! The labels are known, and a strategy sees only those of images it picked. After each batch a head is trained as in
//! a real project and judged on images that nobody picks from. Pure: features in, accuracies out.

pub mod summary;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::domain::ids::ContentHash;
use crate::eval::accuracy;
use crate::matrix::Matrix;
use crate::model::{FitError, FitOptions, Group, Head, ModelError, Targets, TrainingSet, fit};
use crate::ranking::{Candidates, HeadView, Options, Space, Strategy, certainty_scores, rank};

/// Apart, so that the seeds of two rounds of one replay never meet.
const SEEDS_APART: u64 = 1_000;

/// Images whose labels are known.
#[derive(Clone, Debug)]
pub struct Collection {
    /// `n x dim`
    pub features: Matrix,
    pub groups: Vec<Group>,
    /// Content of each image
    pub hashes: Vec<ContentHash>,
    /// Class of each image
    pub labels: Vec<usize>,
    pub classes: usize,
    /// Rows that may be picked
    pub train: Vec<usize>,
    /// Rows that judge
    pub validation: Vec<usize>,
}

/// Schedule of a replay: sizes of the batches and number of seeds.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Labels of the first batch
    pub first: usize,
    /// Labels of each later batch
    pub batch: usize,
    /// Batches after the first
    pub rounds: usize,
    /// Replays of each plan, numbered from 0
    pub seeds: usize,
    pub fit: FitOptions,
    /// Share of each batch that is picked at random; `None` is the ranking's own
    pub random_share: Option<f32>,
}

/// Plan of a replay: query strategies, or picks made elsewhere.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The first batch by `start`, the later ones by `then`; with `by_certainty` the least certain of so many at the head of
    /// the ranking, as [`certainty_scores`] has Label Studio serve them.
    Strategy { start: Strategy, then: Strategy, by_certainty: Option<usize> },
    /// Rows somebody else picked: `[seed][round]`.
    Picked(Vec<Vec<Vec<usize>>>),
}

/// One replay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    pub rounds: Vec<Round>,
    /// Seconds spent on picking, all rounds together
    pub picking: f64,
    /// Seconds spent on training, all rounds together
    pub training: f64,
}

/// State after a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Labels so far
    pub labels: usize,
    /// Accuracy on the validation images, 0..1
    pub accuracy: f64,
    /// Rows of this batch, best first
    pub picked: Vec<usize>,
}

/// State that a strategy sees at the start of a round.
#[derive(Default)]
struct Known {
    unlabelled: Vec<usize>,
    labelled: Vec<usize>,
    head: Option<Head>,
}

/// Reason why nothing can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{rows} rows of features, {labels} labels and {hashes} hashes; each image needs one of each")]
    Rows { rows: usize, labels: usize, hashes: usize },
    #[error("features of row {row} (counted from 0) are not finite: column {column} is {value}")]
    NotFinite { row: usize, column: usize, value: f32 },
    #[error("the training images are all of one class; at least 2 are needed")]
    OneClass,
    #[error("no validation images, so nothing to judge by")]
    NoValidation,
    #[error("{asked} labels are asked for, but there are {there} training images")]
    TooFew { asked: usize, there: usize },
    #[error("a batch of 0 labels teaches nothing; ask for 1 or more")]
    EmptyBatch,
    #[error("{0} seeds; ask for 1 or more")]
    Seeds(usize),
    #[error("`{0}` needs a trained head and can't pick the first batch")]
    Start(Strategy),
    #[error("seed {seed}, round {round}: {found} rows are picked, expected {expected}")]
    Picks { seed: usize, round: usize, found: usize, expected: usize },
    #[error("seed {seed} picks row {row}, which is not a training image or was picked before")]
    Pick { seed: usize, row: usize },
    #[error("a head can't be trained: {0}")]
    Fit(#[from] FitError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("a thread can't be started: {0}")]
    Threads(String),
}

impl Schedule {
    /// Labels after each batch.
    pub fn labels(&self) -> impl Iterator<Item = usize> + '_ {
        (0..=self.rounds).map(|round| self.first + round * self.batch)
    }

    fn batch(&self, round: usize) -> usize {
        if round == 0 { self.first } else { self.batch }
    }

    fn check(&self, there: usize) -> Result<(), ReplayError> {
        if self.seeds == 0 {
            return Err(ReplayError::Seeds(self.seeds));
        }
        if self.first == 0 || (self.batch == 0 && self.rounds > 0) {
            return Err(ReplayError::EmptyBatch);
        }
        let asked = self.rounds.saturating_mul(self.batch).saturating_add(self.first);
        if asked > there { Err(ReplayError::TooFew { asked, there }) } else { Ok(()) }
    }
}

impl Collection {
    fn check(&self) -> Result<(), ReplayError> {
        let rows = self.features.len();
        let labels = self.labels.len();
        let hashes = self.hashes.len();
        if rows != labels || rows != hashes {
            return Err(ReplayError::Rows { rows, labels, hashes });
        }
        if let Some(at) = self.features.values.iter().position(|value| !value.is_finite()) {
            let row = at / self.features.dim;
            let column = at % self.features.dim;
            return Err(ReplayError::NotFinite { row, column, value: self.features.values[at] });
        }
        if self.validation.is_empty() {
            return Err(ReplayError::NoValidation);
        }
        let seen: HashSet<usize> = self.train.iter().map(|row| self.labels[*row]).collect();
        if seen.len() < 2 { Err(ReplayError::OneClass) } else { Ok(()) }
    }

    fn rows(&self, rows: &[usize]) -> Matrix {
        let values = rows.iter().flat_map(|row| self.features.row(*row).iter().copied()).collect();
        Matrix { dim: self.features.dim, values }
    }
}

/// A collection that is ready to be picked from.
pub struct Replay {
    collection: Collection,
    schedule: Schedule,
    /// Embeddings of all training images, which standardise the features
    pool: Matrix,
    /// All rows as the ranking sees them
    points: Matrix,
}

impl Replay {
    /// Checks what it is given and fits the ranking's space to the training images.
    ///
    /// # Errors
    /// Numbers that don't fit each other or are not finite, one class, no validation images, more labels asked for
    /// than there are.
    pub fn new(collection: Collection, schedule: Schedule) -> Result<Self, ReplayError> {
        collection.check()?;
        schedule.check(collection.train.len())?;
        let pool = collection.rows(&collection.train);
        let points = Space::fit(&pool, &collection.groups).project(&collection.features);
        Ok(Self { collection, schedule, pool, points })
    }

    /// Collection that is picked from.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Schedule of the batches.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Accuracy with the labels of all training images.
    ///
    /// # Errors
    /// The head can't be trained.
    pub fn full(&self) -> Result<f64, ReplayError> {
        self.judge(&self.train(&self.collection.train)?)
    }

    /// Replays every plan with every seed, on every core, one replay a thread; `[plan][seed]`. `watch` is called after
    /// each round, from any of the threads. The same input gives the same runs but for their seconds.
    ///
    /// # Errors
    /// A plan that can't start, picks outside the training images, or a head that can't be trained.
    pub fn run(&self, plans: &[Plan], watch: &(dyn Fn() + Sync)) -> Result<Vec<Vec<Run>>, ReplayError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.run_on(cores, plans, watch)
    }

    /// As [`Replay::run`], on so many threads, at least one.
    ///
    /// # Errors
    /// As [`Replay::run`].
    pub fn run_on(
        &self,
        threads: usize,
        plans: &[Plan],
        watch: &(dyn Fn() + Sync),
    ) -> Result<Vec<Vec<Run>>, ReplayError> {
        plans.iter().try_for_each(|plan| self.check(plan))?;
        let seeds = self.schedule.seeds;
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let work = || {
            // A pool of its own: sums are taken in the same order whatever the number of cores.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            let pool = pool.map_err(|error| ReplayError::Threads(error.to_string()))?;
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                let Some(plan) = plans.get(job / seeds) else { return Ok(()) };
                let run = pool.install(|| self.replay(plan, job % seeds, watch));
                // Nobody waits for the others' runs once one has failed.
                let run = run.inspect_err(|_| next.store(plans.len() * seeds, Ordering::Relaxed))?;
                done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((job, run));
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            let ended = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err(ReplayError::Threads("it panicked".to_owned())))
            });
            ended.collect::<Result<Vec<()>, _>>()
        })?;
        let mut runs = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        runs.sort_by_key(|(job, _)| *job);
        let runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
        Ok(runs.chunks(seeds).map(<[Run]>::to_vec).collect())
    }

    fn check(&self, plan: &Plan) -> Result<(), ReplayError> {
        let picked = match plan {
            Plan::Strategy { start, .. } if start.needs_model() => return Err(ReplayError::Start(*start)),
            Plan::Strategy { .. } => return Ok(()),
            Plan::Picked(picked) => picked,
        };
        if picked.len() != self.schedule.seeds {
            return Err(ReplayError::Seeds(picked.len()));
        }
        for (seed, rounds) in picked.iter().enumerate() {
            for round in 0..=self.schedule.rounds.max(rounds.len().saturating_sub(1)) {
                let found = rounds.get(round).map_or(0, Vec::len);
                let expected = if round > self.schedule.rounds { 0 } else { self.schedule.batch(round) };
                if found != expected {
                    return Err(ReplayError::Picks { seed, round, found, expected });
                }
            }
        }
        Ok(())
    }

    fn replay(&self, plan: &Plan, seed: usize, watch: &(dyn Fn() + Sync)) -> Result<Run, ReplayError> {
        let mut known = Known { unlabelled: self.collection.train.clone(), ..Known::default() };
        let mut run = Run::default();
        for round in 0..=self.schedule.rounds {
            let start = Instant::now();
            let picked = match plan {
                Plan::Picked(picked) => picked[seed][round].clone(),
                Plan::Strategy { start, then, by_certainty } => {
                    let strategy = if round == 0 { *start } else { *then };
                    self.pick(strategy, *by_certainty, seed, round, &known)?
                }
            };
            run.picking += start.elapsed().as_secs_f64();
            for &row in &picked {
                let at = known.unlabelled.iter().position(|there| *there == row);
                known.unlabelled.remove(at.ok_or(ReplayError::Pick { seed, row })?);
                known.labelled.push(row);
            }
            let start = Instant::now();
            let trained = self.train(&known.labelled)?;
            run.training += start.elapsed().as_secs_f64();
            run.rounds.push(Round { labels: known.labelled.len(), accuracy: self.judge(&trained)?, picked });
            known.head = Some(trained);
            watch();
        }
        Ok(run)
    }

    fn pick(
        &self,
        strategy: Strategy,
        by_certainty: Option<usize>,
        seed: usize,
        round: usize,
        known: &Known,
    ) -> Result<Vec<usize>, ReplayError> {
        let Known { unlabelled, labelled, head } = known;
        let probabilities = head.as_ref().map(|head| self.probabilities(head, unlabelled)).transpose()?;
        let probabilities: Option<Vec<f32>> = probabilities.map(|rows| rows.concat());
        let heads: Vec<HeadView<'_>> = probabilities
            .iter()
            .map(|rows| HeadView { classes: self.collection.classes, multiple: false, probabilities: rows })
            .collect();
        let open = self.points.select(unlabelled);
        let labelled = self.points.select(labelled);
        let pool = Candidates { unlabelled: &open, labelled: &labelled, heads: &heads };
        let seed = seed as u64 * SEEDS_APART + round as u64;
        let batch = self.schedule.batch(round);
        // Without a head nothing is certain.
        let by_certainty = by_certainty.filter(|_| !heads.is_empty());
        let mut options = Options::new(by_certainty.unwrap_or(0).max(batch), seed);
        options.random_share = self.schedule.random_share.unwrap_or(options.random_share);
        let mut picked: Vec<usize> =
            rank(&pool, strategy, &options).into_iter().map(|pick| pick.row).collect();
        if let (Some(_), Some(view)) = (by_certainty, heads.first()) {
            sort_by_certainty(&mut picked, view);
        }
        Ok(picked.into_iter().take(batch).map(|row| unlabelled[row]).collect())
    }

    fn train(&self, rows: &[usize]) -> Result<Head, ReplayError> {
        let collection = &self.collection;
        let labels = rows.iter().map(|row| collection.labels[*row]).collect();
        let set = TrainingSet {
            features: collection.rows(rows),
            targets: Targets::Single { classes: collection.classes, labels },
            hashes: rows.iter().map(|row| collection.hashes[*row]).collect(),
        };
        let go_on = &mut |_| ControlFlow::Continue(());
        Ok(fit(&set, Some(&self.pool), &collection.groups, &self.schedule.fit, go_on)?.head)
    }

    fn judge(&self, head: &Head) -> Result<f64, ReplayError> {
        let validation = &self.collection.validation;
        let labels: Vec<usize> = validation.iter().map(|row| self.collection.labels[*row]).collect();
        Ok(accuracy(&self.probabilities(head, validation)?, &labels))
    }

    fn probabilities(&self, head: &Head, rows: &[usize]) -> Result<Vec<Vec<f32>>, ModelError> {
        rows.iter().map(|row| head.probabilities(self.collection.features.row(*row))).collect()
    }
}

/// Sorts a ranking's rows as Label Studio serves them by [`certainty_scores`].
fn sort_by_certainty(rows: &mut Vec<usize>, view: &HeadView<'_>) {
    let certainty = |row: &usize| {
        let probabilities = &view.probabilities[row * view.classes..][..view.classes];
        f64::from(probabilities.iter().copied().fold(0.0, f32::max))
    };
    let scores = certainty_scores(&rows.iter().map(certainty).collect::<Vec<_>>());
    let mut scored: Vec<(f64, usize)> = scores.into_iter().zip(rows.drain(..)).collect();
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.extend(scored.into_iter().map(|(_, row)| row));
}

#[cfg(test)]
mod tests;
