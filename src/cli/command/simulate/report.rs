//! Replays as figures, and figures as text.

use std::io::Write;

use serde::Serialize;

use crate::cli::dataset::LabelledDataset;
use crate::replay::summary::{Difference, Mean, area, labels_for};
use crate::replay::{Replay, Run};

/// Shares of the full score whose labels are counted.
const SHARES: [f64; 2] = [0.90, 0.95];

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TableFormat {
    /// For a person
    Table,
    /// One object with everything, also each seed's accuracies and picks
    Json,
    /// One line for each strategy and number of labels
    Csv,
}

/// All that is reported; accuracies are shares of one.
#[derive(Debug, Serialize)]
pub struct SimulationReport {
    seeds: usize,
    /// Labels after each batch
    labels: Vec<usize>,
    full: Full,
    strategies: Vec<Line>,
}

/// With the labels of all training images.
#[derive(Debug, Serialize)]
struct Full {
    labels: usize,
    accuracy: f64,
    validation: usize,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    rounds: Vec<Point>,
    area: f64,
    /// `None` for random itself
    area_over_random: Option<Over>,
    labels_for: Vec<Needed>,
    /// Seconds of one replay, mean over seeds
    picking_seconds: f64,
    training_seconds: f64,
    /// Files picked by each seed in each round
    picks: Vec<Vec<Vec<String>>>,
}

#[derive(Debug, Serialize)]
struct Point {
    labels: usize,
    accuracy: f64,
    sd: f64,
    /// Accuracy of each seed
    each: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct Over {
    difference: f64,
    low: Option<f64>,
    high: Option<f64>,
    /// Seeds above random's
    wins: usize,
}

#[derive(Debug, Serialize)]
struct Needed {
    /// Of the full score
    share: f64,
    /// By the mean curve; `None` if it never gets there
    labels: Option<f64>,
    /// Divided by random's
    over_random: Option<f64>,
}

impl SimulationReport {
    /// `runs` is `[strategy][seed]`, and random comes first.
    pub fn new(
        full: f64,
        replay: &Replay,
        names: Vec<String>,
        runs: Vec<Vec<Run>>,
        table: &LabelledDataset,
    ) -> Self {
        let labels: Vec<usize> = replay.schedule().labels().collect();
        let mut strategies: Vec<Line> = Vec::new();
        let mut random_areas = Vec::new();
        for (name, runs) in names.into_iter().zip(runs) {
            let rounds = points(&labels, &runs);
            let areas: Vec<f64> = runs
                .iter()
                .map(|run| area(&labels, &run.rounds.iter().map(|round| round.accuracy).collect::<Vec<_>>()))
                .collect();
            let area_over_random = strategies.first().map(|_| over(&areas, &random_areas));
            let curve: Vec<f64> = rounds.iter().map(|point| point.accuracy).collect();
            let labels_for = SHARES.iter().enumerate().map(|(index, &share)| {
                let needed = labels_for(share * full, &labels, &curve);
                let random = strategies.first().and_then(|line| line.labels_for[index].labels);
                Needed { share, labels: needed, over_random: needed.zip(random).map(|(a, b)| a / b) }
            });
            let labels_for = labels_for.collect();
            let seconds = |of: fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
            strategies.push(Line {
                name,
                rounds,
                area: Mean::of(&areas).mean,
                area_over_random,
                labels_for,
                picking_seconds: seconds(|run| run.picking),
                training_seconds: seconds(|run| run.training),
                picks: runs.iter().map(|run| picks(run, table)).collect(),
            });
            if random_areas.is_empty() {
                random_areas = areas;
            }
        }
        let collection = replay.collection();
        let full =
            Full { labels: collection.train.len(), accuracy: full, validation: collection.validation.len() };
        Self { seeds: replay.schedule().seeds, labels, full, strategies }
    }

    /// Writes it to stdout.
    ///
    /// # Errors
    /// Stdout is closed.
    pub fn print(&self, format: TableFormat) -> anyhow::Result<()> {
        let text = match format {
            TableFormat::Table => self.table(),
            TableFormat::Json => serde_json::to_string_pretty(self)? + "\n",
            TableFormat::Csv => self.csv()?,
        };
        Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
    }

