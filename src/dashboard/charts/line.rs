//! A line with a band around it, and a second one to compare it with.

use maud::{Markup, html};

use super::{Axis, frame, nothing, px, tick};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;

/// Room for the numbers left of the chart and below it.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 46.0;
const EDGE: f64 = 14.0;

/// A point of a line, with the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::dashboard) struct Point {
    pub x: f64,
    pub y: f64,
    pub band: Option<(f64, f64)>,
}

/// What a chart shows.
pub(in crate::dashboard) struct LineChart<'a> {
    pub name: &'a str,
    /// In a sentence.
    pub says: &'a str,
    /// What the axes are.
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
    let (points, reference) = (finite(chart.line), finite(chart.reference));
    let all: Vec<Point> = points.iter().chain(&reference).copied().collect();
    if all.is_empty() {
        return nothing();
    }
    let across = axis(all.iter().map(|point| point.x), LEFT, WIDTH - EDGE);
    let ends = |point: &Point| point.band.map_or([point.y, point.y], |(low, high)| [low, high]);
    let mut up = axis(all.iter().flat_map(ends), HEIGHT - BOTTOM, EDGE);
    if chart.percent {
        up.low = (up.low * 10.0).floor().clamp(0.0, 9.0) / 10.0;
        up.high = (up.high * 10.0).ceil().clamp(10.0 * up.low + 1.0, 10.0) / 10.0;
    }
    let label = |value: f64| if chart.percent { format!("{} %", tick(100.0 * value)) } else { tick(value) };
    let drawn = html! {
        @for value in up.ticks(5) {
            line.grid x1=(px(LEFT)) x2=(px(WIDTH - EDGE)) y1=(px(up.place(value))) y2=(px(up.place(value))) {}
            text.quiet x=(px(LEFT - 8.0)) y=(px(up.place(value) + 4.0)) text-anchor="end" { (label(value)) }
        }
        @for value in across.ticks(6) {
            text.quiet x=(px(across.place(value))) y=(px(HEIGHT - BOTTOM + 18.0)) text-anchor="middle" { (tick(value)) }
        }
        line.axis x1=(px(LEFT)) x2=(px(WIDTH - EDGE)) y1=(px(HEIGHT - BOTTOM)) y2=(px(HEIGHT - BOTTOM)) {}
        text x=(px((LEFT + WIDTH - EDGE) / 2.0)) y=(px(HEIGHT - 6.0)) text-anchor="middle" { (chart.across) }
        text x=(px(-(HEIGHT - BOTTOM) / 2.0)) y="14" text-anchor="middle" transform="rotate(-90)" { (chart.up) }
        (series(&reference, &across, &up, "reference", "band second"))
        (series(&points, &across, &up, "line", "band"))
        @for point in &points {
            circle.point cx=(px(across.place(point.x))) cy=(px(up.place(point.y))) r="3.5" {
                title { (tick(point.x)) ": " (label(point.y)) }
            }
        }
    };
    frame(WIDTH, HEIGHT, chart.name, chart.says, &drawn)
}

fn series(points: &[Point], across: &Axis, up: &Axis, line: &str, band: &str) -> Markup {
    let place = |x: f64, y: f64| format!("{},{}", px(across.place(x)), px(up.place(y)));
    let with_band: Vec<(f64, f64, f64)> =
        points.iter().filter_map(|point| point.band.map(|(low, high)| (point.x, low, high))).collect();
    let upper = with_band.iter().map(|(x, _, high)| place(*x, *high));
    let lower = with_band.iter().rev().map(|(x, low, _)| place(*x, *low));
    let around: Vec<String> = upper.chain(lower).collect();
    let along: Vec<String> = points.iter().map(|point| place(point.x, point.y)).collect();
    html! {
        @if with_band.len() > 1 { polygon class=(band) points=(around.join(" ")) {} }
        @if let [(x, low, high)] = with_band[..] {
            line class=(line) x1=(px(across.place(x))) x2=(px(across.place(x))) y1=(px(up.place(low))) y2=(px(up.place(high))) {}
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

fn axis(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Axis {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // A single value stands in the middle.
    let (low, high) =
        if high - low > f64::EPSILON * high.abs() { (low, high) } else { (low - 1.0, high + 1.0) };
    Axis { low, high, from, to }
}
