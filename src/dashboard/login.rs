//! Logging in and out.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::web::{self, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use maud::html;
use serde::Deserialize;
use url::form_urlencoded;

use super::context::{COOKIE, PageContext, random};
use super::error::PageError;
use super::{Entry, PATH as ROOT, at, document, get};
use crate::access::{ControlPolicy, SESSION_SECONDS};

pub(super) const PATH: &str = "/login";

pub(super) const ENTRIES: &[Entry] = &[
    at(PATH, || get().to(show)),
    at(PATH, || web::post().to(log_in)),
    at("/logout", || web::post().to(log_out)),
];

/// Holds what the login form must repeat: another site can neither read nor set it.
const FORM_COOKIE: &str = "weathervane_login";

/// Lifetime of a login form, seconds.
const FORM_SECONDS: i64 = 3600;

#[derive(Deserialize)]
struct LoginQuery {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Attempt {
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    form: String,
}

/// Answer to a visitor without a session: a page sends them to the login form, everything else learns that the session is over.
pub(super) fn ask(request: &ServiceRequest) -> HttpResponse {
    metrics::counter!("weathervane_unauthorized_total").increment(1);
    let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let navigates = header("sec-fetch-mode").is_none_or(|mode| mode == b"navigate");
    let by_script = header("hx-request").is_some() || !navigates;
    let wanted = request.uri().path_and_query().map_or(ROOT, |wanted| wanted.as_str());
    let to = format!(
        "{ROOT}{PATH}?{}",
        form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish()
    );
    if *request.method() == Method::GET && !by_script {
        return HttpResponse::SeeOther().insert_header((LOCATION, to)).finish();
    }
    let mut response = HttpResponse::Unauthorized();
    if header("hx-request").is_some() {
        // The page itself goes to the form, not the piece of it that asked.
        response.insert_header(("HX-Redirect", format!("{ROOT}{PATH}")));
    }
    response
        .content_type("text/plain; charset=utf-8")
        .body("log in first: open /ui in a browser, or use Basic authentication")
}

async fn show(context: PageContext, query: Query<LoginQuery>) -> Result<HttpResponse, PageError> {
    let next = own_page(&query.next);
    if context.has_session() || context.services().access.control() != ControlPolicy::Password {
        return Ok(go(next));
    }
    form(context.request(), next, None)
}

fn form(request: &HttpRequest, next: &str, problem: Option<&str>) -> Result<HttpResponse, PageError> {
    let secret = blake3::hash(&random::<32>()?).to_hex().to_string();
    let body = html! {
        form.login method="post" action={ (ROOT) (PATH) } {
            h1 { "Log in" }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            label for="user" { "User" }
            input #user name="user" autocomplete="username" required autofocus;
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="current-password" required;
            input type="hidden" name="next" value=(next);
            input type="hidden" name="form" value=(secret);
            button type="submit" { "Log in" }
            // A cookie does not come along from another site's link, but from this one it does.
            p.note { a href=(next) { "Go on" } " if you are logged in already." }
            p.note { "User and password are the server's BASIC_AUTH_USER and BASIC_AUTH_PASS." }
        }
    };
    let cookie = cookie(request, FORM_COOKIE, secret.clone(), FORM_SECONDS);
    let mut response = if problem.is_some() { HttpResponse::Unauthorized() } else { HttpResponse::Ok() };
    Ok(response
        .cookie(cookie)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(document::bare("Log in", &body).into_string()))
}

async fn log_in(context: PageContext, attempt: Form<Attempt>) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let request = context.request();
    let next = own_page(&attempt.next);
    if inner.access.control() != ControlPolicy::Password {
        return Ok(go(next));
    }
    let shown = request.cookie(FORM_COOKIE);
    let ours = |shown: &Cookie<'_>| !attempt.form.is_empty() && shown.value() == attempt.form;
    if !shown.as_ref().is_some_and(ours) {
        return form(request, next, Some("The form was too old. Please log in again."));
    }
    let check = || inner.access.knows_pair(attempt.user.as_bytes(), attempt.password.as_bytes());
    let from = request.peer_addr().map(|address| address.ip());
    match inner.throttle.attempt(from, check).await {
        None => form(request, next, Some("Too many people try to log in. Please wait a moment.")),
        Some(false) => {
            tracing::warn!("a login with a wrong user or password");
            form(request, next, Some("User or password is wrong."))
        }
        Some(true) => {
            let session = inner.keys.open_session(random()?, context.now());
            let mut response = HttpResponse::SeeOther();
            response.cookie(cookie(request, COOKIE, session, SESSION_SECONDS));
            response.cookie(over(request, FORM_COOKIE));
            Ok(response.insert_header((LOCATION, next)).finish())
        }
    }
}

async fn log_out(context: PageContext) -> HttpResponse {
    let over = over(context.request(), COOKIE);
    HttpResponse::SeeOther().cookie(over).insert_header((LOCATION, format!("{ROOT}{PATH}"))).finish()
}

fn go(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
}

/// The page to go to after the login: one of ours, whatever a link says.
fn own_page(next: &str) -> &str {
    let ours = next
        .strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']) && !rest.starts_with(PATH));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours && plain { next } else { ROOT }
}

fn cookie(request: &HttpRequest, name: &'static str, value: String, seconds: i64) -> Cookie<'static> {
    Cookie::build(name, value)
        .path(ROOT)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(came_by_https(request))
        .max_age(Duration::seconds(seconds))
        .finish()
}

fn over(request: &HttpRequest, name: &'static str) -> Cookie<'static> {
    let mut cookie = cookie(request, name, String::new(), 0);
    cookie.make_removal();
    cookie
}

/// `true` if the visitor's side of a proxy is https. A forged header only keeps the cookie off http.
fn came_by_https(request: &HttpRequest) -> bool {
    let scheme = request.headers().get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    scheme.is_some_and(|scheme| {
        scheme.split(',').next().is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_come_after_the_login() {
        for page in ["/ui", "/ui/projects/1?done=pinned", "/ui?x=1", "/ui/health"] {
            assert_eq!(own_page(page), page);
        }
        for other in [
            "",
            "//evil.example",
            "https://evil.example/ui",
            "/uix",
            "/ui\\..",
            "/ui\r\nX: y",
            "/ui/login",
            "/ui/login?next=/ui/login",
            "/api/projects",
            "\u{2f}\u{2f}evil",
            "ui",
            "/ui/\u{e4}",
        ] {
            assert_eq!(own_page(other), ROOT, "{other}");
        }
    }
}
