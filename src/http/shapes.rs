//! Schemas of the answers of other rooms, for the description of the HTTP API: `utoipa` stays in this room.
//!
//! `tests/it/openapi.rs` holds real answers against these, in both directions.

#![expect(dead_code, reason = "these types are only described")]

use serde::Serialize;
use utoipa::ToSchema;

/// The tags: Label Studio's own routes, and those for people and scripts.
pub const PROTOCOL: &str = "Label Studio's protocol";
pub const STATUS: &str = "Status";

/// One task's prediction, as Label Studio stores it.
#[derive(Serialize, ToSchema)]
pub struct Prediction {
    /// One region for each head of whole images that chose something. Behind them each region of the task that was answered
    /// about: its items as they were sent, and answers with the same `id`, whose `value` has the region's place beside the choice.
    result: Vec<Region>,
    /// 0 to 1, low where a person should look.
    score: f64,
    model_version: String,
}

/// A task's entry in the answer of `/predict`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Entry {
    Prediction(Prediction),
    /// An empty list: nothing can be said about this task.
    Nothing(Vec<Prediction>),
}

/// What one head chose.
#[derive(Serialize, ToSchema)]
pub struct Region {
    id: String,
    /// Name of the control tag.
    from_name: String,
    /// Name of the `<Image>`.
    to_name: String,
    /// `choices`, `taxonomy` or `rating`, which is also the key in `value`.
    r#type: String,
    value: RegionValue,
    /// Calibrated probability of what was chosen.
    score: f64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegionValue {
    Choices(Vec<Choice>),
    /// Paths from the topmost parent down.
    Taxonomy(Vec<Vec<String>>),
    /// From 1 to the label config's `maxRating`.
    Rating(u32),
}

/// A class: its name, or under `allowNested="true"` the names from the topmost parent down.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Choice {
    Name(String),
    Path(Vec<String>),
}

/// Where a job stands.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum JobState {
    Queued,
    Running,
    Done,
    Waiting,
    Failed,
    Cancelled,
}

/// Webhooks of one project since the start of the process
#[derive(ToSchema)]
pub struct Webhooks {
    received: u64,
    /// Label Studio's name of the last one's event.
    last_action: Option<String>,
    /// Unix microseconds.
    last_at_us: Option<i64>,
}

/// How far the background has come with a project's images.
#[derive(ToSchema)]
pub struct PoolProgress {
    tasks: usize,
    embedded: usize,
    /// Tasks whose image can't be had.
    failed: usize,
    /// Tasks of whose image only a part could be read.
    damaged: usize,
}

/// A head of the label config, and what answers for it now.
#[derive(ToSchema)]
pub struct ServingHead {
    from_name: String,
    classes: Vec<String>,
    /// `image`: about whole images; `region`: about regions of them.
    scope: String,
    /// `own`, `starter` or `nothing`.
    served_by: String,
    /// What it takes before something can be predicted.
    missing: Option<String>,
    /// Classes that were added since the training.
    unlearnt_classes: Vec<String>,
}

/// A head of a version.
#[derive(ToSchema)]
pub struct HeadCard {
    from_name: String,
    to_name: String,
    /// `taxonomy` or `rating`. Left out for `choices`.
    #[schema(required = false)]
    control: String,
    /// `region`. Left out for heads of whole images.
    #[schema(required = false)]
    scope: String,
    /// `single` or `multiple`.
    kind: String,
    classes: Vec<String>,
    /// Of nested choices and taxonomies the names from the topmost parent down, for each class. Left out for others.
    #[schema(required = false)]
    paths: Vec<Vec<String>>,
    /// `own`, or `starter` while that is better on the project's labels.
    source: String,
    /// Feature groups and their weights.
    groups: Vec<(String, f64)>,
    refined: bool,
    evaluation: Option<Evaluation>,
    /// How often each class was answered for each, out of fold: `[label][answer]`. Left out for multiple choice, many
    /// classes, and versions of older programs.
    #[schema(required = false)]
    confusion: Vec<Vec<usize>>,
    /// Out-of-fold decisions by certainty. Left out for versions of older programs.
    #[schema(required = false)]
    calibration: Vec<CalibrationBin>,
    /// Training loss after each epoch, nats. Left out for versions of older programs.
    #[schema(required = false)]
    losses: Vec<f32>,
    starter_accuracy: Option<f64>,
    /// Left out where there is none.
    #[schema(required = false)]
    suspects: Vec<LabelError>,
    /// Left out where there is none.
    #[schema(required = false)]
    near_copies: Vec<Vec<i64>>,
}

/// Measured out of fold, on the labels the version learnt from.
#[derive(ToSchema)]
pub struct Evaluation {
    /// Images.
    n: usize,
    accuracy: f64,
    /// 95 %.
    interval: (f64, f64),
    /// Accuracy of always giving the most frequent answer.
    majority: f64,
    /// For each class; null where it has no label.
    recall: Vec<Option<f64>>,
    /// Labels of each class.
    support: Vec<usize>,
    /// Nats.
    log_loss: f64,
    brier: f64,
}

/// Decisions of about the same certainty.
#[derive(ToSchema)]
pub struct CalibrationBin {
    n: usize,
    /// Mean probability of what was decided.
    certainty: f64,
    /// Share that is right.
    right: f64,
}

/// A label that a model which had not seen it does not believe.
#[derive(ToSchema)]
pub struct LabelError {
    task: i64,
    given: String,
    likely: String,
    p_given: f64,
    p_likely: f64,
}

/// A task of the ranking.
#[derive(ToSchema)]
pub struct Ranked {
    task: i64,
    /// The strategy's own measure; larger is more useful.
    score: f64,
    reason: String,
    /// Open tasks that it stands for and no task before it does; null where the strategy does not look for them.
    stands_for: Option<usize>,
    /// The most alike of those, at most three.
    alike: Vec<i64>,
    prediction: Option<Prediction>,
}

/// What a person should look at in a project.
#[derive(ToSchema)]
pub struct Review {
    version: Option<String>,
    heads: Vec<HeadReview>,
    /// Open tasks unlike all others, the farthest first.
    outliers: Vec<Outlier>,
    /// Tasks of whose image only a part could be read, by id.
    damaged: Vec<i64>,
}

/// What a person should look at in one head.
#[derive(ToSchema)]
pub struct HeadReview {
    from_name: String,
    /// Classes and their labels.
    labels: Vec<(String, usize)>,
    /// Classes without a label.
    unseen_classes: Vec<String>,
    /// Classes with less than a quarter of an equal share.
    rare_classes: Vec<String>,
    suspects: Vec<LabelError>,
    /// Labelled tasks with the same picture but for small changes.
    near_copies: Vec<Vec<i64>>,
    stop: StoppingRule,
}

/// Whether more labels still help.
#[derive(ToSchema)]
pub struct StoppingRule {
    may_stop: bool,
    /// Agreement of each of the last rounds with the one before, the newest first.
    kappas: Vec<f64>,
    /// Accuracy gained over the last two rounds.
    gain: Option<f64>,
    reason: String,
}

#[derive(ToSchema)]
pub struct Outlier {
    task: i64,
    /// Cosine distance to the nearest other task, 0 to 2.
    distance: f64,
}
