//! Kinds of errors, by what their reader can do, and the HTTP status of each.

/// Class of an error, as each module's errors report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing named does not exist.
    NotFound,
    /// It exists, but its state does not allow this.
    Conflict,
    /// The input can't be used.
    Invalid,
    /// There is too much to do; the same call succeeds in a moment.
    Busy,
    /// A service that the program needs does not answer, or the program is shutting down; the same call may succeed later.
    Unavailable,
    /// A fault of the program, or of its files.
    Internal,
}

impl ErrorKind {
    /// The one map to HTTP statuses (RFC 9110, section 15).
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Invalid => 400,
            Self::Busy | Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}
