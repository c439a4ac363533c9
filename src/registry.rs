//! Who has a place: keys, generations, vacancy.
//!
//! Each slot has a *seat* word that outlives its clients:
//!
//! * the generation: odd while a client has the seat, even in between. A key is a slot and its
//!   client's odd generation, so the key of a client that has left matches nothing. The thread that
//!   moves the generation from odd to even has the sole right to vacate the slot.
//! * the number of editors: operations on what belongs to the client but not to the lease holder
//!   (its subscriptions). The slot does not pass to another client during an edit. The last one,
//!   the owner or an editor, retires the slot.

use core::fmt;

use crate::banks::Banks;
use crate::limiter::Limiter;
use crate::ready::{ReadySet, Sweep};
use crate::slot::SLOTS;
use crate::storage::Storage;
use crate::sync::{AtomicUsize, Ordering, const_fn};

/// One registered client: its slot, and the generation that tells it from the slot's other clients.
///
/// A key is valid from [`register`](crate::PushQueue::register) until
/// [`unregister`](crate::PushQueue::unregister); afterwards every operation with it answers
/// [`Stale`](crate::Stale) and does nothing. Generations have 31 bits on a 64-bit target (22 on a
/// 32-bit one): a key kept while its slot changes hands that many times (two thousand million; four
/// million) could be taken for a later client's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey {
    index: u32,
    generation: u32,
}

impl ClientKey {
    /// The client's place: less than [`PushQueue::capacity`](crate::PushQueue::capacity), and no
    /// other registered client's. Good as an index into tables of one's own.
    #[inline]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Which of the place's clients this is. Always odd.
    #[inline]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// The key of these two.
    #[cfg(all(test, not(loom)))]
    #[inline]
    pub(crate) const fn of(index: u32, generation: u32) -> ClientKey {
        ClientKey { index, generation }
    }

    /// Whether this client came to its place before `other`, which came to the same one.
    /// Generations wrap: of two, the one that is less than half a turn ahead is the later.
    #[cfg(all(feature = "std", not(loom)))]
    pub(crate) const fn came_before(self, other: ClientKey) -> bool {
        let bits = usize::BITS - GENERATION_SHIFT;
        let ahead = other.generation.wrapping_sub(self.generation) << (u32::BITS - bits);
        ahead.cast_signed() > 0
    }

    #[inline]
    pub(crate) const fn place(self) -> Place {
        Place { bank: self.index() / SLOTS, slot: self.index() % SLOTS }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({self})")
    }
}

/// `index.generation`
impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// A slot of a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bank: usize,
    pub(crate) slot: usize,
}

impl Place {
    #[inline]
    const fn index(self) -> usize {
        self.bank * SLOTS + self.slot
    }
}

const EDITOR_BITS: u32 = if usize::BITS >= 64 { 31 } else { 8 };
const EDITORS: usize = (1 << EDITOR_BITS) - 1;
const RETIRING: usize = 1 << EDITOR_BITS;
const GENERATION_SHIFT: u32 = EDITOR_BITS + 1;
const GENERATION_ONE: usize = 1 << GENERATION_SHIFT;

/// The generation before this one, among as many as fit above the editors.
#[inline]
const fn before(generation: u32) -> u32 {
    generation.wrapping_sub(1) & (usize::MAX >> GENERATION_SHIFT) as u32
}

/// A slot's seat word.
pub(crate) struct Seat(AtomicUsize);

impl Seat {
    const_fn! {
        pub(crate) const fn empty() -> Self {
            Seat(AtomicUsize::new(0))
        }
    }

