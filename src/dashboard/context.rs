//! One request for a page, as its handler sees it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use maud::{Markup, html};

use super::error::PageError;
use super::{Dashboard, Inner};
use crate::access::Keys;
use crate::domain::ids::{ProjectId, TaskId};
use crate::storage::Project;

/// Name of the session's cookie.
pub(super) const COOKIE: &str = "weathervane_session";

/// Name of the form field that carries the CSRF token.
pub(super) const CSRF_FIELD: &str = "token";

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Way in which a visitor is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WayIn {
    /// No password is set
    Open,
    Basic,
    /// The session's cookie
    Session(String),
    /// Not yet: the login form is all they see
    None,
}

/// Visitor of a page, with the CSRF token that their forms must carry.
#[derive(Clone)]
pub(super) struct Visitor {
    way_in: WayIn,
    token: String,
}

impl Visitor {
    pub fn new(keys: &Keys, way_in: WayIn) -> Self {
        let mut visitor = Self { way_in, token: String::new() };
        // Made from the password, so nobody gets it who doesn't know the password.
        if visitor.way_in != WayIn::None {
            visitor.token = keys.csrf_token(visitor.holder());
        }
        visitor
    }

    /// Holder that a form's CSRF token is made for.
    pub fn holder(&self) -> &str {
        match &self.way_in {
            WayIn::Open => "open",
            WayIn::Basic => "basic",
            WayIn::Session(cookie) => cookie,
            WayIn::None => "",
        }
    }
}

/// Request context of a dashboard page.
pub(super) struct PageContext {
    dashboard: web::Data<Dashboard>,
    visitor: Visitor,
    request: HttpRequest,
}

impl FromRequest for PageContext {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let dashboard = request.app_data::<web::Data<Dashboard>>().cloned();
        let visitor = request.extensions().get::<Visitor>().cloned();
        let context = dashboard.zip(visitor).map(|(dashboard, visitor)| Self {
            dashboard,
            visitor,
            request: request.clone(),
        });
        ready(context.ok_or(PageError::Gone))
    }
}

impl PageContext {
    pub fn services(&self) -> &Inner {
        &self.dashboard.0
    }

    /// For what goes on behind the answer.
    pub fn dashboard(&self) -> web::Data<Dashboard> {
        self.dashboard.clone()
    }

    pub fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// Unix microseconds.
    pub fn now(&self) -> i64 {
        (self.services().now)()
    }

    /// `true` if no password is set, so that everybody on this machine has access.
    pub fn is_open(&self) -> bool {
        self.visitor.way_in == WayIn::Open
    }

    /// `true` if there is a session to leave.
    pub fn has_session(&self) -> bool {
        matches!(self.visitor.way_in, WayIn::Session(_))
    }

    /// The hidden field that every form which changes something must hold.
    pub fn token(&self) -> Markup {
        html! { input type="hidden" name=(CSRF_FIELD) value=(self.visitor.token); }
    }

    /// The part of the path of this name.
    pub fn part(&self, name: &str) -> &str {
        self.request.match_info().query(name)
    }

    /// The project the path names, also one that Label Studio deleted.
    pub async fn project(&self) -> Result<Project, PageError> {
        let name = self.part("project");
        let row = match name.parse() {
            Ok(id) => self.services().storage.project(ProjectId(id)).await?,
            Err(_) => None,
        };
        row.ok_or_else(|| PageError::not_found("project", name))
    }

    /// Address at which Label Studio lists a project's tasks and has them labelled; `None` if its address is not set.
    pub fn labelling_address(&self, project: ProjectId) -> Option<String> {
        let base = self.services().label_studio.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}/projects/{project}/data"))
    }

    /// Address at which Label Studio shows a task; `None` if its address is not set.
    pub fn task_address(&self, project: ProjectId, task: TaskId) -> Option<String> {
        Some(format!("{}?task={task}", self.labelling_address(project)?))
    }
}
