//! What was chosen, and how it is printed.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::format::{Format, print};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::labelstudio::shown_source;
use crate::ranking::Strategy;

/// What was chosen, best first.
pub struct Selection {
    /// `None` where it was chosen before.
    pub strategy: Option<Strategy>,
    /// How many there were to choose from.
    pub of: usize,
    pub tag: Option<String>,
    /// Of tasks: their project, and the version that helped to choose.
    pub project: Option<(ProjectId, String)>,
    pub images: Vec<Chosen>,
    pub pushed: Option<Pushed>,
}

/// One image of it.
pub struct Chosen {
    pub place: Place,
    pub hash: ContentHash,
    /// The strategy's own measure; `None` where it was chosen before.
    pub score: Option<f32>,
    /// For people.
    pub reason: String,
}

/// Where it is.
pub enum Place {
    File(PathBuf),
    Task {
        task: TaskId,
        /// As the task's data holds it: not to be shown.
        source: String,
    },
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub project: ProjectId,
    /// Images that were missing.
    pub new: usize,
    /// Those that were there before.
    pub there: usize,
}

impl Selection {
    pub fn print(&self, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json => print(&serde_json::to_string_pretty(&self.json())?),
            Format::Table => print(&self.table()),
        }
    }

    fn json(&self) -> Value {
        let image = |chosen: &Chosen| {
            let mut image = match &chosen.place {
                Place::File(path) => json!({ "file": path }),
                Place::Task { task, source } => json!({ "task": task, "image": shown_source(source) }),
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
        let (number, of) = (self.images.len(), self.of);
        let how = self.strategy.map_or("chosen before", Strategy::name);
        match &self.project {
            None => eprintln!("{number} of {of} images, {how}"),
            Some((_, version)) => eprintln!("{number} of {of} open tasks, {how} with version {version}"),
        }
        let task = if self.project.is_some() { format!("  {:>10}", "task") } else { String::new() };
        let mut text = format!("{:>5}{task}  {:>8}  {:<40}  reason", "place", "score", "file");
        for (place, chosen) in self.images.iter().enumerate() {
            let (task, file) = match &chosen.place {
                Place::File(path) => (String::new(), path.display().to_string()),
                Place::Task { task, source } => (format!("  {:>10}", task.0), shown_source(source)),
            };
            let score = chosen.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.4}"));
            text += &format!("\n{:>5}{task}  {score:>8}  {file:<40}  {}", place + 1, chosen.reason);
        }
        text
    }
}
