//! Addresses that Label Studio keeps as webhooks: those that Django 5.1's `URLValidator` takes (`core/validators.py`). It
//! drops the webhook of a backend at any other silently, so that the backend predicts and never learns.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest name of a host, in characters (RFC 1034, 3.1).
const MAX_HOST: usize = 253;

/// Longest part of it.
const MAX_LABEL: usize = 63;

/// Longest URL that Label Studio keeps, in characters (`webhooks/models.py`).
const MAX_URL: usize = 2048;

/// Reason why Label Studio keeps no webhook to an address. No text holds more of it than its host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookUrlError {
    #[error("Label Studio keeps no webhook to host `{0}`, which has no dot")]
    NoDot(String),
    #[error(
        "Label Studio keeps no webhook to host `{0}`: it takes letters, digits and inner hyphens between the dots, and no \
         digit nor less than two letters behind the last one"
    )]
    NoDomain(String),
    #[error("Label Studio keeps no webhook to this address: its scheme, user, password, port or length")]
    NoUrl,
}

impl HookUrlError {
    /// Advice where Label Studio knows this server by such a name.
    pub const CURE: &str = "give this server a name with a dot (such as NAME.internal, in a container network by an alias; \
                            or its full domain name) or take its IP address";
}

/// Checks that Label Studio keeps a webhook to this address, exactly as it is written.
///
/// # Errors
/// Label Studio drops it.
pub fn check_hook_url(url: &str) -> Result<(), HookUrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(HookUrlError::NoUrl)?;
    let known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let plain = !url.contains(char::is_whitespace) && url.chars().count() <= MAX_URL;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, place) =
        authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
    let (host, port) = split_port(place);
    if !known || !plain || !user.is_none_or(is_user) || !port.is_none_or(is_port) {
        return Err(HookUrlError::NoUrl);
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().map(drop).map_err(|_| HookUrlError::NoDomain(host.to_owned()));
    }
    if host.parse::<Ipv4Addr>().is_ok() || host.eq_ignore_ascii_case("localhost") || is_domain(host) {
        return Ok(());
    }
    let name = host.to_owned();
    Err(if host.trim_end_matches('.').contains('.') {
        HookUrlError::NoDomain(name)
    } else {
        HookUrlError::NoDot(name)
    })
}

/// Host and port; colons between brackets are of an IPv6 address.
fn split_port(place: &str) -> (&str, Option<&str>) {
    match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    }
}

/// `user` or `user:password`.
fn is_user(text: &str) -> bool {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    !name.is_empty() && !name.contains('@') && !password.contains([':', '@'])
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name of two parts or more; one dot may follow.
fn is_domain(host: &str) -> bool {
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    let Some((last, others)) = labels.split_last() else { return false };
    !others.is_empty()
        && others.iter().all(|label| is_label(label))
        && is_top_level(last)
        && host.chars().count() <= MAX_HOST
}

fn is_label(text: &str) -> bool {
    let count = text.chars().count();
    (1..=MAX_LABEL).contains(&count)
        && text.chars().all(|letter| is_letter(letter) || letter.is_ascii_digit() || letter == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_top_level(text: &str) -> bool {
    let encoded =
        text.get(..4).filter(|start| start.eq_ignore_ascii_case("xn--")).map(|start| &text[start.len()..]);
    let punycode = encoded.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let letters = text.chars().count() > 1 && !text.contains(|letter: char| letter.is_ascii_digit());
    is_label(text) && (punycode || letters)
}

/// Of ASCII, and of Unicode's first plane behind it.
fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphabetic() || ('\u{a1}'..='\u{ffff}').contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A verdict and an address a line; the tests with a real Label Studio hold the same file against it.
    const VERDICTS: &str = include_str!("../../tests/fixtures/webhook-urls.txt");

    #[test]
    fn what_label_studio_keeps_is_taken_and_what_it_drops_is_not() {
        let mut kept = 0;
        for line in VERDICTS.lines().filter(|line| !line.starts_with('#')) {
            let (verdict, url) = line.split_once(' ').unwrap();
            assert_eq!(check_hook_url(url).is_ok(), verdict == "kept", "{url}");
            kept += usize::from(verdict == "kept");
        }
        assert!(kept > 10, "{kept}");
    }

    #[test]
    fn the_reason_names_the_host_and_nothing_secret() {
        for (url, said) in [
            ("http://me:hush@weathervane:9090/hush/webhook", "host `weathervane`, which has no dot"),
            ("http://me:hush@node.rack1/hush", "host `node.rack1`: it takes letters"),
            ("http://:hush@h.lan/hush", "scheme, user"),
        ] {
            let error = check_hook_url(url).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hush"), "{error}");
        }
    }
}
