//! State of filling a pool: the tasks that were read, those to read again, and those whose image is unavailable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::domain::ids::TaskId;

#[derive(Default)]
pub(super) struct FillState {
    /// Tasks with an embedding.
    pub embedded: usize,
    /// Grows with every change of the embeddings, from when the pool was made.
    pub revision: u64,
    /// Tasks whose image is unavailable, and the reason.
    failed: BTreeMap<TaskId, String>,
    /// Tasks of whose image only a part could be read.
    damaged: BTreeSet<TaskId>,
    /// Tasks whose image was not asked for, because its host is left alone.
    put_off: BTreeMap<TaskId, PutOff>,
    /// Every task up to this one has been read.
    pub seen: Option<TaskId>,
    /// `true` if the tasks after those are just being read.
    pub reading: bool,
    /// Tasks that changed since they were read.
    pub changed: BTreeSet<TaskId>,
    /// Tasks that events were about since the start of this process, each as often as it was.
    pub events: usize,
}

/// A task that is tried once more before it counts as failed.
struct PutOff {
    until: Instant,
    tried_again: bool,
    why: String,
}

impl FillState {
    /// State in which nothing has been read yet.
    pub fn new(revision: u64) -> Self {
        Self { revision, ..Self::default() }
    }

    /// Forgets everything that was read; the count of events stays.
    pub fn start_again(&mut self) {
        *self = Self { events: self.events, ..Self::new(self.revision + 1) };
    }

    /// Tasks changed: those above the ones seen are read in their turn, and nobody knows the content of a page that is just
    /// being read.
    pub fn note(&mut self, tasks: impl Iterator<Item = TaskId>) {
        let reading = self.reading;
        let seen = self.seen;
        let tasks = tasks.inspect(|_| self.events += 1);
        self.changed.extend(tasks.filter(|task| reading || Some(*task) <= seen));
    }

    /// A page of tasks up to `last` was read; they are embedded next.
    pub fn page_read(&mut self, last: Option<TaskId>) {
        self.reading = false;
        self.seen = last.or(self.seen);
        // Those above are in no page yet.
        let seen = self.seen;
        self.changed.retain(|task| Some(*task) <= seen);
    }

    /// Takes the tasks to read again: those that changed, and those whose host may be asked again.
    pub fn take_changed(&mut self) -> BTreeSet<TaskId> {
        let mut taken = std::mem::take(&mut self.changed);
        let now = Instant::now();
        for (task, put_off) in self.put_off.iter_mut().filter(|(_, put_off)| put_off.until <= now) {
            put_off.tried_again = true;
            taken.insert(*task);
        }
        taken
    }

    /// Marks the tasks whose image is unavailable to be read again.
    pub fn retry_failed(&mut self) {
        self.changed.extend(self.failed.keys());
    }

    /// A task's image is there, or a part of it.
    pub fn found(&mut self, task: TaskId, damaged: bool) {
        self.damaged.remove(&task);
        self.damaged.extend(damaged.then_some(task));
        self.failed.remove(&task);
        self.put_off.remove(&task);
    }

    /// A task's image is unavailable. Where its host is left alone for `left_alone`, nothing is known of the image: it is
    /// put off, and failed only where the host is still silent when it is asked again.
    pub fn not_found(&mut self, task: TaskId, why: String, left_alone: Option<Duration>) {
        self.damaged.remove(&task);
        let was_tried = self.failed.contains_key(&task)
            || self.put_off.get(&task).is_some_and(|put_off| put_off.tried_again);
        match left_alone.filter(|_| !was_tried) {
            Some(wait) => {
                let until = Instant::now() + wait;
                self.put_off.entry(task).or_insert(PutOff { until, tried_again: false, why });
            }
            None => {
                self.put_off.remove(&task);
                self.failed.insert(task, why);
            }
        }
    }

    /// Number of tasks whose image is unavailable.
    pub fn failed(&self) -> usize {
        self.failed.len()
    }

    /// Tasks of whose image only a part could be read, by id.
    pub fn damaged(&self) -> impl Iterator<Item = TaskId> {
        self.damaged.iter().copied()
    }

    pub fn is_damaged(&self, task: TaskId) -> bool {
        self.damaged.contains(&task)
    }

    /// Tasks that are in no ranking, and why.
    pub fn left_out(&self) -> impl Iterator<Item = (TaskId, &str)> {
        let put_off = self.put_off.iter().map(|(task, put_off)| (*task, put_off.why.as_str()));
        self.failed.iter().map(|(task, why)| (*task, why.as_str())).chain(put_off)
    }

    /// Forgets tasks that are gone.
    pub fn retain(&mut self, keep: impl Fn(TaskId) -> bool) {
        self.failed.retain(|task, _| keep(*task));
        self.damaged.retain(|task| keep(*task));
        self.put_off.retain(|task, _| keep(*task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_comes_while_its_page_is_read_is_looked_at_again() {
        let mut fill_state = FillState { seen: Some(TaskId(3)), ..FillState::default() };
        fill_state.note([2, 7].map(TaskId).into_iter());
        assert_eq!((&fill_state.changed, fill_state.events), (&BTreeSet::from([TaskId(2)]), 2));
        fill_state.reading = true;
        fill_state.note([7, 9].map(TaskId).into_iter());
        fill_state.page_read(Some(TaskId(8)));
        assert_eq!(
            (&fill_state.changed, fill_state.seen),
            (&BTreeSet::from([2, 7].map(TaskId)), Some(TaskId(8)))
        );
        fill_state.reading = true;
        fill_state.page_read(None);
        assert_eq!((fill_state.reading, fill_state.seen), (false, Some(TaskId(8))));
    }

    #[test]
    fn an_image_whose_host_is_left_alone_is_tried_once_more_before_it_counts_as_failed() {
        let mut fill_state = FillState::default();
        let task = TaskId(1);
        let minute = Some(Duration::from_secs(60));
        let silent =
            |fill_state: &mut FillState, wait| fill_state.not_found(task, "left alone".to_owned(), wait);
        silent(&mut fill_state, minute);
        assert_eq!(
            (fill_state.failed(), fill_state.left_out().count(), fill_state.take_changed().len()),
            (0, 1, 0)
        );
        // An event of the task meanwhile tells nothing new of the host.
        silent(&mut fill_state, minute);
        assert_eq!(fill_state.failed(), 0);
        fill_state.found(task, false);
        silent(&mut fill_state, Some(Duration::ZERO));
        assert_eq!((fill_state.failed(), fill_state.take_changed()), (0, BTreeSet::from([task])));
        silent(&mut fill_state, minute);
        assert_eq!(
            (fill_state.failed(), fill_state.left_out().count(), fill_state.take_changed().len()),
            (1, 1, 0)
        );
        fill_state.retry_failed();
        assert_eq!(fill_state.take_changed(), BTreeSet::from([task]));
        silent(&mut fill_state, minute);
        assert_eq!(fill_state.failed(), 1, "it was asked for before");
        fill_state.found(task, false);
        fill_state.not_found(task, "404".to_owned(), None);
        assert_eq!(fill_state.failed(), 1);
        fill_state.retain(|_| false);
        assert_eq!((fill_state.failed(), fill_state.left_out().count()), (0, 0));
    }
}
