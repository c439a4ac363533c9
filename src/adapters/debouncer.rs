//! [`Debouncer`]: a [`Debounce`] that is driven by an executor's clock.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use event_listener::Event;

use super::builder::shielded;
use super::push::Handle;
use super::timer::Timer;
use super::waits::in_time;
use super::wake::{Listener, notify};
use crate::backlog::Merge;
use crate::debounce::Debounce;
use crate::queue::Serve;
use crate::slot::Lane;

/// How often an adaptive debounce reads how busy the queue is, while it holds events back.
const LOOK: Duration = Duration::from_millis(10);

/// Holds events back, in front of `publish`, as a [`Debounce`] says: publishers
/// [`offer`](Debouncer::offer) events from any thread, and a future publishes them when they are
/// due.
///
/// An adaptive debounce goes by [`queue.stats().busy`](crate::Stats::busy), read every 10 ms at
/// most.
///
/// Nothing is lost at the end: when the last clone or the future is dropped, all that is held back
/// is published. Without the future nothing is held back.
///
/// ```
/// # #[cfg(all(feature = "smol", feature = "spin"))] {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pushlane::adapters::{AsyncQueue, Debouncer, QueueHandle, SmolTimer};
/// use pushlane::backlog::ChangeSet;
/// use pushlane::debounce::{Debounce, Stretch};
/// use pushlane::{Config, Lane, Topic};
///
/// let config = Config::new(100).topics(8);
/// let queue: QueueHandle<ChangeSet<&str>> = Arc::new(AsyncQueue::new(config));
/// let client = queue.register()?;
/// queue.subscribe(client, Topic(3))?;
///
/// // 10 ms of quiet while the queue is idle, 200 ms while 100 clients are busy; never more than 2 s.
/// let ms = Duration::from_millis;
/// let debounce = Debounce::new(Stretch::between(ms(10), ms(200), 100), ms(2_000));
/// let (events, driving) = Debouncer::new(
///     Arc::clone(&queue),
///     debounce,
///     SmolTimer::default(),
///     |queue, tenant, lane, changes| drop(queue.publish(tenant, lane, changes)),
/// );
/// let driver = std::thread::spawn(|| pollster::block_on(driving)); // or a task of its own
///
/// events.offer(Topic(3), Lane::Normal, ChangeSet::from(["route/a"]));
/// events.offer(Topic(3), Lane::Normal, ChangeSet::from(["route/b"]));
/// drop(events);
/// driver.join().unwrap();
/// assert_eq!(queue.try_lease().expect("published").request().len(), Some(2));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Progress
///
/// `offer` takes one lock, for as long as a merge of two requests. It publishes, and drops the
/// request that has been merged, outside of it. The merge and the code of the scope run under the
/// lock, and must not use the debouncer.
pub struct Debouncer<S: Ord + Clone, R: Merge>(Arc<Alive<S, R>>);

/// Ends the driver with the last clone.
struct Alive<S: Ord + Clone, R: Merge>(Arc<Held<S, R>>);

type Publish<S, R> = Box<dyn Fn(S, Lane, R) + Send + Sync>;

struct Held<S, R> {
    state: Mutex<State<S, R>>,
    /// A scope is due earlier than the driver knows, or the last handle is gone.
    changed: Event,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    busy: Box<dyn Fn() -> usize + Send + Sync>,
    publish: Publish<S, R>,
}

struct State<S, R> {
    debounce: Debounce<S, R>,
    /// When the driver looks next; `None`: when it is notified.
    armed: Option<Duration>,
    /// The last handle is gone.
    is_closed: bool,
    /// The driver has gone.
    has_ended: bool,
}

