//! Training data from annotations: the consensus label of each task, or of each region, beside its image's embedding.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{TrainingError, Worker};
use crate::domain::annotation::{Annotation, Target, UnusedAnswers};
use crate::domain::consensus::{consensus, region_labels};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::label_config::{ChoiceKind, Control, HeadSpec, LabelConfig};
use crate::domain::region::Place;
use crate::domain::task::Task;
use crate::embed::{Embedded, ImageRequest};
use crate::matrix::Matrix;
use crate::model::{Targets, TrainingSet};

/// Unlabelled images whose embeddings give the columns' mean and spread; more change nothing.
const POOL_IMAGES: i64 = 2_000;

/// Training data of one head.
pub(super) struct HeadData {
    pub spec: HeadSpec,
    pub set: TrainingSet,
    /// Task of each row.
    pub tasks: Vec<TaskId>,
}

/// Training data of a project.
pub(super) struct Dataset {
    pub heads: Vec<HeadData>,
    pub pool: Option<Matrix>,
    /// Labelled tasks.
    pub labels: i64,
}

impl Worker {
    /// Labels and embeddings of a project, for every head with labels of two classes or more.
    pub(super) async fn dataset(
        &self,
        project: ProjectId,
        config: &LabelConfig,
    ) -> Result<Dataset, TrainingError> {
        let storage = &self.0.storage;
        let mut by_task: BTreeMap<TaskId, Vec<Annotation>> = BTreeMap::new();
        for annotation in storage.annotations(project).await? {
            by_task.entry(annotation.task).or_default().push(annotation);
        }
        let (by_task, unused) = tokio::task::spawn_blocking({
            let config = config.clone();
            move || {
                let unused = UnusedAnswers::among(by_task.values().flatten(), &config);
                (by_task, unused)
            }
        })
        .await
        .map_err(|_| TrainingError::Cancelled)?;
        self.0.training().labels().say_unused(project, &unused);
        let ids: Vec<TaskId> = by_task.keys().copied().collect();
        let tasks: HashMap<TaskId, Task> =
            storage.tasks(project, &ids).await?.into_iter().map(|row| (row.id, Task::from(row))).collect();

        let mut heads = Vec::new();
        let mut missing = Vec::new();
        let mut labelled: std::collections::BTreeSet<TaskId> = std::collections::BTreeSet::new();
        for spec in config.heads.iter().filter(|spec| !spec.skip) {
            let targets: Vec<Label> =
                by_task.iter().flat_map(|(task, annotations)| labels(*task, annotations, spec)).collect();
            if let Some(waits_for) = waiting_for(spec, targets.iter().map(|label| &label.target)) {
                missing.push((spec.from_name.as_str(), waits_for));
                continue;
            }
            labelled.extend(targets.iter().map(|label| label.task));
            let (set, of_rows) = self.training_set(project, spec, &targets, &tasks).await?;
            heads.push(HeadData { set, tasks: of_rows, spec: spec.clone() });
        }
        if heads.is_empty() {
            return Err(TrainingError::NothingToLearn(together(&missing)));
        }
        let rows =
            storage.sample_embeddings(project, &self.0.embedder.spec().fingerprint, POOL_IMAGES).await?;
        let dim = self.0.embedder.spec().dim();
        let values = rows.into_iter().flat_map(|(_, row)| row).collect();
        let pool = Some(Matrix { dim, values }).filter(|pool| !pool.is_empty());
        Ok(Dataset { heads, pool, labels: labelled.len() as i64 })
    }

