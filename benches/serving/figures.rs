//! Figures over several runs.

use std::fmt::{self, Display};

/// Values of one quantity, sorted.
pub struct Figures {
    values: Vec<f64>,
    unit: &'static str,
}

impl Figures {
    /// `values` must not be empty.
    pub fn new(unit: &'static str, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { values, unit }
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Nearest rank: a value that was seen.
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = (q * self.values.len() as f64).ceil() as usize;
        self.values[rank.clamp(1, self.values.len()) - 1]
    }

    /// The same values, each less `by`.
    pub fn less(&self, by: f64) -> Self {
        Self { values: self.values.iter().map(|value| value - by).collect(), unit: self.unit }
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { values, unit } = self;
        // Three digits say what a noisy machine can tell.
        let digits = (2.0 - self.median().abs().max(1e-3).log10().floor()).clamp(0.0, 3.0) as usize;
        write!(
            f,
            "median {:.digits$} {unit}, p95 {:.digits$} ({:.digits$} to {:.digits$}, n {})",
            self.median(),
            self.quantile(0.95),
            values[0],
            values[values.len() - 1],
            values.len()
        )
    }
}

/// Whether a figure is below what it aims at.
pub fn aim(figure: f64, below: f64, unit: &str) -> String {
    let word = if figure < below { "met" } else { "missed" };
    format!("aim < {below} {unit} {word}")
}
