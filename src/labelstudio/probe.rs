//! A running weathervane asked as Label Studio would ask it, to see whether what Label Studio sends arrives.

use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{StatusCode, Url};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::{Credentials, wire};
use crate::domain::ids::ProjectId;

/// Time for one answer; Label Studio itself waits 1 s for health and 3 s for set-up.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer, in bytes: the projects of a busy server.
const MAX_BYTES: usize = 20_000_000;

/// What the server calls itself in `GET /health`.
const NAME: &str = "Weathervane";

/// Why the server could not be asked. No text holds its address, which may hold a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    #[error("the server wants other credentials")]
    Refused,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("there answers something, but it is no weathervane: {0}")]
    Stranger(String),
}

/// What the server heard of a project since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Heard {
    /// Webhooks, repeated deliveries too.
    pub received: u64,
}

/// Where a project stands on the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Standing {
    /// The version that serves.
    pub version: String,
    pub queue: QueueStanding,
    /// The newest first.
    pub versions: Vec<VersionStanding>,
    jobs: Vec<JobStanding>,
}

/// How Label Studio's queue follows.
#[derive(Clone, Debug, Deserialize)]
pub struct QueueStanding {
    /// The version in whose order Label Studio serves.
    pub version: Option<String>,
    problem: Option<String>,
}

/// A version of the project's model.
#[derive(Clone, Debug, Deserialize)]
pub struct VersionStanding {
    /// Labelled tasks it learnt from.
    pub labels: usize,
    heads: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct JobStanding {
    state: String,
    error: Option<String>,
}

impl Standing {
    /// Whether a training waits or runs.
    pub fn is_working(&self) -> bool {
        self.jobs.iter().any(|job| matches!(job.state.as_str(), "queued" | "running"))
    }

    /// Why the last training or write-back failed.
    pub fn problem(&self) -> Option<String> {
        self.queue.problem.clone().or_else(|| self.jobs.first().and_then(|job| job.error.clone()))
    }

    /// Accuracy of a head of the newest version, out of fold on its own labels.
    pub fn accuracy(&self, from_name: &str) -> Option<f64> {
        let head = self.versions.first()?.heads.iter().find(|head| head["from_name"] == from_name)?;
        head["evaluation"]["accuracy"].as_f64()
    }
}

/// The address of a weathervane.
pub struct Probe {
    http: reqwest::Client,
    base: Url,
    credentials: Option<Credentials>,
}

impl Probe {
    /// `base` carries the secret path, if there is one.
    ///
    /// # Errors
    /// The HTTP client can't be built.
    pub fn new(base: Url, credentials: Option<Credentials>) -> Result<Self, ProbeError> {
        let http = wire::build(|| reqwest::Client::builder().timeout(TIMEOUT))
            .map_err(|error| ProbeError::Unreachable(wire::reason(&error)))?;
        Ok(Self { http, base, credentials })
    }

    /// Asks for `/health` and whether a weathervane answers.
    ///
    /// # Errors
    /// Nothing, a stranger, or a server with other credentials answers.
    pub async fn health(&self) -> Result<(), ProbeError> {
        let health = self.get("health").await?;
        match health["model_class"].as_str() {
            Some(NAME) => Ok(()),
            Some(other) => Err(ProbeError::Stranger(format!("its health names `{other}`"))),
            None => Err(ProbeError::Stranger("its health has no `model_class`".to_owned())),
        }
    }

    /// Ids of the projects it knows and Label Studio had at the last comparison.
    ///
    /// # Errors
    /// As [`Probe::health`].
    pub async fn projects(&self) -> Result<Vec<ProjectId>, ProbeError> {
        Ok(self.all_heard().await?.into_iter().map(|(project, _)| project).collect())
    }

    /// What it heard of a project.
    ///
    /// # Errors
    /// As [`Probe::health`].
    pub async fn heard(&self, project: ProjectId) -> Result<Heard, ProbeError> {
        let all = self.all_heard().await?;
        Ok(all.into_iter().find(|(id, _)| *id == project).map(|(_, heard)| heard).unwrap_or_default())
    }

    async fn all_heard(&self) -> Result<Vec<(ProjectId, Heard)>, ProbeError> {
        let answer = self.get("heard").await?;
        let projects = answer["projects"].as_array().into_iter().flatten();
        let read = |project: &Value| {
            let heard = serde_json::from_value(project["webhooks"].clone()).ok()?;
            Some((ProjectId(project["id"].as_i64()?), heard))
        };
        Ok(projects.filter_map(read).collect())
    }

    /// Where a project stands.
    ///
    /// # Errors
    /// As [`Probe::health`]; a project it never heard of.
    pub async fn standing(&self, project: ProjectId) -> Result<Standing, ProbeError> {
        let shown = self.get(&format!("api/projects/{project}")).await?;
        serde_json::from_value(shown).map_err(|error| ProbeError::Stranger(error.to_string()))
    }

    async fn get(&self, path: &str) -> Result<Value, ProbeError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        let mut request = self.http.get(url);
        if let Some(credentials) = &self.credentials {
            request = request.header(AUTHORIZATION, credentials.header().expose_secret());
        }
        let unreachable = |error: reqwest::Error| match error.is_timeout() {
            true => ProbeError::Unreachable(format!("no answer within {} s", TIMEOUT.as_secs())),
            false => ProbeError::Unreachable(wire::reason(&error)),
        };
        let response = request.send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::UNAUTHORIZED => return Err(ProbeError::Refused),
            status if !status.is_success() => return Err(ProbeError::Status(status.as_u16())),
            _ => {}
        }
        let body = wire::read(response, MAX_BYTES)
            .await
            .map_err(|_| ProbeError::Stranger("its answer broke off or is too large".to_owned()))?;
        serde_json::from_slice(&body).map_err(|_| ProbeError::Stranger("its answer is no JSON".to_owned()))
    }
}