    async fn training_set(
        &self,
        project: ProjectId,
        spec: &HeadSpec,
        targets: &[Label],
        tasks: &HashMap<TaskId, Task>,
    ) -> Result<(TrainingSet, Vec<TaskId>), TrainingError> {
        let mut wanted = Vec::with_capacity(targets.len());
        let mut labels = Vec::with_capacity(targets.len());
        let mut before: Option<(TaskId, Arc<str>)> = None;
        for Label { task: id, place, target } in targets {
            let shared = before.as_ref().filter(|(task, _)| task == id).map(|(_, source)| Arc::clone(source));
            let source = match tasks.get(id).map(|task| task.image_source(&spec.image_key)) {
                Some(Ok(source)) => shared.unwrap_or_else(|| Arc::from(source)),
                Some(Err(error)) => {
                    tracing::warn!(%project, %error, "labelled task left out of training");
                    continue;
                }
                None => {
                    tracing::warn!(%project, task = %id, "labelled task is not known, left out of training");
                    continue;
                }
            };
            before = Some((*id, Arc::clone(&source)));
            wanted.push(ImageRequest { project, task: *id, source, place: *place, credentials: None });
            labels.push((*id, target));
        }
        let batch = self.0.embedder.embed(wanted).await?;
        let mut rows: Vec<(Arc<Embedded>, &Target)> = Vec::with_capacity(batch.len());
        let mut of_rows = Vec::with_capacity(batch.len());
        let mut left_out = Vec::new();
        for (embedded, (task, target)) in batch.into_iter().zip(labels) {
            match embedded {
                Ok(embedded) => {
                    rows.push((embedded, target));
                    of_rows.push(task);
                }
                Err(error) => left_out.push(error),
            }
        }
        if let Some(first) = left_out.first() {
            metrics::counter!("weathervane_labels_left_out_total").increment(left_out.len() as u64);
            for error in &left_out {
                tracing::warn!(%project, %error, "labelled image left out of training");
            }
            if classes_seen(rows.iter().map(|(_, target)| *target)) < 2 {
                return Err(TrainingError::ImagesMissing {
                    head: spec.from_name.clone(),
                    left_out: left_out.len(),
                    labels: targets.len(),
                    first: first.to_string(),
                });
            }
        }
        Ok((assemble(self.0.embedder.spec().dim(), spec, &rows), of_rows))
    }
}

/// Consensus label of a task's image, or of a region of it.
struct Label {
    task: TaskId,
    place: Option<Place>,
    target: Target,
}

/// The labels that the annotations of one task give a head: at most one of the whole image, or one of each region.
fn labels(task: TaskId, annotations: &[Annotation], spec: &HeadSpec) -> Vec<Label> {
    if spec.is_of_image() {
        let target = consensus(annotations, spec);
        return target.into_iter().map(|target| Label { task, place: None, target }).collect();
    }
    let regions = region_labels(annotations, spec).into_iter();
    regions.map(|(place, target)| Label { task, place: Some(place), target }).collect()
}

/// Builds the training set of a head from embedded images (`dim` numbers each) and their consensus labels.
pub fn assemble(dim: usize, spec: &HeadSpec, rows: &[(Arc<Embedded>, &Target)]) -> TrainingSet {
    let classes = spec.classes.len();
    let values = rows.iter().flat_map(|(embedded, _)| embedded.vector.iter().copied()).collect();
    let features = Matrix { dim, values };
    let targets = if spec.kind == ChoiceKind::Multiple {
        let labels = rows.iter().map(|(_, target)| target.as_flags(classes)).collect();
        Targets::Multiple { classes, labels }
    } else {
        let labels = rows.iter().filter_map(|(_, target)| target.as_index()).collect();
        match spec.control {
            Control::Rating => Targets::Ordered { classes, labels },
            Control::Choices | Control::Taxonomy => Targets::Single { classes, labels },
        }
    };
    let hashes: Vec<ContentHash> = rows.iter().map(|(embedded, _)| embedded.hash).collect();
    TrainingSet { features, targets, hashes }
}

/// Describes the labels that a head waits for; `None` if its labels name two classes or more, so that it can be trained.
pub fn waiting_for<'a>(spec: &HeadSpec, targets: impl Iterator<Item = &'a Target> + Clone) -> Option<String> {
    if classes_seen(targets.clone()) >= 2 {
        return None;
    }
    let labels = targets.clone().count();
    let named: Vec<usize> = targets.filter_map(first_class).collect();
    let class = named.first().and_then(|class| spec.classes.get(*class)).map(|class| &class.name);
    Some(match (class, labels) {
        (None, 0) => "waiting for the first labels, of two classes at least".to_owned(),
        (None, labels) => format!("waiting for labels of two classes: none of {labels} answers names one"),
        (Some(class), 1) => format!("waiting for a second class: the only label is `{class}`"),
        (Some(class), labels) if named.len() == labels => {
            format!("waiting for a second class: all {labels} labels are `{class}`")
        }
        (Some(class), labels) => {
            let with = named.len();
            format!("waiting for a second class: {with} of {labels} answers name `{class}`, the others none")
        }
    })
}

