//! A history drawn from a seed.
//!
//! * Changes come in bursts: three in four are a rollout of 1 to 12 changes, one in four of 20 to 120, 2 to 40 ms
//!   apart; between bursts 0.2 to 6 s (in proportion; `--rate` sets the average).
//! * A burst is at home in one of 40 namespaces, the n-th of them 1/n as often as the first; one change in five of
//!   a burst lies elsewhere.
//! * Kinds: 45 % endpoints, 15 % each deployment-like services and routes, the rest policies and the like.
//! * One burst in thirty is in the root namespace, so that it concerns everyone.

use crate::dice::{Dice, Purpose};
use crate::history::History;

const NAMESPACES: u64 = 40;

/// Name and weight.
const KINDS: [(&str, u64); 12] = [
    ("endpoints", 45),
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
    let kinds = KINDS.map(|(_, weight)| weight);
    let mut history = History::default();
    let mut times = Vec::with_capacity(events);
    let mut milliseconds = 0;
    while times.len() < events {
        let everyone = dice.below(30) == 0;
        let home = dice.weighted(&popularity);
        let size = if dice.percent(75) { dice.between(1, 12) } else { dice.between(20, 120) };
        for _ in 0..size.min((events - times.len()) as u64) {
            let namespace = match everyone {
                true => root.to_owned(),
                false if dice.percent(20) => format!("team-{:02}", dice.weighted(&popularity)),
                false => format!("team-{home:02}"),
            };
            let kind = KINDS[dice.weighted(&kinds)].0;
            history.push(milliseconds as f64 / 1000.0, &namespace, kind, &mut times);
            milliseconds += dice.between(2, 40);
        }
        milliseconds += dice.between(200, 6_000);
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
        let everyone = history.changes.iter().filter(|change| history.concerns_all(change.key)).count();
        assert!((20..200).contains(&everyone), "a few percent concern all: {everyone}");
        let endpoints = history.changes.iter().filter(|change| history.endpoint_like(change.key.kind));
        assert!((800..1_000).contains(&endpoints.count()));
        assert!(history.changes.is_sorted_by_key(|change| change.at));
    }

    #[test]
    fn the_seed_decides() {
        let keys = |seed| generate(100, 50.0, seed, "root").changes;
        assert_eq!(keys(1), keys(1));
        assert_ne!(keys(1), keys(2));
    }
}
