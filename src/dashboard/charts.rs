//! Charts: numbers in, SVG out. Pure; colours come from the stylesheet, so that both schemes fit.
//!
//! Each chart is one image to a screen reader, with a title and a sentence; the figures stand in a table beside it. What
//! is not finite is left out.

mod bars;
mod calibration;
mod line;
mod matrix;

#[cfg(test)]
mod tests;

use maud::{Markup, html};

pub(super) use bars::{Bar, bars, small_bars};
pub(super) use calibration::{Bin, calibration};
pub(super) use line::{LineChart, Point, line};
pub(super) use matrix::matrix;

/// What stands where there is nothing to draw.
fn nothing() -> Markup {
    html! { p.note { "Nothing to draw yet." } }
}

/// The frame of every chart: its size in user units, what it is, and what it shows. Narrow charts are not drawn as wide as
/// a page, so that their letters stay as large as those of the others.
fn frame(width: f64, height: f64, name: &str, says: &str, drawn: &Markup) -> Markup {
    let size = match width {
        ..300.0 => " tiny",
        300.0..500.0 => " small",
        _ => "",
    };
    html! {
        svg class={ "chart" (size) } role="img" viewBox={ "0 0 " (px(width)) " " (px(height)) } aria-label={ (name) ". " (says) } {
            title { (name) }
            desc { (says) }
            (drawn)
        }
    }
}

/// A coordinate with a tenth of a unit, which no eye tells from the whole number behind it.
fn px(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    // No `-0`.
    format!("{}", rounded + 0.0)
}

/// A text of at most so many characters.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// From numbers to places along one axis.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round numbers along the axis, about `count` of them.
    fn ticks(&self, count: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / count.max(1) as f64;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
        let step = steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
        if !step.is_finite() || step <= 0.0 {
            return Vec::new();
        }
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).take(4 * count).map(|index| index as f64 * step).collect()
    }
}

/// A number on an axis, without needless digits.
fn tick(value: f64) -> String {
    let text = format!("{value:.3}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
