//! The real server on a free port, beside a fake Label Studio.

mod support;

mod access;
mod bad_input;
mod controls;
mod damaged;
mod dashboard;
mod fixtures;
mod images;
mod learning;
mod openapi;
mod protocol;
mod publish;
mod queue;
mod regions;
mod restart;
mod versions;
