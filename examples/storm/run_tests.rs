//! Whole runs of small scenarios.

use super::*;
use crate::peers::walk::Timing;
use crate::population::Sizes;
use crate::request::Request;
use crate::world::{Notice, Push, TimeoutFrom};
use std::sync::Arc;

const NOBODY_SPECIAL: Sizes = Sizes { clients: 1_000, hung: 0, slow: 0, leave: 0 };

/// Changes for everyone, of these kinds at these times in milliseconds.
fn scenario(changes: &[(u64, &str)], sizes: Sizes) -> Scenario {
    let mut history = History::default();
    let mut times = Vec::new();
    for (at, kind) in changes {
        history.push(*at as f64, "root", kind, &mut times);
    }
    for (change, (at, _)) in history.changes.iter_mut().zip(changes) {
        change.at = Duration::from_millis(*at);
    }
    history.root = history.namespaces.find("root");
    let population = Population::new(&history, sizes, 1);
    let quiet = Some(Stretch::fixed(Duration::from_millis(100)));
    let quiet = Quiet { others: quiet, pushlane: quiet };
    let knobs = Knobs { limit: 10, walk: Timing::default(), pace: None };
    Scenario { history, population, quiet, send_timeout: Duration::from_secs(5), knobs }
}

fn outcome(scenario: &Scenario, name: Name) -> Outcome {
    run(scenario, name, &mut || ())
}

#[test]
fn two_full_pushes_a_second_apart_make_the_walk_lose_and_nobody_else() {
    let scenario = scenario(&[(0, "route"), (1_000, "route")], NOBODY_SPECIAL);
    let walk = outcome(&scenario, Name::V1_1);
    assert!(
        walk.verdict.stale_clients > 0 && walk.verdict.stale_clients < 500,
        "{:?}",
        walk.verdict
    );
    assert_eq!(outcome(&scenario, Name::V1_4).verdict.lost, 0);
    assert_eq!(outcome(&scenario, Name::Pushlane).verdict.lost, 0);
}

#[test]
fn one_push_reaches_everyone_exactly_once_in_every_design() {
    let scenario = scenario(&[(0, "endpoints")], NOBODY_SPECIAL);
    for name in Name::ALL {
        let outcome = outcome(&scenario, name);
        assert_eq!(outcome.counts.pushes, 1_000, "{name:?}");
        assert_eq!((outcome.counts.redundant, outcome.verdict.lost), (0, 0), "{name:?}");
    }
}

#[test]
fn as_many_hung_clients_as_permits_stall_the_queue_for_the_send_timeout_and_pushlane_not_at_all() {
    let changes: Vec<_> = (0..20).map(|n| (n * 500, "endpoints")).collect();
    let sizes = Sizes { clients: 100, hung: 50, ..NOBODY_SPECIAL };
    let scenario = scenario(&changes, sizes);
    let queue = outcome(&scenario, Name::V1_4);
    assert!(queue.stalled >= Duration::from_secs(4), "{:?}", queue.stalled);
    assert_eq!(queue.verdict.lost, 0);
    let pushlane = outcome(&scenario, Name::Pushlane);
    assert_eq!((pushlane.stalled, pushlane.verdict.lost), (Duration::ZERO, 0));
    assert!(pushlane.convergence(100) < queue.convergence(50));
}

#[test]
fn without_a_send_timeout_the_queue_stalls_for_ever_and_pushlane_serves_all_others() {
    let changes: Vec<_> = (0..20).map(|n| (n * 500, "endpoints")).collect();
    let mut scenario = scenario(&changes, Sizes { clients: 100, hung: 50, ..NOBODY_SPECIAL });
    scenario.send_timeout = Duration::ZERO;
    let queue = outcome(&scenario, Name::V1_4);
    assert_eq!(queue.verdict.stale_clients, 50);
    assert!(queue.stalled > QUIET);
    assert_eq!(outcome(&scenario, Name::Pushlane).verdict.lost, 0);
}

#[test]
fn clients_that_leave_and_return_or_are_evicted_end_up_to_date() {
    let changes: Vec<_> =
        (0..40).map(|n| (n * 700, if n % 2 == 0 { "route" } else { "endpoints" })).collect();
    let scenario = scenario(&changes, Sizes { clients: 200, hung: 10, slow: 40, leave: 40 });
    for name in [Name::V1_4, Name::Pushlane] {
        let outcome = outcome(&scenario, name);
        assert!(outcome.counts.evicted > 10, "slow clients are evicted too, and come back");
        assert_eq!(outcome.verdict.lost, 0, "{name:?}");
    }
}

/// Pushes to everyone at once, but forgets every third request.
struct Lossy(u32);

impl Design for Lossy {
    fn publish(&mut self, request: Request, world: &mut World<'_>) {
        self.0 += 1;
        if self.0.is_multiple_of(3) {
            return;
        }
        let request = Arc::new(request);
        for client in 0..world.clients() as ClientId {
            let request = Arc::clone(&request);
            let timeout_from = TimeoutFrom::Send;
            world.begin(client, Push { request, whole: false, configuration: true, timeout_from });
        }
    }
    fn notice(&mut self, _: Notice, _: &mut World<'_>) {}
    fn backlog(&self) -> usize {
        0
    }
    fn entry_bytes(&self) -> usize {
        0
    }
    fn is_stalled(&self, _: &World<'_>) -> bool {
        false
    }
}

#[test]
fn a_design_that_forgets_a_request_is_found_out() {
    let changes: Vec<_> = (0..6).map(|n| (n * 1_000, "endpoints")).collect();
    let scenario = scenario(&changes, NOBODY_SPECIAL);
    let outcome = run_with(&scenario, "lossy", |_| Box::new(Lossy(0)), &mut || ());
    assert_eq!((outcome.verdict.lost, outcome.verdict.stale_clients), (2_000, 1_000));
}
