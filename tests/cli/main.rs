//! The real binary on small files: what it prints, and what it says of wrong input.

mod connect;
mod rank;
mod simulate;
mod support;
