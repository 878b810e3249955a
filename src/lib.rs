//! `weathervane`: a Label Studio ML backend in one binary.
//!
//! The map of the house, from the door down; a room uses only rooms below it (`tests/architecture` checks):
//!
//! | room | what it does |
//! | --- | --- |
//! | [`cli`], [`config`], [`telemetry`] | commands, settings, logs and metrics |
//! | [`app`] | the hallway: builds the rooms and runs them |
//! | [`http`], [`dashboard`] | the doors: Label Studio's protocol, and pages for people |
//! | [`training`] | from annotation events to a new version |
//! | [`queue`] | the pool of unlabelled tasks, ranked, and Label Studio's queue in that order |
//! | [`embed`] | one path from an image's address to its embedding |
//! | [`inference`], [`models`] | threads that run the backbone; versions in service |
//! | [`replay`] | labelling rounds replayed with known labels |
//! | [`storage`], [`blobs`], [`labelstudio`] | the outside world, which may fail |
//! | [`ranking`] | which image to label next, and why: pure functions on points and probabilities |
//! | [`turns`] | who is next at downloads and decoders: projects and requests take turns |
//! | [`model`], [`vision`], [`eval`], [`projection`], [`access`], [`domain`] | plain knowledge: no network, no clock |

pub mod access;
pub mod app;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod domain;
pub mod embed;
pub mod eval;
pub mod http;
pub mod inference;
pub mod labelstudio;
pub mod model;
pub mod models;
pub mod projection;
pub mod queue;
pub mod ranking;
pub mod replay;
pub mod storage;
pub mod telemetry;
pub mod training;
pub mod turns;
pub mod vision;
