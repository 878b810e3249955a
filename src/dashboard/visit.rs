//! One request for a page, as its handler sees it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use maud::{Markup, html};

use super::guard::TOKEN_FIELD;
use super::refusal::Refusal;
use super::{Dashboard, Inner};
use crate::access::Keys;
use crate::domain::ids::{ProjectId, TaskId};
use crate::storage::Project;

/// How a visitor came in.
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

/// Who looks, and what their forms must carry.
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
            visitor.token = keys.form_token(visitor.holder());
        }
        visitor
    }

    /// Whom a form's token is made for.
    pub fn holder(&self) -> &str {
        match &self.way_in {
            WayIn::Open => "open",
            WayIn::Basic => "basic",
            WayIn::Session(cookie) => cookie,
            WayIn::None => "",
        }
    }
}

/// What a handler works with.
pub(super) struct Visit {
    dashboard: web::Data<Dashboard>,
    visitor: Visitor,
    request: HttpRequest,
}

impl FromRequest for Visit {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let dashboard = request.app_data::<web::Data<Dashboard>>().cloned();
        let visitor = request.extensions().get::<Visitor>().cloned();
        let visit = dashboard.zip(visitor).map(|(dashboard, visitor)| Self {
            dashboard,
            visitor,
            request: request.clone(),
        });
        ready(visit.ok_or(Refusal::Gone))
    }
}

impl Visit {
    pub fn rooms(&self) -> &Inner {
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
        (self.rooms().now)()
    }

    /// Whether everybody on this machine may look.
    pub fn is_open(&self) -> bool {
        self.visitor.way_in == WayIn::Open
    }

    /// Whether there is a session to leave.
    pub fn has_session(&self) -> bool {
        matches!(self.visitor.way_in, WayIn::Session(_))
    }

    /// The hidden field that every form which changes something must hold.
    pub fn token(&self) -> Markup {
        html! { input type="hidden" name=(TOKEN_FIELD) value=(self.visitor.token); }
    }

    /// The part of the path of this name.
    pub fn part(&self, name: &str) -> &str {
        self.request.match_info().query(name)
    }

    /// The project the path names, also one that Label Studio deleted.
    pub async fn project(&self) -> Result<Project, Refusal> {
        let name = self.part("project");
        let row = match name.parse() {
            Ok(id) => self.rooms().storage.project(ProjectId(id)).await?,
            Err(_) => None,
        };
        row.ok_or_else(|| Refusal::not_found("project", name))
    }

    /// Where Label Studio lists a project's tasks and has them labelled; `None` where its address is not set.
    pub fn labelling_address(&self, project: ProjectId) -> Option<String> {
        let base = self.rooms().label_studio.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}/projects/{project}/data"))
    }

    /// Where Label Studio shows a task; `None` where its address is not set.
    pub fn task_address(&self, project: ProjectId, task: TaskId) -> Option<String> {
        Some(format!("{}?task={task}", self.labelling_address(project)?))
    }
}
