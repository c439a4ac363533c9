//! `crossbeam_queue::ArrayQueue` as loom sees it: a bounded queue behind a loom mutex.

use std::collections::VecDeque;

use loom::sync::Mutex;

/// As `crossbeam_queue::ArrayQueue`.
pub struct ArrayQueue<T> {
    places: usize,
    queue: Mutex<VecDeque<T>>,
}

impl<T> ArrayQueue<T> {
    /// As the original.
    pub fn new(places: usize) -> Self {
        assert!(places > 0, "capacity must be non-zero");
        ArrayQueue { places, queue: Mutex::new(VecDeque::new()) }
    }

    /// As the original: gives the value back when the queue is full.
    pub fn push(&self, value: T) -> Result<(), T> {
        let mut queue = self.queue.lock().expect("no panic while it is held");
        if queue.len() == self.places {
            return Err(value);
        }
        queue.push_back(value);
        Ok(())
    }

    /// As the original.
    pub fn pop(&self) -> Option<T> {
        self.queue.lock().expect("no panic while it is held").pop_front()
    }
}
