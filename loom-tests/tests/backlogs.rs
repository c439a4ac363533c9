//! The contract of a backlog: what is recorded stays, until it is taken.

mod model;

use std::sync::Arc;

use model::{explore, on, race};
use pushlane::backlog::{Audience, Backlog, Bits, Locked, Merge, Shared};

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
        let place = Arc::new((backlog, cell));
        let record = move |what: Asked| {
            move |place: &Arc<(B, B::Cell)>| {
                let mut recording = place.0.begin(request(what), Audience::EVERYONE);
                place.0.record(&mut recording, &place.1);
            }
        };
        record(FIRST)(&place);
        let (_, _, taken) = race((
            on(&place, record(SECOND)),
            on(&place, record(THIRD)),
            on(&place, |place| {
                let first = place.0.take(&place.1, &|_| true).payload.expect("recorded before");
                place.0.restore(&place.1, first);
                place.0.take(&place.1, &|_| true).payload.expect("given back before")
            }),
        ));
        let (backlog, cell) = &*place;
        let mut all = asked(&taken);
        if let Some(rest) = backlog.take(cell, &|_| true).payload {
            all.merge(&asked(&rest));
        }
        assert_eq!(all, Asked([1, 1, 1]));
        assert!(backlog.take(cell, &|_| true).payload.is_none());
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
    type Places = (Shared<Asked>, [<Shared<Asked> as Backlog>::Cell; 2]);

    fn fan_out(what: Asked) -> impl FnOnce(&Arc<Places>) {
        move |places| {
            let mut recording = places.0.begin(Arc::new(what), Audience::EVERYONE);
            for cell in &places.1 {
                places.0.record(&mut recording, cell);
            }
        }
    }

    explore(3, || {
        let backlog = Shared::new();
        let cells = [backlog.cell(), backlog.cell()];
        let places = Arc::new((backlog, cells));
        fan_out(FIRST)(&places);
        let (_, _, taken) = race((
            on(&places, fan_out(SECOND)),
            on(&places, fan_out(THIRD)),
            on(&places, |places| places.0.take(&places.1[0], &|_| true).payload),
        ));
        let mut first = Asked([0; 3]);
        for part in [taken, places.0.take(&places.1[0], &|_| true).payload].into_iter().flatten() {
            first.merge(&part);
        }
        assert_eq!(first, Asked([1, 1, 1]));
        assert_eq!(*places.0.take(&places.1[1], &|_| true).payload.unwrap(), Asked([1, 1, 1]));
    });
}
