//! The real binary on small files: what it prints, and what it says of wrong input.

mod simulate;
mod support;
