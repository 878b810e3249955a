//! A confusion matrix: how often each class was taken for each.

use maud::{Markup, html};

use super::nothing;
use crate::dashboard::format::count;

/// Characters of all names together up to which they stand side by side; longer ones stand upright.
const LEVEL: usize = 24;

/// Classes from which the matrix is folded: it fills a screen.
const FOLDED: usize = 24;

/// Shades in the stylesheet, from none to that of a whole row.
const SHADES: f64 = 10.0;

/// Shows counts by `[label][answer]`; rows are shaded by their own share, so that rare classes show as well as others.
pub(in crate::dashboard) fn matrix(classes: &[String], counts: &[Vec<usize>]) -> Markup {
    let n = classes.len();
    if n == 0 || counts.len() != n || counts.iter().any(|row| row.len() != n) {
        return nothing();
    }
    let right: usize = (0..n).map(|class| counts[class][class]).sum();
    let all: usize = counts.iter().flatten().sum();
    let upright = classes.iter().map(|class| class.chars().count()).sum::<usize>() > LEVEL;
    let table = html! {
        p { (count(right as i64)) " of " (count(all as i64)) " labels are answered as they were given." }
        div.scroll tabindex="0" role="region" aria-label="Confusion matrix" {
            table.matrix.upright[upright] {
                thead {
                    tr {
                        td {}
                        @for class in classes { th scope="col" title=(class) { span { (class) } } }
                    }
                }
                tbody {
                    @for (label, row) in classes.iter().zip(counts) {
                        @let sum = row.iter().sum::<usize>().max(1);
                        tr {
                            th scope="row" title=(label) { span { (label) } }
                            @for (answer, &n) in classes.iter().zip(row) {
                                @let shade = (SHADES * n as f64 / sum as f64).round();
                                td class={ "s" (shade) } title={ (label) " answered as " (answer) ": " (n) } { (count(n as i64)) }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        @if n < FOLDED { (table) } @else { details { summary { "Matrix of " (n) " classes" } (table) } }
    }
}
