//! One line per request: id, route, status, duration. Never paths with secrets, query strings or bodies.

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use tracing::Instrument;

/// Header of an answer that names its request as the log does.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes that are asked so often that a line for each would hide the others.
fn is_quiet(route: &str) -> bool {
    let of_page = ["/ui/assets/", "/thumbnails/"].iter().any(|part| route.contains(part));
    of_page || route.ends_with("/health") && !route.starts_with("/ui")
}

/// Middleware: opens a span that the whole request's work carries, and logs how it ended.
pub async fn log(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let method = request.method().clone();
    let agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let from_label_studio = agent.starts_with("heartex/") || agent.starts_with("python-requests/");
    let id = request_id();
    let span = tracing::info_span!("request", id, %method, route = tracing::field::Empty);
    let mut answer = next.call(request).instrument(span.clone()).await;
    let _span = span.enter();
    let (route, status) = match &mut answer {
        Ok(response) => {
            if let Ok(value) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(REQUEST_ID, value);
            }
            (response.request().match_pattern(), response.status())
        }
        Err(error) => (None, error.as_response_error().status_code()),
    };
    // The pattern, not the path: it shows `/{secret}` where the path shows the secret.
    let route = route.unwrap_or_else(|| "unknown".to_owned());
    span.record("route", &route);
    let duration_ms = started.elapsed().as_secs_f64() * 1e3;
    if status.is_success() && is_quiet(&route) {
        tracing::debug!(status = status.as_u16(), duration_ms, "answered");
    } else {
        tracing::info!(status = status.as_u16(), duration_ms, from_label_studio, "answered");
    }
    metrics::histogram!("weathervane_http_request_seconds", "status" => status.as_str().to_owned())
        .record(duration_ms / 1e3);
    answer
}

/// Eight hexadecimal digits, enough to tell the requests of a log apart. A caller's own id is not taken over: it would be
/// a stranger's text in the log.
fn request_id() -> String {
    // The keys of std's hash maps are random, and others each time.
    format!("{:08x}", RandomState::new().hash_one(()) as u32)
}
