//! Plain knowledge of labelling: ids, label configs, tasks, annotations, predictions.
//!
//! Pure: nothing here touches the network, the disk or the clock.

pub mod annotation;
pub mod consensus;
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
pub mod taken;
pub mod task;
