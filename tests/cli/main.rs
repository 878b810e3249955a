//! The real binary on small files: what it prints, and what it says of wrong input.

mod rank;
mod settings;
mod shell;
mod simulate;
mod support;
