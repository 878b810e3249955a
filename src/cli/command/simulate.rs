//! `weathervane simulate`.

mod picks;
mod report;

use std::path::PathBuf;

use anyhow::{bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::args::strategy::strategies;
use crate::cli::dataset::{BackboneName, LabelRequirement, LabelledDataset, LabelledFolder, SPLIT};
use crate::cli::npy;
use crate::cli::output::left_out::{LeftOut, Strictness};
use crate::domain::ids::ContentHash;
use crate::matrix::Matrix;
use crate::model::{FitOptions, Group};
use crate::ranking::Strategy;
use crate::replay::{Collection, Plan, Replay, ReplayError, Schedule};
use report::{SimulationReport, TableFormat};

/// Column groups at most: the trainer tries three weights for each in every combination.
const MAX_GROUPS: usize = 6;

/// Replay labelling rounds without a person, to see which strategy needs the fewest labels
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane simulate --images weather4 --labels weather4-split.csv
  weathervane simulate --images photos --labels photos.csv --strategy u-herding,margin --format csv > curves.csv
  weathervane export --images weather4 --labels weather4-split.csv --embeddings weather4.npy
  weathervane simulate --features weather4.npy --labels weather4-split.csv --groups 1280,48,80,160,224,384 --first 15 \\
    --rounds 7

The CSV file has columns filename,label,split. Images of split `train` are picked from, those of `val` judge, others are
left out. `random` is always replayed too, from a random start: the others are held against it, seed by seed.
In tables accuracies are in percent and areas in points; in JSON and CSV they are shares of one.")]
pub struct Simulate {
    /// Folder with the images
    #[arg(long, value_name = "DIR", required_unless_present = "features", conflicts_with = "features")]
    images: Option<PathBuf>,

    /// NumPy matrix instead of images, one row for each line of the CSV file (f16, f32 or f64)
    #[arg(long, value_name = "FILE.npy")]
    features: Option<PathBuf>,

    /// Widths of the matrix's column groups, which the trainer weighs; without it all columns are one group
    #[arg(long, value_name = "WIDTH,..", value_delimiter = ',', conflicts_with = "images")]
    groups: Vec<usize>,

    /// CSV file with columns filename,label,split
    #[arg(long, value_name = "FILE.csv")]
    labels: PathBuf,

    /// Column of the CSV file that says `train` or `val`
    #[arg(long, value_name = "COLUMN", default_value = SPLIT)]
    split: String,

    /// Strategies for the batches after the first, separated by commas
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', default_value = Strategy::DEFAULT.name(), value_parser = strategies())]
    strategy: Vec<Strategy>,

    /// Strategy for the first batch, when no head is trained yet
    #[arg(long, value_name = "NAME", default_value = Strategy::COLD.name(), value_parser = strategies())]
    start: Strategy,

    /// Also replay each strategy with the least certain of so many at the head of its ranking first, as
    /// QUEUE_ORDER=certainty has Label Studio serve QUEUE_TASKS of them
    #[arg(long, value_name = "TASKS,..", value_delimiter = ',')]
    by_certainty: Vec<usize>,

    /// Also judge what other programs picked: CSV file with columns strategy,seed,round,filename
    #[arg(long, value_name = "FILE.csv")]
    picks: Option<PathBuf>,

    /// Labels of the first batch
    #[arg(long, value_name = "N", default_value_t = 30)]
    first: usize,

    /// Labels of each later batch
    #[arg(long, value_name = "N", default_value_t = 15)]
    batch: usize,

    /// Batches after the first
    #[arg(long, value_name = "N", default_value_t = 6)]
    rounds: usize,

    /// Replays of each strategy
    #[arg(long, value_name = "N", default_value_t = 10)]
    seeds: usize,

    /// Share of each batch that is picked at random [default: the server's]
    #[arg(long, value_name = "0..1")]
    random_share: Option<f32>,

    /// Epochs of gradient refinement at most; 0 leaves the closed-form head as it is [default: the server's]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,

    #[command(flatten)]
    strictness: Strictness,

    #[command(flatten)]
    backbone: BackboneName,

    /// Shape of the result on stdout
    #[arg(long, default_value = "table")]
    format: TableFormat,
}

impl Simulate {
    pub async fn run(self) -> anyhow::Result<()> {
        if let Some(share) = self.random_share.filter(|share| !(0.0..=1.0).contains(share)) {
            bail!("--random-share {share} is not a valid share; give a number from 0 to 1");
        }
        let mut schedule = Schedule {
            first: self.first,
            batch: self.batch,
            rounds: self.rounds,
            seeds: self.seeds,
            fit: FitOptions::default(),
            random_share: self.random_share,
        };
        schedule.fit.epochs = self.epochs.unwrap_or(schedule.fit.epochs);
        let plan = |start, then, by_certainty| Plan::Strategy { start, then, by_certainty };
        let mut plans = vec![(Strategy::Random.to_string(), plan(Strategy::Random, Strategy::Random, None))];
        for &then in self.strategy.iter().filter(|strategy| **strategy != Strategy::Random) {
            plans.push((then.to_string(), plan(self.start, then, None)));
            for &head in &self.by_certainty {
                plans.push((format!("{then}, by certainty of {head}"), plan(self.start, then, Some(head))));
            }
        }
        let picks = self.picks.clone();
        let format = self.format;
        let (collection, table) = self.collection().await?;
        if let Some(path) = picks {
            plans.extend(picks::read(&path, &table)?);
        }
        let report = tokio::task::spawn_blocking(move || {
            let replay = Replay::new(collection, schedule.clone()).map_err(|error| name(error, &table))?;
            let (names, plans): (Vec<String>, Vec<Plan>) = plans.into_iter().unzip();
            let rounds = plans.len() * schedule.seeds * (schedule.rounds + 1);
            let bar = ProgressBar::new(rounds as u64)
                .with_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}")?)
                .with_message("replaying");
            let full = replay.full()?;
            let runs = replay.run(&plans, &|| bar.inc(1)).map_err(|error| name(error, &table))?;
            bar.finish_and_clear();
            anyhow::Ok(SimulationReport::new(full, &replay, names, runs, &table))
        });
        report.await??.print(format)
    }

    /// Collection that is replayed, and the rows it comes from.
    async fn collection(self) -> anyhow::Result<(Collection, LabelledDataset)> {
        let mut left_out = LeftOut::new(self.strictness);
        let table =
            LabelledDataset::open(&self.labels, &self.split, LabelRequirement::Needed, &mut left_out)?;
        if let Err(few) = table.check_classes().and_then(|()| self.validation(&table).map(|_| ())) {
            left_out.close(table.rows.len(), "rows")?;
            return Err(few);
        }
        let (table, groups, (features, hashes)) = match (&self.images, &self.features) {
            (Some(images), _) => {
                let mut folder = LabelledFolder::open(images, table);
                let backbone = self.backbone.clone().load().await?;
                let groups = backbone.spec().groups.clone();
                let embedded = folder.embed_what_can_be(backbone, &mut left_out).await?;
                (folder.table, groups, embedded)
            }
            (None, Some(path)) => {
                let all = npy::read(path)?;
                ensure!(
                    all.len() == table.lines,
                    "features `{}` have {} rows, labels `{}` have {}",
                    path.display(),
                    all.len(),
                    self.labels.display(),
                    table.lines
                );
                let groups = groups_of(&self.groups, all.dim)?;
                let values = table.rows.iter().flat_map(|row| all.row(row.line).iter().copied()).collect();
                let features = Matrix { dim: all.dim, values };
                let hashes = features.rows().map(content).collect();
                (table, groups, (features, hashes))
            }
            (None, None) => bail!("neither --images nor --features is given"),
        };
        left_out.close(table.rows.len(), "rows")?;
        table.check_classes()?;
        let validation = self.validation(&table)?;
        let train = (0..table.rows.len()).filter(|row| table.rows[*row].is_train()).collect();
        let labels = table.labels();
        let classes = table.classes.len();
        Ok((Collection { features, groups, hashes, labels, classes, train, validation }, table))
    }

    /// The rows that judge.
    fn validation(&self, table: &LabelledDataset) -> anyhow::Result<Vec<usize>> {
        let rows: Vec<usize> = (0..table.rows.len()).filter(|row| table.rows[*row].split == "val").collect();
        if rows.is_empty() {
            let mut found: Vec<&str> = table.rows.iter().map(|row| row.split.as_str()).collect();
            found.sort_unstable();
            found.dedup();
            bail!(
                "labels `{}` have no row with `val` in column `{}`, so nothing to judge by; found `{}`",
                self.labels.display(),
                self.split,
                found.join("`, `")
            );
        }
        Ok(rows)
    }
}

