//! [`Debounce`]: a batch of events for each scope.

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;
use core::time::Duration;

use super::Stretch;
use crate::backlog::Merge;
use crate::slot::Lane;

/// Merges the events of each scope until it has been quiet for a while.
///
/// A scope is a source of noise: a tenant, a namespace. A scope that never rests delays no other,
/// and its own events wait `max_age` at most. A debounce for everything has one scope, `()`.
///
/// * The **quiet period** is [fixed](Stretch::fixed), or follows how busy the queue is: `busy` is
///   [`queue.stats().busy`](crate::Stats::busy).
/// * The **urgent lane** is not held back.
/// * With a [**leading edge**](Debounce::leading) the first event after a rest is not held back.
///
/// The caller drives it: [`next_due`](Debounce::next_due) says when to call
/// [`take_due`](Debounce::take_due), which also depends on `busy`. Both take logarithmic time in
/// the number of scopes.
///
/// ```
/// use core::time::Duration;
/// use pushlane::Lane;
/// use pushlane::backlog::ChangeSet;
/// use pushlane::debounce::{Debounce, Stretch};
///
/// let ms = Duration::from_millis;
/// let mut debounce = Debounce::new(Stretch::fixed(ms(100)), ms(10_000));
/// assert!(debounce.offer("shop", Lane::Normal, ChangeSet::from(["a"]), ms(0)).is_none());
/// assert!(debounce.offer("shop", Lane::Normal, ChangeSet::from(["b"]), ms(60)).is_none());
/// assert_eq!(debounce.next_due(0), Some(ms(160)));
///
/// assert!(debounce.take_due(ms(159), 0).is_none());
/// let (scope, request) = debounce.take_due(ms(160), 0).expect("quiet for 100 ms");
/// assert_eq!((scope, request), ("shop", ChangeSet::from(["a", "b"])));
///
/// let urgent = ChangeSet::from(["endpoints"]);
/// assert_eq!(debounce.offer("shop", Lane::Urgent, urgent.clone(), ms(170)), Some(urgent));
/// ```
pub struct Debounce<S, R> {
    quiet: Stretch,
    max_age: Duration,
    leading: bool,
    scopes: BTreeMap<S, Batch<R>>,
    /// The scopes by their latest event: the one that has been quiet longest comes first.
    by_latest: BTreeSet<(Duration, S)>,
    /// The scopes that hold events back, by the first of them.
    by_first: BTreeSet<(Duration, S)>,
}

/// The events of a scope since it last rested.
struct Batch<R> {
    latest: Duration,
    /// What is held back, and since when. Nothing, after a leading edge alone.
    held: Option<(Duration, R)>,
}

impl<S: Ord + Clone, R: Merge> Debounce<S, R> {
    /// Holds events back until there is none for the quiet period, but none longer than `max_age`.
    ///
    /// ```
    /// use core::time::Duration;
    /// use pushlane::debounce::{Debounce, Stretch};
    ///
    /// let (shortest, longest) = (Duration::from_millis(10), Duration::from_millis(500));
    /// let quiet = Stretch::between(shortest, longest, 1_000);
    /// let debounce = Debounce::<(), ()>::new(quiet, Duration::from_secs(10));
    /// assert_eq!(debounce.next_due(0), None);
    /// ```
    #[must_use]
    pub const fn new(quiet: Stretch, max_age: Duration) -> Self {
        Debounce {
            quiet,
            max_age,
            leading: false,
            scopes: BTreeMap::new(),
            by_latest: BTreeSet::new(),
            by_first: BTreeSet::new(),
        }
    }

    /// Lets the first event after a quiet period through at once. What follows is held back.
    ///
    /// ```
    /// use core::time::Duration;
    /// use pushlane::Lane;
    /// use pushlane::debounce::{Debounce, Stretch};
    ///
    /// let ms = Duration::from_millis;
    /// let mut debounce = Debounce::new(Stretch::fixed(ms(100)), ms(10_000)).leading(true);
    /// assert_eq!(debounce.offer((), Lane::Normal, (), ms(0)), Some(()), "at once");
    /// assert_eq!(debounce.offer((), Lane::Normal, (), ms(50)), None);
    /// assert_eq!(debounce.take_due(ms(150), 0), Some(((), ())));
    /// ```
    #[must_use]
    pub fn leading(mut self, leading: bool) -> Self {
        self.leading = leading;
        self
    }

    #[cfg(all(feature = "async", not(loom)))]
    pub(crate) fn is_fixed(&self) -> bool {
        self.quiet.is_fixed()
    }

