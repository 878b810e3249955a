//! What a person does and sees in Label Studio's editor.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::browser::{Browser, CONTROL, ENTER, ESCAPE, SHIFT, keep_picture, pictures};
use super::label_studio::chosen;
use super::pictures::CLASSES;
use super::{LabelStudio, Project, say, until};

/// Between what a person does and what they do next.
const A_MOMENT: Duration = Duration::from_millis(500);

/// Times that somebody presses undo.
const UNDOS: usize = 10;

const SUBMIT: &str = "[data-testid=bottombar-submit-button]";
const SKIP: &str = "[data-testid=bottombar-skip-button]";

/// The editor shows the same for longer than a busy Label Studio takes.
const LONG: Duration = Duration::from_secs(20);

/// The task the editor shows and the choices it ticked: `[id, [name, ...]]`. The id stands in the bottom bar above
/// `1 of 1`.
const SHOWN: &str = "
    const id = document.body.innerText.match(/^#?(\\d+)\\n\\d+ of \\d+$/m);
    const ticked = [...document.querySelectorAll('.lsf-choices input:checked')].map(box => box.name);
    return [id && Number(id[1]), ticked];";

/// The rows of the Data Manager that are drawn; `null` until all their pictures are loaded.
const LISTED: &str = "
    const rows = [...document.querySelectorAll('[class*=table-row]')].filter((row) => row.querySelector('img'));
    const pictures = rows.map((row) => row.querySelector('img'));
    if (!rows.length || pictures.some((picture) => !picture.complete || !picture.naturalWidth)) return null;
    return rows.map((row, at) => ({text: row.innerText, right: pictures[at].getBoundingClientRect().right}));";

/// A row of the Data Manager.
#[derive(Debug, serde::Deserialize)]
pub struct Listed {
    pub text: String,
    /// Where its picture ends, in pixels from the left.
    pub right: f64,
}

impl Listed {
    /// Its first cell.
    pub fn task(&self) -> i64 {
        self.text.lines().next().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {self:?}"))
    }
}

/// Label Studio 1.23's own complaints: its home page asks for tips that the Community edition has not.
const NOT_OURS: &str = "/heidi-tips";

/// A browser in which somebody is logged in.
pub struct Editor<'a> {
    browser: Browser,
    project: &'a Project,
    /// Begins the names of its pictures.
    name: &'static str,
}

impl<'a> Editor<'a> {
    /// Logs in and opens the label stream; `None`, with a word on stderr, where there is no browser.
    pub async fn open(project: &'a Project, name: &'static str) -> Option<Self> {
        let browser = Browser::open_or_say().await?;
        let editor = Self { browser, project, name };
        editor.log_in(project.label_studio()).await;
        editor.open_stream().await;
        Some(editor)
    }

    async fn log_in(&self, label_studio: &LabelStudio) {
        self.browser.go_to(&format!("{}/user/login/", label_studio.url)).await;
        self.browser.find("#email").await.write(&label_studio.email).await;
        self.browser.find("#password").await.write(&label_studio.password).await;
        self.browser.find("button[type=submit]").await.click().await;
        until("the page behind the login", async || {
            let path = self.browser.run("return location.pathname").await;
            (!path.as_str()?.starts_with("/user/login")).then_some(())
        })
        .await;
    }

    /// What the button "Label All Tasks" does. Without the mode, a page that is opened by its address labels as displayed in
    /// the first tab, where nobody's lock counts.
    pub async fn open_stream(&self) {
        self.browser.run("localStorage.setItem('dm:labelstream:mode', 'all')").await;
        let url = &self.project.label_studio().url;
        self.browser.go_to(&format!("{url}/projects/{}/data?labeling=1", self.project.id)).await;
    }

    /// Opens a view of the Data Manager by the title of its tab, in a window of this width.
    pub async fn open_view(&self, title: &str, width: u32) {
        self.browser.resize(width, 900).await;
        let url = &self.project.label_studio().url;
        self.browser.go_to(&format!("{url}/projects/{}/data", self.project.id)).await;
        let press = format!(
            "const tab = [...document.querySelectorAll('*')].find((one) => !one.children.length && \
                one.textContent.trim() == {});
            tab?.click();
            return Boolean(tab);",
            json!(title)
        );
        until(&format!("the tab `{title}`"), async || (self.browser.run(&press).await == true).then_some(()))
            .await;
    }

    /// Opens a task as a link from elsewhere does.
    pub async fn open_task(&self, task: i64) {
        let url = &self.project.label_studio().url;
        self.browser.go_to(&format!("{url}/projects/{}/data?task={task}", self.project.id)).await;
    }

    /// All percentages on the page.
    pub async fn percentages(&self) -> Vec<String> {
        let found = self.browser.run("return document.body.innerText.match(/[0-9.]+ ?%/g) ?? []").await;
        serde_json::from_value(found).expect("texts")
    }

    /// The rows of the view that is open, once their pictures are there.
    pub async fn listed(&self) -> Vec<Listed> {
        until("rows with pictures in the Data Manager", async || {
            serde_json::from_value(self.browser.run(LISTED).await)
                .ok()
                .filter(|rows: &Vec<Listed>| !rows.is_empty())
        })
        .await
    }

    pub async fn submit(&self) {
        self.browser.find(SUBMIT).await.click().await;
    }

    pub async fn skip(&self) {
        self.browser.find(SKIP).await.click().await;
    }

    /// Presses the key that stands beside a choice, counted from one.
    pub async fn press(&self, choice: usize) {
        self.browser.press(&[&choice.to_string()]).await;
    }

    pub async fn submit_by_keys(&self) {
        self.browser.press(&[CONTROL, ENTER]).await;
    }

