//! The real binary on small files: what it prints, and what it says of wrong input.

mod certificates;
mod collect;
mod connect;
mod controls;
mod evaluate;
mod export;
mod labels;
mod onnx;
mod predict;
mod project;
mod push;
mod rank;
mod select;
mod serve;
mod settings;
mod shell;
mod simulate;
mod support;
mod terminal;
mod train;
