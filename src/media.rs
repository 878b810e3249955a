//! Image fetcher for hostile addresses: the files of tasks, from the addresses in their data.
//!
//! Only public addresses and Label Studio itself are fetched, bounded in size and time, and Label Studio's token goes nowhere but to its
//! own files.

mod address;
mod data_uri;
mod download;
mod error;
mod host;
mod hosts;
mod local_root;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::domain::ids::{ProjectId, TaskId};
use crate::labelstudio::{Client, LabelStudioError, http};
use crate::turns::{Asker, Turn, Turns};
use address::AddressPolicy;
use download::Along;
use hosts::{Hosts, host_of};
use local_root::LocalRoot;
use source::{Source, StoredFile};

pub use error::{ImageProblem, MediaError};
pub use host::networks;
pub use source::{KeptFile, shown_source};

/// One in so many downloads is never of the same project as all others, however long its hosts take.
const LEFT_TO_OTHERS: usize = 4;

/// Permissions and limits of fetching.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// The folder that Label Studio serves as local files, if it is mounted here.
    pub local_files_root: Option<PathBuf>,
    /// Networks that may be fetched besides public ones and Label Studio.
    pub allow: Vec<IpNet>,
    /// Largest image file, in bytes.
    pub max_image_bytes: usize,
    /// For one image: connecting, redirects and download together, but not the wait for its turn.
    pub image_timeout: Duration,
    /// Downloads at once.
    pub max_downloads: usize,
}

/// User and password of a project's image host (`task_data_login`), for plain http(s) addresses only.
#[derive(Clone, Debug)]
pub struct BasicCredentials {
    pub login: String,
    pub password: SecretString,
}

/// Fetches images. Cloning shares connections and bounds.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    /// `None`: what Label Studio keeps is not fetched.
    label_studio: Option<Client>,
    /// For everything but Label Studio: resolves only permitted addresses, and takes no proxy, which would
    /// resolve names by itself.
    guarded: reqwest::Client,
    policy: AddressPolicy,
    local_root: Option<LocalRoot>,
    max_image_bytes: usize,
    image_timeout: Duration,
    downloads: Turns,
    hosts: Hosts,
}

impl Media {
    /// Images that Label Studio keeps are fetched from there, with its token.
    ///
    /// # Errors
    /// The local files root is no readable folder, or the HTTP client can't be built.
    pub fn new(config: MediaConfig, label_studio: Option<&Client>) -> Result<Self, MediaError> {
        let policy = AddressPolicy::new(config.allow);
        let guarded = http::build(|| reqwest::Client::builder().no_proxy().dns_resolver(policy.clone()))
            .map_err(|error| MediaError::HttpClient { reason: http::reason(&error) })?;
        let local_root = config.local_files_root.as_deref().map(LocalRoot::open).transpose()?;
        let share = config.max_downloads - config.max_downloads / LEFT_TO_OTHERS;
        Ok(Self(Arc::new(Inner {
            label_studio: label_studio.cloned(),
            guarded,
            policy,
            local_root,
            max_image_bytes: config.max_image_bytes,
            image_timeout: config.image_timeout,
            downloads: Turns::with_share(config.max_downloads, share),
            hosts: Hosts::new(config.max_downloads),
        })))
    }

    /// Gets the bytes of one image that is no project's, never none. `source` is the address as the task's data holds it.
    ///
    /// # Errors
    /// [`MediaError::Image`] with the task, what is wrong, and what to do.
    pub async fn fetch(
        &self,
        task: Option<TaskId>,
        source: &str,
        credentials: Option<&BasicCredentials>,
    ) -> Result<Bytes, MediaError> {
        let place = self.place(Asker::of(ProjectId(0)), task, source).await?;
        self.fetch_at(place, task, source, credentials).await
    }

    /// Waits for a place among the downloads: nothing of the image has been asked for until it is held.
    ///
    /// # Errors
    /// The address can't be read, or its host is left alone.
    pub async fn place(
        &self,
        asker: Asker,
        task: Option<TaskId>,
        source: &str,
    ) -> Result<DownloadPermit, MediaError> {
        self.0.place(asker, source).await.map_err(|problem| MediaError::Image { task, problem })
    }

    /// Gets the bytes of the image that the place was waited for; its time runs from here.
    ///
    /// # Errors
    /// As [`Media::fetch`].
    pub async fn fetch_at(
        &self,
        place: DownloadPermit,
        task: Option<TaskId>,
        source: &str,
        credentials: Option<&BasicCredentials>,
    ) -> Result<Bytes, MediaError> {
        let fetched = self.0.fetch(place, task, source, credentials).await;
        fetched.map_err(|problem| MediaError::Image { task, problem })
    }
}

