//! HTTP that API and media share: clients, bounded answers, and words for a person.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{ClientBuilder, Response};
use serde_json::Value;
use url::{Host, Url};

use super::trust::{advice, install_tls, trusting};

/// User agent of this program; some image hosts refuse clients without one.
const USER_AGENT: &str = concat!("weathervane/", env!("CARGO_PKG_VERSION"));

/// Most of an error answer that is read, in bytes: Label Studio's own are below 1 kB.
const MAX_COMPLAINT_BYTES: usize = 16 * 1024;

/// Most of an image host's error answer that is read, in bytes.
const MAX_SAID_BYTES: usize = 1_024;

/// Most of somebody else's words that is passed on, in characters.
const MAX_WORDS_CHARS: usize = 200;

/// Builds an HTTP client that follows no redirects by itself. A machine without CA certificates still gets
/// one for plain http: with an empty list every https address is refused.
pub(crate) fn build(configure: impl Fn() -> ClientBuilder) -> Result<reqwest::Client, reqwest::Error> {
    install_tls();
    let builder = || own(configure());
    trusting(builder()).build().or_else(|error| {
        let client = builder().tls_certs_only([]).build()?;
        tracing::warn!(
            error = reason(&error),
            "https addresses can't be fetched; install the CA certificates"
        );
        Ok(client)
    })
}

/// The same, but whatever certificate a server shows is taken.
pub(super) fn build_trusting_all(
    configure: impl Fn() -> ClientBuilder,
) -> Result<reqwest::Client, reqwest::Error> {
    install_tls();
    own(configure()).tls_danger_accept_invalid_certs(true).build()
}

/// Settings of every client: a name, and no redirects that it follows by itself.
fn own(builder: ClientBuilder) -> ClientBuilder {
    builder.user_agent(USER_AGENT).redirect(reqwest::redirect::Policy::none())
}

/// Reason why an answer could not be read to its end.
pub(crate) enum ReadError {
    /// Larger than allowed; `bytes` if the server said how large.
    TooLarge {
        bytes: Option<u64>,
    },
    Broken(reqwest::Error),
}

/// Reads an answer of at most `limit` bytes, counted after decompression.
pub(crate) async fn read(mut response: Response, limit: usize) -> Result<Bytes, ReadError> {
    let announced = response.content_length().filter(|length| *length > limit as u64);
    if announced.is_some() {
        return Err(ReadError::TooLarge { bytes: announced });
    }
    let length = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = BytesMut::with_capacity(length.min(limit));
    while let Some(chunk) = response.chunk().await.map_err(ReadError::Broken)? {
        if chunk.len() > limit - body.len() {
            return Err(ReadError::TooLarge { bytes: None });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// An error answer of Label Studio in short: "401: `Invalid token.`", or the status alone.
pub(crate) async fn complaint(mut response: Response) -> String {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < MAX_COMPLAINT_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_COMPLAINT_BYTES);
    match words(&body) {
        words if words.is_empty() => status.to_string(),
        words => format!("{status}: `{words}`"),
    }
}

/// Reason for a refusal in the answer of an image's host: the `<Message>` of an object store's XML, else a short plain text.
pub(crate) async fn said(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < MAX_SAID_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_SAID_BYTES);
    let text = String::from_utf8_lossy(&body);
    let message = text.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    message.map_or_else(|| words(&body), |(message, _)| one_line(message, MAX_WORDS_CHARS))
}

/// Time that an answer asks to wait (`Retry-After`, RFC 9110): seconds, or a date beside the server's own clock.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::parse(asked).ok()?;
    let now = rfc2822::parse(text(DATE)?).ok()?;
    Some(Duration::try_from(then.duration_since(&now)).unwrap_or_default())
}

