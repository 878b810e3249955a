//! Charts: numbers in, HTML and SVG out. Pure; colours come from the stylesheet, so that both schemes fit.
//!
//! Nothing that holds text is scaled: places are shares of whatever room there is (`x="37.5%"`), so that text has the
//! page's size at every width, without a script and without styles inside the page, which its policy forbids. Bars and
//! matrices are tables; a plot is one image to a screen reader, with a title and a sentence. What is not finite is left out.

mod bars;
mod calibration;
mod line;
mod matrix;
mod plot;

#[cfg(test)]
mod tests;

use maud::{Markup, html};

pub(super) use bars::{Bar, bars, small_bars};
pub(super) use calibration::{Bin, calibration};
pub(super) use line::{LineChart, Point, line};
pub(super) use matrix::matrix;
pub(super) use plot::Plot;

/// Placeholder of a chart without data.
fn nothing() -> Markup {
    html! { p.note { "Nothing to draw yet." } }
}

/// A hundredth of the room there is, with two digits, which no eye tells from the whole number behind it.
pub(super) fn hundredths(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // No `-0`.
    format!("{}", rounded + 0.0)
}

/// A place along an axis.
pub(super) fn at(value: f64) -> String {
    format!("{}%", hundredths(value))
}

/// From numbers to places along one axis, in hundredths of its length.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    /// Places are counted from the other end, as heights are.
    falling: bool,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let place = 100.0 * (value - self.low) / (self.high - self.low);
        if self.falling { 100.0 - place } else { place }
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
