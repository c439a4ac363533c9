//! Serving a queue with tokio: each handler is a task of its own.

use core::future::Future;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use ::tokio::task::JoinSet;
use ::tokio::time::sleep;

use super::builder::Builder;
use super::dispatcher::{Dispatcher, Tasks};
use super::outcome::Outcome;
use super::push::{Handle, Push};
use super::timer::TokioTimer;

impl<Q: Handle> Builder<Q> {
    /// Serves the queue with tokio: spawns a task that begins leases, and one for each handler.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one whose timer is not enabled.
    pub fn start<H, F>(self, handler: H) -> Dispatcher<Q>
    where
        H: Fn(Push<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        // Panics here, where it is seen, rather than in the task.
        drop(sleep(Duration::ZERO));
        let (dispatcher, serving) = self.run_in(TokioTimer::default(), JoinSet::new(), handler);
        ::tokio::spawn(serving);
        dispatcher
    }
}

impl Tasks for JoinSet<()> {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        JoinSet::spawn(self, task);
    }

    fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_join_next(context)).is_some() {}
        Poll::Ready(())
    }
}
