//! `weathervane`: a Label Studio ML backend in one binary.
//!
//! This page is the map of the house.

pub mod domain;
pub mod storage;
