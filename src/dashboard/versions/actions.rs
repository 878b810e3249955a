//! Actions on a version: activate, pin, download.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, ContentEncoding, LOCATION};
use actix_web::web::Form;
use maud::{Markup, html};
use serde::Deserialize;

use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::history::Measured;
use crate::dashboard::layout::project_path;
use crate::storage::Project;

#[derive(Deserialize)]
pub(super) struct Pin {
    pinned: bool,
}

/// Message of a page after an action.
pub(super) fn done(what: &str) -> Markup {
    let says = match what {
        "activated" => "The version serves now. Label Studio's queue follows as soon as it is written.",
        "pinned" => "The version stays, whatever is trained.",
        "released" => "The next training serves again.",
        _ => return html! {},
    };
    html! { p.done role="status" { (says) } }
}

pub(super) fn pin_form(context: &PageContext, project: &Project) -> Markup {
    html! {
        form.inline method="post" action={ (project_path(project)) "/pin" } {
            (context.token())
            input type="hidden" name="pinned" value=(!project.pinned);
            button.quiet type="submit" { @if project.pinned { "Let trainings serve again" } @else { "Pin this version" } }
        }
    }
}

pub(super) fn forms(context: &PageContext, project: &Project, version: &Measured, serves: bool) -> Markup {
    let path = format!("{}/versions/{}", project_path(project), version.number);
    html! {
        div.actions {
            @if !serves {
                form.inline method="post" action={ (path) "/activate" } {
                    (context.token())
                    button type="submit" aria-label={ "Activate " (version.name) } { "Activate" }
                }
            }
            a href={ (path) "/file" } download aria-label={ "Download " (version.name) } { "Download" }
        }
    }
}

/// Lets a version serve until the next training, or for as long as it is pinned.
pub(super) async fn activate(context: PageContext) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let project = context.project().await?;
    let published = inner.models.activate(project.id, number(&context)?).await?;
    inner.queue.version_changed();
    tracing::info!(project = %project.id, version = published.name, "version activated in the dashboard");
    Ok(back(&project, "activated"))
}

/// Pins what serves, or lets it go.
pub(super) async fn pin(context: PageContext, pin: Form<Pin>) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    context.services().storage.set_pinned(project.id, pin.pinned).await?;
    tracing::info!(project = %project.id, pinned = pin.pinned, "pin changed in the dashboard");
    Ok(back(&project, if pin.pinned { "pinned" } else { "released" }))
}

/// The version's file: safetensors, as it was published.
pub(super) async fn download(context: PageContext) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    let number = number(&context)?;
    let bytes = context.services().models.file(project.id, number).await?;
    let name = format!("attachment; filename=\"project-{}-version-{number}.safetensors\"", project.id);
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header(ContentEncoding::Identity)
        .body(bytes))
}

fn number(context: &PageContext) -> Result<i64, PageError> {
    let name = context.part("number");
    name.parse().map_err(|_| PageError::not_found("version", name))
}

fn back(project: &Project, done: &str) -> HttpResponse {
    let to = format!("{}/versions?done={done}", project_path(project));
    HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
}
