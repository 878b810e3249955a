//! Admission control: images in flight, who asked for them, and the wait of others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::ids::ProjectId;
use crate::turns::Asker;

/// The newest image counts as one of so many in the time an image takes.
const MEMORY_IMAGES: u64 = 16;

/// Images that were admitted and are not yet done, by request.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<Asker, usize>>>);

impl InFlight {
    pub fn total(&self) -> usize {
        self.requests().values().sum()
    }

    pub fn admit(&self, asker: Asker, images: usize) -> Admission {
        *self.requests().entry(asker).or_default() += images;
        let admission = Admission { asker, in_flight: self.clone() };
        admission.tell();
        admission
    }

    /// Images of others that are embedded before the last of `images` more of `asker` is: of other requests of the project
    /// one for each of them, of other projects one for each of this project's.
    pub fn before(&self, asker: Asker, images: usize) -> usize {
        let requests = self.requests();
        let (own, others): (Vec<_>, Vec<_>) = requests
            .iter()
            .filter(|(other, _)| **other != asker)
            .partition(|(other, _)| other.project == asker.project);
        let own: usize = own.into_iter().map(|(_, waiting)| (*waiting).min(images)).sum();
        let mut projects: HashMap<ProjectId, usize> = HashMap::new();
        for (other, waiting) in others {
            *projects.entry(other.project).or_default() += waiting;
        }
        own + projects.into_values().map(|waiting| waiting.min(own + images)).sum::<usize>()
    }

    /// A panic while it was held left nothing half done: every change is one number.
    fn requests(&self) -> MutexGuard<'_, HashMap<Asker, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room reserved for the images of one request; given back image by image, the rest on drop.
pub struct Admission {
    asker: Asker,
    in_flight: InFlight,
}

impl Admission {
    /// One image is done.
    pub fn one_done(&self) {
        if let Some(waiting) = self.in_flight.requests().get_mut(&self.asker) {
            *waiting = waiting.saturating_sub(1);
        }
        self.tell();
    }

    fn tell(&self) {
        metrics::gauge!("weathervane_images_in_flight").set(self.in_flight.total() as f64);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.in_flight.requests().remove(&self.asker);
        self.tell();
    }
}

/// Exponential moving average of the time an image takes, in microseconds; 0 until there was one.
#[derive(Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    pub fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        // Of two threads at the same moment one may not be counted, which changes little.
        let before = match self.0.load(Ordering::Relaxed) {
            0 => took,
            before => before,
        };
        let after = (before.saturating_mul(MEMORY_IMAGES - 1).saturating_add(took)) / MEMORY_IMAGES;
        self.0.store(after.max(1), Ordering::Relaxed);
    }

    pub fn an_image(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(project: i64, request: u64) -> Asker {
        Asker { project: ProjectId(project), request }
    }

    #[test]
    fn what_stands_before_a_request_is_what_takes_turns_with_it() {
        let all = InFlight::default();
        assert_eq!(all.before(asker(1, 1), 1_000), 0);
        let first = all.admit(asker(1, 1), 300);
        let _second = all.admit(asker(2, 2), 500);
        let _third = all.admit(asker(2, 3), 20);
        // One image stands behind one of its project's other request, and two of the other project.
        assert_eq!(all.before(asker(1, 4), 1), 1 + 2);
        assert_eq!(all.before(asker(1, 4), 1_000), 300 + 520);
        assert_eq!(all.before(asker(3, 4), 1), 1 + 1);
        assert_eq!(all.before(asker(3, 4), 400), 300 + 400);
        first.one_done();
        assert_eq!(all.total(), 299 + 520);
        drop(first);
        assert_eq!((all.total(), all.before(asker(1, 4), 7)), (520, 7));
    }

    #[test]
    fn the_pace_follows_what_images_take() {
        let pace = Pace::default();
        assert_eq!(pace.an_image(), Duration::ZERO);
        pace.note(Duration::from_millis(10));
        assert_eq!(pace.an_image(), Duration::from_millis(10));
        (0..100).for_each(|_| pace.note(Duration::from_secs(1)));
        assert!((900..=1_000).contains(&pace.an_image().as_millis()), "{:?}", pace.an_image());
    }
}
