//! The clients: what each depends on, how fast it is, when it hangs or leaves. The same for every
//! design.
//!
//! * A client depends on 1 to 4 namespaces and 3 to 6 kinds, drawn as often as the square root of
//!   how often they change (popular ones more often, rare ones still), and on endpoint changes in
//!   its namespaces.
//! * A send takes most clients 2 to 20 ms, one time in twenty up to 200 ms. It takes a slow client
//!   0.5 to 3 s, one time in ten up to 8 s.
//! * `--hung` clients stop reading at the same moment, after 40 % of the history, for ever: a rack
//!   loses its network, and nothing closes the connections. Once evicted they don't come back.
//! * `--leave` clients leave once, at any time, and come back 2 to 20 s later.
//!
//! The n-th send to a client takes the same time in every design.

use crate::dice::{Dice, Purpose};
use crate::history::{History, Key};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// When clients begin to hang, in percent of the history.
const HANG_AT_PERCENT: u32 = 40;

/// How many clients there are of each sort.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) clients: u32,
    pub(crate) hung: u32,
    pub(crate) slow: u32,
    pub(crate) leave: u32,
}

/// One client.
#[derive(Debug, Default, Clone)]
pub(crate) struct Client {
    /// Sorted.
    pub(crate) namespaces: Vec<u32>,
    /// Sorted; endpoint-like kinds are always among them.
    pub(crate) kinds: Vec<u32>,
    slow: bool,
    pub(crate) hangs: bool,
    pub(crate) absence: Option<(Duration, Duration)>,
}

/// All clients.
#[derive(Debug)]
pub(crate) struct Population {
    pub(crate) clients: Vec<Client>,
    pub(crate) hang_at: Duration,
    seed: u64,
}

impl Client {
    /// Whether a change of this key concerns it, if the change doesn't concern everyone.
    pub(crate) fn depends_on(&self, key: Key) -> bool {
        self.lives_in(key.namespace) && self.kinds.binary_search(&key.kind).is_ok()
    }

    /// Whether it depends on anything in this namespace.
    pub(crate) fn lives_in(&self, namespace: u32) -> bool {
        self.namespaces.binary_search(&namespace).is_ok()
    }
}

impl Population {
    pub(crate) fn new(history: &History, sizes: Sizes, seed: u64) -> Self {
        let weights = |counts: &[u64]| -> Vec<u64> {
            counts.iter().map(|&count| ((count as f64).sqrt() * 1000.0) as u64).collect()
        };
        let namespaces = weights(history.namespaces.counts());
        let kinds = weights(history.kinds.counts());
        let endpoint_like: Vec<u32> =
            (0..kinds.len() as u32).filter(|&kind| history.endpoint_like(kind)).collect();
        let client = |number| {
            let mut dice = Dice::new(seed, Purpose::Scope(number));
            let mut few = |low, high, weights: &[u64]| -> Vec<u32> {
                let count = dice.between(low, high);
                (0..count).map(|_| dice.weighted(weights) as u32).collect()
            };
            let mut client = Client {
                namespaces: few(1, 4, &namespaces),
                kinds: few(3, 6, &kinds),
                ..Client::default()
            };
            client.kinds.extend(&endpoint_like);
            for set in [&mut client.namespaces, &mut client.kinds] {
                set.sort_unstable();
                set.dedup();
            }
            client
        };
        let clients = (0..sizes.clients).map(client).collect();
        let hang_at = history.span() * HANG_AT_PERCENT / 100;
        let mut population = Self { clients, hang_at, seed };
        population.give_roles(sizes, history.span());
        population
    }

    fn give_roles(&mut self, sizes: Sizes, span: Duration) {
        let mut dice = Dice::new(self.seed, Purpose::Roles);
        let mut numbers: Vec<u32> = (0..sizes.clients).collect();
        let special = sizes.hung + sizes.slow + sizes.leave;
        for place in 0..special as usize {
            let drawn = place + dice.below((numbers.len() - place) as u64) as usize;
            numbers.swap(place, drawn);
            let number = numbers[place];
            let client = &mut self.clients[number as usize];
            if place < sizes.hung as usize {
                client.hangs = true;
            } else if place < (sizes.hung + sizes.slow) as usize {
                client.slow = true;
            } else {
                let mut dice = Dice::new(self.seed, Purpose::Absence(number));
                let leaves = dice.duration(Duration::ZERO, span);
                let away = dice.duration(Duration::from_secs(2), Duration::from_secs(20));
                client.absence = Some((leaves, leaves + away));
            }
        }
    }

