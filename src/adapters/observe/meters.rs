//! [`Meters`]: the metrics of one dispatcher. Their names and meanings are in the table at
//! [`adapters`](crate::adapters#metrics).
//!
//! All handles are made when the dispatcher is, so that a push pays for the recorder's atomic
//! operations only. The labels are the dispatcher's name, the two lanes, four outcomes and two
//! reasons: a number of series that no client can raise.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use super::{Ended, Moment, lane_name};
use crate::adapters::book::Begun;
use crate::adapters::outcome::EvictReason;
use crate::queue::{Cursor, Serve};
use crate::registry::ClientKey;
use crate::slot::Lane;
use crate::version::Version;

/// How often the queue is looked at.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) struct Meters {
    urgent: OfLane,
    normal: OfLane,
    panics: Counter,
    evicted_deadline: Counter,
    evicted_failures: Counter,
    convergence: Histogram,
    clients: Gauge,
    in_progress: Gauge,
    backing_off: Gauge,
    permits: Gauge,
    permits_held: Gauge,
    oldest_waiting: Gauge,
    longest_push: Gauge,
    seen: Mutex<Seen>,
}

/// What is metered for each lane.
struct OfLane {
    queue_time: Histogram,
    push_time: Histogram,
    publishes: Histogram,
    waiting: Gauge,
    ended: [Counter; 4],
}

/// What one look leaves for the next.
#[derive(Default)]
struct Seen {
    next_look: Duration,
    /// The clients that waited at the last look, and since which look they have.
    waiting: HashMap<ClientKey, Duration>,
    /// A barrier that has not converged: when it was made, and how far it has come.
    barrier: Option<(Duration, Version, Cursor)>,
}

impl OfLane {
    fn new(queue: &'static str, lane: Lane) -> Self {
        let labels = || {
            [
                Label::from_static_parts("queue", queue),
                Label::from_static_parts("lane", lane_name(lane)),
            ]
            .to_vec()
        };
        let ended = [Ended::Completed, Ended::Failed, Ended::Requeued, Ended::Evicted].map(|how| {
            let mut labels = labels();
            labels.push(Label::from_static_parts("outcome", how.name()));
            counter!("pushlane_pushes_total", labels)
        });
        OfLane {
            queue_time: histogram!("pushlane_queue_seconds", labels()),
            push_time: histogram!("pushlane_push_seconds", labels()),
            publishes: histogram!("pushlane_publishes_per_push", labels()),
            waiting: gauge!("pushlane_waiting", labels()),
            ended,
        }
    }
}

impl Meters {
    pub(super) fn new(queue: &'static str) -> Self {
        let evicted =
            |reason| counter!("pushlane_evictions_total", "queue" => queue, "reason" => reason);
        Meters {
            urgent: OfLane::new(queue, Lane::Urgent),
            normal: OfLane::new(queue, Lane::Normal),
            panics: counter!("pushlane_panics_total", "queue" => queue),
            evicted_deadline: evicted("deadline"),
            evicted_failures: evicted("failures"),
            convergence: histogram!("pushlane_convergence_seconds", "queue" => queue),
            clients: gauge!("pushlane_clients", "queue" => queue),
            in_progress: gauge!("pushlane_in_progress", "queue" => queue),
            backing_off: gauge!("pushlane_backing_off", "queue" => queue),
            permits: gauge!("pushlane_permits", "queue" => queue),
            permits_held: gauge!("pushlane_permits_held", "queue" => queue),
            oldest_waiting: gauge!("pushlane_oldest_waiting_seconds", "queue" => queue),
            longest_push: gauge!("pushlane_longest_push_seconds", "queue" => queue),
            seen: Mutex::default(),
        }
    }

    fn lane(&self, lane: Lane) -> &OfLane {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Normal => &self.normal,
        }
    }

    pub(super) fn begun(&self, client: ClientKey, begun: &Begun, queued: Option<Duration>) {
        self.seen().waiting.remove(&client);
        let lane = self.lane(begun.lane);
        if let Some(queued) = queued {
            lane.queue_time.record(queued);
        }
    }

    pub(super) fn ended(&self, begun: &Begun, how: Ended, now: Duration) {
        let lane = self.lane(begun.lane);
        lane.ended[how as usize].increment(1);
        lane.push_time.record(now.saturating_sub(begun.at));
        if how == Ended::Completed && begun.publishes > 0 {
            lane.publishes.record(begun.publishes as f64);
        }
    }

    pub(super) fn panicked(&self) {
        self.panics.increment(1);
    }

    pub(super) fn evicted(&self, reason: &EvictReason) {
        match reason {
            EvictReason::Deadline(_) => &self.evicted_deadline,
            EvictReason::Failures { .. } => &self.evicted_failures,
        }
        .increment(1);
    }

    pub(super) fn next_look(&self) -> Duration {
        self.seen().next_look
    }

    pub(super) fn look(&self, queue: &(impl Serve + ?Sized), now: Duration, moment: &Moment) {
        let stats = queue.as_queue().stats();
        self.clients.set(stats.clients as f64);
        self.urgent.waiting.set(stats.urgent as f64);
        self.normal.waiting.set(stats.normal as f64);
        self.in_progress.set(moment.in_progress.len() as f64);
        self.backing_off.set(moment.backing_off as f64);
        self.permits.set(stats.permits as f64);
        self.permits_held.set(stats.permits_held as f64);
        let since =
            |at: Option<Duration>| at.map_or(0.0, |at| now.saturating_sub(at).as_secs_f64());
        self.longest_push.set(since(moment.longest));

        let mut waiting = HashMap::new();
        queue.as_queue().each_unserved(|client| {
            waiting.insert(client, now);
        });
        for client in &moment.in_progress {
            waiting.remove(client);
        }
        let mut seen = self.seen();
        for (client, at) in &mut waiting {
            *at = seen.waiting.get(client).copied().unwrap_or(*at);
        }
        let oldest = waiting.values().min().copied();
        seen.next_look = now.saturating_add(PERIOD);
        if seen.barrier.is_none() && (oldest.is_some() || !moment.in_progress.is_empty()) {
            seen.barrier = Some((now, queue.as_queue().barrier(), Cursor::START));
        }
        seen.waiting = waiting;
        drop(seen);
        self.oldest_waiting.set(since(oldest));
        self.progressed(queue, now);
    }

    /// Notices that a barrier has converged: one pass over the banks for each of them.
    pub(super) fn progressed(&self, queue: &(impl Serve + ?Sized), now: Duration) {
        let mut seen = self.seen();
        let Some((since, version, at)) = &mut seen.barrier else { return };
        let since = *since;
        if !queue.as_queue().advance(at, version) {
            return;
        }
        seen.barrier = None;
        drop(seen);
        self.convergence.record(now.saturating_sub(since));
    }

    /// Nothing in here panics half-way, so a poisoned lock is a good one.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
