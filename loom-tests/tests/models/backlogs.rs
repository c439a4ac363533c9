//! The contract of a backlog: what is recorded stays until it is taken.

use std::sync::Arc;

use crate::model::{explore, on, race};
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

/// Two publishers, and the slot's owner. It takes, gives back what it took, and takes again.
fn what_is_recorded_stays<B>(
    backlog: fn() -> B,
    request: fn(Asked) -> B::Request,
    asked: fn(&B::Payload) -> Asked,
) where
    B: Backlog + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    explore(3, move || {
        let backlog = backlog();
        let cells = backlog.cells();
        let bank = Arc::new((backlog, cells));
        let record = move |what: Asked| {
            move |bank: &Arc<(B, B::Cells)>| {
                let mut recording = bank.0.begin(request(what));
                bank.0.record(&mut recording, &bank.1, 0b1);
            }
        };
        record(FIRST)(&bank);
        let (_, _, taken) = race((
            on(&bank, record(SECOND)),
            on(&bank, record(THIRD)),
            on(&bank, |bank| {
                let first = bank.0.take(&bank.1, 0).expect("recorded before");
                bank.0.restore(&bank.1, 0, first);
                bank.0.take(&bank.1, 0).expect("given back before")
            }),
        ));
        let (backlog, cells) = &*bank;
        let mut all = asked(&taken);
        if let Some(rest) = backlog.take(cells, 0) {
            all.merge(&asked(&rest));
        }
        assert_eq!(all, Asked([1, 1, 1]));
        assert!(backlog.take(cells, 0).is_none());
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

/// Two publishers that reach different slots of one bank, and the owner of a slot that both reach.
fn what_is_recorded_for_several_stays_for_each<B>(
    backlog: fn() -> B,
    request: fn(Asked) -> B::Request,
    asked: fn(&B::Payload) -> Asked,
) where
    B: Backlog + Send + Sync + 'static,
    B::Cells: Send + Sync,
{
    explore(3, move || {
        let backlog = backlog();
        let cells = backlog.cells();
        let bank = Arc::new((backlog, cells));
        let record = move |what: Asked, slots: usize| {
            move |bank: &Arc<(B, B::Cells)>| {
                let mut recording = bank.0.begin(request(what));
                bank.0.record(&mut recording, &bank.1, slots);
            }
        };
        let take = move |bank: &(B, B::Cells), slot| {
            let taken = bank.0.take(&bank.1, slot);
            taken.as_ref().map_or(Asked([0; 3]), asked)
        };
        record(FIRST, 0b0111)(&bank);
        let (_, _, mut second) = race((
            on(&bank, record(SECOND, 0b0110)),
            on(&bank, record(THIRD, 0b1011)),
            on(&bank, move |bank| {
                let first = bank.0.take(&bank.1, 1).expect("recorded before");
                bank.0.restore(&bank.1, 1, first);
                take(bank, 1)
            }),
        ));
        second.merge(&take(&bank, 1));
        assert_eq!(second, Asked([1, 1, 1]));
        let rest = [0, 2, 3].map(|slot| take(&bank, slot));
        assert_eq!(rest, [Asked([1, 0, 1]), Asked([1, 1, 0]), Asked([0, 0, 1])]);
    });
}

#[test]
fn locked_keeps_what_is_recorded_for_several() {
    what_is_recorded_for_several_stays_for_each(Locked::<Asked>::new, |asked| asked, Asked::clone);
}

#[test]
fn shared_keeps_what_is_recorded_for_several() {
    what_is_recorded_for_several_stays_for_each(Shared::<Asked>::new, Arc::new, |asked| {
        Asked::clone(asked)
    });
}

/// A fan-out remembers its last merge, and may use it again only for the same pending request.
#[test]
fn shared_merges_with_what_is_pending_now() {
    type Banks = (Shared<Asked>, [<Shared<Asked> as Backlog>::Cells; 2]);

    fn fan_out(what: Asked) -> impl FnOnce(&Arc<Banks>) {
        move |banks| {
            let mut recording = banks.0.begin(Arc::new(what));
            for cells in &banks.1 {
                banks.0.record(&mut recording, cells, 0b1);
            }
        }
    }

    explore(3, || {
        let backlog = Shared::new();
        let cells = [backlog.cells(), backlog.cells()];
        let banks = Arc::new((backlog, cells));
        fan_out(FIRST)(&banks);
        let take = |banks: &Banks, bank: usize| banks.0.take(&banks.1[bank], 0);
        let (_, _, taken) = race((
            on(&banks, fan_out(SECOND)),
            on(&banks, fan_out(THIRD)),
            on(&banks, move |banks| take(banks, 0)),
        ));
        let mut first = Asked([0; 3]);
        for part in [taken, take(&banks, 0)].into_iter().flatten() {
            first.merge(&part);
        }
        assert_eq!(first, Asked([1, 1, 1]));
        assert_eq!(*take(&banks, 1).unwrap(), Asked([1, 1, 1]));
    });
}
