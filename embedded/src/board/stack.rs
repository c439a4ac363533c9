//! How deep the stack went. It grows towards the statics, and nothing but this would notice it
//! among them.

use core::ptr;

const PAINT: usize = 0xa5a5_5a5a;

/// The rest of the painting frame. No interrupt comes while it paints.
const FRAME: usize = 128;

/// The memory that the stack may grow into, painted.
pub(crate) struct Stack {
    words: usize,
}

unsafe extern "C" {
    /// Where the statics end, by the runtime's linker script; there is no heap.
    #[link_name = "__sheap"]
    static END: usize;
}

impl Stack {
    /// Paints what is free.
    #[inline(never)] // a caller's frame may be large, and lie on both sides of a local
    pub(crate) fn paint() -> Stack {
        let here = 0_u8;
        let top = ptr::from_ref(&here).addr() - FRAME;
        let stack = Stack { words: (top - Stack::end().addr()) / size_of::<usize>() };
        for word in 0..stack.words {
            // SAFETY: between the statics and the stack, so it is nobody's.
            unsafe { Stack::end().wrapping_add(word).write_volatile(PAINT) };
        }
        stack
    }

    fn end() -> *mut usize {
        (&raw const END).cast_mut()
    }

    fn is_painted(word: usize) -> bool {
        // SAFETY: memory that is there, and any word is a number.
        let now = unsafe { Stack::end().wrapping_add(word).read_volatile() };
        now == PAINT
    }

    /// Whether the last word of it has been used, and so perhaps what comes after.
    pub(crate) fn is_full(&self) -> bool {
        !Stack::is_painted(0)
    }

    /// How many bytes have never been used.
    pub(crate) fn left(&self) -> usize {
        let painted = (0..self.words).take_while(|&word| Stack::is_painted(word));
        painted.count() * size_of::<usize>()
    }
}
