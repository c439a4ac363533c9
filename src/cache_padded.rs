//! [`CachePadded`]: what different threads write at the same time lies on different cache lines.

use core::ops::Deref;

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