    /// An event of a scope, at `now`. What comes back is to be published at once: an urgent event,
    /// or a leading edge. Times must not go backwards.
    pub fn offer(&mut self, scope: S, lane: Lane, request: R, now: Duration) -> Option<R> {
        let mut request = Some(request);
        let at_once = self.admit(scope, lane, &mut request, now);
        request.filter(|_| at_once)
    }

    /// Whether the request is to be published at once. Otherwise it has been taken, or merged: what
    /// is left of it then is to be dropped.
    pub(crate) fn admit(
        &mut self,
        scope: S,
        lane: Lane,
        request: &mut Option<R>,
        now: Duration,
    ) -> bool {
        if lane == Lane::Urgent {
            return true;
        }
        let Some(batch) = self.scopes.get_mut(&scope) else {
            self.by_latest.insert((now, scope.clone()));
            let held = if self.leading { None } else { request.take().map(|it| (now, it)) };
            if held.is_some() {
                self.by_first.insert((now, scope.clone()));
            }
            self.scopes.insert(scope, Batch { latest: now, held });
            return self.leading;
        };
        self.by_latest.remove(&(batch.latest, scope.clone()));
        self.by_latest.insert((now, scope.clone()));
        batch.latest = now;
        match (&mut batch.held, &*request) {
            (Some((_, held)), Some(request)) => held.merge(request),
            _ => {
                batch.held = request.take().map(|it| (now, it));
                self.by_first.insert((now, scope));
            }
        }
        false
    }

    /// When to ask [`take_due`](Debounce::take_due) next, if no event comes and `busy` stays as it
    /// is; `None` while every scope rests.
    #[must_use]
    pub fn next_due(&self, busy: usize) -> Option<Duration> {
        let quiet = self.by_latest.first()?.0.saturating_add(self.quiet.at(busy));
        let age = self.by_first.first().map(|(first, _)| first.saturating_add(self.max_age));
        Some(age.map_or(quiet, |age| age.min(quiet)))
    }

    /// The events of one scope that are to be published at `now`; call it until there are none.
    pub fn take_due(&mut self, now: Duration, busy: usize) -> Option<(S, R)> {
        loop {
            let quiet = self.quiet.at(busy);
            let rested = |(latest, _): &&(Duration, S)| latest.saturating_add(quiet) <= now;
            let old = |(first, _): &&(Duration, S)| first.saturating_add(self.max_age) <= now;
            let (_, scope) = self
                .by_first
                .first()
                .filter(old)
                .or_else(|| self.by_latest.first().filter(rested))?;
            let scope = scope.clone();
            let batch = self.scopes.get_mut(&scope)?;
            let (latest, held) = (batch.latest, batch.held.take());
            // Too old, but not at rest: what comes now is no leading edge.
            if !self.leading || latest.saturating_add(quiet) <= now {
                self.scopes.remove(&scope);
                self.by_latest.remove(&(latest, scope.clone()));
            }
            // Nothing, after a leading edge alone: the scope has rested.
            let Some((first, request)) = held else { continue };
            self.by_first.remove(&(first, scope.clone()));
            return Some((scope, request));
        }
    }
}

