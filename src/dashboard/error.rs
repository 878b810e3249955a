//! Error pages: the reason why something is not shown or done, and what the visitor can do.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use maud::html;

use super::{PATH, document};
use crate::domain::error_kind::ErrorKind;
use crate::models::ModelsError;
use crate::pool::PoolError;
use crate::queue::QueueError;
use crate::storage::StorageError;
use crate::training::TrainingError;

/// Longest name that a refusal repeats, in characters.
const SHOWN: usize = 40;

/// Seconds after which what is overloaded may be tried again.
const RETRY_AFTER_SECONDS: u64 = 5;

#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
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
    Pool(#[from] PoolError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Training(#[from] TrainingError),
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl PageError {
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
            Self::Gone => (S::SERVICE_UNAVAILABLE, "Try again in a moment; the server's log says more."),
            Self::Random(_) => (S::INTERNAL_SERVER_ERROR, "The server's log says more."),
            Self::Storage(error) => of_room(error.kind()),
            Self::Shared(error) => of_room(error.kind()),
            Self::Models(error) => of_room(error.kind()),
            Self::Pool(error) => of_room(error.kind()),
            Self::Queue(error) => of_room(error.kind()),
            Self::Training(error) => of_room(error.kind()),
        }
    }
}

/// Status and advice of an error that a room tells of.
fn of_room(kind: ErrorKind) -> (StatusCode, &'static str) {
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let hint = match kind {
        ErrorKind::NotFound => "See the list of projects, and the project's versions, for what there is.",
        ErrorKind::Conflict => {
            "See the project's overview for its state, and its label config in Label Studio."
        }
        ErrorKind::Invalid => "Go back and try again.",
        ErrorKind::Busy => "Try again in a moment.",
        ErrorKind::Unavailable => "Try again in a moment; the server's log says more.",
        ErrorKind::Internal => "The server's log says more.",
    };
    (status, hint)
}

impl ResponseError for PageError {
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
        response.content_type("text/html; charset=utf-8").body(document::bare(title, &body).into_string())
    }
}

pub(super) async fn unknown(request: actix_web::HttpRequest) -> Result<HttpResponse, PageError> {
    Err(PageError::not_found("page", request.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ProjectId;

    #[test]
    fn pages_have_the_same_statuses_as_the_api() {
        let away = || StorageError::Unavailable { problem: "no connection".to_owned(), advice: "wait" };
        let table: [(PageError, u16); 5] = [
            (away().into(), 503),
            (ModelsError::Storage(away()).into(), 503),
            (QueueError::Pool(PoolError::Storage(away())).into(), 503),
            (TrainingError::Models(ModelsError::Storage(away())).into(), 503),
            (PoolError::NoProject(ProjectId(1)).into(), 404),
        ];
        for (error, status) in table {
            assert_eq!(error.status_code().as_u16(), status, "{error:?}");
        }
    }
}
