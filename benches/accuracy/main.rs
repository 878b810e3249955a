//! How good a head is on images it never saw, by the number of random labels, and how long its training takes.
//!
//! `cargo bench --bench accuracy -- --images DIR --labels FILE.csv [--near-duplicates FILE.csv]`
//!
//! Labels are drawn from the rows of split `train`; the others only measure. Draws are kept as they fall, also where
//! they miss a class. Columns are standardised by all training images, labelled or not, as in the server.

mod draws;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use draws::{copies_of_others, draw};
use rayon::ThreadPoolBuilder;
use weathervane::cli::dataset::LabelledFolder;
use weathervane::domain::ids::ContentHash;
use weathervane::eval;
use weathervane::matrix::Matrix;
use weathervane::model::{
    BackboneChoice, DeviceChoice, FitOptions, Fitted, Group, Targets, TrainingSet, fit, load_backbone,
};

/// Draws of each number of labels.
const SEEDS: u64 = 10;

/// Measure heads trained on random labels
#[derive(Parser)]
struct Line {
    /// Folder with the images
    #[arg(long, env = "BENCH_IMAGES", value_name = "DIR")]
    images: Option<PathBuf>,

    /// CSV file with columns filename,label,split
    #[arg(long, env = "BENCH_LABELS", value_name = "FILE.csv")]
    labels: Option<PathBuf>,

    /// CSV file with columns group,filename: training images in a group with another split's image are left out
    /// in a second round
    #[arg(long, env = "BENCH_NEAR_DUPLICATES", value_name = "FILE.csv")]
    near_duplicates: Option<PathBuf>,

    /// Labels drawn; after them the whole training set is taken
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "30,60")]
    draw: Vec<usize>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// Embedded images with their labels.
struct Data {
    features: Matrix,
    hashes: Vec<ContentHash>,
    labels: Vec<usize>,
    classes: usize,
    groups: Vec<Group>,
}

fn main() -> anyhow::Result<()> {
    let line = Line::parse();
    let (Some(images), Some(labels)) = (line.images, line.labels) else {
        // `cargo test --all-targets` runs benches too, without data.
        anyhow::ensure!(!line.bench, "give the photographs: -- --images DIR --labels FILE.csv");
        println!("nothing measured: no photographs were given");
        return Ok(());
    };
    let folder = LabelledFolder::read(&images, &labels, "split")?;
    let backbone = load_backbone(&BackboneChoice::Lite0, DeviceChoice::Flex)?;
    let groups = backbone.spec().groups.clone();
    let (features, hashes) = tokio::runtime::Runtime::new()?.block_on(folder.embed(backbone))?;
    let data =
        Data { features, hashes, labels: folder.table.labels(), classes: folder.table.classes.len(), groups };
    let (train, rest): (Vec<usize>, Vec<usize>) =
        (0..folder.table.rows.len()).partition(|row| folder.table.rows[*row].is_train());
    // As the server's trainer: one thread.
    let pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
    pool.install(|| compare(&data, &line.draw, &train, &rest, "all training images"))?;
    if let Some(path) = line.near_duplicates {
        let copies = copies_of_others(&folder, &path)?;
        let apart: Vec<usize> = train.iter().copied().filter(|row| !copies.contains(row)).collect();
        pool.install(|| compare(&data, &line.draw, &apart, &rest, "without near-copies of the other split"))?;
    }
    Ok(())
}

