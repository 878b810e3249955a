//! Published models: which one serves a project now, how a new one takes over, and the starter before the first.
//!
//! A [`Published`] is immutable and carries its name, classes and heads together, so that a reader never mixes
//! an old head with new class names. Publishing keeps one order: blob, row, compare-and-set, swap; a crash
//! between two steps leaves an orphan blob or an unused row, never half a model.

mod announced;
mod blobs;
mod file;
mod serving;
pub mod starter;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::domain::error_kind::ErrorKind;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::label_config::LabelConfig;
use crate::model::ModelError;
use crate::storage::{NewVersion, Project, Storage, StorageError, Version};
use announced::Announcements;
pub use announced::{Announced, Snapshot};

pub use blobs::{BlobError, BlobKey, Blobs};
pub use file::{Card, FileError, HeadCard, HeadSource, SuspectCard, VersionFile};
pub use serving::{HeadStatus, Serving, ServingHead, is_own_name, published_name, revised, unrevised};
use starter::Starter;

/// Largest model file that is read back, in bytes: a hundred heads of a thousand classes stay below.
const MAX_MODEL_BYTES: u64 = 1024 * 1024 * 1024;

/// Times publishing tries again when another replica published meanwhile.
const PUBLISH_ATTEMPTS: usize = 5;

/// Version that `/setup` answers while nothing can be predicted; no prediction ever carries it.
const UNTRAINED: &str = "untrained";

/// Failure to publish or load a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("model of project {project}, version `{version}`: {source}")]
    Model { project: ProjectId, version: String, source: ModelError },
    #[error("model file: {0}")]
    File(#[from] file::FileError),
    #[error("project {project} has no version {number}")]
    NoVersion { project: ProjectId, number: i64 },
    #[error("version `{version}` of project {project} was trained on another backbone; train again")]
    OtherBackbone { project: ProjectId, version: String },
    #[error("project {project}: another process kept publishing; gave up after {attempts} attempts")]
    Contended { project: ProjectId, attempts: usize },
}

impl ModelsError {
    /// Returns the kind of the error, by what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(error) => error.kind(),
            Self::NoVersion { .. } => ErrorKind::NotFound,
            Self::OtherBackbone { .. } => ErrorKind::Conflict,
            Self::Contended { .. } => ErrorKind::Busy,
            Self::Blob(BlobError::Store { .. }) => ErrorKind::Unavailable,
            Self::Blob(_) | Self::Model { .. } | Self::File(_) => ErrorKind::Internal,
        }
    }

    /// Returns `true` if a version's file is lost or damaged, and not its store out of reach.
    fn is_of_its_file(&self) -> bool {
        matches!(
            self,
            Self::File(_)
                | Self::Model { .. }
                | Self::Blob(BlobError::Missing { .. } | BlobError::TooLarge { .. })
        )
    }
}

/// One version of a project's model, ready to predict.
#[derive(Debug)]
pub struct Published {
    pub number: i64,
    /// Model version in Label Studio; changes only when the weights change.
    pub name: String,
    pub file: VersionFile,
}

/// A trained model that nobody uses yet.
pub struct Draft {
    pub project: ProjectId,
    pub file: VersionFile,
    pub job: Option<JobId>,
}

/// The models in service; clone it freely.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

struct Inner {
    storage: Storage,
    blobs: Blobs,
    /// Digest of backbone weights and preprocessing: heads of another one are not loaded.
    fingerprint: String,
    starter: Option<Starter>,
    live: RwLock<HashMap<ProjectId, Arc<Published>>>,
    announcements: Announcements,
}

impl Models {
    /// Models over a store; nothing is loaded yet.
    pub fn new(storage: Storage, blobs: Blobs, fingerprint: String, starter: Option<Starter>) -> Self {
        let starter = starter.filter(|starter| starter.fits(&fingerprint));
        Self(Arc::new(Inner {
            storage,
            blobs,
            fingerprint,
            starter,
            live: RwLock::default(),
            announcements: Announcements::default(),
        }))
    }

    /// The newest that a project has for its label config: a look-up in memory. Label Studio is answered with
    /// [`Models::announced`].
    pub fn serving(&self, project: ProjectId, config: &LabelConfig) -> Serving {
        self.serving_of(self.current(project), config)
    }

    fn serving_of(&self, published: Option<Arc<Published>>, config: &LabelConfig) -> Serving {
        Serving::new(published, self.0.starter.as_ref(), config)
    }

