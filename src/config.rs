//! Settings: one grouped struct, read from flags and environment, validated before anything starts.
//!
//! Names users already know from other Label Studio backends (`PORT`, `MODEL_DIR`, `LABEL_STUDIO_URL`,
//! `LABEL_STUDIO_API_KEY`, `BASIC_AUTH_USER`, `START_TRAINING_EACH_N_UPDATES`, ...) keep their meaning.

mod label_studio;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
pub use label_studio::LabelStudioSettings;
use secrecy::{ExposeSecret, SecretString};

/// Everything `weathervane serve` can be told.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    #[command(flatten)]
    pub server: ServerSettings,
    #[command(flatten)]
    pub storage: StorageSettings,
    #[command(flatten)]
    pub label_studio: LabelStudioSettings,
    #[command(flatten)]
    pub images: ImageSettings,
    #[command(flatten)]
    pub model: ModelSettings,
    #[command(flatten)]
    pub training: TrainingSettings,
    #[command(flatten)]
    pub queue: QueueSettings,
    #[command(flatten)]
    pub pool: PoolSettings,
}

/// Address of the server, and the credentials that open it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct AddressSettings {
    /// Address to listen on; 0.0.0.0 serves other machines too (set a password then: the dashboard stays closed without)
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// Port to listen on; 0 takes a free one and prints it
    #[arg(long, env = "PORT", default_value_t = 9090)]
    pub port: u16,

    /// User name for HTTP Basic authentication on every route, and for the dashboard at /ui; needs --basic-auth-pass too
    #[arg(long, env = "BASIC_AUTH_USER", hide_env_values = true)]
    pub basic_auth_user: Option<SecretString>,

    /// Password for HTTP Basic authentication
    #[arg(long, env = "BASIC_AUTH_PASS", hide_env_values = true)]
    pub basic_auth_pass: Option<SecretString>,

    /// Secret first path segment: `http://host:9090/SECRET` then works without Basic authentication,
    /// for Label Studio's webhooks, which carry no credentials, but not for the dashboard and /api; 16 to 128 letters,
    /// digits, `-`, `_`
    #[arg(long, env = "SECRET_PATH", hide_env_values = true)]
    pub secret_path: Option<SecretString>,
}

/// Address and limits of the server, and what it alone keeps up with Label Studio.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    #[command(flatten)]
    pub address: AddressSettings,

    /// Write the port in use to this file once the server listens (useful with --port 0)
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,

    /// Names besides localhost by which others on this machine ask a server that has no password and listens on a loopback
    /// address. Any other is refused: a web page can let its own name lead here (DNS rebinding)
    #[arg(
        long,
        env = "ALLOWED_HOST",
        value_name = "NAME,..",
        value_delimiter = ',',
        default_value = "host.docker.internal,host.containers.internal"
    )]
    pub allowed_host: Vec<String>,

    /// Threads that answer HTTP requests
    #[arg(long, env = "THREADS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,

    /// Largest request body, in bytes
    #[arg(long, env = "MAX_BODY_BYTES", default_value_t = 16 * 1024 * 1024)]
    pub max_body_bytes: usize,

    /// Most tasks in one predict request
    #[arg(long, env = "MAX_TASKS_PER_REQUEST", default_value_t = 20_000)]
    pub max_tasks_per_request: usize,

    /// Address of Label Studio as the browser sees it, for links in the dashboard; by default the same
    #[arg(long, help_heading = "Label Studio", env = "LABEL_STUDIO_PUBLIC_URL", value_name = "URL")]
    pub label_studio_public_url: Option<String>,

    /// Seconds between comparisons of our labels with Label Studio's; 0 turns them off
    #[arg(long, help_heading = "Label Studio", env = "RECONCILE_SECONDS", default_value_t = 600)]
    pub reconcile_seconds: u64,
}

/// Storage of labels, embeddings and models.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Storage")]
pub struct StorageSettings {
    /// Directory for the database and the model files
    #[arg(long, env = "MODEL_DIR", default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// PostgreSQL instead of the SQLite file in the data directory, e.g. postgres://user:password@host/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
}

