//! `GET /`, `GET /health`, `GET /metrics`: answers that wait for nothing.

use actix_web::HttpResponse;
use actix_web::web::{self, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::openapi::{PROTOCOL, STATUS};

/// Exactly the two keys Label Studio's own test expects
#[derive(Serialize, ToSchema)]
pub struct Health {
    model_class: &'static str,
    status: &'static str,
}

const UP: Health = Health { model_class: "Weathervane", status: "UP" };

/// The same as `/health`
#[utoipa::path(method(get, head), path = "/", tag = PROTOCOL,
    responses((status = 200, description = "the server listens", body = Health)))]
pub async fn root() -> Json<Health> {
    Json(UP)
}

/// Whether the server listens; waits for nothing
#[utoipa::path(method(get, head), path = "/health", tag = PROTOCOL,
    responses((status = 200, description = "the server listens", body = Health)))]
pub async fn health() -> Json<Health> {
    Json(UP)
}

/// Metrics in Prometheus' text format
#[utoipa::path(get, path = "/metrics", tag = STATUS,
    responses((status = 200, description = "Prometheus text format 0.0.4", body = String, content_type = "text/plain")))]
pub async fn metrics(state: web::Data<State>) -> HttpResponse {
    state.metrics.run_upkeep();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
