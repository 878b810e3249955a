//! How a command prints what it found.

/// `--format` of commands that print one thing.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}
