//! What a watch may do to its events.

use super::*;
use std::collections::HashMap;

const URL: &str = "type.googleapis.com/a.Cluster";

fn value(body: &str) -> Vec<u8> {
    let value = body.as_bytes().to_vec().into();
    Any { type_url: URL.into(), value }.encode_to_vec()
}

fn kv(name: &str, mod_revision: i64, version: i64) -> KeyValue {
    let key = format!("/p/v/a.Cluster/{name}").into_bytes();
    KeyValue { key, mod_revision, version, value: value(name) }
}

fn put(name: &str, mod_revision: i64, version: i64) -> Event {
    Event { kind: 0, kv: Some(kv(name, mod_revision, version)) }
}

fn delete(name: &str, mod_revision: i64) -> Event {
    let kv = KeyValue { value: Vec::new(), ..kv(name, mod_revision, 0) };
    Event { kind: Event::DELETE, kv: Some(kv) }
}

/// `view@revision: +put@version -removed`.
fn text(change: &Change) -> String {
    let mut text = format!("{}:", change.revision);
    for (view, it) in &change.views {
        text += &format!(" {view}@{}", it.at);
        it.puts.iter().for_each(|put| text += &format!(" +{}@{}", put.name(), put.version()));
        it.removals.iter().for_each(|(_, name)| text += &format!(" -{name}"));
        text += if it.gone { " gone" } else { "" };
    }
    text
}

fn replay() -> Replay {
    let mut replay = Replay::new(Keys::new("/p"));
    let change = replay.snapshot(vec![kv("a", 5, 1), kv("b", 7, 3)], 9);
    assert_eq!(text(&change), "9: v@7 +a@5 +b@7");
    replay
}

fn texts(changes: Result<Vec<Change>, Gap>) -> Vec<String> {
    changes.unwrap().iter().map(text).collect()
}

#[test]
fn one_revision_is_one_change() {
    let mut replay = replay();
    let events = vec![put("a", 10, 2), put("c", 10, 1), delete("b", 12)];
    assert_eq!(texts(replay.events(events)), ["10: v@10 +a@10 +c@10", "12: v@12 -b"]);
    assert_eq!(replay.revision(), 12);
    assert_eq!(
        texts(replay.events(vec![delete("a", 13), delete("c", 13)])),
        ["13: v@13 -a -c gone"]
    );
}

#[test]
fn duplicates_are_harmless() {
    let mut replay = replay();
    let events = || vec![put("a", 10, 2), put("c", 11, 1)];
    assert_eq!(replay.events(events()).unwrap().len(), 2);
    assert_eq!(replay.events(events()).unwrap().len(), 0);
    assert_eq!(texts(replay.events(vec![delete("c", 12)])), ["12: v@12 -c"]);
    assert_eq!(replay.events(vec![delete("c", 12), put("a", 10, 2)]).unwrap().len(), 0);
}

#[test]
fn what_was_missed_is_noticed() {
    for (events, what) in [
        (vec![put("a", 12, 3)], "a version was skipped"),
        (vec![put("a", 12, 1)], "a removal was skipped"),
        (vec![put("c", 12, 2)], "the first version was skipped"),
        (vec![delete("c", 12)], "the whole key was skipped"),
        (vec![put("a", 12, 2), put("c", 11, 1)], "the order was changed"),
    ] {
        assert!(replay().events(events).is_err(), "{what}");
    }
}

#[test]
fn a_state_of_a_lower_revision_is_a_change_as_a_whole() {
    let mut replay = replay();
    let change = replay.snapshot(vec![kv("a", 5, 1)], 8);
    assert_eq!((text(&change).as_str(), change.restored), ("8: v@5 +a@5", true));
    let change = replay.snapshot(vec![kv("a", 5, 1)], 8);
    assert_eq!((text(&change).as_str(), change.restored), ("8:", false));
}

#[test]
fn a_state_that_is_read_anew_changes_what_differs() {
    let mut replay = replay();
    let change = replay.snapshot(vec![kv("b", 7, 3), kv("c", 14, 1)], 20);
    assert_eq!(text(&change), "20: v@14 +c@14 -a");
    let change = replay.snapshot(vec![kv("b", 7, 3), kv("c", 14, 1)], 25);
    assert_eq!((text(&change).as_str(), replay.revision()), ("25:", 25));
    assert_eq!(text(&replay.snapshot(Vec::new(), 30)), "30: v@0 -b -c gone");
}

#[test]
fn a_marker_makes_a_view_and_moves_its_revision() {
    let mut replay = replay();
    let marker = |at, version| Event {
        kind: 0,
        kv: Some(KeyValue { key: b"/p/w".to_vec(), mod_revision: at, version, value: vec![] }),
    };
    assert_eq!(texts(replay.events(vec![marker(10, 1)])), ["10: w@10"]);
    assert_eq!(texts(replay.events(vec![marker(11, 2)])), ["11: w@11"]);
}

#[test]
fn a_broken_value_keeps_what_was_served() {
    let mut replay = replay();
    let mut bad = kv("a", 10, 2);
    bad.value = b"\xff".to_vec();
    let changes = replay.events(vec![Event { kind: 0, kv: Some(bad) }]).unwrap();
    assert_eq!((text(&changes[0]).as_str(), changes[0].broken_since), ("10: v@10", Some(10)));
    assert!(
        changes[0].faults[0].starts_with("key \"/p/v/a.Cluster/a\", revision 10: expected an Any")
    );
    let changes = replay.events(vec![put("a", 11, 3)]).unwrap();
    assert_eq!((text(&changes[0]).as_str(), changes[0].broken_since), ("11: v@11 +a@11", None));
}

