//! One call of the API: authorisation, a second try where it does no harm, and what each status means.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::client::Client;
use super::wire::{self, ReadError};
use super::{LabelStudioError, TokenKind};

/// Pause before the first of [`RETRIES`] further tries; it doubles each time. 1.4 s in all bridge a restart
/// of a reverse proxy without keeping a caller waiting for a server that is down.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Further tries after a failed one.
const RETRIES: usize = 3;

/// A call to be made, with words for what it does: "can't {doing}: ...".
pub(super) struct Call {
    doing: String,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    files: Vec<FilePart>,
}

/// A file to upload. Cloning shares its bytes.
#[derive(Clone, Debug)]
pub struct FilePart {
    pub name: String,
    pub bytes: Bytes,
}

impl Call {
    /// `path` is below Label Studio's address, e.g. `api/projects/3`.
    pub(super) fn new(doing: impl Into<String>, method: Method, path: impl Into<String>) -> Self {
        Self {
            doing: doing.into(),
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            files: Vec::new(),
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends files as a form does, in place of a body.
    pub(super) fn files(mut self, files: Vec<FilePart>) -> Self {
        self.files = files;
        self
    }

    fn form(&self) -> Form {
        self.files.iter().enumerate().fold(Form::new(), |form, (index, file)| {
            let part = Part::stream_with_length(file.bytes.clone(), file.bytes.len() as u64)
                .file_name(file.name.clone());
            form.part(format!("file{index}"), part)
        })
    }

    /// Whether it does no harm when it arrives twice: our PATCHes set fields to fixed values, a POST creates.
    fn is_repeatable(&self) -> bool {
        self.method != Method::POST
    }

    fn url(&self, client: &Client) -> Result<Url, LabelStudioError> {
        let mut url = client.below(&self.path).ok_or(LabelStudioError::NoUrl)?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    fn unreachable(&self, error: &reqwest::Error, asked: &Url, client: &Client) -> LabelStudioError {
        let doing = self.doing.clone();
        let url = wire::shown(asked);
        if error.is_timeout() && !error.is_connect() {
            return LabelStudioError::TimedOut { doing, url, seconds: client.timeout().as_secs() };
        }
        let through = client.proxy();
        let through = through
            .map(|name| format!(", through the proxy of {name} if NO_PROXY does not take the host out"));
        let reason = wire::reason(error) + &through.unwrap_or_default();
        LabelStudioError::Unreachable { doing, url, reason, sent: !error.is_connect() }
    }
}

impl Client {
    /// Makes a call with the token and gives the answer of at most `limit` bytes, read as JSON.
    pub(super) async fn json<T>(&self, call: &Call, limit: usize) -> Result<T, LabelStudioError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let make = || async move { self.read(call, self.authorised(call).await?, limit).await };
        let pauses =
            ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(RETRIES).with_jitter();
        make.retry(pauses).when(|error| error.is_passing(call.is_repeatable())).await
    }

    /// Makes a call without the token, once.
    pub(super) async fn json_unauthorised<T>(&self, call: &Call, limit: usize) -> Result<T, LabelStudioError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.read(call, self.send(call, None).await?, limit).await
    }

    /// Makes a call without the token, once, and gives the answer's headers too.
    pub(super) async fn json_with_headers<T>(
        &self,
        call: &Call,
        limit: usize,
    ) -> Result<(HeaderMap, T), LabelStudioError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let response = self.send(call, None).await?;
        let headers = response.headers().clone();
        Ok((headers, self.read(call, response, limit).await?))
    }

    /// Sends once, and again with a new access token if Label Studio refused the one in use.
    async fn authorised(&self, call: &Call) -> Result<Response, LabelStudioError> {
        let header = self.authorization().await?.ok_or(LabelStudioError::NoToken)?;
        let response = self.send(call, Some(&header)).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(header) = self.another_authorization(&header).await?
        {
            return self.send(call, Some(&header)).await;
        }
        Ok(response)
    }

    async fn send(&self, call: &Call, header: Option<&HeaderValue>) -> Result<Response, LabelStudioError> {
        let url = call.url(self)?;
        let mut request = self.http().request(call.method.clone(), url.clone());
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if !call.files.is_empty() {
            request = request.multipart(call.form());
        }
        request.send().await.map_err(|error| call.unreachable(&error, &url, self))
    }

    /// Takes an answer apart: the status first, then the body off the async threads.
    async fn read<T>(&self, call: &Call, response: Response, limit: usize) -> Result<T, LabelStudioError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let response = self.accepted(call, response).await?;
        let (doing, url) = (call.doing.clone(), response.url().clone());
        let body = wire::read(response, limit).await.map_err(|error| match error {
            ReadError::TooLarge { .. } => LabelStudioError::TooLarge { doing: doing.clone(), limit },
            ReadError::Broken(error) => call.unreachable(&error, &url, self),
        })?;
        let parsed = tokio::task::spawn_blocking(move || serde_json::from_slice(&body)).await;
        let reason = match parsed {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => format!("no JSON as expected ({error})"),
            Err(_) => "reading was interrupted".to_owned(),
        };
        Err(LabelStudioError::NotLabelStudio { doing, url: wire::shown(&url), reason })
    }

    /// The answer if its status is a success, else what the status means.
    async fn accepted(&self, call: &Call, response: Response) -> Result<Response, LabelStudioError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let (doing, url) = (call.doing.clone(), response.url().clone());
        if let Some(target) = redirect(&response) {
            return Err(match is_login(&target) {
                true => self.refused("it redirects to its login page".to_owned()),
                false => LabelStudioError::Redirected { doing, to: wire::shown(&target) },
            });
        }
        let answer = wire::complaint(response).await;
        Err(match status {
            StatusCode::UNAUTHORIZED => self.refused(answer),
            StatusCode::FORBIDDEN => LabelStudioError::Forbidden { doing, answer },
            StatusCode::NOT_FOUND => LabelStudioError::NotFound { doing, url: wire::shown(&url), answer },
            _ => LabelStudioError::Status { doing, status: status.as_u16(), answer },
        })
    }

    /// The token was refused, or there is none.
    pub(super) fn refused(&self, answer: String) -> LabelStudioError {
        self.token_kind()
            .map_or(LabelStudioError::NoToken, |kind: TokenKind| LabelStudioError::Refused { kind, answer })
    }
}

/// Where an answer sends us, if it is a redirect that says so.
pub(super) fn redirect(response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    response.url().join(std::str::from_utf8(location.as_bytes()).ok()?).ok()
}

/// Whether this is Label Studio's login page, which takes the place of what an unknown visitor asked for.
pub(super) fn is_login(url: &Url) -> bool {
    url.path().trim_end_matches('/').ends_with("/user/login")
}
