//! `GET /`, `GET /health`, `GET /metrics`: answers that wait for nothing.

use actix_web::{HttpResponse, web};

use super::State;

/// Exactly the two keys Label Studio's own test expects.
const UP: &str = r#"{"model_class":"Weathervane","status":"UP"}"#;

/// `GET /` and `GET /health`.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(UP)
}

/// `GET /metrics`, in Prometheus' text format.
pub async fn metrics(state: web::Data<State>) -> HttpResponse {
    state.metrics.run_upkeep();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
