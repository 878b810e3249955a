//! The figures of an evaluation, as text.

use serde::Serialize;

use crate::domain::label_config::HeadSpec;
use crate::eval::{Evaluation, confusion, exact_match, precisions, wilson};

/// Report of an evaluation; shares are of one, losses in nats.
#[derive(Debug, Serialize)]
pub struct EvaluationReport {
    version: String,
    head: String,
    classes: Vec<String>,
    /// Of a multiple-choice head `accuracy` is the share of single decisions: one minus the Hamming loss.
    #[serde(flatten)]
    told: Evaluation,
    #[serde(flatten)]
    details: Details,
}

/// Figures that only one kind of head has.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Details {
    Single {
        /// `[label][answer]`, counts
        confusion: Vec<Vec<usize>>,
    },
    Multiple {
        /// Share of images whose every class is right.
        exact_match: f64,
        /// Wilson interval over the images, 95 %.
        exact_match_interval: (f64, f64),
        /// Share of the answers with each class that are right; `None` for a class never answered.
        precision: Vec<Option<f64>>,
    },
}

impl EvaluationReport {
    /// Figures of a single-choice head over rows of probabilities and their labels.
    pub fn single(version: &str, head: &HeadSpec, rows: &[Vec<f32>], labels: &[usize]) -> Self {
        let classes = head.classes.len();
        let details = Details::Single { confusion: confusion(rows, labels, classes) };
        Self::new(version, head, Evaluation::single(rows, labels, classes), details)
    }

    /// Figures of a multiple-choice head over rows of probabilities and whether each class applies.
    pub fn multiple(version: &str, head: &HeadSpec, rows: &[Vec<f32>], labels: &[Vec<bool>]) -> Self {
        let classes = head.classes.len();
        let exact = exact_match(rows, labels);
        let details = Details::Multiple {
            exact_match: exact,
            exact_match_interval: wilson(exact, labels.len()),
            precision: precisions(rows, labels, classes),
        };
        Self::new(version, head, Evaluation::multiple(rows, labels, classes), details)
    }

    fn new(version: &str, head: &HeadSpec, told: Evaluation, details: Details) -> Self {
        let classes = head.classes.iter().map(|class| class.name.clone()).collect();
        Self { version: version.to_owned(), head: head.from_name.clone(), classes, told, details }
    }

    /// For a person.
    pub fn table(&self) -> String {
        let Evaluation { n, accuracy, interval, majority, log_loss, brier, .. } = &self.told;
        let mut text = format!("version   {}, head {}\nimages    {n}\n", self.version, self.head);
        if let Details::Multiple { exact_match, exact_match_interval, .. } = &self.details {
            text +=
                &format!("exact     {} of the images\n", with_interval(*exact_match, *exact_match_interval));
            text += &format!("accuracy  {} of the single decisions\n", with_interval(*accuracy, *interval));
        } else {
            text += &format!("accuracy  {}\n", with_interval(*accuracy, *interval));
        }
        text += &format!(
            "majority  {:.1} %\nlog loss  {log_loss:.3}\nBrier     {brier:.3}\n\n",
            100.0 * majority
        );
        text + &self.by_class() + "\n"
    }

    fn by_class(&self) -> String {
        let width = self.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(5);
        let mut text = format!("{:width$}  {:>6}  {:>7}", "class", "images", "recall");
        match &self.details {
            Details::Single { .. } => {
                text += "  taken for";
                self.classes.iter().for_each(|class| text += &format!("  {class:>width$}"));
            }
            Details::Multiple { .. } => text += "  precision",
        }
        for (index, class) in self.classes.iter().enumerate() {
            let recall = percent(self.told.recall[index]);
            text += &format!("\n{class:width$}  {:>6}  {recall:>7}", self.told.support[index]);
            match &self.details {
                Details::Single { confusion } => {
                    text += &" ".repeat("  taken for".len());
                    confusion[index].iter().for_each(|count| text += &format!("  {count:>width$}"));
                }
                Details::Multiple { precision, .. } => {
                    text += &format!("  {:>9}", percent(precision[index]));
                }
            }
        }
        text
    }
}

/// `93.3 % (95 %: 78.7 to 98.2)`.
fn with_interval(share: f64, (low, high): (f64, f64)) -> String {
    format!("{:.1} % (95 %: {:.1} to {:.1})", 100.0 * share, 100.0 * low, 100.0 * high)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}
