//! Attempts at the password: one at a time, and a wrong one takes a while.

use std::time::Duration;

use tokio::sync::Semaphore;

/// What a wrong attempt costs: at most two guesses a second, whoever makes them.
const PENALTY: Duration = Duration::from_millis(500);

/// Attempts that may wait for their turn.
const WAITING: usize = 16;

pub(super) struct Throttle {
    turn: Semaphore,
    queue: Semaphore,
}

impl Throttle {
    pub fn new() -> Self {
        Self { turn: Semaphore::new(1), queue: Semaphore::new(WAITING) }
    }

    /// Whether `check` says that the attempt is right; `None` when too many wait already. Nothing is looked at before its
    /// turn, so that a flood learns nothing.
    pub async fn attempt(&self, check: impl FnOnce() -> bool) -> Option<bool> {
        let _place = self.queue.try_acquire().ok()?;
        let _turn = self.turn.acquire().await.ok()?;
        let right = check();
        if !right {
            metrics::counter!("weathervane_unauthorized_total").increment(1);
            tokio::time::sleep(PENALTY).await;
        }
        Some(right)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn the_right_pair_is_told_at_once_and_a_flood_is_turned_away_unheard() {
        let throttle = Throttle::new();
        assert_eq!(throttle.attempt(|| true).await, Some(true));
        let mut waker = Context::from_waker(Waker::noop());
        let mut flood: Vec<_> = (0..20).map(|_| Box::pin(throttle.attempt(|| false))).collect();
        let answers: Vec<_> = flood.iter_mut().map(|attempt| attempt.as_mut().poll(&mut waker)).collect();
        assert_eq!(answers.iter().filter(|answer| **answer == Poll::Ready(None)).count(), 4);
        assert_eq!(answers.iter().filter(|answer| answer.is_pending()).count(), WAITING);
    }
}
