//! Announced version of a project: the one in whose order Label Studio serves tasks, until the order of the next one stands.
//!
//! A training publishes at once, but Label Studio learns of it (`/setup`, `/predict`, the backend's title) only together with
//! its order: a prediction that Label Studio stored of a version without an order would come twice in that order.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::serving::{Serving, published_name, unrevised};
use super::{Models, ModelsError, Published};
use crate::domain::ids::ProjectId;
use crate::domain::label_config::LabelConfig;

/// Models that predict a project at one time; a [`Serving`] can be made of them again.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) published: Option<Arc<Published>>,
    pub(super) config_digest: String,
}

/// A snapshot under the name that Label Studio is told.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The snapshot's version, with a revision where Label Studio had that name before.
    pub name: String,
    pub snapshot: Snapshot,
}

#[derive(Default)]
pub(super) struct Announcements(RwLock<HashMap<ProjectId, Announced>>);

impl Announcements {
    fn of(&self, project: ProjectId) -> Option<Announced> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&project).cloned()
    }

    fn set(&self, project: ProjectId, announced: Option<Announced>) -> Option<Announced> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match announced {
            Some(announced) => all.insert(project, announced),
            None => all.remove(&project),
        }
    }
}

impl Models {
    /// View for requests of Label Studio: the announced version, or the newest where none is announced or the label
    /// config is another than it was announced for.
    pub fn announced(&self, project: ProjectId, config: &LabelConfig) -> Serving {
        match self.0.announcements.of(project) {
            Some(Announced { name, snapshot }) if snapshot.config_digest == config.digest() => {
                Serving { version: name, ..self.serving_of(snapshot.published, config) }
            }
            _ => self.serving(project, config),
        }
    }

    /// Tells Label Studio another version from now on, or with `None` the newest one; returns the one before.
    pub fn announce(&self, project: ProjectId, announced: Option<Announced>) -> Option<Announced> {
        self.0.announcements.set(project, announced)
    }

    /// Finds the version that was announced as `name`, by this process or an earlier one; `None` where it can't answer
    /// under this label config any more.
    ///
    /// # Errors
    /// The database or the model file can't be read.
    pub async fn announced_as(
        &self,
        project: ProjectId,
        name: &str,
        config: &LabelConfig,
    ) -> Result<Option<Announced>, ModelsError> {
        let row = self.0.storage.version_named(project, published_name(name)).await?;
        let published = match row {
            Some(row) if row.fingerprint != self.0.fingerprint => return Ok(None),
            Some(row) => match self.current(project).filter(|live| live.number == row.number) {
                Some(live) => Some(live),
                None => Some(self.read(row).await?),
            },
            None if self.is_builtin(name) => None,
            None => return Ok(None),
        };
        let serving = self.serving_of(published, config);
        Ok((serving.version == unrevised(name))
            .then(|| Announced { name: name.to_owned(), snapshot: serving.snapshot }))
    }
}
