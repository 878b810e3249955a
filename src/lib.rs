//! `weathervane`: active learning for Label Studio, an ML backend in one binary.
//!
//! The map of the rooms, from the door down; a room uses only rooms below it (`tests/architecture` checks, `docs/ARCHITECTURE.md`
//! tells more):
//!
//! | room | what it does |
//! | --- | --- |
//! | [`cli`], [`config`], [`telemetry`] | commands, settings, logs and metrics |
//! | [`app`] | the hallway: builds the services and runs them |
//! | [`http`], [`dashboard`] | the doors: Label Studio's protocol, and pages for people |
//! | [`training`] | from annotation events to a new version |
//! | [`queue`] | the ranking of a project's pool, and Label Studio's queue in that order |
//! | [`pool`], [`predict`] | a project's embedded tasks and what is read off them; class probabilities of tasks |
//! | [`embed`] | from an image's address to its embedding; threads that run the backbone |
//! | [`models`], [`media`], [`replay`] | versions in service and their files; images from hostile addresses; labelling rounds replayed |
//! | [`storage`], [`labelstudio`] | the outside world, which may fail |
//! | [`ranking`] | query strategies: which image to label next, and why |
//! | [`model`] | backbone, heads, fitting |
//! | [`vision`], [`eval`], [`turns`], [`projection`], [`access`] | plain knowledge: no network, no clock |
//! | [`matrix`], [`domain`] | numbers in rows; ids, label configs, tasks, annotations, predictions |

pub mod access;
pub mod app;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod domain;
pub mod embed;
pub mod eval;
pub mod http;
pub mod labelstudio;
pub mod matrix;
pub mod media;
pub mod model;
pub mod models;
pub mod pool;
pub mod predict;
pub mod projection;
pub mod queue;
pub mod ranking;
pub mod replay;
pub mod storage;
pub mod telemetry;
pub mod training;
pub mod turns;
pub mod vision;
