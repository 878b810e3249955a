//! Access control: Basic authentication, or the secret first path segment.
//!
//! Label Studio's webhooks carry no credentials unless they stand in the backend's URL, so a secret path is the
//! second way in. It opens Label Studio's protocol; what controls this server takes the operator's password.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use super::ApiState;
use super::error::ApiError;
use super::health::{self, DASHBOARD};
use crate::access::{Access, ControlPolicy, RequestOrigin};

/// Characters of a stranger's header that a refusal repeats.
const SHOWN_HOST: usize = 60;

/// Lets a request through to the routes below the secret path.
pub struct SecretPathGuard(pub Access);

impl Guard for SecretPathGuard {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        self.0.knows_path(context.head().uri.path())
    }
}

/// Middleware: turns away before a body is read who has no credentials, and what a web page of another site sent.
pub async fn require(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let access = access(&request);
    let path = request.path();
    let dashboard = path.strip_prefix(DASHBOARD).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // The way to the dashboard tells nothing, and its login is kinder than a browser's.
    let visit = health::is_visit(request.method(), path, request.headers());
    if !dashboard
        && !visit
        && let Some(refused) = from_a_page(&request, &access)
    {
        metrics::counter!("weathervane_unauthorized_total").increment(1);
        return Ok(request.into_response(refused.error_response()).map_into_right_body());
    }
    if dashboard || visit || !access.is_guarded() || access.knows_path(path) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refused = match attempt(&request, &access).await {
        Some(true) => return Ok(next.call(request).await?.map_into_left_body()),
        Some(false) => ApiError::Unauthorized,
        None => ApiError::TooManyGuesses,
    };
    if path == "/webhook" {
        tracing::warn!(
            "refused a webhook without credentials: Label Studio sends none of its own; connect with \
             http://user:password@host:port as the backend's URL, or with the secret path"
        );
    }
    // An answer, not an error: the request log marks it with the request's id.
    Ok(request.into_response(refused.error_response()).map_into_right_body())
}

/// Reason for refusing a request that a page of another site can make a browser send (CSRF, DNS rebinding): it names another
/// site, came to a name that nobody gave this server, or holds a body that a page may send without being asked.
fn from_a_page(request: &ServiceRequest, access: &Access) -> Option<ApiError> {
    let place = request_origin(request);
    if place.is_foreign() {
        return Some(ApiError::Foreign);
    }
    if !access.knows_host(&place) {
        let host = place.host_name().unwrap_or_default().chars().take(SHOWN_HOST).collect();
        return Some(ApiError::OtherHost { host });
    }
    let kind =
        request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?").to_ascii_lowercase());
    let has_body = request.headers().get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() != b"0");
    let is_json = |kind: &str| kind.split(';').next().is_some_and(|kind| kind.trim().ends_with("json"));
    match kind {
        Some(kind)
            if has_body && !matches!(*request.method(), Method::GET | Method::HEAD) && !is_json(&kind) =>
        {
            Some(ApiError::ContentType { found: kind.chars().take(SHOWN_HOST).collect() })
        }
        _ => None,
    }
}

/// Middleware on the routes that control this server or tell what it knows: the operator's password, or where none is
/// set a request that comes from this machine and from no other site's page.
pub async fn require_operator(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let access = access(&request);
    let place = request_origin(&request);
    // To look is no change, and what is answered no other site's page can read.
    let forged = place.is_foreign() && request.method() != Method::GET;
    let refused = match access.control() {
        ControlPolicy::Closed => Some(ApiError::Closed),
        ControlPolicy::Open => (!place.is_local() || forged).then_some(ApiError::Foreign),
        ControlPolicy::Password => match attempt(&request, &access).await {
            Some(true) => forged.then_some(ApiError::Foreign),
            Some(false) => Some(ApiError::Unauthorized),
            None => Some(ApiError::TooManyGuesses),
        },
    };
    match refused {
        Some(refused) => {
            metrics::counter!("weathervane_unauthorized_total").increment(1);
            Ok(request.into_response(refused.error_response()).map_into_right_body())
        }
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

/// Checks the request's Basic credentials against the operator's; `None` if its client tries too often. Without credentials
/// nothing is tried.
async fn attempt(request: &ServiceRequest, access: &Access) -> Option<bool> {
    let state = request.app_data::<web::Data<ApiState>>()?;
    let Some(header) = pair(request) else {
        metrics::counter!("weathervane_unauthorized_total").increment(1);
        return Some(false);
    };
    let from = request.peer_addr().map(|address| address.ip());
    state.throttle.attempt(from, || access.knows_header(Some(header))).await
}

fn access(request: &ServiceRequest) -> Access {
    request.app_data::<web::Data<ApiState>>().map(|state| state.access.clone()).unwrap_or_default()
}

fn pair(request: &ServiceRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

fn request_origin(request: &ServiceRequest) -> RequestOrigin<'_> {
    RequestOrigin::read(|name| request.headers().get(name).map(|value| value.as_bytes()))
}
