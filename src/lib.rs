//! `weathervane`: a Label Studio ML backend in one binary.

pub mod domain;
pub mod model;
pub mod storage;
