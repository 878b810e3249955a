//! Who may look, who may change something, and what every answer says.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;

use crate::support::browser::{Visitor, assert_page};
use crate::support::{Server, WEATHER};

const BASIC: [&str; 4] = ["--basic-auth-user", "me", "--basic-auth-pass", "hush"];
const SECRET: &str = "0123456789abcdef";
const SESSION: &str = "weathervane_session";

#[tokio::test]
async fn with_a_password_strangers_are_sent_to_the_login_and_back() {
    let server = Server::start(&BASIC).await;
    let mut visitor = Visitor::of(&server);
    let sent = visitor.get("/ui?x=1").await;
    assert_eq!((sent.status, sent.location.as_deref()), (303, Some("/ui/login?next=%2Fui%3Fx%3D1")));
    let form = visitor.get("/ui/login?next=%2Fui%3Fx%3D1").await;
    assert_eq!(form.status, 200);
    assert_page!(form);
    let wrong = visitor.submit(&form, "/ui/login", &[("user", "me"), ("password", "hus")]).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("User or password is wrong.") && !visitor.cookies.contains_key(SESSION));
    let right = visitor.submit(&wrong, "/ui/login", &[("user", "me"), ("password", "hush")]).await;
    assert_eq!((right.status, right.location.as_deref()), (303, Some("/ui?x=1")));
    let cookies: Vec<&str> =
        right.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with(SESSION)).expect("a session");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/ui", "Max-Age=43200"] {
        assert!(session.contains(attribute), "{session}");
    }
    assert!(!session.contains("Secure"), "{session}");
    let page = visitor.get("/ui").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("No password is set"));
    let out = visitor.submit(&page, "/ui/logout", &[]).await;
    assert_eq!((out.status, out.location.as_deref()), (303, Some("/ui/login")));
    assert_eq!(visitor.get("/ui").await.status, 303);
    server.stop().await;
}

#[tokio::test]
async fn a_session_survives_a_restart_and_ends_with_another_password() {
    let server = Server::start(&BASIC).await;
    let mut visitor = Visitor::of(&server);
    assert_eq!(visitor.log_in("me", "hush").await.status, 303);
    let cookies = visitor.cookies.clone();
    let data = server.stop().await;
    let server = Server::start_on(data, &BASIC).await;
    let mut same = Visitor::of(&server);
    same.cookies = cookies.clone();
    assert_eq!(same.get("/ui").await.status, 200);
    let data = server.stop().await;
    let server = Server::start_on(data, &["--basic-auth-user", "me", "--basic-auth-pass", "other"]).await;
    let mut changed = Visitor::of(&server);
    changed.cookies = cookies;
    assert_eq!(changed.get("/ui").await.status, 303);
    server.stop().await;
}

#[tokio::test]
async fn forged_and_expired_sessions_open_nothing() {
    let server = Server::start(&BASIC).await;
    let mut visitor = Visitor::of(&server);
    visitor.log_in("me", "hush").await;
    let genuine = visitor.cookies[SESSION].clone();
    let mut bytes = URL_SAFE_NO_PAD.decode(&genuine).expect("base64");
    // The first eight bytes are its end.
    bytes[..8].copy_from_slice(&i64::MAX.to_be_bytes());
    let expired =
        weathervane::access::Keys::of(&"me".into(), &"hush".into()).open_session([1; 16], 1_000_000);
    for cookie in [URL_SAFE_NO_PAD.encode(bytes), expired, String::new(), genuine[1..].to_owned()] {
        visitor.cookies.insert(SESSION.to_owned(), cookie.clone());
        assert_eq!(visitor.get("/ui").await.status, 303, "{cookie}");
    }
    server.stop().await;
}

