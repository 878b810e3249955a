//! What a person does and sees in Label Studio's editor.

use serde_json::{Value, json};

use super::browser::{Browser, CONTROL, ENTER, pictures};
use super::label_studio::chosen;
use super::{LabelStudio, Project, say, until};

const SUBMIT: &str = "[data-testid=bottombar-submit-button]";
const SKIP: &str = "[data-testid=bottombar-skip-button]";

/// The task the editor shows and the choices it ticked: `[id, [name, ...]]`. The id stands in the bottom bar above
/// `1 of 1`.
const SHOWN: &str = "
    const id = document.body.innerText.match(/^#?(\\d+)\\n\\d+ of \\d+$/m);
    const ticked = [...document.querySelectorAll('.lsf-choices input:checked')].map(box => box.name);
    return [id && Number(id[1]), ticked];";

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

    /// No page complained on the console, but for what Label Studio complains of without us.
    pub async fn assert_console_is_clean(&self) {
        let errors = self.browser.errors().await;
        let ours: Vec<&String> = errors.iter().filter(|error| !error.contains(NOT_OURS)).collect();
        assert!(ours.is_empty(), "{ours:#?}");
    }
}
