//! What stands before every page: who may look, that changes come from our own forms, and the headers of all answers.

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::{self, BytesMut};
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::{StreamExt, stream};
use url::form_urlencoded;

use super::refusal::Refusal;
use super::visit::{Visitor, WayIn};
use super::{Dashboard, PATH, assets, login};
use crate::access::{Control, Place};

/// Name of the session's cookie.
pub(super) const COOKIE: &str = "weathervane_session";

/// Name of the form field, and of the header, that carry the token against forged requests.
pub(super) const TOKEN_FIELD: &str = "token";
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

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

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
    let Some(dashboard) = dashboard else { return Err(Refusal::Gone.error_response()) };
    let inner = &dashboard.0;
    let below = request.path().strip_prefix(PATH).unwrap_or_default().to_owned();
    if assets::is_asset(&below) {
        return Ok(());
    }
    let is_login = below == login::PATH;
    let place = place(request);
    let (is_local, is_foreign) = (place.is_local(), place.is_foreign());
    let way_in = match inner.access.control() {
        Control::Closed => return Err(Refusal::Closed.error_response()),
        Control::Open if !is_local => return Err(Refusal::NotLocal.error_response()),
        Control::Open => WayIn::Open,
        Control::Password => match way_in(&dashboard, request).await {
            Some(way_in) => way_in,
            None if is_login => WayIn::None,
            None => return Err(login::ask(request)),
        },
    };
    let visitor = Visitor::new(&inner.keys, way_in);
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        if is_foreign {
            return Err(Refusal::Foreign.error_response());
        }
        // The login form has a token of its own: there is no session yet to make one for.
        if !is_login {
            let given = form_token(request).await.map_err(|refused| refused.error_response())?;
            if !inner.keys.is_form_token(visitor.holder(), &given) {
                return Err(Refusal::StaleForm.error_response());
            }
        }
    }
    request.extensions_mut().insert(visitor);
    Ok(())
}

fn place(request: &ServiceRequest) -> Place<'_> {
    Place::read(|name| request.headers().get(name).map(HeaderValue::as_bytes))
}

/// How a visitor proves to be the operator, if they do.
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
async fn form_token(request: &mut ServiceRequest) -> Result<String, Refusal> {
    if let Some(token) = request.headers().get(TOKEN_HEADER) {
        return Ok(token.to_str().unwrap_or_default().to_owned());
    }
    let mut payload = request.take_payload();
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Form("it was cut off".to_owned()))?;
        if body.len() + chunk.len() > MAX_FORM_BYTES {
            return Err(Refusal::Form(format!("it is larger than {MAX_FORM_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let body = body.freeze();
    let token = form_urlencoded::parse(&body).find(|(name, _)| name == TOKEN_FIELD);
    let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
    let whole = stream::once(async move { Ok(body) });
    request.set_payload(Payload::Stream { payload: Box::pin(whole) });
    Ok(token)
}
