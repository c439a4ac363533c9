//! One `tokio::sync::Notify` for each client, and a future that waits for it: what is written when
//! there is a task for each connection.
//!
//! A permit is kept for a client that nobody waits for at the moment, so nothing is lost, and two
//! notifications merge into one. (A third makes a push too many, unless one looks for the permit
//! before serving, as is done here.) The futures are in one `FuturesUnordered`, which is what an
//! executor does with tasks, without the executor: those that were woken are polled, the others are
//! not touched.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::future::{Join, Ready, join, ready};
use futures::stream::{FuturesUnordered, Stream};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::peer::{Peer, Request};

type Waiting = Join<OwnedNotified, Ready<u32>>;

/// The clients. See the [module](self).
pub struct NotifyEach<R: Request> {
    clients: Box<[(Arc<Notify>, R::Cell)]>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    waiting: FuturesUnordered<Waiting>,
    /// Those that were found notified when another one began to wait.
    woken: VecDeque<u32>,
}

impl Tasks {
    /// Polls those that were woken until one of them has been notified.
    fn poll(&mut self) -> Option<u32> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(&mut self.waiting).poll_next(&mut context) {
            Poll::Ready(next) => next.map(|((), client)| client),
            Poll::Pending => None,
        }
    }

    /// A task is back at its `await`: it is polled once, and waits from then on.
    fn wait(&mut self, task: Waiting) {
        self.waiting.push(task);
        let woken = self.poll();
        self.woken.extend(woken);
    }
}

/// One client being served.
#[derive(Debug)]
pub struct Work<R> {
    client: u32,
    request: R,
}

impl<R: Request> fmt::Debug for NotifyEach<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyEach").finish_non_exhaustive()
    }
}

impl<R: Request> NotifyEach<R> {
    fn task(&self, client: u32) -> Waiting {
        join(Arc::clone(&self.clients[client as usize].0).notified_owned(), ready(client))
    }

    /// The next client that has been notified.
    fn next(&self) -> Option<u32> {
        let mut tasks = self.tasks.lock();
        let client = tasks.woken.pop_front().or_else(|| tasks.poll())?;
        drop(tasks);
        // What was notified since the first time left a permit, which is for this push as well.
        pin!(self.clients[client as usize].0.notified()).enable();
        Some(client)
    }
}

impl<R: Request> Peer for NotifyEach<R> {
    type Request = R;
    type Lease<'a>
        = Work<R>
    where
        R: 'a;

    fn with_clients(clients: u32) -> Self {
        let this = NotifyEach {
            clients: (0..clients).map(|_| Default::default()).collect(),
            tasks: Mutex::default(),
        };
        (0..clients).for_each(|client| this.tasks.lock().wait(this.task(client)));
        this
    }

    fn publish(&self, client: u32, request: &R) {
        let (notify, cell) = &self.clients[client as usize];
        request.record(cell);
        notify.notify_one();
    }

    fn lease(&self) -> Option<Work<R>> {
        loop {
            let client = self.next()?;
            if let Some(request) = R::take(&self.clients[client as usize].1) {
                return Some(Work { client, request });
            }
            // An earlier lease took it between its record and its notification.
            self.tasks.lock().wait(self.task(client));
        }
    }

    fn client(work: &Work<R>) -> u32 {
        work.client
    }

    fn request(work: &Work<R>) -> &R {
        &work.request
    }

    fn done(&self, work: Work<R>) {
        self.tasks.lock().wait(self.task(work.client));
    }
}