    /// How long the n-th send to a client takes while it doesn't hang.
    pub(crate) fn send_time(&self, number: u32, n: u32) -> Duration {
        let mut dice = Dice::new(self.seed, Purpose::Send(number, n));
        let (low, high) = match (self.clients[number as usize].slow, dice.below(20)) {
            (false, 1..) => (2, 20),
            (false, 0) => (20, 200),
            (true, 2..) => (500, 3_000),
            (true, _) => (3_000, 8_000),
        };
        dice.duration(Duration::from_millis(low), Duration::from_millis(high))
    }

    /// How long a client takes to reconnect after its n-th eviction.
    pub(crate) fn reconnect_time(&self, number: u32, n: u32) -> Duration {
        let mut dice = Dice::new(self.seed, Purpose::Reconnect(number, n));
        dice.duration(Duration::from_millis(500), Duration::from_secs(2))
    }
}

/// The clients that a key concerns, looked up once for each key.
#[derive(Debug, Default)]
pub(crate) struct Concerned {
    everyone: Option<Rc<[u32]>>,
    by_key: HashMap<Key, Rc<[u32]>>,
}

impl Concerned {
    pub(crate) fn by(&mut self, key: Key, history: &History, population: &Population) -> Rc<[u32]> {
        let clients = &population.clients;
        if history.concerns_all(key) {
            let all = || (0..clients.len() as u32).collect();
            return Rc::clone(self.everyone.get_or_insert_with(all));
        }
        let depend = || {
            let all = clients.iter().enumerate();
            all.filter(|(_, client)| client.depends_on(key))
                .map(|(number, _)| number as u32)
                .collect()
        };
        Rc::clone(self.by_key.entry(key).or_insert_with(depend))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::generate;

    fn population(seed: u64) -> Population {
        let history = generate(500, 50.0, 1, "root");
        Population::new(&history, Sizes { clients: 1_000, hung: 30, slow: 20, leave: 10 }, seed)
    }

    #[test]
    fn there_are_as_many_of_each_sort_as_asked_for() {
        let clients = population(1).clients;
        assert_eq!(clients.iter().filter(|client| client.hangs).count(), 30);
        assert_eq!(clients.iter().filter(|client| client.slow && !client.hangs).count(), 20);
        assert_eq!(clients.iter().filter(|client| client.absence.is_some()).count(), 10);
        assert!(
            clients.iter().all(|client| !client.namespaces.is_empty() && client.kinds.is_sorted())
        );
    }

    #[test]
    fn a_client_and_its_sends_are_the_same_for_the_same_seed() {
        let (one, same, other) = (population(1), population(1), population(2));
        let scopes = |population: &Population| -> Vec<_> {
            population
                .clients
                .iter()
                .map(|client| (client.namespaces.clone(), client.hangs))
                .collect()
        };
        assert_eq!(scopes(&one), scopes(&same));
        assert_ne!(scopes(&one), scopes(&other));
        assert_eq!(one.send_time(3, 7), same.send_time(3, 7));
        assert_ne!(one.send_time(3, 7), one.send_time(3, 8));
    }

    #[test]
    fn who_is_concerned_depends_on_namespace_and_kind() {
        let history = generate(500, 50.0, 1, "root");
        let population = population(1);
        let mut concerned = Concerned::default();
        let root = Key { namespace: history.root.unwrap(), kind: 0 };
        assert_eq!(concerned.by(root, &history, &population).len(), 1_000);
        let key =
            history.changes.iter().find(|change| !history.concerns_all(change.key)).unwrap().key;
        let some = concerned.by(key, &history, &population);
        assert!(!some.is_empty() && some.len() < 500);
        assert!(some.iter().all(|&number| population.clients[number as usize].depends_on(key)));
    }
}
