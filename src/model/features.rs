//! The groups that an embedding's columns fall into.

/// A run of an embedding's columns that comes from one depth of the network.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    pub name: String,
    pub width: usize,
}
