//! Merge of a delivery or an export into the stored annotations. Pure: rows in, changed rows and counts out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Annotation, to_text};
use crate::domain::ids::{AnnotationId, TaskId};
use crate::storage::Result;

/// A row of the table. `deleted_at` makes it a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub id: i64,
    /// `None` only in a tombstone of an annotation that was never seen.
    pub task: Option<i64>,
    /// JSON.
    pub result: String,
    pub was_cancelled: bool,
    /// `true` if submitted without any choice.
    pub empty: bool,
    pub ground_truth: bool,
    pub completed_by: Option<i64>,
    pub updated_at: i64,
    pub received_at: i64,
    pub deleted_at: Option<i64>,
}

impl Stored {
    /// Content that training learns from: task, regions, weight; `None` for a skip, an empty answer and a tombstone.
    fn lesson(&self) -> Option<(Option<i64>, &str, bool)> {
        let teaches = self.deleted_at.is_none() && !self.was_cancelled && self.result != "[]";
        teaches.then_some((self.task, self.result.as_str(), self.ground_truth))
    }
}

/// Applies changes one after the other and counts what they change.
pub(super) struct Merge {
    rows: BTreeMap<i64, Stored>,
    touched: BTreeSet<i64>,
    now: i64,
    truth_since: Option<i64>,
    /// Those of the delivery that were submitted without any choice.
    pub empty: BTreeSet<AnnotationId>,
    pub added: u64,
    pub relabelled: u64,
    pub removed: u64,
    /// Rows whose lesson changed.
    pub label_changes: i64,
}

impl Merge {
    /// `rows` are all stored rows that may be concerned. With `truth_since`, what was received and deleted before that
    /// time gives way whatever its age.
    pub(super) fn new(rows: BTreeMap<i64, Stored>, now: i64, truth_since: Option<i64>) -> Self {
        Self {
            rows,
            touched: BTreeSet::new(),
            now,
            truth_since,
            empty: BTreeSet::new(),
            added: 0,
            relabelled: 0,
            removed: 0,
            label_changes: 0,
        }
    }

    /// Takes a state of an annotation in, unless what is stored is newer or deleted. An unknown one of a deleted task
    /// (`task_is_deleted`) becomes a tombstone. Label Studio on SQLite gives the ids of deleted annotations away again: one
    /// that was created after the last change of the deleted one is another.
    pub(super) fn upsert(&mut self, annotation: &Annotation, task_is_deleted: bool) -> Result<()> {
        let mut new = Stored {
            id: annotation.id.0,
            task: Some(annotation.task.0),
            result: to_text(&annotation.result)?,
            was_cancelled: annotation.was_cancelled,
            empty: self.empty.contains(&annotation.id),
            ground_truth: annotation.ground_truth,
            completed_by: annotation.completed_by,
            updated_at: annotation.updated_at,
            received_at: self.now,
            deleted_at: task_is_deleted.then_some(self.now),
        };
        if let Some(old) = self.rows.get(&new.id) {
            let newer = old.deleted_at.is_none() && new.updated_at >= old.updated_at;
            let another =
                old.deleted_at.is_some() && old.updated_at > 0 && annotation.created_at > old.updated_at;
            if !newer && !another && !self.gives_way(old) {
                return Ok(());
            }
            new.received_at = old.received_at;
            if new == *old {
                return Ok(());
            }
            new.received_at = self.now;
        }
        self.put(new);
        Ok(())
    }

    /// Deletes an annotation; an unknown one leaves a tombstone.
    pub(super) fn delete(&mut self, id: AnnotationId) {
        match self.rows.get(&id.0) {
            Some(old) if old.deleted_at.is_some() => {}
            Some(old) => {
                let mut dead = old.clone();
                dead.deleted_at = Some(self.now);
                self.put(dead);
            }
            None => self.put(Stored {
                id: id.0,
                task: None,
                result: "[]".to_owned(),
                was_cancelled: false,
                empty: false,
                ground_truth: false,
                completed_by: None,
                updated_at: 0,
                received_at: self.now,
                deleted_at: Some(self.now),
            }),
        }
    }

    /// Deletes the annotations of deleted tasks.
    pub(super) fn delete_of_tasks(&mut self, tasks: &[TaskId]) {
        let tasks: BTreeSet<_> = tasks.iter().map(|task| Some(task.0)).collect();
        self.delete_where(|row| tasks.contains(&row.task));
    }

    /// Deletes what the export lacks, except for what came after it.
    pub(super) fn delete_missing(&mut self, present: &BTreeSet<i64>) {
        let since = self.truth_since.unwrap_or(i64::MIN);
        self.delete_where(|row| row.received_at < since && !present.contains(&row.id));
    }

    /// The rows to write.
    pub(super) fn changed(&self) -> Vec<&Stored> {
        self.touched.iter().filter_map(|id| self.rows.get(id)).collect()
    }

    fn delete_where(&mut self, condition: impl Fn(&Stored) -> bool) {
        let ids: Vec<_> = self
            .rows
            .values()
            .filter(|row| row.deleted_at.is_none() && condition(row))
            .map(|row| row.id)
            .collect();
        for id in ids {
            self.delete(AnnotationId(id));
        }
    }

    fn gives_way(&self, old: &Stored) -> bool {
        self.truth_since.is_some_and(|since| {
            old.received_at < since && old.deleted_at.is_none_or(|deleted| deleted < since)
        })
    }

