//! Chromium by way of chromedriver, which speaks WebDriver (W3C): JSON over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{PATIENCE, say, until};

/// The key of an element in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys without a letter, as WebDriver names them.
pub const CONTROL: &str = "\u{e009}";
pub const SHIFT: &str = "\u{e008}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{E00C}";

/// A window of a browser of its own; closed when dropped.
pub struct Browser {
    driver: Driver,
    session: String,
    http: Client,
}

/// Something on the page.
pub struct Element<'a> {
    selector: String,
    browser: &'a Browser,
    id: String,
}

/// The chromedriver process, which ends the browser together with its session.
struct Driver {
    process: Child,
    port: u16,
}

impl Browser {
    /// Opens one, or says what is missing.
    pub async fn open() -> Result<Self, String> {
        let driver = Driver::start()?;
        let http =
            Client::builder().no_proxy().timeout(PATIENCE).build().map_err(|error| error.to_string())?;
        let mut browser = Self { driver, session: String::new(), http };
        // Root may not use the sandbox, and containers have a small /dev/shm.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--window-size=1400,1000",
        ];
        let wanted = json!({"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}});
        let opened = browser.call(Method::POST, "/session", &json!({"capabilities": wanted})).await;
        browser.session =
            opened["sessionId"].as_str().ok_or_else(|| format!("no browser: {opened}"))?.to_owned();
        Ok(browser)
    }

    /// Opens one; `None`, with a word on stderr, where there is none.
    pub async fn open_or_say() -> Option<Self> {
        match Self::open().await {
            Ok(browser) => Some(browser),
            Err(why) => {
                let required = std::env::var("WEATHERVANE_REQUIRE_BROWSER").is_ok_and(|value| value == "1");
                assert!(!required, "{why}");
                say(&format!("skipped: {why}"));
                None
            }
        }
    }

    /// Gives the window a size, in CSS pixels.
    pub async fn resize(&self, width: u32, height: u32) {
        self.act(Method::POST, "/window/rect", &json!({"width": width, "height": height})).await;
    }

    pub async fn go_to(&self, url: &str) {
        self.act(Method::POST, "/url", &json!({ "url": url })).await;
    }

    /// Waits until a CSS selector finds something, and gives the first.
    pub async fn find(&self, selector: &str) -> Element<'_> {
        let id = until(&format!("`{selector}` on the page"), async || {
            let found = self.look_for(selector).await;
            Some(found[ELEMENT].as_str()?.to_owned())
        })
        .await;
        Element { browser: self, selector: selector.to_owned(), id }
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.act(Method::POST, "/execute/sync", &json!({"script": script, "args": []})).await
    }

    /// What a script gives its last argument, a function.
    pub async fn run_until_told(&self, script: &str, arguments: &[Value]) -> Value {
        self.act(Method::POST, "/execute/async", &json!({"script": script, "args": arguments})).await
    }

