//! The predictions of ours that Label Studio keeps of each task.
//!
//! An editor sends the id of the prediction it began from (`parent_prediction`), and Label Studio refuses the submit where
//! that row is gone. Nobody can see which tasks are open in an editor, so no row is ever deleted. A task gets two: one
//! is in the order that Label Studio follows, the other is brought up to date for the next order, and then they change
//! parts. Where that would take too long, it gets new rows instead, up to a limit.

use std::collections::HashMap;

use crate::domain::ids::TaskId;
use crate::labelstudio::PredictionRow;

/// Rows of ours that a task gets; further orders change them in place.
const ROWS: usize = 2;

/// Rows that it gets where Label Studio is slow to change them: opened in the Data Manager, it shows as many tabs.
const MOST_ROWS: usize = 12;

/// Way of bringing rows up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Two rows take turns.
    Two,
    /// New rows are cheaper: they come in one request.
    Many,
}

/// Known rows of each task since the start of this process.
#[derive(Debug, Default)]
pub(super) struct Rows(HashMap<TaskId, TaskRows>);

#[derive(Debug, Default)]
struct TaskRows {
    /// Number of new rows it was given.
    made: usize,
    /// All of ours, where they were asked for since the last one was made.
    listed: Option<Vec<PredictionRow>>,
}

impl Rows {
    /// Returns `true` if a task has its rows, so that one of them is to be changed.
    pub fn has_enough(&self, task: TaskId, turn: Turn) -> bool {
        let enough = match turn {
            Turn::Two => ROWS,
            Turn::Many => MOST_ROWS,
        };
        self.0.get(&task).is_some_and(|rows| rows.made >= enough)
    }

    /// Requests that it takes to change a row of each task that has two.
    pub fn requests(&self, tasks: impl Iterator<Item = TaskId>) -> usize {
        let theirs = tasks.filter(|task| self.has_enough(*task, Turn::Two));
        theirs.map(|task| if self.are_listed(task) { 1 } else { 2 }).sum()
    }

    /// Returns `true` if the ids of a task's rows are known.
    pub fn are_listed(&self, task: TaskId) -> bool {
        self.0.get(&task).is_some_and(|rows| rows.listed.is_some())
    }

    /// A new row may have been stored.
    pub fn made(&mut self, task: TaskId) {
        let rows = self.0.entry(task).or_default();
        rows.made += 1;
        rows.listed = None;
    }

    /// These are all the rows of ours, among them those that Label Studio stored itself when the task was opened.
    pub fn list(&mut self, task: TaskId, rows: Vec<PredictionRow>) {
        self.0.entry(task).or_default().listed = Some(rows);
    }

    /// The oldest row that is not in the order in force; `None` where there is none.
    pub fn spare(&self, task: TaskId, in_force: Option<&str>) -> Option<i64> {
        let rows = self.0.get(&task)?.listed.as_ref()?;
        let spare = rows.iter().filter(|row| in_force.is_none() || row.model_version.as_deref() != in_force);
        spare.map(|row| row.id).min()
    }

    /// A row carries another version now.
    pub fn changed(&mut self, task: TaskId, id: i64, version: &str) {
        let listed = self.0.get_mut(&task).and_then(|rows| rows.listed.as_mut());
        if let Some(row) = listed.and_then(|rows| rows.iter_mut().find(|row| row.id == id)) {
            row.model_version = Some(version.to_owned());
        }
    }

    /// Only tasks that are still ranked matter.
    pub fn retain(&mut self, is_ranked: impl Fn(TaskId) -> bool) {
        self.0.retain(|task, _| is_ranked(*task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, version: &str) -> PredictionRow {
        PredictionRow { id, model_version: Some(version.to_owned()) }
    }

    #[test]
    fn two_rows_take_turns_and_the_one_in_force_is_never_touched() {
        let task = TaskId(7);
        let mut rows = Rows::default();
        assert!(!rows.has_enough(task, Turn::Two));
        rows.made(task);
        rows.made(task);
        assert!(rows.has_enough(task, Turn::Two) && !rows.has_enough(task, Turn::Many));
        assert_eq!((rows.are_listed(task), rows.requests([task, TaskId(8)].into_iter())), (false, 2));
        rows.list(task, vec![row(11, "v2"), row(10, "v1")]);
        assert_eq!(rows.requests([task].into_iter()), 1);
        for (in_force, next, spare) in [("v2", "v3", 10), ("v3", "v4", 11), ("v4", "v5", 10)] {
            assert_eq!(rows.spare(task, Some(in_force)), Some(spare));
            rows.changed(task, spare, next);
        }
        // One more that Label Studio stored when the task was opened is taken into the turn.
        rows.list(task, vec![row(10, "v5"), row(11, "v4"), row(12, "v5")]);
        assert_eq!(rows.spare(task, Some("v5")), Some(11));
        rows.list(task, vec![row(10, "v5")]);
        assert_eq!(rows.spare(task, Some("v5")), None);
        (ROWS..MOST_ROWS).for_each(|_| rows.made(task));
        assert!(rows.has_enough(task, Turn::Many));
    }
}
