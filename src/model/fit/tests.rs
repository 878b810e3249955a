//! Trainings on made-up embeddings: a signal of known size in known columns.

mod calibrating;
mod learning;
mod ordered;
mod refusals;
mod solving;

use std::ops::ControlFlow;

use super::*;

/// Names and widths like a backbone's; neighbouring blocks become one weighed group: `last`, `block2+4`, `block7+10`.
const GROUPS: [(&str, usize); 5] =
    [("last", 16), ("block2", 6), ("block4", 10), ("block7", 8), ("block10", 8)];

/// All of [`GROUPS`].
const DIM: usize = 48;

fn groups() -> Vec<Group> {
    GROUPS.iter().map(|(name, width)| Group { name: (*name).to_owned(), width: *width }).collect()
}

/// xorshift64 (Marsaglia 2003), so that the data never change with a library.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = random.uniform());
        random
    }

    /// 0..1
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Mean 0, variance 1: Irwin-Hall of twelve.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f32) as usize).min(n - 1)
    }
}

/// Noise of variance one around a centre for each class, `signal` apart in the columns of each group.
struct World {
    centres: Vec<Vec<f32>>,
    random: Random,
}

impl World {
    /// `signal`: one for each of [`GROUPS`].
    fn new(classes: usize, signal: [f32; 5], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let strength: Vec<f32> =
            GROUPS.iter().zip(signal).flat_map(|((_, width), signal)| vec![signal; *width]).collect();
        let mut centre = |_| strength.iter().map(|signal| signal * random.normal()).collect();
        let centres = (0..classes).map(&mut centre).collect();
        Self { centres, random }
    }

    fn row(&mut self, class: usize) -> Vec<f32> {
        self.centres[class].iter().map(|centre| centre + self.random.normal()).collect()
    }

    /// A row for each label.
    fn rows(&mut self, labels: &[usize]) -> Matrix {
        Matrix { dim: DIM, values: labels.iter().flat_map(|label| self.row(*label)).collect() }
    }

    /// `n` rows, classes in turn.
    fn single(&mut self, n: usize) -> TrainingSet {
        let classes = self.centres.len();
        let labels: Vec<usize> = (0..n).map(|row| row % classes).collect();
        let features = self.rows(&labels);
        TrainingSet { features, targets: Targets::Single { classes, labels }, hashes: hashes(n) }
    }
}

/// A content of its own for each row.
fn hashes(n: usize) -> Vec<ContentHash> {
    (0..n).map(|row| ContentHash::new(*blake3::hash(&row.to_le_bytes()).as_bytes())).collect()
}

fn train(set: &TrainingSet, epochs: usize) -> Fitted {
    fit(set, None, &groups(), &FitOptions { epochs, ..FitOptions::default() }, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

fn first(row: &[f32]) -> usize {
    (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap()
}
