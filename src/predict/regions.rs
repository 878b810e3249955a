//! Regions of a request's tasks, and the heads' predictions for them.

use serde_json::Value;

use crate::domain::ids::ProjectId;
use crate::domain::label_config::{HeadSpec, LabelConfig};
use crate::domain::prediction::RegionAnswers;
use crate::domain::region::{Place, Region, asked};
use crate::models::is_own_name;

/// The regions of each task that something may be said of; none where the label config does not ask.
pub fn of_tasks(
    project: ProjectId,
    config: &LabelConfig,
    tasks: &[Value],
    context: &Value,
) -> Vec<Vec<Region>> {
    if !config.asks_about_regions() {
        return vec![Vec::new(); tasks.len()];
    }
    let of_task = |task: &Value| {
        let (regions, refused) = asked(task, context, is_own_name);
        if let Some(why) = refused.first() {
            metrics::counter!("weathervane_regions_left_out_total").increment(refused.len() as u64);
            let id = task.get("id").and_then(Value::as_i64);
            tracing::info!(%project, task = id, regions = refused.len(), %why, "regions left out");
        }
        regions
    };
    tasks.iter().map(of_task).collect()
}

/// Index and place of those regions that a head is asked about and nobody has answered for it.
pub fn asked_by(head: &HeadSpec, regions: &[Region]) -> Vec<(Option<usize>, Option<Place>)> {
    let open = regions.iter().enumerate();
    let open = open.filter(|(_, region)| region.is_asked(head) && !region.is_answered(head));
    open.map(|(index, region)| (Some(index), Some(region.place))).collect()
}

/// Answers by region; `probabilities` are index of the region, index of the head, and its probabilities.
pub fn answers<'a>(
    config: &'a LabelConfig,
    regions: &'a [Region],
    probabilities: Vec<(usize, usize, Vec<f32>)>,
) -> Vec<RegionAnswers<'a>> {
    let mut answers: Vec<RegionAnswers> =
        regions.iter().map(|region| RegionAnswers { region, heads: Vec::new() }).collect();
    for (region, head, row) in probabilities {
        answers[region].heads.push((&config.heads[head], row));
    }
    answers
}
