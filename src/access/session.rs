//! Sessions that nobody stores: a cookie that says when it ends, and a code that only the pair's owner can make.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// Lifetime of a session, seconds: a working day.
pub const SESSION_SECONDS: i64 = 12 * 3600;

/// Bytes of a cookie: the end in Unix microseconds, random bytes, the code over both.
const ENDS: usize = 8;
const NONCE: usize = 16;
const CODE: usize = 32;

/// Keys of session cookies and CSRF tokens (keyed BLAKE3). From the same user and password come the same
/// keys, so that sessions survive a restart, hold on every replica, and end with a changed password.
pub struct Keys {
    session: [u8; 32],
    form: [u8; 32],
}

impl Keys {
    /// Keys of the operator's pair.
    pub fn of(user: &SecretString, password: &SecretString) -> Self {
        let user = user.expose_secret().as_bytes();
        let password = password.expose_secret().as_bytes();
        let length = (user.len() as u64).to_le_bytes();
        Self::from_material(&[length.as_slice(), user, password].concat())
    }

    /// Keys from bytes that nobody knows, where there is no password.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self::from_material(&bytes)
    }

    fn from_material(material: &[u8]) -> Self {
        Self {
            session: blake3::derive_key("weathervane 2026 dashboard session", material),
            form: blake3::derive_key("weathervane 2026 dashboard form token", material),
        }
    }

    /// A cookie's value for a session that starts at `now`, Unix microseconds.
    pub fn open_session(&self, nonce: [u8; NONCE], now: i64) -> String {
        let ends = now.saturating_add(SESSION_SECONDS * 1_000_000);
        let mut cookie = ends.to_be_bytes().to_vec();
        cookie.extend(nonce);
        let code = blake3::keyed_hash(&self.session, &cookie);
        cookie.extend(code.as_bytes());
        URL_SAFE_NO_PAD.encode(cookie)
    }

    /// `true` if a cookie's value is a session of this server that has not ended at `now`, Unix microseconds.
    pub fn is_session(&self, cookie: &str, now: i64) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(cookie) else { return false };
        let Some((said, code)) = bytes.split_at_checked(ENDS + NONCE) else { return false };
        let genuine = code.len() == CODE && same(&blake3::keyed_hash(&self.session, said), code);
        let ends = said.first_chunk::<ENDS>().map_or(i64::MIN, |ends| i64::from_be_bytes(*ends));
        genuine && now < ends && ends <= now.saturating_add(SESSION_SECONDS * 1_000_000)
    }

    /// CSRF token that a form must carry to change something, made for its holder: a session, or another way in.
    pub fn csrf_token(&self, holder: &str) -> String {
        URL_SAFE_NO_PAD.encode(blake3::keyed_hash(&self.form, holder.as_bytes()).as_bytes())
    }

    /// `true` if `given` is the token that [`Keys::csrf_token`] makes for this holder.
    pub fn is_form_token(&self, holder: &str, given: &str) -> bool {
        let Ok(given) = URL_SAFE_NO_PAD.decode(given) else { return false };
        same(&blake3::keyed_hash(&self.form, holder.as_bytes()), &given)
    }
}

fn same(code: &blake3::Hash, given: &[u8]) -> bool {
    bool::from(code.as_bytes().as_slice().ct_eq(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000_000;
    const TWELVE_HOURS: i64 = SESSION_SECONDS * 1_000_000;

    fn keys(password: &str) -> Keys {
        Keys::of(&"me".into(), &password.into())
    }

    #[test]
    fn a_session_holds_for_twelve_hours_also_after_a_restart() {
        let cookie = keys("hush").open_session([7; 16], NOW);
        let later = keys("hush");
        assert!(later.is_session(&cookie, NOW) && later.is_session(&cookie, NOW + TWELVE_HOURS - 1));
        assert!(!later.is_session(&cookie, NOW + TWELVE_HOURS));
        // Made by a clock that runs ahead, it would last longer than it should.
        assert!(!later.is_session(&cookie, NOW - 1));
    }

    #[test]
    fn forged_cookies_and_those_of_another_password_are_no_sessions() {
        let keys = keys("hush");
        let cookie = keys.open_session([7; 16], NOW);
        assert!(!super::tests::keys("hush2").is_session(&cookie, NOW));
        assert!(!Keys::of(&"meh".into(), &"ush".into()).is_session(&cookie, NOW));
        let bytes = URL_SAFE_NO_PAD.decode(&cookie).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert!(!keys.is_session(&URL_SAFE_NO_PAD.encode(forged), NOW), "byte {at}");
        }
        for cut in [0, 8, 24, 55] {
            assert!(!keys.is_session(&URL_SAFE_NO_PAD.encode(&bytes[..cut]), NOW), "{cut} bytes");
        }
        for wrong in ["", "x", "????", &format!("{cookie}AAAA")] {
            assert!(!keys.is_session(wrong, NOW), "{wrong}");
        }
    }

    #[test]
    fn a_form_token_is_its_holders_alone() {
        let keys = keys("hush");
        let token = keys.csrf_token("a");
        assert!(keys.is_form_token("a", &token));
        assert!(
            !keys.is_form_token("b", &token) && !keys.is_form_token("a", "") && !keys.is_form_token("a", "%")
        );
        assert!(!super::tests::keys("other").is_form_token("a", &token));
        assert!(!Keys::from_random([1; 32]).is_form_token("a", &Keys::from_random([2; 32]).csrf_token("a")));
    }
}
