//! Everything that leaves this program over HTTP: Label Studio's API, and the images of tasks.
//!
//! [`Client`] speaks to the one configured Label Studio: it knows which kind of token it holds, refreshes it
//! and tries again what may be tried again. [`Media`] gets image files, whose addresses come from task data
//! and are hostile: only public addresses and Label Studio itself are fetched, bounded in size and time, and
//! the token goes nowhere but to Label Studio's own files.

mod call;
mod client;
mod error;
mod files;
mod hook_url;
mod hooks;
mod labelling;
mod media;
mod probe;
mod project;
mod setup;
mod token;
mod trust;
mod view;
mod wire;

pub use call::FilePart;
pub use client::{Account, Client, ClientConfig};
pub use error::LabelStudioError;
pub use files::{LocalStorage, stored_name};
pub use hook_url::{HookUrlError, check_hook_url};
pub use hooks::{Credentials, Guard, Hook};
pub use media::{BasicCredentials, ImageProblem, KeptFile, Media, MediaConfig, MediaError, shown_source};
pub use probe::{Heard, Probe, ProbeError, Standing};
pub use project::{BackendRow, PredictionRow, ProjectSettings, StoredVersion, TaskPage};
pub use setup::{Greeting, LabelCounts, ProjectDetails};
pub use token::TokenKind;
pub use trust::{install_tls, trust};
pub use view::OrderView;
