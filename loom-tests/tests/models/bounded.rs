//! 4. Bounded: a ready set holds a bank at most once, so it can't overflow.

use std::sync::Arc;

use crate::model::{explore, on, race};
use pushlane::ready::{Fifo, Sweep, WithBanks};

/// Two inserts of the same bank and a pop. (`Fifo` asserts that its queue never refuses a bank.)
fn a_bank_is_in_once<R: WithBanks + Send + Sync + 'static>() {
    explore(3, || {
        let set = Arc::new(R::with_banks(1));
        set.insert(0);
        let (_, _, popped) = race((
            on(&set, |set| set.insert(0)),
            on(&set, |set| set.insert(0)),
            on(&set, |set| set.pop()),
        ));
        assert!(popped.is_none_or(|popped| popped.bank == 0));
        assert_eq!(set.is_empty(), set.pop().is_none(), "empty is known once all has ended");
        assert_eq!(set.pop(), None, "one bank, one place");
        assert!(set.is_empty());
    });
}

#[test]
fn bounded_sweep() {
    a_bank_is_in_once::<Sweep>();
}

#[test]
fn bounded_fifo() {
    a_bank_is_in_once::<Fifo>();
}