    fn put(&mut self, new: Stored) {
        let id = new.id;
        let is_live = new.deleted_at.is_none();
        let lesson_after = new.lesson().map(|(task, result, truth)| (task, result.to_owned(), truth));
        let old = self.rows.insert(id, new);
        let was_live = old.as_ref().is_some_and(|old| old.deleted_at.is_none());
        let lesson_before = old.as_ref().and_then(Stored::lesson);
        let lesson_after =
            lesson_after.as_ref().map(|(task, result, truth)| (*task, result.as_str(), *truth));
        let relabelled = lesson_before != lesson_after;
        self.added += u64::from(is_live && !was_live);
        self.removed += u64::from(was_live && !is_live);
        self.relabelled += u64::from(was_live && is_live && relabelled);
        self.label_changes += i64::from(relabelled);
        self.touched.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn annotation(id: i64, choice: &str, updated_at: i64) -> Annotation {
        Annotation {
            id: AnnotationId(id),
            task: TaskId(id),
            result: vec![json!({ "value": { "choices": [choice] } })],
            was_cancelled: false,
            ground_truth: false,
            completed_by: None,
            created_at: 0,
            updated_at,
        }
    }

    fn live(merge: &Merge) -> Vec<(i64, String)> {
        let live = merge.rows.values().filter(|row| row.deleted_at.is_none());
        live.map(|row| (row.id, row.result.clone())).collect()
    }

    #[test]
    fn a_skip_and_an_empty_answer_change_no_label() {
        let mut merge = Merge::new(BTreeMap::new(), 10, None);
        let mut skip = annotation(1, "rain", 1);
        skip.was_cancelled = true;
        merge.upsert(&skip, false).unwrap();
        let mut empty = annotation(2, "rain", 1);
        empty.result.clear();
        merge.upsert(&empty, false).unwrap();
        assert_eq!((merge.added, merge.label_changes), (2, 0));
        merge.upsert(&annotation(1, "rain", 2), false).unwrap();
        assert_eq!((merge.relabelled, merge.label_changes), (1, 1));
        merge.delete(AnnotationId(2));
        assert_eq!((merge.removed, merge.label_changes), (1, 1));
    }

    #[test]
    fn an_annotation_that_arrives_after_its_task_was_deleted_stays_dead() {
        let mut merge = Merge::new(BTreeMap::new(), 10, None);
        merge.upsert(&annotation(1, "rain", 1), true).unwrap();
        assert_eq!((live(&merge).len(), merge.label_changes), (0, 0));
    }

    #[test]
    fn the_id_of_a_deleted_annotation_may_be_given_to_another_one() {
        let mut merge = Merge::new(BTreeMap::new(), 10, None);
        merge.upsert(&annotation(1, "rain", 5), false).unwrap();
        merge.delete(AnnotationId(1));
        merge.delete(AnnotationId(2));
        let at = |id, created_at, choice| Annotation { created_at, ..annotation(id, choice, 9) };
        merge.upsert(&at(1, 4, "late"), false).unwrap();
        merge.upsert(&at(2, 4, "never seen, and deleted"), false).unwrap();
        assert_eq!(live(&merge), []);
        merge.upsert(&at(1, 8, "another"), false).unwrap();
        assert_eq!(live(&merge), [(1, to_text(&at(1, 8, "another").result).unwrap())]);
    }

    proptest! {
        #[test]
        fn deliveries_in_any_order_and_number_end_in_the_same_state(
            order in prop::collection::vec((0_usize..6, any::<bool>()), 1..20),
        ) {
            // States of one annotation by age, and at times its deletion; each is delivered at least once at the end.
            let deleted = order.iter().any(|(_, delete)| *delete);
            let mut merge = Merge::new(BTreeMap::new(), 10, None);
            let all = (0..6).map(|age| (age, false));
            for (age, delete) in order.iter().copied().chain(all) {
                if delete {
                    merge.delete(AnnotationId(1));
                } else {
                    merge.upsert(&annotation(1, &format!("class {age}"), age as i64), false).unwrap();
                }
            }
            let newest = to_text(&annotation(1, "class 5", 5).result).unwrap();
            let expected = if deleted { vec![] } else { vec![(1, newest)] };
            prop_assert_eq!(live(&merge), expected);
            let before = merge.label_changes;
            merge.upsert(&annotation(1, "class 3", 3), false).unwrap();
            prop_assert_eq!(merge.label_changes, before);
        }

        #[test]
        fn what_an_export_says_wins_over_everything_received_before_it(
            stored in prop::collection::btree_map(0_i64..8, (0_i64..20, any::<bool>()), 0..8),
            exported in prop::collection::btree_map(0_i64..8, 0_i64..20, 0..8),
        ) {
            let since = 10;
            let mut first = Merge::new(BTreeMap::new(), 0, None);
            for (id, (received, dead)) in &stored {
                first.now = *received;
                first.upsert(&annotation(*id, "here", 15), false).unwrap();
                if *dead {
                    first.delete(AnnotationId(*id));
                }
            }
            let mut merge = Merge::new(first.rows, 30, Some(since));
            for (id, updated_at) in &exported {
                merge.upsert(&annotation(*id, "there", *updated_at), false).unwrap();
            }
            merge.delete_missing(&exported.keys().copied().collect());
            for id in 0..8 {
                let row = merge.rows.get(&id).filter(|row| row.deleted_at.is_none());
                let here = stored.get(&id);
                match (here, exported.get(&id)) {
                    (Some((received, dead)), _) if *received >= since && *dead => prop_assert!(row.is_none()),
                    (Some((received, _)), None) if *received >= since => prop_assert!(row.is_some()),
                    (Some((received, _)), Some(updated)) if *received >= since => {
                        let row = row.unwrap();
                        prop_assert_eq!(row.result.contains("there"), *updated >= 15);
                    }
                    (_, Some(_)) => prop_assert!(row.unwrap().result.contains("there")),
                    (_, None) => prop_assert!(row.is_none()),
                }
            }
        }
    }
}
