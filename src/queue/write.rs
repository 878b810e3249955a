//! One order on its way into Label Studio: the head of the ranking, the switch to it, and the rest when it is quiet.
//!
//! Label Studio's "Uncertainty sampling" takes tasks by ascending score over the predictions of the one version that its
//! project names. So the head of the ranking is stored as predictions of the new version with scores that carry the
//! order, and only then the version moves: one request switches from the old order to the new one, and with it what
//! `/setup` and `/predict` answer. The backend's title follows when fewer people label (`follow`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::writer::{Order, Seen, Writer, bring_forward, fewest};
use super::{Publisher, QueueError, Ranking};
use crate::domain::ids::TaskId;
use crate::pool::image_key;
use crate::storage::{Project, TaskState};

impl Publisher {
    /// Writes the head of a ranking and lets Label Studio follow it; gives how many tasks it has and how long Label Studio
    /// worked.
    pub(super) async fn write_order(
        &self,
        project: &Project,
        writer: &mut Writer,
        ranking: &Ranking,
    ) -> Result<(usize, Duration), QueueError> {
        let started = Instant::now();
        let id = project.id;
        if self.is_foreign(project, writer) {
            writer.seen = None;
        }
        if writer.seen.as_ref().is_none_or(Seen::is_old) {
            writer.seen = Some(self.inspect(project).await?);
        }
        let Some(seen) = &mut writer.seen else { return Err(QueueError::Interrupted) };
        let name = seen.fresh(&ranking.version);
        // From here on Label Studio may store something under it, whatever fails.
        seen.used.insert(name.clone());
        let head = writer.head(ranking.pool);
        let ranked: BTreeSet<TaskId> = ranking.tasks.iter().map(|ranked| ranked.task).collect();
        writer.rows.retain(|task| ranked.contains(&task));
        let mut order = Order::of(ranking, &name, project, self.0.policy.order, self.0.pool.events(id));
        let handed_out = writer.order.as_ref().map(|before| before.next(&ranked)).unwrap_or_default();
        let head = bring_forward(&mut order.predictions, &handed_out, head);
        self.store(project, writer, &order.predictions[..head], &name).await?;
        order.written = head;
        self.switch(id, writer, order.announced.clone(), head).await?;
        self.queue().wake_at(id, order.lasts_until);
        let complete = order.is_complete();
        self.0.storage.set_queue_version(id, &name, order.strategy.as_deref(), complete).await?;
        writer.order = Some(order);
        Ok((head, started.elapsed()))
    }

    /// Writes a further part of the order in force; gives as [`Publisher::write_order`].
    pub(super) async fn write_rest(
        &self,
        project: &Project,
        writer: &mut Writer,
    ) -> Result<(usize, Duration), QueueError> {
        let started = Instant::now();
        let Some(mut order) = writer.order.take() else { return Ok((0, Duration::ZERO)) };
        let states = self.0.storage.task_states(project.id).await?;
        let end = order.predictions.len().min(order.written + writer.pace.chunk());
        // Those that were opened meanwhile have a prediction of this name already: Label Studio asked for it.
        let left = |task: TaskId| {
            states.get(&task) == Some(&TaskState::Open)
                && !self.queue().was_asked(project.id, order.name(), task)
        };
        let part = order.predictions[order.written..end].iter().filter(|(task, _)| left(*task));
        let part: Vec<(TaskId, Value)> = part.cloned().collect();
        self.store(project, writer, &part, order.name()).await?;
        order.written = end;
        if order.is_complete() {
            let name = order.name();
            let strategy = order.strategy.as_deref();
            self.0.storage.set_queue_version(project.id, name, strategy, true).await?;
        }
        writer.order = Some(order);
        Ok((part.len(), started.elapsed()))
    }

    /// Returns `true` if the order in force runs out while there are tasks that are not in it: where others hold all that are
    /// left, Label Studio would serve an annotator nothing, for as long as no version comes.
    pub(super) async fn runs_out(
        &self,
        project: &Project,
        writer: &mut Writer,
        events: usize,
    ) -> Result<bool, QueueError> {
        let Some(order) = &mut writer.order else { return Ok(false) };
        let key = image_key(project.id, self.0.pool.config_of(project)?.as_ref())?;
        let states = self.0.storage.task_states(project.id).await?;
        let is_open = |task: &TaskId| states.get(task) == Some(&TaskState::Open);
        let left = order.predictions.iter().filter(|(task, _)| is_open(task)).count();
        let fewest = fewest(order.predictions.len());
        // Where nothing else is open, there is nothing else to order until something comes.
        order.lasts_until = events + if left > fewest { left - fewest } else { (left / 2).max(1) };
        self.queue().wake_at(project.id, order.lasts_until);
        if left >= fewest {
            return Ok(false);
        }
        let pool = self.0.pool.embeddings(project.id, &key).await;
        Ok(pool.places(states.keys().copied().filter(is_open)).len() > left)
    }

    /// Returns `true` if somebody else let the project follow another version.
    fn is_foreign(&self, project: &Project, writer: &Writer) -> bool {
        let Some(seen) = &writer.seen else { return false };
        project.model_version.as_ref().is_some_and(|named| !seen.used.contains(named))
    }
}
