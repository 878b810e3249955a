//! The tasks that come next, small.

use maud::{Markup, html};

use crate::dashboard::context::PageContext;
use crate::dashboard::layout::project_path;
use crate::dashboard::queue::ranking;
use crate::dashboard::thumbnails::picture;
use crate::domain::ids::TaskId;
use crate::queue::Ranked;
use crate::storage::Project;

/// Two rows of three beside the figures of a small screen.
const SHOWN: usize = 6;

/// The head of the queue, as far as it is ranked.
pub(super) async fn section(context: &PageContext, project: &Project) -> Markup {
    let own = project.strategy.as_deref().and_then(|name| name.parse().ok());
    let seen = ranking(context, project, own, None).await;
    let made = seen.made.and_then(Result::ok);
    let tasks = made.as_ref().map(|ranking| &ranking.tasks[..ranking.tasks.len().min(SHOWN)]);
    html! {
        section #next.card aria-label="Next tasks" data-live="labels version pool ready" data-project=(project.id)
            data-waiting=[(!seen.fresh).then_some("")] {
            h2 { "Next tasks" }
            @match tasks {
                None => p.note { "The tasks are being ranked." },
                Some([]) => p { "Nothing is left to label." },
                Some(tasks) => {
                    ol.tiles.three { @for ranked in tasks { li { (task(context, project, ranked)) } } }
                    p { a href={ (project_path(project)) "/queue" } { "Why these, and what follows" } }
                }
            }
        }
    }
}

fn task(context: &PageContext, project: &Project, ranked: &Ranked) -> Markup {
    let TaskId(id) = ranked.task;
    html! {
        (picture(project.id, ranked.task))
        @match context.task_address(project.id, ranked.task) {
            Some(to) => a href=(to) rel="noreferrer" target="_blank" { "Task " (id) }
            None => { "Task " (id) }
        }
        @for head in ranked.heads.iter().take(1) {
            @if let Some((class, p)) = head.classes.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
                " " span.note { (class) " " (format!("{:.0} %", 100.0 * p)) }
            }
        }
    }
}
