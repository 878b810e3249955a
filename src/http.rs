//! The door: Label Studio's protocol and the API, with access control and the limits on bodies, translated for the rooms.

pub mod auth;
mod body;
pub mod error;
mod health;
mod jobs;
mod log;
mod openapi;
mod predict;
mod projects;
mod queue;
mod setup;
mod shapes;
mod tasks;
mod versions;
mod webhook;
mod webhook_log;

use std::sync::{Arc, Once};

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{Route, web};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::access::{Access, Throttle};
use crate::domain::label_config::LabelConfigs;
use crate::embed::Embedder;
use crate::models::Models;
use crate::pool::Pool;
use crate::queue::Queue;
use crate::storage::Storage;
use crate::training::Training;
use auth::SecretPathGuard;
use error::ApiError;
pub use log::log;

/// State shared by the routes.
pub struct ApiState {
    pub access: Access,
    /// Attempts at the password.
    pub throttle: Arc<Throttle>,
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub training: Training,
    pub label_configs: LabelConfigs,
    pub pool: Pool,
    pub queue: Queue,
    pub metrics: PrometheusHandle,
    pub limits: BodyLimits,
    /// Probability below which a region is hidden where the label config has no threshold of its own.
    pub score_threshold: Option<f32>,
    /// Settings that this installation lacks, in words for the reader of the status route.
    pub advice: Vec<String>,
    /// Set once somebody asked under a name to which Label Studio keeps no webhook.
    pub warned_of_host: Once,
    /// Unix microseconds.
    pub now: fn() -> i64,
}

/// Version names `GET /versions` answers at most: Label Studio asks without saying which project.
const VERSION_NAMES: usize = 200;

/// Limits on the body of one request.
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

/// A route: the paths it stands at, the methods it takes, who answers, and whom.
struct Endpoint {
    paths: &'static [&'static str],
    methods: &'static [Method],
    handler: fn() -> Route,
    /// Only the operator is answered.
    control: bool,
}

const READ: &[Method] = &[Method::GET];
const PROBE: &[Method] = &[Method::GET, Method::HEAD];
const WRITE: &[Method] = &[Method::POST];

/// Label Studio's protocol, and the status routes beside it. A table, so that a test can hold it against the
/// description of the API.
const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(&["", "/"], PROBE, || web::to(health::root)),
    Endpoint::new(&["/health"], PROBE, || web::to(health::health)),
    Endpoint::new(&["/metrics"], READ, || web::to(health::metrics)),
    Endpoint::new(&["/versions"], READ, || web::to(versions::names)),
    Endpoint::new(&["/setup"], WRITE, || web::to(setup::setup)),
    Endpoint::new(&["/predict"], WRITE, || web::to(predict::predict)),
    Endpoint::new(&["/webhook"], WRITE, || web::to(webhook::webhook)),
    Endpoint::control(&["/train"], WRITE, || web::to(jobs::train)),
    // Its name before 0.2 answers too.
    Endpoint::new(&["/webhooks/received", "/heard"], READ, || web::to(webhook_log::received)),
    Endpoint::new(&["/job_status"], WRITE, || web::to(jobs::job_status)),
    Endpoint::control(&["/api/openapi.json"], READ, || web::to(openapi::openapi)),
    Endpoint::control(&["/api/projects"], READ, || web::to(projects::list)),
    Endpoint::control(&["/api/projects/{project}"], READ, || web::to(projects::show)),
    Endpoint::control(&["/api/projects/{project}/queue"], READ, || web::to(queue::show)),
    Endpoint::control(&["/api/projects/{project}/review"], READ, || web::to(queue::review)),
    Endpoint::control(&["/api/projects/{project}/pin"], WRITE, || web::to(versions::pin)),
    Endpoint::control(&["/api/projects/{project}/versions/{number}/activate"], WRITE, || {
        web::to(versions::activate)
    }),
    Endpoint::control(&["/api/jobs/{job}"], READ, || web::to(jobs::show)),
];

impl Endpoint {
    const fn new(paths: &'static [&'static str], methods: &'static [Method], handler: fn() -> Route) -> Self {
        Self { paths, methods, handler, control: false }
    }

    const fn control(
        paths: &'static [&'static str],
        methods: &'static [Method],
        handler: fn() -> Route,
    ) -> Self {
        Self { paths, methods, handler, control: true }
    }
}

fn protocol(config: &mut web::ServiceConfig) {
    for endpoint in ENDPOINTS {
        let mut resource = web::resource(endpoint.paths.to_vec());
        for method in endpoint.methods {
            resource = resource.route((endpoint.handler)().method(method.clone()));
        }
        if endpoint.control {
            config.service(resource.wrap(from_fn(auth::require_operator)));
        } else {
            config.service(resource);
        }
    }
}

async fn unknown(request: actix_web::HttpRequest) -> Result<&'static str, ApiError> {
    // The secret path must not come back in an answer that a log may keep.
    let name = request.path().rsplit('/').next().unwrap_or_default().chars().take(80).collect();
    Err(ApiError::NotFound { what: "route", name })
}
