//! Plain knowledge of labelling: ids, label configs, tasks, annotations, predictions.
//!
//! Pure: nothing here touches the network, the disk or the clock.

pub mod ids;
