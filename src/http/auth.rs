//! Who may come in: Basic authentication, or the secret first path segment.
//!
//! Label Studio's webhooks carry no credentials unless they stand in the backend's URL, so a secret path is the
//! second way in. Both are compared in constant time.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::State;
use super::error::ApiError;

/// What opens the door; with nothing set it stands open.
#[derive(Clone, Default)]
pub struct Access {
    /// User and password.
    pub basic: Option<(SecretString, SecretString)>,
    pub secret_path: Option<SecretString>,
}

impl Access {
    /// Whether strangers are turned away.
    pub fn is_guarded(&self) -> bool {
        self.basic.is_some() || self.secret_path.is_some()
    }

    /// Whether the first segment of `path` is the secret one.
    fn knows_path(&self, path: &str) -> bool {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        self.secret_path.as_ref().is_some_and(|secret| same(secret, first.as_bytes()))
    }

    /// Whether an `Authorization` header holds the right pair (RFC 7617). Both halves are always compared.
    fn knows_header(&self, header: Option<&str>) -> bool {
        let Some((user, password)) = &self.basic else { return false };
        let Some((scheme, encoded)) = header.and_then(|header| header.split_once(' ')) else { return false };
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(decoded) = STANDARD.decode(encoded.trim()) else { return false };
        let mut halves = decoded.splitn(2, |byte| *byte == b':');
        let (given_user, given_password) =
            (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        same(user, given_user) & same(password, given_password)
    }
}

/// Equality whose duration tells nothing of the content: digests are compared, so not even the length shows.
fn same(secret: &SecretString, given: &[u8]) -> bool {
    let (secret, given) = (blake3::hash(secret.expose_secret().as_bytes()), blake3::hash(given));
    bool::from(secret.as_bytes().ct_eq(given.as_bytes()))
}

/// Lets a request through to the routes below the secret path.
pub struct SecretPathGuard(pub Access);

impl Guard for SecretPathGuard {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        self.0.knows_path(context.head().uri.path())
    }
}

/// Middleware: turns strangers away with 401 before a body is read.
pub async fn require(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let access = request.app_data::<web::Data<State>>().map(|state| state.access.clone()).unwrap_or_default();
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !access.is_guarded() || access.knows_path(request.path()) || access.knows_header(header) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    if request.path() == "/webhook" {
        tracing::warn!(
            "refused a webhook without credentials: Label Studio sends none of its own; connect with \
             http://user:password@host:port as the backend's URL, or with the secret path"
        );
    }
    metrics::counter!("weathervane_unauthorized_total").increment(1);
    // An answer, not an error: the request log marks it with the request's id.
    Ok(request.into_response(ApiError::Unauthorized.error_response()).map_into_right_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            basic: Some(("me".into(), "pass:word".into())),
            secret_path: Some("0123456789abcdef".into()),
        }
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn the_right_pair_opens_and_every_other_header_does_not() {
        let access = access();
        assert!(access.knows_header(Some(&header("me:pass:word"))));
        assert!(access.knows_header(Some(&header("me:pass:word").replace("Basic", "bAsIc"))));
        for wrong in ["me:pass", "me", ":pass:word", "", "me:pass:word2", "you:pass:word"] {
            assert!(!access.knows_header(Some(&header(wrong))), "{wrong}");
        }
        for wrong in ["Basic", "Basic !!!", "Bearer abc", "Basic  "] {
            assert!(!access.knows_header(Some(wrong)), "{wrong}");
        }
        assert!(!access.knows_header(None));
        assert!(!Access::default().knows_header(Some(&header("me:pass:word"))));
    }

    #[test]
    fn only_the_whole_first_segment_is_the_secret() {
        let access = access();
        assert!(access.knows_path("/0123456789abcdef/webhook"));
        assert!(access.knows_path("/0123456789abcdef"));
        for wrong in
            ["/0123456789abcde/webhook", "/webhook/0123456789abcdef", "/", "", "/0123456789abcdefg/x"]
        {
            assert!(!access.knows_path(wrong), "{wrong}");
        }
    }
}
