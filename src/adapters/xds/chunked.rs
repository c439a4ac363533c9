//! A response body in small parts.
//!
//! gRPC encodes a message as one piece, and HTTP/2 takes a piece of any size into its buffer, for as long as the
//! client doesn't read. In parts, it takes as many as its buffer has room for, and the rest waits here, where it can
//! be seen that nothing moves.

use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::outbound::Progress;

/// HTTP/2's own frames are no larger.
const PART: usize = 16 << 10;

pub(super) struct Chunked {
    body: Body,
    rest: Bytes,
    progress: Progress,
}

impl Chunked {
    pub(super) fn new(body: Body, progress: Progress) -> Self {
        Chunked { body, rest: Bytes::new(), progress }
    }

    fn part(&mut self) -> Frame<Bytes> {
        let part = self.rest.split_to(self.rest.len().min(PART));
        self.progress.took(self.rest.has_remaining());
        Frame::data(part)
    }
}

impl HttpBody for Chunked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.rest.has_remaining() {
            return Poll::Ready(Some(Ok(self.part())));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => return other,
        };
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => {
                self.rest = data;
                self.part()
            }
            Err(trailers) => trailers,
        })))
    }

    fn is_end_stream(&self) -> bool {
        !self.rest.has_remaining() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