    /// The version that serves a project, if it has one.
    pub fn current(&self, project: ProjectId) -> Option<Arc<Published>> {
        self.0.live.read().unwrap_or_else(PoisonError::into_inner).get(&project).cloned()
    }

    /// The starter model, where one is built in and fits the backbone.
    pub fn starter(&self) -> Option<&Starter> {
        self.0.starter.as_ref()
    }

    /// Returns `true` if a version string is one that this program gives without a training.
    pub fn is_builtin(&self, version: &str) -> bool {
        version == UNTRAINED || version.starts_with(starter::VERSION_PREFIX)
    }

    /// The version string of a project without a model.
    pub fn no_version(&self) -> String {
        UNTRAINED.to_owned()
    }

    /// Loads the current version of every project. Where its file is lost or damaged, the newest version that can be read
    /// takes its place; a project without any is logged and left out.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn load_all(&self) -> Result<usize, ModelsError> {
        let mut loaded = 0;
        for project in self.0.storage.projects().await? {
            match self.follow(project.id).await {
                Ok(found) => loaded += usize::from(found),
                Err(error) => {
                    tracing::error!(project = %project.id, %error, "model not loaded");
                    if error.is_of_its_file() {
                        loaded += usize::from(self.fall_back(&project).await?);
                    }
                }
            }
        }
        Ok(loaded)
    }

    /// Lets the newest version before the current one that can be read serve here; true if there is one. The database goes on
    /// naming the current one: its file may come back. What a pin kept aside stays aside.
    async fn fall_back(&self, project: &Project) -> Result<bool, ModelsError> {
        let broken = project.current_version.unwrap_or(i64::MAX);
        for row in self.0.storage.versions(project.id).await? {
            if row.number >= broken || row.fingerprint != self.0.fingerprint {
                continue;
            }
            let Ok(published) = self.read(row).await else { continue };
            let version = published.name.as_str();
            tracing::warn!(project = %project.id, version, "an earlier version serves; the next training replaces it");
            self.swap(project.id, Some(published));
            return Ok(true);
        }
        tracing::warn!(project = %project.id, "no version can be read: nothing of its own serves until the next training");
        Ok(false)
    }

    /// Follows the database's current version and returns its number. A file that is lost or damaged serves nobody, and is no
    /// reason not to let another version serve.
    async fn followed(&self, project: ProjectId) -> Result<Option<i64>, ModelsError> {
        match self.follow(project).await {
            Err(error) if error.is_of_its_file() => {
                tracing::error!(%project, %error, "the version that should serve can't be read; another takes its place");
            }
            followed => {
                followed?;
            }
        }
        Ok(self.0.storage.current_version(project).await?.map(|row| row.number))
    }

    /// Follows the database's current version; `true` if a model serves afterwards.
    ///
    /// # Errors
    /// The row or the blob can't be read, or the blob is damaged or of another backbone.
    pub async fn follow(&self, project: ProjectId) -> Result<bool, ModelsError> {
        let Some(row) = self.0.storage.current_version(project).await? else {
            self.swap(project, None);
            return Ok(false);
        };
        if self.current(project).is_some_and(|live| live.number == row.number) {
            return Ok(true);
        }
        if row.fingerprint != self.0.fingerprint {
            tracing::warn!(%project, version = row.name, "the version belongs to another backbone; train again");
            self.swap(project, None);
            return Ok(false);
        }
        let published = self.read(row).await?;
        self.swap(project, Some(published));
        Ok(true)
    }

    /// Publishes a draft: blob, row, compare-and-set, swap. The same weights again are no new version: then the
    /// current one is answered. In a pinned project the new version is kept and the current one goes on serving.
    ///
    /// # Errors
    /// A store fails; nothing serves then that did not serve before.
    pub async fn publish(&self, draft: Draft, now: i64) -> Result<Arc<Published>, ModelsError> {
        let bytes = draft.file.to_bytes()?;
        let digest = blake3::hash(&bytes).to_hex();
        let digest = &digest[..12];
        for _ in 0..PUBLISH_ATTEMPTS {
            let expected = self.followed(draft.project).await?;
            let live = self.current(draft.project).filter(|live| Some(live.number) == expected);
            if let Some(live) = live.filter(|live| live.name.ends_with(digest)) {
                return Ok(live);
            }
            let number = self.0.storage.reserve_version_number(draft.project).await?;
            let key = BlobKey::model(draft.project, number, digest);
            self.0.blobs.put(&key, bytes.clone().into()).await?;
            let name = format!("v{number}-{digest}");
            let row = NewVersion {
                number,
                name: name.clone(),
                blob_key: key.to_string(),
                fingerprint: self.0.fingerprint.clone(),
                config_digest: draft.file.card.config_digest.clone(),
                heads: draft.file.card.heads_json()?,
                metrics: draft.file.card.metrics_json()?,
                labels: draft.file.card.labels,
                job: draft.job,
            };
            self.0.storage.insert_version(draft.project, &row, now).await?;
            if self.is_pinned(draft.project).await? {
                return Ok(Arc::new(Published { number, name, file: draft.file }));
            }
            if self.0.storage.set_current_version(draft.project, expected, number).await? {
                let published = Arc::new(Published { number, name, file: draft.file });
                self.swap(draft.project, Some(Arc::clone(&published)));
                return Ok(published);
            }
        }
        Err(ModelsError::Contended { project: draft.project, attempts: PUBLISH_ATTEMPTS })
    }

    /// Lets a version of the past serve again, or a newer one that a pin kept aside.
    ///
    /// # Errors
    /// The version is not there, belongs to another backbone, or can't be read; nothing changes then.
    pub async fn activate(&self, project: ProjectId, number: i64) -> Result<Arc<Published>, ModelsError> {
        // Its file is read before anything changes.
        let published = self.version(project, number).await?;
        for _ in 0..PUBLISH_ATTEMPTS {
            let expected = self.followed(project).await?;
            if self.0.storage.set_current_version(project, expected, number).await? {
                self.swap(project, Some(Arc::clone(&published)));
                return Ok(published);
            }
        }
        Err(ModelsError::Contended { project, attempts: PUBLISH_ATTEMPTS })
    }

    /// Any version of a project, ready to predict.
    ///
    /// # Errors
    /// The version is not there, belongs to another backbone, or can't be read.
    pub async fn version(&self, project: ProjectId, number: i64) -> Result<Arc<Published>, ModelsError> {
        let row = self.0.storage.version(project, number).await?;
        let row = row.ok_or(ModelsError::NoVersion { project, number })?;
        if row.fingerprint != self.0.fingerprint {
            return Err(ModelsError::OtherBackbone { project, version: row.name });
        }
        self.read(row).await
    }

    /// The bytes of a version's file, as they were published.
    ///
    /// # Errors
    /// The version is not there, or its file can't be read.
    pub async fn file(&self, project: ProjectId, number: i64) -> Result<Bytes, ModelsError> {
        let row = self.0.storage.version(project, number).await?;
        self.bytes(&row.ok_or(ModelsError::NoVersion { project, number })?).await
    }

    async fn bytes(&self, row: &Version) -> Result<Bytes, ModelsError> {
        Ok(self.0.blobs.get(&BlobKey::from_stored(&row.blob_key)?, MAX_MODEL_BYTES).await?)
    }

    async fn read(&self, row: Version) -> Result<Arc<Published>, ModelsError> {
        let bytes = self.bytes(&row).await?;
        let file = VersionFile::from_bytes(&bytes)?;
        Ok(Arc::new(Published { number: row.number, name: row.name, file }))
    }

    async fn is_pinned(&self, project: ProjectId) -> Result<bool, ModelsError> {
        Ok(self.0.storage.project(project).await?.is_some_and(|row| row.pinned))
    }

    /// Takes the project's model out of service; its versions stay.
    ///
    /// # Errors
    /// The database does not answer, or another process published meanwhile.
    pub async fn retire(&self, project: ProjectId) -> Result<(), ModelsError> {
        if let Some(number) = self.followed(project).await? {
            if !self.0.storage.retire_version(project, number).await? {
                return Err(ModelsError::Contended { project, attempts: 1 });
            }
            self.swap(project, None);
        }
        Ok(())
    }

    fn swap(&self, project: ProjectId, published: Option<Arc<Published>>) {
        let mut live = self.0.live.write().unwrap_or_else(PoisonError::into_inner);
        match published {
            Some(published) => live.insert(project, published),
            None => live.remove(&project),
        };
        metrics::gauge!("weathervane_projects_with_model").set(live.len() as f64);
    }
}
