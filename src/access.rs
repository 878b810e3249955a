//! Access control: the operator's user and password, the secret path, and sessions made from the pair.
//!
//! Properties of a request come in as arguments; only [`Throttle`] has a clock. Secrets are compared in constant time.

mod origin;
mod session;
mod throttle;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub use origin::RequestOrigin;
pub use session::{Keys, SESSION_SECONDS};
pub use throttle::Throttle;

/// Credentials and names that the server accepts; with nothing set it is open.
#[derive(Clone, Default)]
pub struct Access {
    /// User and password.
    pub basic: Option<(SecretString, SecretString)>,
    pub secret_path: Option<SecretString>,
    /// `true` if other machines reach the port.
    pub exposed: bool,
    /// Names besides this machine's own by which it may be asked where nothing else guards it.
    pub allowed_hosts: Vec<String>,
}

/// Credentials that the dashboard and the control API require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlPolicy {
    /// Nothing: only this machine reaches the port
    Open,
    /// The operator's user and password
    Password,
    /// More than anybody has: strangers reach the port and no password is set
    Closed,
}

impl Access {
    /// `true` if Label Studio's protocol requires credentials.
    pub fn is_guarded(&self) -> bool {
        self.basic.is_some() || self.secret_path.is_some()
    }

    /// `true` if the name in the `Host` header is one by which this server may be asked (a guard against DNS rebinding). Where a
    /// password, a secret path or the network guards the server any name will do. Programs that are no browsers may send none.
    pub fn knows_host(&self, place: &RequestOrigin<'_>) -> bool {
        let allowed = |host: &str| self.allowed_hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
        self.control() != ControlPolicy::Open
            || place.host_name().is_none_or(|host| origin::is_loopback(host) || allowed(host))
    }

    /// Policy of the dashboard and the control API. A secret path says that strangers reach the port, through a proxy if
    /// not by themselves; it is for Label Studio's webhooks, stands in its database and its logs, and opens neither.
    pub fn control(&self) -> ControlPolicy {
        match (&self.basic, self.exposed || self.secret_path.is_some()) {
            (Some(_), _) => ControlPolicy::Password,
            (None, false) => ControlPolicy::Open,
            (None, true) => ControlPolicy::Closed,
        }
    }

    /// `true` if the first segment of `path` is the secret one.
    pub fn knows_path(&self, path: &str) -> bool {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        self.secret_path.as_ref().is_some_and(|secret| same(secret, first.as_bytes()))
    }

    /// `true` if an `Authorization` header holds the right pair (RFC 7617).
    pub fn knows_header(&self, header: Option<&str>) -> bool {
        let Some((scheme, encoded)) = header.and_then(|header| header.split_once(' ')) else { return false };
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(decoded) = STANDARD.decode(encoded.trim()) else { return false };
        let mut halves = decoded.splitn(2, |byte| *byte == b':');
        self.knows_pair(halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    }

    /// `true` if this is the operator's pair. Both halves are always compared.
    pub fn knows_pair(&self, given_user: &[u8], given_password: &[u8]) -> bool {
        let Some((user, password)) = &self.basic else { return false };
        same(user, given_user) & same(password, given_password)
    }
}

/// Equality whose duration tells nothing of the content: digests are compared, so not even the length shows.
fn same(secret: &SecretString, given: &[u8]) -> bool {
    let secret = blake3::hash(secret.expose_secret().as_bytes());
    let given = blake3::hash(given);
    bool::from(secret.as_bytes().ct_eq(given.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_nothing_guards_answers_to_names_of_this_machine_alone() {
        let open = Access { allowed_hosts: vec!["host.docker.internal".to_owned()], ..Access::default() };
        let at = |host| RequestOrigin { host, ..RequestOrigin::default() };
        for host in [None, Some("127.0.0.1:9090"), Some("localhost"), Some("Host.Docker.Internal:9090")] {
            assert!(open.knows_host(&at(host)), "{host:?}");
        }
        for host in ["evil.example:9090", "host.docker.internal.evil.example", "10.0.0.7:9090", ""] {
            assert!(!open.knows_host(&at(Some(host))), "{host}");
            assert!(access().knows_host(&at(Some(host))), "{host}");
            assert!(Access { exposed: true, ..open.clone() }.knows_host(&at(Some(host))), "{host}");
        }
    }

    fn access() -> Access {
        Access {
            basic: Some(("me".into(), "pass:word".into())),
            secret_path: Some("0123456789abcdef".into()),
            exposed: true,
            allowed_hosts: Vec::new(),
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
            (open, ControlPolicy::Open),
            (path, ControlPolicy::Closed),
            (exposed, ControlPolicy::Closed),
            (guarded, ControlPolicy::Password),
            (access(), ControlPolicy::Password),
        ] {
            assert_eq!(access.control(), control);
        }
    }
}
