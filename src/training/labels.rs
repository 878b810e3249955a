//! Consensus labels of tasks, as training uses them.

use std::collections::{BTreeMap, HashMap};

use super::{LabelReader, TrainingError};
use crate::domain::annotation::{Annotation, Target};
use crate::domain::consensus::consensus;
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::HeadSpec;

impl LabelReader {
    /// Returns the consensus labels of `tasks` under one head, as class names; tasks without a label are left out.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn labels_of(
        &self,
        project: ProjectId,
        head: &HeadSpec,
        tasks: &[TaskId],
    ) -> Result<HashMap<TaskId, String>, TrainingError> {
        let mut by_task: BTreeMap<TaskId, Vec<Annotation>> = BTreeMap::new();
        for annotation in self.0.storage.annotations_of(project, tasks).await? {
            by_task.entry(annotation.task).or_default().push(annotation);
        }
        let agreed = by_task.into_iter().filter_map(|(task, all)| Some((task, consensus(&all, head)?)));
        Ok(agreed.map(|(task, target)| (task, words(head, &target))).collect())
    }
}

fn words(head: &HeadSpec, target: &Target) -> String {
    let name = |class: usize| head.classes.get(class).map_or("?", |class| class.name.as_str());
    match target {
        Target::Single(class) => name(*class).to_owned(),
        Target::Multiple(flags) => {
            let on = flags.iter().enumerate().filter(|(_, on)| **on).map(|(class, _)| name(class));
            on.collect::<Vec<_>>().join(", ")
        }
    }
}
