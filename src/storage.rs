//! Where a queue keeps its banks: on the heap, sized at run time, or in place, sized by constants.
//!
//! [`PushQueue`](crate::PushQueue) is written once over [`Storage`]; nothing grows after
//! construction.

use core::marker::PhantomData;
use core::ops::Deref;

use crate::ready::{ReadySet, Sweep};
use crate::sync::AtomicUsize;

mod sealed {
    pub trait Sealed {}

    /// One bit for each of some banks, in whole words; at least one word, except in a queue that
    /// can't be.
    pub trait Bits {
        fn words(&self) -> &[super::AtomicUsize];

        /// Whether there is no more than one word.
        fn is_one(&self) -> bool;

        /// The word, if there is no more than one. (In one answer, the two would make the word's
        /// address depend on how many there are.)
        fn only(&self) -> &super::AtomicUsize;
    }
}

pub(crate) use sealed::Bits;

/// A way to hold what a queue holds once a bank, once a bit, and once a topic.
///
/// Sealed: the two ways there are, are [`Heap`] and [`Static`].
pub trait Storage: sealed::Sealed {
    /// Whether banks may lie apart.
    #[doc(hidden)]
    const ON_HEAP: bool;
    /// One `T` a bank.
    #[doc(hidden)]
    type Banks<T>: AsRef<[T]>;
    /// One bit a bank.
    #[doc(hidden)]
    type Bits: sealed::Bits;
    /// One `T` a topic.
    #[doc(hidden)]
    type Topics<T>: AsRef<[T]>;
    /// The order of service.
    #[doc(hidden)]
    type Ready: ReadySet;
}

/// Storage on the heap, allocated once, when the queue is made. Needs feature `alloc`.
///
/// `R` is the [order of service](crate::ready): round robin, or `Fifo`.
///
/// (Without that feature the type exists, so that generic defaults mean the same in every build,
/// but no queue over it can be made.)
#[derive(Debug)]
pub struct Heap<R = Sweep>(PhantomData<fn() -> R>);

impl<R> sealed::Sealed for Heap<R> {}

/// One bit for each bank of a queue on the heap.
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub type OnHeap = HeapBits;
#[cfg(not(feature = "alloc"))]
#[doc(hidden)]
pub type OnHeap = [AtomicUsize; 0];

#[cfg(feature = "alloc")]
impl<R: ReadySet> Storage for Heap<R> {
    const ON_HEAP: bool = true;
    type Banks<T> = alloc::boxed::Box<[T]>;
    type Bits = OnHeap;
    type Topics<T> = alloc::boxed::Box<[T]>;
    type Ready = R;
}

#[cfg(not(feature = "alloc"))]
impl<R: ReadySet> Storage for Heap<R> {
    const ON_HEAP: bool = false;
    type Banks<T> = [T; 0];
    type Bits = OnHeap;
    type Topics<T> = [T; 0];
    type Ready = R;
}

/// One value of each, for `len` places.
#[cfg(feature = "alloc")]
pub(crate) fn row<T>(len: usize, make: impl FnMut() -> T) -> alloc::boxed::Box<[T]> {
    core::iter::repeat_with(make).take(len).collect()
}

/// One bit for each of `len`.
#[cfg(feature = "alloc")]
pub(crate) fn bits(len: usize) -> HeapBits {
    let words = row(len.div_ceil(usize::BITS as usize), || AtomicUsize::new(0));
    HeapBits {
        only: CachePadded(AtomicUsize::new(0)),
        more: if words.len() > 1 { words } else { Default::default() },
    }
}

/// Bits on the heap. A single word is stored inline: otherwise every publish and every lease would
/// follow a pointer between two atomic operations. It is padded, because a store to its line (a
/// cursor) delays the next operation on it.
#[cfg(feature = "alloc")]
#[doc(hidden)]
#[derive(Debug)]
pub struct HeapBits {
    only: CachePadded<AtomicUsize>,
    more: alloc::boxed::Box<[AtomicUsize]>,
}

#[cfg(feature = "alloc")]
impl Bits for HeapBits {
    fn words(&self) -> &[AtomicUsize] {
        if self.is_one() { core::slice::from_ref(&*self.only) } else { &self.more }
    }

    #[inline]
    fn is_one(&self) -> bool {
        self.more.is_empty()
    }

    #[inline]
    fn only(&self) -> &AtomicUsize {
        &self.only
    }
}

impl<const WORDS: usize> Bits for [AtomicUsize; WORDS] {
    fn words(&self) -> &[AtomicUsize] {
        self
    }

    #[inline]
    fn is_one(&self) -> bool {
        WORDS == 1
    }

    #[inline]
    fn only(&self) -> &AtomicUsize {
        &self[0]
    }
}

/// Storage in place: no heap, and the queue can live in a `static`.
///
/// * `BANKS`: banks of [`SLOTS`](crate::SLOTS) clients each.
/// * `TOPICS`: topics that clients can subscribe to.
/// * `WORDS`: machine words for one bit a bank. One word is enough for 64 banks (1,024 clients) on
///   a 64-bit target and for 32 banks (256 clients) on a 32-bit one; more banks need `BANKS /
///   usize::BITS` words, rounded up. Too few are refused when the queue is compiled.
/// * `R`: the [order of service](crate::ready).
#[derive(Debug)]
pub struct Static<
    const BANKS: usize,
    const TOPICS: usize = 0,
    const WORDS: usize = 1,
    R = Sweep<[AtomicUsize; WORDS]>,
>(PhantomData<fn() -> R>);

impl<const BANKS: usize, const TOPICS: usize, const WORDS: usize, R> sealed::Sealed
    for Static<BANKS, TOPICS, WORDS, R>
{
}

impl<const BANKS: usize, const TOPICS: usize, const WORDS: usize, R: ReadySet> Storage
    for Static<BANKS, TOPICS, WORDS, R>
{
    const ON_HEAP: bool = false;
    type Banks<T> = [T; BANKS];
    type Bits = [AtomicUsize; WORDS];
    type Topics<T> = [T; TOPICS];
    type Ready = R;
}

impl<const BANKS: usize, const TOPICS: usize, const WORDS: usize, R>
    Static<BANKS, TOPICS, WORDS, R>
{
    /// Fails to compile when `WORDS` words can't hold one bit for each of `BANKS` banks.
    #[cfg(not(loom))]
    pub(crate) const FITS: () = assert!(
        WORDS * usize::BITS as usize >= BANKS && BANKS > 0,
        "Static: WORDS * usize::BITS must be at least BANKS, and BANKS at least 1"
    );
}

/// A value with cache lines to itself, so that writing it doesn't take the neighbours away from
/// other cores.
///
/// Two lines of 64 bytes, because cores fetch them in pairs. On 32-bit targets nothing is padded:
/// they have one core and little memory, as a rule.
#[derive(Debug)]
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> Deref for CachePadded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
