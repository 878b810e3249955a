//! Which labels a run learns from.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use weathervane::cli::dataset::LabelledFolder;

/// `count` rows of `from` at random, and the others. The same seed gives the same draw on every machine.
pub fn draw(from: &[usize], count: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut state = seed;
    // SplitMix64 (Steele 2014).
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    };
    let mut rows = from.to_vec();
    for index in (1..rows.len()).rev() {
        rows.swap(index, (next() % (index as u64 + 1)) as usize);
    }
    let others = rows.split_off(count);
    (rows, others)
}

/// A row of the file of near-duplicates.
#[derive(Deserialize)]
struct Member {
    group: u64,
    filename: String,
}

/// Training rows that share a group with an image of another split.
pub fn copies_of_others(folder: &LabelledFolder, path: &Path) -> anyhow::Result<HashSet<usize>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("`{}`", path.display()))?;
    let members: Vec<Member> = reader.deserialize().collect::<Result<_, _>>()?;
    let row = |name: &str| folder.table.rows.iter().position(|row| row.filename == name);
    let of_others: HashSet<u64> = members
        .iter()
        .filter(|member| row(&member.filename).is_some_and(|row| !folder.table.rows[row].is_train()))
        .map(|member| member.group)
        .collect();
    let copies = members.iter().filter(|member| of_others.contains(&member.group));
    Ok(copies
        .filter_map(|member| row(&member.filename))
        .filter(|row| folder.table.rows[*row].is_train())
        .collect())
}
