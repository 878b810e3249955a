//! A second person, who signs up with the link that the first one gives away.

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, REFERER, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::{LabelStudio, PATIENCE, Project};

const PASSWORD: &str = "weathervane-tests-too";

impl LabelStudio {
    /// Makes an account by way of the invitation link and gives Label Studio as that person uses it.
    pub async fn invite(&self, name: &str) -> Self {
        // Another run may have used the name on the same server.
        let name = format!("{name}-{}", std::process::id());
        let email = format!("{name}@example.com");
        let link = self.get("/api/invite").await["invite_url"].as_str().expect("a link").to_owned();
        let page = format!("{}{link}", self.url);
        let http =
            Client::builder().no_proxy().timeout(PATIENCE).redirect(Policy::none()).build().expect("HTTP");
        let opened = http.get(&page).send().await.expect("the page to sign up");
        let csrf = cookie(opened.headers(), "csrftoken").expect("a token in a cookie");
        let form = format!("email={name}%40example.com&password={PASSWORD}&csrfmiddlewaretoken={csrf}");
        let signed_up = http
            .post(&page)
            .header(COOKIE, format!("csrftoken={csrf}"))
            .header(REFERER, &page)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .expect("an answer");
        assert_eq!(signed_up.status(), StatusCode::FOUND, "{email} could not sign up");
        let session = cookie(signed_up.headers(), "sessionid").expect("a session");
        let token: Value = http
            .get(format!("{}/api/current-user/token", self.url))
            .header(COOKIE, format!("sessionid={session}"))
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        let token = token["token"].as_str().expect("a token").to_owned();
        let mut person = self.with_token(&token);
        person.email = email;
        person.password = PASSWORD.to_owned();
        person
    }
}

impl Project {
    /// The same project, as this person uses it.
    pub fn seen_by(&self, person: &LabelStudio) -> Self {
        person.known_project(self.id)
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let values = cookies.filter_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('=')?.split(';').next());
    values.map(str::to_owned).next()
}
