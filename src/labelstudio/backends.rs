//! The wiring of an ML backend in Label Studio 1.23: its row, its webhook, and the guards that refuse either.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::request::Call;
use super::{BackendRow, Client, LabelStudioError};
use crate::domain::ids::ProjectId;

/// Largest answer, in bytes: an organisation's webhooks.
const MAX_BYTES: usize = 20_000_000;

/// No project has this id.
const NO_PROJECT: i64 = 0;

/// User and password of Basic authentication at the backend.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub user: SecretString,
    pub password: SecretString,
}

impl Credentials {
    /// The `Authorization` header's value (RFC 7617).
    pub fn header(&self) -> SecretString {
        let pair = format!("{}:{}", self.user.expose_secret(), self.password.expose_secret());
        SecretString::from(format!("Basic {}", STANDARD.encode(pair)))
    }
}

/// Label Studio's SSRF protection, which refuses addresses of its own network; on by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SsrfProtection {
    /// `ML_BLOCK_LOCAL_IP`, over the backend's address.
    Backend,
    /// `SSRF_PROTECTION_ENABLED`, over the webhook's.
    Webhook,
}

impl SsrfProtection {
    /// The variable of Label Studio's that switches it off.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Backend => "ML_BLOCK_LOCAL_IP",
            Self::Webhook => "SSRF_PROTECTION_ENABLED",
        }
    }
}

/// A webhook of a project. Its URL and headers may hold secrets.
#[derive(Clone, Deserialize)]
pub struct Hook {
    pub id: i64,
    pub url: String,
    #[serde(default)]
    project: Option<i64>,
    #[serde(default)]
    is_active: bool,
    #[serde(default)]
    send_payload: bool,
    #[serde(default)]
    send_for_all_actions: bool,
    #[serde(default)]
    headers: Map<String, Value>,
}

impl Hook {
    /// Lists the faults that keep it from sending all that training needs, in words; empty if there are none.
    pub fn faults(&self, credentials: Option<&Credentials>) -> Vec<&'static str> {
        let header = self.headers.get("Authorization").and_then(Value::as_str);
        let knows = credentials.is_none_or(|known| header == Some(known.header().expose_secret()));
        [
            (self.is_active, "it is switched off"),
            (self.send_payload, "it sends no payload"),
            (self.send_for_all_actions, "it leaves out some events"),
            (knows, "it lacks the credentials"),
        ]
        .into_iter()
        .filter_map(|(right, fault)| (!right).then_some(fault))
        .collect()
    }

    fn wanted(url: &str, mut headers: Map<String, Value>, credentials: Option<&Credentials>) -> Value {
        if let Some(credentials) = credentials {
            headers.insert("Authorization".to_owned(), json!(credentials.header().expose_secret()));
        }
        json!({"url": url, "headers": headers, "is_active": true, "send_payload": true, "send_for_all_actions": true})
    }
}

