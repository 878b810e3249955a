//! Errors of Label Studio's API, each with its remedy.

use super::TokenKind;

/// Advice for making a token that works.
const MAKE_TOKEN: &str = "make a personal access token under Account & Settings in Label Studio and set LABEL_STUDIO_API_KEY to it";

/// Reason why a call of Label Studio's API failed. `answer` is the status with Label Studio's own words.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LabelStudioError {
    #[error("LABEL_STUDIO_URL is not set; set it to Label Studio's address as seen from this program")]
    NoUrl,
    #[error("LABEL_STUDIO_API_KEY is not set; {MAKE_TOKEN}")]
    NoToken,
    #[error(
        "LABEL_STUDIO_API_KEY holds a short-lived access token, which expires within minutes; {MAKE_TOKEN}"
    )]
    AccessToken,
    #[error("LABEL_STUDIO_API_KEY holds spaces or characters that no token has; paste it again")]
    MalformedToken,
    #[error("the HTTP client can't be built: {reason}; check the proxy variables and the CA certificates")]
    HttpClient { reason: String },
    #[error(
        "can't {doing}: Label Studio at {url} can't be reached: {reason}; check LABEL_STUDIO_URL and that it runs"
    )]
    Unreachable { doing: String, url: String, reason: String, sent: bool },
    #[error("can't {doing}: Label Studio at {url} did not answer within {seconds} s; see its log")]
    TimedOut { doing: String, url: String, seconds: u64 },
    #[error("Label Studio refused the {kind} ({answer}); {}", advice(*kind))]
    Refused { kind: TokenKind, answer: String },
    #[error(
        "can't {doing}: Label Studio forbids it ({answer}); give the token's account access to the project"
    )]
    Forbidden { doing: String, answer: String },
    #[error(
        "can't {doing}: Label Studio has nothing at {url} ({answer}); was it deleted, or is LABEL_STUDIO_URL wrong?"
    )]
    NotFound { doing: String, url: String, answer: String },
    #[error(
        "can't {doing}: Label Studio redirects to {to}; set LABEL_STUDIO_URL to the address it really has"
    )]
    Redirected { doing: String, to: String },
    #[error("can't {doing}: Label Studio answered {answer}; see its log")]
    Status { doing: String, status: u16, answer: String },
    #[error("can't {doing}: {url} did not answer as Label Studio does: {reason}; check LABEL_STUDIO_URL")]
    NotLabelStudio { doing: String, url: String, reason: String },
    #[error("can't {doing}: the answer is larger than {} MB; split the project", *limit / 1_000_000)]
    TooLarge { doing: String, limit: usize },
}

impl LabelStudioError {
    /// `true` if the same call may work in a moment. `repeatable` calls do no harm when they arrive twice.
    pub(super) fn is_passing(&self, repeatable: bool) -> bool {
        match self {
            Self::Unreachable { sent, .. } => repeatable || !sent,
            Self::Status { status, .. } => repeatable && (*status == 429 || *status >= 500),
            _ => false,
        }
    }
}

/// Advice for a refused token of this kind.
fn advice(kind: TokenKind) -> String {
    match kind {
        TokenKind::Legacy => format!(
            "it is not of this Label Studio, or legacy tokens are disabled for the organisation: {MAKE_TOKEN}"
        ),
        TokenKind::Personal => format!("it is not of this Label Studio, or was revoked: {MAKE_TOKEN}"),
    }
}