impl<S, R> fmt::Debug for Debounce<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debounce")
            .field("quiet", &self.quiet)
            .field("max_age", &self.max_age)
            .field("leading", &self.leading)
            .field("scopes", &self.scopes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::backlog::ChangeSet;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// What is published when, if events come at these times: what comes back at once, and what is
    /// due between. Polled at every millisecond at which the debounce wants to be.
    fn published(
        mut debounce: Debounce<char, ChangeSet<u64>>,
        events: &[(u64, char)],
    ) -> Vec<(u64, char, Vec<u64>)> {
        let mut all = Vec::new();
        let mut publish = |at: Duration, scope, request: ChangeSet<u64>| {
            all.push((at.as_millis() as u64, scope, request.keys().unwrap().copied().collect()));
        };
        let run = |debounce: &mut Debounce<_, _>,
                   until: Duration,
                   publish: &mut dyn FnMut(Duration, char, ChangeSet<u64>)| {
            while let Some(at) = debounce.next_due(0).filter(|&at| at < until) {
                while let Some((scope, request)) = debounce.take_due(at, 0) {
                    publish(at, scope, request);
                }
            }
        };
        for &(at, scope) in events {
            run(&mut debounce, ms(at), &mut publish);
            if let Some(request) =
                debounce.offer(scope, Lane::Normal, ChangeSet::from([at]), ms(at))
            {
                publish(ms(at), scope, request);
            }
        }
        run(&mut debounce, Duration::MAX, &mut publish);
        assert!(
            debounce.scopes.is_empty()
                && debounce.by_latest.is_empty()
                && debounce.by_first.is_empty()
        );
        all
    }

    fn fixed(quiet: u64, max_age: u64) -> Debounce<char, ChangeSet<u64>> {
        Debounce::new(Stretch::fixed(ms(quiet)), ms(max_age))
    }

    #[test]
    fn events_merge_until_it_is_quiet() {
        let events = [(0, 'a'), (60, 'a'), (120, 'a'), (300, 'a')];
        assert_eq!(
            published(fixed(100, 10_000), &events),
            [(220, 'a', [0, 60, 120].into()), (400, 'a', [300].into())]
        );
    }

    #[test]
    fn nothing_waits_longer_than_the_maximum_age() {
        let events: Vec<_> = (0..10).map(|n| (n * 60, 'a')).collect();
        let published = published(fixed(100, 200), &events);
        assert_eq!(
            published,
            [
                (200, 'a', [0, 60, 120, 180].into()),
                (440, 'a', [240, 300, 360, 420].into()),
                (640, 'a', [480, 540].into()),
            ]
        );
    }

    #[test]
    fn a_scope_that_never_rests_delays_no_other() {
        let mut events: Vec<_> = (0..40).map(|n| (n * 50, 'a')).collect();
        events.push((1_010, 'b'));
        events.sort_unstable();
        let published = published(fixed(100, 5_000), &events);
        assert_eq!(published[0], (1_110, 'b', [1_010].into()));
        assert_eq!((published[1].0, published.len()), (2_050, 2));
    }

    #[test]
    fn a_leading_edge_goes_at_once_and_only_after_a_rest() {
        let events = [(0, 'a'), (50, 'a'), (400, 'a'), (550, 'a')];
        assert_eq!(
            published(fixed(100, 1_000).leading(true), &events),
            [
                (0, 'a', [0].into()),
                (150, 'a', [50].into()),
                (400, 'a', [400].into()),
                (550, 'a', [550].into()),
            ]
        );
        let events: Vec<_> = (0..6).map(|n| (n * 60, 'a')).collect();
        assert_eq!(
            published(fixed(100, 150).leading(true), &events),
            [
                (0, 'a', [0].into()),
                (210, 'a', [60, 120, 180].into()),
                (390, 'a', [240, 300].into()),
            ],
            "too old is not at rest"
        );
    }

    #[test]
    fn an_urgent_event_passes_and_leaves_the_others_where_they_are() {
        let mut debounce = fixed(100, 1_000);
        assert!(debounce.offer('a', Lane::Normal, ChangeSet::from([1]), ms(0)).is_none());
        assert_eq!(
            debounce.offer('a', Lane::Urgent, ChangeSet::from([2]), ms(50)),
            Some(ChangeSet::from([2]))
        );
        assert_eq!(debounce.take_due(ms(100), 0), Some(('a', ChangeSet::from([1]))));
    }

    /// A push in progress is no reason to publish: what comes meanwhile is one request afterwards.
    #[test]
    fn what_comes_while_a_push_is_in_progress_is_published_once_and_afterwards() {
        let mut debounce = Debounce::new(Stretch::between(ms(0), ms(10_000), 1), ms(10_000));
        for at in [0, 50, 900] {
            assert!(debounce.offer('a', Lane::Normal, ChangeSet::from([at]), ms(at)).is_none());
            assert_eq!(debounce.take_due(ms(at), 1), None, "one is in progress");
        }
        assert_eq!(debounce.take_due(ms(950), 0), Some(('a', ChangeSet::from([0, 50, 900]))));
        assert_eq!(debounce.take_due(ms(950), 0), None);
    }

    #[test]
    fn a_busy_queue_waits_longer_and_an_idle_one_less() {
        let mut debounce = Debounce::new(Stretch::between(ms(10), ms(110), 50), ms(1_000));
        assert!(debounce.offer('a', Lane::Normal, (), ms(0)).is_none());
        assert_eq!(
            [0, 25, 50, 99].map(|busy| debounce.next_due(busy)),
            [10, 60, 110, 110].map(|at| Some(ms(at)))
        );
        assert_eq!(debounce.take_due(ms(20), 50), None, "pushes are in progress");
        assert_eq!(debounce.take_due(ms(20), 0), Some(('a', ())), "they have ended");
    }
}
