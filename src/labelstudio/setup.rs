//! Requests of `connect` and `doctor` about Label Studio and a project, before anything is trained (1.23).

use std::collections::BTreeMap;

use jiff::fmt::rfc2822;
use reqwest::Method;
use reqwest::header::DATE;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::request::Call;
use super::{Client, LabelStudioError};
use crate::domain::ids::ProjectId;

/// Largest answer, in bytes: a list of thousands of projects fits.
const MAX_BYTES: usize = 20_000_000;

/// Projects searched for a title: Label Studio filters by it, so these are namesakes and longer names.
const NAMESAKES: usize = 1_000;

/// Number of annotations that use each label, by the name of its control tag.
pub type LabelCounts = BTreeMap<String, BTreeMap<String, i64>>;

/// Public information of a Label Studio: no token is needed.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// Such as `1.23.2`.
    pub version: String,
    /// Its clock in Unix seconds, if the answer tells.
    pub unix_seconds: Option<i64>,
}

/// A project's settings; absent and null count as empty.
#[derive(Clone, Debug, Deserialize)]
pub struct ProjectDetails {
    pub id: ProjectId,
    #[serde(default, deserialize_with = "or_default")]
    pub title: String,
    /// XML.
    #[serde(default, deserialize_with = "or_default")]
    pub label_config: String,
    /// Instructions that annotators read before they begin, HTML.
    #[serde(default, deserialize_with = "or_default")]
    pub expert_instruction: String,
    #[serde(default, deserialize_with = "or_default")]
    pub sampling: String,
    /// The toggle "Start model training on annotation submission".
    #[serde(default, deserialize_with = "or_default")]
    pub start_training_on_annotation_update: bool,
    /// The toggle "Use predictions to prelabel tasks".
    #[serde(default, deserialize_with = "or_default")]
    pub show_collab_predictions: bool,
    /// `true` if a submit without any result is accepted.
    #[serde(default, deserialize_with = "or_default")]
    pub enable_empty_annotation: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub task_number: i64,
}

#[derive(Deserialize)]
struct ProjectPage {
    results: Vec<ProjectName>,
}

#[derive(Deserialize)]
struct ProjectName {
    id: ProjectId,
    title: Option<String>,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(default, deserialize_with = "or_default")]
    created_labels: LabelCounts,
}

/// Null is as good as absent.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Client {
    /// Asks for the version (`GET /api/version`), without the token and once.
    ///
    /// # Errors
    /// Not configured, not reachable, or another server than Label Studio.
    pub async fn greet(&self) -> Result<Greeting, LabelStudioError> {
        let call = Call::new("ask for the version", Method::GET, "api/version");
        let (headers, answer) = self.json_with_headers::<Value>(&call, MAX_BYTES).await?;
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        let clock = date.and_then(|text| rfc2822::parse(text).ok());
        Ok(Greeting {
            version: answer["release"].as_str().unwrap_or("of unknown version").to_owned(),
            unix_seconds: clock.map(|clock| clock.timestamp().as_second()),
        })
    }

    /// The projects with exactly this title, oldest first (`GET /api/projects`).
    ///
    /// # Errors
    /// As every call.
    pub async fn projects_titled(&self, title: &str) -> Result<Vec<ProjectId>, LabelStudioError> {
        let call = Call::new(format!("look for project `{title}`"), Method::GET, "api/projects")
            .query("title", title)
            .query("include", "id,title")
            .query("page_size", NAMESAKES.to_string());
        let ProjectPage { results } = self.json(&call, MAX_BYTES).await?;
        let namesakes = results.into_iter().filter(|found| found.title.as_deref() == Some(title));
        let mut ids: Vec<ProjectId> = namesakes.map(|found| found.id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Makes a project (`POST /api/projects`).
    ///
    /// # Errors
    /// As every call; Label Studio refuses titles of fewer than 3 characters and label configs it can't read.
    pub async fn create_project(&self, fields: Value) -> Result<ProjectDetails, LabelStudioError> {
        self.json(&Call::new("make a project", Method::POST, "api/projects").body(fields), MAX_BYTES).await
    }

    /// All settings of a project (`GET /api/projects/{id}`).
    ///
    /// # Errors
    /// [`LabelStudioError::NotFound`] for a project that is not there.
    pub async fn project_details(&self, project: ProjectId) -> Result<ProjectDetails, LabelStudioError> {
        let doing = format!("read project {project}");
        self.json(&Call::new(doing, Method::GET, format!("api/projects/{project}")), MAX_BYTES).await
    }

    /// Number of annotations that use each label (`GET /api/projects/{id}/summary/`).
    ///
    /// # Errors
    /// As every call.
    pub async fn label_counts(&self, project: ProjectId) -> Result<LabelCounts, LabelStudioError> {
        let doing = format!("count the labels of project {project}");
        let call = Call::new(doing, Method::GET, format!("api/projects/{project}/summary/"));
        let Summary { created_labels } = self.json(&call, MAX_BYTES).await?;
        Ok(created_labels)
    }
}
