//! The figures of an evaluation, as text.

use serde::Serialize;

use crate::domain::label_config::HeadSpec;
use crate::eval::{Evaluation, confusion};

/// What is reported; shares are of one, losses in nats.
#[derive(Debug, Serialize)]
pub struct Report {
    version: String,
    head: String,
    classes: Vec<String>,
    #[serde(flatten)]
    told: Evaluation,
    /// `[label][answer]`, counts
    confusion: Vec<Vec<usize>>,
}

impl Report {
    /// Figures over rows of probabilities and their labels.
    pub fn new(version: &str, head: &HeadSpec, rows: &[Vec<f32>], labels: &[usize]) -> Self {
        let classes = head.classes.len();
        Self {
            version: version.to_owned(),
            head: head.from_name.clone(),
            classes: head.classes.iter().map(|class| class.name.clone()).collect(),
            told: Evaluation::single(rows, labels, classes),
            confusion: confusion(rows, labels, classes),
        }
    }

    /// For a person.
    pub fn table(&self) -> String {
        let Evaluation { n, accuracy, interval: (low, high), majority, log_loss, brier, .. } = &self.told;
        let mut text = format!(
            "version   {}, head {}\nimages    {n}\naccuracy  {:.1} % (95 %: {:.1} to {:.1})\nmajority  {:.1} %\n\
             log loss  {log_loss:.3}\nBrier     {brier:.3}\n\n",
            self.version,
            self.head,
            100.0 * accuracy,
            100.0 * low,
            100.0 * high,
            100.0 * majority,
        );
        let width = self.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(5);
        text += &format!("{:width$}  {:>6}  {:>7}  taken for", "class", "images", "recall");
        self.classes.iter().for_each(|class| text += &format!("  {class:>width$}"));
        for (index, class) in self.classes.iter().enumerate() {
            let recall =
                self.told.recall[index].map_or_else(|| "-".to_owned(), |r| format!("{:.1} %", 100.0 * r));
            text += &format!("\n{class:width$}  {:>6}  {recall:>7}           ", self.told.support[index]);
            self.confusion[index].iter().for_each(|count| text += &format!("  {count:>width$}"));
        }
        text + "\n"
    }
}
