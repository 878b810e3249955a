//! A confusion matrix: how often each class was taken for each.

use maud::{Markup, html};

use super::{frame, nothing, px, short};

/// Side of a cell, and room for the names of the classes.
const CELL: f64 = 46.0;
const NAMES: f64 = 130.0;
const EDGE: f64 = 10.0;

/// What the slanted name of the last column reaches beyond it.
const SLANT: f64 = 36.0;

/// Most classes that are drawn; a table holds more.
const MOST: usize = 24;

/// Characters of a class's name.
const NAME: usize = 16;

/// Darkest shade, so that a number stays readable on it in both schemes.
const DARKEST: f64 = 0.5;

/// Draws counts by `[label][answer]`; rows are shaded by their own share, so that rare classes show as well as others.
pub(in crate::dashboard) fn matrix(classes: &[String], counts: &[Vec<usize>]) -> Markup {
    let n = classes.len();
    if n == 0 || counts.len() != n || counts.iter().any(|row| row.len() != n) {
        return nothing();
    }
    if n > MOST {
        return html! { p.note { "Too many classes to draw; the table holds them all." } };
    }
    let side = NAMES + CELL * n as f64 + EDGE;
    let right: usize = (0..n).map(|class| counts[class][class]).sum();
    let all: usize = counts.iter().flatten().sum();
    let says = format!(
        "{right} of {all} labels are answered as they were given; rows are labels, columns are answers"
    );
    let at = |index: usize| NAMES + CELL * index as f64;
    let drawn = html! {
        @for (index, class) in classes.iter().enumerate() {
            text x=(px(NAMES - 8.0)) y=(px(at(index) + CELL / 2.0 + 4.0)) text-anchor="end" {
                (short(class, NAME)) title { (class) }
            }
            text transform={ "translate(" (px(at(index) + CELL / 2.0 + 4.0)) " " (px(NAMES - 8.0)) ") rotate(-60)" } {
                (short(class, NAME)) title { (class) }
            }
        }
        @for (label, row) in counts.iter().enumerate() {
            @for (answer, &count) in row.iter().enumerate() {
                @let share = count as f64 / row.iter().sum::<usize>().max(1) as f64;
                rect.cell x=(px(at(answer))) y=(px(at(label))) width=(px(CELL)) height=(px(CELL))
                    fill-opacity=(format!("{:.2}", DARKEST * share)) {
                    title { (classes[label]) " answered as " (classes[answer]) ": " (count) }
                }
                rect.cell-edge x=(px(at(answer))) y=(px(at(label))) width=(px(CELL)) height=(px(CELL)) {}
                @if count > 0 {
                    text x=(px(at(answer) + CELL / 2.0)) y=(px(at(label) + CELL / 2.0 + 4.0)) text-anchor="middle" { (count) }
                }
            }
        }
    };
    frame(side + SLANT, side, "Confusion matrix", &says, &drawn)
}
