//! The map without a script: an SVG of at most some thousand points, and what the colours mean.

use std::collections::HashMap;

use maud::{Markup, html};

use super::colours::{Colouring, NONE, STEPS, Scale};
use crate::dashboard::words::count;
use crate::domain::ids::TaskId;
use crate::projection::SIDE;
use crate::queue::Map;

/// Points of the SVG at most; of more every second, third and so on.
const POINTS: usize = 2_000;

/// Radius of a point that is not ranked, and what the first one has more; of 1,000.
const RADIUS: f32 = 5.0;
const MORE: f32 = 7.0;

/// Numbers along the edges.
const TICKS: [u32; 5] = [0, 250, 500, 750, 1_000];

/// How a colour is called in the stylesheet.
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
    let points = map.tasks.iter().zip(&map.places).zip(&colours).step_by(step);
    html! {
        // No picture as a whole: what is inside can be opened.
        svg.chart.points role="group" viewBox="-40 -10 1050 1050" aria-label=(says) {
            @for tick in TICKS {
                text.quiet x=(tick) y="1035" text-anchor="middle" { (tick) }
                text.quiet x="-12" y=(1_004 - tick) text-anchor="end" { (tick) }
            }
            rect.cell-edge x="0" y="0" width="1000" height="1000" {}
            @for ((task, place), colour) in points {
                a href=[opens(*task)] target="_blank" rel="noreferrer" {
                    title { "Task " (task) }
                    circle class=(class(scale, *colour)) cx=(format!("{:.1}", place[0])) cy=(format!("{:.1}", SIDE - place[1]))
                        r=(format!("{:.1}", radius(sizes.get(task)))) {}
                }
            }
        }
        @if step > 1 { p.note { "Drawn is every " (step) ". image; with scripts the page draws all." } }
    }
}

fn radius(size: Option<&u8>) -> f32 {
    RADIUS + size.map_or(0.0, |size| MORE * f32::from(*size) / 255.0)
}

/// What the colours mean; `none` says what it is to have none.
pub(super) fn legend(scale: &Scale, none: &str) -> Markup {
    let dot = |class: String| {
        html! { svg.chart.dot viewBox="0 0 12 12" aria-hidden="true" { circle class=(class) cx="6" cy="6" r="5" {} } }
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
