//! A calibration curve: how often answers of a certainty are right.

use maud::{Markup, html};

use super::plot::{Plot, stretched};
use super::{Axis, at, hundredths, nothing};

/// Radius of the smallest and the largest dot, CSS pixels.
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
    let across = Axis { low: 0.0, high: 1.0, falling: false };
    let up = Axis { low: 0.0, high: 1.0, falling: true };
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
        .map(|bin| format!("{},{}", hundredths(across.place(bin.certainty)), hundredths(up.place(bin.right))))
        .collect();
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0];
    let field = html! {
        line.reference x1="0%" y1="100%" x2="100%" y2="0%" {}
        (stretched(&html! { polyline.line points=(along.join(" ")) {} }))
        @for (bin, says) in bins.iter().zip(&says) {
            circle.point cx=(at(across.place(bin.certainty))) cy=(at(up.place(bin.right))) r=(hundredths(radius(bin.n))) {
                title { (says) }
            }
        }
    };
    Plot {
        shape: "square",
        role: "img",
        says: &format!("Calibration. {}", says.join("; ")),
        up: "right",
        across: "certainty",
        rows: &ticks.map(|value| (up.place(value), percent(value))),
        columns: &ticks.map(|value| (across.place(value), percent(value))),
    }
    .around(&field)
}
