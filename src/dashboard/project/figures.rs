//! The figures of a head's version: confusions, recall, calibration, labels, and the hint when to stop.

use maud::{Markup, html};

use crate::dashboard::charts::{self, Bar, Bin};
use crate::dashboard::words::{count, percent};
use crate::eval::suspects::{STABLE_KAPPA, StopHint};
use crate::models::HeadCard;

const NOT_MEASURED: &str = "Not measured for this version; the next training measures it.";

pub(super) fn stop(hint: &StopHint) -> Markup {
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
    if card.confusion.is_empty() {
        return html! { p.note { (NOT_MEASURED) } };
    }
    html! {
        (charts::matrix(&card.classes, &card.confusion))
        p.note { "Rows are labels, columns are answers of models that had not seen the label." }
        details {
            summary { "Figures" }
            div.scroll tabindex="0" role="region" aria-label="Figures of the confusion matrix" {
                table {
                    thead { tr { th { "Label" } @for class in &card.classes { th.number { (class) } } } }
                    tbody {
                        @for (class, row) in card.classes.iter().zip(&card.confusion) {
                            tr { th { (class) } @for &n in row { td.number { (count(n as i64)) } } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn recall(card: &HeadCard) -> Markup {
    let Some(told) = &card.evaluation else { return html! { p.note { (NOT_MEASURED) } } };
    let bars: Vec<Bar> = card
        .classes
        .iter()
        .zip(&told.recall)
        .map(|(class, recall)| Bar {
            name: class.clone(),
            share: *recall,
            figure: recall.map_or_else(|| "no label".to_owned(), percent),
        })
        .collect();
    html! {
        (charts::bars("Recall by class", &bars))
        p.note { "Share of each class's labels that were found, out of fold." }
    }
}

pub(super) fn labels(card: &HeadCard) -> Markup {
    let Some(told) = &card.evaluation else { return html! { p.note { (NOT_MEASURED) } } };
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
    if card.calibration.is_empty() {
        return html! { p.note { (NOT_MEASURED) } };
    }
    let bins: Vec<Bin> = card
        .calibration
        .iter()
        .map(|bin| Bin { n: bin.n, certainty: bin.certainty, right: bin.right })
        .collect();
    html! {
        (charts::calibration(&bins))
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