#[tokio::test]
async fn basic_authentication_opens_the_dashboard_too_and_the_secret_path_does_not() {
    let server = Server::start(&[&BASIC[..], &["--secret-path", SECRET]].concat()).await;
    let mut visitor = Visitor::of(&server);
    let by_basic = visitor.request(Method::GET, "/ui").basic_auth("me", Some("hush"));
    assert_eq!(visitor.send(by_basic).await.status, 200);
    let wrong = visitor.request(Method::GET, "/ui").basic_auth("me", Some("hus"));
    assert_eq!(visitor.send(wrong).await.status, 303);
    assert_eq!(visitor.get(&format!("/{SECRET}/ui")).await.status, 404);
    assert_eq!(visitor.get(&format!("/{SECRET}/health")).await.status, 200);
    assert_eq!(visitor.get(&format!("/{SECRET}/api/projects")).await.status, 401);
    let by_both =
        visitor.request(Method::GET, &format!("/{SECRET}/api/projects")).basic_auth("me", Some("hush"));
    assert_eq!(visitor.send(by_both).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn beyond_loopback_without_a_password_control_is_closed_and_the_protocol_works() {
    for arguments in [
        vec!["--host", "0.0.0.0"],
        vec!["--host", "0.0.0.0", "--secret-path", SECRET],
        vec!["--secret-path", SECRET],
    ] {
        let below = if arguments.contains(&SECRET) { format!("/{SECRET}") } else { String::new() };
        let server = Server::start(&arguments).await;
        let mut visitor = Visitor::of(&server);
        let page = visitor.get("/ui").await;
        assert_eq!(page.status, 403, "{arguments:?}");
        assert!(page.text.contains("BASIC_AUTH_USER and BASIC_AUTH_PASS"), "{}", page.text);
        assert_eq!(visitor.post("/ui/login", &[("user", ""), ("password", "")]).await.status, 403);
        for path in
            ["/api/projects", "/api/projects/1", "/api/projects/1/queue", "/api/jobs/1", "/%61pi/projects"]
        {
            let answer = visitor.get(&format!("{below}{path}")).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.text);
        }
        for path in ["/train", "/api/projects/1/pin", "/api/projects/1/versions/1/activate"] {
            let answer = server.post(&format!("{below}{path}"), &json!({})).await;
            assert_eq!(answer.status(), 403, "{path}");
        }
        assert_eq!(server.get(&format!("{below}/health")).await.status(), 200);
        let setup = json!({"project": "1.1", "schema": WEATHER});
        assert_eq!(server.post(&format!("{below}/setup"), &setup).await.status(), 200);
        let event = json!({"action": "PROJECT_UPDATED", "project": {"id": 1, "label_config": WEATHER}});
        assert_eq!(server.post(&format!("{below}/webhook"), &event).await.status(), 200);
        let heard = server.get_json(&format!("{below}/heard")).await;
        assert_eq!(heard["projects"][0]["webhooks"]["received"], 1, "{heard:#}");
        server.stop().await;
    }
}

#[tokio::test]
async fn on_loopback_it_is_open_says_so_and_answers_to_no_other_name() {
    let server = Server::start(&[]).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.get("/ui").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("No password is set: everybody who uses this machine"), "{}", page.text);
    let port = server.url.rsplit(':').next().expect("a port");
    for (name, value) in [
        ("host", format!("rebound.example:{port}")),
        ("x-forwarded-for", "10.0.0.1".to_owned()),
        ("forwarded", "for=10.0.0.1".to_owned()),
    ] {
        for path in ["/ui", "/api/projects"] {
            let request = visitor.request(Method::GET, path).header(name, &value);
            assert_eq!(visitor.send(request).await.status, 403, "{name} {path}");
        }
    }
    let local = visitor.request(Method::GET, "/ui").header("host", format!("localhost:{port}"));
    assert_eq!(visitor.send(local).await.status, 200);
    // Who only asks whether it is there gets the headers alone.
    let glance = visitor.request(Method::HEAD, "/ui");
    let seen = visitor.send(glance).await;
    assert_eq!((seen.status, seen.text.as_str()), (200, ""));
    server.stop().await;
}

