//! `weathervane`: a Label Studio ML backend in one binary.
//!
//! This page is the map of the house.

pub mod blobs;
pub mod domain;
pub mod vision;
