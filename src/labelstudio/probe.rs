//! Probe of a running weathervane: it is asked as Label Studio would ask it, to check that Label Studio's requests arrive.

use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{StatusCode, Url};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::{Credentials, http};
use crate::domain::ids::ProjectId;

/// Time for one answer; Label Studio itself waits 1 s for health and 3 s for set-up.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer, in bytes: the projects of a busy server.
const MAX_BYTES: usize = 20_000_000;

/// Name of the server in `GET /health`.
const NAME: &str = "Weathervane";

/// Reason why the server could not be asked. No text holds its address, which may hold a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    #[error("the server wants other credentials")]
    Refused,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("there answers something, but it is not weathervane: {0}")]
    Stranger(String),
}

/// Number of webhooks that the server received of a project since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ReceivedWebhooks {
    /// Webhooks, repeated deliveries too.
    pub received: u64,
}

/// State of a project on the server.
#[derive(Clone, Debug, Deserialize)]
pub struct ServerStatus {
    /// The version that serves.
    pub version: String,
    pub queue: QueueStanding,
    /// The newest first.
    pub versions: Vec<VersionStanding>,
    jobs: Vec<JobStanding>,
}

/// State of Label Studio's queue.
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

impl ServerStatus {
    /// `true` if a training waits or runs.
    pub fn is_working(&self) -> bool {
        self.jobs.iter().any(|job| matches!(job.state.as_str(), "queued" | "running"))
    }

    /// Reason why the last training or write-back failed.
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
        let http = http::build(|| reqwest::Client::builder().timeout(TIMEOUT))
            .map_err(|error| ProbeError::Unreachable(http::reason(&error)))?;
        Ok(Self { http, base, credentials })
    }

    /// Asks for `/health` and checks that a weathervane answers.
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
        Ok(self.webhook_log().await?.into_iter().map(|(project, _)| project).collect())
    }

    /// Asks for the number of webhooks that it received of a project.
    ///
    /// # Errors
    /// As [`Probe::health`].
    pub async fn received_webhooks(&self, project: ProjectId) -> Result<ReceivedWebhooks, ProbeError> {
        let all = self.webhook_log().await?;
        Ok(all.into_iter().find(|(id, _)| *id == project).map(|(_, received)| received).unwrap_or_default())
    }

    async fn webhook_log(&self) -> Result<Vec<(ProjectId, ReceivedWebhooks)>, ProbeError> {
        let answer = self.get("webhooks/received").await?;
        let projects = answer["projects"].as_array().into_iter().flatten();
        let read = |project: &Value| {
            let received = serde_json::from_value(project["webhooks"].clone()).ok()?;
            Some((ProjectId(project["id"].as_i64()?), received))
        };
        Ok(projects.filter_map(read).collect())
    }

    /// Asks for the state of a project.
    ///
    /// # Errors
    /// As [`Probe::health`]; a project that it does not know.
    pub async fn status(&self, project: ProjectId) -> Result<ServerStatus, ProbeError> {
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
            false => ProbeError::Unreachable(http::reason(&error)),
        };
        let response = request.send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::UNAUTHORIZED => return Err(ProbeError::Refused),
            status if !status.is_success() => return Err(ProbeError::Status(status.as_u16())),
            _ => {}
        }
        let body = http::read(response, MAX_BYTES)
            .await
            .map_err(|_| ProbeError::Stranger("its answer broke off or is too large".to_owned()))?;
        serde_json::from_slice(&body)
            .map_err(|_| ProbeError::Stranger("its answer is not valid JSON".to_owned()))
    }
}
