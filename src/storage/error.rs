//! Failures of the database, told apart by what the reader can do about them.

use crate::domain::error_kind::ErrorKind;

/// Failure of a storage operation.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Nothing answers, or it is busy, full or read-only. Trying again later can help.
    #[error("database is not available: {problem}; {advice}")]
    Unavailable {
        /// Description of the failure.
        problem: String,
        /// Advice for the reader.
        advice: &'static str,
    },
    /// The file is no database, or holds something this program can't have written.
    #[error(
        "database is damaged: {problem}; restore a backup, or move it away and start again: annotations come back from Label Studio's export"
    )]
    Damaged {
        /// Description of the damage.
        problem: String,
    },
    /// A newer version of the program has already migrated this database.
    #[error(
        "database has schema {found}, this program knows {known}; start the newer `weathervane` that wrote it, or use another data directory"
    )]
    NewerSchema {
        /// Schema number in the database.
        found: i64,
        /// Newest schema number of this program.
        known: i64,
    },
    /// Something of that name or number is already there.
    #[error("{what} already exists")]
    Conflict {
        /// Name of the thing.
        what: String,
    },
    /// The operation needs something that is not there.
    #[error("{what} does not exist")]
    Missing {
        /// Name of the thing.
        what: String,
    },
    /// The caller gave a value that can't be stored, or a URL that can't be read.
    #[error("{problem}")]
    Invalid {
        /// Description with reason and advice.
        problem: String,
    },
    /// The engine refused a statement for another reason: a fault of this program.
    #[error("database refused a statement: {problem}; please report this")]
    Refused {
        /// Message of the engine.
        problem: String,
    },
}

impl StorageError {
    /// Returns the kind of the error, by what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::Damaged { .. } | Self::NewerSchema { .. } => {
                ErrorKind::Unavailable
            }
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Refused { .. } => ErrorKind::Internal,
        }
    }

    /// Returns `true` if the same call may succeed later without anybody's help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(super) fn unavailable(problem: impl ToString, advice: &'static str) -> Self {
        Self::Unavailable { problem: problem.to_string(), advice }
    }

    pub(super) fn damaged(problem: impl ToString) -> Self {
        Self::Damaged { problem: problem.to_string() }
    }

    pub(super) fn invalid(problem: impl ToString) -> Self {
        Self::Invalid { problem: problem.to_string() }
    }
}

/// Advice for a connection that is gone or was never made.
pub(super) const CHECK_SERVER: &str = "check that the server runs and that `DATABASE_URL` names it";

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                from_code(&code, error.message().to_owned())
            }
            sqlx::Error::Io(error) => Self::unavailable(error, CHECK_SERVER),
            sqlx::Error::Tls(_) => Self::unavailable(
                "the encrypted connection could not be made",
                "check `sslmode` and the certificate of the server",
            ),
            sqlx::Error::PoolTimedOut => Self::unavailable(
                "no connection became free in time",
                "wait for the load to fall, or check the database's speed",
            ),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::unavailable("its connections are closed", "restart the program")
            }
            sqlx::Error::ColumnDecode { index, source } => {
                Self::damaged(format!("column {index} can't be read ({source})"))
            }
            // The text of a configuration error may quote the URL, and with it the password.
            sqlx::Error::Configuration(_) => Self::invalid(
                "`DATABASE_URL` can't be read; it looks like `postgres://USER:PASSWORD@HOST:5432/DATABASE`",
            ),
            other => Self::Refused { problem: other.to_string() },
        }
    }
}

/// Sorts the engines' codes: SQLite's (extended) result codes are numbers (<https://www.sqlite.org/rescode.html>),
/// PostgreSQL's SQLSTATEs are five characters (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn from_code(code: &str, message: String) -> StorageError {
    if code.len() == 5 {
        return from_sqlstate(code, message);
    }
    // The low byte of an extended code is the primary one.
    match code.parse::<i64>().map(|code| code & 0xff) {
        Ok(5 | 6) => StorageError::unavailable(
            message,
            "another process holds it locked for long; stop that process or try again",
        ),
        Ok(7) => StorageError::unavailable(message, "give the program more memory, or send less at once"),
        Ok(8) => StorageError::unavailable(message, "make the data directory writable"),
        Ok(10) => StorageError::unavailable(message, "check the disk of the data directory"),
        Ok(13) => StorageError::unavailable(message, "free space on the disk of the data directory"),
        Ok(3 | 14 | 23) => StorageError::unavailable(
            message,
            "check that the data directory exists and that this user may write there",
        ),
        Ok(11 | 26) => StorageError::damaged(message),
        _ => StorageError::Refused { problem: message },
    }
}

fn from_sqlstate(code: &str, message: String) -> StorageError {
    match code {
        "3D000" => StorageError::unavailable(message, "create it with `createdb`"),
        "42501" => StorageError::unavailable(
            message,
            "grant the user CREATE on the schema and all rights on its tables",
        ),
        "40001" | "40P01" | "55P03" => StorageError::unavailable(message, "try again"),
        "XX001" | "XX002" => StorageError::damaged(message),
        _ => match code.get(..2).unwrap_or_default() {
            "28" => StorageError::unavailable(message, "check user and password in `DATABASE_URL`"),
            "53" => StorageError::unavailable(message, "the server is short of connections, memory or disk"),
            "08" | "57" => StorageError::unavailable(message, CHECK_SERVER),
            _ => StorageError::Refused { problem: message },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_codes_are_sorted_by_what_to_do() {
        for code in ["5", "517", "7", "10", "778", "13", "08006", "28P01", "53300", "57P01"] {
            assert!(from_code(code, "x".into()).is_transient(), "{code}");
        }
        for code in ["11", "26", "267", "XX001"] {
            let error = from_code(code, "x".into());
            assert!(matches!(error, StorageError::Damaged { .. }), "{code}");
        }
        for code in ["", "1", "23505", "é123"] {
            let error = from_code(code, "x".into());
            assert!(matches!(error, StorageError::Refused { .. }), "{code}");
        }
    }

    #[test]
    fn a_configuration_error_never_quotes_the_url() {
        let error = sqlx::Error::Configuration("postgres://me:hunter2@host".into());
        assert!(!StorageError::from(error).to_string().contains("hunter2"));
    }
}
