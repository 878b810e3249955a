//! Horizontal bars with a name before and a figure behind.

use maud::{Markup, html};

use super::{frame, nothing, px, short};

const ROW: f64 = 26.0;
const WIDTH: f64 = 420.0;
const NAMES: f64 = 140.0;
const FIGURES: f64 = 90.0;

/// Most bars that are drawn.
const MOST: usize = 40;

/// Characters of a name.
const NAME: usize = 18;

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
    if bars.is_empty() {
        return nothing();
    }
    let shown = &bars[..bars.len().min(MOST)];
    let says: Vec<String> = shown.iter().map(|bar| format!("{} {}", bar.name, bar.figure)).collect();
    let width = WIDTH - NAMES - FIGURES;
    let drawn = html! {
        @for (index, bar) in shown.iter().enumerate() {
            @let top = ROW * index as f64;
            @let share = bar.share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
            text x=(px(NAMES - 8.0)) y=(px(top + 17.0)) text-anchor="end" { (short(&bar.name, NAME)) title { (bar.name) } }
            rect.track x=(px(NAMES)) y=(px(top + 5.0)) width=(px(width)) height="16" rx="3" {}
            @if let Some(share) = share {
                rect.bar x=(px(NAMES)) y=(px(top + 5.0)) width=(px(width * share)) height="16" rx="3" {}
            }
            text x=(px(WIDTH - FIGURES + 8.0)) y=(px(top + 17.0)) { (bar.figure) }
        }
    };
    html! {
        (frame(WIDTH, ROW * shown.len() as f64, name, &says.join(", "), &drawn))
        @if bars.len() > shown.len() { p.note { "and " (bars.len() - shown.len()) " more" } }
    }
}
