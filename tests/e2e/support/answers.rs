//! What people answer in Label Studio, there and in our program's memory.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weathervane::domain::ids::ProjectId;
use weathervane::storage::Storage;

use super::label_studio::{read, send};
use super::{Backend, Project, until};

/// An annotation as either side keeps it: `choices` are those of all its regions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    pub id: i64,
    pub task: i64,
    pub choices: Vec<String>,
    pub skipped: bool,
}

impl Answer {
    fn new(id: i64, task: i64, result: &[Value], skipped: bool) -> Self {
        let choices = result.iter().filter_map(|region| region["value"]["choices"].as_array()).flatten();
        let choices = choices.filter_map(|choice| choice.as_str().map(str::to_owned)).collect();
        Self { id, task, choices, skipped }
    }
}

impl Project {
    /// Submits regions and gives the annotation's id.
    pub async fn answer(&self, task: i64, result: &Value) -> i64 {
        let path = format!("/api/tasks/{task}/annotations?project={}", self.id);
        id_of(&self.label_studio().post(&path, &json!({ "result": result })).await)
    }

    /// Presses Skip, and gives the annotation's id.
    pub async fn skip(&self, task: i64) -> i64 {
        let path = format!("/api/tasks/{task}/annotations?project={}", self.id);
        id_of(&self.label_studio().post(&path, &json!({"result": [], "was_cancelled": true})).await)
    }

    /// Chooses and goes away without submitting: the editor keeps a draft.
    pub async fn draft(&self, task: i64, result: &Value) -> i64 {
        let path = format!("/api/tasks/{task}/drafts?project={}", self.id);
        id_of(&self.label_studio().post(&path, &json!({"result": result, "lead_time": 1.0})).await)
    }

    /// Changes an annotation.
    pub async fn change(&self, annotation: i64, fields: &Value) {
        let path = format!("/api/annotations/{annotation}/?project={}", self.id);
        self.label_studio().patch(&path, fields).await;
    }

    /// An action of the Data Manager on these tasks.
    pub async fn act(&self, action: &str, tasks: &[i64], more: &[(&str, &str)]) {
        let path = format!("/api/dm/actions?id={action}&project={}", self.id);
        let mut body = json!({"selectedItems": {"all": false, "included": tasks}});
        for (key, value) in more {
            body[*key] = json!(value);
        }
        self.label_studio().post(&path, &body).await;
    }

    /// Sets the label config; what Label Studio says if it refuses.
    pub async fn configure(&self, label_config: &str) -> Result<(), String> {
        let path = format!("/api/projects/{}", self.id);
        let body = json!({ "label_config": label_config });
        let (status, text) = send(self.label_studio().request(Method::PATCH, &path).json(&body)).await;
        if status == StatusCode::OK { Ok(()) } else { Err(text) }
    }

    /// Ids of all tasks, ascending.
    pub async fn task_ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.list().await.iter().map(id_of).collect();
        ids.sort_unstable();
        ids
    }

    /// Every annotation as Label Studio keeps it, by id.
    pub async fn answers(&self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for task in self.list().await {
            for annotation in task["annotations"].as_array().expect("annotations") {
                let result = annotation["result"].as_array().expect("a result");
                let skipped = annotation["was_cancelled"] == true;
                answers.push(Answer::new(id_of(annotation), id_of(&task), result, skipped));
            }
        }
        answers.sort();
        answers
    }

    async fn list(&self) -> Vec<Value> {
        let path = format!("/api/tasks?project={}&page_size=1000&fields=all", self.id);
        let listed = read(self.label_studio().request(Method::GET, &path)).await;
        listed["tasks"].as_array().expect("tasks").clone()
    }
}

impl Backend {
    /// Every annotation as our program remembers it, by id.
    pub async fn answers(&self, project: i64) -> Vec<Answer> {
        let storage = Storage::open_dir(&self.data_dir()).await.expect("the program's database");
        let kept = storage.annotations(ProjectId(project)).await.expect("annotations");
        storage.close().await;
        let answer = |row: &weathervane::domain::annotation::Annotation| {
            Answer::new(row.id.0, row.task.0, &row.result, row.was_cancelled)
        };
        kept.iter().map(answer).collect()
    }

    /// Has our program train on what Label Studio keeps, which it must know already; gives how many tasks of each class
    /// it learnt.
    pub async fn learns(&self, project: &Project) -> Vec<u64> {
        self.agrees_with(project).await;
        let job = self.post("/train", &json!({"project": project.id.to_string()})).await["job"].clone();
        let job = self.job_ended(job.as_str().expect("a job")).await;
        assert_eq!(job["state"], "done", "{job:#}");
        let support = job["metrics"][0]["evaluation"]["support"].clone();
        support.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    }

    /// Waits until our program remembers what Label Studio keeps, and gives it.
    pub async fn agrees_with(&self, project: &Project) -> Vec<Answer> {
        let truth = project.answers().await;
        until(&format!("the program to know {truth:#?}"), async || {
            (self.answers(project.id).await == truth).then_some(())
        })
        .await;
        truth
    }
}

fn id_of(record: &Value) -> i64 {
    record["id"].as_i64().unwrap_or_else(|| panic!("no id in {record:#}"))
}
