//! The frame around every page.

use actix_web::HttpResponse;
use maud::{DOCTYPE, Markup, html};

use super::visit::Visit;
use super::{PATH, assets};
use crate::storage::Project;

/// The pages of one project, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Map,
    Queue,
    Suspects,
    Versions,
}

impl Tab {
    const ALL: &'static [Self] = &[Self::Overview, Self::Map, Self::Queue, Self::Suspects, Self::Versions];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Map => "Map",
            Self::Queue => "Queue",
            Self::Suspects => "Suspects",
            Self::Versions => "Versions",
        }
    }

    /// Below the project's own path.
    fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Map => "/map",
            Self::Queue => "/queue",
            Self::Suspects => "/suspects",
            Self::Versions => "/versions",
        }
    }
}

/// Where a page stands in the navigation.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Projects,
    Health,
    Project(&'a Project, Tab),
}

/// What a project is called: its title, or its number while none is known.
pub(super) fn title_of(project: &Project) -> String {
    let title = project.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    title.map_or_else(|| format!("Project {}", project.id), str::to_owned)
}

/// A project's own path.
pub(super) fn project_path(project: &Project) -> String {
    format!("{PATH}/projects/{}", project.id)
}

/// A whole page.
pub(super) fn page(visit: &Visit, place: Place<'_>, title: &str, body: &Markup) -> HttpResponse {
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
                @if visit.has_session() {
                    form method="post" action={ (PATH) "/logout" } { (visit.token()) button.quiet type="submit" { "Log out" } }
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
                    (label_link(visit, project))
                }
            }
            main #main tabindex="-1" {
                (body)
            }
            footer {
                @if visit.is_open() {
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

/// A page without navigation: refusals and the login.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    shell(title, &html! { main #main.bare { (body) } })
}

/// The way to the work, where Label Studio's address is known.
pub(super) fn label_link(visit: &Visit, project: &Project) -> Markup {
    html! {
        @if let Some(to) = visit.labelling_address(project.id) {
            a.button href=(to) rel="noreferrer" target="_blank" { "Label in Label Studio" }
        }
    }
}

fn link(to: &str, name: &str, current: bool) -> Markup {
    html! { a href=(to) aria-current=[current.then_some("page")] { (name) } }
}

fn shell(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(assets::HTMX_CONFIG);
                title { (title) " · weathervane" }
                link rel="icon" href=(assets::ICON.path()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::HTMX.path()) defer {}
                script src=(assets::SCRIPT.path()) defer {}
            }
            body { (body) }
        }
    }
}
