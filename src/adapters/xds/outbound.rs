//! The responses of one stream on their way out.
//!
//! Bounded by itself: of each type there is at most one response that has not been answered.

use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::prelude::v1::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::tokio::time::Instant;
use tonic::codegen::tokio_stream::Stream;

use super::mailbox::Notice;
use super::status::StreamInfo;
use super::subscription::Reply;
use super::wire::Wire;

/// The stream's end of it.
pub(super) struct Outbound(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Whose responses they are.
    info: Arc<StreamInfo>,
}

#[derive(Default)]
struct State {
    replies: VecDeque<(Reply, Instant)>,
    /// How the stream ends, once what is queued has been read.
    end: Option<Result<(), tonic::Status>>,
    /// When the transport last took a part of a response of which it has not taken all.
    part: Option<Instant>,
    reader: Option<Waker>,
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outbound {
    pub(super) fn new(info: Arc<StreamInfo>) -> Self {
        Outbound(Arc::new(Shared { state: Mutex::default(), info }))
    }

    /// The transport's end.
    pub(super) fn responses<W>(&self) -> Responses<W> {
        Responses { state: Arc::clone(&self.0), wire: PhantomData }
    }

    pub(super) fn send(&self, reply: Reply) {
        let mut state = lock(&self.0);
        if state.replies.capacity() == 0 {
            state.replies.reserve_exact(1);
        }
        state.replies.push_back((reply, Instant::now()));
        wake(state);
    }

    /// Since when the transport has taken nothing although there is something to take.
    pub(super) fn unread_since(&self) -> Option<Instant> {
        let state = lock(&self.0);
        state.part.or_else(|| state.replies.front().map(|(_, since)| *since))
    }

    /// Where the transport says how far it has come.
    pub(super) fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.0))
    }

    /// Nothing more follows. An error overtakes what is queued.
    pub(super) fn end(&self, result: Result<(), tonic::Status>) {
        let mut state = lock(&self.0);
        if result.is_err() {
            state.replies.clear();
        }
        state.end.get_or_insert(result);
        wake(state);
    }
}

/// How far the transport has come with a response that it takes in parts.
#[derive(Clone)]
pub(super) struct Progress(Arc<Shared>);

impl Progress {
    /// A part has been taken; there is more of it, or not.
    pub(super) fn took(&self, more: bool) {
        lock(&self.0).part = more.then(Instant::now);
    }
}

/// Wakes the transport, after the lock is released.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.reader.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A stream task that ends, whatever the reason, ends its responses.
impl Drop for Outbound {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

/// The transport's end: responses in the words of one protocol.
pub(super) struct Responses<W> {
    state: Arc<Shared>,
    wire: PhantomData<fn() -> W>,
}

impl<W: Wire> Stream for Responses<W> {
    type Item = Result<W::Response, tonic::Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = lock(&self.state);
        if let Some((reply, _)) = state.replies.pop_front() {
            // Until it says that it has all of it.
            state.part = Some(Instant::now());
            drop(state);
            return Poll::Ready(Some(Ok(W::write(reply))));
        }
        match &mut state.end {
            Some(end) => match core::mem::replace(end, Ok(())) {
                Ok(()) => Poll::Ready(None),
                Err(status) => Poll::Ready(Some(Err(status))),
            },
            None => {
                if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
                    state.reader = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl<W> Drop for Responses<W> {
    fn drop(&mut self) {
        lock(&self.state).replies.clear();
        self.state.info.mailbox.end(Notice::Left);
    }
}
