//! Who may come in: Basic authentication, or the secret first path segment.
//!
//! Label Studio's webhooks carry no credentials unless they stand in the backend's URL, so a secret path is the
//! second way in. It opens Label Studio's protocol; what controls this server takes the operator's password.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use super::State;
use super::error::ApiError;
use crate::access::{Access, Control, Place};

/// Where the dashboard stands; it has a guard of its own.
const DASHBOARD: &str = "/ui";

/// Lets a request through to the routes below the secret path.
pub struct SecretPathGuard(pub Access);

impl Guard for SecretPathGuard {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        self.0.knows_path(context.head().uri.path())
    }
}

/// Middleware: turns strangers away with 401 before a body is read.
pub async fn require(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let access = access(&request);
    let path = request.path();
    let dashboard = path.strip_prefix(DASHBOARD).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if dashboard || !access.is_guarded() || access.knows_path(path) || access.knows_header(pair(&request)) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    if path == "/webhook" {
        tracing::warn!(
            "refused a webhook without credentials: Label Studio sends none of its own; connect with \
             http://user:password@host:port as the backend's URL, or with the secret path"
        );
    }
    metrics::counter!("weathervane_unauthorized_total").increment(1);
    // An answer, not an error: the request log marks it with the request's id.
    Ok(request.into_response(ApiError::Unauthorized.error_response()).map_into_right_body())
}

/// Middleware on the routes that control this server or tell what it knows: the operator's password, or where none is
/// set a request that comes from this machine and from no other site's page.
pub async fn require_operator(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let access = access(&request);
    let place = place(&request);
    // To look is no change, and what is answered no other site's page can read.
    let forged = place.is_foreign() && request.method() != Method::GET;
    let refused = match access.control() {
        Control::Closed => Some(ApiError::Closed),
        Control::Open => (!place.is_local() || forged).then_some(ApiError::Foreign),
        Control::Password if !access.knows_header(pair(&request)) => Some(ApiError::Unauthorized),
        Control::Password => forged.then_some(ApiError::Foreign),
    };
    match refused {
        Some(refused) => {
            metrics::counter!("weathervane_unauthorized_total").increment(1);
            Ok(request.into_response(refused.error_response()).map_into_right_body())
        }
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

fn access(request: &ServiceRequest) -> Access {
    request.app_data::<web::Data<State>>().map(|state| state.access.clone()).unwrap_or_default()
}

fn pair(request: &ServiceRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

fn place(request: &ServiceRequest) -> Place<'_> {
    Place::read(|name| request.headers().get(name).map(|value| value.as_bytes()))
}
