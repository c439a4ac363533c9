//! What a bank's clients have pending, for each backlog that keeps it: recorded, taken, given back,
//! cleared.

use alloc::sync::Arc;

use super::*;

#[derive(Clone)]
struct Flags(u32);

impl Merge for Flags {
    fn merge(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

fn keeps_what_is_recorded<B: Backlog<Payload = <B as Backlog>::Request>>(
    backlog: B,
    request: fn(u32) -> B::Request,
    flags: fn(&B::Request) -> u32,
) {
    let cells = backlog.cells();
    let take = |slot| backlog.take(&cells, slot);
    let taken = |slot| take(slot).as_ref().map(flags);
    let record = |value, slots| {
        let mut recording = backlog.begin(request(value));
        backlog.record(&mut recording, &cells, slots);
        assert_eq!(flags(&backlog.abandon(recording)), value, "the request comes back");
    };
    record(2, 0b1001);
    record(4, 0b1010);
    assert_eq!([0, 1, 2].map(taken), [Some(2), Some(4), None]);

    let payload = take(3).expect("of both");
    assert_eq!((flags(&payload), taken(3)), (6, None));
    backlog.restore(&cells, 3, payload);
    assert_eq!([0, 3].map(taken), [None, Some(6)]);

    record(8, 0b1000);
    let payload = take(3).expect("again");
    record(16, 0b1010);
    backlog.restore(&cells, 3, payload);
    assert_eq!([1, 3].map(taken), [Some(16), Some(24)], "with what came meanwhile");

    record(32, 0b1110);
    backlog.clear(&cells, 3);
    assert_eq!([1, 2, 3].map(taken), [Some(32), Some(32), None]);
}

#[test]
fn bits_keep_what_is_recorded() {
    keeps_what_is_recorded(Bits::<1>, |value| [value], |&[value]| value);
    keeps_what_is_recorded(Bits::<2>, |value| [0, value], |&[_, value]| value);
}

#[test]
fn locked_keeps_what_is_recorded() {
    keeps_what_is_recorded(Locked::<Flags>::new(), Flags, |flags| flags.0);
}

#[test]
fn shared_keeps_what_is_recorded() {
    keeps_what_is_recorded(Shared::<Flags>::new(), |value| Arc::new(Flags(value)), |flags| flags.0);
}