#[test]
fn the_oldest_value_that_is_still_broken_is_named_first() {
    let mut replay = replay();
    let broken = |name, revision, version| {
        let value = b"\xff".to_vec();
        Event { kind: 0, kv: Some(KeyValue { value, ..kv(name, revision, version) }) }
    };
    let events = vec![broken("b", 10, 4), broken("a", 11, 2), broken("c", 12, 1)];
    let mut named = |events| {
        let changes = replay.events(events).unwrap();
        let change = changes.last().unwrap();
        let key = |fault: &String| fault.split('"').nth(1).unwrap().to_owned();
        (change.broken_since, change.broken.iter().map(key).collect::<Vec<_>>())
    };
    let keys = |names: &str| names.chars().map(|name| format!("/p/v/a.Cluster/{name}")).collect();
    assert_eq!(named(events), (Some(10), keys("bac")));
    assert_eq!(named(vec![delete("c", 13)]), (Some(10), keys("ba")));
    assert_eq!(named(vec![put("b", 14, 5)]), (Some(11), keys("a")));
    assert_eq!(named(vec![put("a", 15, 3)]), (None, Vec::new()));
}

/// etcd: the keys, and all that has happened to them.
#[derive(Default)]
struct Store {
    keys: BTreeMap<String, (i64, i64)>,
    history: Vec<Event>,
    revision: i64,
}

impl Store {
    /// A transaction of up to three keys.
    fn change(&mut self, dice: &mut Dice) {
        self.revision += 1;
        for _ in 0..=dice.below(3) {
            let name = format!("k{}", dice.below(8));
            let here = self.keys.get(&name).copied();
            // etcd refuses a transaction that writes a key twice.
            if self.history.iter().rev().any(|event| {
                let kv = event.kv.as_ref().unwrap();
                kv.mod_revision == self.revision && kv.key.ends_with(name.as_bytes())
            }) {
                continue;
            }
            if here.is_some() && dice.below(3) == 0 {
                self.keys.remove(&name);
                self.history.push(delete(&name, self.revision));
            } else {
                let version = here.map_or(1, |(_, version)| version + 1);
                self.keys.insert(name.clone(), (self.revision, version));
                self.history.push(put(&name, self.revision, version));
            }
        }
    }

    fn snapshot(&self) -> (Vec<KeyValue>, i64) {
        let each = self.keys.iter();
        (each.map(|(name, (at, version))| kv(name, *at, *version)).collect(), self.revision)
    }
}

/// Knuth's generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What is served: by name, the revision of the value.
#[derive(Default)]
struct Served {
    values: HashMap<String, String>,
    revision: u64,
}

impl Served {
    fn take(&mut self, change: &Change) {
        assert!(change.revision >= self.revision, "{} after {}", change.revision, self.revision);
        self.revision = change.revision;
        for view in change.views.values() {
            for put in &view.puts {
                self.values.insert(put.name().into(), put.version().into());
            }
            for (_, name) in &view.removals {
                self.values.remove(name);
            }
        }
    }
}

/// Events that are repeated, missing, late and in the wrong order, many times: the state is that of
/// the store after the next one that is in order, or is read anew, and never goes backwards.
#[test]
fn whatever_the_watch_does_nothing_is_lost() {
    let (mut gaps, mut repeated) = (0, 0);
    for seed in 0..300 {
        let (mut dice, mut store) = (Dice(seed), Store::default());
        let (mut replay, mut served) = (Replay::new(Keys::new("/p")), Served::default());
        served.take(&replay.snapshot(Vec::new(), 0));
        let mut sent = 0;
        for _ in 0..40 {
            (0..=dice.below(3)).for_each(|_| store.change(&mut dice));
            let mut events = store.history[sent..].to_vec();
            sent = store.history.len();
            match dice.below(6) {
                0 => {
                    events.remove(dice.below(events.len() as u64) as usize);
                }
                1 => events.reverse(),
                2 => {
                    let from = dice.below(sent as u64) as usize;
                    events.extend_from_slice(&store.history[from..sent]);
                    repeated += 1;
                }
                3 => {
                    let from = dice.below(sent as u64) as usize;
                    events.splice(0..0, store.history[from..sent].to_vec());
                }
                _ => {}
            }
            match replay.events(events) {
                Ok(changes) => changes.iter().for_each(|change| served.take(change)),
                Err(_) => {
                    gaps += 1;
                    let (kvs, revision) = store.snapshot();
                    served.take(&replay.snapshot(kvs, revision));
                }
            }
        }
        // The last events may be among the missing: a client of etcd can't know before the next.
        (0..8).for_each(|key| {
            store.revision += 1;
            let (name, revision) = (format!("k{key}"), store.revision);
            let version = store.keys.get(&name).map_or(1, |(_, version)| version + 1);
            store.keys.insert(name.clone(), (revision, version));
            match replay.events(vec![put(&name, revision, version)]) {
                Ok(changes) => changes.iter().for_each(|change| served.take(change)),
                Err(_) => {
                    let (kvs, revision) = store.snapshot();
                    served.take(&replay.snapshot(kvs, revision));
                }
            }
        });
        let expected: HashMap<_, _> =
            store.keys.iter().map(|(name, (at, _))| (name.clone(), at.to_string())).collect();
        assert_eq!(served.values, expected, "seed {seed}");
        assert_eq!(served.revision, store.revision as u64);
    }
    assert!(gaps > 1_000 && repeated > 1_000, "{gaps} {repeated}");
}
