//! Tags: listed on the map's page, a filter of map and queue, renamed and removed.

use std::collections::HashSet;

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Form};
use maud::{Markup, html};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::Entry;
use super::context::PageContext;
use super::error::PageError;
use super::format::{count, of};
use super::layout::project_path;
use super::{Inner, at};
use crate::domain::ids::ContentHash;
use crate::domain::tag::{MAX_CHARS, Tag};
use crate::storage::{Project, Renamed, StorageError, TagCount};

pub(super) const ENTRIES: &[Entry] = &[
    at("/projects/{project}/tags/rename", || web::post().to(rename)),
    at("/projects/{project}/tags/remove", || web::post().to(remove)),
];

/// Tags listed on a page; `weathervane tags list` names all.
const LISTED: usize = 100;

#[derive(Deserialize)]
struct NewName {
    #[serde(default)]
    tag: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    tag: String,
}

/// The tag a page shows images of; none for an empty field.
///
/// # Errors
/// No image bears it, or the database does not answer.
pub(super) async fn chosen(inner: &Inner, name: Option<&str>) -> Result<Option<String>, PageError> {
    let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { return Ok(None) };
    let known = inner.storage.tags().await?;
    if known.iter().any(|known| known.tag == name) {
        return Ok(Some(name.to_owned()));
    }
    Err(PageError::not_found("tag", name))
}

/// Stamp of the tags and their images: it changes when they do, and is cheap to compute.
pub(super) async fn stamp(inner: &Inner) -> Result<String, StorageError> {
    let tags = inner.storage.tags().await?;
    let names: Vec<String> = tags.iter().map(|known| format!("{}={}", known.tag, known.images)).collect();
    Ok(format!("{:?}/{}", inner.storage.last_tagged_at().await?, blake3::hash(names.join("/").as_bytes())))
}

/// The images of a tag.
pub(super) async fn images(inner: &Inner, tag: &str) -> Result<HashSet<ContentHash>, StorageError> {
    Ok(inner.storage.images_of_tag(tag).await?.into_iter().collect())
}

/// The field of a form that chooses a tag; nothing while there is none.
pub(super) fn field(tags: &[TagCount], chosen: Option<&str>) -> Markup {
    html! {
        @if !tags.is_empty() {
            label for="tag" { "Only tag" }
            select #tag name="tag" {
                option value="" selected[chosen.is_none()] { "all images" }
                @for known in tags {
                    option value=(known.tag) selected[chosen == Some(known.tag.as_str())] { (known.tag) }
                }
            }
        }
    }
}

/// All tags, each with what can be done with it.
pub(super) fn section(context: &PageContext, project: &Project, tags: &[TagCount]) -> Markup {
    let path = project_path(project);
    html! {
        section #tags.card aria-label="Tags" {
            h2 { "Tags" }
            @if tags.is_empty() { p.note { "No image bears a tag yet." } }
            ul.tags {
                @for known in tags.iter().take(LISTED) {
                    @let name: String = byte_serialize(known.tag.as_bytes()).collect();
                    li {
                        strong { (known.tag) } " " span.note { (of(known.images, "image", "images")) } " "
                        a href={ (path) "/map?tag=" (name) } aria-label={ "Map of tag " (known.tag) } { "Map" } " "
                        a href={ (path) "/queue?tag=" (name) } aria-label={ "Queue of tag " (known.tag) } { "Queue" }
                        details {
                            summary aria-label={ "Change tag " (known.tag) } { "Change" }
                            form.inline method="post" action={ (path) "/tags/rename" } {
                                (context.token())
                                input type="hidden" name="tag" value=(known.tag);
                                input type="text" name="name" value=(known.tag) maxlength=(MAX_CHARS) required
                                    autocomplete="off" aria-label={ "New name of tag " (known.tag) };
                                button.quiet type="submit" { "Rename" }
                            }
                            form.inline method="post" action={ (path) "/tags/remove" } {
                                (context.token())
                                input type="hidden" name="tag" value=(known.tag);
                                button.quiet type="submit" aria-label={ "Remove tag " (known.tag) } { "Remove" }
                                span.note { "The images stay." }
                            }
                        }
                    }
                }
            }
            @if tags.len() > LISTED {
                p.note { "and " (count((tags.len() - LISTED) as i64)) " more: " code { "weathervane tags list" } }
            }
        }
    }
}

async fn rename(context: PageContext, form: Form<NewName>) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    let name: Tag = form.name.parse().map_err(|error| PageError::Tag(format!("{error}")))?;
    match context.services().storage.rename_tag(&form.tag, name.as_str()).await? {
        Renamed::Images(images) => {
            tracing::info!(tag = form.tag, name = name.as_str(), images, "tag renamed in the dashboard");
            Ok(back(&project, "renamed"))
        }
        Renamed::Unknown => Err(PageError::not_found("tag", &form.tag)),
        Renamed::Taken => Err(PageError::Tag(format!("there is a tag `{name}` already"))),
    }
}

async fn remove(context: PageContext, form: Form<Name>) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    match context.services().storage.remove_tag(&form.tag).await? {
        0 => Err(PageError::not_found("tag", &form.tag)),
        images => {
            tracing::info!(tag = form.tag, images, "tag removed in the dashboard");
            Ok(back(&project, "removed"))
        }
    }
}

fn back(project: &Project, done: &str) -> HttpResponse {
    let to = format!("{}/map?done={done}#tags", project_path(project));
    HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
}

/// Message on the action just done.
pub(super) fn done(what: &str) -> Markup {
    html! {
        @match what {
            "renamed" => p.done role="status" { "The tag has its new name." },
            "removed" => p.done role="status" { "The tag is removed; its images stay." },
            _ => {}
        }
    }
}
