//! Version and title that Label Studio follows: the version that a project names, and the title of its ML backend, which decides
//! whether it asks about each task that it serves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use url::Url;

use super::writer::{Seen, Writer};
use super::{Publisher, QueueError, QueueOrder, lock};
use crate::domain::ids::ProjectId;
use crate::labelstudio::{BackendRow, OrderView};
use crate::models::Announced;
use crate::storage::Project;

/// Maximum delay of an event after the change it reports: Label Studio gives a webhook up after a second.
pub(super) const EVENT_TAKES: Duration = Duration::from_secs(2);

/// Label Studio's name of the sampling that follows scores.
const SAMPLING: &str = "Uncertainty sampling";

/// Title of the view of the Data Manager that shows the order.
const VIEW: &str = "Most useful first";

/// A change of the version for which Label Studio stored the project whole.
pub(super) struct Switch {
    pub began: Instant,
    pub ended: Instant,
    pub label_config: Option<String>,
}

impl Publisher {
    /// Reads the project's state in Label Studio, and sets what an order needs.
    pub(super) async fn inspect(&self, project: &Project) -> Result<Seen, QueueError> {
        let id = project.id;
        let label_studio = &self.0.label_studio;
        let policy = &self.0.policy;
        let settings = label_studio.project_settings(id).await?;
        let backend = self.backend(project).await?;
        let stored = label_studio.stored_versions(id).await?;
        if policy.set_sampling && settings.sampling.as_deref() != Some(SAMPLING) {
            label_studio.change_project(id, json!({"sampling": SAMPLING})).await?;
        }
        if policy.keep_view {
            // The order is what counts.
            if let Err(error) = label_studio.ensure_view(id, &self.view(project)?).await {
                tracing::warn!(project = %id, %error, "no view of the order in the Data Manager");
            }
        }
        let named = [settings.model_version, backend.title.clone()].into_iter().flatten();
        let used = stored.into_iter().filter_map(|row| row.model_version).chain(named).collect();
        Ok(Seen { backend, used, at: Instant::now() })
    }

    /// The view of the Data Manager that shows the same order.
    fn view(&self, project: &Project) -> Result<OrderView, QueueError> {
        let config = self.0.pool.config_of(project)?;
        let images: BTreeSet<String> = config.heads.iter().map(|head| head.image_key.clone()).collect();
        let shows_score = self.0.policy.order == QueueOrder::Certainty;
        Ok(OrderView { title: VIEW, images: images.into_iter().collect(), shows_score })
    }

    /// This server among the project's ML backends: Label Studio has just asked each for its version.
    async fn backend(&self, project: &Project) -> Result<BackendRow, QueueError> {
        let config = self.0.pool.config_of(project)?;
        let announced = || self.0.models.announced(project.id, &config).version;
        let before = announced();
        let mut backends = self.0.label_studio.backends(project.id).await?;
        // A first version may have come while it asked.
        let names = [before, announced()];
        let is_ours = |backend: &BackendRow| {
            backend.model_version.as_ref().is_some_and(|version| names.contains(version))
        };
        match backends.iter().position(is_ours) {
            Some(index) => Ok(backends.swap_remove(index)),
            None => Err(QueueError::NotConnected { project: project.id, found: found(&backends) }),
        }
    }

    /// Lets Label Studio follow an order whose rows are there; without rows it follows the backend's title alone, as it does where
    /// it is quiet. It may ask `/setup` within the request, so the version is announced first.
    pub(super) async fn switch(
        &self,
        project: ProjectId,
        writer: &mut Writer,
        announced: Announced,
        rows: usize,
    ) -> Result<(), QueueError> {
        let by_title = rows == 0 || writer.is_followed_live(self.0.pool.events(project));
        let Some(seen) = &mut writer.seen else { return Err(QueueError::Interrupted) };
        let models = &self.0.models;
        let name = announced.name.clone();
        let before = models.announce(project, Some(announced));
        let started = Instant::now();
        let followed = match by_title {
            true => self.follow_live(project, seen, &name).await,
            false => self.follow_version(project, &name).await,
        };
        writer.pace.note_requests(1.0, started.elapsed());
        if followed.is_err() {
            models.announce(project, before);
        }
        followed
    }