    /// Moves the mouse to a place of the window, in CSS pixels, and presses it there if wanted.
    pub async fn point_at(&self, x: f64, y: f64, press: bool) {
        let [x, y] = [x, y].map(|pixels| pixels.round() as i64);
        let mut actions = vec![json!({"type": "pointerMove", "duration": 50, "x": x, "y": y})];
        if press {
            actions.extend(["pointerDown", "pointerUp"].map(|kind| json!({"type": kind, "button": 0})));
        }
        let mouse = json!({"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]});
        self.act(Method::POST, "/actions", &mouse).await;
    }

    /// Drags a `mouse` or a `touch` along places of the window, in CSS pixels.
    pub async fn drag(&self, pointer: &str, along: &[[f64; 2]]) {
        let to = |[x, y]: [f64; 2]| json!({"type": "pointerMove", "duration": 20, "x": x.round() as i64, "y": y.round() as i64});
        let press = |kind: &str| json!({"type": kind, "button": 0});
        let mut actions = vec![to(along[0]), press("pointerDown")];
        actions.extend(along[1..].iter().copied().map(to));
        actions.push(press("pointerUp"));
        let hand = json!({"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}, "actions": actions});
        self.act(Method::POST, "/actions", &json!({ "actions": [hand] })).await;
    }

    /// Gives what is seen of a page a size, in CSS pixels, whatever the window has around it.
    pub async fn resize_page(&self, width: u32, height: u32) {
        self.resize(width, height).await;
        let around = self.run("return outerHeight - innerHeight;").await.as_u64().unwrap_or(0) as u32;
        self.resize(width, height + around).await;
    }

    /// Handles of all its windows, the oldest first.
    pub async fn windows(&self) -> Vec<String> {
        let handles = self.act(Method::GET, "/window/handles", &Value::Null).await;
        handles.as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
    }

    /// Goes on in another window.
    pub async fn turn_to(&self, window: &str) {
        self.act(Method::POST, "/window", &json!({ "handle": window })).await;
    }

    /// Closes the window, and goes on in another one.
    pub async fn close_for(&self, window: &str) {
        self.act(Method::DELETE, "/window", &Value::Null).await;
        self.turn_to(window).await;
    }

    /// The address of the page.
    pub async fn address(&self) -> String {
        self.act(Method::GET, "/url", &Value::Null).await.as_str().unwrap_or_default().to_owned()
    }

    /// Shows pages as people see them who prefer `dark` or `light`.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.act(Method::POST, "/goog/cdp/execute", &command).await;
    }

    /// Presses keys together, wherever the focus is.
    pub async fn press(&self, keys: &[&str]) {
        let down = keys.iter().map(|key| json!({"type": "keyDown", "value": key}));
        let up = keys.iter().rev().map(|key| json!({"type": "keyUp", "value": key}));
        let actions: Vec<Value> = down.chain(up).collect();
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.act(Method::POST, "/actions", &keyboard).await;
    }

    /// Errors that came on the console since the last time.
    pub async fn errors(&self) -> Vec<String> {
        let lines = self.act(Method::POST, "/se/log", &json!({"type": "browser"})).await;
        let errors = lines.as_array().into_iter().flatten().filter(|line| line["level"] == "SEVERE");
        errors.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Writes what the window shows into a PNG file.
    pub async fn screenshot(&self, file: &Path) {
        let shot = self.act(Method::GET, "/screenshot", &Value::Null).await;
        let bytes = STANDARD.decode(shot.as_str().unwrap_or_default()).expect("base64");
        std::fs::write(file, bytes).expect("a writable file");
    }

    async fn look_for(&self, selector: &str) -> Value {
        let path = format!("/session/{}/element", self.session);
        self.call(Method::POST, &path, &json!({"using": "css selector", "value": selector})).await
    }

    /// A command of the session that must succeed.
    async fn act(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.call(method, &format!("/session/{}{path}", self.session), body).await;
        assert!(answer["error"].is_null(), "{path}: {answer:#}");
        answer
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let mut request = self.http.request(method, format!("http://127.0.0.1:{}{path}", self.driver.port));
        if !body.is_null() {
            request = request.json(body);
        }
        let answer: Value =
            request.send().await.expect("an answer of chromedriver").json().await.expect("JSON");
        answer["value"].clone()
    }
}

impl Element<'_> {
    /// Clicks as soon as nothing lies over it: Label Studio's own notices do for seconds. A page that follows changes may have
    /// put another in its place since it was found.
    pub async fn click(&self) {
        until(&format!("`{}` to be clicked", self.selector), async || {
            let found = self.browser.look_for(&self.selector).await;
            let path =
                format!("/session/{}/element/{}/click", self.browser.session, found[ELEMENT].as_str()?);
            let answer = self.browser.call(Method::POST, &path, &json!({})).await;
            let not_yet = ["element click intercepted", "stale element reference"]
                .map(|error| answer["error"] == error);
            assert!(not_yet.contains(&true) || answer["error"].is_null(), "{path}: {answer:#}");
            answer["error"].is_null().then_some(())
        })
        .await;
    }

    pub async fn write(&self, text: &str) {
        self.act("/value", &json!({ "text": text })).await;
    }

    async fn act(&self, path: &str, body: &Value) {
        self.browser.act(Method::POST, &format!("/element/{}{path}", self.id), body).await;
    }
}

impl Driver {
    fn start() -> Result<Self, String> {
        let program =
            std::env::var("WEATHERVANE_TEST_CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let mut process = Command::new(&program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("no `{program}` ({error}); apt-get install chromium chromium-driver"))?;
        let said = process.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let port = said.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        let port = port.ok_or_else(|| format!("`{program}` did not say its port"))?;
        Ok(Self { process, port })
    }
}

impl Drop for Browser {
    /// The browser is chromedriver's child and outlives it, so the session is ended first.
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.driver.port)) {
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.driver.port
            );
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 512]);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `target/tmp/e2e-pictures`.
pub fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-pictures");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Copies a picture to where the documentation has it, if `WEATHERVANE_PICTURES` names that folder.
pub fn keep_picture(file: &Path, name: &str) {
    if let Some(folder) = std::env::var_os("WEATHERVANE_PICTURES") {
        std::fs::copy(file, Path::new(&folder).join(format!("{name}.png"))).expect("a writable folder");
    }
}
