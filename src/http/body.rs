//! Request bodies: bounded, JSON whatever the content type says, errors that name the field.

use actix_web::web::{self, Bytes, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Bodies above this size are parsed off the async threads: a megabyte takes some milliseconds.
const PARSE_INLINE_BYTES: usize = 256 * 1024;

/// Reads a body up to `limit` bytes and parses it; an empty one counts as `{}`.
///
/// # Errors
/// Too large, cut off, not JSON, or a field of the wrong type (named by its path).
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

async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, ApiError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::Body(error.to_string()))?;
        if body.len() + chunk.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
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
    }

    #[test]
    fn errors_tell_broken_json_from_a_wrong_field() {
        assert!(matches!(parse::<Form>(b"{\"count\":"), Err(ApiError::Json(_))));
        assert!(matches!(parse::<Form>(b"{} trailing"), Err(ApiError::Json(_))));
        let error = parse::<Form>(b"{\"count\":\"three\"}").expect_err("wrong type");
        assert!(matches!(&error, ApiError::Field { path, .. } if path == "count"), "{error:?}");
    }
}
