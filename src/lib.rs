//! `weathervane`: a Label Studio ML backend in one binary.

pub mod blobs;
pub mod domain;
pub mod labelstudio;
pub mod model;
pub mod storage;
pub mod vision;
