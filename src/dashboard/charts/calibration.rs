//! A calibration curve: how often answers of a certainty are right.

use maud::{Markup, html};

use super::{Axis, frame, nothing, px};

const SIDE: f64 = 360.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 46.0;
const EDGE: f64 = 24.0;

/// Radius of the smallest and the largest dot.
const RADII: (f64, f64) = (3.0, 12.0);

/// Answers of about the same certainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::dashboard) struct Bin {
    pub n: usize,
    /// Mean probability of the answers, 0 to 1.
    pub certainty: f64,
    /// Share of them that is right, 0 to 1.
    pub right: f64,
}

/// Draws a dot for each bin, as large as it holds many; on the diagonal a probability means what it says.
pub(in crate::dashboard) fn calibration(bins: &[Bin]) -> Markup {
    let finite = |bin: &&Bin| bin.n > 0 && bin.certainty.is_finite() && bin.right.is_finite();
    let bins: Vec<Bin> = bins.iter().filter(finite).copied().collect();
    let most = bins.iter().map(|bin| bin.n).max().unwrap_or(0);
    if most == 0 {
        return nothing();
    }
    let across = Axis { low: 0.0, high: 1.0, from: LEFT, to: SIDE - EDGE };
    let up = Axis { low: 0.0, high: 1.0, from: SIDE - BOTTOM, to: EDGE };
    let radius = |n: usize| RADII.0 + (RADII.1 - RADII.0) * (n as f64 / most as f64).sqrt();
    let says: Vec<String> = bins
        .iter()
        .map(|bin| {
            format!("{:.0} % certain, {:.0} % right of {}", 100.0 * bin.certainty, 100.0 * bin.right, bin.n)
        })
        .collect();
    let percent = |value: f64| format!("{:.0} %", 100.0 * value);
    let along: Vec<String> = bins
        .iter()
        .map(|bin| format!("{},{}", px(across.place(bin.certainty)), px(up.place(bin.right))))
        .collect();
    let drawn = html! {
        @for value in [0.0, 0.25, 0.5, 0.75, 1.0] {
            line.grid x1=(px(LEFT)) x2=(px(SIDE - EDGE)) y1=(px(up.place(value))) y2=(px(up.place(value))) {}
            text.quiet x=(px(LEFT - 8.0)) y=(px(up.place(value) + 4.0)) text-anchor="end" { (percent(value)) }
            text.quiet x=(px(across.place(value))) y=(px(SIDE - BOTTOM + 18.0)) text-anchor="middle" { (percent(value)) }
        }
        line.reference x1=(px(LEFT)) y1=(px(SIDE - BOTTOM)) x2=(px(SIDE - EDGE)) y2=(px(EDGE)) {}
        text x=(px((LEFT + SIDE - EDGE) / 2.0)) y=(px(SIDE - 6.0)) text-anchor="middle" { "certainty" }
        text x=(px(-(SIDE - BOTTOM) / 2.0)) y="14" text-anchor="middle" transform="rotate(-90)" { "right" }
        polyline.line points=(along.join(" ")) {}
        @for (bin, says) in bins.iter().zip(&says) {
            circle.point cx=(px(across.place(bin.certainty))) cy=(px(up.place(bin.right))) r=(px(radius(bin.n))) {
                title { (says) }
            }
        }
    };
    frame(SIDE, SIDE, "Calibration", &says.join("; "), &drawn)
}
