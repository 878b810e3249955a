//! The dashboard: what the program knows, as web pages at `/ui`.
//!
//! Rendered here, charts too; forms and links do everything, and a small script only follows what changes.
//! Pages read memory, indexed counts and what the background keeps ready, so that none waits for a whole table.

mod activity;
mod assets;
mod at_connect;
mod background_cache;
mod charts;
mod context;
mod counts;
mod document;
mod error;
mod format;
mod guard;
mod health;
mod history;
mod jobs;
mod label_errors;
mod layout;
mod live;
mod login;
mod map;
mod project;
mod projects;
mod queue;
mod review;
mod tags;
mod thresholds;
mod thumbnails;
mod versions;

use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{Route, guard as guards, web};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::access::{Access, Keys, Throttle};
use crate::domain::ids::ProjectId;
use crate::domain::label_config::LabelConfigs;
use crate::embed::Embedder;
use crate::media::Media;
use crate::models::Models;
use crate::pool::{Comparison, Pool};
use crate::queue::{Queue, Ranking};
use crate::ranking::Strategy;
use crate::storage::Storage;
use crate::training::Training;
use crate::vision::Limits;
use background_cache::BackgroundCache;
use counts::Counts;
use history::History;
use live::Live;
use map::Maps;
use review::Findings;
use thumbnails::Thumbnails;

/// Path of the dashboard.
pub const PATH: &str = "/ui";

/// Services of other rooms that the dashboard uses.
pub struct DashboardDependencies {
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub training: Training,
    pub label_configs: LabelConfigs,
    pub pool: Pool,
    pub queue: Queue,
    pub media: Media,
}

/// Properties of the installation that the dashboard uses.
pub struct Installation {
    pub access: Access,
    /// Attempts at the password, those elsewhere on this server too.
    pub throttle: Arc<Throttle>,
    /// Label Studio as the browser reaches it, for links to tasks.
    pub label_studio: Option<Url>,
    /// `true` if Label Studio's queue can be written: an address and a token are set.
    pub writes_queue: bool,
    /// Limits on decoding an image.
    pub limits: Limits,
    /// Thumbnails made at once.
    pub decoders: usize,
    /// Missing settings, in words for people.
    pub advice: Vec<String>,
    /// Of this process, bytes; `None` where the system does not say.
    pub resident_memory: fn() -> Option<u64>,
    /// Unix microseconds.
    pub now: fn() -> i64,
}

/// The room's handle; clone it freely.
#[derive(Clone)]
pub struct Dashboard(Arc<Inner>);

struct Inner {
    storage: Storage,
    embedder: Embedder,
    models: Models,
    training: Training,
    label_configs: LabelConfigs,
    pool: Pool,
    queue: Queue,
    access: Access,
    keys: Keys,
    throttle: Arc<Throttle>,
    label_studio: Option<Url>,
    writes_queue: bool,
    advice: Vec<String>,
    resident_memory: fn() -> Option<u64>,
    now: fn() -> i64,
    counts: Counts,
    live: Live,
    thumbnails: Thumbnails,
    history: History,
    /// By strategy, and by the tag whose images alone are ranked.
    rankings: BackgroundCache<(ProjectId, Option<Strategy>, Option<String>), Ranking>,
    findings: BackgroundCache<ProjectId, Findings>,
    comparisons: BackgroundCache<(ProjectId, i64, i64), Comparison>,
    maps: Maps,
}

/// Rankings, findings and comparisons kept of each kind: some hundred kilobytes each at most.
const KEPT: u64 = 200;

impl Dashboard {
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn new(
        dependencies: DashboardDependencies,
        installation: Installation,
    ) -> Result<Self, getrandom::Error> {
        let DashboardDependencies { storage, embedder, models, training, label_configs, pool, queue, media } =
            dependencies;
        let Installation {
            access,
            throttle,
            label_studio,
            writes_queue,
            limits,
            decoders,
            advice,
            resident_memory,
            now,
        } = installation;
        let keys = match &access.basic {
            Some((user, password)) => Keys::of(user, password),
            None => Keys::from_random(context::random()?),
        };
        let live = Live::new();
        // What takes seconds must not keep back what takes moments.
        let quick = Arc::new(Semaphore::new(1));
        let slow = Arc::new(Semaphore::new(1));
        Ok(Self(Arc::new(Inner {
            counts: Counts::new(storage.clone()),
            history: History::new(storage.clone()),
            rankings: BackgroundCache::new(KEPT, Arc::clone(&quick), live.clone()),
            findings: BackgroundCache::new(KEPT, Arc::clone(&quick), live.clone()),
            comparisons: BackgroundCache::new(KEPT, Arc::clone(&quick), live.clone()),
            maps: Maps::new(&quick, &slow, &live),
            live,
            thumbnails: Thumbnails::new(media, limits, decoders),
            throttle,
            storage,
            embedder,
            models,
            training,
            label_configs,
            pool,
            queue,
            access,
            keys,
            label_studio,
            writes_queue,
            advice,
            resident_memory,
            now,
        })))
    }

    /// Looks for changes while somebody watches, until `stop`; then pages are told to wait for no more.
    pub async fn keep_watch(&self, stop: CancellationToken) {
        live::watch(self, stop).await;
    }

    /// Ends the streams of changes, so that a stopping server does not wait for them.
    pub fn close(&self) {
        self.0.live.close();
    }
}

/// A page or an action: where, and who answers.
struct Entry {
    path: &'static str,
    handler: fn() -> Route,
}

const fn at(path: &'static str, handler: fn() -> Route) -> Entry {
    Entry { path, handler }
}

/// For what changes nothing: GET, or HEAD for all but the body (RFC 9110, section 9.3.2).
fn get() -> Route {
    web::route().guard(guards::Any(guards::Get()).or(guards::Head()))
}

/// Everything at `/ui`, below it. Each module of a page lists its own.
const PAGES: &[&[Entry]] = &[
    assets::ENTRIES,
    login::ENTRIES,
    live::ENTRIES,
    thumbnails::ENTRIES,
    projects::ENTRIES,
    project::ENTRIES,
    map::ENTRIES,
    queue::ENTRIES,
    label_errors::ENTRIES,
    tags::ENTRIES,
    versions::ENTRIES,
    health::ENTRIES,
];

/// Adds the dashboard's routes; its handle must be among the application's data.
pub fn routes(config: &mut web::ServiceConfig) {
    let mut scope = web::scope(PATH);
    for entry in PAGES.iter().flat_map(|entries| entries.iter()) {
        scope = scope.route(entry.path, (entry.handler)());
    }
    let scope = scope.default_service(web::to(error::unknown));
    config.service(scope.wrap(from_fn(guard::guard)).wrap(from_fn(guard::headers)));
}
