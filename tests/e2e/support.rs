//! Label Studio, our program, pictures, and the patience to wait for them.

pub mod accessibility;
pub mod annotators;
pub mod answers;
pub mod backend;
pub mod browser;
pub mod command;
pub mod editor;
pub mod label_studio;
pub mod people;
pub mod pictures;
pub mod slow;

use std::io::Write;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

pub use backend::Backend;
pub use label_studio::{LabelStudio, Project};

/// The label config that the repository ships.
pub const WEATHER: &str = include_str!("../../label_config.xml");

/// Long enough for two busy cores; reached only by a failing test.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often something is looked at that will come.
const GLANCE: Duration = Duration::from_millis(100);

/// Label Studio's own database is SQLite, and its webhooks give up after a second: tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// The running Label Studio, for as long as it is this test's turn.
pub struct Stage {
    pub label_studio: LabelStudio,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for this test's turn; `None`, with a word on stderr, where there is no Label Studio.
pub async fn stage() -> Option<Stage> {
    let _turn = TURN.lock().await;
    let label_studio = match LabelStudio::from_env() {
        Ok(label_studio) => label_studio,
        Err(why) => {
            let required = std::env::var("WEATHERVANE_REQUIRE_LABEL_STUDIO").is_ok_and(|value| value == "1");
            assert!(!required, "{why}");
            say(&format!("skipped: {why}"));
            return None;
        }
    };
    Some(Stage { label_studio, _turn })
}

/// A word for the person who runs the tests, past the test harness, which would keep it for itself.
pub fn say(text: &str) {
    let test = std::thread::current().name().unwrap_or("e2e").to_owned();
    let _ = writeln!(std::io::stderr(), "{test}: {text}");
}

/// Looks until there is something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {} s for {what}", PATIENCE.as_secs());
        tokio::time::sleep(GLANCE).await;
    }
}
