//! The real binary beside a real Label Studio, in the words a person would use of them.
//!
//! Label Studio is the server at `WEATHERVANE_TEST_LABEL_STUDIO`; `scripts/label-studio-for-tests.sh with` starts a
//! throw-away one. Where there is none every test is skipped with a word on stderr, unless
//! `WEATHERVANE_REQUIRE_LABEL_STUDIO=1`.
//!
//! The photographs come from `WEATHERVANE_WEATHER4` (default: `../shared/weather4` beside the repository); where
//! that folder is missing, drawn pictures take their place and nothing is asserted of how many are recognised.

mod support;

mod access;
mod annotator;
mod browser;
mod changes;
mod configs;
mod connect;
mod dashboard;
mod demo;
mod imported;
mod labels;
mod main_loop;
mod outages;
mod people;
mod push;
mod queue;
mod regions;
mod several;
mod sources;
mod steady;
mod storm;
mod tokens;