    fn csv(&self) -> anyhow::Result<String> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record([
            "strategy",
            "labels",
            "accuracy",
            "sd",
            "area",
            "area_over_random",
            "low",
            "high",
            "wins",
            "labels_for_90",
            "labels_for_95",
            "labels_for_90_over_random",
            "labels_for_95_over_random",
            "full",
            "picking_seconds",
            "training_seconds",
        ])?;
        let number = |value: Option<f64>| value.map(|value| format!("{value:.5}")).unwrap_or_default();
        for line in &self.strategies {
            let over = line.area_over_random.as_ref();
            for point in &line.rounds {
                out.write_record([
                    line.name.clone(),
                    point.labels.to_string(),
                    number(Some(point.accuracy)),
                    number(Some(point.sd)),
                    number(Some(line.area)),
                    number(over.map(|over| over.difference)),
                    number(over.and_then(|over| over.low)),
                    number(over.and_then(|over| over.high)),
                    over.map(|over| over.wins.to_string()).unwrap_or_default(),
                    number(line.labels_for[0].labels),
                    number(line.labels_for[1].labels),
                    number(line.labels_for[0].over_random),
                    number(line.labels_for[1].over_random),
                    number(Some(self.full.accuracy)),
                    number(Some(line.picking_seconds)),
                    number(Some(line.training_seconds)),
                ])?;
            }
        }
        Ok(String::from_utf8(out.into_inner()?)?)
    }

    /// Accuracies in percent, areas in points.
    fn table(&self) -> String {
        let width = self.strategies.iter().map(|line| line.name.len()).max().unwrap_or(0).max(8);
        let mut text = format!("{:width$}", "labels");
        self.labels.iter().for_each(|labels| text += &format!(" {labels:>9}"));
        text += &format!(
            " {:>6} {:>21} {:>5} {:>12} {:>12} {:>7}",
            "area", "over random", "wins", "90 %", "95 %", "s"
        );
        for line in &self.strategies {
            text += &format!("\n{:width$}", line.name);
            for point in &line.rounds {
                text += &format!(" {:>9}", format!("{:.1}±{:.1}", 100.0 * point.accuracy, 100.0 * point.sd));
            }
            let over = line.area_over_random.as_ref();
            let interval = over.and_then(|over| over.low.zip(over.high));
            let interval =
                interval.map(|(low, high)| format!(" ({:+.1} to {:+.1})", 100.0 * low, 100.0 * high));
            let difference = over.map(|over| format!("{:+.2}", 100.0 * over.difference)).unwrap_or_default();
            let wins = over.map(|over| format!("{}/{}", over.wins, self.seeds)).unwrap_or_default();
            text += &format!(
                " {:>6.2} {:>21} {:>5}",
                100.0 * line.area,
                difference + &interval.unwrap_or_default(),
                wins,
            );
            for needed in &line.labels_for {
                let labels = needed.labels.map_or_else(|| "-".to_owned(), |labels| format!("{labels:.0}"));
                let over = needed.over_random.map(|over| format!(" ({over:.2}x)")).unwrap_or_default();
                text += &format!(" {:>12}", labels + &over);
            }
            text += &format!(" {:>7.2}", line.picking_seconds + line.training_seconds);
        }
        let Full { labels, accuracy, validation } = self.full;
        text += &format!(
            "\nall {labels} labels: {:.1} % of {validation} images; columns 90 % and 95 %: labels needed for that share \
             of it, and that over random's. Mean±sd and 95 % interval over {} seeds; s: seconds of one replay.\n",
            100.0 * accuracy,
            self.seeds
        );
        text
    }
}

fn points(labels: &[usize], runs: &[Run]) -> Vec<Point> {
    let point = |(round, &labels): (usize, &usize)| {
        let each: Vec<f64> = runs.iter().map(|run| run.rounds[round].accuracy).collect();
        let Mean { mean, sd } = Mean::of(&each);
        Point { labels, accuracy: mean, sd, each }
    };
    labels.iter().enumerate().map(point).collect()
}

fn over(areas: &[f64], random: &[f64]) -> Over {
    let Difference { mean, interval, wins } = Difference::paired(areas, random);
    Over { difference: mean, low: interval.map(|(low, _)| low), high: interval.map(|(_, high)| high), wins }
}

fn picks(run: &Run, table: &LabelledDataset) -> Vec<Vec<String>> {
    let files = |rows: &Vec<usize>| rows.iter().map(|row| table.rows[*row].filename.clone()).collect();
    run.rounds.iter().map(|round| files(&round.picked)).collect()
}
