//! One download: redirects by hand, so that each address is checked and no secret goes along.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use url::Url;

use super::address::NotPublic;
use super::source::StoredFile;
use super::{BasicCredentials, ImageProblem, Inner};
use crate::labelstudio::http::{self, ReadError};
use crate::labelstudio::send::{is_login, redirect};

/// Redirects followed for one image.
const MAX_REDIRECTS: usize = 5;

/// Credentials that go along with a request.
#[derive(Clone, Copy)]
pub(super) enum Along<'a> {
    /// Label Studio's token; the address is one of its own files.
    Token,
    /// The project's task data login.
    Login(&'a BasicCredentials),
    Nothing,
}

impl Inner {
    /// Downloads a file of at most the configured size.
    pub(super) async fn download(&self, from: Url, mut along: Along<'_>) -> Result<Bytes, ImageProblem> {
        let mut url = from.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.request(&url, along).await?;
            let Some(next) = redirect(&response) else { return self.body(response, along).await };
            along = self.after_redirect(&url, &next, along)?;
            url = next;
        }
        Err(ImageProblem::TooManyRedirects { url: http::shown(&from), limit: MAX_REDIRECTS })
    }

    /// Credentials that still go along to `next`: the token only to another of Label Studio's files, a login only to the
    /// same host.
    fn after_redirect<'a>(&self, url: &Url, next: &Url, along: Along<'a>) -> Result<Along<'a>, ImageProblem> {
        if !matches!(next.scheme(), "http" | "https") {
            return Err(ImageProblem::RedirectsTo { scheme: http::one_line(next.scheme(), 20) });
        }
        let same_host = url.origin() == next.origin();
        match along {
            Along::Token if same_host && is_login(next) => {
                Err(self.label_studio()?.refused("it redirects to its login page".to_owned()).into())
            }
            // From http to https, or to the host's proper name.
            Along::Token if !same_host && url.path() == next.path() => {
                Err(ImageProblem::Moved { to: http::shown(next) })
            }
            Along::Token if same_host && StoredFile::find(next)?.is_some() => Ok(along),
            Along::Login(_) if same_host => Ok(along),
            _ => Ok(Along::Nothing),
        }
    }

    /// Asks once, and again with a new access token if Label Studio refused the one in use.
    async fn request(&self, url: &Url, along: Along<'_>) -> Result<Response, ImageProblem> {
        let request = || self.request_to(url);
        match along {
            Along::Nothing => self.send(url, request()?).await,
            Along::Login(BasicCredentials { login, password }) => {
                self.send(url, request()?.basic_auth(login, Some(password.expose_secret()))).await
            }
            Along::Token => {
                let Some(header) = self.label_studio()?.authorization().await? else {
                    return self.send(url, request()?).await;
                };
                let response = self.send(url, request()?.header(AUTHORIZATION, &header)).await?;
                if response.status() == StatusCode::UNAUTHORIZED
                    && let Some(header) = self.label_studio()?.another_authorization(&header).await?
                {
                    return self.send(url, request()?.header(AUTHORIZATION, &header)).await;
                }
                Ok(response)
            }
        }
    }

    /// Label Studio is reached as its API is, whatever its address; all else only at addresses that are
    /// permitted.
    fn request_to(&self, url: &Url) -> Result<RequestBuilder, ImageProblem> {
        if let Some(client) = self.label_studio.as_ref().filter(|client| client.owns(url)) {
            // The API's own timeout may be shorter.
            return Ok(client.http().get(url.clone()).timeout(self.image_timeout));
        }
        // The address itself is in the message already.
        let refused = |_| ImageProblem::NotPublic { url: http::shown(url), address: "address".to_owned() };
        self.policy.check(url).map_err(refused)?;
        Ok(self.guarded.get(url.clone()))
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Response, ImageProblem> {
        request.send().await.map_err(|error| {
            let not_public = http::causes(&error).find_map(|cause| cause.downcast_ref::<NotPublic>());
            match not_public {
                Some(NotPublic(ip)) => {
                    ImageProblem::NotPublic { url: http::shown(url), address: format!("address {ip}") }
                }
                None => self.unreachable(url, &error),
            }
        })
    }

    async fn body(&self, response: Response, along: Along<'_>) -> Result<Bytes, ImageProblem> {
        let status = response.status();
        let url = response.url().clone();
        let of_label_studio = matches!(along, Along::Token);
        if !status.is_success() {
            let retry_after = http::retry_after(response.headers());
            let answer = match of_label_studio {
                true => http::complaint(response).await,
                false => match http::said(response).await {
                    said if said.is_empty() => status.to_string(),
                    said => format!("{status}: `{said}`"),
                },
            };
            if of_label_studio && status == StatusCode::UNAUTHORIZED {
                return Err(self.label_studio()?.refused(answer).into());
            }
            let url = http::shown(&url);
            let status = status.as_u16();
            return Err(ImageProblem::Status { url, status, answer, retry_after });
        }
        let content_type = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if of_label_studio && content_type.to_ascii_lowercase().starts_with(b"text/html") {
            return Err(ImageProblem::WebPage);
        }
        if let Some(what) = no_picture(content_type) {
            return Err(ImageProblem::NotAPicture { what });
        }
        let body = http::read(response, self.max_image_bytes).await.map_err(|error| match error {
            ReadError::TooLarge { bytes } => ImageProblem::TooLarge { bytes, limit: self.max_image_bytes },
            ReadError::Broken(error) => self.unreachable(&url, &error),
        })?;
        if body.is_empty() { Err(ImageProblem::Empty) } else { Ok(body) }
    }

    /// The client's own clock for Label Studio may strike just before ours.
    fn unreachable(&self, url: &Url, error: &reqwest::Error) -> ImageProblem {
        if error.is_timeout() && !error.is_connect() {
            return ImageProblem::TimedOut { limit: self.image_timeout };
        }
        ImageProblem::Unreachable { url: http::shown(url), reason: http::reason(error) }
    }
}

/// Description of a content type that is no picture and may never end; `None` for others.
fn no_picture(content_type: &[u8]) -> Option<&'static str> {
    let kind = content_type.to_ascii_lowercase();
    if kind.starts_with(b"multipart/x-mixed-replace") {
        return Some("a stream of pictures without end");
    }
    kind.starts_with(b"video/").then_some("a video")
}