/// A place among the downloads, and among those of the image's host.
pub struct DownloadPermit {
    host: Option<String>,
    _turns: [Option<Turn>; 2],
}

impl Inner {
    fn label_studio(&self) -> Result<&Client, LabelStudioError> {
        self.label_studio.as_ref().ok_or(LabelStudioError::NoUrl)
    }

    /// Label Studio's address, where it is known.
    fn base(&self) -> Option<&Url> {
        self.label_studio.as_ref()?.base()
    }

    /// `true` if an address is Label Studio's.
    fn owns(&self, url: &Url) -> bool {
        self.label_studio.as_ref().is_some_and(|client| client.owns(url))
    }

    async fn place(&self, asker: Asker, source: &str) -> Result<DownloadPermit, ImageProblem> {
        let host = match Source::parse(source, self.base())? {
            // Nothing is downloaded.
            Source::Data(_) => return Ok(DownloadPermit { host: None, _turns: [None, None] }),
            Source::Http(url) if !self.owns(&url) => Some(host_of(&url)),
            _ => None,
        };
        let at_host = match &host {
            Some(host) => self.hosts.turn(asker, host).await?,
            None => None,
        };
        Ok(DownloadPermit { host, _turns: [at_host, self.downloads.wait(asker).await] })
    }

    async fn fetch(
        &self,
        place: DownloadPermit,
        task: Option<TaskId>,
        source: &str,
        credentials: Option<&BasicCredentials>,
    ) -> Result<Bytes, ImageProblem> {
        let bytes = async {
            match Source::parse(source, self.base())? {
                Source::Data(uri) => decoded(uri, self.max_image_bytes).await,
                Source::Cloud(uri) => self.download(self.resolving(task, uri)?, Along::Token).await,
                Source::LabelStudio { file, elsewhere } => self.stored(file, elsewhere).await,
                Source::Http(url) if self.owns(&url) => self.download(url, Along::Nothing).await,
                Source::Http(url) => {
                    self.download(url, credentials.map_or(Along::Nothing, Along::Login)).await
                }
            }
        };
        let limit = self.image_timeout;
        let ended = tokio::time::timeout(limit, bytes).await.unwrap_or(Err(ImageProblem::TimedOut { limit }));
        if let Some(host) = &place.host {
            self.hosts.note(host, &ended);
        }
        ended
    }

    /// A file in Label Studio's keeping: from the mounted folder, else from Label Studio, else from its address.
    async fn stored(&self, file: StoredFile, elsewhere: Option<Url>) -> Result<Bytes, ImageProblem> {
        let mut mounted = false;
        if let (Some(root), StoredFile::Local(path)) = (&self.local_root, &file) {
            if let Some(bytes) = root.read(path, self.max_image_bytes).await? {
                return Ok(bytes);
            }
            mounted = true;
        }
        match (self.base(), elsewhere) {
            (Some(base), _) => self.download(file.url(base), Along::Token).await,
            (None, Some(url)) => self.download(url, Along::Nothing).await,
            (None, None) if mounted => Err(ImageProblem::NoLocalFile { path: file.shown() }),
            (None, None) => Err(ImageProblem::NoLabelStudio { shown: file.shown() }),
        }
    }

    /// Address at which Label Studio answers with a cloud file, or a redirect to it:
    /// `/tasks/{id}/resolve/?fileuri={base64}`.
    fn resolving(&self, task: Option<TaskId>, uri: &str) -> Result<Url, ImageProblem> {
        let task = task.filter(|task| task.0 > 0).ok_or(ImageProblem::NoTask)?;
        let mut url =
            self.label_studio()?.below(&format!("tasks/{task}/resolve/")).ok_or(LabelStudioError::NoUrl)?;
        url.query_pairs_mut().append_pair("fileuri", &URL_SAFE.encode(uri));
        Ok(url)
    }
}

/// Decodes a data URI off the async threads: it may be some megabytes.
async fn decoded(uri: &str, limit: usize) -> Result<Bytes, ImageProblem> {
    let uri = uri.to_owned();
    let decoded = tokio::task::spawn_blocking(move || data_uri::decode(&uri, limit)).await;
    decoded.unwrap_or(Err(ImageProblem::Interrupted))
}

#[cfg(test)]
mod tests;
