//! Plain knowledge of labelling: ids, label configs, tasks, annotations, predictions.
//!
//! Pure: nothing here touches the network, the disk or the clock.

pub mod annotation;
pub mod capture_time;
pub mod consensus;
pub mod error_kind;
pub mod events;
pub mod export;
mod field;
pub mod ids;
pub mod label_config;
pub mod prediction;
pub mod project;
pub mod region;
pub mod shell;
pub mod tag;
pub mod task;
