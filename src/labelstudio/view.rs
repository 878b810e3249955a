//! A view of Label Studio's Data Manager that shows an order.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::request::Call;
use super::{Client, LabelStudioError};
use crate::domain::ids::ProjectId;

/// Largest answer with views or columns, in bytes.
const MAX_BYTES: usize = 20_000_000;

/// Columns that say who answered and what is predicted: class and certainty stand in the results.
const SHOWN: [&str; 3] = ["tasks:id", "tasks:annotators", "tasks:predictions_results"];

/// The average of a prediction's scores, cut to three digits.
const SCORE: &str = "tasks:predictions_score";

/// Width of an image's column, in pixels: Label Studio draws images 133 px high.
const IMAGE_WIDTH: u16 = 200;

/// Width of the results' column, in pixels.
const RESULTS_WIDTH: u16 = 360;

/// A view with the tasks nobody has answered, by ascending score.
#[derive(Clone, Debug)]
pub struct OrderView {
    /// Its tab's title, by which it is found again.
    pub title: &'static str,
    /// Keys of the images in a task's data.
    pub images: Vec<String>,
    /// `true` if the score is meaningful to a person.
    pub shows_score: bool,
}

/// A view as Label Studio stores it.
#[derive(Deserialize)]
struct ViewRow {
    id: i64,
    #[serde(default)]
    data: Value,
}

/// Columns that a list may show (`GET /api/dm/columns`).
#[derive(Deserialize)]
struct Columns {
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    id: String,
    target: String,
    #[serde(default)]
    parent: Option<String>,
    /// Ids of its columns, if it only groups others.
    #[serde(default)]
    children: Option<Vec<String>>,
}

impl Column {
    /// Its name in a view.
    fn name(&self) -> String {
        match &self.parent {
            Some(parent) => format!("{}:{parent}.{}", self.target, self.id),
            None => format!("{}:{}", self.target, self.id),
        }
    }
}

impl OrderView {
    fn is_image(&self, column: &str) -> bool {
        column.strip_prefix("tasks:data.").is_some_and(|key| self.images.iter().any(|image| image == key))
    }

    /// The view's settings, where Label Studio offers these columns: all columns but its own are hidden.
    fn data(&self, columns: &[Column]) -> Map<String, Value> {
        let is_shown = |column: &str| {
            SHOWN.contains(&column) || (self.shows_score && column == SCORE) || self.is_image(column)
        };
        let columns: Vec<String> =
            columns.iter().filter(|column| column.children.is_none()).map(Column::name).collect();
        let hidden: Vec<&String> = columns.iter().filter(|column| !is_shown(column)).collect();
        // Beside an open task the list is narrow.
        let hidden_beside: Vec<&String> =
            columns.iter().filter(|column| *column != "tasks:id" && !self.is_image(column)).collect();
        let mut widths = Map::new();
        widths.insert("tasks:predictions_results".to_owned(), json!(RESULTS_WIDTH));
        let images = columns.iter().filter(|column| self.is_image(column));
        widths.extend(images.map(|column| (column.clone(), json!(IMAGE_WIDTH))));
        let open = json!({"filter": "filter:tasks:total_annotations", "operator": "equal", "type": "Number", "value": 0});
        let data = json!({
            "title": self.title,
            "type": "list",
            "ordering": [SCORE],
            "filters": {"conjunction": "and", "items": [open]},
            "hiddenColumns": {"explore": hidden, "labeling": hidden_beside},
            "columnsWidth": widths,
        });
        data.as_object().cloned().unwrap_or_default()
    }
}

impl Client {
    /// Makes a view of the Data Manager; one of its title gets the order, and the columns where it has none of its own.
    ///
    /// # Errors
    /// As every call.
    pub async fn ensure_view(&self, project: ProjectId, view: &OrderView) -> Result<(), LabelStudioError> {
        let of_project = |doing: &str, path: &str| {
            Call::new(format!("{doing} of project {project}"), Method::GET, path)
                .query("project", project.to_string())
        };
        let views: Vec<ViewRow> =
            self.json(&of_project("look at the views", "api/dm/views"), MAX_BYTES).await?;
        let there = views.into_iter().find(|there| there.data["title"] == view.title);
        let has = |key: &str| there.as_ref().is_some_and(|there| there.data.get(key).is_some());
        if there.as_ref().is_some_and(|there| there.data["ordering"] == json!([SCORE]))
            && has("hiddenColumns")
        {
            return Ok(());
        }
        let columns = of_project("look at the columns", "api/dm/columns");
        let Columns { columns } = self.json(&columns, MAX_BYTES).await?;
        let mut data = view.data(&columns);
        let call = match there {
            None => Call::new(format!("make a view in project {project}"), Method::POST, "api/dm/views"),
            Some(there) => {
                // Settings that a person made in the view stay, but for the order.
                data.extend(there.data.as_object().cloned().unwrap_or_default());
                data.insert("ordering".to_owned(), json!([SCORE]));
                let doing = format!("change view {} of project {project}", there.id);
                Call::new(doing, Method::PATCH, format!("api/dm/views/{}", there.id))
            }
        };
        let call = call.body(json!({"project": project, "data": data}));
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_image_prediction_and_annotators_are_shown() {
        let columns = json!({"columns": [
            {"id": "image", "target": "tasks", "parent": "data", "type": "Image"},
            {"id": "camera", "target": "tasks", "parent": "data"},
            {"id": "id", "target": "tasks"},
            {"id": "annotators", "target": "tasks"},
            {"id": "predictions_results", "target": "tasks"},
            {"id": "predictions_score", "target": "tasks"},
            {"id": "data", "target": "tasks", "children": ["image", "camera"]},
        ]});
        let Columns { columns } = serde_json::from_value(columns).unwrap();
        let view = |shows_score| OrderView { title: "Order", images: vec!["image".to_owned()], shows_score };
        let hidden = |shows_score: bool| view(shows_score).data(&columns)["hiddenColumns"]["explore"].clone();
        assert_eq!(hidden(false), json!(["tasks:data.camera", "tasks:predictions_score"]));
        assert_eq!(hidden(true), json!(["tasks:data.camera"]));
        let data = view(false).data(&columns);
        assert_eq!(data["ordering"], json!(["tasks:predictions_score"]));
        assert_eq!(data["columnsWidth"]["tasks:data.image"], IMAGE_WIDTH);
    }
}
