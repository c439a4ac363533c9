//! An adapter's keeper, a task or a thread: deadlines, the ends of waits, and the adapter's end.

use alloc::vec::Vec;
use core::time::Duration;

use super::Pushes;
use crate::adapters::book::{Book, Due, Entry, Handler, Phase};
use crate::adapters::builder::shielded;
use crate::adapters::observe::Moment;
use crate::adapters::outcome::EvictReason;
use crate::adapters::push::Handle;
use crate::adapters::waiting::Either;
use crate::adapters::wake::{Listener, notify};
use crate::queue::{Outlook, Serve};
use crate::slot::Lane;

impl<Q: Handle> Pushes<Q> {
    /// What the keeper waits for beside the clock.
    pub(in crate::adapters) fn disturbed(&self) -> Either {
        let is_cut_short = self.options.backoff.is_cut_short && self.stats().backing_off > 0;
        let interruptions = || Listener::of(self.queue.as_queue().signal().interruptions());
        Either { ready: Listener::of(&self.changed), end: is_cut_short.then(interruptions) }
    }

    /// Ends the waits of clients that have left, or that have urgent work.
    fn cut_short(&self) {
        let mut book = self.book();
        let Book { clients, due, .. } = &mut *book;
        let cut = |entry: &mut Entry<Q>| {
            let push = entry.push.as_ref().filter(|push| push.phase == Phase::Waiting)?;
            match push.lease.as_ref()?.outlook() {
                Outlook::Gone | Outlook::Superseded(Lane::Urgent) => {}
                Outlook::Current | Outlook::Superseded(Lane::Normal) => return None,
            }
            due.remove(&(push.due?, entry.client.index()));
            entry.take_waiting()
        };
        let ended: Vec<_> = clients.values_mut().filter_map(cut).collect();
        drop(book);
        ended.into_iter().for_each(|lease| self.end(lease, false));
    }

    /// Works off what is due, and says when to come again. `stuck` is called for each thread that
    /// has to be given up.
    #[cfg_attr(not(feature = "blocking"), allow(unused_variables))]
    pub(in crate::adapters) fn turn(&self, stuck: &mut dyn FnMut()) -> Option<Duration> {
        if self.options.backoff.is_cut_short {
            self.cut_short();
        }
        self.look();
        loop {
            let mut book = self.book();
            let now = self.now();
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
                            let rest = self.settle(&mut book, client);
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
                    book.armed = due.into_iter().chain(drain_by).chain(look).min();
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
        let waiting: Vec<_> = book.clients.values_mut().filter_map(Entry::take_waiting).collect();
        let Book { clients, due, .. } = &mut *book;
        due.retain(|(_, place)| clients.get(place).is_some_and(|entry| entry.push.is_some()));
        drop(book);
        waiting.into_iter().for_each(|lease| self.end(lease, false));
        notify(&self.changed, usize::MAX);
        notify(&self.stopped, usize::MAX);
    }
}
