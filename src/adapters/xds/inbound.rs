//! The requests of one stream, read from HTTP/2.
//!
//! Written by hand because a codec keeps a buffer for each stream, of the size of its largest
//! message. Most streams wait most of the time: here they hold no memory while they do.

use core::future::poll_fn;
use core::pin::Pin;
use std::format;
use std::prelude::v1::*;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use tonic::Status;
use tonic::codegen::Body as HttpBody;

/// Before each message: whether it is compressed, and its length.
pub(super) const HEADER: usize = 5;

pub(super) struct Requests<'a, B> {
    body: Pin<&'a mut B>,
    /// What has come of the next message. Freed with the last byte.
    buffer: BytesMut,
    most: usize,
}

/// Whether the requests are compressed: then they can't be read.
pub(super) fn is_compressed(headers: &HeaderMap) -> Option<Status> {
    let encoding = headers.get("grpc-encoding").filter(|encoding| *encoding != "identity")?;
    let mut status = Status::unimplemented(format!("requests compressed with {encoding:?}"));
    let none = tonic::metadata::MetadataValue::from_static("identity");
    status.metadata_mut().insert("grpc-accept-encoding", none);
    Some(status)
}

impl<'a, B: HttpBody> Requests<'a, B> {
    /// Requests of up to `most` bytes.
    pub(super) fn new(body: Pin<&'a mut B>, most: usize) -> Self {
        Requests { body, buffer: BytesMut::new(), most }
    }

    /// The next request, encoded. `None`: the client has closed its half, or is gone. Nothing is
    /// lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(request) = self.whole()? {
                return Ok(Some(request));
            }
            let frame = poll_fn(|context| self.body.as_mut().poll_frame(context)).await;
            match frame.map(|frame| frame.map(|frame| frame.into_data())) {
                Some(Ok(Ok(mut data))) => {
                    // As a rule it is one request, and can be read where it is.
                    if self.buffer.is_empty()
                        && self.length(data.chunk())? == Some(data.remaining())
                    {
                        data.advance(HEADER);
                        return Ok(Some(data.copy_to_bytes(data.remaining())));
                    }
                    self.buffer.reserve(data.remaining());
                    self.buffer.put(data);
                }
                // Trailers say nothing here.
                Some(Ok(Err(_))) => {}
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    /// How many bytes the request takes that begins with these, if that can be seen.
    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, Status> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [compressed, length @ ..] = *header;
        if compressed != 0 {
            return Err(Status::unimplemented("compressed requests are not read"));
        }
        let (length, most) = (u32::from_be_bytes(length) as usize, self.most);
        if length > most {
            let text = format!("a request of {length} bytes: {most} are allowed");
            return Err(Status::resource_exhausted(text));
        }
        Ok(Some(HEADER + length))
    }

    /// A request that has come as a whole.
    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let length = self.length(&self.buffer)?;
        let Some(length) = length.filter(|length| *length <= self.buffer.len()) else {
            return Ok(None);
        };
        let mut message = self.buffer.split_to(length).freeze();
        message.advance(HEADER);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;
    use core::task::{Context, Poll};

    use bytes::Bytes;
    use hyper::body::Frame;
    use prost::Message;
    use tonic::Code;

    use super::*;
    use crate::adapters::xds::proto::DiscoveryRequest;
    use crate::adapters::xds::wire::{Sotw, Wire};

    /// Frames of some bytes each.
    struct Frames(Vec<Bytes>);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let frames = &mut self.0;
            Poll::Ready((!frames.is_empty()).then(|| Ok(Frame::data(frames.remove(0)))))
        }
    }

    fn encoded(type_url: &str) -> Vec<u8> {
        let request = DiscoveryRequest { type_url: type_url.into(), ..DiscoveryRequest::default() };
        let length = (request.encoded_len() as u32).to_be_bytes();
        [&[0][..], &length, &request.encode_to_vec()].concat()
    }

    fn frames(bytes: &[u8], frame: usize) -> Frames {
        Frames(bytes.chunks(frame).map(Bytes::copy_from_slice).collect())
    }

    #[test]
    fn requests_are_found_however_they_are_cut() {
        let (one, two) = (encoded("one"), encoded(&"two".repeat(100)));
        let all = [&*one, &two, &one].concat();
        for frame in 1..=all.len() {
            let mut frames = frames(&all, frame);
            let mut requests = Requests::new(Pin::new(&mut frames), 1_000);
            for expected in ["one", &"two".repeat(100), "one"] {
                let request = pollster::block_on(requests.next()).unwrap().unwrap();
                let request = Sotw::decode(&request).unwrap();
                assert_eq!(Sotw::type_url(&request), expected);
            }
            assert_eq!(requests.buffer.capacity(), 0, "at rest it keeps no memory");
            assert!(pollster::block_on(requests.next()).unwrap().is_none());
        }
    }

    #[test]
    fn what_can_not_be_read_is_refused() {
        let refused = |bytes: &[u8]| {
            let mut frames = frames(bytes, 7);
            let next = pollster::block_on(Requests::new(Pin::new(&mut frames), 1_000).next());
            let request =
                next.and_then(|next| next.map(|it| Sotw::decode(&it).map(drop)).transpose());
            request.err().map(|status| status.code())
        };
        let long = encoded(&"n".repeat(2_000));
        assert_eq!(refused(&long), Some(Code::ResourceExhausted));
        assert_eq!(refused(&[1, 0, 0, 0, 0]), Some(Code::Unimplemented));
        assert_eq!(refused(&[0, 0, 0, 0, 1, 0xff]), Some(Code::InvalidArgument));
        // Each of the fields that are text: not UTF-8.
        for field in [1, 4, 5] {
            let bytes = [0, 0, 0, 0, 3, field << 3 | 2, 1, 0xff];
            assert_eq!(refused(&bytes), Some(Code::InvalidArgument), "{field}");
        }
        assert_eq!(refused(&[0, 0, 0]), None, "the client is gone");
    }
}
