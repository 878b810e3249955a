//! Who may come in: the operator's user and password, the secret path, and sessions made from the pair.
//!
//! Pure: what a request says of itself and the time come in as arguments. Secrets are compared in constant time.

mod place;
mod session;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub use place::Place;
pub use session::{Keys, SESSION_SECONDS};

/// What opens the door; with nothing set it stands open.
#[derive(Clone, Default)]
pub struct Access {
    /// User and password.
    pub basic: Option<(SecretString, SecretString)>,
    pub secret_path: Option<SecretString>,
    /// Whether other machines reach the port.
    pub exposed: bool,
}

/// What the dashboard and the control API ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nothing: only this machine reaches the port
    Open,
    /// The operator's user and password
    Password,
    /// More than anybody has: strangers reach the port and no password is set
    Closed,
}

impl Access {
    /// Whether strangers are turned away from Label Studio's protocol.
    pub fn is_guarded(&self) -> bool {
        self.basic.is_some() || self.secret_path.is_some()
    }

    /// How dashboard and control API are kept. A secret path says that strangers reach the port, through a proxy if
    /// not by themselves; it is for Label Studio's webhooks, stands in its database and its logs, and opens neither.
    pub fn control(&self) -> Control {
        match (&self.basic, self.exposed || self.secret_path.is_some()) {
            (Some(_), _) => Control::Password,
            (None, false) => Control::Open,
            (None, true) => Control::Closed,
        }
    }

    /// Whether the first segment of `path` is the secret one.
    pub fn knows_path(&self, path: &str) -> bool {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        self.secret_path.as_ref().is_some_and(|secret| same(secret, first.as_bytes()))
    }

    /// Whether an `Authorization` header holds the right pair (RFC 7617).
    pub fn knows_header(&self, header: Option<&str>) -> bool {
        let Some((scheme, encoded)) = header.and_then(|header| header.split_once(' ')) else { return false };
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(decoded) = STANDARD.decode(encoded.trim()) else { return false };
        let mut halves = decoded.splitn(2, |byte| *byte == b':');
        self.knows_pair(halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    }

    /// Whether this is the operator's pair. Both halves are always compared.
    pub fn knows_pair(&self, given_user: &[u8], given_password: &[u8]) -> bool {
        let Some((user, password)) = &self.basic else { return false };
        same(user, given_user) & same(password, given_password)
    }
}

/// Equality whose duration tells nothing of the content: digests are compared, so not even the length shows.
fn same(secret: &SecretString, given: &[u8]) -> bool {
    let (secret, given) = (blake3::hash(secret.expose_secret().as_bytes()), blake3::hash(given));
    bool::from(secret.as_bytes().ct_eq(given.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            basic: Some(("me".into(), "pass:word".into())),
            secret_path: Some("0123456789abcdef".into()),
            exposed: true,
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

    #[test]
    fn a_password_guards_control_and_without_one_only_this_machine_has_it() {
        let open = Access::default();
        let path = Access { secret_path: Some("0123456789abcdef".into()), ..Access::default() };
        let exposed = Access { exposed: true, ..Access::default() };
        let guarded = Access { basic: Some(("me".into(), "hush".into())), ..Access::default() };
        for (access, control) in [
            (open, Control::Open),
            (path, Control::Closed),
            (exposed, Control::Closed),
            (guarded, Control::Password),
            (access(), Control::Password),
        ] {
            assert_eq!(access.control(), control);
        }
    }
}
