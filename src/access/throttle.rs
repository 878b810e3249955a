//! Attempts at the password, by client: a wrong one takes a while, and who makes many at once is not heard.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use tokio::sync::Semaphore;

/// Delay of the answer to a wrong attempt.
const PENALTY: Duration = Duration::from_millis(500);

/// Wrong attempts of one client that are under way at once: at most eight guesses a second.
const AT_ONCE: usize = 4;

/// A client that had the right password so lately is always heard, so that nobody locks it out: Label Studio, the operator.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);

/// Clients remembered.
const CLIENTS: u64 = 10_000;

/// Client of attempts: an IPv4 address, or the network of an IPv6 one, of which a client has as many as it likes.
type Client = Option<IpAddr>;

/// Attempts of all clients.
pub struct Throttle(Cache<Client, Arc<Seen>>);

/// One client.
struct Seen {
    places: Semaphore,
    right_at: Mutex<Option<Instant>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self(Cache::new(CLIENTS))
    }
}

impl Throttle {
    /// Returns the result of `check` for an attempt from this address; `None` if too many of the same client are under way: then
    /// nothing is checked, so that a flood learns nothing. A right password is answered at once.
    pub async fn attempt(&self, from: Option<IpAddr>, check: impl FnOnce() -> bool) -> Option<bool> {
        let made = || Arc::new(Seen { places: Semaphore::new(AT_ONCE), right_at: Mutex::default() });
        let seen = self.0.get_with(client(from), made);
        let place = seen.places.try_acquire().ok();
        if place.is_none() && !seen.is_known() {
            return None;
        }
        if check() {
            *seen.right_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            return Some(true);
        }
        metrics::counter!("weathervane_unauthorized_total").increment(1);
        let _place = place?;
        tokio::time::sleep(PENALTY).await;
        Some(false)
    }
}

impl Seen {
    fn is_known(&self) -> bool {
        let right_at = *self.right_at.lock().unwrap_or_else(PoisonError::into_inner);
        right_at.is_some_and(|at| at.elapsed() < KNOWN_FOR)
    }
}

/// An IPv6 address counts with all others of its /64, the smallest network that anybody is given (RFC 6177).
fn client(from: Option<IpAddr>) -> Client {
    match from?.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn at(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[tokio::test]
    async fn a_flood_is_turned_away_unheard_and_locks_nobody_else_out() {
        let throttle = Throttle::default();
        let operator = at("2001:db8:1:2::9");
        assert_eq!(throttle.attempt(operator, || true).await, Some(true));
        let mut waker = Context::from_waker(Waker::noop());
        for (from, others) in
            [(at("10.0.0.7"), at("10.0.0.8")), (at("2001:db8:1:3::1"), at("2001:db8:1:4::1"))]
        {
            let mut flood: Vec<_> = (0..20).map(|_| Box::pin(throttle.attempt(from, || false))).collect();
            let answers: Vec<_> = flood.iter_mut().map(|attempt| attempt.as_mut().poll(&mut waker)).collect();
            assert_eq!(answers.iter().filter(|answer| answer.is_pending()).count(), AT_ONCE);
            assert_eq!(answers.iter().filter(|answer| **answer == Poll::Ready(None)).count(), 20 - AT_ONCE);
            // The right one is not heard either from where the flood comes, and at once from elsewhere.
            assert_eq!(throttle.attempt(from, || true).await, None);
            assert_eq!(throttle.attempt(others, || true).await, Some(true));
        }
        // From where it was right before, a flood in the same network does not keep it out.
        let neighbour = at("2001:db8:1:2::10");
        let mut flood: Vec<_> = (0..20).map(|_| Box::pin(throttle.attempt(neighbour, || false))).collect();
        let told = flood.iter_mut().map(|attempt| attempt.as_mut().poll(&mut waker));
        assert_eq!(told.filter(|answer| answer.is_pending()).count(), AT_ONCE);
        assert_eq!(throttle.attempt(operator, || true).await, Some(true));
        assert_eq!(client(at("::ffff:10.0.0.7")), at("10.0.0.7"));
    }
}
