//! The rows without a queue around them.

use std::vec::Vec;

use super::*;
use crate::storage::Static;

const BANKS: usize = STRIDE + 2;
const TOPIC: Topic = Topic(0);
const OTHER: Topic = Topic(1);
const PLACE: Place = Place { bank: STRIDE + 1, slot: 3 };

fn topics() -> Topics<Static<BANKS, 2>> {
    let rows = [const { Row::new([const { AtomicUsize::new(0) }; BANKS]) }; 2];
    let words = || [const { AtomicUsize::new(0) }; BANKS];
    Topics::new(rows, words(), Summary::const_new(words(), 2))
}

/// Whether the client is reached through the topic.
fn reaches(topics: &Topics<Static<BANKS, 2>>, topic: Topic) -> bool {
    let row = topics.row(topic).unwrap();
    let all: Vec<_> = (0..BANKS).map(|bank| row.may_concern(bank)).collect();
    assert!(all.iter().enumerate().all(|(bank, &word)| bank == PLACE.bank || word == 0));
    assert_eq!(all[PLACE.bank] & !(1 << PLACE.slot), 0);
    all[PLACE.bank] != 0
}

#[test]
fn the_planes_have_no_bit_in_common() {
    let planes = [NOW, LEFT, LEAVING].map(|plane| ALL << plane);
    assert!(planes.iter().all(|plane| plane.count_ones() == SLOTS as u32));
    assert_eq!(planes.iter().fold(0, |all, plane| all | plane).count_ones(), 3 * SLOTS as u32);
    for slot in 0..SLOTS {
        let every = [NOW, LEFT, LEAVING].map(|plane| 1 << plane << slot);
        assert_eq!(every_plane(slot), every.iter().sum());
    }
}

#[test]
fn a_client_in_any_plane_is_reached() {
    for slot in 0..SLOTS {
        for planes in 0..16 {
            let word = (0..4).filter(|plane| planes >> plane & 1 != 0);
            let word: usize = word.map(|plane| 1 << (plane * SLOTS + slot)).sum();
            let expected = usize::from(planes & 0b111 != 0) << slot;
            assert_eq!(super::reached(word), expected, "the fourth plane is nobody's: {planes:b}");
        }
    }
}

/// A push that is given back does not clear what had been left when it began.
#[test]
fn who_leaves_a_second_time_is_reached_until_a_push_completes() {
    let topics = topics();
    for _ in 0..2 {
        for _ in 0..2 {
            assert!(topics.subscribe(PLACE, TOPIC));
            assert!(reaches(&topics, TOPIC));
            assert!(topics.unsubscribe(PLACE, TOPIC));
            assert!(reaches(&topics, TOPIC));
        }
        topics.begin(PLACE);
        assert!(reaches(&topics, TOPIC) && !reaches(&topics, OTHER));
    }
    topics.complete(PLACE, || false);
    assert!(!reaches(&topics, TOPIC));
    assert_eq!(topics.may_concern(&[TOPIC, OTHER], PLACE.bank), 0);
}

#[test]
fn who_is_marked_while_it_is_forgotten_is_concerned_until_its_next_push_completes() {
    let topics = topics();
    for topic in [TOPIC, OTHER] {
        topics.subscribe(PLACE, topic);
    }
    topics.unsubscribe(PLACE, TOPIC);
    topics.begin(PLACE);
    topics.complete(PLACE, || true);
    assert!(!reaches(&topics, TOPIC));
    for _ in 0..2 {
        let concerned = [&[][..], &[TOPIC], &[OTHER]];
        let concerned = concerned.map(|scope| topics.may_concern(scope, PLACE.bank));
        assert_eq!(concerned, [1 << PLACE.slot; 3], "whatever the topic");
        topics.begin(PLACE); // and is given back the first time
    }
    topics.complete(PLACE, || unreachable!("nothing is forgotten"));
    assert_eq!(topics.may_concern(&[TOPIC], PLACE.bank), 0);
}

/// Alone in its bank, or beside others that change.
#[test]
fn a_client_that_leaves_or_settles_has_something_to_end() {
    for others in [0, 1 << (PLACE.slot + 1 + LEAVING), 1 << (PLACE.slot + 1 + LEFT)] {
        let topics = topics();
        let (leaving, settling) = (1 << (PLACE.slot + LEAVING), 1 << (PLACE.slot + SETTLING));
        let left = 1 << (PLACE.slot + LEFT);
        for (flags, changing) in [
            (0, false),
            (left, true),
            (leaving, true),
            (settling, true),
            (leaving | settling, true),
        ] {
            topics.flags(PLACE).store(flags | others, Ordering::Relaxed);
            assert_eq!(topics.begin(PLACE), changing, "{flags:b} beside {others:b}");
        }
    }
}

#[test]
fn who_is_concerned_so_can_be_forgotten_by_another_topic() {
    let topics = topics();
    for (topic, is_pending) in [(TOPIC, true), (OTHER, false)] {
        topics.subscribe(PLACE, topic);
        topics.unsubscribe(PLACE, topic);
        topics.begin(PLACE);
        topics.complete(PLACE, || is_pending);
        assert!(!reaches(&topics, topic));
        assert_eq!(topics.may_concern(&[], PLACE.bank) != 0, is_pending);
    }
}

#[test]
fn a_neighbour_that_leaves_the_queue_leaves_the_others_what_they_have() {
    let topics = topics();
    let neighbour = Place { slot: PLACE.slot + 1, ..PLACE };
    for place in [PLACE, neighbour] {
        topics.subscribe(place, TOPIC);
        topics.unsubscribe(place, TOPIC);
    }
    topics.retire(neighbour);
    assert!(reaches(&topics, TOPIC));
    topics.begin(PLACE);
    topics.complete(PLACE, || false);
    assert!(!reaches(&topics, TOPIC), "it had left, and is forgotten");
}

#[test]
fn who_is_reached_through_two_topics_is_concerned_by_both() {
    let topics = topics();
    for topic in [TOPIC, OTHER] {
        topics.subscribe(PLACE, topic);
    }
    for scope in [&[TOPIC][..], &[OTHER], &[TOPIC, OTHER]] {
        assert_eq!(topics.may_concern(scope, PLACE.bank), 1 << PLACE.slot);
    }
}

#[test]
fn who_comes_back_is_reached_as_before() {
    let topics = topics();
    topics.subscribe(PLACE, TOPIC);
    topics.unsubscribe(PLACE, TOPIC);
    topics.subscribe(PLACE, TOPIC);
    assert!(reaches(&topics, TOPIC));
    topics.begin(PLACE);
    assert!(reaches(&topics, TOPIC));
    topics.complete(PLACE, || false);
    assert!(reaches(&topics, TOPIC), "it is subscribed");
    topics.retire(PLACE);
    assert!(!reaches(&topics, TOPIC));
}

/// It orders what a subscriber and a publisher did before, which one thread can't tell.
#[test]
fn who_subscribes_and_who_publishes_pass_the_gate() {
    let topics = topics();
    let passed =
        || [TOPIC, OTHER].map(|topic| topics.row(topic).unwrap().gate.load(Ordering::Relaxed));
    topics.subscribe(PLACE, TOPIC);
    assert_eq!(passed(), [1, 0]);
    topics.pass_gates(&Scope::any(&[TOPIC]).and_any(&[OTHER]));
    assert_eq!(passed(), [2, 1]);
}

#[test]
fn topics_are_printed() {
    assert_eq!(std::format!("{}", Topic(7)), "topic 7");
}
