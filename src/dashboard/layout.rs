//! Navigation around every page.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::PATH;
use super::context::PageContext;
use super::document::shell;
use crate::storage::Project;

/// The pages of one project, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Map,
    Queue,
    LabelErrors,
    Versions,
}

impl Tab {
    const ALL: &'static [Self] = &[Self::Overview, Self::Map, Self::Queue, Self::LabelErrors, Self::Versions];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Map => "Map",
            Self::Queue => "Queue",
            Self::LabelErrors => "Label errors",
            Self::Versions => "Versions",
        }
    }

    /// Below the project's own path.
    fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Map => "/map",
            Self::Queue => "/queue",
            Self::LabelErrors => "/label-errors",
            Self::Versions => "/versions",
        }
    }
}

/// Place of a page in the navigation.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Projects,
    Health,
    Project(&'a Project, Tab),
}

/// Title of a project, or its number while none is known.
pub(super) fn title_of(project: &Project) -> String {
    let title = project.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    title.map_or_else(|| format!("Project {}", project.id), str::to_owned)
}

/// A project's own path.
pub(super) fn project_path(project: &Project) -> String {
    format!("{PATH}/projects/{}", project.id)
}

/// A whole page.
pub(super) fn page(context: &PageContext, place: Place<'_>, title: &str, body: &Markup) -> HttpResponse {
    let whole = shell(
        title,
        &html! {
            a.skip href="#main" { "Skip to the content" }
            header.top {
                a.brand href=(PATH) { "weathervane" }
                nav aria-label="Main" {
                    ul {
                        li { (link(PATH, "Projects", matches!(place, Place::Projects))) }
                        li { (link(&format!("{PATH}/health"), "Jobs and health", matches!(place, Place::Health))) }
                    }
                }
                span #live.live role="status" hidden { "live" }
                @if context.has_session() {
                    form method="post" action={ (PATH) "/logout" } { (context.token()) button.quiet type="submit" { "Log out" } }
                }
            }
            @if let Place::Project(project, tab) = place {
                nav.tabs aria-label={ "Project " (title_of(project)) } {
                    strong { (title_of(project)) }
                    ul {
                        @for &other in Tab::ALL {
                            li { (link(&format!("{}{}", project_path(project), other.path()), other.name(), other == tab)) }
                        }
                    }
                    (label_link(context, project))
                }
            }
            main #main tabindex="-1" {
                (body)
            }
            footer {
                @if context.is_open() {
                    p.note {
                        "No password is set: everybody who uses this machine can use this page. Set BASIC_AUTH_USER and \
                         BASIC_AUTH_PASS to change that."
                    }
                }
                p.note { "weathervane " (env!("CARGO_PKG_VERSION")) }
            }
        },
    );
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(whole.into_string())
}

/// The way to the work, where Label Studio's address is known.
pub(super) fn label_link(context: &PageContext, project: &Project) -> Markup {
    html! {
        @if let Some(to) = context.labelling_address(project.id) {
            a.button href=(to) rel="noreferrer" target="_blank" { "Label in Label Studio" }
        }
    }
}

fn link(to: &str, name: &str, current: bool) -> Markup {
    html! { a href=(to) aria-current=[current.then_some("page")] { (name) } }
}