impl<S, R> Debouncer<S, R>
where
    S: Ord + Clone + Send + 'static,
    R: Merge + Send + 'static,
{
    /// A debounce in front of a queue, and the future that drives it: give that to a task of its
    /// own. `publish` gets what is due: the scope, the lane and the merged request. A panic in it
    /// stops nothing.
    pub fn new<Q, T, P>(
        queue: Q,
        debounce: Debounce<S, R>,
        timer: T,
        publish: P,
    ) -> (Self, impl Future<Output = ()> + Send + 'static)
    where
        Q: Handle,
        T: Timer,
        P: Fn(&Q, S, Lane, R) + Send + Sync + 'static,
    {
        let timer = Arc::new(timer);
        let clock = Arc::clone(&timer);
        let stats = queue.clone();
        let is_fixed = debounce.is_fixed();
        let held = Arc::new(Held {
            state: Mutex::new(State { debounce, armed: None, is_closed: false, has_ended: false }),
            changed: Event::new(),
            clock: Box::new(move || clock.now()),
            busy: Box::new(move || if is_fixed { 0 } else { stats.as_queue().stats().busy }),
            publish: Box::new(move |scope, lane, request| publish(&queue, scope, lane, request)),
        });
        let end = EndOnDrop(Arc::clone(&held));
        let driving = async move {
            let held = &end.0;
            loop {
                // Listens before it looks, so that no later change is missed.
                let changed = Listener::of(&held.changed);
                match held.turn(is_fixed) {
                    None => return,
                    Some(Duration::MAX) => changed.await,
                    Some(wait) => drop(in_time(changed, timer.sleep(wait)).await),
                }
            }
        };
        (Debouncer(Arc::new(Alive(held))), driving)
    }

    /// An event of a scope. It is published now, if it is urgent or a leading edge; otherwise by
    /// the driver, merged with what comes meanwhile.
    pub fn offer(&self, scope: S, lane: Lane, request: R) {
        let held = &self.0.0;
        // Dropped after the lock is given back, also if the merge panics.
        let mut request = Some(request);
        let mut state = held.state();
        let at_once = state.has_ended || {
            let now = (held.clock)();
            state.debounce.admit(scope.clone(), lane, &mut request, now)
        };
        let due = state.debounce.next_due(0);
        let is_earlier = due.is_some_and(|due| state.armed.is_none_or(|armed| due < armed));
        drop(state);
        if is_earlier {
            notify(&held.changed, usize::MAX);
        }
        if at_once && let Some(request) = request {
            (held.publish)(scope, lane, request);
        }
    }
}

impl<S: Ord + Clone, R: Merge> Held<S, R> {
    /// Publishes what is due, and says how long to wait. `None`: nothing will be offered any more.
    fn turn(&self, is_fixed: bool) -> Option<Duration> {
        loop {
            let busy = (self.busy)();
            let mut state = self.state();
            if state.is_closed {
                return None;
            }
            let now = (self.clock)();
            if let Some((scope, request)) = state.debounce.take_due(now, busy) {
                drop(state);
                shielded(|| (self.publish)(scope, Lane::Normal, request));
                continue;
            }
            let Some(due) = state.debounce.next_due(busy) else {
                state.armed = None;
                return Some(Duration::MAX);
            };
            let wait = due.saturating_sub(now);
            let wait = if is_fixed { wait } else { wait.min(LOOK) };
            state.armed = Some(now.saturating_add(wait));
            return Some(wait);
        }
    }

    /// Publishes all that is held back.
    fn flush(&self) {
        loop {
            let mut state = self.state();
            state.has_ended = true;
            let Some((scope, request)) = state.debounce.take_due(Duration::MAX, 0) else { return };
            drop(state);
            shielded(|| (self.publish)(scope, Lane::Normal, request));
        }
    }

    /// A merge that panics leaves a request as it was, or half merged: never less than it was.
    fn state(&self) -> MutexGuard<'_, State<S, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct EndOnDrop<S: Ord + Clone, R: Merge>(Arc<Held<S, R>>);

impl<S: Ord + Clone, R: Merge> Drop for EndOnDrop<S, R> {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl<S: Ord + Clone, R: Merge> Drop for Alive<S, R> {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        notify(&self.0.changed, usize::MAX);
    }
}

impl<S: Ord + Clone, R: Merge> Clone for Debouncer<S, R> {
    fn clone(&self) -> Self {
        Debouncer(Arc::clone(&self.0))
    }
}

impl<S: Ord + Clone, R: Merge> fmt::Debug for Debouncer<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debouncer").finish_non_exhaustive()
    }
}
