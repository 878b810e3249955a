//! Query strategies, the choice of the images to label next: pure functions from points and probabilities to an order with
//! reasons.
//!
//! 1. [`Space`]: embeddings become points in which near means alike.
//! 2. [`uncertainty()`]: the heads' uncertainty of each image.
//! 3. A [`Strategy`] proposes rows, one after the other.
//! 4. [`rank`] builds the batch: near-duplicates wait, and a share is left to chance.
//!
//! No matrix of all pairs is ever built, and the same input and seed give the same order.

mod badge;
mod batch;
mod cluster_margin;
mod clusters;
mod k_center;
mod kernel;
mod max_herding;
mod medoids;
mod points;
mod reach;
mod reason;
mod score;
mod space;
mod strategy;
mod tcm;
mod typiclust;
mod uncertainty;

#[cfg(test)]
mod tests;

pub use reach::Reach;
pub use reason::Reason;
pub use score::{STEP as SCORE_STEP, certainty_scores};
pub use space::{DIM, Space};
pub use strategy::{Strategy, UnknownStrategy};
pub use uncertainty::{Measure, uncertainty};

use crate::matrix::Matrix;
use badge::Badge;
use batch::{Chosen, Ordered, QueryStrategy};
use cluster_margin::cluster_margin;
use k_center::Centers;
use max_herding::Herding;
use medoids::medoids;
use typiclust::TypiClust;

/// Cosine of two points from which one of them waits as a near-duplicate. Among 896 weather photographs in 64 numbers it
/// finds 87 of the 89 pairs a person marked, and 49 of the 400,871 others, none of two classes; 0.85 finds 88 and five
/// pairs of two classes, 0.95 finds 78. (All 2,176 numbers have a threshold of their own, `eval::near_duplicates::NEAR_COPY`.)
pub const NEAR_COPY: f32 = 0.9;

/// Share of a batch that is drawn by chance: labels that a strategy chose are a biased sample of the pool.
pub const RANDOM_SHARE: f32 = 0.1;

/// Doubt by the margin from which "between two classes" is the better reason to give than where an image lies: the
/// second class is at least half as far behind as can be.
const DOUBTFUL: f32 = 0.5;

/// Predictions of a head for the pool.
#[derive(Clone, Copy, Debug)]
pub struct HeadView<'a> {
    pub classes: usize,
    /// `true` if several classes may apply at once: each probability then stands for itself.
    pub multiple: bool,
    /// Calibrated, row-major `n x classes`, in the order of the unlabelled points.
    pub probabilities: &'a [f32],
}

/// Unlabelled points to choose from, labelled points and predictions.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// `n` points.
    pub unlabelled: &'a Matrix,
    /// Of the same space; may be empty. Points of another dimension are passed over.
    pub labelled: &'a Matrix,
    /// Empty while there is no model.
    pub heads: &'a [HeadView<'a>],
}

/// Options of a choice.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Rows wanted; the pool may hold fewer.
    pub count: usize,
    pub seed: u64,
    /// Share of the batch drawn by chance, 0 to 1; [`RANDOM_SHARE`] by default.
    pub random_share: f32,
    /// Cosine from which a point waits as a near-duplicate, [`NEAR_COPY`] by default; above 1 none does.
    pub near_copy: f32,
}

impl Options {
    /// `count` rows, the rest as measured best.
    pub fn new(count: usize, seed: u64) -> Self {
        Self { count, seed, random_share: RANDOM_SHARE, near_copy: NEAR_COPY }
    }
}

/// One image to label.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// Of the unlabelled points.
    pub row: usize,
    /// The strategy's own, larger is more useful; of one batch only comparable among itself. 0 where chance chose.
    pub score: f32,
    pub why: Reason,
    /// Images it stands for, where the strategy seeks diversity and chance did not choose.
    pub reach: Option<Reach>,
}

impl Pick {
    /// The reason, with class names as in [`Reason::with_names`], and the number of open images it stands for.
    pub fn reason<Name: AsRef<str>>(&self, names: &[Vec<Name>]) -> String {
        let Some(Reach { images, estimated, .. }) = self.reach else { return self.why.with_names(names) };
        let about = if estimated { "about " } else { "" };
        let stands_for =
            format!("stands for {about}{images} open image{}", if images == 1 { "" } else { "s" });
        match (self.why, images) {
            (Reason::Typical, 0) => "like no other open image".to_owned(),
            (Reason::Typical, _) => stands_for,
            (_, 0) => self.why.with_names(names),
            _ => format!("{}; {stands_for}", self.why.with_names(names)),
        }
    }
}

