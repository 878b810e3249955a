//! A visitor of the dashboard who keeps cookies and fills in forms, as a browser without scripts does.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};

use super::Server;

pub struct Visitor {
    url: String,
    http: Client,
    pub cookies: BTreeMap<String, String>,
}

/// An answer, read.
pub struct Page {
    pub status: u16,
    pub location: Option<String>,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Visitor {
    pub fn of(server: &Server) -> Self {
        weathervane::labelstudio::install_tls();
        let http = Client::builder().redirect(Policy::none()).build().expect("an HTTP client");
        Self { url: server.url.clone(), http, cookies: BTreeMap::new() }
    }

    /// A request with this visitor's cookies, to be sent with [`Visitor::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, format!("{}{path}", self.url));
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    pub async fn send(&mut self, request: RequestBuilder) -> Page {
        let answer = request.send().await.expect("an answer");
        self.keep(&answer);
        Page {
            status: answer.status().as_u16(),
            location: answer.headers().get(LOCATION).map(|to| to.to_str().expect("text").to_owned()),
            headers: answer.headers().clone(),
            text: answer.text().await.expect("a body"),
        }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(self.form(path, fields)).await
    }

    /// Loads a page until it shows what is wanted: what takes long is made behind it.
    pub async fn until(&mut self, path: &str, shows: impl Fn(&str) -> bool) -> Page {
        let started = std::time::Instant::now();
        loop {
            let page = self.get(path).await;
            if shows(&page.text) {
                return page;
            }
            assert!(started.elapsed() < super::PATIENCE, "{path}: {}", page.text);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// A form to be sent with [`Visitor::send`].
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = "application/x-www-form-urlencoded";
        self.request(Method::POST, path).header(reqwest::header::CONTENT_TYPE, kind).body(body)
    }

    /// Sends the form of a page that leads to `action`, with its hidden fields and these.
    pub async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let mut hidden = page.hidden(action);
        hidden.retain(|(name, _)| !fields.iter().any(|(given, _)| given == name));
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = hidden.chain(fields.iter().copied()).collect();
        self.post(action, &all).await
    }

    /// Logs in by the form.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Page {
        let form = self.get("/ui/login").await;
        self.submit(&form, "/ui/login", &[("user", user), ("password", password)]).await
    }

    fn keep(&mut self, answer: &Response) {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (pair, rest) = cookie.to_str().expect("text").split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Page {
    /// Names and values of the hidden fields of the form that leads to `action`.
    fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let form = self.text.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| panic!("no form for {action}: {}", self.text));
        let form = form.split("</form>").next().unwrap_or_default();
        let attribute = |tag: &str, name: &str| {
            tag.split_once(&format!("{name}=\""))
                .and_then(|(_, rest)| rest.split_once('"'))
                .map(|(value, _)| value.to_owned())
        };
        form.split("<input")
            .filter(|tag| tag.contains("type=\"hidden\""))
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
            .collect()
    }

    /// The page, a tag a line, without what differs from run to run or from machine to machine.
    pub fn lines(&self) -> String {
        let text = self.text.replace("><", ">\n<");
        let text = blank(&text, "name=\"token\" value=\"", "\"");
        let text = blank(&text, "name=\"form\" value=\"", "\"");
        let text = blank(&text, "points=\"", "\"");
        text.lines().map(|line| steady(line) + "\n").collect()
    }
}

/// Takes out what stands between two texts, everywhere.
fn blank(text: &str, before: &str, after: &str) -> String {
    let mut parts = text.split(before);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once(after).map_or("", |(_, rest)| rest);
        kept.push_str(&format!("{before}[…]{after}{rest}"));
    }
    kept
}

/// Takes out content hashes, times, versions of the program and numbers with a point.
fn steady(line: &str) -> String {
    let mut kept = String::new();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let end = rest[start..].find(|c: char| !word(c)).map_or(rest.len(), |end| start + end);
        kept.push_str(&rest[..start]);
        kept.push_str(&steady_word(&rest[start..end]));
        rest = &rest[end..];
    }
    kept + rest
}

fn steady_word(word: &str) -> String {
    let hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    let plain = word.trim_end_matches(['.', ':', '-']);
    let (left, right) = plain.rsplit_once('-').unwrap_or_default();
    let hash = right.split('.').next().unwrap_or_default();
    let masked = if hex(hash, 12) || hex(hash, 16) {
        format!("{left}-[hash]{}", &right[hash.len()..])
    } else if plain.len() >= 8
        && plain.starts_with(|c: char| c.is_ascii_digit())
        && plain.contains([':', '-'])
    {
        "[time]".to_owned()
    } else if plain.contains('.') && plain.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        "[n]".to_owned()
    } else {
        plain.to_owned()
    };
    masked + &word[plain.len()..]
}

/// A snapshot of a page, named after its test.
macro_rules! assert_page {
    ($page:expr) => {
        insta::assert_snapshot!($page.lines());
    };
}
pub(crate) use assert_page;

#[test]
fn what_differs_is_taken_out_and_nothing_else() {
    for (line, kept) in [
        ("v12-0123456789ab serves", "v12-[hash] serves"),
        ("/ui/assets/style-0123456789abcdef.css", "/ui/assets/style-[hash].css"),
        ("at 2026-01-31 12:00:05 UTC.", "at [time] [time] UTC."),
        ("83.3 % of 12,345 in 12 labels", "[n] % of 12,345 in 12 labels"),
        ("<rect x=\"-12.5\" y=\"7\">", "<rect x=\"-[n]\" y=\"7\">"),
        ("weathervane 0.1.0", "weathervane [n]"),
    ] {
        assert_eq!(steady(line), kept);
    }
}
