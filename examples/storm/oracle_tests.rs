use super::*;
use crate::history::Change;
use crate::history::Key;
use crate::population::{Client, Sizes};
use crate::request::{Numbers, Request};

const AT: Duration = Duration::from_secs(5);
const END: Duration = Duration::from_secs(100);

/// Three changes at 0, 1 and 2 s, of one key, and each its own request.
fn history() -> History {
    let mut history = History::default();
    let mut times = Vec::new();
    (0..3).for_each(|t| history.push(f64::from(t), "a", "endpoints", &mut times));
    for (t, change) in history.changes.iter_mut().enumerate() {
        change.at = Duration::from_secs(t as u64);
    }
    history
}

fn with_oracle(test: impl FnOnce(&mut Oracle<'_>)) {
    let history = history();
    let sizes = Sizes { clients: 2, hung: 0, slow: 0, leave: 0 };
    let mut population = Population::new(&history, sizes, 1);
    // Client 0 depends on everything, client 1 on nothing.
    population.clients[1] = Client::default();
    let mut oracle = Oracle::new(&history, &population);
    (0..3).for_each(|number| oracle.made(number, &[number]));
    test(&mut oracle);
}

fn push(numbers: &[u32], context: u32) -> Request {
    let mut request = Request::everything(context, AT);
    request.everything = false;
    for &number in numbers {
        let mut other = Request::everything(0, AT);
        other.numbers = Numbers::one(number);
        request.merge_from(&other);
    }
    request
}

#[test]
fn a_change_that_never_arrives_is_lost_and_never_converges() {
    with_oracle(|oracle| {
        (0..3).for_each(|number| oracle.change(number));
        assert!(oracle.received(0, &push(&[0, 2], 0), false, AT));
        let verdict = oracle.verdict(END);
        assert_eq!((verdict.lost, verdict.stale_clients), (1, 1));
        let seconds: Vec<_> = verdict.convergence.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [3, 5, 99]);
        assert_eq!(verdict.freshness, [3_000_000, 5_000_000, 99_000_000]);
    });
}

#[test]
fn the_whole_state_brings_everything_up_to_its_context_and_nothing_after() {
    with_oracle(|oracle| {
        (0..3).for_each(|number| oracle.change(number));
        assert!(oracle.received(0, &push(&[], 2), true, AT));
        assert_eq!(oracle.verdict(END).lost, 1);
        assert!(!oracle.received(0, &push(&[], 2), true, AT), "nothing new");
        assert!(!oracle.received(0, &push(&[], 3), false, AT), "an increment carries no state");
        assert!(oracle.received(0, &push(&[], 3), true, AT));
        assert_eq!(oracle.verdict(END).lost, 0);
    });
}

#[test]
fn a_push_that_does_not_concern_a_client_brings_it_nothing() {
    with_oracle(|oracle| {
        oracle.change(0);
        assert!(!oracle.received(1, &push(&[0], 1), true, AT));
    });
}

#[test]
fn who_leaves_or_hangs_is_owed_nothing() {
    with_oracle(|oracle| {
        oracle.change(0);
        oracle.left(0);
        oracle.change(1);
        assert_eq!(
            oracle.verdict(END),
            Verdict { lost: 0, stale_clients: 0, convergence: vec![], freshness: vec![] }
        );
    });
    with_oracle(|oracle| {
        oracle.change(0);
        oracle.hung(0);
        oracle.change(1);
        assert_eq!(oracle.verdict(END).lost, 0);
    });
}

#[test]
fn who_comes_back_is_owed_the_state_of_that_moment() {
    with_oracle(|oracle| {
        oracle.change(0);
        oracle.left(0);
        oracle.change(1);
        oracle.connected(0);
        oracle.change(2);
        assert_eq!(oracle.verdict(END).lost, 3);
        assert!(oracle.received(0, &push(&[2], 0), false, AT));
        assert_eq!(
            oracle.verdict(END).lost,
            2,
            "the increment is there, the state it builds on is not"
        );
        assert!(oracle.received(0, &push(&[], 2), true, AT));
        assert_eq!(oracle.verdict(END).lost, 0);
    });
}

#[test]
fn who_was_evicted_keeps_its_claims_until_served_again() {
    with_oracle(|oracle| {
        oracle.change(0);
        oracle.evicted(0);
        oracle.connected(0);
        assert_eq!(oracle.verdict(END).lost, 1, "counted once");
        oracle.received(0, &push(&[], 1), true, AT);
        let verdict = oracle.verdict(END);
        assert_eq!((verdict.lost, verdict.convergence), (0, vec![AT]));
    });
}

#[test]
fn a_change_elsewhere_concerns_nobody() {
    let mut history = history();
    history
        .changes
        .push(Change { at: AT, key: Key { namespace: history.namespaces.number("b"), kind: 0 } });
    let sizes = Sizes { clients: 1, hung: 0, slow: 0, leave: 0 };
    let mut population = Population::new(&history, sizes, 1);
    population.clients[0].namespaces = vec![0];
    let mut oracle = Oracle::new(&history, &population);
    oracle.change(3);
    assert_eq!(
        oracle.verdict(END),
        Verdict { lost: 0, stale_clients: 0, convergence: vec![], freshness: vec![] }
    );
}
