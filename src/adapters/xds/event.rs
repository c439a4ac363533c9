//! [`Event`]: what an operator may want to read in a log.

use core::fmt;
use std::prelude::v1::*;

use super::resource::TypeUrl;
use super::status::StreamId;

/// Something that an operator should know: given to [`Builder::observe`](super::Builder::observe).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A response is larger than [`response_bytes`](super::Limits::response_bytes) and can't be
    /// split: a complete set, or one resource. It is sent all the same.
    Oversized {
        /// The stream that it is sent to.
        stream: StreamId,
        /// The client's identifier.
        node_id: String,
        /// The type.
        type_url: TypeUrl,
        /// How large the response is.
        bytes: usize,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Oversized { node_id, type_url, bytes, .. } => write!(
                f,
                "{node_id} is sent {bytes} bytes of {}, which can't be split",
                type_url.short()
            ),
        }
    }
}
