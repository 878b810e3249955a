//! `weathervane rank`.

use serde_json::json;

use crate::app::Services;
use crate::cli::args::RankingSettings;
use crate::cli::args::services;
use crate::cli::args::strategy::strategies;
use crate::cli::output::format::{OutputFormat, print};
use crate::domain::ids::ProjectId;
use crate::queue::Ranking;
use crate::ranking::Strategy;

/// Say which tasks to label next, and why
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane rank --project 1
  weathervane rank --project 1 --limit 15 --strategy max-herding --format json

It reads the data directory (or DATABASE_URL) of the server, which may be running. Nothing is written to Label Studio.")]
pub struct RankCommand {
    /// Label Studio's id of the project
    #[arg(long, value_name = "ID")]
    project: i64,

    /// Tasks to list
    #[arg(long, default_value_t = 30)]
    limit: usize,

    /// Query strategy; by default u-herding, and before the first labels max-herding or medoids
    #[arg(long, value_name = "NAME", value_parser = strategies())]
    strategy: Option<Strategy>,

    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    server: RankingSettings,
}

impl RankCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        let services = services::open(&self.server.settings).await?;
        let ranking = self.rank(&services).await;
        services::close(services).await?;
        let ranking = ranking?;
        match self.format {
            OutputFormat::Json => print(&serde_json::to_string_pretty(&self.json(&ranking))?),
            OutputFormat::Table => print(&table(&ranking)),
        }
    }

    async fn rank(&self, services: &Services) -> anyhow::Result<Ranking> {
        let project = ProjectId(self.project);
        services::fill_pool(services, project).await?;
        Ok(services.queue.rank(project, self.strategy, self.limit).await?)
    }

    fn json(&self, ranking: &Ranking) -> serde_json::Value {
        json!({
            "project": self.project,
            "version": ranking.version,
            "strategy": ranking.strategy.name(),
            "ranked": ranking.pool,
            "tasks": ranking.tasks,
        })
    }
}

fn table(ranking: &Ranking) -> String {
    eprintln!(
        "{} of {} open tasks, {} with version {}",
        ranking.tasks.len(),
        ranking.pool,
        ranking.strategy.name(),
        ranking.version
    );
    let mut text = format!("{:>10}  {:>10}  reason", "task", "score");
    for ranked in &ranking.tasks {
        text += &format!("\n{:>10}  {:>10.4}  {}", ranked.task.0, ranked.score, ranked.reason);
    }
    text
}
