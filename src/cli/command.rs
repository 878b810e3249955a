//! The commands, a folder each; none uses another.

pub(super) mod collect;
pub(super) mod completions;
pub(super) mod connect;
pub(super) mod demo;
pub(super) mod doctor;
pub(super) mod evaluate;
pub(super) mod export;
pub(super) mod healthcheck;
pub(super) mod labels;
pub(super) mod man;
pub(super) mod predict;
pub(super) mod rank;
pub(super) mod select;
pub(super) mod serve;
pub(super) mod simulate;
pub(super) mod starter;
pub(super) mod tags;
pub(super) mod train;
pub(super) mod versions;
