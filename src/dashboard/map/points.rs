//! The points as the script of the page draws them: one answer of plain numbers.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::header::ContentEncoding;
use actix_web::web::Query;

use super::colours::{Colouring, NONE, colouring};
use super::drawn;
use super::view::MapQuery;
use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::queue::ranking;
use crate::domain::ids::TaskId;
use crate::pool::Map;
use crate::queue::Ranking;
use crate::storage::Project;

/// First bytes of the answer: its kind and its format version.
const MAGIC: [u8; 4] = *b"wvm1";

/// Sends [`encode`]d points.
pub(super) async fn send(context: PageContext, query: Query<MapQuery>) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    let view = query.understood(&context, &project).await?;
    let (drawn, colouring, sizes) = tokio::join!(
        drawn(&context, &project, view.projection, view.tag.as_deref()),
        colouring(&context, &project, &view),
        sizes(&context, &project)
    );
    let colouring = colouring?;
    let drawn = drawn?.made.and_then(Result::ok).ok_or(PageError::Busy)?;
    let colouring = colouring.made.and_then(Result::ok);
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        // Places hardly compress, and this is asked over short ways.
        .insert_header(ContentEncoding::Identity)
        .body(encode(&drawn.map, colouring.as_deref(), &sizes)))
}

/// Sizes of the points of the tasks that come next: 255 for the first, 1 for the last one ranked.
pub(super) async fn sizes(context: &PageContext, project: &Project) -> HashMap<TaskId, u8> {
    let own = project.strategy.as_deref().and_then(|name| name.parse().ok());
    let ranking = ranking(context, project, own, None).await.made.and_then(Result::ok);
    ranking.map(|ranking| by_rank(&ranking)).unwrap_or_default()
}

fn by_rank(ranking: &Ranking) -> HashMap<TaskId, u8> {
    let last = ranking.tasks.len().max(2) - 1;
    let size = |place: usize| (255 - 254 * place / last) as u8;
    ranking.tasks.iter().enumerate().map(|(place, ranked)| (ranked.task, size(place))).collect()
}

/// Little-endian: four characters of what it is, the number of points as u32; then for all points their tasks' ids as f64
/// (exact to 2^53), x as f32, y as f32, colours as u8 (255: none), sizes as u8. 18 bytes a point, and aligned.
fn encode(map: &Map, colouring: Option<&Colouring>, sizes: &HashMap<TaskId, u8>) -> Vec<u8> {
    let count = map.tasks.len();
    let mut bytes = Vec::with_capacity(8 + 18 * count);
    bytes.extend(MAGIC);
    bytes.extend((count as u32).to_le_bytes());
    map.tasks.iter().for_each(|task| bytes.extend((task.0 as f64).to_le_bytes()));
    for axis in 0..2 {
        map.places.iter().for_each(|place| bytes.extend(place[axis].to_le_bytes()));
    }
    match colouring {
        Some(colouring) => bytes.extend(colouring.of(&map.tasks)),
        None => bytes.extend(std::iter::repeat_n(NONE, count)),
    }
    bytes.extend(map.tasks.iter().map(|task| sizes.get(task).copied().unwrap_or(0)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_plain_numbers_in_a_row() {
        let map = Map {
            tasks: vec![TaskId(7), TaskId(9)],
            images: Vec::new(),
            places: vec![[1.0, 2.0], [3.0, 4.0]],
            settled: 2,
            pool: 2,
        };
        let bytes = encode(&map, None, &HashMap::from([(TaskId(9), 255)]));
        assert_eq!(bytes.len(), 8 + 18 * 2);
        assert_eq!(&bytes[..8], b"wvm1\x02\0\0\0");
        let f64_at = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let f32_at = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([f64_at(8), f64_at(16)], [7.0, 9.0]);
        assert_eq!([24, 28, 32, 36].map(f32_at), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!(bytes[40..], [NONE, NONE, 0, 255]);
    }
}
