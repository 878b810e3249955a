//! The map without a script: an SVG of at most some thousand points, and what the colours mean.

use std::collections::HashMap;

use maud::{Markup, html};

use super::colours::{Colouring, NONE, STEPS, Scale};
use crate::dashboard::charts::Plot;
use crate::dashboard::format::count;
use crate::domain::ids::TaskId;
use crate::pool::Map;
use crate::projection::SIDE;

/// Points of the SVG at most; of more every second, third and so on.
const POINTS: usize = 2_000;

/// Radius of a point that is not ranked, and what the first one has more; CSS pixels.
const RADIUS: f32 = 3.5;
const MORE: f32 = 4.5;

/// Numbers along the edges, for whoever fills in a rectangle by hand.
const TICKS: [u32; 5] = [0, 250, 500, 750, 1_000];

/// Class of a colour in the stylesheet.
fn class(scale: &Scale, colour: u8) -> String {
    match scale {
        _ if colour == NONE => "none".to_owned(),
        Scale::Range { .. } => format!("r{colour}"),
        _ => format!("c{colour}"),
    }
}

/// The points, each with a link to what `opens` says; larger ones come first in the queue.
pub(super) fn svg(
    map: &Map,
    colouring: Option<&Colouring>,
    sizes: &HashMap<TaskId, u8>,
    says: &str,
    opens: &impl Fn(TaskId) -> Option<String>,
) -> Markup {
    let step = map.tasks.len().div_ceil(POINTS).max(1);
    let nothing = Scale::Nothing;
    let scale = colouring.map_or(&nothing, |colouring| &colouring.scale);
    let colours: Vec<u8> = match colouring {
        Some(colouring) => colouring.of(&map.tasks).collect(),
        None => vec![NONE; map.tasks.len()],
    };
    let points = map.tasks.iter().zip(&map.places).zip(colours).step_by(step);
    let mut points: Vec<_> =
        points.map(|((task, place), colour)| (*task, *place, colour, sizes.get(task))).collect();
    // The grey below, what has a colour above.
    points.sort_by_key(|(_, _, colour, size)| (*colour != NONE, *size));
    let across = TICKS.map(|tick| (f64::from(tick) / 10.0, tick.to_string()));
    let up = TICKS.map(|tick| (100.0 - f64::from(tick) / 10.0, tick.to_string()));
    let field = html! {
        @for (task, [x, y], colour, size) in points {
            a href=[opens(task)] target="_blank" rel="noreferrer" {
                title { "Task " (task) }
                circle class=(class(scale, colour)) cx=(share(x)) cy=(share(SIDE - y)) r=(format!("{:.1}", radius(size))) {}
            }
        }
    };
    // No picture as a whole: what is inside can be opened.
    let plot = Plot { shape: "map", role: "group", says, up: "", across: "", rows: &up, columns: &across };
    html! {
        (plot.around(&field))
        @if step > 1 { p.note { "Drawn is every " (step) ". image; with scripts the page draws all." } }
    }
}

/// A place as a share of the map's side.
fn share(place: f32) -> String {
    format!("{:.2}%", 100.0 * place / SIDE)
}

fn radius(size: Option<&u8>) -> f32 {
    RADIUS + size.map_or(0.0, |size| MORE * f32::from(*size) / 255.0)
}

/// Legend of the colours; `none` is the name for points without one.
pub(super) fn legend(scale: &Scale, none: &str) -> Markup {
    let dot = |class: String| {
        html! { svg.dot viewBox="0 0 12 12" aria-hidden="true" { circle class=(class) cx="6" cy="6" r="5" {} } }
    };
    html! {
        ul.legend.map-legend aria-label="Colours" {
            @match scale {
                Scale::Classes(classes) => {
                    @for ((name, n), colour) in classes.iter().zip(0_u8..) {
                        li data-colour=(colour) { (dot(class(scale, colour))) span { (name) } " " span.figure { "(" (count(*n as i64)) ")" } }
                    }
                }
                Scale::Range { low, high } => {
                    li {
                        (low) " "
                        @for step in 0..STEPS as u8 { (dot(class(scale, step))) }
                        " " (high)
                    }
                }
                Scale::Nothing => {}
            }
            li data-colour=(NONE) { (dot("none".to_owned())) span { (none) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_points_are_thinned_and_names_are_escaped() {
        let count = 5_000;
        let map = Map {
            tasks: (0..count).map(TaskId).collect(),
            images: Vec::new(),
            places: vec![[0.0, SIDE]; count as usize],
            settled: 0,
            pool: count as usize,
        };
        let drawn = svg(&map, None, &HashMap::new(), "\"<x>", &|_| None).into_string();
        assert_eq!(drawn.matches("<circle").count(), 1_667);
        assert!(drawn.contains("every 3. image") && drawn.contains("&quot;&lt;x&gt;"), "{}", &drawn[..200]);
        let scale = Scale::Classes(vec![("<script>".to_owned(), 3)]);
        let legend = legend(&scale, "no label").into_string();
        assert!(legend.contains("&lt;script&gt;") && !legend.contains("<script>"), "{legend}");
    }
}
