//! Values that take longer to make than a page may: made in the background, kept, and shown until the next one is ready.

use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

use super::live::{Live, kind};
use crate::domain::ids::ProjectId;

/// A page waits so long for something new: what is quick is there at once. Two on a page leave it below 100 ms.
const PATIENCE: Duration = Duration::from_millis(30);

/// A value is not made again sooner than so long after it was made, or than it took: a project that changes all the time
/// must not keep a core busy for whoever looks on.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// A value, or why there is none.
pub(super) type Made<V> = Result<Arc<V>, Arc<str>>;

/// Values by key, each with the stamp of what it was made from.
pub(super) struct BackgroundCache<K, V> {
    slots: Cache<K, Arc<Slot<V>>>,
    /// One is made at a time, so that pages never take more than one core from predictions.
    turn: Arc<Semaphore>,
    live: Live,
    /// Not the thread that answers a request: that one answers others too.
    background: Handle,
}

struct Slot<V> {
    state: Mutex<State<V>>,
    done: Notify,
}

struct State<V> {
    made: Option<Made<V>>,
    stamp: String,
    took: Duration,
    running: bool,
}

impl<V> Clone for Seen<V> {
    fn clone(&self) -> Self {
        Self { made: self.made.clone(), fresh: self.fresh }
    }
}

/// Value that can be shown now.
pub(super) struct Seen<V> {
    pub made: Option<Made<V>>,
    /// `true` if it was made from the current data.
    pub fresh: bool,
}

impl<K, V> BackgroundCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Keeps the `capacity` values that were last asked for, made on the runtime this is called on; `turn` is shared by
    /// all that may not run at once.
    pub fn new(capacity: u64, turn: Arc<Semaphore>, live: Live) -> Self {
        // By frequency a new key would be refused where all are in use, and its work begun at each request.
        let slots = Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru()).build();
        Self { slots, turn, live, background: Handle::current() }
    }

    /// The value of a key. If it was made from something else than `stamp` says it is made again with `make`, and the
    /// pages of `project` are told when it is ready.
    pub async fn get<F>(&self, project: ProjectId, key: K, stamp: String, make: impl FnOnce() -> F) -> Seen<V>
    where
        F: Future<Output = Result<V, String>> + Send + 'static,
    {
        let slot = self.slots.get_with(key, || Arc::new(Slot::empty()));
        let done = slot.done.notified();
        tokio::pin!(done);
        done.as_mut().enable();
        let Some(rest) = slot.start(&stamp) else { return slot.seen(&stamp) };
        if let Some(rest) = rest {
            let turn = Arc::clone(&self.turn);
            let live = self.live.clone();
            let work = make();
            let slot = Arc::clone(&slot);
            let stamp = stamp.clone();
            self.background.spawn(async move {
                let running = Running(slot);
                let over = live.over();
                let work = async {
                    tokio::time::sleep(rest).await;
                    let _turn = turn.acquire().await.ok()?;
                    let began = Instant::now();
                    let made = work.await.map(Arc::new).map_err(Arc::from);
                    Some((made, began.elapsed()))
                };
                // A stopping server waits for nobody's page.
                if let Some(Some((made, took))) = over.run_until_cancelled(work).await {
                    running.0.finish(made, stamp, took);
                    drop(running);
                    live.tell(project, &[kind::READY]);
                }
            });
        }
        let _ = tokio::time::timeout(PATIENCE, done).await;
        slot.seen(&stamp)
    }
}

impl<V> Slot<V> {
    fn empty() -> Self {
        let state = State { made: None, stamp: String::new(), took: Duration::ZERO, running: false };
        Self { state: Mutex::new(state), done: Notify::new() }
    }

    /// `None` when the value is good; else how long to rest before making it, or that somebody is at it.
    fn start(&self, stamp: &str) -> Option<Option<Duration>> {
        let mut state = self.lock();
        if state.made.is_some() && state.stamp == stamp {
            return None;
        }
        if std::mem::replace(&mut state.running, true) {
            return Some(None);
        }
        Some(Some(state.took.min(LONGEST_REST)))
    }

    fn finish(&self, made: Made<V>, stamp: String, took: Duration) {
        *self.lock() = State { made: Some(made), stamp, took, running: true };
    }

    fn seen(&self, stamp: &str) -> Seen<V> {
        let state = self.lock();
        Seen { made: state.made.clone(), fresh: state.made.is_some() && state.stamp == stamp }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work under way; however it ends, the next may begin and those who wait go on.
struct Running<V>(Arc<Slot<V>>);

impl<V> Drop for Running<V> {
    fn drop(&mut self) {
        self.0.lock().running = false;
        self.0.done.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computed() -> BackgroundCache<u8, u32> {
        BackgroundCache::new(8, Arc::new(Semaphore::new(1)), Live::new())
    }

    /// Asks until what is there was made from this stamp: a loaded machine may be slower than a page's patience.
    async fn fresh(
        computed: &BackgroundCache<u8, u32>,
        key: u8,
        stamp: &str,
        made: Result<u32, String>,
    ) -> Made<u32> {
        loop {
            let made = made.clone();
            let seen = computed.get(ProjectId(1), key, stamp.into(), || async { made }).await;
            if seen.fresh {
                break seen.made.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn what_is_quick_is_there_at_once_and_made_once_for_a_stamp() {
        let computed = computed();
        assert_eq!(fresh(&computed, 1, "a", Ok(7)).await.unwrap(), Arc::new(7));
        let again = computed.get(ProjectId(1), 1, "a".into(), || async { Err("made twice".into()) }).await;
        assert_eq!(again.made.unwrap().unwrap(), Arc::new(7));
    }

    #[tokio::test]
    async fn what_is_slow_comes_later_and_the_old_value_is_shown_meanwhile() {
        let computed = computed();
        fresh(&computed, 1, "a", Ok(7)).await.unwrap();
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        let slow = || async move { gate.await.map(|()| 8).map_err(|_| "closed".to_owned()) };
        let meanwhile = computed.get(ProjectId(1), 1, "b".into(), slow).await;
        assert_eq!((meanwhile.fresh, meanwhile.made.unwrap().unwrap()), (false, Arc::new(7)));
        open.send(()).unwrap();
        assert_eq!(fresh(&computed, 1, "b", Err("made twice".into())).await.unwrap(), Arc::new(8));
    }

    #[tokio::test]
    async fn a_failure_is_a_value_and_a_panic_leaves_the_way_free() {
        let computed = computed();
        assert_eq!(fresh(&computed, 1, "a", Err("no".into())).await.unwrap_err().as_ref(), "no");
        let broken = || async { if true { panic!("on purpose") } else { Ok(1) } };
        assert!(computed.get(ProjectId(1), 2, "a".into(), broken).await.made.is_none());
        assert_eq!(fresh(&computed, 2, "a", Ok(1)).await.unwrap(), Arc::new(1));
    }
}
