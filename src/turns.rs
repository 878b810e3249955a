//! Turns at what is scarce, such as downloads and decoders. Projects take them round robin, and within a project its requests
//! do, so that who asks for little never stands behind all that others asked for before.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::domain::ids::ProjectId;

/// Request that asks for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    pub project: ProjectId,
    /// Tells the requests of a project apart.
    pub request: u64,
}

impl Asker {
    /// Whoever asks for a project and is no request of its own.
    pub fn of(project: ProjectId) -> Self {
        Self { project, request: 0 }
    }
}

/// Gives so many turns at once; clones give the same ones.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<State>>);

/// A turn, held until it is dropped.
pub struct Turn {
    project: ProjectId,
    turns: Turns,
}

type Waiter = oneshot::Sender<Turn>;

struct State {
    free: usize,
    /// Turns that one project may hold.
    share: usize,
    held: HashMap<ProjectId, usize>,
    waiting: Ring<ProjectId, Ring<u64, VecDeque<Waiter>>>,
}

impl Turns {
    /// At most `turns` are held at once (at least one).
    pub fn new(turns: usize) -> Self {
        Self::with_share(turns, turns)
    }

    /// As [`Turns::new`], and at most `share` of them by one project, so that some are always near for the others.
    pub fn with_share(turns: usize, share: usize) -> Self {
        let held = HashMap::new();
        let waiting = Ring::default();
        Self(Arc::new(Mutex::new(State { free: turns.max(1), share: share.max(1), held, waiting })))
    }

    /// Waits for a turn; who stops waiting gives its place up. `None` would mean that nobody gives turns any more, which
    /// can't be while they are asked for.
    pub async fn wait(&self, asker: Asker) -> Option<Turn> {
        let receiver = {
            let mut state = self.state();
            if state.free > 0 && state.may_hold(asker.project) {
                state.take(asker.project);
                None
            } else {
                let (waiter, receiver) = oneshot::channel();
                state.waiting.of(asker.project).of(asker.request).push_back(waiter);
                Some(receiver)
            }
        };
        match receiver {
            Some(receiver) => receiver.await.ok(),
            None => Some(self.turn(asker.project)),
        }
    }

    fn turn(&self, project: ProjectId) -> Turn {
        Turn { project, turns: self.clone() }
    }

    /// A panic while it was held left nothing half done: every change is a few counts.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.turns.state();
            state.give_back(self.project);
            state.next()
        };
        if let Some((project, waiter)) = next {
            // A waiter that went away just now leaves the turn to be dropped here, which hands it on.
            let _ = waiter.send(self.turns.turn(project));
        }
    }
}

impl State {
    fn may_hold(&self, project: ProjectId) -> bool {
        self.held.get(&project).is_none_or(|held| *held < self.share)
    }

    fn take(&mut self, project: ProjectId) {
        self.free -= 1;
        *self.held.entry(project).or_default() += 1;
    }

    fn give_back(&mut self, project: ProjectId) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(&project) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&project);
            }
        }
    }

    /// Next waiter, with the turn taken.
    fn next(&mut self) -> Option<(ProjectId, Waiter)> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let next = waiting.next(
            |project| self.may_hold(*project),
            |requests| requests.next(|_| true, first_there).map(|(_, waiter)| waiter),
        );
        self.waiting = waiting;
        self.take(next.as_ref()?.0);
        next
    }
}

/// The first that still waits.
fn first_there(queue: &mut VecDeque<Waiter>) -> Option<Waiter> {
    std::iter::from_fn(|| queue.pop_front()).find(|waiter| !waiter.is_closed())
}

/// Values by key, which are asked one after the other, round after round.
struct Ring<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Ring<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Default> Ring<K, V> {
    /// The value of a key; a new one comes last.
    fn of(&mut self, key: K) -> &mut V {
        let order = &mut self.order;
        self.values.entry(key).or_insert_with(|| {
            order.push_back(key);
            V::default()
        })
    }

