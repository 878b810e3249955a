//! Selected images, and their output.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::output::format::{OutputFormat, print};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::media::shown_source;
use crate::ranking::Strategy;

/// Selected images, best first.
pub struct Selection {
    /// `None` where it was chosen before.
    pub strategy: Option<Strategy>,
    /// Number of images or tasks to choose from.
    pub of: usize,
    pub tag: Option<String>,
    /// Of tasks: their project, and the version that helped to choose.
    pub project: Option<(ProjectId, String)>,
    pub images: Vec<Chosen>,
    pub pushed: Option<Pushed>,
}

/// One image of it.
pub struct Chosen {
    pub place: ImagePlace,
    pub hash: ContentHash,
    /// The strategy's own measure; `None` where it was chosen before.
    pub score: Option<f32>,
    /// For people.
    pub reason: String,
}

/// Where it is.
pub enum ImagePlace {
    File(PathBuf),
    Task {
        task: TaskId,
        /// As the task's data holds it: not to be shown.
        source: String,
    },
}

/// Outcome of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub project: ProjectId,
    /// Images that were missing.
    pub new: usize,
    /// Those that were there before.
    pub there: usize,
}

impl Selection {
    pub fn print(&self, format: OutputFormat) -> anyhow::Result<()> {
        match format {
            OutputFormat::Json => print(&serde_json::to_string_pretty(&self.json())?),
            OutputFormat::Table => print(&self.table()),
        }
    }

    fn json(&self) -> Value {
        let image = |chosen: &Chosen| {
            let mut image = match &chosen.place {
                ImagePlace::File(path) => json!({ "file": path }),
                ImagePlace::Task { task, source } => json!({ "task": task, "image": shown_source(source) }),
            };
            image["content_hash"] = json!(chosen.hash.to_hex());
            image["score"] = json!(chosen.score);
            image["reason"] = json!(chosen.reason);
            image
        };
        let mut whole = json!({
            "strategy": self.strategy.map(Strategy::name),
            "of": self.of,
            "tag": self.tag,
            "images": self.images.iter().map(image).collect::<Vec<_>>(),
        });
        if let Some((project, version)) = &self.project {
            whole["project"] = json!(project);
            whole["version"] = json!(version);
        }
        if let Some(Pushed { project, new, there }) = self.pushed {
            whole["pushed"] = json!({ "project": project, "new": new, "there": there });
        }
        whole
    }

    fn table(&self) -> String {
        let number = self.images.len();
        let of = self.of;
        let how = self.strategy.map_or("chosen before", Strategy::name);
        match &self.project {
            None => eprintln!("{number} of {of} images, {how}"),
            Some((_, version)) => eprintln!("{number} of {of} open tasks, {how} with version {version}"),
        }
        let task = if self.project.is_some() { format!("  {:>10}", "task") } else { String::new() };
        let mut text = format!("{:>5}{task}  {:>8}  {:<40}  reason", "place", "score", "file");
        for (place, chosen) in self.images.iter().enumerate() {
            let (task, file) = match &chosen.place {
                ImagePlace::File(path) => (String::new(), path.display().to_string()),
                ImagePlace::Task { task, source } => (format!("  {:>10}", task.0), shown_source(source)),
            };
            let score = chosen.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.4}"));
            text += &format!("\n{:>5}{task}  {score:>8}  {file:<40}  {}", place + 1, chosen.reason);
        }
        text
    }
}