/// Groups of the given widths, or one over all columns.
fn groups_of(widths: &[usize], dim: usize) -> anyhow::Result<Vec<Group>> {
    if widths.is_empty() {
        return Ok(vec![Group { name: "all".to_owned(), width: dim }]);
    }
    let sum: usize = widths.iter().sum();
    ensure!(sum == dim, "--groups add up to {sum} columns, the features have {dim}");
    ensure!(!widths.contains(&0), "--groups: a group has no columns");
    ensure!(widths.len() <= MAX_GROUPS, "--groups: {} groups, at most {MAX_GROUPS}", widths.len());
    let named = widths.iter().enumerate();
    Ok(named.map(|(index, &width)| Group { name: format!("group{index}"), width }).collect())
}

/// Equal rows stand for the same image.
fn content(row: &[f32]) -> ContentHash {
    let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    ContentHash::new(*blake3::hash(&bytes).as_bytes())
}

/// Says the file's name where a row is meant.
fn name(error: ReplayError, table: &LabelledDataset) -> anyhow::Error {
    match error {
        ReplayError::NotFinite { row, .. } | ReplayError::Pick { row, .. } => {
            let file = table.rows.get(row).map(|row| row.filename.clone()).unwrap_or_default();
            anyhow::Error::new(error).context(format!("image `{file}`"))
        }
        error => error.into(),
    }
}