    /// Waits until this task is shown with a tick, which must be where the prediction of `version` is, and gives it.
    pub async fn shows(&self, task: i64, version: &str) -> String {
        let ticked = self.ticked(task, |ticked| *ticked != json!([])).await;
        let kept = self.project.predictions(task).await;
        let of_version: Vec<&Value> = kept.iter().filter(|kept| kept["model_version"] == *version).collect();
        assert_eq!(of_version.len(), 1, "{kept:#?}");
        let class = chosen(of_version[0]);
        assert_eq!(ticked, json!([class]), "{kept:#?}");
        class.to_owned()
    }

    /// Waits until this task is shown with exactly this choice ticked.
    pub async fn shows_ticked(&self, task: i64, class: &str) {
        self.ticked(task, |ticked| *ticked == json!([class])).await;
    }

    /// Waits until another task than `before` is shown with a tick, and gives it.
    pub async fn shows_another(&self, before: i64) -> i64 {
        let (mut last, mut since) = (json!(null), Instant::now());
        until("another task and its tick in the editor", async || {
            let shown = self.browser.run(SHOWN).await;
            if last != shown {
                (last, since) = (shown.clone(), Instant::now());
            } else if since.elapsed() > LONG {
                say(&format!("{}: after task {before} the editor shows {shown} for long", self.name));
                self.picture("for-long").await;
                since = Instant::now();
            }
            let task = shown[0].as_i64().filter(|task| *task != before)?;
            (shown[1] != json!([])).then_some(task)
        })
        .await
    }

    /// Ticks another choice and takes it back.
    pub async fn change_and_undo(&self) {
        let shown = self.browser.run(SHOWN).await;
        let ticked = shown[1][0].as_str().unwrap_or_default().to_owned();
        let other = CLASSES.iter().position(|class| *class != ticked).expect("another class");
        self.press(other + 1).await;
        self.shows_ticked(shown[0].as_i64().expect("a task"), CLASSES[other]).await;
        // The editor takes a change into its history a moment after it shows it, and an undo shows a moment after its key: at
        // each look what is shown is what was asked for last. One undo too many takes the prediction's own tick away.
        let mut presses = 0;
        until("the change to be undone", async || {
            tokio::time::sleep(A_MOMENT).await;
            let now = self.browser.run(SHOWN).await[1].clone();
            if now == json!([ticked]) {
                return Some(());
            }
            presses += 1;
            let own = CLASSES.iter().position(|class| *class == ticked).map(|class| (class + 1).to_string());
            let keys: &[&str] = match &own {
                // Whoever sees that it does not help ticks the choice again.
                Some(digit) if presses > UNDOS => &[digit],
                _ if now == json!([]) => &[CONTROL, SHIFT, "z"],
                _ => &[CONTROL, "z"],
            };
            self.browser.press(keys).await;
            tokio::time::sleep(A_MOMENT).await;
            None
        })
        .await;
    }

    /// Waits until this task is shown and nothing is ticked.
    pub async fn shows_none_ticked(&self, task: i64) {
        self.ticked(task, |ticked| *ticked == json!([])).await;
    }

    /// Waits until the page says this.
    pub async fn says(&self, words: &str) {
        until(&format!("`{words}` in the editor"), async || {
            let text = self.browser.run("return document.body.innerText").await;
            text.as_str()?.contains(words).then_some(())
        })
        .await;
    }

    /// Closes what Label Studio shows before the first task of a project with instructions.
    pub async fn close_instructions(&self) {
        self.says("Labeling Instructions").await;
        self.browser.press(&[ESCAPE]).await;
        until("the end of the instructions", async || {
            let text = self.browser.run("return document.body.innerText").await;
            (!text.as_str()?.contains("Labeling Instructions")).then_some(())
        })
        .await;
    }

    /// Closes the dialogue that is open.
    pub async fn close_words(&self) {
        self.browser.find(".ant-modal-confirm-btns button").await.click().await;
        until("the end of the dialogue", async || {
            let open =
                self.browser.run("return document.querySelectorAll('.ant-modal-confirm-btns').length").await;
            (open == 0).then_some(())
        })
        .await;
    }

    /// Whether the button for a submit can be pressed.
    pub async fn can_submit(&self) -> bool {
        self.browser.run(&format!("return !document.querySelector('{SUBMIT}').disabled")).await == true
    }

    async fn ticked(&self, task: i64, fits: impl Fn(&Value) -> bool) -> Value {
        let mut before = Value::Null;
        until(&format!("task {task} and its tick in the editor"), async || {
            let shown = self.browser.run(SHOWN).await;
            if shown != before {
                say(&format!("{}: the editor shows {shown}", self.name));
                before = shown.clone();
            }
            (shown[0] == task && fits(&shown[1])).then(|| shown[1].clone())
        })
        .await
    }

    /// A picture of the window, for a person to look at.
    pub async fn picture(&self, name: &str) {
        let file = pictures().join(format!("{}-{name}.png", self.name));
        self.browser.screenshot(&file).await;
    }

    /// The same for the README, where `WEATHERVANE_PICTURES` says which folder it goes to.
    pub async fn picture_for_readme(&self, name: &str) {
        self.picture(name).await;
        keep_picture(&pictures().join(format!("{}-{name}.png", self.name)), name);
    }

    /// No page complained on the console, but for what Label Studio complains of without us.
    pub async fn assert_console_is_clean(&self) {
        let errors = self.browser.errors().await;
        let ours: Vec<&String> = errors.iter().filter(|error| !error.contains(NOT_OURS)).collect();
        assert!(ours.is_empty(), "{ours:#?}");
    }
}
