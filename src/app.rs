//! The hallway: the only place that wires rooms together. Build, then run.

use std::net::TcpListener;
use std::sync::{Arc, Once};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::header::X_CONTENT_TYPE_OPTIONS;
use actix_web::middleware::{Compress, DefaultHeaders, NormalizePath, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::access::Throttle;
use crate::config::{Settings, TriggerSetting};
use crate::dashboard::{self, Dashboard};
use crate::domain::label_config::LabelConfigs;
use crate::embed::Embedder;
use crate::embed::inference::{Inference, Workers};
use crate::http::auth::require;
use crate::http::{ApiState, BodyLimits};
use crate::labelstudio::Client;
use crate::media::Media;
use crate::model::Backbone;
use crate::models::{Blobs, Models};
use crate::pool::{Pool, PoolDependencies};
use crate::queue::{Queue, QueueDependencies};
use crate::storage::Storage;
use crate::training::{Policy, Trainer, TrainerThread, Training, TrainingDependencies, Trigger};
use crate::vision::Limits;
use crate::{http, telemetry};

mod background;
mod certificates;
mod wiring;

pub use wiring::{backbone, client};

/// Images in flight over all requests; beyond them callers are asked to come back.
const MAX_IMAGES_IN_FLIGHT: usize = 20_000;

/// Requests under way get so long to finish after a stop signal.
const DRAIN_SECONDS: u64 = 10;

/// Time for a client to send its request head.
const REQUEST_HEAD: Duration = Duration::from_secs(10);

/// Connections at once, where the system lets so many files be open.
const CONNECTIONS: usize = 4_096;

/// Open files asked for.
const MOST_FILES: u64 = 10_240;

/// Files that must stay free for database, models and images.
const OTHER_FILES: usize = 256;

/// Wired services that do the work, without a door; the command line uses them too.
pub struct Services {
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub training: Training,
    pub label_configs: LabelConfigs,
    pub pool: Pool,
    pub queue: Queue,
    pub label_studio: Client,
    /// Fetcher of the tasks' images.
    pub media: Media,
    /// The network behind the embedder, for images that are no task's.
    pub backbone: Arc<dyn Backbone>,
    threads: (Workers, TrainerThread),
}

/// A server that listens but does not answer yet.
pub struct Application {
    services: Services,
    dashboard: Dashboard,
    server: Server,
    port: u16,
    reconcile_every: Option<Duration>,
    settings: Settings,
}

impl Services {
    /// Opens the stores, loads the backbone, starts the threads.
    ///
    /// # Errors
    /// A store can't be opened, or the backbone file can't be used.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let data_dir = &settings.storage.data_dir;
        std::fs::create_dir_all(data_dir).with_context(|| {
            format!("data directory `{}` can't be made; choose another with --data-dir", data_dir.display())
        })?;
        let storage = open_storage(settings).await?;
        let blobs = Blobs::open(&data_dir.join("models"))?;
        let backbone = tokio::task::spawn_blocking({
            let model = settings.model.clone();
            move || wiring::backbone(&model)
        })
        .await??;
        let threads = threads(settings);
        let starter = wiring::starter(settings);
        let fingerprint = backbone.spec().fingerprint.clone();
        let (inference, workers) = Inference::start(Arc::clone(&backbone), threads, MAX_IMAGES_IN_FLIGHT)?;
        let label_studio = wiring::client(settings)?;
        let media = wiring::media(settings, &label_studio)?;
        let limits = limits(settings);
        let embedder = Embedder::new(storage.clone(), media.clone(), inference, limits, threads, unix_micros);
        let models = Models::new(storage.clone(), blobs, fingerprint, starter);
        let (trainer, trainer_thread) = Trainer::start()?;
        let label_configs = LabelConfigs::default();
        let of_pool = PoolDependencies {
            storage: storage.clone(),
            embedder: embedder.clone(),
            label_configs: label_configs.clone(),
            models: models.clone(),
            label_studio: label_studio.clone(),
        };
        let pool = Pool::new(of_pool, wiring::pool_bytes(settings), unix_micros);
        let of_queue = QueueDependencies {
            storage: storage.clone(),
            pool: pool.clone(),
            models: models.clone(),
            label_studio: label_studio.clone(),
        };
        let queue = Queue::new(of_queue, wiring::queue_policy(settings), unix_micros);
        let of_training = TrainingDependencies {
            storage: storage.clone(),
            label_configs: label_configs.clone(),
            embedder: embedder.clone(),
            models: models.clone(),
            label_studio: label_studio.clone(),
            pool: pool.clone(),
            queue: queue.clone(),
            trainer,
        };
        let training = Training::new(of_training, policy(settings), owner(), unix_micros);
        Ok(Self {
            storage,
            embedder,
            models,
            training,
            label_configs,
            pool,
            queue,
            label_studio,
            media,
            backbone,
            threads: (workers, trainer_thread),
        })
    }

    /// Ends the threads; every other handle to the services must be gone.
    pub fn close(self) {
        let Self {
            threads: (workers, trainer),
            embedder,
            models,
            training,
            pool,
            queue,
            label_studio,
            media,
            ..
        } = self;
        drop((embedder, models, training, pool, queue, label_studio, media));
        workers.join();
        trainer.join();
    }
}