/// The `min(count, n)` images to label next, in this order: distinct rows of the pool.
///
/// Near-duplicates of a pick or of a labelled image are left out while others remain; a share of the picks is a uniform
/// sample of the pool, spread evenly ([`Reason::Random`]). A strategy that needs a model gives way to [`Strategy::COLD`]
/// while there is none.
pub fn rank(pool: &Candidates<'_>, strategy: Strategy, options: &Options) -> Vec<Pick> {
    let has_model = pool.heads.iter().any(|head| head.classes > 0);
    let strategy = strategy.now(has_model, pool.labelled.len(), options.count);
    let nothing = Matrix { dim: pool.unlabelled.dim, values: Vec::new() };
    let comparable = pool.labelled.dim == pool.unlabelled.dim;
    let labelled = if comparable { pool.labelled } else { &nothing };
    let pool = Candidates { labelled, ..*pool };
    let chosen = choose(&pool, strategy, options);
    let rows: Vec<usize> = chosen.iter().map(|chosen| chosen.row).collect();
    let reaches = if strategy.seeks_diversity() {
        reach::reaches(pool.unlabelled, &rows, options.seed)
    } else {
        Vec::new()
    };
    let reaches = reaches.into_iter().map(Some).chain(std::iter::repeat(None));
    chosen.into_iter().zip(reaches).map(|(chosen, reach)| explain(&pool, strategy, chosen, reach)).collect()
}

fn choose(pool: &Candidates<'_>, strategy: Strategy, options: &Options) -> Vec<Chosen> {
    let points = pool.unlabelled;
    let labelled = pool.labelled;
    let heads = pool.heads;
    let n = points.len();
    let seed = options.seed;
    let count = options.count.min(n);
    if count == 0 {
        return Vec::new();
    }
    let measure = match strategy {
        Strategy::LeastConfidence => Measure::LeastConfidence,
        Strategy::Entropy => Measure::Entropy,
        _ => Measure::Margin,
    };
    let uncertainties = if strategy.needs_model() { uncertainty(heads, n, measure) } else { vec![0.0; n] };
    let mut query: Box<dyn QueryStrategy> = match strategy {
        Strategy::Random | Strategy::LeastConfidence | Strategy::Margin | Strategy::Entropy => {
            Box::new(Ordered::by_score(&uncertainties, seed))
        }
        Strategy::KCenter => Box::new(Centers::new(points, labelled, None)),
        Strategy::Coral => Box::new(Centers::new(points, labelled, Some(&uncertainties))),
        Strategy::Medoids => Box::new(medoids(points, count, seed)),
        Strategy::MaxHerding => Box::new(Herding::new(points, labelled, None, seed)),
        Strategy::UHerding => Box::new(Herding::new(points, labelled, Some(&uncertainties), seed)),
        Strategy::Badge => Box::new(Badge::new(points, heads, seed)),
        Strategy::ClusterMargin => Box::new(cluster_margin(points, &uncertainties, count)),
        Strategy::TypiClust | Strategy::Tcm => Box::new(TypiClust::new(points, labelled, count, seed)),
    };
    batch::fill(pool, query.as_mut(), options)
}

/// Gives the reason that fits: what the heads can't decide, where that is why, else where the image lies.
fn explain(pool: &Candidates<'_>, strategy: Strategy, chosen: Chosen, reach: Option<Reach>) -> Pick {
    let Chosen { row, score, by_chance } = chosen;
    let undecided = |least: f32| {
        uncertainty::undecided(pool.heads, row).filter(|(doubt, _)| *doubt >= least).map(|(_, why)| why)
    };
    let why = match strategy {
        _ if by_chance => Reason::Random,
        Strategy::Random => Reason::Random,
        Strategy::KCenter => Reason::Unlike,
        Strategy::Medoids | Strategy::TypiClust | Strategy::MaxHerding => Reason::Typical,
        Strategy::UHerding => undecided(DOUBTFUL).unwrap_or(Reason::Typical),
        Strategy::Badge | Strategy::Coral => undecided(DOUBTFUL).unwrap_or(Reason::Unlike),
        _ => undecided(0.0).unwrap_or(Reason::Typical),
    };
    // Of damaged points nothing is known, but they are ranked.
    Pick { row, score: if score.is_finite() { score } else { 0.0 }, why, reach: reach.filter(|_| !by_chance) }
}
