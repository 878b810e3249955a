//! BADGE (Ash et al. 2020): images whose labels would move the head far, and in different directions.

use super::HeadView;
use super::batch::QueryStrategy;
use crate::matrix::Matrix;
use crate::matrix::SplitMix64;
use crate::matrix::dot;

/// k-means++ (Arthur & Vassilvitskii 2007) on the gradients `g(x) = q (x) x` that the head's last layer would get from
/// its own answer, `q = p - onehot(answer)` (Ash et al. 2020): the first row is the one with the longest gradient, each
/// other one is drawn with a chance proportional to its squared distance to the nearest chosen one. For a head of
/// multiple choice `q_c = p_c - [p_c >= 1/2]`; several heads' q stand side by side. Rows with probabilities that are not
/// finite have no gradient.
///
/// `g` is never built: `<g, g'> = <q, q'> <x, x'>`. Cost for n rows of d numbers, C classes, b picks: n b (C + d).
pub(super) struct Badge<'a> {
    points: &'a Matrix,
    /// `n x classes` of all heads together.
    residuals: Matrix,
    /// Squared length of each row's gradient.
    squares: Vec<f32>,
    /// Squared distance of each row's gradient to the nearest chosen one; `None` before the first.
    nearest: Option<Vec<f32>>,
    random: SplitMix64,
}

impl<'a> Badge<'a> {
    pub(super) fn new(points: &'a Matrix, heads: &[HeadView<'_>], seed: u64) -> Self {
        let residuals = residuals(heads, points.len());
        let squares = (0..points.len()).map(|row| residuals.square(row) * points.square(row)).collect();
        Self { points, residuals, squares, nearest: None, random: SplitMix64::new(!seed) }
    }
}

impl QueryStrategy for Badge<'_> {
    fn next(&mut self, open: &[bool]) -> Option<(usize, f32)> {
        let scores = self.nearest.as_ref().unwrap_or(&self.squares);
        let rows = || (0..open.len()).filter(|&row| open[row]);
        let total: f64 = rows().map(|row| f64::from(scores[row])).sum();
        let row = if self.nearest.is_none() || total <= 0.0 {
            rows().max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)))
        } else {
            let mut left = self.random.unit() * total;
            let drawn = rows().find(|&row| {
                left -= f64::from(scores[row]);
                left < 0.0
            });
            // Rounding may leave nothing at the very end.
            drawn.or_else(|| rows().next_back())
        };
        row.map(|row| (row, scores[row]))
    }

    fn selected(&mut self, row: usize) {
        let residual = self.residuals.row(row);
        let point = self.points.row(row);
        let square = self.squares[row];
        let to_row = (0..self.points.len()).map(|other| {
            let product = dot(self.residuals.row(other), residual) * dot(self.points.row(other), point);
            (self.squares[other] + square - 2.0 * product).max(0.0)
        });
        self.nearest = Some(match &self.nearest {
            None => to_row.collect(),
            Some(nearest) => nearest.iter().zip(to_row).map(|(a, b)| a.min(b)).collect(),
        });
    }
}

/// `q` of every row.
fn residuals(heads: &[HeadView<'_>], n: usize) -> Matrix {
    let dim = heads.iter().map(|head| head.classes).sum();
    let mut values = vec![0.0; n * dim];
    let mut start = 0;
    for head in heads.iter().filter(|head| head.classes > 0) {
        let rows = head.probabilities.chunks_exact(head.classes);
        for (into, p) in values.chunks_exact_mut(dim).zip(rows) {
            if p.iter().all(|p| p.is_finite()) {
                let answer =
                    (0..p.len()).fold(0, |best, class| if p[class] > p[best] { class } else { best });
                for (class, (q, p)) in into[start..start + p.len()].iter_mut().zip(p).enumerate() {
                    let answered = if head.multiple { *p >= 0.5 } else { class == answer };
                    *q = p - f32::from(u8::from(answered));
                }
            }
        }
        start += head.classes;
    }
    Matrix { dim, values }
}
