//! t-SNE (van der Maaten & Hinton 2008) by the crate `bhtsne`: points settle beside their neighbours.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bhtsne::{Neighbor, tSNE};
use rayon::ThreadPoolBuilder;

use super::ProjectionError;
use super::nearest::nearest;
use crate::matrix::Matrix;

/// Neighbours that count, softly; three times as many are compared. Most publications take this number.
const PERPLEXITY: usize = 30;

/// Steps; the first 250 pull neighbours twelve times as hard, as openTSNE and scikit-learn do.
const EPOCHS: usize = 750;

/// Coarseness of the sums over far points: theta of Barnes-Hut (van der Maaten 2014, section 5).
const THETA: f32 = 0.5;

/// Spread of the first axis at the start: small, so that points can pass one another (Kobak & Berens 2019).
const START: f32 = 1e-4;

/// Panic payload that leaves the epochs early, on a stop.
struct Stop;

/// Places of at least [`super::MIN_POINTS`] rows, about as far from each other as they are unlike, from `start` on.
pub(super) fn settle(
    rows: Matrix<&[f32]>,
    mut start: Vec<[f32; 2]>,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<[f32; 2]>, ProjectionError> {
    let spread = (start.iter().map(|place| place[0] * place[0]).sum::<f32>() / rows.len() as f32).sqrt();
    if spread <= f32::EPSILON {
        // All alike: there is nothing to settle.
        return Ok(start);
    }
    start.iter_mut().flatten().for_each(|value| *value *= START / spread);
    let perplexity = PERPLEXITY.min((rows.len() - 1) / 3);
    let near = nearest(rows, rows, 3 * perplexity, true, go_on).ok_or(ProjectionError::Stopped)?;
    let near: Vec<Vec<Neighbor<f32>>> = near
        .iter()
        .map(|row| {
            row.iter()
                .map(|near| Neighbor { index: near.row as usize, distance: near.square.sqrt() })
                .collect()
        })
        .collect();
    // One thread: sums come in one order, and another core stays free for what people wait for.
    let pool = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "map".to_owned()).build();
    let pool = pool.map_err(|error| ProjectionError::Failed(error.to_string()))?;
    let settled = pool.install(|| {
        catch_unwind(AssertUnwindSafe(|| {
            // Only their number counts: the neighbours are known.
            let points = vec![(); rows.len()];
            let mut tsne: tSNE<f32, (), 2> = tSNE::new(&points);
            tsne.perplexity(perplexity as f32)
                .epochs(EPOCHS)
                .initial_embedding(start.as_flattened())
                .epoch_callback(|_, _| {
                    // The crate has no other way out.
                    if !go_on() {
                        resume_unwind(Box::new(Stop));
                    }
                })
                .barnes_hut_with_neighbors(THETA, &near);
            tsne.embedding()
        }))
    });
    match settled {
        Ok(values) => Ok(values.as_chunks::<2>().0.to_vec()),
        Err(payload) if payload.is::<Stop>() => Err(ProjectionError::Stopped),
        Err(_) => Err(ProjectionError::Failed("the points did not settle".to_owned())),
    }
}
