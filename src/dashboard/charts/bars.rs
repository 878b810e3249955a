//! Horizontal bars with a name before and a figure behind.

use maud::{Markup, html};

use super::{frame, nothing, px, short};

const ROW: f64 = 26.0;

/// Widths in user units: of all, of the names, of the figures, and characters of a name.
struct Size {
    width: f64,
    names: f64,
    figures: f64,
    name: usize,
}

const WIDE: Size = Size { width: 420.0, names: 140.0, figures: 90.0, name: 18 };
/// For a tile of a list.
const SMALL: Size = Size { width: 240.0, names: 92.0, figures: 66.0, name: 11 };

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
    draw(name, bars, &WIDE)
}

/// The same, narrow.
pub(in crate::dashboard) fn small_bars(name: &str, bars: &[Bar]) -> Markup {
    draw(name, bars, &SMALL)
}

fn draw(name: &str, bars: &[Bar], size: &Size) -> Markup {
    if bars.is_empty() {
        return nothing();
    }
    let shown = &bars[..bars.len().min(MOST)];
    let says: Vec<String> = shown.iter().map(|bar| format!("{} {}", bar.name, bar.figure)).collect();
    let width = size.width - size.names - size.figures;
    let drawn = html! {
        @for (index, bar) in shown.iter().enumerate() {
            @let top = ROW * index as f64;
            @let share = bar.share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
            text x=(px(size.names - 8.0)) y=(px(top + 17.0)) text-anchor="end" { (short(&bar.name, size.name)) title { (bar.name) } }
            rect.track x=(px(size.names)) y=(px(top + 5.0)) width=(px(width)) height="16" rx="3" {}
            @if let Some(share) = share {
                rect.bar x=(px(size.names)) y=(px(top + 5.0)) width=(px(width * share)) height="16" rx="3" {}
            }
            text x=(px(size.width - size.figures + 8.0)) y=(px(top + 17.0)) { (bar.figure) }
        }
    };
    html! {
        (frame(size.width, ROW * shown.len() as f64, name, &says.join(", "), &drawn))
        @if bars.len() > shown.len() { p.note { "and " (bars.len() - shown.len()) " more" } }
    }
}
