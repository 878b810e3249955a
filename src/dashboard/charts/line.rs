//! A line with a band around it, and a second one to compare it with.

use maud::{Markup, html};

use super::plot::{Plot, stretched};
use super::{Axis, at, hundredths, nothing, tick};

/// A point of a line, with the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::dashboard) struct Point {
    pub x: f64,
    pub y: f64,
    pub band: Option<(f64, f64)>,
}

/// Content of a line chart.
pub(in crate::dashboard) struct LineChart<'a> {
    pub name: &'a str,
    /// In a sentence.
    pub says: &'a str,
    /// Names of the axes.
    pub across: &'a str,
    pub up: &'a str,
    /// The values are shares, 0 to 1.
    pub percent: bool,
    /// In the order of `x`.
    pub line: &'a [Point],
    /// Drawn behind it; may be empty.
    pub reference: &'a [Point],
}

/// Draws a line chart; one point is a dot.
pub(in crate::dashboard) fn line(chart: &LineChart<'_>) -> Markup {
    let points = finite(chart.line);
    let reference = finite(chart.reference);
    let all: Vec<Point> = points.iter().chain(&reference).copied().collect();
    if all.is_empty() {
        return nothing();
    }
    let across = axis(all.iter().map(|point| point.x), false);
    let ends = |point: &Point| point.band.map_or([point.y, point.y], |(low, high)| [low, high]);
    let mut up = axis(all.iter().flat_map(ends), true);
    if chart.percent {
        up.low = (up.low * 10.0).floor().clamp(0.0, 9.0) / 10.0;
        up.high = (up.high * 10.0).ceil().clamp(10.0 * up.low + 1.0, 10.0) / 10.0;
    }
    let label = |value: f64| if chart.percent { format!("{} %", tick(100.0 * value)) } else { tick(value) };
    let field = html! {
        (stretched(&html! {
            (series(&reference, &across, &up, "reference", "band second"))
            (series(&points, &across, &up, "line", "band"))
        }))
        @for point in &points {
            circle.point cx=(at(across.place(point.x))) cy=(at(up.place(point.y))) r="4" {
                title { (tick(point.x)) ": " (label(point.y)) }
            }
        }
    };
    let rows: Vec<_> = up.ticks(5).into_iter().map(|value| (up.place(value), label(value))).collect();
    let columns: Vec<_> =
        across.ticks(5).into_iter().map(|value| (across.place(value), tick(value))).collect();
    Plot {
        shape: "wide",
        role: "img",
        says: &format!("{}. {}", chart.name, chart.says),
        up: chart.up,
        across: chart.across,
        rows: &rows,
        columns: &columns,
    }
    .around(&field)
}

fn series(points: &[Point], across: &Axis, up: &Axis, line: &str, band: &str) -> Markup {
    let place = |x: f64, y: f64| format!("{},{}", hundredths(across.place(x)), hundredths(up.place(y)));
    let with_band: Vec<(f64, f64, f64)> =
        points.iter().filter_map(|point| point.band.map(|(low, high)| (point.x, low, high))).collect();
    let upper = with_band.iter().map(|(x, _, high)| place(*x, *high));
    let lower = with_band.iter().rev().map(|(x, low, _)| place(*x, *low));
    let around: Vec<String> = upper.chain(lower).collect();
    let along: Vec<String> = points.iter().map(|point| place(point.x, point.y)).collect();
    html! {
        @if with_band.len() > 1 { polygon class=(band) points=(around.join(" ")) {} }
        @if let [(x, low, high)] = with_band[..] {
            line class=(line) x1=(hundredths(across.place(x))) x2=(hundredths(across.place(x))) y1=(hundredths(up.place(low))) y2=(hundredths(up.place(high))) {}
        }
        @if along.len() > 1 { polyline class=(line) points=(along.join(" ")) {} }
    }
}

fn finite(points: &[Point]) -> Vec<Point> {
    let whole = |point: &&Point| point.x.is_finite() && point.y.is_finite();
    let without = |point: &Point| Point {
        band: point.band.filter(|(low, high)| low.is_finite() && high.is_finite()),
        ..*point
    };
    points.iter().filter(whole).map(without).collect()
}

fn axis(values: impl Iterator<Item = f64>, falling: bool) -> Axis {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // A single value stands in the middle.
    let (low, high) =
        if high - low > f64::EPSILON * high.abs() { (low, high) } else { (low - 1.0, high + 1.0) };
    Axis { low, high, falling }
}
