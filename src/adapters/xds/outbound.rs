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
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prost::Message;

use super::inbound::HEADER;
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
        Responses {
            shared: Arc::clone(&self.0),
            rest: Bytes::new(),
            ended: false,
            wire: PhantomData,
        }
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
/// A message is encoded when the transport asks for it, into memory of exactly its size, and handed
/// over in parts: HTTP/2 takes a piece of any size into its buffer, for as long as the client
/// doesn't read. Of parts it takes as many as its buffer has room for, and the rest waits here,
/// where it shows that nothing moves.
pub(super) struct Responses<W> {
    shared: Arc<Shared>,
    rest: Bytes,
    ended: bool,
    wire: PhantomData<fn() -> W>,
}

/// HTTP/2's own frames are no larger.
const PART: usize = 16 << 10;

impl<W: Wire> Responses<W> {
    /// The next messages, encoded: one, or several small ones.
    fn messages(&self) -> Option<Bytes> {
        let mut messages = BytesMut::new();
        while messages.len() < PART {
            let mut state = lock(&self.shared);
            let Some((reply, _)) = state.replies.pop_front() else { break };
            // Until all of it has been taken.
            state.part = Some(Instant::now());
            drop(state);
            let message = W::write(reply);
            let length = message.encoded_len();
            messages.reserve(HEADER + length);
            messages.put_u8(0);
            messages.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
            // There is room for it.
            let _ = message.encode(&mut messages);
        }
        (!messages.is_empty()).then(|| messages.freeze())
    }

    fn part(&mut self) -> Frame<Bytes> {
        let part = self.rest.split_to(self.rest.len().min(PART));
        let more = !self.rest.is_empty();
        lock(&self.shared).part = more.then(Instant::now);
        if !more {
            self.rest = Bytes::new();
        }
        Frame::data(part)
    }
}

impl<W: Wire> HttpBody for Responses<W> {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if self.rest.is_empty() {
            if self.ended {
                return Poll::Ready(None);
            }
            self.rest = self.messages().unwrap_or_default();
        }
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.part())));
        }
        let mut state = lock(&self.shared);
        if !state.replies.is_empty() {
            // They came just now.
            drop(state);
            return self.poll_frame(context);
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
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
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
        lock(&self.shared).replies.clear();
        self.shared.info.mailbox.end(Notice::Left);
    }
}
