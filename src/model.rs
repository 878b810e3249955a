//! Networks: the frozen backbone that embeds images, and the heads that are trained on its embeddings.

pub mod backbone;
pub mod features;
mod fit;
mod head;
pub mod onnx;

pub use backbone::{Backbone, BackboneChoice, BackboneSpec, DeviceChoice, load_backbone};
pub use features::Group;
pub use fit::{FitError, FitOptions, Fitted, Progress, Targets, TrainingSet, fit};
pub use head::{Activation, Head};

use std::path::PathBuf;

/// Reason for which a network can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("backbone file `{}` can't be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("backbone file: {0}; make one with assets/convert_lite0.py")]
    BackboneFile(String),
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("expected {expected} numbers, found {found}")]
    Length { expected: usize, found: usize },
    #[error("the network gave numbers that are not finite; the weights or the image are damaged")]
    NotFinite,
    #[error("this program was built without {0}; build it with --features {0}")]
    NoDevice(&'static str),
    #[error("head file: {0}")]
    HeadFile(String),
    #[error("{0}")]
    Tensor(String),
}
