//! Building a batch: a strategy proposes rows, near-duplicates wait, and a share is drawn by chance.

use super::{Candidates, Options};
use crate::matrix::Matrix;
use crate::matrix::SplitMix64;
use crate::matrix::dot;

/// Query strategy: names the most useful row, again and again.
pub(super) trait QueryStrategy {
    /// The most useful of the open rows with its score, larger being more useful; `None` once it knows of none.
    fn next(&mut self, open: &[bool]) -> Option<(usize, f32)>;

    /// `row` has joined the batch, by this strategy or by chance: what comes next may depend on it.
    fn selected(&mut self, _row: usize) {}
}

/// Rows that wait, at most, for each row wanted (and at least 1,000): beyond, the pool is mostly copies, as of a still
/// camera, and looking through all of it for others would cost its square.
const MOST_WAITING: usize = 20;

/// A row of the batch before it is explained.
pub(super) struct Chosen {
    pub row: usize,
    pub score: f32,
    pub by_chance: bool,
}

/// Fills a batch of `min(count, n)` rows.
///
/// 1. The rows drawn by chance are a plain sample of the whole pool, drawn first; they take every
///    `1 / random_share`-th place.
/// 2. In the other places the strategy's best row follows, unless it is a near-duplicate of a row that is in the batch or
///    labelled: such a row waits. Near-duplicates among rows drawn by chance wait too.
/// 3. When the strategy knows of no more rows, or too many wait, those follow in the order they were proposed.
pub(super) fn fill(pool: &Candidates<'_>, query: &mut dyn QueryStrategy, options: &Options) -> Vec<Chosen> {
    let n = pool.unlabelled.len();
    let count = options.count.min(n);
    let mut copies = Copies { pool, threshold: options.near_copy, batch: Vec::new() };
    let mut drawn = draw(pool, count, options).into_iter().peekable();
    let mut open = vec![true; n];
    drawn.clone().for_each(|row| open[row] = false);
    let mut waiting = Vec::new();
    let most_waiting = (MOST_WAITING * count).max(1000);
    let mut chosen: Vec<Chosen> = Vec::with_capacity(count);
    while chosen.len() < count && waiting.len() < most_waiting {
        let next = if is_by_chance(chosen.len(), options.random_share) { drawn.next() } else { None };
        if let Some(row) = next {
            chosen.push(Chosen { row, score: 0.0, by_chance: true });
        } else if let Some((row, score)) = query.next(&open) {
            open[row] = false;
            if copies.contain(row) {
                waiting.push(Chosen { row, score, by_chance: false });
                continue;
            }
            chosen.push(Chosen { row, score, by_chance: false });
        } else {
            break;
        }
        if let Some(last) = chosen.last() {
            copies.batch.push(last.row);
            query.selected(last.row);
        }
    }
    let left = drawn.map(|row| Chosen { row, score: 0.0, by_chance: true });
    chosen.extend(waiting.into_iter().chain(left).take(count - chosen.len()));
    chosen
}

/// Returns `true` if place `place` of a batch belongs to chance: a tenth means places 4, 14, 24 and so on.
fn is_by_chance(place: usize, share: f32) -> bool {
    chance_places(place + 1, share) > chance_places(place, share)
}

/// Number of the first `places` that belong to chance.
fn chance_places(places: usize, share: f32) -> usize {
    (places as f64 * f64::from(share.clamp(0.0, 1.0)) + 0.5) as usize
}

/// A uniform sample of the pool for the places of chance, without near-duplicates of each other while others remain.
fn draw(pool: &Candidates<'_>, count: usize, options: &Options) -> Vec<usize> {
    let wanted = chance_places(count, options.random_share).min(count);
    if wanted == 0 {
        return Vec::new();
    }
    let n = pool.unlabelled.len();
    let none = Matrix::default();
    let alone = Candidates { unlabelled: pool.unlabelled, labelled: &none, heads: &[] };
    let mut copies = Copies { pool: &alone, threshold: options.near_copy, batch: Vec::new() };
    let mut waiting = Vec::new();
    for row in SplitMix64::new(options.seed).sample(n, n) {
        if copies.batch.len() == wanted {
            break;
        }
        if copies.contain(row) { waiting.push(row) } else { copies.batch.push(row) }
    }
    let missing = wanted - copies.batch.len();
    copies.batch.extend(waiting.into_iter().take(missing));
    copies.batch
}

/// Rows that an image of the batch must not repeat.
struct Copies<'a> {
    pool: &'a Candidates<'a>,
    threshold: f32,
    batch: Vec<usize>,
}

impl Copies<'_> {
    /// Returns `true` if `row` is a near-duplicate of a labelled row or of one in the batch. Cost: (labelled + batch) x dim.
    fn contain(&self, row: usize) -> bool {
        let Candidates { unlabelled, labelled, .. } = self.pool;
        let this = unlabelled.row(row);
        let is_copy = |other: &[f32]| dot(this, other) >= self.threshold;
        self.batch.iter().any(|&other| is_copy(unlabelled.row(other)))
            || (0..labelled.len()).any(|other| is_copy(labelled.row(other)))
    }
}

/// Proposes rows in a fixed order.
pub(super) struct Ordered {
    rows: std::vec::IntoIter<(usize, f32)>,
}

impl Ordered {
    /// Each row at most once.
    pub(super) fn new(rows: Vec<(usize, f32)>) -> Self {
        Self { rows: rows.into_iter() }
    }

    /// Falling scores; chance decides between equal ones.
    pub(super) fn by_score(scores: &[f32], seed: u64) -> Self {
        let mut rows: Vec<(usize, f32)> = SplitMix64::new(seed)
            .sample(scores.len(), scores.len())
            .into_iter()
            .map(|row| (row, scores[row]))
            .collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        Self::new(rows)
    }
}

impl QueryStrategy for Ordered {
    fn next(&mut self, open: &[bool]) -> Option<(usize, f32)> {
        self.rows.find(|(row, _)| open[*row])
    }
}
