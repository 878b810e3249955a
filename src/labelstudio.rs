//! Label Studio's API.
//!
//! [`Client`] speaks to the one configured Label Studio: it knows which kind of token it holds, refreshes it
//! and tries again what may be tried again.

mod annotate;
mod backends;
mod client;
mod error;
mod files;
mod hook_url;
pub(crate) mod http;
mod probe;
mod project;
mod request;
pub(crate) mod send;
mod setup;
mod token;
mod trust;
mod view;

pub use backends::{Credentials, Hook, SsrfProtection};
pub use client::{Account, Client, ClientConfig};
pub use error::LabelStudioError;
pub use files::{LocalStorage, stored_name};
pub use hook_url::{HookUrlError, check_hook_url};
pub use probe::{Probe, ProbeError, ReceivedWebhooks, ServerStatus};
pub use project::{BackendRow, PredictionRow, ProjectSettings, StoredVersion, TaskPage};
pub use request::FilePart;
pub use setup::{Greeting, LabelCounts, ProjectDetails};
pub use token::TokenKind;
pub use trust::{install_tls, trust};
pub use view::OrderView;
