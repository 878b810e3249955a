//! Embeddings as a matrix, and the groups its columns fall into.

/// A run of an embedding's columns that comes from one depth of the network.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    pub name: String,
    pub width: usize,
}

/// Row-major matrix of embeddings, `n x dim`.
#[derive(Clone, Debug, Default)]
pub struct Features {
    pub dim: usize,
    pub values: Vec<f32>,
}

impl Features {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row `index`, `dim` long.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }
}