/// Message of an error body; empty for a web page.
fn words(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(Value::String(text)) => text,
        Ok(json) if json["validation_errors"].is_object() => validation(&json["validation_errors"]),
        Ok(json) => match ["detail", "message", "error"].iter().find_map(|key| json.get(key)?.as_str()) {
            Some(text) => text.to_owned(),
            None => json.to_string(),
        },
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    if text.trim_start().starts_with('<') { String::new() } else { one_line(&text, MAX_WORDS_CHARS) }
}

/// Label Studio's message about each field of a body it refused, beside an uninformative `detail`.
fn validation(fields: &Value) -> String {
    let field = |(name, told): (&String, &Value)| {
        let lines: Vec<&str> = told.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let told = if lines.is_empty() { told.to_string() } else { lines.join(" ") };
        if name == "non_field_errors" { told } else { format!("{name}: {told}") }
    };
    fields.as_object().into_iter().flatten().map(field).collect::<Vec<_>>().join("; ")
}

/// The innermost reason of a failed request. The address is left out: its query may hold a signature.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    match causes(error).last() {
        Some(cause) => {
            let text = one_line(&cause.to_string(), MAX_WORDS_CHARS);
            let advice = advice(&text);
            text + advice
        }
        None if error.is_builder() => "the address or a header can't be sent".to_owned(),
        None => "the connection broke".to_owned(),
    }
}

/// `true` if an address leads to this machine or its own link, where no proxy can follow.
pub(super) fn is_of_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost"),
        None => false,
    }
}

/// Causes of an error, outermost first.
pub(crate) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |error| error.source())
}

/// An address for messages and logs: without credentials, query and fragment, and of bounded length.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    one_line(&format!("{}://{host}{port}{}", url.scheme(), url.path()), MAX_WORDS_CHARS)
}

/// One line of at most `max_chars`.
pub(crate) fn one_line(text: &str, max_chars: usize) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_a_server_asks_for_is_read_as_seconds_or_as_a_date() {
        let asked = |retry: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let now = "Wed, 01 Jan 2020 00:00:00 GMT";
        let later = "Wed, 01 Jan 2020 00:01:30 GMT";
        assert_eq!((asked("120", now), asked(later, now), asked(now, later)), (Some(120), Some(90), Some(0)));
        assert_eq!((asked("soon", now), asked(later, "today"), asked("-1", now)), (None, None, None));
    }

    #[test]
    fn what_only_this_machine_reaches_needs_no_proxy() {
        for (url, is_here) in [
            ("http://127.0.0.1:8080/", true),
            ("http://localhost/", true),
            ("http://[::1]:8080/", true),
            ("http://169.254.1.1/", true),
            ("http://10.0.0.1/", false),
            ("https://labels.example/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(is_of_this_machine(&url), is_here, "{url}");
        }
    }

    #[test]
    fn an_error_body_gives_its_own_words_and_a_page_gives_none() {
        for (body, said) in [
            (r#"{"id": "x", "status_code": 401, "detail": "Invalid token."}"#, "Invalid token."),
            (
                r#"{"detail": "Validation error", "validation_errors": {"title": ["too short"]}}"#,
                "title: too short",
            ),
            (
                r#"{"detail": "Validation error", "validation_errors": {"non_field_errors": ["no", "root"], "x": {"y": 1}}}"#,
                r#"no root; x: {"y":1}"#,
            ),
            (r#""just\ntext""#, "just text"),
            ("Bad Gateway\n", "Bad Gateway"),
            ("\n<!DOCTYPE html><html>", ""),
            ("", ""),
        ] {
            assert_eq!(words(body.as_bytes()), said, "{body}");
        }
        assert_eq!(words("x".repeat(500).as_bytes()), format!("{}...", "x".repeat(200)));
    }

    #[test]
    fn a_shown_address_holds_no_credentials_and_no_signature() {
        let url = Url::parse("https://me:hush@host.example:8443/a%20b.png?X-Sig=hush#hush").unwrap();
        assert_eq!(shown(&url), "https://host.example:8443/a%20b.png");
    }
}