/// Limits on fetching images.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Images")]
pub struct ImageSettings {
    /// Also fetch images from these networks, e.g. `10.1.0.0/16,fd00::/8`; by default only from public addresses
    /// and Label Studio itself
    #[arg(long, env = "FETCH_ALLOW_CIDR", value_delimiter = ',', value_name = "CIDR")]
    pub fetch_allow_cidr: Vec<IpNet>,

    /// Largest image file, in bytes
    #[arg(long, env = "MAX_IMAGE_BYTES", default_value_t = 20_000_000)]
    pub max_image_bytes: usize,

    /// Largest image, in pixels (width x height)
    #[arg(long, env = "MAX_IMAGE_PIXELS", default_value_t = 40_000_000)]
    pub max_image_pixels: u64,

    /// Time for one image, in seconds: connect, redirects and download together
    #[arg(long, env = "IMAGE_TIMEOUT_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub image_timeout_seconds: u64,

    /// Downloads at once
    #[arg(long, env = "MAX_DOWNLOADS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_downloads: u16,
}

/// Network that embeds the images, and the device it runs on.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Model")]
pub struct ModelSettings {
    /// `lite0` (160 px, all depths), `lite0-fast` (128 px, faster and a little less exact), or a backbone file
    #[arg(long, env = "BACKBONE", default_value = "lite0", value_name = "NAME|FILE")]
    pub backbone: String,

    /// What runs the tensors
    #[arg(long, env = "DEVICE", default_value = "flex")]
    pub device: Device,

    /// Threads that look at images, one image each; 0 = one per core
    #[arg(long, env = "INFERENCE_THREADS", default_value_t = 0)]
    pub inference_threads: usize,

    /// Tick nothing whose probability is lower, where the label config has no `model_score_threshold` of its own;
    /// 0 to 1
    #[arg(long, env = "MODEL_SCORE_THRESHOLD", value_name = "0..1")]
    pub model_score_threshold: Option<f32>,

    /// Don't pre-annotate weather projects with the built-in starter model
    #[arg(long, env = "NO_STARTER")]
    pub no_starter: bool,
}

/// Devices by the names users type.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// the fast one
    Flex,
    /// a slow, independent numeric check, which `make run` leaves out and `cargo build` has
    Ndarray,
}

/// Conditions that start a training.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Training")]
pub struct TrainingSettings {
    /// What starts a training
    #[arg(long, env = "TRAIN_TRIGGER", default_value = "submit")]
    pub train_trigger: TriggerSetting,

    /// Annotation changes that make a training worth it
    #[arg(long, env = "START_TRAINING_EACH_N_UPDATES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub train_each_n_updates: u32,

    /// Wait until no annotation came for so long, in milliseconds
    #[arg(long, env = "TRAIN_QUIET_MS", default_value_t = 500)]
    pub train_quiet_ms: u64,

    /// But wait no longer than this after the first one, in milliseconds
    #[arg(long, env = "TRAIN_MAX_WAIT_MS", default_value_t = 5_000)]
    pub train_max_wait_ms: u64,
}

/// Changes to Label Studio's projects that are left out.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Queue")]
pub struct LeaveAloneSettings {
    /// Don't set the project's sampling to "Uncertainty sampling", without which Label Studio ignores the order
    #[arg(long, env = "KEEP_SAMPLING")]
    pub keep_sampling: bool,

    /// Change nothing in Label Studio's projects: no order, no title, no sampling, no view, and `connect` adds only the
    /// backend and its webhook
    #[arg(long, env = "LEAVE_PROJECTS_ALONE")]
    pub leave_projects_alone: bool,
}

/// Memory of the pool.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Queue")]
pub struct PoolSettings {
    /// Memory for the embeddings of each project's tasks, in megabytes; 1,000 MB hold 230,000 tasks
    #[arg(long, env = "POOL_MEMORY_MB", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub pool_memory_mb: u32,
}

/// Order in which Label Studio serves tasks.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Queue")]
pub struct QueueSettings {
    #[command(flatten)]
    pub projects: LeaveAloneSettings,

