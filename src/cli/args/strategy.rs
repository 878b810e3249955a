//! `--strategy`.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::ranking::Strategy;

/// Takes the name of a query strategy, and names them all where it is not a valid one.
pub fn strategies() -> impl TypedValueParser<Value = Strategy> {
    PossibleValuesParser::new(Strategy::ALL.iter().map(|strategy| strategy.name()))
        .try_map(|name| name.parse::<Strategy>())
}
