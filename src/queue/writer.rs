//! State of one project's orders: the one in force, what of it is written, and what is due next.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::pace::{HEAD, Pace, SPEED_KNOWN_FOR};
use super::rows::Rows;
use super::{QueueOrder, Ranked, Ranking};
use crate::domain::ids::TaskId;
use crate::labelstudio::BackendRow;
use crate::models::{Announced, revised, unrevised};
use crate::ranking::{SCORE_STEP, certainty_scores};
use crate::storage::Project;

/// Maximum age of a project's state in Label Studio, before it is read again.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// State of writing one project's orders.
#[derive(Default)]
pub(super) struct Writer {
    pub seen: Option<Seen>,
    pub rows: Rows,
    pub pace: Pace,
    pub order: Option<Order>,
    /// The order that Label Studio was seen to follow some time after it was told, and to ask for what is not in it.
    pub followed: Option<String>,
    /// Time at which each recent order was made, and the number of tasks that were open then.
    pools: VecDeque<(Instant, usize)>,
    /// `true` if more than one person labelled when the last order was made.
    is_busy: bool,
    /// Label Studio is left alone until then.
    pub due: Option<Instant>,
    /// Number of attempts that failed in a row, and the time of the first.
    pub failures: u32,
    pub failing_since: Option<Instant>,
}

/// The order in force, and what of it is still to be written.
pub(super) struct Order {
    /// Its name, and what predicts under it.
    pub announced: Announced,
    pub strategy: Option<String>,
    /// As they are imported; those up to `written` are there.
    pub predictions: Vec<(TaskId, Value)>,
    pub written: usize,
    /// Time at which it was made, and the number of tasks that events had been about.
    pub made: (Instant, usize),
    /// It may run out when events were about so many tasks.
    pub lasts_until: usize,
}

impl Order {
    /// `events`: those that a project's tasks had so far.
    pub fn of(ranking: &Ranking, name: &str, project: &Project, order: QueueOrder, events: usize) -> Self {
        let predictions = predictions(&ranking.tasks, name, order);
        let all = predictions.len();
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

    /// The next tasks of it that Label Studio serves, of those that are open.
    pub fn next(&self, open: &BTreeSet<TaskId>) -> BTreeSet<TaskId> {
        let written = self.predictions[..self.written].iter().map(|(task, _)| *task);
        written.filter(|task| open.contains(task)).take(HANDED_OUT).collect()
    }

    pub fn is_complete(&self) -> bool {
        self.written >= self.predictions.len()
    }

    /// Returns `true` if so many people label that Label Studio has better things to do than to ask about each task.
    fn is_busy(&self, events: usize) -> bool {
        let (at, before) = self.made;
        Pace::is_busy(events.saturating_sub(before), at.elapsed())
    }
}

/// Tasks that Label Studio may just be handing out by the order before: it picks a task, and then looks for its prediction of the
/// version that the project names by then. Those of twenty people who open a task at once.
const HANDED_OUT: usize = 20;

/// Lets these tasks follow the first `head`, whatever their place, which their scores carry; gives how many the head has then.
pub(super) fn bring_forward(
    predictions: &mut Vec<(TaskId, Value)>,
    tasks: &BTreeSet<TaskId>,
    head: usize,
) -> usize {
    let behind = predictions.split_off(head.min(predictions.len()));
    let (now, later): (Vec<_>, Vec<_>) = behind.into_iter().partition(|(task, _)| tasks.contains(task));
    predictions.extend(now);
    let head = predictions.len();
    predictions.extend(later);
    head
}

/// Fewest open tasks of an order of so many, before it is followed by another.
pub(super) fn fewest(tasks: usize) -> usize {
    HEAD.min(tasks / 2)
}

/// Next step for a project's queue.
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
    /// Returns the next step where `version` is the newest, and events were about so many tasks.
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
    pub fn head(&mut self, pool: usize) -> usize {
        self.pools.retain(|(at, _)| at.elapsed() < SPEED_KNOWN_FOR);
        let answered = self.pools.iter().map(|(at, before)| (before.saturating_sub(pool), at.elapsed()));
        let highest = Pace::highest(answered);
        self.is_busy = highest.is_some_and(Pace::is_fast);
        self.pools.push_back((Instant::now(), pool));
        Pace::head(highest)
    }

    /// Time for which Label Studio is left alone after it worked for us.
    pub fn pause(&self, worked: Duration) -> Duration {
        Pace::pause(worked, self.is_busy)
    }

    /// Returns `true` if Label Studio asks about each task, and no more than one person labels, where events were about so many
    /// tasks: then the next order may be announced by the backend's title.
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

/// State of a project in Label Studio.
pub(super) struct Seen {
    pub backend: BackendRow,
    /// Names that it may know already, most of them of predictions.
    pub used: BTreeSet<String>,
    pub at: Instant,
}

impl Seen {
    /// A name under which Label Studio stores nothing yet.
    pub fn fresh(&self, version: &str) -> String {
        let mut name = version.to_owned();
        for revision in 2.. {
            if !self.used.contains(&name) {
                break;
            }
            name = revised(version, revision);
        }
        name
    }

    /// Returns `true` if the state is to be read again.
    pub fn is_old(&self) -> bool {
        self.at.elapsed() > KNOWN_FOR
    }
}

/// The ranking's tasks as Label Studio imports them under the name of an order: the score carries the order, that of each
/// region the probability.
pub(super) fn predictions(ranked: &[Ranked], name: &str, order: QueueOrder) -> Vec<(TaskId, Value)> {
    let scores: Vec<f64> = match order {
        QueueOrder::Rank => (1..=ranked.len()).map(|place| place as f64 * SCORE_STEP).collect(),
        QueueOrder::Certainty => {
            // Where nothing is predicted nothing is certain.
            let certainty =
                |ranked: &Ranked| ranked.prediction.as_ref().map_or(0.0, |prediction| prediction.score);
            certainty_scores(&ranked.iter().map(certainty).collect::<Vec<_>>())
        }
    };
    ranked.iter().zip(scores).map(|(ranked, score)| (ranked.task, prediction(ranked, score, name))).collect()
}

fn prediction(ranked: &Ranked, score: f64, version: &str) -> Value {
    let result = ranked.prediction.as_ref().map_or(&[][..], |prediction| &prediction.result);
    json!({"task": ranked.task, "result": result, "score": score, "model_version": version})
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
