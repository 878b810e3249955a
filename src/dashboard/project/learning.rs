//! The learning curve of a head.
//!
//! No line for random choice stands beside it: the labels are those that a strategy chose, and only a set that is labelled as
//! a whole tells what chance would have taught. `weathervane simulate` measures that.

use std::sync::Arc;

use maud::{Markup, html};

use crate::dashboard::charts::{LineChart, Point, line};
use crate::dashboard::format::{count, percent};
use crate::dashboard::history::Measured;
use crate::dashboard::thresholds;
use crate::eval::Evaluation;
use crate::models::HeadCard;

/// The accuracy of each version over its labels, or from when on it is drawn.
pub(super) fn curve(card: &HeadCard, curve: &[Arc<Measured>]) -> Markup {
    let evaluations = curve.iter().filter_map(|version| {
        let head = version.heads.iter().find(|head| head.from_name == card.from_name)?;
        Some((version, head.evaluation.as_ref()?))
    });
    let evaluations = match thresholds::curve(evaluations.collect(), |(_, told): &(_, &Evaluation)| told.n) {
        Ok(evaluations) => evaluations,
        Err(why) => return html! { p.note { (why) } },
    };
    let points: Vec<Point> = evaluations
        .iter()
        .map(|(_, told)| Point { x: told.n as f64, y: told.accuracy, band: Some(told.interval) })
        .collect();
    let says = match (points.first(), points.last()) {
        (Some(first), Some(last)) => format!(
            "Out-of-fold accuracy from {} with {} labels to {} with {}",
            percent(first.y),
            count(first.x as i64),
            percent(last.y),
            count(last.x as i64)
        ),
        _ => "No version was measured".to_owned(),
    };
    let chart = LineChart {
        name: "Learning curve",
        says: &says,
        across: "labels",
        up: "accuracy",
        percent: true,
        line: &points,
        reference: &[],
    };
    html! {
        (line(&chart))
        ul.legend {
            li { svg viewBox="0 0 32 12" aria-hidden="true" { path.line d="M0 6H32" {} } "out of fold, with 95 % interval" }
        }
        details {
            summary { "Figures" }
            div.scroll tabindex="0" role="region" aria-label="Figures of the learning curve" {
                table {
                    thead { tr { th { "Version" } th.number { "Labels" } th.number { "Accuracy" } th { "95 % interval" } } }
                    tbody {
                        @for (version, told) in evaluations.iter().rev() {
                            tr {
                                td { (version.name) }
                                td.number { (count(told.n as i64)) }
                                td.number { (percent(told.accuracy)) }
                                td.figure { (percent(told.interval.0)) " to " (percent(told.interval.1)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
