//! One order on its way into Label Studio: the head of the ranking, the switch to it, and the rest when it is quiet.
//!
//! Label Studio's "Uncertainty sampling" takes tasks by ascending score over the predictions of the one version that its
//! project names. So the head of the ranking is stored as predictions of the new version with scores that carry the
//! order, and only then the version moves: one request switches from the old order to the new one, and with it what
//! `/setup` and `/predict` answer. The backend's title follows when fewer people label (`follow`).

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::fill::{config_of, image_key};
use super::follow::Seen;
use super::pace::{HEAD, Pace, SPEED_KNOWN_FOR};
use super::rows::Rows;
use super::{Queue, QueueError, Ranking, publish};
use crate::domain::ids::TaskId;
use crate::models::{Announced, unrevised};
use crate::storage::{Project, TaskState};

/// What is remembered of writing one project's orders.
#[derive(Default)]
pub(super) struct Writer {
    pub seen: Option<Seen>,
    pub rows: Rows,
    pub pace: Pace,
    pub order: Option<Order>,
    /// The order that Label Studio was seen to follow some time after it was told, and to ask for what is not in it.
    pub followed: Option<String>,
    /// When each order of late was made, and how many tasks were open then.
    pools: VecDeque<(Instant, usize)>,
    /// Whether more than one person labelled when the last order was made.
    is_busy: bool,
    /// Label Studio is left alone until then.
    pub due: Option<Instant>,
    /// Attempts that failed in a row, and since when.
    pub failures: u32,
    pub failing_since: Option<Instant>,
}

/// The order in force, and what of it is still to be written.
pub(super) struct Order {
    /// Its name, and what predicts under it.
    pub announced: Announced,
    strategy: Option<String>,
    /// As they are imported; those up to `written` are there.
    predictions: Vec<(TaskId, Value)>,
    written: usize,
    /// When it was made, and how many tasks events had been about.
    made: (Instant, usize),
    /// It may run out when events were about so many tasks.
    lasts_until: usize,
}

impl Order {
    fn of(ranking: &Ranking, name: &str, project: &Project, queue: &Queue) -> Self {
        let predictions = publish::predictions(&ranking.tasks, name, queue.0.policy.order);
        let all = predictions.len();
        let events = queue.events(project.id);
        Self {
            announced: Announced { name: name.to_owned(), snapshot: ranking.snapshot.clone() },
            strategy: project.strategy.clone(),
            predictions,
            written: 0,
            made: (Instant::now(), events),
            lasts_until: events + all.saturating_sub(fewest(all)).max(1),
        }
    }

    pub fn name(&self) -> &str {
        &self.announced.name
    }

    /// What of it Label Studio serves next, of the tasks that are open.
    fn next(&self, open: &BTreeSet<TaskId>) -> BTreeSet<TaskId> {
        let written = self.predictions[..self.written].iter().map(|(task, _)| *task);
        written.filter(|task| open.contains(task)).take(HANDED_OUT).collect()
    }

    fn is_complete(&self) -> bool {
        self.written >= self.predictions.len()
    }

    /// Whether so many people label that Label Studio has better things to do than to ask about each task.
    fn is_busy(&self, events: usize) -> bool {
        let (at, before) = self.made;
        Pace::is_busy(events.saturating_sub(before), at.elapsed())
    }
}

/// Tasks that Label Studio may just be handing out by the order before: it picks a task, and then looks for its prediction of the
/// version that the project names by then. Those of twenty people who open a task at once.
const HANDED_OUT: usize = 20;

/// Lets these tasks follow the first `head`, whatever their place, which their scores carry; gives how many the head has then.
fn bring_forward(predictions: &mut Vec<(TaskId, Value)>, tasks: &BTreeSet<TaskId>, head: usize) -> usize {
    let behind = predictions.split_off(head.min(predictions.len()));
    let (now, later): (Vec<_>, Vec<_>) = behind.into_iter().partition(|(task, _)| tasks.contains(task));
    predictions.extend(now);
    let head = predictions.len();
    predictions.extend(later);
    head
}

/// Fewest open tasks of an order of so many, before it is followed by another.
fn fewest(tasks: usize) -> usize {
    HEAD.min(tasks / 2)
}

/// What there is to do for a project's queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Another version serves, or another strategy is wanted.
    Order,
    /// The order in force goes on.
    Rest,
    /// The order in force is written, but perhaps too much of it is answered.
    Look,
    /// The order in force is written; whether Label Studio follows it still is not known, and it does not ask for other tasks.
    Check,
}

impl Writer {
    /// What is to be written where `version` is the newest, and events were about so many tasks.
    pub fn due(&self, project: &Project, version: &str, events: usize) -> Due {
        let in_force = project.queue_version.as_deref();
        let as_wanted =
            in_force.map(unrevised) == Some(version) && project.queue_strategy == project.strategy;
        let own = self.order.as_ref().filter(|order| in_force == Some(order.name()));
        let is_followed = in_force.is_some() && self.followed.as_deref() == in_force;
        match own {
            _ if !as_wanted => Due::Order,
            Some(order) if order.is_complete() && !is_followed && !order.is_busy(events) => Due::Check,
            Some(order) if order.is_complete() && events < order.lasts_until => Due::Nothing,
            Some(order) if order.is_complete() => Due::Look,
            Some(_) => Due::Rest,
            // Of an earlier process: where it was cut off, nobody knows what it wrote, and what is left of it neither.
            None if project.queue_complete && events == 0 && is_followed => Due::Nothing,
            None if project.queue_complete && events == 0 => Due::Check,
            None => Due::Order,
        }
    }

