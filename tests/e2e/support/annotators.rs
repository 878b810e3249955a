//! People who label without pause, through Label Studio's API as its editor uses it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::label_studio::{Task, choice, send};
use super::{LabelStudio, Project, say};

/// One task that was served and answered.
#[derive(Clone, Debug)]
pub struct Submit {
    pub task: i64,
    /// When Label Studio was asked for the task.
    pub asked_at: Instant,
    /// What the submit was answered.
    pub status: StatusCode,
    pub answer: String,
    pub took: Duration,
    /// The prediction that the editor ticks, and its version.
    pub parent: Option<i64>,
    pub version: Option<String>,
    /// Whether the prediction was there before the task was asked for: then it came from an order.
    pub is_of_order: bool,
}

/// A task as the label stream hands it out.
pub struct Served {
    pub task: i64,
    prediction: Value,
    asked_at: Instant,
    asked: Timestamp,
}

/// How somebody works.
#[derive(Clone, Copy)]
pub struct Habit {
    /// From one task to the next.
    pub every: Duration,
    /// How long a task is looked at.
    pub hold: Duration,
}

impl Project {
    /// What the label stream gives next, with the prediction that its editor ticks.
    pub async fn serve(&self) -> Option<Served> {
        let (asked_at, asked) = (Instant::now(), Timestamp::now());
        let path = format!("/api/dm/actions?id=next_task&project={}", self.id);
        let (status, text) = send(self.label_studio().request(Method::POST, &path).json(&json!({}))).await;
        if !status.is_success() {
            say(&format!("no task: {status} {}", text.chars().take(200).collect::<String>()));
            return None;
        }
        let task: Value = serde_json::from_str(&text).expect("JSON");
        let prediction = task["predictions"].as_array().and_then(|all| all.last()).cloned();
        let prediction = prediction.unwrap_or_default();
        Some(Served { task: task["id"].as_i64().expect("an id"), prediction, asked_at, asked })
    }

    /// Submits as the editor does from a ticked prediction.
    pub async fn submit_served(&self, served: &Served, class: &str) -> Submit {
        let parent = served.prediction["id"].as_i64();
        let mut body = json!({"result": choice(class), "lead_time": 1.5, "draft_id": 0});
        if let Some(parent) = parent {
            body["parent_prediction"] = json!(parent);
        }
        let path = format!("/api/tasks/{}/annotations?project={}", served.task, self.id);
        let started = Instant::now();
        let (status, answer) = send(self.label_studio().request(Method::POST, &path).json(&body)).await;
        let changed_at = served.prediction["updated_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        Submit {
            task: served.task,
            asked_at: served.asked_at,
            status,
            answer,
            took: started.elapsed(),
            parent,
            version: served.prediction["model_version"].as_str().map(str::to_owned),
            is_of_order: changed_at.is_some_and(|at| at < served.asked),
        }
    }

    /// The predictions from which a person's answers began, one for each answer.
    pub async fn parents_of(&self, person: &LabelStudio) -> Vec<Option<i64>> {
        let path = format!("/api/projects/{}/export?exportType=JSON", self.id);
        let exported = self.label_studio().get(&path).await;
        let tasks = exported.as_array().expect("tasks").iter();
        let answers = tasks.flat_map(|task| task["annotations"].as_array().cloned().unwrap_or_default());
        let id = person.get("/api/current-user/whoami").await["id"].clone();
        let theirs = answers.filter(|answer| answer["completed_by"] == id);
        theirs.map(|answer| answer["parent_prediction"].as_i64()).collect()
    }

    /// Labels until `end`, or until nothing is left.
    pub async fn label_until(
        self,
        end: Instant,
        habit: Habit,
        classes: HashMap<i64, &'static str>,
    ) -> Vec<Submit> {
        let mut submits = Vec::new();
        let mut beat = tokio::time::interval(habit.every);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while Instant::now() < end {
            beat.tick().await;
            let Some(served) = self.serve().await else { continue };
            tokio::time::sleep(habit.hold).await;
            submits.push(self.submit_served(&served, classes[&served.task]).await);
        }
        submits
    }
}

/// What each task shows.
pub fn classes(tasks: &[Task]) -> HashMap<i64, &'static str> {
    tasks.iter().map(|task| (task.id, task.class)).collect()
}

/// Those that Label Studio did not take, in words.
pub fn refused(submits: &[Submit]) -> Vec<String> {
    let refused = submits.iter().filter(|submit| submit.status != StatusCode::CREATED);
    refused.map(|submit| format!("task {}: {} {}", submit.task, submit.status, submit.answer)).collect()
}

/// The time within which `share` of the submits were answered.
pub fn quantile(submits: &[Submit], share: f64) -> Duration {
    let mut times: Vec<Duration> = submits.iter().map(|submit| submit.took).collect();
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}
