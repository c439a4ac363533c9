//! What pushlane uses of `event_listener`, as loom sees it: a list of listeners behind a loom
//! mutex.
//!
//! The contract that is kept: a notification goes to listeners that were made before it, first come
//! first served; `n` additional ones wake `n` listeners that no earlier one has reached; a listener
//! that is dropped after it was notified, and before it noticed, passes its notification on.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::sync::Mutex;

#[derive(Default)]
struct List {
    next: usize,
    waiting: VecDeque<Entry>,
}

struct Entry {
    id: usize,
    notified: bool,
    waker: Option<Waker>,
}

/// As `event_listener::Event`.
pub struct Event(Arc<Mutex<List>>);

/// As `event_listener::EventListener`.
pub struct EventListener {
    list: Arc<Mutex<List>>,
    id: usize,
}

/// How many listeners a notification reaches.
pub struct Additional(usize);

/// As the trait of the same name.
pub trait IntoNotification: Sized {
    /// As the original.
    fn additional(self) -> Additional;
}

impl IntoNotification for usize {
    fn additional(self) -> Additional {
        Additional(self)
    }
}

impl Default for Event {
    fn default() -> Self {
        Event::new()
    }
}

impl Event {
    /// As the original, but not in a constant.
    pub fn new() -> Self {
        Event(Arc::new(Mutex::new(List::default())))
    }

    /// As the original.
    pub fn listen(&self) -> EventListener {
        let mut list = self.0.lock().expect("no panic while it is held");
        let id = list.next;
        list.next += 1;
        list.waiting.push_back(Entry { id, notified: false, waker: None });
        EventListener { list: Arc::clone(&self.0), id }
    }

    /// As the original, for `n.additional()`.
    pub fn notify(&self, Additional(n): Additional) -> usize {
        let mut list = self.0.lock().expect("no panic while it is held");
        notify(&mut list, n)
    }
}

fn notify(list: &mut List, n: usize) -> usize {
    let mut notified = 0;
    for entry in list.waiting.iter_mut().filter(|entry| !entry.notified).take(n) {
        entry.notified = true;
        notified += 1;
        if let Some(waker) = entry.waker.take() {
            waker.wake();
        }
    }
    notified
}

impl EventListener {
    /// Takes the listener off the list; true if it had been notified.
    fn remove(&self, list: &mut List) -> bool {
        let position = list.waiting.iter().position(|entry| entry.id == self.id);
        position.and_then(|at| list.waiting.remove(at)).is_some_and(|entry| entry.notified)
    }
}

impl Future for EventListener {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut list = self.list.lock().expect("no panic while it is held");
        match list.waiting.iter_mut().find(|entry| entry.id == self.id) {
            Some(entry) if !entry.notified => {
                entry.waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => {
                self.remove(&mut list);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        let mut list = self.list.lock().expect("no panic while it is held");
        if self.remove(&mut list) {
            notify(&mut list, 1);
        }
    }
}
