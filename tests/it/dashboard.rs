//! The dashboard as its visitors see it.

mod access;
mod map;
mod pictures;
mod project;
mod projects;
mod queue;
mod versions;
