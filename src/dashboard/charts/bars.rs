//! Horizontal bars with a name before and a figure behind: a table whose middle column is drawn.

use maud::{Markup, html};

use super::{at, nothing};

/// Most bars that are drawn.
const MOST: usize = 40;

/// One bar.
pub(in crate::dashboard) struct Bar {
    pub name: String,
    /// 0 to 1; `None` where there is nothing to measure.
    pub share: Option<f64>,
    /// The figure behind the bar.
    pub figure: String,
}

/// Draws bars below each other.
pub(in crate::dashboard) fn bars(name: &str, bars: &[Bar]) -> Markup {
    draw(name, bars, "bars")
}

/// The same with less room for the names, for a tile of a list.
pub(in crate::dashboard) fn small_bars(name: &str, bars: &[Bar]) -> Markup {
    draw(name, bars, "bars small")
}

fn draw(name: &str, bars: &[Bar], class: &str) -> Markup {
    if bars.is_empty() {
        return nothing();
    }
    let shown = &bars[..bars.len().min(MOST)];
    html! {
        table class=(class) aria-label=(name) {
            tbody {
                @for bar in shown {
                    @let share = bar.share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
                    tr {
                        th scope="row" title=(bar.name) { span { (bar.name) } }
                        td.of-bar {
                            svg.meter aria-hidden="true" {
                                rect.track width="100%" height="100%" rx="3" {}
                                @if let Some(share) = share { rect.bar width=(at(100.0 * share)) height="100%" rx="3" {} }
                            }
                        }
                        td.number { (bar.figure) }
                    }
                }
            }
        }
        @if bars.len() > shown.len() { p.note { "and " (bars.len() - shown.len()) " more" } }
    }
}
