//! The two kinds of API token, told apart by themselves, and the header each gives.
//!
//! Label Studio 1.23 knows a legacy token (`Authorization: Token`, off by default for new organisations) and
//! a personal access token: a JWT that is good only for fetching access tokens of 5 minutes (`Bearer`).

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::Op;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::LabelStudioError;

/// Life of an access token that does not say its own, as Label Studio 1.23 makes them.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// An access token is replaced when 1/10 of its life is left, 30 s of 300 s: time for the longest usual
/// request.
const MARGIN: u32 = 10;

/// Kinds of API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A user's one permanent token, 40 hexadecimal digits.
    Legacy,
    /// A JWT with `"token_type": "refresh"`, made under Account & Settings.
    Personal,
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy token",
            Self::Personal => "personal access token",
        })
    }
}

impl TokenKind {
    /// Reads the kind from the token itself; what is no JWT is a legacy token.
    fn of(token: &str) -> Result<Self, LabelStudioError> {
        match claims(token).as_ref().and_then(|claims| claims.token_type.as_deref()) {
            Some("refresh") => Ok(Self::Personal),
            Some("access") => Err(LabelStudioError::AccessToken),
            _ => Ok(Self::Legacy),
        }
    }
}

/// The part of a JWT's payload that matters here; times in seconds.
#[derive(serde::Deserialize)]
struct Claims {
    token_type: Option<String>,
    exp: Option<i64>,
    iat: Option<i64>,
}

/// Claims of a JWT, unverified (only Label Studio can verify them); `None` for anything else.
fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    parts.next()?;
    let payload = parts.next()?;
    parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// Time for which an access token may be used from the moment it came. The clocks of two machines are never compared.
fn usable_for(access: &str) -> Duration {
    let lifetime = claims(access)
        .and_then(|claims| u64::try_from(claims.exp?.checked_sub(claims.iat?)?).ok())
        .map_or(DEFAULT_LIFETIME, Duration::from_secs);
    lifetime - lifetime / MARGIN
}

/// The configured token and the header that goes with each request.
///
/// The access token of a personal one lives in a cache of one entry: callers who find it missing or too old
/// share a single refresh without a lock held over IO, and if the caller who runs it goes away, the next one
/// takes over.
pub(super) struct Token {
    kind: TokenKind,
    secret: SecretString,
    fixed: Option<HeaderValue>,
    access: Cache<(), Access>,
}

#[derive(Clone)]
struct Access {
    header: HeaderValue,
    usable_for: Duration,
}

struct Life;

impl Expiry<(), Access> for Life {
    fn expire_after_create(&self, _: &(), access: &Access, _: Instant) -> Option<Duration> {
        Some(access.usable_for)
    }
}

impl Token {
    /// Takes the token as a person pasted it; `None` if it is empty.
    pub(super) fn new(secret: &SecretString) -> Result<Option<Self>, LabelStudioError> {
        // Quotes come along from files in which a shell would take them off.
        let token = secret.expose_secret().trim().trim_matches(['"', '\'']);
        if token.is_empty() {
            return Ok(None);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(LabelStudioError::MalformedToken);
        }
        let kind = TokenKind::of(token)?;
        let fixed = match kind {
            TokenKind::Legacy => Some(header("Token", token)?),
            TokenKind::Personal => None,
        };
        let access = Cache::builder().max_capacity(1).expire_after(Life).build();
        Ok(Some(Self { kind, secret: SecretString::from(token), fixed, access }))
    }

    pub(super) fn kind(&self) -> TokenKind {
        self.kind
    }

    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// The header to send; `refresh` gets a new access token and runs only if one is needed.
    pub(super) async fn header(
        &self,
        refresh: impl Future<Output = Result<SecretString, LabelStudioError>>,
    ) -> Result<HeaderValue, LabelStudioError> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let access = async {
            let token = refresh.await?;
            let token = token.expose_secret();
            Ok(Access { header: header("Bearer", token)?, usable_for: usable_for(token) })
        };
        match self.access.try_get_with((), access).await {
            Ok(access) => Ok(access.header),
            Err(shared) => Err(Arc::unwrap_or_clone(shared)),
        }
    }

    /// Forgets a header that Label Studio refused; `true` if another one is available. One that was replaced meanwhile
    /// stays.
    pub(super) async fn forget(&self, refused: &HeaderValue) -> bool {
        if self.fixed.is_some() {
            return false;
        }
        self.access
            .entry(())
            .and_compute_with(async |entry| match entry {
                Some(entry) if entry.value().header == *refused => Op::Remove,
                _ => Op::Nop,
            })
            .await;
        true
    }
}

/// `Authorization: <scheme> <token>`, marked so that no debug output shows it.
fn header(scheme: &str, token: &str) -> Result<HeaderValue, LabelStudioError> {
    let mut header =
        HeaderValue::try_from(format!("{scheme} {token}")).map_err(|_| LabelStudioError::MalformedToken)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(payload))
    }

    fn kind(token: &str) -> Option<TokenKind> {
        Token::new(&SecretString::from(token)).unwrap().map(|token| token.kind())
    }

    #[test]
    fn each_kind_of_token_is_told_by_itself() {
        for (token, expected) in [
            ("0123456789abcdef0123456789abcdef01234567".to_owned(), Some(TokenKind::Legacy)),
            (" my-user-token\n".to_owned(), Some(TokenKind::Legacy)),
            ("a.b.c".to_owned(), Some(TokenKind::Legacy)),
            (
                jwt(r#"{"token_type": "refresh", "exp": 8000000000, "iat": 1700000000}"#),
                Some(TokenKind::Personal),
            ),
            (jwt(r#"{"sub": "somebody else's"}"#), Some(TokenKind::Legacy)),
            ("  ".to_owned(), None),
        ] {
            assert_eq!(kind(&token), expected, "{token}");
        }
    }

    #[test]
    fn an_access_token_and_broken_ones_are_refused_with_advice_and_not_repeated() {
        for (token, advice) in [
            (jwt(r#"{"token_type": "access", "exp": 300, "iat": 0}"#), "personal access token"),
            ("two words".to_owned(), "paste it again"),
            ("naïve".to_owned(), "paste it again"),
        ] {
            let error = Token::new(&SecretString::from(token.as_str())).err().expect(&token).to_string();
            assert!(error.contains(advice) && !error.contains(&token), "{error}");
        }
    }

    #[test]
    fn an_access_token_is_used_for_nine_tenths_of_its_life() {
        for (payload, seconds) in [
            (r#"{"token_type": "access", "exp": 1700000300, "iat": 1700000000}"#, 270),
            (r#"{"exp": 1060, "iat": 1000}"#, 54),
            (r#"{"exp": 1000, "iat": 2000}"#, 270),
            (r#"{"exp": 9223372036854775807, "iat": -9223372036854775807}"#, 270),
            (r#"{}"#, 270),
        ] {
            assert_eq!(usable_for(&jwt(payload)), Duration::from_secs(seconds), "{payload}");
        }
        assert_eq!(usable_for("no jwt"), Duration::from_secs(270));
    }
}
