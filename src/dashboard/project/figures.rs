//! The figures of a head's version: confusions, recall, calibration, labels, and the hint when to stop.

use maud::{Markup, html};

use crate::dashboard::charts::{self, Bar};
use crate::dashboard::format::{count, percent};
use crate::dashboard::thresholds;
use crate::eval::stopping::{STABLE_KAPPA, StoppingRule};
use crate::models::HeadCard;

pub(super) fn stop(card: &HeadCard, hint: &StoppingRule) -> Markup {
    if let Err(why) = thresholds::stop(card) {
        return html! { p.lead { "Go on labelling." } p.note { (why) } };
    }
    let kappas: Vec<String> = hint.kappas.iter().map(|kappa| format!("{kappa:.3}")).collect();
    html! {
        p.lead { @if hint.may_stop { span.good { "It may stop." } } @else { "Go on labelling." } }
        p { (hint.reason) "." }
        dl.facts {
            @if let Some(gain) = hint.gain {
                dt { "Gain over two rounds" }
                dd { (format!("{:+.1} points of accuracy", 100.0 * gain)) }
            }
            @if !kappas.is_empty() {
                dt { "Agreement of rounds" }
                dd { (kappas.join(", ")) " (newest first; stable from " (STABLE_KAPPA) ")" }
            }
        }
    }
}

pub(super) fn confusion(card: &HeadCard) -> Markup {
    if let Err(why) = thresholds::told(card) {
        return html! { p.note { (why) } };
    }
    if card.confusion.is_empty() {
        return html! { p.note { "Not kept for multiple choice, nor for more than 50 classes." } };
    }
    html! {
        (charts::matrix(&card.classes, &card.confusion))
        p.note { "Rows are labels, columns are answers of models that had not seen the label." }
    }
}

pub(super) fn recall(card: &HeadCard) -> Markup {
    let told = match thresholds::told(card) {
        Ok(told) => told,
        Err(why) => return html! { p.note { (why) } },
    };
    let classes = card.classes.iter().zip(&told.recall).zip(&told.support);
    // Counts, since a class may have few labels where all have many.
    let bars: Vec<Bar> = classes
        .map(|((class, recall), &n)| Bar {
            name: class.clone(),
            share: *recall,
            figure: recall.map_or_else(
                || "no label".to_owned(),
                |recall| format!("{} of {}", count((recall * n as f64).round() as i64), count(n as i64)),
            ),
        })
        .collect();
    html! {
        (charts::bars("Recall by class", &bars))
        p.note { "Labels of each class that were found, out of fold." }
    }
}

pub(super) fn labels(card: &HeadCard) -> Markup {
    let Some(told) = &card.evaluation else { return html! { p.note { "Not counted for this version." } } };
    let most = told.support.iter().copied().max().unwrap_or(0).max(1);
    let bars: Vec<Bar> = card
        .classes
        .iter()
        .zip(&told.support)
        .map(|(class, &n)| Bar {
            name: class.clone(),
            share: Some(n as f64 / most as f64),
            figure: count(n as i64),
        })
        .collect();
    charts::bars("Labels by class", &bars)
}

pub(super) fn calibration(card: &HeadCard) -> Markup {
    let dots = match thresholds::calibration(&card.calibration) {
        Ok(dots) => dots,
        Err(why) => return html! { p.note { (why) } },
    };
    html! {
        (charts::calibration(&dots))
        p.note { "On the dashed line answers of 80 % certainty are right in 80 % of cases; larger dots hold more of them." }
        @if let Some(told) = &card.evaluation {
            dl.facts {
                dt { "Log loss" } dd { (format!("{:.3} nats", told.log_loss)) }
                dt { "Brier score" } dd { (format!("{:.3}", told.brier)) }
                dt { "Always the most frequent" } dd { (percent(told.majority)) }
            }
        }
    }
}