/// Trains on draws from `train` and measures on `rest`; then the refinement against the ridge solution alone, on
/// training images that were not drawn, so that `rest` decides nothing.
fn compare(data: &Data, draws: &[usize], train: &[usize], rest: &[usize], what: &str) -> anyhow::Result<()> {
    println!("{what}: {} to draw from, {} to measure on", train.len(), rest.len());
    for labels in draws.iter().copied().filter(|labels| *labels < train.len()).chain([train.len()]) {
        let (mut measured, mut refined, mut ridge) = (Runs::default(), Runs::default(), Runs::default());
        let mut missed = 0;
        // The whole set has one draw only.
        for seed in 0..if labels < train.len() { SEEDS } else { 1 } {
            let (drawn, others) = draw(train, labels, seed);
            missed += usize::from(
                (0..data.classes).any(|class| drawn.iter().all(|row| data.labels[*row] != class)),
            );
            let start = Instant::now();
            let fitted = data.fit(&drawn, train, FitOptions::default())?;
            let seconds = start.elapsed().as_secs_f64();
            measured.add(data, &fitted, rest, seconds)?;
            refined.add(data, &fitted, &others, seconds)?;
            let start = Instant::now();
            let plain = data.fit(&drawn, train, FitOptions { epochs: 0, ..FitOptions::default() })?;
            ridge.add(data, &plain, &others, start.elapsed().as_secs_f64())?;
        }
        println!("  {labels} labels, {missed} draws miss a class");
        println!("    unseen split:                   {}", measured.tell(true));
        let seen = labels < train.len();
        println!("    undrawn training images:        {}", refined.tell(seen));
        println!("    the same without refinement:    {}", ridge.tell(seen));
    }
    Ok(())
}

impl Data {
    fn rows(&self, rows: &[usize]) -> Matrix {
        let values = rows.iter().flat_map(|row| self.features.row(*row).iter().copied()).collect();
        Matrix { dim: self.features.dim, values }
    }

    fn fit(&self, drawn: &[usize], pool: &[usize], options: FitOptions) -> anyhow::Result<Fitted> {
        let labels = drawn.iter().map(|row| self.labels[*row]).collect();
        let set = TrainingSet {
            features: self.rows(drawn),
            targets: Targets::Single { classes: self.classes, labels },
            hashes: drawn.iter().map(|row| self.hashes[*row]).collect(),
        };
        let pool = self.rows(pool);
        Ok(fit(&set, Some(&pool), &self.groups, &options, &mut |_| ControlFlow::Continue(()))?)
    }
}

/// Figures over draws.
#[derive(Default)]
struct Runs {
    accuracy: Vec<f64>,
    log_loss: Vec<f64>,
    /// By the head's own account, out of fold.
    own_accuracy: Vec<f64>,
    own_log_loss: Vec<f64>,
    seconds: Vec<f64>,
    refined: usize,
}

impl Runs {
    fn add(&mut self, data: &Data, fitted: &Fitted, on: &[usize], seconds: f64) -> anyhow::Result<()> {
        let labels: Vec<usize> = on.iter().map(|row| data.labels[*row]).collect();
        let rows = on.iter().map(|row| fitted.head.probabilities(data.features.row(*row)));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        self.accuracy.push(100.0 * eval::accuracy(&rows, &labels));
        self.log_loss.push(eval::log_loss(&rows, &labels));
        self.own_accuracy.push(100.0 * fitted.evaluation.accuracy);
        self.own_log_loss.push(fitted.evaluation.log_loss);
        self.seconds.push(seconds);
        self.refined += usize::from(fitted.refined);
        Ok(())
    }

    /// Means and standard deviations; `measured` says whether there was anything to measure on.
    fn tell(&self, measured: bool) -> String {
        let told = |values: &[f64], digits: usize| {
            let (mean, deviation) = moments(values);
            format!("{mean:.digits$} ± {deviation:.digits$}")
        };
        let outside = match measured {
            true => format!("{} %, log loss {}; ", told(&self.accuracy, 1), told(&self.log_loss, 3)),
            false => String::new(),
        };
        format!(
            "{outside}out of fold {} %, log loss {}; {} s a fit, refinement kept {}/{}",
            told(&self.own_accuracy, 1),
            told(&self.own_log_loss, 3),
            told(&self.seconds, 3),
            self.refined,
            self.seconds.len()
        )
    }
}

/// Mean and standard deviation of a sample; 0 for one value.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}