impl Client {
    /// Asks if Label Studio refuses an address, and returns its answer if so. The address is offered for a project that does
    /// not exist: Label Studio checks the address first, and nothing is stored either way.
    ///
    /// # Errors
    /// As every call, but for the two refusals that are the answer.
    pub async fn is_guarded(
        &self,
        protection: SsrfProtection,
        url: &str,
    ) -> Result<Option<String>, LabelStudioError> {
        let path = match protection {
            SsrfProtection::Backend => "api/ml",
            SsrfProtection::Webhook => "api/webhooks/",
        };
        let call = Call::new("ask which addresses Label Studio may call", Method::POST, path)
            .body(json!({"url": url, "project": NO_PROJECT}));
        match self.json::<Value>(&call, MAX_BYTES).await {
            Err(LabelStudioError::Forbidden { answer, .. }) if answer.contains("network address") => {
                Ok(Some(answer))
            }
            Err(LabelStudioError::Status { status: 400, .. }) | Ok(_) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Connects a backend (`POST /api/ml`): Label Studio asks it for health and set-up first, and makes its webhook after.
    ///
    /// # Errors
    /// As every call; also where the backend does not answer Label Studio.
    pub async fn add_backend(
        &self,
        project: ProjectId,
        url: &str,
        title: &str,
        credentials: Option<&Credentials>,
    ) -> Result<(), LabelStudioError> {
        let mut body = backend(project, url, credentials);
        body["title"] = json!(title);
        let doing = format!("connect the ML backend to project {project}");
        self.json::<Value>(&Call::new(doing, Method::POST, "api/ml").body(body), MAX_BYTES).await.map(drop)
    }

    /// Gives a backend another address or other credentials (`PATCH /api/ml/{id}`); its title stays.
    ///
    /// # Errors
    /// As every call; also where the backend does not answer Label Studio.
    pub async fn change_backend(
        &self,
        project: ProjectId,
        row: &BackendRow,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<(), LabelStudioError> {
        let doing = format!("change ML backend {} of project {project}", row.id);
        let call = Call::new(doing, Method::PATCH, format!("api/ml/{}", row.id)).body(backend(
            project,
            url,
            credentials,
        ));
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }

    /// The project's own webhooks (`GET /api/webhooks/`).
    ///
    /// # Errors
    /// As every call.
    pub async fn webhooks(&self, project: ProjectId) -> Result<Vec<Hook>, LabelStudioError> {
        let doing = format!("list the webhooks of project {project}");
        let call = Call::new(doing, Method::GET, "api/webhooks/").query("project", project.to_string());
        let mut hooks: Vec<Hook> = self.json(&call, MAX_BYTES).await?;
        hooks.retain(|hook| hook.project == Some(project.0));
        Ok(hooks)
    }

    /// Makes a webhook that tells every event with its payload (`POST /api/webhooks/`).
    ///
    /// # Errors
    /// As every call; [`LabelStudioError::Forbidden`] where the protection is on.
    pub async fn add_webhook(
        &self,
        project: ProjectId,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<(), LabelStudioError> {
        let mut body = Hook::wanted(url, Map::new(), credentials);
        body["project"] = json!(project);
        let doing = format!("make a webhook of project {project}");
        let call = Call::new(doing, Method::POST, "api/webhooks/").body(body);
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }

    /// Makes a webhook tell every event with its payload, to this address (`PATCH /api/webhooks/{id}/`). Other headers
    /// stay.
    ///
    /// # Errors
    /// As every call.
    pub async fn mend_webhook(
        &self,
        hook: &Hook,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<(), LabelStudioError> {
        let body = Hook::wanted(url, hook.headers.clone(), credentials);
        let doing = format!("change webhook {}", hook.id);
        let call = Call::new(doing, Method::PATCH, format!("api/webhooks/{}/", hook.id)).body(body);
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }
}

impl BackendRow {
    /// `true` if Label Studio just got health and set-up from it.
    pub fn is_connected(&self) -> bool {
        self.state.as_deref() == Some("CO")
    }

    /// `true` if it authenticates as wanted, as far as Label Studio tells: never the password.
    pub fn authenticates_as(&self, credentials: Option<&Credentials>) -> bool {
        let basic = self.auth_method.as_deref() == Some("BASIC_AUTH");
        match credentials {
            Some(known) => basic && self.basic_auth_user.as_deref() == Some(known.user.expose_secret()),
            None => !basic,
        }
    }
}

/// The fields by which Label Studio checks a backend.
fn backend(project: ProjectId, url: &str, credentials: Option<&Credentials>) -> Value {
    let mut body = json!({"project": project, "url": url, "auth_method": "NONE"});
    if let Some(credentials) = credentials {
        body["auth_method"] = json!("BASIC_AUTH");
        body["basic_auth_user"] = json!(credentials.user.expose_secret());
        body["basic_auth_pass"] = json!(credentials.password.expose_secret());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(value: Value) -> Hook {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_webhook_that_would_not_teach_says_why() {
        let credentials = Credentials { user: "me".into(), password: "pw".into() };
        let right = json!({"id": 1, "url": "http://h/webhook", "project": 1, "is_active": true, "send_payload": true,
            "send_for_all_actions": true, "headers": {}});
        assert_eq!(hook(right.clone()).faults(None), Vec::<&str>::new());
        assert_eq!(hook(right.clone()).faults(Some(&credentials)), ["it lacks the credentials"]);
        let mut silent = right;
        silent["is_active"] = json!(false);
        silent["send_for_all_actions"] = json!(false);
        assert_eq!(hook(silent.clone()).faults(None), ["it is switched off", "it leaves out some events"]);

        let mended = Hook::wanted("http://h/webhook", hook(silent).headers, Some(&credentials));
        assert_eq!(mended["headers"]["Authorization"], "Basic bWU6cHc=");
        assert_eq!(mended["is_active"], true);
    }
}