impl Application {
    /// Binds first, so that the port is known, then builds the services.
    ///
    /// # Errors
    /// The address is taken, or a room can't be built.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        settings.validate()?;
        let address = (settings.server.address.host, settings.server.address.port);
        let listener = TcpListener::bind(address).with_context(|| {
            format!(
                "can't listen on {}:{}; is another server there? choose another --port",
                address.0, address.1
            )
        })?;
        let port = listener.local_addr()?.port();
        let services = Services::build(&settings).await?;
        let access = wiring::access(&settings.server);
        let throttle = Arc::new(Throttle::default());
        let dashboard = wiring::dashboard(&settings, &services, &access, &throttle)?;
        let pages = web::Data::new(dashboard.clone());
        let state = web::Data::new(ApiState {
            access: access.clone(),
            throttle,
            storage: services.storage.clone(),
            embedder: services.embedder.clone(),
            models: services.models.clone(),
            training: services.training.clone(),
            label_configs: services.label_configs.clone(),
            pool: services.pool.clone(),
            queue: services.queue.clone(),
            metrics: telemetry::metrics_handle().map_err(anyhow::Error::msg)?,
            limits: BodyLimits {
                bytes: settings.server.max_body_bytes,
                tasks: settings.server.max_tasks_per_request,
            },
            score_threshold: settings.model.model_score_threshold,
            advice: wiring::advice(&settings),
            warned_of_host: Once::new(),
            now: unix_micros,
        });
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .app_data(pages.clone())
                .wrap(from_fn(require))
                .wrap(from_fn(http::log))
                .wrap(Compress::default())
                .wrap(DefaultHeaders::new().add((X_CONTENT_TYPE_OPTIONS, "nosniff")))
                // The last is the first that sees a request: `/setup/` and `//setup` are `/setup` for all others.
                .wrap(NormalizePath::trim())
                .configure(dashboard::routes)
                .configure(http::routes(access.clone()))
        })
        .workers(settings.server.threads.into())
        .client_request_timeout(REQUEST_HEAD)
        // Who closes the connection does not wait for the answer: what was not begun for it is left.
        .h1_allow_half_closed(false)
        .max_connections(connections(settings.server.threads.into()))
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen(listener)?
        .run();
        let seconds = settings.server.reconcile_seconds;
        let reconcile_every = (seconds > 0).then(|| Duration::from_secs(seconds));
        Ok(Self { services, dashboard, server, port, reconcile_every, settings })
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Services behind the door.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Serves until `shutdown` resolves, then drains requests, gives the running job back and ends the threads.
    ///
    /// # Errors
    /// The server ended by itself.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { services, dashboard, server, port, reconcile_every, settings } = self;
        wiring::announce(&settings, port);
        let stop = CancellationToken::new();
        let mut tasks = tokio::task::JoinSet::new();
        services.training.worker().mend_clock().await;
        let loaded = services.models.load_all().await.context("models can't be read from the database")?;
        tracing::info!(projects = loaded, "models loaded");
        services.queue.publisher().announce_again().await;
        tasks.spawn({
            let worker = services.training.worker();
            let stop = stop.clone();
            async move { worker.run(stop).await }
        });
        tasks.spawn(background::keep_truth(
            services.training.clone(),
            services.label_studio.clone(),
            reconcile_every,
            stop.clone(),
        ));
        tasks.spawn({
            let pool = services.pool.clone();
            let publisher = services.queue.publisher();
            let stop = stop.clone();
            async move { tokio::join!(pool.keep_filled(stop.clone()), publisher.keep_published(stop)).0 }
        });
        tasks.spawn({
            let dashboard = dashboard.clone();
            let stop = stop.clone();
            async move { dashboard.keep_watch(stop).await }
        });
        tasks.spawn(background::watch_database_file(services.storage.clone(), stop.clone()));
        tasks.spawn(background::forget_old_events(services.storage.clone(), stop.clone()));
        tasks.spawn(background::follow_versions(
            services.storage.clone(),
            services.models.clone(),
            services.queue.clone(),
            stop.clone(),
        ));

        let handle = server.handle();
        let served = tokio::spawn(server);
        shutdown.await;
        tracing::info!("stopping");
        dashboard.close();
        stop_server(&handle).await;
        drop(dashboard);
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        let served = served.await;
        tokio::task::spawn_blocking(move || services.close()).await?;
        served?.context("the HTTP server failed")
    }
}

