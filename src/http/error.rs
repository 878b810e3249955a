//! One table from every refusal to (status, stable code, hint).

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::error_kind::ErrorKind;
use crate::domain::events::EventError;
use crate::embed::inference::InferenceError;
use crate::models::ModelsError;
use crate::pool::PoolError;
use crate::queue::QueueError;
use crate::storage::StorageError;
use crate::training::TrainingError;

/// After so long a refused caller may try again: a few batches of images later.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Reason for refusing a request. The text goes to the caller; nothing of the machine does.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("request body is not JSON: {0}")]
    Json(serde_json::Error),
    #[error("request body: `{path}`: {problem}")]
    Field { path: String, problem: String },
    #[error("request body is larger than the limit of {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("request body could not be read: {0}")]
    Body(String),
    #[error("request body did not come within {seconds} s")]
    SlowBody { seconds: u64 },
    #[error("other requests take all the memory for bodies")]
    TooManyBodies,
    #[error("{tasks} tasks in one request, limit is {limit}")]
    TooManyTasks { tasks: usize, limit: usize },
    #[error("wrong or missing credentials")]
    Unauthorized,
    #[error("too many wrong passwords from this address")]
    TooManyGuesses,
    #[error("this route takes the operator's password, and none is set")]
    Closed,
    #[error("this route answers nobody but this machine, and no other site's page")]
    Foreign,
    #[error("this server is not asked by the name `{host}`")]
    OtherHost { host: String },
    #[error("the body is said to be `{found}`, expected JSON")]
    ContentType { found: String },
    #[error("no {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    #[error(transparent)]
    Inference(#[from] InferenceError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Models(#[from] ModelsError),
    #[error(transparent)]
    Training(#[from] TrainingError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("the work was interrupted")]
    Interrupted,
}

/// A refusal as the caller sees it
#[derive(Serialize, ToSchema)]
pub struct ErrorAnswer {
    /// What went wrong; general where the server is to blame.
    detail: String,
    /// Stable.
    code: &'static str,
    /// What the caller can do about it.
    hint: &'static str,
}

impl ApiError {
    /// Status, stable code, and what the caller can do about it.
    fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Json(_) => (S::BAD_REQUEST, "invalid_json", "send one JSON object"),
            Self::Field { .. } => (S::BAD_REQUEST, "invalid_field", "see docs/API.md for the fields"),
            Self::Event(_) => (S::BAD_REQUEST, "invalid_event", "send the body as Label Studio does"),
            Self::Body(_) => (S::BAD_REQUEST, "unreadable_body", "send the body again"),
            Self::BodyTooLarge { .. } => {
                (S::PAYLOAD_TOO_LARGE, "body_too_large", "send fewer tasks at once or raise --max-body-bytes")
            }
            Self::SlowBody { .. } => {
                (S::REQUEST_TIMEOUT, "slow_body", "send the body again, or less at once")
            }
            Self::TooManyBodies => {
                (S::SERVICE_UNAVAILABLE, "busy", "try again after the time in Retry-After")
            }
            Self::TooManyTasks { .. } => (
                S::PAYLOAD_TOO_LARGE,
                "too_many_tasks",
                "send fewer tasks at once or raise --max-tasks-per-request",
            ),
            Self::Unauthorized => (
                S::UNAUTHORIZED,
                "unauthorized",
                "use Basic authentication, http://user:password@host:port as the backend's URL, or the secret path",
            ),
            Self::TooManyGuesses => {
                (S::TOO_MANY_REQUESTS, "too_many_guesses", "wait a second, then try the right one")
            }
            Self::Closed => {
                (S::FORBIDDEN, "closed", "set BASIC_AUTH_USER and BASIC_AUTH_PASS, restart, and use them")
            }
            Self::Foreign => (
                S::FORBIDDEN,
                "foreign",
                "call http://127.0.0.1 directly, or set BASIC_AUTH_USER and BASIC_AUTH_PASS to come from elsewhere",
            ),
            Self::OtherHost { .. } => (
                S::FORBIDDEN,
                "other_host",
                "start with --allowed-host NAME (ALLOWED_HOST) if the name is yours, or set a password or a secret path",
            ),
            Self::ContentType { .. } => {
                (S::UNSUPPORTED_MEDIA_TYPE, "content_type", "send `Content-Type: application/json`, or none")
            }
            Self::NotFound { .. } => {
                (S::NOT_FOUND, "not_found", "look at GET /api/projects for what there is")
            }
            Self::Interrupted => {
                (S::SERVICE_UNAVAILABLE, "shutting_down", "try again once the server is back")
            }
            Self::Inference(_)
            | Self::Storage(_)
            | Self::Models(_)
            | Self::Pool(_)
            | Self::Queue(_)
            | Self::Training(_) => self.of_room(),
        }
    }

    /// Status, code and hint of an error that a room tells of.
    fn of_room(&self) -> (StatusCode, &'static str, &'static str) {
        let (kind, failed) = match self {
            Self::Inference(error) => (error.kind(), "inference_failed"),
            Self::Storage(error) => (error.kind(), "storage_failed"),
            Self::Models(error) => (error.kind(), "model_unavailable"),
            Self::Pool(error) => (error.kind(), "pool_failed"),
            Self::Queue(error) => (error.kind(), "queue_failed"),
            Self::Training(error) => (error.kind(), "training_failed"),
            _ => (ErrorKind::Internal, "failed"),
        };
        let (code, hint) = match kind {
            ErrorKind::NotFound => ("not_found", "look at GET /api/projects for what there is"),
            ErrorKind::Conflict => ("conflict", self.conflict_hint()),
            ErrorKind::Invalid => ("invalid_field", "see docs/API.md for the fields"),
            ErrorKind::Busy if matches!(self, Self::Inference(InferenceError::Overloaded { .. })) => {
                ("overloaded", "try again after the time in Retry-After, with fewer tasks at once")
            }
            ErrorKind::Busy => ("busy", "try again after the time in Retry-After"),
            ErrorKind::Unavailable => match self {
                Self::Inference(_) => ("shutting_down", "try again once the server is back"),
                Self::Storage(_) => ("storage_unavailable", "see the server's log"),
                _ => ("unavailable", "try again in a moment; see the server's log"),
            },
            ErrorKind::Internal => (failed, "see the server's log"),
        };
        (status(kind), code, hint)
    }

    fn conflict_hint(&self) -> &'static str {
        match self {
            Self::Models(ModelsError::OtherBackbone { .. }) => "train again",
            Self::Training(TrainingError::NoProject) => "connect a project first",
            Self::Pool(PoolError::NoHead { .. })
            | Self::Queue(QueueError::Pool(PoolError::NoHead { .. })) => {
                "give the project a label config with <Image> and <Choices>"
            }
            _ => "look at GET /api/projects/{id} for the project's state",
        }
    }
}

