//! What can't be shown or done, as a page that says why.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use maud::html;

use super::{PATH, layout};
use crate::models::ModelsError;
use crate::queue::QueueError;
use crate::storage::StorageError;
use crate::training::TrainingError;

/// Longest name that a refusal repeats, in characters.
const SHOWN: usize = 40;

/// Seconds after which what is overloaded may be tried again.
const RETRY_AFTER_SECONDS: u64 = 5;

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the dashboard is closed: this server can be reached by others and no password is set")]
    Closed,
    #[error("the dashboard answers only on this machine's own address while no password is set")]
    NotLocal,
    #[error("the request came from another site's page")]
    Foreign,
    #[error("the form is too old: it was made for another session")]
    StaleForm,
    #[error("the form can't be read: {0}")]
    Form(String),
    #[error("nothing was tagged: {0}")]
    Selection(String),
    #[error("the tag was not changed: {0}")]
    Tag(String),
    #[error("no {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    #[error("too many at once")]
    Busy,
    #[error("the work was interrupted")]
    Gone,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Shared(#[from] std::sync::Arc<StorageError>),
    #[error(transparent)]
    Models(#[from] ModelsError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Training(#[from] TrainingError),
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl Refusal {
    pub fn not_found(what: &'static str, name: &str) -> Self {
        Self::NotFound { what, name: name.chars().take(SHOWN).collect() }
    }

    /// Status, and what the visitor can do.
    fn row(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Closed => (
                S::FORBIDDEN,
                "Set BASIC_AUTH_USER and BASIC_AUTH_PASS, start the server again, and log in with them. The secret path \
                 is for Label Studio alone.",
            ),
            Self::NotLocal => (
                S::FORBIDDEN,
                "Open http://127.0.0.1 with the server's port, or set BASIC_AUTH_USER and BASIC_AUTH_PASS to come from \
                 elsewhere or through a proxy.",
            ),
            Self::Foreign => (S::FORBIDDEN, "Use the dashboard's own pages."),
            Self::StaleForm => (S::FORBIDDEN, "Go back, load the page again, and repeat it there."),
            Self::Form(_) => (S::BAD_REQUEST, "Go back and try again."),
            Self::Selection(_) => (S::BAD_REQUEST, "Go back, load the map again, and select there."),
            Self::Tag(_) => (S::BAD_REQUEST, "Go back and choose another name."),
            Self::NotFound { .. } => (S::NOT_FOUND, "See the list of projects for what there is."),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "Try again in a moment."),
            Self::Models(ModelsError::NoVersion { .. }) | Self::Queue(QueueError::NoProject(_)) => {
                (S::NOT_FOUND, "See the project's versions for what there is.")
            }
            Self::Models(ModelsError::OtherBackbone { .. }) => (S::CONFLICT, "Train again."),
            Self::Queue(QueueError::NoHead { .. }) => {
                (S::CONFLICT, "Give the project a label config with <Image> and <Choices>.")
            }
            Self::Gone | Self::Storage(_) | Self::Shared(_) => {
                (S::SERVICE_UNAVAILABLE, "Try again in a moment; the server's log says more.")
            }
            Self::Models(_) | Self::Queue(_) | Self::Training(_) | Self::Random(_) => {
                (S::INTERNAL_SERVER_ERROR, "The server's log says more.")
            }
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.row().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, hint) = self.row();
        let says = if status.is_server_error() && !matches!(self, Self::Busy) {
            tracing::error!(error = %self, "page failed");
            // What broke inside is the log's business: it may name hosts and paths.
            "something failed inside".to_owned()
        } else {
            self.to_string()
        };
        let title = status.canonical_reason().unwrap_or("Refused");
        let body = html! {
            h1 { (title) }
            p.lead { (says) }
            p { (hint) }
            p { a href=(PATH) { "All projects" } }
        };
        let mut response = HttpResponse::build(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        response.content_type("text/html; charset=utf-8").body(layout::bare(title, &body).into_string())
    }
}

pub(super) async fn unknown(request: actix_web::HttpRequest) -> Result<HttpResponse, Refusal> {
    Err(Refusal::not_found("page", request.path()))
}