async fn stop_server(handle: &ServerHandle) {
    handle.stop(true).await;
}

/// Builds the fetcher of images as the settings say, without the other services.
///
/// # Errors
/// Label Studio's address or the local files root can't be used.
pub fn media(settings: &Settings) -> anyhow::Result<Media> {
    wiring::media(settings, &wiring::client(settings)?)
}

/// The database of the data directory, or the one at `DATABASE_URL`.
///
/// # Errors
/// It can't be reached or opened.
pub async fn open_storage(settings: &Settings) -> anyhow::Result<Storage> {
    match &settings.storage.database_url {
        Some(url) => Ok(Storage::connect(url.expose_secret()).await?),
        None => Ok(Storage::open_dir(&settings.storage.data_dir).await?),
    }
}

fn threads(settings: &Settings) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if settings.model.inference_threads == 0 { cores } else { settings.model.inference_threads }
}

/// Limits on one image.
pub fn limits(settings: &Settings) -> Limits {
    Limits { max_bytes: settings.images.max_image_bytes, max_pixels: settings.images.max_image_pixels }
}

fn policy(settings: &Settings) -> Policy {
    let training = &settings.training;
    let micros = |ms: u64| i64::try_from(ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
    Policy {
        trigger: match training.train_trigger {
            TriggerSetting::Submit => Trigger::Submit,
            TriggerSetting::Toggle => Trigger::Toggle,
            TriggerSetting::Manual => Trigger::Manual,
        },
        each_n_updates: i64::from(training.train_each_n_updates),
        quiet_us: micros(training.train_quiet_ms),
        max_wait_us: micros(training.train_max_wait_ms),
    }
}

/// A name for this process that no other process of the same database has.
fn owner() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    format!("{host}/{}/{}", std::process::id(), unix_micros())
}

/// The wall clock, in Unix microseconds.
pub fn unix_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// Connections at once for each of `threads`, after the limit of open files was raised to what the system allows: else many slow
/// clients would keep files from everything else.
fn connections(threads: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // macOS takes no more than 10,240, whatever it says.
    let wanted = limit.maximum.unwrap_or(MOST_FILES).min(MOST_FILES).max(limit.current.unwrap_or(MOST_FILES));
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let files = if setrlimit(Resource::Nofile, raised).is_ok() { Some(wanted) } else { limit.current };
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    let free = files.saturating_sub(OTHER_FILES).max(files / 2);
    (free.min(CONNECTIONS) / threads).max(16)
}
