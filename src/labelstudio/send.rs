//! Sending of requests: authorisation, a second try where it does no harm, and the meaning of each status.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::client::Client;
use super::http::{self, ReadError};
use super::request::Call;
use super::{LabelStudioError, TokenKind};

/// Pause before the first of [`RETRIES`] further tries; it doubles each time. 1.4 s in all bridge a restart
/// of a reverse proxy without keeping a caller waiting for a server that is down.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Further tries after a failed one.
const RETRIES: usize = 3;

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
        let url = self.url(call)?;
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
        request.send().await.map_err(|error| self.unreachable(call, &error, &url))
    }

    /// Takes an answer apart: the status first, then the body off the async threads.
    async fn read<T>(&self, call: &Call, response: Response, limit: usize) -> Result<T, LabelStudioError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let response = self.accepted(call, response).await?;
        let doing = call.doing.clone();
        let url = response.url().clone();
        let body = http::read(response, limit).await.map_err(|error| match error {
            ReadError::TooLarge { .. } => LabelStudioError::TooLarge { doing: doing.clone(), limit },
            ReadError::Broken(error) => self.unreachable(call, &error, &url),
        })?;
        let parsed = tokio::task::spawn_blocking(move || serde_json::from_slice(&body)).await;
        let reason = match parsed {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => format!("no JSON as expected ({error})"),
            Err(_) => "reading was interrupted".to_owned(),
        };
        Err(LabelStudioError::NotLabelStudio { doing, url: http::shown(&url), reason })
    }

    /// The answer if its status is a success, else what the status means.
    async fn accepted(&self, call: &Call, response: Response) -> Result<Response, LabelStudioError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let doing = call.doing.clone();
        let url = response.url().clone();
        if let Some(target) = redirect(&response) {
            return Err(match is_login(&target) {
                true => self.refused("it redirects to its login page".to_owned()),
                false => LabelStudioError::Redirected { doing, to: http::shown(&target) },
            });
        }
        let answer = http::complaint(response).await;
        Err(match status {
            StatusCode::UNAUTHORIZED => self.refused(answer),
            StatusCode::FORBIDDEN => LabelStudioError::Forbidden { doing, answer },
            StatusCode::NOT_FOUND => LabelStudioError::NotFound { doing, url: http::shown(&url), answer },
            _ => LabelStudioError::Status { doing, status: status.as_u16(), answer },
        })
    }

    fn url(&self, call: &Call) -> Result<Url, LabelStudioError> {
        let mut url = self.below(&call.path).ok_or(LabelStudioError::NoUrl)?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }

    fn unreachable(&self, call: &Call, error: &reqwest::Error, asked: &Url) -> LabelStudioError {
        let doing = call.doing.clone();
        let url = http::shown(asked);
        if error.is_timeout() && !error.is_connect() {
            return LabelStudioError::TimedOut { doing, url, seconds: self.timeout().as_secs() };
        }
        let through = self.proxy();
        let through = through
            .map(|name| format!(", through the proxy of {name} if NO_PROXY does not take the host out"));
        let reason = http::reason(error) + &through.unwrap_or_default();
        LabelStudioError::Unreachable { doing, url, reason, sent: !error.is_connect() }
    }

    /// The token was refused, or there is none.
    pub(crate) fn refused(&self, answer: String) -> LabelStudioError {
        self.token_kind()
            .map_or(LabelStudioError::NoToken, |kind: TokenKind| LabelStudioError::Refused { kind, answer })
    }
}

/// Target of a redirect, if the answer is one and names it.
pub(crate) fn redirect(response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    response.url().join(std::str::from_utf8(location.as_bytes()).ok()?).ok()
}

/// `true` for Label Studio's login page, which takes the place of what an unknown visitor asked for.
pub(crate) fn is_login(url: &Url) -> bool {
    url.path().trim_end_matches('/').ends_with("/user/login")
}
