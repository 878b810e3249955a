//! Picks of other programs, read from a CSV file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::cli::dataset::LabelledDataset;
use crate::replay::Plan;

/// Seeds and rounds at most, so that a stray number does not ask for memory without end.
const MOST: usize = 10_000;

#[derive(Deserialize)]
struct Line {
    strategy: String,
    /// From 0
    seed: usize,
    /// From 0, which is the first batch
    round: usize,
    filename: String,
}

/// Reads a CSV file with columns `strategy,seed,round,filename`; strategies in order of their names.
///
/// # Errors
/// The file is not so, or names an image that is not in the labels.
pub fn read(path: &Path, table: &LabelledDataset) -> anyhow::Result<Vec<(String, Plan)>> {
    let shown = path.display();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .with_context(|| format!("picks `{shown}` can't be read"))?;
    let rows: HashMap<&str, usize> =
        table.rows.iter().enumerate().map(|(row, image)| (image.filename.as_str(), row)).collect();
    let mut plans: BTreeMap<String, Vec<Vec<Vec<usize>>>> = BTreeMap::new();
    for line in reader.deserialize() {
        let line: Line = line.with_context(|| {
            format!("picks `{shown}`: expected columns strategy,seed,round,filename, seed and round from 0")
        })?;
        let Some(&row) = rows.get(line.filename.as_str()) else {
            bail!("picks `{shown}`: image `{}` is not in the labels", line.filename);
        };
        ensure!(line.seed < MOST && line.round < MOST, "picks `{shown}`: seed or round is {MOST} or more");
        let seeds = plans.entry(line.strategy).or_default();
        seeds.resize(seeds.len().max(line.seed + 1), Vec::new());
        let rounds = &mut seeds[line.seed];
        rounds.resize(rounds.len().max(line.round + 1), Vec::new());
        rounds[line.round].push(row);
    }
    ensure!(!plans.is_empty(), "picks `{shown}` are empty");
    Ok(plans.into_iter().map(|(name, picked)| (name, Plan::Picked(picked))).collect())
}