    /// Asks the values that `may` give round robin and returns the first thing given. Its key goes to the end of the order;
    /// a key that has nothing to give is removed.
    fn next<T>(
        &mut self,
        may: impl Fn(&K) -> bool,
        mut give: impl FnMut(&mut V) -> Option<T>,
    ) -> Option<(K, T)> {
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            let given = if may(&key) { self.values.get_mut(&key).map(&mut give) } else { None };
            match given {
                Some(None) => {
                    self.values.remove(&key);
                }
                _ => self.order.push_back(key),
            }
            if let Some(Some(given)) = given {
                return Some((key, given));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn asker(project: i64, request: u64) -> Asker {
        Asker { project: ProjectId(project), request }
    }

    /// The order in which askers are served who all wait while one turn is taken.
    async fn served(askers: &[Asker]) -> Vec<Asker> {
        let turns = Turns::new(1);
        let taken = turns.wait(asker(0, 0)).await;
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for asker in askers.iter().copied() {
            let turns = turns.clone();
            let tell = tell.clone();
            tokio::spawn(async move {
                let _turn = turns.wait(asker).await;
                tell.send(asker).unwrap();
            });
            // On one thread each gets as far as its place in the queue.
            tokio::task::yield_now().await;
        }
        drop((taken, tell));
        let mut order = Vec::new();
        while let Some(asker) = told.recv().await {
            order.push(asker);
        }
        let state = turns.state();
        assert_eq!((state.free, state.held.len(), state.waiting.order.len()), (1, 0, 0));
        order
    }

    #[tokio::test]
    async fn projects_take_turns_and_within_a_project_its_requests() {
        let large = asker(1, 1);
        let small = asker(1, 2);
        let other = asker(2, 3);
        let waiting = [vec![large; 300], vec![small; 2], vec![other; 3]].concat();
        let order = served(&waiting).await;
        assert_eq!(order[..8], [large, other, small, other, large, other, small, large]);
        assert_eq!(order.len(), waiting.len());
    }

    #[tokio::test]
    async fn who_goes_away_gives_its_place_up() {
        let turns = Turns::new(1);
        let taken = turns.wait(asker(1, 1)).await;
        let gone = tokio::time::timeout(Duration::from_millis(1), turns.wait(asker(1, 1))).await;
        assert!(gone.is_err());
        // One that was given its turn and goes before it has seen it.
        let mut late = Box::pin(turns.wait(asker(1, 1)));
        assert!(futures_util::poll!(&mut late).is_pending());
        drop(taken);
        drop(late);
        assert!(turns.wait(asker(1, 1)).await.is_some());
        assert_eq!(turns.state().free, 1);
    }

    #[tokio::test]
    async fn one_project_leaves_some_turns_to_others() {
        let turns = Turns::with_share(4, 3);
        let waits = [1, 2, 3].map(|request| turns.wait(asker(1, request)));
        let held = futures_util::future::join_all(waits).await;
        let mut fourth = Box::pin(turns.wait(asker(1, 4)));
        assert!(futures_util::poll!(&mut fourth).is_pending());
        let other = turns.wait(asker(2, 5)).await;
        let mut another = Box::pin(turns.wait(asker(3, 6)));
        assert!(futures_util::poll!(&mut another).is_pending());
        drop(other);
        assert!(another.await.is_some());
        drop(held);
        assert!(fourth.await.is_some());
    }

    proptest! {
        #[test]
        fn everybody_is_served_and_a_single_wish_within_a_round(
            wishes in prop::collection::vec((1_i64..5, 1_u64..4), 1..60),
        ) {
            let single = asker(9, 9);
            let mut askers: Vec<Asker> = wishes.iter().map(|(project, request)| asker(*project, *request)).collect();
            let projects: std::collections::BTreeSet<i64> = wishes.iter().map(|(project, _)| *project).collect();
            askers.push(single);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let order = runtime.block_on(served(&askers));
            prop_assert_eq!(order.len(), askers.len());
            let place = order.iter().position(|asker| *asker == single).unwrap();
            prop_assert!(place <= projects.len(), "{:?}", order);
        }
    }
}