    /// Acquire: synchronizes with `occupy`. What the newcomer cleared before it stays cleared for a
    /// publisher that reads its generation.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        (self.0.load(Ordering::Acquire) >> GENERATION_SHIFT) as u32
    }

    /// Whether this client sits here.
    #[inline]
    pub(crate) fn is_of(&self, client: ClientKey) -> bool {
        self.generation() == client.generation
    }

    /// The newcomer, who holds the slot, takes the seat.
    pub(crate) fn occupy(&self) -> u32 {
        // Release: with `generation`. What is recorded for this generation comes after what was
        // cleared before it. No other thread changes the word of a slot that is held and has no
        // editors, so the new value is the old one plus one.
        let before = self.0.fetch_add(GENERATION_ONE, Ordering::AcqRel);
        (before.wrapping_add(GENERATION_ONE) >> GENERATION_SHIFT) as u32
    }

    /// The client of this generation gives up the seat: true for exactly one caller.
    pub(crate) fn release(&self, generation: u32) -> bool {
        self.update(generation, |word| word.wrapping_add(GENERATION_ONE))
    }

    /// Begins an edit, unless the client of this generation has left.
    pub(crate) fn begin_edit(&self, generation: u32) -> bool {
        self.update(generation, |word| {
            debug_assert!(word & EDITORS < EDITORS, "more editors at once than threads can be");
            word + 1
        })
    }

    /// Ends an edit. True: the client has left meanwhile and its owner is done, the caller retires.
    #[must_use]
    pub(crate) fn end_edit(&self) -> bool {
        // AcqRel, with `retire`: the later of the two sees all that the earlier one did.
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        before & RETIRING != 0 && before & EDITORS == 1
    }

    /// The owner of a slot whose client has left is done with it. True: no editor is left, the
    /// caller retires; otherwise the last editor will.
    #[must_use]
    pub(crate) fn retire(&self) -> bool {
        let before = self.0.fetch_or(RETIRING, Ordering::AcqRel); // with `end_edit`
        before & EDITORS == 0
    }

    /// Called just before the slot becomes vacant.
    pub(crate) fn retired(&self) {
        // Relaxed: the bank's word hands the seat to the next owner.
        self.0.fetch_and(!RETIRING, Ordering::Relaxed);
    }

    fn update(&self, generation: u32, step: impl Fn(usize) -> usize) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if (word >> GENERATION_SHIFT) as u32 != generation {
                return false;
            }
            match self.0.compare_exchange_weak(
                word,
                step(word),
                Ordering::AcqRel, // with `occupy`: what is done next is done to this client's slot
                Ordering::Relaxed, // tried again
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

/// The seats, and the banks that have vacant slots.
///
/// A slot is taken in the order permit, bank, and given back in the order bank, set, permit. So at
/// every moment there are at least as many vacant slots as threads that hold a permit and search,
/// and a vacancy whose permit has come back is in the set.
///
/// A bank is in the set while it has a vacancy, except for a moment: the thread that takes the last
/// slot discards the bank, reads it again, and puts it back if a slot has become vacant. A thread
/// that searches in this moment scans the banks. The scan fails only if a registration that began
/// later has succeeded, so a search is lock-free.
pub(crate) struct Registry<S: Storage> {
    pub(crate) seats: S::Banks<[Seat; SLOTS]>,
    /// One permit a place.
    places: Limiter,
    /// The banks that have a vacant slot.
    vacancies: Sweep<S::Bits>,
}

impl<S: Storage> Registry<S> {
    const_fn! {
        pub(crate) const fn new(
            seats: S::Banks<[Seat; SLOTS]>,
            vacancies: Sweep<S::Bits>,
            capacity: usize,
        ) -> Self {
            let places = Limiter::new(capacity);
            Registry { seats, places, vacancies }
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.places.limit()
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.places.held()
    }

    #[inline]
    pub(crate) fn seat(&self, place: Place) -> &Seat {
        &self.seats.as_ref()[place.bank][place.slot]
    }

    /// Reserves a vacant slot; `None` when every place is taken.
    pub(crate) fn reserve(&self, banks: &Banks<S>) -> Option<Place> {
        if self.places.try_acquire(1) == 0 {
            return None;
        }
        loop {
            let place = self.reserve_of_set(banks).or_else(|| self.reserve_of_all(banks));
            if place.is_some() {
                return place;
            }
            crate::sync::relax();
        }
    }

    /// Reserves a slot of a bank that is in the set.
    fn reserve_of_set(&self, banks: &Banks<S>) -> Option<Place> {
        // A bank without a vacancy is taken out of the set, so the search comes to an end.
        while let Some(bank) = self.vacancies.first() {
            if let Some(slot) = self.reserve_in(banks, bank) {
                return Some(Place { bank, slot });
            }
        }
        None
    }

    /// One pass over the banks, for a vacancy that is not in the set at the moment.
    #[cold]
    fn reserve_of_all(&self, banks: &Banks<S>) -> Option<Place> {
        (0..banks.len())
            .find_map(|bank| self.reserve_in(banks, bank).map(|slot| Place { bank, slot }))
    }

    fn reserve_in(&self, banks: &Banks<S>, bank: usize) -> Option<usize> {
        let slot = banks[bank].reserve();
        if banks[bank].load().vacant() == 0 {
            self.vacancies.discard(bank);
            // After the discard: a slot that became vacant before it is seen here, and one that
            // becomes vacant later is put into the set by `vacate`.
            if banks[bank].load().vacant() != 0 {
                self.vacancies.insert(bank);
            }
        }
        slot
    }

    #[cfg(loom)]
    pub(crate) fn has_vacancy_in_set(&self) -> bool {
        !self.vacancies.is_empty()
    }

    /// Makes a held slot vacant.
    pub(crate) fn vacate(&self, banks: &Banks<S>, place: Place) {
        self.seat(place).retired();
        // In this order: a permit says that a vacancy can be found.
        banks[place.bank].retire(place.slot);
        self.vacancies.insert(place.bank);
        self.places.release(1);
    }

    /// The key of the client that sits, or sat last, at this place.
    #[inline]
    pub(crate) fn key(&self, place: Place) -> ClientKey {
        let generation = self.seat(place).generation();
        // Even: the client of the generation before is leaving.
        let sat = if generation.is_multiple_of(2) { before(generation) } else { generation };
        self.key_of(place, sat)
    }

    #[inline]
    pub(crate) fn key_of(&self, place: Place, generation: u32) -> ClientKey {
        ClientKey { index: place.index() as u32, generation }
    }

    /// The seat a key speaks of; `None` if it is a key of another, larger queue.
    #[inline]
    pub(crate) fn seat_of(&self, key: ClientKey) -> Option<&Seat> {
        let Place { bank, slot } = key.place();
        self.seats.as_ref().get(bank).map(|seats| &seats[slot])
    }

    /// Whether the client of this key is registered.
    #[inline]
    pub(crate) fn holds(&self, key: ClientKey) -> bool {
        self.seat_of(key).is_some_and(|seat| seat.is_of(key))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::bank::Bank;
    use crate::slot::beyond;
    use crate::storage::Static;

    const BANKS: usize = 2;

    fn registry(places: usize) -> (Registry<Static<BANKS>>, Banks<Static<BANKS>>) {
        let seats = [const { [const { Seat::empty() }; SLOTS] }; BANKS];
        let banks = core::array::from_fn(|bank| Bank::with_held(beyond(bank, places)));
        let banks = Banks::side_by_side(banks);
        let vacancies = Sweep::const_holding(places.div_ceil(SLOTS));
        (Registry::new(seats, vacancies, places), banks)
    }

    fn places() -> impl Iterator<Item = Place> {
        (0..BANKS).flat_map(|bank| (0..SLOTS).map(move |slot| Place { bank, slot }))
    }

    #[test]
    fn a_key_names_its_place() {
        let (registry, _) = registry(BANKS * SLOTS);
        for (index, place) in places().enumerate() {
            let key = registry.key_of(place, 7);
            assert_eq!((key.index(), key.generation(), key.place()), (index, 7, place));
            assert_eq!(
                std::format!("{key} {key:?}"),
                std::format!("{index}.7 ClientKey({index}.7)")
            );
        }
    }

    #[test]
    #[cfg(feature = "std")]
    fn later_clients_of_a_place_are_told_from_earlier_ones_also_when_generations_wrap() {
        let last = before(0); // the highest generation there is
        for (first, then) in [(1, 3), (1, 1001), (last - 1, last), (last, 1)] {
            let (first, then) = (ClientKey::of(5, first), ClientKey::of(5, then));
            assert!(first.came_before(then) && !then.came_before(first), "{first} {then}");
            assert!(!first.came_before(first));
        }
    }

    #[test]
    fn there_are_as_many_places_as_permits() {
        let (registry, banks) = registry(SLOTS + 2);
        assert_eq!((registry.capacity(), registry.taken()), (SLOTS + 2, 0));
        for (taken, place) in places().take(SLOTS + 2).enumerate() {
            assert_eq!(registry.taken(), taken);
            assert_eq!(registry.reserve(&banks), Some(place));
        }
        assert_eq!(registry.reserve(&banks), None);
        // Wherever the search has come to, it goes round.
        for place in places().take(SLOTS + 2) {
            assert!(registry.seat(place).retire());
            registry.vacate(&banks, place);
            assert_eq!(registry.taken(), SLOTS + 1);
            assert_eq!(registry.reserve(&banks), Some(place));
            let generation = registry.seat(place).occupy();
            let key = registry.key_of(place, generation);
            assert!(registry.seat(place).begin_edit(generation));
            assert!(!registry.seat(place).end_edit(), "the last client's end is over");
            assert!(registry.holds(key) && registry.key(place) == key);
            assert!(registry.seat(place).release(generation));
            assert!(!registry.holds(key));
            assert_eq!(registry.key(place), key, "it is leaving");
        }
    }

    /// As when another thread has discarded the bank, and not looked at it again yet.
    #[test]
    fn a_vacancy_that_is_not_in_the_set_is_found_too() {
        let (registry, banks) = registry(SLOTS + 1);
        let last = Place { bank: 1, slot: 0 };
        registry.vacancies.discard(0);
        assert_eq!(registry.reserve(&banks), Some(last), "in the set");
        for place in places().take(SLOTS) {
            assert_eq!(registry.reserve(&banks), Some(place));
        }
        assert_eq!(registry.reserve(&banks), None);
        registry.vacate(&banks, last);
        registry.vacancies.discard(last.bank);
        assert_eq!(registry.reserve(&banks), Some(last));
    }

    /// Each look at the set finds a vacancy at once: no full bank stays in it, and no other is
    /// missing.
    #[test]
    fn the_set_holds_the_banks_with_vacancies() {
        let (registry, banks) = registry(BANKS * SLOTS);
        for place in places() {
            assert_eq!(registry.vacancies.first(), Some(place.bank));
            assert_eq!(registry.reserve(&banks), Some(place));
        }
        assert_eq!(registry.vacancies.first(), None);
        let places: std::vec::Vec<_> = places().collect();
        for &place in places.iter().rev() {
            registry.vacate(&banks, place);
            assert_eq!(registry.vacancies.first(), Some(place.bank));
        }
    }

    #[test]
    fn a_key_of_another_queue_names_no_seat() {
        let (registry, _) = registry(1);
        let far = registry.key_of(Place { bank: BANKS, slot: 0 }, 0);
        assert!(registry.seat_of(far).is_none() && !registry.holds(far));
        assert!(registry.seat_of(registry.key_of(Place { bank: BANKS - 1, slot: 3 }, 1)).is_some());
    }

    #[test]
    fn a_seat_counts_its_clients() {
        let seat = Seat::empty();
        for client in 0..300 {
            let generation = 2 * client + 1;
            assert_eq!(seat.occupy(), generation);
            assert_eq!(seat.generation(), generation);
            assert_eq!(before(generation), generation - 1);
            assert!(!seat.release(generation + 2) && !seat.begin_edit(generation - 1));
            assert!(seat.release(generation));
            assert!(!seat.release(generation) && !seat.begin_edit(generation), "it has left");
        }
    }

    #[test]
    fn the_last_of_owner_and_editors_retires_the_slot() {
        for editors in 0..3 {
            let seat = Seat::empty();
            let generation = seat.occupy();
            (0..editors).for_each(|_| assert!(seat.begin_edit(generation)));
            // One that ends while the client is there retires nothing.
            assert!(seat.begin_edit(generation) && !seat.end_edit());
            assert!(seat.release(generation));
            assert_eq!(seat.retire(), editors == 0);
            for left in (0..editors).rev() {
                assert_eq!(seat.end_edit(), left == 0);
            }
            seat.retired();
            assert_eq!(seat.generation(), generation + 1);
        }
    }

    #[test]
    fn generations_wrap_where_the_word_ends() {
        let seat = Seat(AtomicUsize::new(usize::MAX << GENERATION_SHIFT));
        let last = seat.generation();
        assert!(seat.release(last), "odd: somebody sits there");
        assert_eq!((seat.generation(), before(0)), (0, last));
        assert_eq!(seat.occupy(), 1);
    }
}
