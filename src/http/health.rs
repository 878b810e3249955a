//! `GET /`, `GET /health`, `GET /metrics`: answers that wait for nothing.

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, HeaderMap, LOCATION, VARY};
use actix_web::web::{self, Json, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::error::ApiError;
use super::shapes::{PROTOCOL, STATUS};

/// Path of the dashboard; it has a guard of its own.
pub(super) const DASHBOARD: &str = "/ui";

/// Exactly the two keys Label Studio's own test expects
#[derive(Serialize, ToSchema)]
pub struct Health {
    model_class: &'static str,
    status: &'static str,
}

const UP: Health = Health { model_class: "Weathervane", status: "UP" };

/// The same as `/health`; who accepts HTML, as a browser does, is sent to the dashboard
#[utoipa::path(method(get, head), path = "/", tag = PROTOCOL,
    responses((status = 200, description = "the server listens", body = Health),
        (status = 302, description = "to the dashboard, where `Accept` names `text/html`")))]
pub async fn root(request: HttpRequest) -> HttpResponse {
    if is_visit(request.method(), request.path(), request.headers()) {
        let to = (LOCATION, DASHBOARD);
        return HttpResponse::Found().insert_header(to).insert_header((VARY, "Accept")).finish();
    }
    HttpResponse::Ok().json(UP)
}

/// `true` if a person opened the server's own address in a browser. Clients of the protocol accept anything (`*/*`) or JSON.
/// The secret path leads nowhere else: it is Label Studio's.
pub(super) fn is_visit(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let html = |accept: &str| accept.to_ascii_lowercase().contains("text/html");
    let accepts = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).any(html);
    *method == Method::GET && matches!(path, "" | "/") && accepts
}

/// Query parameters of `/health`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// With any value or none: also whether the database takes writes. One row is written.
    ready: Option<String>,
}

/// Whether the server listens, which waits for nothing; with `?ready`, whether it can also store what it is sent
#[utoipa::path(method(get, head), path = "/health", tag = PROTOCOL, params(Asked),
    responses((status = 200, description = "the server listens", body = Health),
        (status = 503, description = "with `?ready`: the database takes no writes")))]
pub async fn health(state: web::Data<ApiState>, asked: Query<Asked>) -> Result<Json<Health>, ApiError> {
    if asked.ready.is_some() {
        state.storage.check_writable((state.now)()).await?;
    }
    Ok(Json(UP))
}

/// Metrics in Prometheus' text format
#[utoipa::path(get, path = "/metrics", tag = STATUS,
    responses((status = 200, description = "Prometheus text format 0.0.4", body = String, content_type = "text/plain")))]
pub async fn metrics(state: web::Data<ApiState>) -> HttpResponse {
    state.metrics.run_upkeep();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