    /// Tasks at the head of an order that is made now, with so many open.
    fn head(&mut self, pool: usize) -> usize {
        self.pools.retain(|(at, _)| at.elapsed() < SPEED_KNOWN_FOR);
        let answered = self.pools.iter().map(|(at, before)| (before.saturating_sub(pool), at.elapsed()));
        let highest = Pace::highest(answered);
        self.is_busy = highest.is_some_and(Pace::is_fast);
        self.pools.push_back((Instant::now(), pool));
        Pace::head(highest)
    }

    /// How long Label Studio is left alone after it worked for us.
    pub fn pause(&self, worked: Duration) -> Duration {
        Pace::pause(worked, self.is_busy)
    }

    /// Whether Label Studio asks about each task, and no more than one person labels, where events were about so many tasks: then
    /// the next order may be told by the backend's title.
    pub fn is_followed_live(&self, events: usize) -> bool {
        let is_followed = |order: &Order| self.followed.as_deref() == Some(order.name());
        let quiet = |order: &&Order| is_followed(order) && !order.is_busy(events);
        !self.is_busy && self.order.as_ref().filter(quiet).is_some()
    }

    /// After a failure nothing is known for sure.
    pub fn forget_seen(&mut self) {
        self.seen = None;
    }
}

impl Queue {
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
            writer.seen = Some(self.look_at(project).await?);
        }
        let Some(seen) = &mut writer.seen else { return Err(QueueError::Interrupted) };
        let name = seen.fresh(&ranking.version);
        // From here on Label Studio may store something under it, whatever fails.
        seen.used.insert(name.clone());
        let head = writer.head(ranking.pool);
        let ranked: BTreeSet<TaskId> = ranking.tasks.iter().map(|ranked| ranked.task).collect();
        writer.rows.retain(|task| ranked.contains(&task));
        let mut order = Order::of(ranking, &name, project, self);
        let handed_out = writer.order.as_ref().map(|before| before.next(&ranked)).unwrap_or_default();
        let head = bring_forward(&mut order.predictions, &handed_out, head);
        self.store(project, writer, &order.predictions[..head], &name).await?;
        order.written = head;
        self.switch(id, writer, order.announced.clone(), head).await?;
        self.wake_at(id, order.lasts_until);
        let complete = order.is_complete();
        self.0.storage.set_queue_version(id, &name, order.strategy.as_deref(), complete).await?;
        writer.order = Some(order);
        Ok((head, started.elapsed()))
    }

    /// Writes a further part of the order in force; gives as [`Queue::write_order`].
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
            states.get(&task) == Some(&TaskState::Open) && !self.was_asked(project.id, order.name(), task)
        };
        let part = order.predictions[order.written..end].iter().filter(|(task, _)| left(*task));
        let part: Vec<(TaskId, Value)> = part.cloned().collect();
        self.store(project, writer, &part, order.name()).await?;
        order.written = end;
        if order.is_complete() {
            let (name, strategy) = (order.name(), order.strategy.as_deref());
            self.0.storage.set_queue_version(project.id, name, strategy, true).await?;
        }
        writer.order = Some(order);
        Ok((part.len(), started.elapsed()))
    }

    /// Whether the order in force runs out while there are tasks that are not in it: where others hold all that are left,
    /// Label Studio would serve an annotator nothing, for as long as no version comes.
    pub(super) async fn runs_out(
        &self,
        project: &Project,
        writer: &mut Writer,
        events: usize,
    ) -> Result<bool, QueueError> {
        let Some(order) = &mut writer.order else { return Ok(false) };
        let key = image_key(project.id, &config_of(project)?)?;
        let states = self.0.storage.task_states(project.id).await?;
        let is_open = |task: &TaskId| states.get(task) == Some(&TaskState::Open);
        let left = order.predictions.iter().filter(|(task, _)| is_open(task)).count();
        let fewest = fewest(order.predictions.len());
        // Where nothing else is open, there is nothing else to order until something comes.
        order.lasts_until = events + if left > fewest { left - fewest } else { (left / 2).max(1) };
        self.wake_at(project.id, order.lasts_until);
        if left >= fewest {
            return Ok(false);
        }
        let pool = self.pool(project.id).embeddings(&key).await;
        Ok(pool.places(states.keys().copied().filter(is_open)).len() > left)
    }

    /// Whether somebody else let the project follow another version.
    fn is_foreign(&self, project: &Project, writer: &Writer) -> bool {
        let Some(seen) = &writer.seen else { return false };
        project.model_version.as_ref().is_some_and(|named| !seen.used.contains(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_handed_out_is_in_the_next_order_from_its_start() {
        let ranked = || (1..=6).map(|id| (TaskId(id), Value::from(id))).collect::<Vec<_>>();
        let order_of = |tasks: &[i64], head| {
            let mut predictions = ranked();
            let tasks = tasks.iter().copied().map(TaskId).collect();
            let head = bring_forward(&mut predictions, &tasks, head);
            (predictions.iter().map(|(task, _)| task.0).collect::<Vec<_>>(), head)
        };
        assert_eq!(order_of(&[2, 5, 9], 3), (vec![1, 2, 3, 5, 4, 6], 4));
        assert_eq!(order_of(&[], 3), (vec![1, 2, 3, 4, 5, 6], 3));
        assert_eq!(order_of(&[6], 60), (vec![1, 2, 3, 4, 5, 6], 6));
    }
}
