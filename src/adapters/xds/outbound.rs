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
use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::encoding::{Encoding, PART};
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
    /// The first is kept in place: as a rule there is no other.
    next: Option<(Reply, Instant)>,
    more: VecDeque<(Reply, Instant)>,
    /// How the stream ends, once what is queued has been read.
    end: Option<Result<(), tonic::Status>>,
    /// When the transport last took a part of a response of which it has not taken all.
    part: Option<Instant>,
    reader: Option<Waker>,
}

impl State {
    fn pop(&mut self) -> Option<(Reply, Instant)> {
        let next = self.next.take()?;
        self.next = self.more.pop_front();
        Some(next)
    }

    fn clear(&mut self) {
        self.next = None;
        self.more.clear();
    }
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
        Responses { shared: Arc::clone(&self.0), begun: None, ended: false, wire: PhantomData }
    }

    pub(super) fn send(&self, reply: Reply, now: Instant) {
        let mut state = lock(&self.0);
        if state.next.is_none() {
            state.next = Some((reply, now));
        } else {
            state.more.push_back((reply, now));
        }
        wake(state);
    }

    /// Since when the transport has taken nothing although there is something to take.
    pub(super) fn unread_since(&self) -> Option<Instant> {
        let state = lock(&self.0);
        state.part.or_else(|| state.next.as_ref().map(|(_, since)| *since))
    }

    /// Nothing more follows. An error overtakes what is queued.
    pub(super) fn end(&self, result: Result<(), tonic::Status>) {
        let mut state = lock(&self.0);
        if result.is_err() {
            state.clear();
        }
        state.end.get_or_insert(result);
        wake(state);
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

/// The transport's end: the body of the response, in the words of one protocol.
///
/// A response is encoded when the transport asks for it, and handed over in parts: HTTP/2 takes a
/// piece of any size into its buffer, for as long as the client doesn't read. Of parts it takes as
/// many as its buffer has room for, and the rest waits here, where it shows that nothing moves.
pub(super) struct Responses<W> {
    shared: Arc<Shared>,
    /// The response of which a part has been taken.
    begun: Option<Encoding>,
    ended: bool,
    wire: PhantomData<fn() -> W>,
}

impl<W: Wire> HttpBody for Responses<W> {
    type Data = Bytes;
    type Error = tonic::Status;

    /// The next part of a response, or several small ones.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut part = Vec::new();
        let mut encoding = self.begun.take();
        loop {
            if let Some(begun) = &mut encoding {
                let whole = if part.is_empty() { begun.whole() } else { None };
                if whole.is_some() || !begun.fill::<W>(&mut part) {
                    self.begun = encoding;
                    lock(&self.shared).part = Some(Instant::now());
                    let part = whole.unwrap_or_else(|| part.into());
                    return Poll::Ready(Some(Ok(Frame::data(part))));
                }
            }
            let mut state = lock(&self.shared);
            if part.len() < PART
                && let Some((reply, since)) = state.pop()
            {
                // Until all of it has been taken.
                state.part = Some(since);
                drop(state);
                encoding = Some(Encoding::begin::<W>(reply, &mut part));
                continue;
            }
            state.part = None;
            if !part.is_empty() {
                drop(state);
                return Poll::Ready(Some(Ok(Frame::data(part.into()))));
            }
            let Some(end) = state.end.take() else {
                if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
                    state.reader = Some(context.waker().clone());
                }
                return Poll::Pending;
            };
            drop(state);
            self.ended = true;
            let mut trailers = HeaderMap::with_capacity(3);
            let status = end.err().unwrap_or_else(|| tonic::Status::ok(""));
            // What can't be said in a header is left out.
            let _ = status.add_header(&mut trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<W> Drop for Responses<W> {
    fn drop(&mut self) {
        lock(&self.shared).clear();
        self.shared.info.mailbox.end(Notice::Left);
    }
}
