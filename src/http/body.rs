//! Request bodies: bounded, JSON whatever the content type says, errors that name the field.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web::{self, Bytes, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Bodies above this size are parsed off the async threads: a megabyte takes some milliseconds.
const PARSE_INLINE_BYTES: usize = 256 * 1024;

/// Time for one body: a slow network brings the largest in it, and who only holds the line is let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body of which nothing comes for so long will not come.
const SILENCE: Duration = Duration::from_secs(5);

/// Bodies of the largest size that may be under way at once; small ones, such as an event of one annotation, always come in.
const IN_FLIGHT_BODIES: usize = 4;

/// Reads a body up to `limit` bytes and parses it; an empty one counts as `{}`.
///
/// # Errors
/// Too large, too slow, cut off, not JSON, others take all memory for bodies, or a field of the wrong type (named by its path).
pub async fn read<T: DeserializeOwned + Send + 'static>(
    payload: Payload,
    limit: usize,
) -> Result<T, ApiError> {
    let bytes = collect(payload, limit).await?;
    if bytes.len() <= PARSE_INLINE_BYTES {
        return parse(&bytes);
    }
    web::block(move || parse(&bytes)).await.map_err(|_| ApiError::Interrupted)?
}

async fn collect(payload: Payload, limit: usize) -> Result<Bytes, ApiError> {
    let collected = tokio::time::timeout(PATIENCE, collect_slowly(payload, limit)).await;
    collected.unwrap_or(Err(ApiError::SlowBody { seconds: PATIENCE.as_secs() }))
}

async fn collect_slowly(mut payload: Payload, limit: usize) -> Result<Bytes, ApiError> {
    let mut body = web::BytesMut::new();
    let mut held = InFlight(0);
    let next = async |payload: &mut Payload| tokio::time::timeout(SILENCE, payload.next()).await;
    let slow = |_| ApiError::SlowBody { seconds: SILENCE.as_secs() };
    while let Some(chunk) = next(&mut payload).await.map_err(slow)? {
        let chunk = chunk.map_err(|error| ApiError::Body(error.to_string()))?;
        if body.len() + chunk.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        body.extend_from_slice(&chunk);
        if body.len() > PARSE_INLINE_BYTES {
            held.grow(body.len(), IN_FLIGHT_BODIES.saturating_mul(limit))?;
        }
    }
    Ok(body.freeze())
}

/// Bytes of bodies that are being received.
static RECEIVED: AtomicUsize = AtomicUsize::new(0);

/// One body's part of them.
struct InFlight(usize);

impl InFlight {
    fn grow(&mut self, to: usize, budget: usize) -> Result<(), ApiError> {
        let more = to - self.0;
        self.0 = to;
        let before = RECEIVED.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > budget { Err(ApiError::TooManyBodies) } else { Ok(()) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        RECEIVED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Some editors and shells write one; JSON itself knows no byte order mark (RFC 8259, 8.1).
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            ApiError::Field { path, problem: inner.to_string() }
        } else {
            ApiError::Json(inner)
        }
    })?;
    json.end().map_err(ApiError::Json)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    struct Form {
        #[serde(default)]
        count: u32,
    }

    #[test]
    fn an_empty_body_counts_as_an_empty_object() {
        assert_eq!(parse::<Form>(b" \n").map(|form| form.count).ok(), Some(0));
        assert_eq!(parse::<Form>(b"\xEF\xBB\xBF{\"count\":3}").map(|form| form.count).ok(), Some(3));
    }

    #[test]
    fn errors_tell_broken_json_from_a_wrong_field() {
        assert!(matches!(parse::<Form>(b"{\"count\":"), Err(ApiError::Json(_))));
        assert!(matches!(parse::<Form>(b"{} trailing"), Err(ApiError::Json(_))));
        let error = parse::<Form>(b"{\"count\":\"three\"}").expect_err("wrong type");
        assert!(matches!(&error, ApiError::Field { path, .. } if path == "count"), "{error:?}");
    }
}
