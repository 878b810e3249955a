//! Uncertainty of the heads about an image: least confidence (Lewis & Gale 1994), margin (Scheffer, Decomain & Wrobel
//! 2001) and entropy (Shannon).

use super::{HeadView, Reason};

/// Measure of one head's uncertainty, 0 (certain) to 1 (or 1 - 1/classes for [`Measure::LeastConfidence`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `1 - p1`, p1 >= p2 >= ... being an image's probabilities (Lewis & Gale 1994).
    LeastConfidence,
    /// `1 - (p1 - p2)` (Scheffer, Decomain & Wrobel 2001).
    Margin,
    /// `-sum p ln p / ln classes` (Shannon).
    Entropy,
}

/// Doubt of each of `n` images: that of the head which is least certain of it.
///
/// A head of multiple choice decides yes or no for each class, and its least certain decision counts: each measure is
/// then taken of the two probabilities `p` and `1 - p`, so that the margin is `1 - |2p - 1|`. Probabilities that are not
/// finite, or missing, count as certain: a broken image would else stand at the head of every batch.
pub fn uncertainty(heads: &[HeadView<'_>], n: usize, measure: Measure) -> Vec<f32> {
    let mut uncertainties = vec![0.0; n];
    for head in heads.iter().filter(|head| head.classes > 0) {
        for (doubt, row) in uncertainties.iter_mut().zip(head.probabilities.chunks_exact(head.classes)) {
            *doubt = f32::max(*doubt, of_row(row, head.multiple, measure));
        }
    }
    uncertainties
}

fn of_row(row: &[f32], multiple: bool, measure: Measure) -> f32 {
    if row.iter().any(|p| !p.is_finite()) {
        return 0.0;
    }
    let doubt = match (multiple, measure) {
        (true, _) => row.iter().map(|&p| of_choice(&[p, 1.0 - p], measure)).fold(0.0, f32::max),
        (false, _) => of_choice(row, measure),
    };
    doubt.clamp(0.0, 1.0)
}

fn of_choice(row: &[f32], measure: Measure) -> f32 {
    if row.len() < 2 {
        return 0.0;
    }
    let (first, second) = two_largest(row);
    match measure {
        Measure::LeastConfidence => 1.0 - row[first],
        Measure::Margin => 1.0 - (row[first] - row[second]),
        Measure::Entropy => {
            let nats: f32 = row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
            nats / (row.len() as f32).ln()
        }
    }
}

/// Indices of the largest and the second largest of at least two numbers.
fn two_largest(row: &[f32]) -> (usize, usize) {
    let (mut first, mut second) = if row[1] > row[0] { (1, 0) } else { (0, 1) };
    for index in 2..row.len() {
        if row[index] > row[first] {
            (first, second) = (index, first);
        } else if row[index] > row[second] {
            second = index;
        }
    }
    (first, second)
}

/// Open decision of the head that is least certain of image `row`, by the margin, and its doubt; `None` if every head is
/// certain.
pub(super) fn undecided(heads: &[HeadView<'_>], row: usize) -> Option<(f32, Reason)> {
    let mut found = None;
    let mut most = 0.0;
    for (head, view) in heads.iter().enumerate() {
        let Some(p) = view.probabilities.get(row * view.classes..(row + 1) * view.classes) else { continue };
        let doubt = of_row(p, view.multiple, Measure::Margin);
        if doubt > most {
            most = doubt;
            let why = if view.multiple {
                let nearest = |a: &usize, b: &usize| (p[*a] - 0.5).abs().total_cmp(&(p[*b] - 0.5).abs());
                let class = (0..p.len()).min_by(nearest).unwrap_or(0);
                Reason::Undecided { head, class, probability: p[class] }
            } else {
                let (first, second) = two_largest(p);
                Reason::Between { head, classes: [first, second], probabilities: [p[first], p[second]] }
            };
            found = Some((most, why));
        }
    }
    found
}
