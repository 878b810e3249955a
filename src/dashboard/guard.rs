//! Middleware before every page: access control, CSRF protection, and the headers of all answers.

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::{self, BytesMut};
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::{StreamExt, stream};
use url::form_urlencoded;

use super::context::{COOKIE, CSRF_FIELD, Visitor, WayIn};
use super::error::PageError;
use super::{Dashboard, PATH, assets, login};
use crate::access::{ControlPolicy, RequestOrigin};

/// Name of the header that carries the CSRF token in place of the form's field.
const TOKEN_HEADER: &str = "x-form-token";

/// Largest form, in bytes: selections of a map are shapes, not lists.
const MAX_FORM_BYTES: usize = 256 * 1024;

/// Nothing but what comes from here, no inline script or style, and in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Middleware: the same protective headers on every answer, refusals too; pages are kept by no cache.
pub(super) async fn headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Middleware: lets in who may look, and of changes only those that our own forms ask for.
pub(super) async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match admit(&mut request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refused) => Ok(request.into_response(refused).map_into_right_body()),
    }
}

async fn admit(request: &mut ServiceRequest) -> Result<(), HttpResponse> {
    let dashboard = request.app_data::<web::Data<Dashboard>>().cloned();
    let Some(dashboard) = dashboard else { return Err(PageError::Gone.error_response()) };
    let inner = &dashboard.0;
    let below = request.path().strip_prefix(PATH).unwrap_or_default().to_owned();
    if assets::is_asset(&below) {
        return Ok(());
    }
    let is_login = below == login::PATH;
    let place = request_origin(request);
    let is_local = place.is_local();
    let is_foreign = place.is_foreign();
    let way_in = match inner.access.control() {
        ControlPolicy::Closed => return Err(PageError::Closed.error_response()),
        ControlPolicy::Open if !is_local => return Err(PageError::NotLocal.error_response()),
        ControlPolicy::Open => WayIn::Open,
        ControlPolicy::Password => match way_in(&dashboard, request).await {
            Some(way_in) => way_in,
            None if is_login => WayIn::None,
            None => return Err(login::ask(request)),
        },
    };
    let visitor = Visitor::new(&inner.keys, way_in);
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        if is_foreign {
            return Err(PageError::Foreign.error_response());
        }
        // The login form has a token of its own: there is no session yet to make one for.
        if !is_login {
            let given = csrf_token(request).await.map_err(|refused| refused.error_response())?;
            if !inner.keys.is_form_token(visitor.holder(), &given) {
                return Err(PageError::StaleForm.error_response());
            }
        }
    }
    request.extensions_mut().insert(visitor);
    Ok(())
}

fn request_origin(request: &ServiceRequest) -> RequestOrigin<'_> {
    RequestOrigin::read(|name| request.headers().get(name).map(HeaderValue::as_bytes))
}

/// Way in which a visitor proves to be the operator (session cookie or Basic authentication); `None` if they do not.
async fn way_in(dashboard: &Dashboard, request: &ServiceRequest) -> Option<WayIn> {
    let inner = &dashboard.0;
    if let Some(cookie) = request.cookie(COOKIE)
        && inner.keys.is_session(cookie.value(), (inner.now)())
    {
        return Some(WayIn::Session(cookie.value().to_owned()));
    }
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?.to_owned();
    let check = || inner.access.knows_header(Some(&header));
    let from = request.peer_addr().map(|address| address.ip());
    matches!(inner.throttle.attempt(from, check).await, Some(true)).then_some(WayIn::Basic)
}

/// The token a change carries, in its header or its form. The form is put back for its handler.
async fn csrf_token(request: &mut ServiceRequest) -> Result<String, PageError> {
    if let Some(token) = request.headers().get(TOKEN_HEADER) {
        return Ok(token.to_str().unwrap_or_default().to_owned());
    }
    let mut payload = request.take_payload();
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| PageError::Form("it was cut off".to_owned()))?;
        if body.len() + chunk.len() > MAX_FORM_BYTES {
            return Err(PageError::Form(format!("it is larger than {MAX_FORM_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let body = body.freeze();
    let token = form_urlencoded::parse(&body).find(|(name, _)| name == CSRF_FIELD);
    let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
    let whole = stream::once(async move { Ok(body) });
    request.set_payload(Payload::Stream { payload: Box::pin(whole) });
    Ok(token)
}
