//! Printing, progress and files that commands write alike.

pub mod checklist;
pub mod format;
pub mod left_out;
pub mod model_file;
pub mod predictions;
pub mod progress;