    /// Tasks at the head of the ranking that are written to Label Studio after every training; 0 leaves its order alone
    #[arg(long, env = "QUEUE_TASKS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(0..=999))]
    pub queue_tasks: u16,

    /// What the scores of these predictions carry
    #[arg(long, env = "QUEUE_ORDER", default_value = "rank")]
    pub queue_order: OrderSetting,

    /// Don't keep a view "Most useful first" in the Data Manager
    #[arg(long, env = "NO_QUEUE_VIEW")]
    pub no_queue_view: bool,
}

impl QueueSettings {
    /// Tasks that are written to Label Studio in the ranking's order.
    pub fn tasks_written(&self) -> usize {
        if self.projects.leave_projects_alone { 0 } else { usize::from(self.queue_tasks) }
    }
}

/// Content of the scores of the queue's predictions.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderSetting {
    /// the place in the ranking
    Rank,
    /// the certainty of the prediction in whole percents, as Label Studio shows it, and the place only within one percent:
    /// reads better, and needs a few labels more
    Certainty,
}

/// Format of log lines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// for people
    Text,
    /// one JSON object a line
    Json,
}

/// Event that starts a training.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerSetting {
    /// every change of an annotation
    Submit,
    /// changes in projects whose toggle "Start model training on annotation submission" is on
    Toggle,
    /// only "Start training" and `POST /train`
    Manual,
}

/// A setting that can't be used; the message names the flag and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: {problem}")]
pub struct SettingsError {
    flag: &'static str,
    problem: String,
}

fn wrong(flag: &'static str, problem: impl Into<String>) -> SettingsError {
    SettingsError { flag, problem: problem.into() }
}

/// Shortest and longest secret path, in characters: 16 of 64 kinds are 96 bits.
const SECRET_PATH_CHARS: std::ops::RangeInclusive<usize> = 16..=128;

impl Settings {
    /// Address of Label Studio for links, checked.
    ///
    /// # Errors
    /// As [`LabelStudioSettings::base_url`].
    pub fn public_url(&self) -> Result<Option<url::Url>, SettingsError> {
        let public = self.server.label_studio_public_url.as_deref();
        match label_studio::address("--label-studio-public-url", public)? {
            Some(url) => Ok(Some(url)),
            None => self.label_studio.base_url(),
        }
    }

    /// Checks what the types can't say.
    ///
    /// # Errors
    /// The first setting that contradicts another or can't work, with the flag's name and what to do.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.server.address.validate()?;
        self.label_studio.base_url()?;
        self.public_url()?;
        if let Some(threshold) = self.model.model_score_threshold
            && !(0.0..=1.0).contains(&threshold)
        {
            return Err(wrong("--model-score-threshold", format!("{threshold} is not between 0 and 1")));
        }
        if self.training.train_max_wait_ms < self.training.train_quiet_ms {
            return Err(wrong(
                "--train-max-wait-ms",
                format!(
                    "{} ms is shorter than --train-quiet-ms ({} ms); raise it",
                    self.training.train_max_wait_ms, self.training.train_quiet_ms
                ),
            ));
        }
        if let Some(root) = &self.label_studio.local_files_root
            && !root.is_dir()
        {
            return Err(wrong("--local-files-root", format!("`{}` is not a directory", root.display())));
        }
        Ok(())
    }
}

impl AddressSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        match (&self.basic_auth_user, &self.basic_auth_pass) {
            (Some(_), None) => return Err(wrong("--basic-auth-pass", "missing; --basic-auth-user needs it")),
            (None, Some(_)) => return Err(wrong("--basic-auth-user", "missing; --basic-auth-pass needs it")),
            (Some(user), Some(_)) if user.expose_secret().contains(':') => {
                return Err(wrong("--basic-auth-user", "must not contain `:` (RFC 7617)"));
            }
            _ => {}
        }
        if let Some(secret) = &self.secret_path {
            let secret = secret.expose_secret();
            let plain = secret.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !plain || !SECRET_PATH_CHARS.contains(&secret.len()) {
                return Err(wrong(
                    "--secret-path",
                    "must have 16 to 128 letters, digits, `-` or `_`; try `openssl rand -hex 16`",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