/// The class a label names, the first of several.
fn first_class(target: &Target) -> Option<usize> {
    match target {
        Target::Single(class) => Some(*class),
        Target::Multiple(flags) => flags.iter().position(|on| *on),
    }
}

/// Joins the descriptions of all waiting heads; each head is named only if there are several.
fn together(missing: &[(&str, String)]) -> String {
    match missing {
        [] => "waiting for a label config with a question that is not skipped".to_owned(),
        [(_, waits_for)] => waits_for.clone(),
        several => {
            let named = several.iter().map(|(head, waits_for)| format!("`{head}` is {waits_for}"));
            named.collect::<Vec<_>>().join("; ")
        }
    }
}

/// Number of classes that the labels name.
fn classes_seen<'a>(targets: impl Iterator<Item = &'a Target>) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    for target in targets {
        match target {
            Target::Single(class) => {
                seen.insert(*class);
            }
            Target::Multiple(flags) => {
                seen.extend(flags.iter().enumerate().filter(|(_, on)| **on).map(|(class, _)| class));
            }
        }
    }
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::label_config::{Class, Scope};

    fn spec(kind: ChoiceKind) -> HeadSpec {
        let class = |name: &str| Class::flat(name.to_owned());
        HeadSpec {
            from_name: "weather".to_owned(),
            control: Control::Choices,
            scope: Scope::Image,
            regions: Vec::new(),
            to_name: "image".to_owned(),
            image_key: "image".to_owned(),
            kind,
            classes: ["cloudy", "rain"].map(class).to_vec(),
            score_threshold: None,
            skip: false,
            when: Vec::new(),
        }
    }

    #[test]
    fn stars_are_learnt_as_an_order_and_choices_are_not() {
        let seen = Arc::new(Embedded { hash: ContentHash::new([0; 32]), vector: vec![0.0], damaged: false });
        let ordered = |control| {
            let spec = HeadSpec { control, ..spec(ChoiceKind::Single) };
            let targets = assemble(1, &spec, &[(Arc::clone(&seen), &Target::Single(1))]).targets;
            matches!(targets, Targets::Ordered { classes: 2, labels } if labels == [1])
        };
        assert!(ordered(Control::Rating));
        assert!(!ordered(Control::Choices) && !ordered(Control::Taxonomy));
    }

    #[test]
    fn it_is_said_what_a_head_waits_for_until_two_classes_have_labels() {
        let single = |labels: &[usize]| {
            let targets: Vec<Target> = labels.iter().map(|class| Target::Single(*class)).collect();
            waiting_for(&spec(ChoiceKind::Single), targets.iter())
        };
        let words = |labels: &[usize]| single(labels).unwrap_or_default();
        assert_eq!(words(&[]), "waiting for the first labels, of two classes at least");
        assert_eq!(words(&[1]), "waiting for a second class: the only label is `rain`");
        assert_eq!(words(&[0, 0, 0]), "waiting for a second class: all 3 labels are `cloudy`");
        assert_eq!(single(&[0, 1]), None);
    }

    #[test]
    fn answers_that_choose_nothing_are_no_second_class() {
        let multiple = |rows: &[[bool; 2]]| {
            let targets: Vec<Target> = rows.iter().map(|row| Target::Multiple(row.to_vec())).collect();
            waiting_for(&spec(ChoiceKind::Multiple), targets.iter())
        };
        assert_eq!(
            multiple(&[[false, true], [false, false], [false, true]]).unwrap_or_default(),
            "waiting for a second class: 2 of 3 answers name `rain`, the others none"
        );
        assert_eq!(
            multiple(&[[false, false]; 2]).unwrap_or_default(),
            "waiting for labels of two classes: none of 2 answers names one"
        );
        assert_eq!(multiple(&[[true, true]]), None);
    }

    #[test]
    fn each_of_several_heads_is_named() {
        let waits = |words: &str| words.to_owned();
        assert_eq!(together(&[("weather", waits("waiting"))]), "waiting");
        assert_eq!(
            together(&[("weather", waits("waiting for a")), ("season", waits("waiting for b"))]),
            "`weather` is waiting for a; `season` is waiting for b"
        );
    }
}
