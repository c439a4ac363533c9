//! The contract of a backlog: what is recorded stays, until it is taken.

mod model;

use std::sync::Arc;

use loom::thread;
use model::explore;
use pushlane::backlog::{Backlog, Bits, Locked, Merge, Shared};

/// How often each of three things was asked for: a merge that is lost or done twice shows.
#[derive(Clone, Debug, PartialEq)]
struct Asked([u32; 3]);

impl Merge for Asked {
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

const FIRST: Asked = Asked([1, 0, 0]);
const SECOND: Asked = Asked([0, 1, 0]);
const THIRD: Asked = Asked([0, 0, 1]);

/// Two publishers and the slot's owner, who takes twice and gives the first part back in between.
fn what_is_recorded_stays<B>(
    backlog: fn() -> B,
    request: fn(Asked) -> B::Request,
    asked: fn(&B::Payload) -> Asked,
) where
    B: Backlog + Send + Sync + 'static,
    B::Cell: Send + Sync,
{
    explore(3, move || {
        let backlog = backlog();
        let cell = backlog.cell();
        let shared = Arc::new((backlog, cell));
        let record = move |shared: &(B, B::Cell), what: Asked| {
            let mut recording = shared.0.begin(request(what));
            shared.0.record(&mut recording, &shared.1);
        };
        record(&shared, FIRST);
        let publishers = [SECOND, THIRD].map(|what| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || record(&shared, what))
        });
        let (backlog, cell) = &*shared;
        let first = backlog.take(cell).expect("recorded before");
        backlog.restore(cell, first);
        let taken = backlog.take(cell).expect("given back before");
        for publisher in publishers {
            publisher.join().unwrap();
        }
        let mut all = asked(&taken);
        if let Some(rest) = backlog.take(cell) {
            all.merge(&asked(&rest));
        }
        assert_eq!(all, Asked([1, 1, 1]));
        assert!(backlog.take(cell).is_none());
    });
}

#[test]
fn bits_keep_what_is_recorded() {
    what_is_recorded_stays(
        || Bits::<1>,
        |Asked([a, b, c])| [a | b << 1 | c << 2],
        |[flags]| Asked([flags & 1, flags >> 1 & 1, flags >> 2]),
    );
}

#[test]
fn locked_keeps_what_is_recorded() {
    what_is_recorded_stays(Locked::<Asked>::new, |asked| asked, Asked::clone);
}

#[test]
fn shared_keeps_what_is_recorded() {
    what_is_recorded_stays(Shared::<Asked>::new, Arc::new, |asked| Asked::clone(asked));
}

/// A fan-out remembers its last merge. It may be used again only for the very same pending request.
#[test]
fn shared_merges_with_what_is_pending_now() {
    explore(3, || {
        let backlog = Shared::<Asked>::new();
        let cells = [backlog.cell(), backlog.cell()];
        let shared = Arc::new((backlog, cells));
        let fan_out = |shared: &(Shared<Asked>, [_; 2]), what: Asked| {
            let (backlog, cells) = shared;
            let mut recording = backlog.begin(Arc::new(what));
            for cell in cells {
                backlog.record(&mut recording, cell);
            }
        };
        fan_out(&shared, FIRST);
        let publisher = thread::spawn({
            let shared = Arc::clone(&shared);
            move || fan_out(&shared, SECOND)
        });
        let worker = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.0.take(&shared.1[0])
        });
        fan_out(&shared, THIRD);
        publisher.join().unwrap();
        let mut first = Asked([0; 3]);
        for part in [worker.join().unwrap(), shared.0.take(&shared.1[0])].into_iter().flatten() {
            first.merge(&part);
        }
        assert_eq!(first, Asked([1, 1, 1]));
        assert_eq!(*shared.0.take(&shared.1[1]).unwrap(), Asked([1, 1, 1]));
    });
}
