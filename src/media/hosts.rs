//! Hosts of images: each has a part of the downloads at most, and one that does not answer is left alone for a while, so that
//! a dead host costs the images of others nothing.

use std::time::Duration;

use bytes::Bytes;
use moka::ops::compute::Op;
use moka::sync::Cache;
use url::Url;

use super::ImageProblem;
use crate::turns::{Asker, Turn, Turns};

/// Images in a row that did not come in time before a host is left alone.
const PATIENCE: u32 = 3;

/// Time for which a silent host is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// Hosts remembered.
const HOSTS: u64 = 10_000;

pub(super) struct Hosts {
    places: Cache<String, Turns>,
    /// Images that did not come in time, by host.
    late: Cache<String, u32>,
    /// Downloads from one host at once.
    share: usize,
}

impl Hosts {
    /// With so many downloads at once in all, half of them may be of one host.
    pub fn new(downloads: usize) -> Self {
        let late = Cache::builder().max_capacity(HOSTS).time_to_live(LEFT_ALONE).build();
        Self { places: Cache::new(HOSTS), late, share: downloads.div_ceil(2).max(1) }
    }

    /// Waits for a download's turn among those of the same host.
    ///
    /// # Errors
    /// The host is left alone.
    pub async fn turn(&self, asker: Asker, host: &str) -> Result<Option<Turn>, ImageProblem> {
        self.check(host)?;
        let places = self.places.get_with_by_ref(host, || Turns::new(self.share));
        let turn = places.wait(asker).await;
        // While it waited, those before it may have found the host silent.
        self.check(host)?;
        Ok(turn)
    }

    fn check(&self, host: &str) -> Result<(), ImageProblem> {
        match self.late.get(host) {
            Some(late) if late >= PATIENCE => {
                Err(ImageProblem::SilentHost { host: host.to_owned(), seconds: LEFT_ALONE.as_secs() })
            }
            _ => Ok(()),
        }
    }

    /// Records the result of a download from the host.
    pub fn note(&self, host: &str, ended: &Result<Bytes, ImageProblem>) {
        if !matches!(ended, Err(ImageProblem::TimedOut { .. })) {
            return self.late.invalidate(host);
        }
        let late = self
            .late
            .entry_by_ref(host)
            .and_compute_with(|late| Op::Put(late.map_or(1, |late| late.into_value().saturating_add(1))));
        if late.into_entry().is_some_and(|late| late.into_value() == PATIENCE) {
            tracing::warn!(host, "images of a host that does not answer are not asked for, for a minute");
        }
    }
}

/// Name and port of an address's host.
pub(super) fn host_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ProjectId;

    fn asker() -> Asker {
        Asker::of(ProjectId(1))
    }

    fn late() -> Result<Bytes, ImageProblem> {
        Err(ImageProblem::TimedOut { limit: Duration::from_secs(1) })
    }

    #[tokio::test]
    async fn a_silent_host_is_left_alone_and_takes_no_more_than_its_part() {
        let hosts = Hosts::new(4);
        let first = hosts.turn(asker(), "a:80").await.unwrap();
        let _second = hosts.turn(asker(), "a:80").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), hosts.turn(asker(), "a:80")).await.is_err());
        assert!(hosts.turn(asker(), "b:80").await.is_ok());
        drop(first);
        assert!(hosts.turn(asker(), "a:80").await.is_ok());
        for ended in [late(), late(), Err(ImageProblem::Empty), late(), late()] {
            hosts.note("a:80", &ended);
        }
        assert!(hosts.turn(asker(), "a:80").await.is_ok(), "an answer in between");
        hosts.note("a:80", &late());
        assert!(matches!(hosts.turn(asker(), "a:80").await, Err(ImageProblem::SilentHost { .. })));
        assert!(hosts.turn(asker(), "b:80").await.is_ok());
    }

    #[test]
    fn a_host_is_its_name_and_port() {
        for (url, host) in [("http://h/x", "h:80"), ("https://h/", "h:443"), ("http://h:81/", "h:81")] {
            assert_eq!(host_of(&Url::parse(url).unwrap()), host);
        }
    }
}
