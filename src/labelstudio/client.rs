//! The configured Label Studio.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::request::Call;
use super::token::Token;
use super::{LabelStudioError, TokenKind, http};
use crate::domain::ids::ProjectId;

/// Largest small answer (an account, a token), in bytes.
const MAX_SMALL_BYTES: usize = 1_000_000;

/// Largest export, in bytes: about 200,000 labelled tasks of 2 kB.
const MAX_EXPORT_BYTES: usize = 400_000_000;

/// Settings of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Its address as seen from this program, with its sub-path if it has one; http or https.
    pub base_url: Option<Url>,
    /// A legacy or a personal access token.
    pub token: Option<SecretString>,
    /// `true` if its certificate must be trusted; otherwise a man in the middle can read the token.
    pub verify_tls: bool,
    pub connect_timeout: Duration,
    /// For one answer, from connecting to its last byte.
    pub timeout: Duration,
    /// The variable that names a proxy for the address, for messages; addresses of this machine are asked without one.
    pub proxy: Option<&'static str>,
}

/// A client of Label Studio's API. Cloning shares connections and the access token.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    base: Option<Url>,
    token: Option<Token>,
    timeout: Duration,
    proxy: Option<&'static str>,
}

/// Account that the token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub kind: TokenKind,
    /// The user's id in Label Studio.
    pub id: i64,
}

/// The part of `GET /api/current-user/whoami` that matters here.
#[derive(Deserialize)]
struct WhoAmI {
    id: i64,
}

/// The answer of `POST /api/token/refresh/`.
#[derive(Deserialize)]
struct Refreshed {
    access: String,
}

impl Client {
    /// Makes the client without asking Label Studio anything.
    ///
    /// # Errors
    /// The token can't be one that works (see [`LabelStudioError::AccessToken`]), or the HTTP client can't be
    /// built.
    pub fn new(config: ClientConfig) -> Result<Self, LabelStudioError> {
        // No proxy reaches what only this machine can.
        let is_here = config.base_url.as_ref().is_some_and(http::is_of_this_machine);
        let configure = || {
            let builder =
                reqwest::Client::builder().connect_timeout(config.connect_timeout).timeout(config.timeout);
            if is_here { builder.no_proxy() } else { builder }
        };
        let built =
            if config.verify_tls { http::build(configure) } else { http::build_trusting_all(configure) };
        let http = built.map_err(|error| LabelStudioError::HttpClient { reason: http::reason(&error) })?;
        let token = config.token.as_ref().map(Token::new).transpose()?.flatten();
        let proxy = config.proxy.filter(|_| !is_here);
        Ok(Self(Arc::new(Inner { http, base: config.base_url, token, timeout: config.timeout, proxy })))
    }

    /// The variable that names the proxy it is asked through, if `NO_PROXY` does not take its host out.
    pub fn proxy(&self) -> Option<&'static str> {
        self.0.proxy
    }

    /// `true` if there are an address and a token.
    pub fn is_configured(&self) -> bool {
        self.0.base.is_some() && self.0.token.is_some()
    }

    /// Asks Label Studio whose token it is (`GET /api/current-user/whoami`).
    ///
    /// # Errors
    /// Not configured, not reachable, or refused: then the error names the kind of the token and the remedy.
    pub async fn verify(&self) -> Result<Account, LabelStudioError> {
        let kind = self.token_kind().ok_or(LabelStudioError::NoToken)?;
        let call = Call::new("check the token", Method::GET, "api/current-user/whoami");
        let WhoAmI { id } = self.json(&call, MAX_SMALL_BYTES).await?;
        Ok(Account { kind, id })
    }

    /// The project's labelled tasks with their `annotations` (`GET
    /// /api/projects/{id}/export?exportType=JSON`).
    ///
    /// # Errors
    /// [`LabelStudioError::NotFound`] for a project that is not there; not configured, not reachable,
    /// refused, or larger than 400 MB.
    pub async fn export(&self, project: ProjectId) -> Result<Vec<Value>, LabelStudioError> {
        let doing = format!("export project {project}");
        let call = Call::new(doing, Method::GET, format!("api/projects/{project}/export"))
            .query("exportType", "JSON");
        self.json(&call, MAX_EXPORT_BYTES).await
    }

    /// The `Authorization` header to send to Label Studio, and nowhere else; `None` without a token.
    pub(crate) async fn authorization(&self) -> Result<Option<HeaderValue>, LabelStudioError> {
        match &self.0.token {
            Some(token) => Ok(Some(token.header(self.refresh(token)).await?)),
            None => Ok(None),
        }
    }

    /// A new header after Label Studio refused one; `None` if another would be the same.
    pub(crate) async fn another_authorization(
        &self,
        refused: &HeaderValue,
    ) -> Result<Option<HeaderValue>, LabelStudioError> {
        match &self.0.token {
            Some(token) if token.forget(refused).await => self.authorization().await,
            _ => Ok(None),
        }
    }

    /// Gets an access token for a personal one. Label Studio insists on the trailing slash.
    async fn refresh(&self, token: &Token) -> Result<SecretString, LabelStudioError> {
        let call = Call::new("refresh the access token", Method::POST, "api/token/refresh/")
            .body(json!({"refresh": token.secret().expose_secret()}));
        let Refreshed { access } = self.json_unauthorised(&call, MAX_SMALL_BYTES).await?;
        Ok(SecretString::from(access))
    }

    pub(super) fn token_kind(&self) -> Option<TokenKind> {
        self.0.token.as_ref().map(Token::kind)
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    pub(crate) fn base(&self) -> Option<&Url> {
        self.0.base.as_ref()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// An address below Label Studio's own, which may have a sub-path; `path` is percent-encoded already.
    pub(crate) fn below(&self, path: &str) -> Option<Url> {
        let mut url = self.0.base.clone()?;
        let path = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Some(url)
    }

    /// `true` if an address has Label Studio's scheme, host and port.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        self.0.base.as_ref().is_some_and(|base| base.origin() == url.origin())
    }
}

#[cfg(test)]
mod tests;
