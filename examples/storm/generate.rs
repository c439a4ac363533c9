//! A history drawn from a seed.
//!
//! Three things happen, again and again, 0.2 to 2.5 s after one another has begun:
//!
//! * a *deployment* (sixteen in twenty): objects of configuration in one namespace, one in five of
//!   them in another, 1 to 10 ms apart; four times in five 1 to 4 of them, else 5 to 60, as in
//!   recorded histories of clusters that are kept in a repository;
//! * a *rollout* (three in twenty): a service in one namespace gets 3 to 8 new sets of endpoints,
//!   0.1 to 1.5 s apart;
//! * a *policy* for everyone (one in twenty): 1 to 3 objects of configuration in the root
//!   namespace.
//!
//! There are 80 namespaces; the n-th is drawn 1/n as often as the first. Services and routes are
//! the most frequent kinds of configuration. These times are proportions: `--rate` says how many
//! changes happen a second on average.

use crate::dice::{Dice, Purpose};
use crate::history::History;

const NAMESPACES: u64 = 80;

/// Kinds of configuration: name and weight.
const CONFIGURATION: [(&str, u64); 11] = [
    ("service", 15),
    ("virtualservice", 15),
    ("destinationrule", 8),
    ("sidecar", 4),
    ("serviceentry", 3),
    ("gateway", 2),
    ("envoyfilter", 2),
    ("authorizationpolicy", 2),
    ("peerauthentication", 2),
    ("telemetry", 1),
    ("secret", 1),
];

/// Draws `events` changes.
pub(crate) fn generate(events: usize, rate: f64, seed: u64, root: &str) -> History {
    let mut dice = Dice::new(seed, Purpose::History);
    let popularity: Vec<u64> = (1..=NAMESPACES).map(|rank| 1_000_000 / rank).collect();
    let weights = CONFIGURATION.map(|(_, weight)| weight);
    let namespace = |dice: &mut Dice| format!("team-{:02}", dice.weighted(&popularity));
    let kind = |dice: &mut Dice| CONFIGURATION[dice.weighted(&weights)].0;
    let mut drawn: Vec<(u64, String, &str)> = Vec::new();
    // Happenings overlap: so there have to be enough of them to be sure of the first `events`
    // changes.
    let mut begins = 0;
    while drawn.iter().filter(|(at, ..)| *at < begins).count() < events {
        let mut at = begins;
        let home = namespace(&mut dice);
        match dice.below(20) {
            0..3 => {
                for _ in 0..dice.between(3, 8) {
                    drawn.push((at, home.clone(), "endpoints"));
                    at += dice.between(100, 1_500);
                }
            }
            3..19 => {
                let (low, high) = if dice.percent(80) { (1, 4) } else { (5, 60) };
                for _ in 0..dice.between(low, high) {
                    let elsewhere = dice.percent(20).then(|| namespace(&mut dice));
                    drawn.push((at, elsewhere.unwrap_or_else(|| home.clone()), kind(&mut dice)));
                    at += dice.between(1, 10);
                }
            }
            _ => {
                for _ in 0..dice.between(1, 3) {
                    drawn.push((at, root.to_owned(), kind(&mut dice)));
                    at += dice.between(1, 10);
                }
            }
        }
        begins += dice.between(200, 2_500);
    }
    // Stable: changes of the same millisecond stay in the order in which they were drawn.
    drawn.sort_by_key(|(at, ..)| *at);
    drawn.truncate(events);
    let mut history = History::default();
    let mut times = Vec::with_capacity(events);
    for (at, namespace, kind) in &drawn {
        history.push(*at as f64 / 1000.0, namespace, kind, &mut times);
    }
    history.at_rate(&times, rate, root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_length_the_rate_and_the_root_it_was_asked_for() {
        let history = generate(2_000, 50.0, 1, "root");
        assert_eq!(history.changes.len(), 2_000);
        assert_eq!(history.span().as_secs(), 40);
        let everyone =
            history.changes.iter().filter(|change| history.concerns_all(change.key)).count();
        assert!((3..100).contains(&everyone), "some concern all: {everyone}");
        let endpoints =
            history.changes.iter().filter(|change| history.endpoint_like(change.key.kind));
        let endpoints = endpoints.count();
        assert!((100..400).contains(&endpoints), "both lanes are used: {endpoints}");
        assert!(history.changes.is_sorted_by_key(|change| change.at));
    }

    #[test]
    fn the_seed_decides() {
        let keys = |seed| generate(100, 50.0, seed, "root").changes;
        assert_eq!(keys(1), keys(1));
        assert_ne!(keys(1), keys(2));
    }
}
