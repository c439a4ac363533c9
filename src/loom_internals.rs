//! A door for models of a part without the rest of a queue. Only they have it.

use crate::bank::Bank;
use crate::banks::Banks;
use crate::convergence::Seq;
use crate::fan_out;
use crate::ready::Sweep;
use crate::registry::{Place, Registry, Seat};
use crate::slot::beyond;
use crate::storage::{Heap, row};

/// The fan-out of one lane.
#[derive(Debug)]
pub struct FanOut(fan_out::FanOut);

/// Numbers are plain ones here.
#[allow(missing_docs, reason = "each is the method of the same name")]
impl FanOut {
    pub fn new(banks: usize) -> Self {
        FanOut(fan_out::FanOut::new(banks))
    }

    pub fn raise(&self, number: usize) {
        self.0.raise(Seq::from_word(number));
    }

    pub fn is_pending(&self) -> bool {
        self.0.is_pending()
    }

    pub fn is_pending_or_seen(&self) -> bool {
        self.0.is_pending_or_seen()
    }

    pub fn newest(&self) -> usize {
        self.0.newest().word()
    }

    pub fn begin(&self) -> Option<usize> {
        self.0.begin()
    }

    pub fn end(&self) {
        self.0.end();
    }
}

/// The places of one bank, and the set that says where a vacancy is.
pub struct Places {
    registry: Registry<Heap>,
    banks: Banks<Heap>,
}

#[allow(missing_docs, reason = "each is the method of the same name")]
impl Places {
    pub fn new(places: usize) -> Self {
        let seats = row(1, || core::array::from_fn(|_| Seat::empty()));
        Places {
            registry: Registry::new(seats, Sweep::holding(1, 1), places),
            banks: Banks::spread(1, |bank| Bank::with_held(beyond(bank, places))),
        }
    }

    pub fn reserve(&self) -> Option<usize> {
        self.registry.reserve(&self.banks).map(|place| place.slot)
    }

    pub fn vacate(&self, slot: usize) {
        self.registry.vacate(&self.banks, Place { bank: 0, slot });
    }

    /// Whether a place is vacant, and whether the set says so.
    pub fn vacancy(&self) -> (bool, bool) {
        (self.banks[0].load().vacant() != 0, self.registry.has_vacancy_in_set())
    }
}

impl core::fmt::Debug for Places {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Places")
    }
}
