//! From how many labels on a figure says something, which images it speaks of, and what stands there before.
//!
//! A share of few answers swings by tens of points with each of them, so that a good model looks bad on its first page. Here
//! stand all thresholds with their reasons; docs/OPERATIONS.md tells them to the reader of the pages.

use super::charts::Bin;
use super::format::{of, percent, with_interval};
use crate::domain::label_config::ChoiceKind;
use crate::eval::Evaluation;
use crate::eval::calibration::CalibrationBin;
use crate::models::{HeadCard, HeadSource, SuspectCard};

/// Answers of which a share is told, at least. With 18 of 20 right the 95 % interval (Wilson) is 27 points wide; with 9 of
/// 10 it is 39, and reaches from a coin's accuracy to perfection.
pub(super) const SHARE: usize = 20;

/// Labels from which accuracies are compared with each other: at nine in ten right the interval is 15 points wide.
pub(super) const COMPARED: usize = 60;

/// Versions a learning curve needs: through one no line goes.
const VERSIONS: usize = 2;

/// Dots a calibration curve needs, of [`SHARE`] answers each: a single one repeats the accuracy.
const DOTS: usize = 2;

const NOT_MEASURED: &str = "Not measured for this version; the next training measures it.";

/// Out-of-fold evaluation of a head (cross-validation), or the reason why it is not shown.
pub(super) fn told(card: &HeadCard) -> Result<&Evaluation, String> {
    match &card.evaluation {
        None => Err(NOT_MEASURED.to_owned()),
        Some(own) if own.n < SHARE => Err(from(SHARE, own.n)),
        Some(own) => Ok(own),
    }
}

/// Accuracy of the head that serves, and the images it was measured on.
pub(super) fn accuracy(card: &HeadCard) -> String {
    let own = match told(card) {
        Ok(own) => own,
        Err(why) => return why,
    };
    let what = match card.kind {
        ChoiceKind::Single => "of",
        ChoiceKind::Multiple => "of the decisions on",
    };
    match (card.source, card.starter_accuracy) {
        (HeadSource::Own, _) => format!(
            "{} {what} the {} labelled images, each answered by a model that had not seen it",
            with_interval(own.accuracy, own.interval),
            own.n
        ),
        (HeadSource::Starter, Some(starter)) => format!(
            "{} {what} the {} labelled images, by the starter model, which serves",
            percent(starter),
            own.n
        ),
        (HeadSource::Starter, None) => "not measured: the starter model serves".to_owned(),
    }
}

/// Note on the head that serves, and on the head that the figures below are of.
pub(super) fn serves(card: &HeadCard) -> &'static str {
    match card.source {
        HeadSource::Own => {
            "Learnt from this project's labels, and serves. Accuracies are of the labelled images, each answered by a model \
             that had not seen it. Those that the queue chose are often the harder ones."
        }
        HeadSource::Starter => {
            "The starter model serves. All below is of the head learnt from this project's labels, which serves as soon as \
             it is right more often; accuracies are of the labelled images, each answered by a model that had not seen it."
        }
    }
}

/// Those versions whose accuracy is told, or why they make no curve. `n` gives a version's labels.
pub(super) fn curve<T>(versions: Vec<T>, n: impl Fn(&T) -> usize) -> Result<Vec<T>, String> {
    let told: Vec<T> = versions.into_iter().filter(|version| n(version) >= SHARE).collect();
    if told.len() < VERSIONS {
        return Err(format!(
            "Drawn through versions of at least {SHARE} labels, from the second on; so far {}.",
            of(told.len() as i64, "version has them", "versions have them")
        ));
    }
    Ok(told)
}

/// The calibration curve's dots: bins of too few answers are put together with the next, the last rest with the one
/// before. Or why there is no curve.
pub(super) fn calibration(bins: &[CalibrationBin]) -> Result<Vec<Bin>, String> {
    if bins.is_empty() {
        return Err(NOT_MEASURED.to_owned());
    }
    let mut dots: Vec<Bin> = Vec::new();
    let mut rest: Option<Bin> = None;
    for bin in bins {
        let bin = Bin { n: bin.n, certainty: bin.certainty, right: bin.right };
        let both = rest.take().map_or(bin, |rest| together(rest, bin));
        match both.n {
            ..SHARE => rest = Some(both),
            _ => dots.push(both),
        }
    }
    if let (Some(rest), Some(last)) = (rest, dots.last_mut()) {
        *last = together(*last, rest);
    }
    if dots.len() < DOTS {
        return Err(format!(
            "Drawn once there are {DOTS} groups of {SHARE} answers of about the same certainty; so far {} in all.",
            of(bins.iter().map(|bin| bin.n).sum::<usize>() as i64, "answer", "answers")
        ));
    }
    Ok(dots)
}

fn together(a: Bin, b: Bin) -> Bin {
    let n = a.n + b.n;
    let mean = |of_a: f64, of_b: f64| (of_a * a.n as f64 + of_b * b.n as f64) / n.max(1) as f64;
    Bin { n, certainty: mean(a.certainty, b.certainty), right: mean(a.right, b.right) }
}

/// The doubted labels that are shown. A label is doubted where another class reaches the mean probability of its own labels
/// (confident learning, Northcutt 2021): that is a mean of [`SHARE`] labels at least, of both classes.
pub(super) fn doubted<'a>(card: &HeadCard, suspects: &'a [SuspectCard]) -> Vec<&'a SuspectCard> {
    let enough = |class: &String| labels_of(card).any(|(name, n)| name == class && n >= SHARE);
    suspects.iter().filter(|suspect| enough(&suspect.given) && enough(&suspect.likely)).collect()
}

/// Reliability of a list of `doubted` labels, in words, or the reason why there is none.
pub(super) fn doubts(card: &HeadCard, doubted: usize) -> String {
    if labels_of(card).filter(|(_, n)| *n >= SHARE).count() < 2 {
        return format!("Told of classes with {SHARE} labels or more, from the second such class on.");
    }
    let few: Vec<String> = labels_of(card)
        .filter(|(_, n)| (1..SHARE).contains(n))
        .map(|(class, n)| format!("{class} has {n}"))
        .collect();
    let left_out = match few.is_empty() {
        true => String::new(),
        false => format!(" Told of classes with {SHARE} labels or more: {}.", few.join(", ")),
    };
    let right = told(card).map(|own| percent(own.accuracy)).unwrap_or_default();
    match doubted {
        0 => format!("None: models that had not seen a label agree with it.{left_out}"),
        n => format!(
            "{} by models that had not seen the label and that are right on {right} of the labelled images: the label is \
             wrong, or the picture is a hard one.{left_out}",
            of(n as i64, "label is doubted", "labels are doubted")
        ),
    }
}

/// `Ok` if there are labels enough for a stopping hint; else the reason why it is not shown.
pub(super) fn stop(card: &HeadCard) -> Result<(), String> {
    match &card.evaluation {
        None => Err(NOT_MEASURED.to_owned()),
        Some(own) if own.n < COMPARED => Err(from(COMPARED, own.n)),
        Some(_) => Ok(()),
    }
}

/// Labels of each class.
fn labels_of(card: &HeadCard) -> impl Iterator<Item = (&String, usize)> {
    let support = card.evaluation.as_ref().map(|own| own.support.as_slice()).unwrap_or_default();
    card.classes.iter().zip(support.iter().copied())
}

fn from(least: usize, n: usize) -> String {
    format!("Told from {least} labels on; so far {}.", of(n as i64, "label", "labels"))
}

#[cfg(test)]
mod tests;
