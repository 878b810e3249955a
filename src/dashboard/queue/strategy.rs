//! The query strategy: descriptions, the preview of another one, and the choice.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Form;
use maud::{Markup, html};
use serde::Deserialize;

use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::layout::project_path;
use crate::ranking::Strategy;
use crate::storage::Project;

/// Value of the form's field for the program's own choice of a strategy.
const BY_ITSELF: &str = "";

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    strategy: String,
}

/// Stores the strategy; the queue is written again behind the answer.
pub(super) async fn apply(context: PageContext, choice: Form<Choice>) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    let strategy = chosen(&choice.strategy)?;
    context.services().queue.follow(project.id, strategy).await?;
    tracing::info!(project = %project.id, strategy = strategy.map(Strategy::name), "strategy chosen in the dashboard");
    let to = format!("{}/queue?done=strategy", project_path(&project));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, to)).finish())
}

/// The strategy of a form's field; `None`: the program's own choice.
pub(super) fn chosen(name: &str) -> Result<Option<Strategy>, PageError> {
    if name == BY_ITSELF {
        return Ok(None);
    }
    name.parse().map(Some).map_err(|_| PageError::not_found("strategy", name))
}

/// The form, with the field that filters what is shown.
pub(super) fn form(
    context: &PageContext,
    project: &Project,
    own: Option<Strategy>,
    chosen: Option<Strategy>,
    tag: &Markup,
) -> Markup {
    let path = project_path(project);
    let name = |strategy: Option<Strategy>| strategy.map_or(BY_ITSELF, Strategy::name);
    html! {
        section.card aria-label="Strategy" {
            form.inline method="get" action={ (path) "/queue" } {
                label for="strategy" { "Strategy" }
                select #strategy name="strategy" {
                    option value=(BY_ITSELF) selected[chosen.is_none()] { "automatic" }
                    @for strategy in Strategy::ALL {
                        option value=(strategy.name()) selected[chosen == Some(strategy)] { (strategy.name()) }
                    }
                }
                (tag)
                button.quiet type="submit" { "Look" }
            }
            p.note { (about(chosen)) }
            @if chosen == own {
                p { "This strategy is in use." }
            } @else {
                form.inline method="post" action={ (path) "/queue/strategy" } {
                    (context.token())
                    input type="hidden" name="strategy" value=(name(chosen));
                    button type="submit" { "Use this strategy" }
                    span.note { "Until then the project goes on with " strong { (own.map_or("automatic", Strategy::name)) } "." }
                }
            }
        }
    }
}

/// A strategy in a sentence.
fn about(strategy: Option<Strategy>) -> &'static str {
    match strategy {
        None => "The program's own choice: u-herding, and max-herding while there is no model.",
        Some(Strategy::Random) => "Tasks by chance: what everything else is measured against.",
        Some(Strategy::LeastConfidence) => "Tasks whose most probable class is least probable.",
        Some(Strategy::Margin) => "Tasks whose two most probable classes are closest.",
        Some(Strategy::Entropy) => "Tasks whose probabilities are spread most evenly.",
        Some(Strategy::KCenter) => "Tasks farthest from everything that is labelled or chosen.",
        Some(Strategy::Medoids) => "The tasks in the middle of as many clusters as are asked for.",
        Some(Strategy::TypiClust) => "The most typical task of each cluster.",
        Some(Strategy::MaxHerding) => "Tasks that together stand for as many others as possible.",
        Some(Strategy::UHerding) => "Tasks that together stand for as much uncertainty as possible.",
        Some(Strategy::Badge) => "Tasks that would change the model most, and in different ways.",
        Some(Strategy::Coral) => "Tasks far from the labelled ones and hard to decide.",
        Some(Strategy::ClusterMargin) => "Hard tasks, in turn from different clusters.",
        Some(Strategy::Tcm) => "Typical tasks first, hard ones later.",
    }
}