    /// Has Label Studio ask for what is not in the order in force, too, now that it is quiet, and checks that it still follows
    /// it; gives as [`Publisher::write_order`].
    pub(super) async fn check_followed(
        &self,
        project: &Project,
        writer: &mut Writer,
    ) -> Result<(usize, Duration), QueueError> {
        let started = Instant::now();
        let mut seen = self.inspect(project).await?;
        let id = project.id;
        if let Some(name) = project.queue_version.as_deref() {
            if let Some(order) = writer.order.as_ref().filter(|order| order.name() == name) {
                // Failures for long made it the newest version's name.
                self.0.models.announce(id, Some(order.announced.clone()));
            }
            let named = self.0.label_studio.project_version(id).await?;
            if named.as_deref() != Some(name) {
                tracing::info!(project = %id, version = name, "Label Studio is told the order's version again");
            }
            // A title may be put back: it is checked once more.
            let follows = named.as_deref() == Some(name) && seen.backend.title.as_deref() == Some(name);
            writer.followed = follows.then(|| name.to_owned());
            if !follows {
                self.follow_live(id, &mut seen, name).await?;
            }
        }
        writer.seen = Some(seen);
        Ok((0, started.elapsed()))
    }

    /// Makes a name the backend's title, too: only while the two agree Label Studio asks a backend about a task that somebody opens,
    /// with three requests for each (`Task.get_predictions_for_prelabeling`). A task that is in the order needs none.
    async fn follow_live(&self, project: ProjectId, seen: &mut Seen, name: &str) -> Result<(), QueueError> {
        let label_studio = &self.0.label_studio;
        let backend = label_studio.rename_backend(project, &seen.backend, name).await?;
        if backend.model_version.as_deref() != Some(name) {
            return Err(QueueError::NotConnected { project, found: found(&[backend]) });
        }
        seen.backend.title = Some(name.to_owned());
        // The project's version follows the title where it was the same. Not always is the title what we made it: Label Studio
        // stores a backend whole after each request to it, with the title it had before the request (`MLBackend.update_state`).
        if label_studio.project_version(project).await?.as_deref() != Some(name) {
            self.follow_version(project, name).await?;
        }
        Ok(())
    }

    /// Lets the project alone follow a name. Label Studio stores it whole meanwhile, with all else as it was before
    /// (`Project.save`), whoever changes that; a title it stores alone.
    async fn follow_version(&self, project: ProjectId, name: &str) -> Result<(), QueueError> {
        let began = Instant::now();
        let label_config = self.0.label_studio.follow_version(project, name).await?;
        lock(&self.0.switches).insert(project, Switch { began, ended: Instant::now(), label_config });
        Ok(())
    }
}

/// Label Studio's ML backends in words.
fn found(backends: &[BackendRow]) -> String {
    let describe = |backend: &BackendRow| {
        let url = origin(&backend.url);
        match (backend.error_message.as_deref().filter(|why| !why.is_empty()), &backend.model_version) {
            (Some(why), _) => {
                format!("`{url}` can't be reached ({})", why.chars().take(200).collect::<String>())
            }
            (None, Some(version)) => format!("`{url}` answers with version `{version}`"),
            (None, None) => format!("`{url}` has not answered yet"),
        }
    };
    match backends {
        [] => "there is none".to_owned(),
        _ => backends.iter().map(describe).collect::<Vec<_>>().join(", "),
    }
}

/// An address without what may be secret in it: credentials and path.
fn origin(url: &str) -> String {
    Url::parse(url)
        .map_or_else(|_| "an address that can't be read".to_owned(), |url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn backends_are_told_without_their_secrets() {
        let row = |fields: Value| serde_json::from_value::<BackendRow>(fields).unwrap();
        assert_eq!(found(&[]), "there is none");
        let secret = "http://user:pass@10.0.0.1:9090/0123456789abcdef";
        let described = found(&[
            row(json!({"id": 1, "url": secret, "model_version": "v1"})),
            row(json!({"id": 2, "url": "http://other:9090", "error_message": "refused"})),
            row(json!({"id": 3, "url": "nonsense"})),
        ]);
        assert_eq!(
            described,
            "`http://10.0.0.1:9090` answers with version `v1`, `http://other:9090` can't be reached (refused), \
             `an address that can't be read` has not answered yet"
        );
    }

    #[test]
    fn an_order_gets_a_name_that_label_studio_stores_nothing_under() {
        let backend = serde_json::from_value(json!({"id": 1, "url": "http://b"})).unwrap();
        let used = ["v1", "v2", "v2.2"].map(str::to_owned).into_iter().collect();
        let seen = Seen { backend, used, at: Instant::now() };
        assert_eq!(
            (seen.fresh("v3"), seen.fresh("v2"), seen.fresh("v1")),
            ("v3".into(), "v2.3".into(), "v1.2".into())
        );
    }
}
