//! An adapter's keeper, a task or a thread: deadlines, the ends of waits, and the adapter's end.

use alloc::vec::Vec;
use core::time::Duration;

use super::Pushes;
use crate::adapters::book::{Book, Due, Handler, Phase, Watch};
use crate::adapters::builder::shielded;
use crate::adapters::observe::Moment;
use crate::adapters::outcome::EvictReason;
use crate::adapters::push::Handle;
use crate::adapters::waiting::Either;
use crate::adapters::wake::{Listener, notify};
use crate::lease::Lease;
use crate::queue::{Outlook, Serve};
use crate::slot::Lane;

/// How long to wait at least between two looks at the clients that wait.
const REVIEWS: Duration = Duration::from_millis(10);
/// And how many times as long as a look takes.
const SHARE: u32 = 20;

impl<Q: Handle> Pushes<Q> {
    /// What the keeper waits for beside the clock.
    pub(in crate::adapters) fn disturbed(&self) -> Either {
        // First: a client that begins to wait from here on finds a listener, or is seen below.
        let ready = Listener::of(&self.changed);
        let now = self.now();
        let mut book = self.book();
        book.watch = match book.waiting.is_empty() {
            true => Watch::Off,
            false if now < book.next_review => Watch::Later,
            false => Watch::Listening,
        };
        let listens = book.watch == Watch::Listening;
        drop(book);
        let interruptions = || Listener::of(self.queue.as_queue().signal().interruptions());
        Either { ready, end: listens.then(interruptions) }
    }

    /// Ends the waits of clients that have left and, if it is to be so, of those that have urgent
    /// work. It looks at each client that waits, so it takes its time in between.
    fn review(&self) {
        let began = self.now();
        let mut book = self.book();
        if book.waiting.is_empty() || began < book.next_review {
            return;
        }
        let Book { clients, waiting, .. } = &*book;
        let is_over = |place: &&usize| {
            let push = clients.get(place).and_then(|entry| entry.push.as_ref());
            match push.and_then(|push| push.lease.as_ref()).map(Lease::outlook) {
                Some(Outlook::Gone) => true,
                Some(Outlook::Superseded(Lane::Urgent)) => self.options.backoff.is_cut_short,
                _ => false,
            }
        };
        let over: Vec<_> = waiting.iter().filter(is_over).copied().collect();
        let ended: Vec<_> = over.into_iter().filter_map(|place| book.take_waiting(place)).collect();
        drop(book);
        ended.into_iter().for_each(|lease| self.end(lease, false));
        let now = self.now();
        let pause = REVIEWS.max(now.saturating_sub(began).saturating_mul(SHARE));
        self.book().next_review = now.saturating_add(pause);
    }

    /// Works off what is due, and says when to come again. `stuck` is called for each thread that
    /// has to be given up.
    #[cfg_attr(not(feature = "blocking"), allow(unused_variables))]
    pub(in crate::adapters) fn turn(&self, stuck: &mut dyn FnMut()) -> Option<Duration> {
        self.review();
        self.look();
        loop {
            let now = self.now();
            let mut book = self.book();
            if !book.is_stopping && book.drain_by.is_some_and(|by| by <= now) {
                drop(book);
                self.stop();
                continue;
            }
            match book.due.first().copied().filter(|(due, _)| *due <= now) {
                Some(next) => {
                    book.due.remove(&next);
                    match book.come_due(next.1) {
                        Due::Retry(lease) => {
                            drop(book);
                            self.end(lease, false);
                        }
                        Due::Expired(client, handler) => {
                            let rest = self.settle(&mut book, client, now);
                            let is_over = rest.is_some();
                            drop(book);
                            self.finish(rest);
                            if !is_over {
                                let limit = self.options.limit.unwrap_or_default();
                                self.evict(client, EvictReason::Deadline(limit));
                            }
                            // Stopped before, it would give its push back, to be leased once more.
                            match handler {
                                Handler::Task(abort) => abort.abort(),
                                #[cfg(feature = "blocking")]
                                Handler::Thread => stuck(),
                                Handler::Returned => {}
                            }
                        }
                        Due::Nothing => {}
                    }
                }
                None => {
                    let drain_by = book.drain_by.filter(|_| !book.is_stopping);
                    let due = book.due.first().map(|(due, _)| *due);
                    let look = self.options.observer.next_look().filter(|_| !book.is_stopping);
                    let review = (book.watch == Watch::Later).then_some(book.next_review);
                    book.armed = due.into_iter().chain(drain_by).chain(look).chain(review).min();
                    return book.armed;
                }
            }
        }
    }

    /// Looks at the queue for the metrics, if it is time.
    fn look(&self) {
        let (observer, now) = (&self.options.observer, self.now());
        if observer.next_look().is_none_or(|look| now < look) {
            return;
        }
        let mut moment = Moment::default();
        let book = self.book();
        for entry in book.clients.values() {
            let Some(push) = &entry.push else { continue };
            if push.phase == Phase::Waiting {
                moment.backing_off += 1;
            } else {
                moment.in_progress.push(entry.client);
                moment.longest = moment.longest.into_iter().chain([push.begun.at]).min();
            }
        }
        drop(book);
        shielded(|| observer.look(&self.queue, now, &moment));
    }

    /// Nothing begins any more, and nothing waits: clients that back off go back into the queue.
    pub(in crate::adapters) fn stop(&self) {
        let mut book = self.book();
        book.is_stopping = true;
        let places: Vec<_> = book.waiting.iter().copied().collect();
        let waiting: Vec<_> =
            places.into_iter().filter_map(|place| book.take_waiting(place)).collect();
        drop(book);
        waiting.into_iter().for_each(|lease| self.end(lease, false));
        notify(&self.changed, usize::MAX);
        notify(&self.stopped, usize::MAX);
    }
}