#[tokio::test]
async fn changes_need_a_token_and_come_from_our_own_pages() {
    let server = Server::start(&BASIC).await;
    let mut visitor = Visitor::of(&server);
    visitor.log_in("me", "hush").await;
    let page = visitor.get("/ui").await;
    for fields in [&[][..], &[("token", "")], &[("token", "AAAA")]] {
        let answer = visitor.post("/ui/logout", fields).await;
        assert_eq!(answer.status, 403, "{fields:?}");
        assert!(answer.text.contains("Go back, load the page again"), "{}", answer.text);
    }
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let token = page.text.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let form = [("token", token.expect("a token"))];
        let request = visitor.form("/ui/logout", &form).header(name, value);
        assert_eq!(visitor.send(request).await.status, 403, "{name}: {value}");
        let login = visitor.form("/ui/login", &[("user", "me")]).header(name, value);
        assert_eq!(visitor.send(login).await.status, 403, "{name}: {value}");
        let api = visitor.request(Method::POST, "/train").basic_auth("me", Some("hush")).header(name, value);
        assert_eq!(visitor.send(api).await.status, 403, "{name}: {value}");
    }
    // The token of one session is not good for another.
    let mut other = Visitor::of(&server);
    other.log_in("me", "hush").await;
    assert_eq!(other.submit(&page, "/ui/logout", &[]).await.status, 403);
    assert_eq!(visitor.submit(&page, "/ui/logout", &[]).await.status, 303);
    server.stop().await;
}

#[tokio::test]
async fn a_login_form_of_another_site_logs_nobody_in() {
    let server = Server::start(&BASIC).await;
    let mut visitor = Visitor::of(&server);
    let pair = [("user", "me"), ("password", "hush")];
    let forged = visitor.post("/ui/login", &[&pair[..], &[("form", "guessed")]].concat()).await;
    assert!(forged.status == 401 && forged.text.contains("The form was too old"), "{}", forged.text);
    let form = visitor.get("/ui/login?next=https%3A%2F%2Fevil.example").await;
    let inside = visitor.submit(&form, "/ui/login", &pair).await;
    assert_eq!(inside.location.as_deref(), Some("/ui"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_page_gets_a_plain_refusal() {
    let server = Server::start(&BASIC).await;
    let mut visitor = Visitor::of(&server);
    for (name, value) in [("hx-request", "true"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-mode", "cors")] {
        let request = visitor.request(Method::GET, "/ui/events").header(name, value);
        let answer = visitor.send(request).await;
        assert_eq!(answer.status, 401, "{name}: {value}");
        assert_eq!(answer.headers.contains_key("hx-redirect"), name == "hx-request");
    }
    assert_eq!(visitor.post("/ui/logout", &[]).await.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn https_in_front_makes_the_cookie_secure() {
    let server = Server::start(&BASIC).await;
    let mut visitor = Visitor::of(&server);
    let request = visitor.request(Method::GET, "/ui/login").header("x-forwarded-proto", "https");
    let answer = visitor.send(request).await;
    let cookie = answer.headers.get("set-cookie").expect("a cookie").to_str().expect("text");
    assert!(cookie.contains("Secure"), "{cookie}");
    server.stop().await;
}

#[tokio::test]
async fn every_answer_carries_the_same_protective_headers() {
    let server = Server::start(&[]).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.get("/ui").await;
    let style = page.text.split("rel=\"stylesheet\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let style = style.expect("a stylesheet").to_owned();
    for path in ["/ui", "/ui/", "/ui/nothing", "/ui/projects/7", &style, "/ui/assets/nothing.js"] {
        let answer = visitor.get(path).await;
        let header =
            |name: &str| answer.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(
            header("content-security-policy").as_deref(),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            ),
            "{path}"
        );
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(header("referrer-policy").as_deref(), Some("no-referrer"), "{path}");
        assert_eq!(header("cross-origin-resource-policy").as_deref(), Some("same-origin"), "{path}");
        let kept = if path == style { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(header("cache-control").as_deref(), Some(kept), "{path}");
        for inline in ["<style", "style=\"", "<script>", "onclick"] {
            assert!(path == style || !answer.text.contains(inline), "{path}: {inline}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_for_those_who_follow() {
    let server = Server::start(&[]).await;
    let mut stream = server.get("/ui/events").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let hello = stream.chunk().await.expect("a stream").expect("a message");
    assert_eq!(hello.as_ref(), b": hello\n\n");
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(stream.chunk().await.expect("a clean end"), None);
}
