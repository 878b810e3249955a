//! The door: translates between Label Studio's protocol and the rooms, and decides nothing else.

pub mod auth;
mod body;
pub mod error;
mod health;
mod jobs;
mod log;
mod predict;
mod projects;
mod queue;
mod setup;
mod versions;
mod webhook;

use actix_web::web;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::embed::Embedder;
use crate::models::Models;
use crate::queue::Queue;
use crate::storage::Storage;
use crate::training::Training;
use auth::{Access, SecretPathGuard};
use error::ApiError;
pub use log::log;

/// What the routes need.
pub struct State {
    pub access: Access,
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub training: Training,
    pub queue: Queue,
    pub metrics: PrometheusHandle,
    pub limits: BodyLimits,
    /// Probability below which a region is hidden where the label config has no threshold of its own.
    pub score_threshold: Option<f32>,
    /// What this installation lacks, for the person who looks at the status route.
    pub advice: Vec<String>,
    /// Unix microseconds.
    pub now: fn() -> i64,
}

/// Version names `GET /versions` answers at most: Label Studio asks without saying which project.
const VERSION_NAMES: usize = 200;

/// How much one request may bring.
#[derive(Clone, Copy)]
pub struct BodyLimits {
    pub bytes: usize,
    pub tasks: usize,
}

/// Adds every route, twice where there is a secret path: below it and at the root.
pub fn routes(access: Access) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        if access.secret_path.is_some() {
            config.service(web::scope("/{secret}").guard(SecretPathGuard(access)).configure(protocol));
        }
        config.configure(protocol);
        config.default_service(web::route().to(unknown));
    }
}

/// Label Studio's protocol, and the status routes beside it.
fn protocol(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(["", "/"]).get(health::health).head(health::health))
        .service(web::resource(["/health", "/health/"]).get(health::health).head(health::health))
        .service(web::resource("/metrics").get(health::metrics))
        .service(web::resource("/versions").get(versions::names))
        .service(web::resource("/setup").post(setup::setup))
        .service(web::resource("/predict").post(predict::predict))
        .service(web::resource("/webhook").post(webhook::webhook))
        .service(web::resource("/train").post(jobs::train))
        .service(web::resource("/job_status").post(jobs::job_status))
        .service(web::resource("/api/projects").get(projects::list))
        .service(web::resource("/api/projects/{project}").get(projects::show))
        .service(web::resource("/api/projects/{project}/queue").get(queue::show))
        .service(web::resource("/api/projects/{project}/review").get(queue::review))
        .service(web::resource("/api/projects/{project}/pin").post(versions::pin))
        .service(web::resource("/api/projects/{project}/versions/{number}/activate").post(versions::activate))
        .service(web::resource("/api/jobs/{job}").get(jobs::show));
}

async fn unknown(request: actix_web::HttpRequest) -> Result<&'static str, ApiError> {
    // The secret path must not come back in an answer that a log may keep.
    let name = request.path().rsplit('/').next().unwrap_or_default().chars().take(80).collect();
    Err(ApiError::NotFound { what: "route", name })
}
