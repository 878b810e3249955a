//! The dashboard: what the program knows, as web pages at `/ui`.
//!
//! Rendered here, charts too; forms and links do everything, and a small script only follows what changes.
//! Pages read memory, indexed counts and what the background keeps ready, so that none waits for a whole table.

mod assets;
mod at_connect;
mod charts;
mod computed;
mod counts;
mod findings;
mod guard;
mod health;
mod history;
mod jobs;
mod layout;
mod live;
mod login;
mod map;
mod now;
mod project;
mod projects;
mod queue;
mod refusal;
mod suspects;
mod tags;
mod thresholds;
mod thumbnails;
mod versions;
mod visit;
mod words;

use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{Route, guard as guards, web};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::access::{Access, Keys, Throttle};
use crate::domain::ids::ProjectId;
use crate::embed::Embedder;
use crate::labelstudio::Media;
use crate::models::Models;
use crate::queue::{Comparison, Queue, Ranking};
use crate::ranking::Strategy;
use crate::storage::Storage;
use crate::training::Training;
use crate::vision::Limits;
use computed::Computed;
use counts::Counts;
use findings::Findings;
use history::History;
use live::Live;
use map::Maps;
use thumbnails::Thumbnails;

/// Where the dashboard stands.
pub const PATH: &str = "/ui";

/// What the dashboard needs from other rooms.
pub struct Rooms {
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub training: Training,
    pub queue: Queue,
    pub media: Media,
}

/// What it needs to know of the installation.
pub struct Installation {
    pub access: Access,
    /// Attempts at the password, those elsewhere on this server too.
    pub throttle: Arc<Throttle>,
    /// Label Studio as the browser reaches it, for links to tasks.
    pub label_studio: Option<Url>,
    /// Whether Label Studio's queue can be written: an address and a token are set.
    pub writes_queue: bool,
    /// How much of an image is looked at.
    pub limits: Limits,
    /// Thumbnails made at once.
    pub decoders: usize,
    /// What is missing, for people.
    pub advice: Vec<String>,
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
    queue: Queue,
    access: Access,
    keys: Keys,
    throttle: Arc<Throttle>,
    label_studio: Option<Url>,
    writes_queue: bool,
    advice: Vec<String>,
    now: fn() -> i64,
    counts: Counts,
    live: Live,
    thumbnails: Thumbnails,
    history: History,
    /// By strategy, and by the tag whose images alone are ranked.
    rankings: Computed<(ProjectId, Option<Strategy>, Option<String>), Ranking>,
    findings: Computed<ProjectId, Findings>,
    comparisons: Computed<(ProjectId, i64, i64), Comparison>,
    maps: Maps,
}

/// Rankings, findings and comparisons kept of each kind: some hundred kilobytes each at most.
const KEPT: u64 = 200;

impl Dashboard {
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn new(rooms: Rooms, installation: Installation) -> Result<Self, getrandom::Error> {
        let Rooms { storage, embedder, models, training, queue, media } = rooms;
        let Installation { access, throttle, label_studio, writes_queue, limits, decoders, advice, now } =
            installation;
        let keys = match &access.basic {
            Some((user, password)) => Keys::of(user, password),
            None => Keys::from_random(guard::random()?),
        };
        let live = Live::new();
        // What takes seconds must not keep back what takes moments.
        let (quick, slow) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        Ok(Self(Arc::new(Inner {
            counts: Counts::new(storage.clone()),
            history: History::new(storage.clone()),
            rankings: Computed::new(KEPT, Arc::clone(&quick), live.clone()),
            findings: Computed::new(KEPT, Arc::clone(&quick), live.clone()),
            comparisons: Computed::new(KEPT, Arc::clone(&quick), live.clone()),
            maps: Maps::new(&quick, &slow, &live),
            live,
            thumbnails: Thumbnails::new(media, limits, decoders),
            throttle,
            storage,
            embedder,
            models,
            training,
            queue,
            access,
            keys,
            label_studio,
            writes_queue,
            advice,
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
fn look() -> Route {
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
    suspects::ENTRIES,
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
    let scope = scope.default_service(web::to(refusal::unknown));
    config.service(scope.wrap(from_fn(guard::guard)).wrap(from_fn(guard::headers)));
}
