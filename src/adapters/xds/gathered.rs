//! [`Gathered`]: what many streams of a connection write at about the same time goes out at once.
//!
//! HTTP/2 writes a response as soon as it has it. A connection with many streams would make a
//! system call, and often a packet, for each of them. Here what is written waits for the
//! connection's next turn, which comes after those of all tasks that are ready by then.
//!
//! ```text
//! a turn of the connection:    read ──► write ──► write ──► flush
//! what happens here:        send what     keep      keep      ask for
//!                           was kept                      another turn
//! ```

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::sync::Arc;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use bytes::{Buf, BytesMut};

use super::connection::Connection;

/// How many bytes are kept at most. At rest none are, nor the memory for them.
const MOST: usize = 64 << 10;

pub(super) struct Gathered<IO> {
    io: IO,
    connection: Arc<Connection>,
    /// Written, and not sent yet. If there is any, the task has been woken, or will be when the
    /// socket can take more.
    kept: BytesMut,
}

impl<IO> Gathered<IO> {
    pub(super) fn new(io: IO, connection: Arc<Connection>) -> Self {
        Gathered { io, connection, kept: BytesMut::new() }
    }
}

impl<IO: AsyncWrite + Unpin> Gathered<IO> {
    fn send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(context, &self.kept))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.kept.advance(sent);
        }
        self.kept = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<IO> {
    /// Each turn of HTTP/2 begins with this.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.send(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Gathered<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.kept.len() + length > MOST {
            ready!(self.send(context))?;
        }
        // A single stream has nobody to wait for.
        if self.kept.is_empty() && (length > MOST || !self.connection.is_shared()) {
            return Pin::new(&mut self.io).poll_write_vectored(context, parts);
        }
        if self.kept.is_empty() {
            context.waker().wake_by_ref();
        }
        parts.iter().for_each(|part| self.kept.extend_from_slice(part));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What is kept goes out in the next turn: HTTP/2 flushes after every frame of some size.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