fn status(kind: ErrorKind) -> StatusCode {
    StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl ApiError {
    /// `true` if the server is overloaded and nothing else is wrong.
    fn is_load(&self) -> bool {
        matches!(self, Self::Inference(InferenceError::Busy { .. } | InferenceError::Overloaded { .. }))
    }

    fn retry_after(&self) -> Duration {
        match self {
            Self::Inference(InferenceError::Overloaded { wait, limit, .. }) => {
                RETRY_AFTER.max(wait.saturating_sub(*limit) + Duration::from_secs(1))
            }
            _ => RETRY_AFTER,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.row().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code, hint) = self.row();
        let server_side = status.is_server_error();
        if server_side {
            tracing::error!(code, error = %self, "request failed");
        }
        // What broke inside is the log's business: it may name hosts and paths.
        let detail = if server_side && !self.is_load() {
            status.canonical_reason().unwrap_or("error").to_lowercase()
        } else {
            self.to_string()
        };
        let mut response = HttpResponse::build(status);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.insert_header((header::RETRY_AFTER, self.retry_after().as_secs()));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, r#"Basic realm="weathervane", charset="UTF-8""#));
        }
        response.json(ErrorAnswer { detail, code, hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{JobId, ProjectId};

    #[actix_web::test]
    async fn too_much_to_do_is_said_with_the_time_it_takes() {
        let wait = Duration::from_millis(75_500);
        let limit = Duration::from_secs(60);
        let refused = ApiError::from(InferenceError::Overloaded { waiting: 3_020, wait, limit });
        let answer = refused.error_response();
        let after =
            |answer: &HttpResponse| answer.headers().get("retry-after").unwrap().to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), after(&answer)), (503, "16".to_owned()));
        let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "overloaded");
        assert_eq!(
            body["detail"],
            "3020 images of others take turns with these and take about 75 s, limit is 60 s; try again in 16 s"
        );
        let busy = ApiError::from(InferenceError::Busy { waiting: 5, limit: 4 }).error_response();
        assert_eq!(after(&busy), "2");
    }

    #[test]
    fn each_rooms_error_has_the_status_of_its_kind() {
        let away = || StorageError::Unavailable { problem: "no connection".to_owned(), advice: "wait" };
        let no_project = || PoolError::NoProject(ProjectId(1));
        let no_head = || PoolError::NoHead { project: ProjectId(1), problem: "none".to_owned() };
        let table: [(ApiError, u16, &str); 11] = [
            (away().into(), 503, "storage_unavailable"),
            (ModelsError::Storage(away()).into(), 503, "unavailable"),
            (PoolError::Storage(away()).into(), 503, "unavailable"),
            (QueueError::Pool(PoolError::Storage(away())).into(), 503, "unavailable"),
            (TrainingError::Models(ModelsError::Storage(away())).into(), 503, "unavailable"),
            (QueueError::Interrupted.into(), 503, "unavailable"),
            (no_project().into(), 404, "not_found"),
            (QueueError::Pool(no_head()).into(), 409, "conflict"),
            (TrainingError::NoProject.into(), 409, "conflict"),
            (TrainingError::JobGone(JobId(1)).into(), 404, "not_found"),
            (TrainingError::Panicked("x".to_owned()).into(), 500, "training_failed"),
        ];
        for (error, status, code) in table {
            let (found, found_code, _) = error.row();
            assert_eq!((found.as_u16(), found_code), (status, code), "{error:?}");
        }
    }
}
