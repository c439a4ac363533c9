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

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::{Wake, Waker};
    use std::vec::Vec;

    use super::*;
    use crate::adapters::xds::connection::{Admitted, Connections};
    use crate::adapters::xds::status::{StreamId, StreamInfo};
    use crate::adapters::xds::subscription::Variant;

    /// A socket that takes so many bytes, and notes what each write brought.
    #[derive(Default)]
    struct Socket {
        room: usize,
        writes: Vec<Vec<u8>>,
        shut: bool,
    }

    impl AsyncRead for Socket {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.room == 0 {
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.writes.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.shut = true;
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    struct Turns {
        io: Gathered<Socket>,
        woken: Arc<Woken>,
    }

    impl Turns {
        fn new(streams: usize, room: usize) -> Self {
            let address = ([127, 0, 0, 1], 1).into();
            let Admitted::Yes { connection, .. } = Connections::new(1, 1).admit(address) else {
                panic!("there is room");
            };
            let info = StreamInfo::new(StreamId(1), None, Vec::new(), Variant::Sotw);
            (0..streams).for_each(|_| connection.begun(&info));
            let io = Gathered::new(Socket { room, ..Socket::default() }, connection);
            Turns { io, woken: Arc::default() }
        }

        fn with<T>(
            &mut self,
            act: impl FnOnce(Pin<&mut Gathered<Socket>>, &mut Context<'_>) -> T,
        ) -> T {
            let waker = Waker::from(Arc::clone(&self.woken));
            act(Pin::new(&mut self.io), &mut Context::from_waker(&waker))
        }

        /// Writes and flushes. How much was taken; `None`: it has to wait.
        fn write(&mut self, bytes: &[u8]) -> Option<usize> {
            let Poll::Ready(taken) = self.with(|io, context| io.poll_write(context, bytes)) else {
                return None;
            };
            assert!(self.with(|io, context| io.poll_flush(context)).is_ready());
            Some(taken.unwrap())
        }

        fn next_turn(&mut self) {
            let mut nothing = ReadBuf::new(&mut []);
            assert!(self.with(|io, context| io.poll_read(context, &mut nothing)).is_pending());
        }

        fn writes(&self) -> Vec<&[u8]> {
            self.io.io.writes.iter().map(Vec::as_slice).collect()
        }
    }

    #[test]
    fn what_is_written_in_a_turn_goes_out_at_once() {
        let mut turns = Turns::new(2, usize::MAX);
        for bytes in [b"a", b"b", b"c"] {
            assert_eq!(turns.write(bytes), Some(1));
        }
        assert!(turns.writes().is_empty());
        assert_eq!(turns.woken.0.load(Relaxed), 1, "there is another turn");
        turns.next_turn();
        turns.next_turn();
        assert_eq!(turns.writes(), [b"abc"]);
        assert_eq!(turns.io.kept.capacity(), 0, "at rest it keeps no memory");
    }

    #[test]
    fn a_single_stream_is_written_as_it_comes() {
        let mut turns = Turns::new(1, usize::MAX);
        assert_eq!((turns.write(b"a"), turns.write(b"b")), (Some(1), Some(1)));
        assert_eq!(turns.writes(), [b"a", b"b"]);
        assert_eq!(turns.woken.0.load(Relaxed), 0);
    }

    #[test]
    fn nothing_is_lost_when_the_socket_is_full() {
        let mut turns = Turns::new(2, 10);
        let part: Vec<u8> = (0..MOST / 2).map(|at| at as u8).collect();
        assert_eq!(turns.write(&part), Some(part.len()));
        assert_eq!(turns.write(&part), Some(part.len()));
        assert_eq!(turns.write(b"x"), None, "ten bytes have gone, and no more do");
        turns.io.io.room = 5;
        turns.next_turn();
        assert!(turns.with(|io, context| io.poll_shutdown(context)).is_pending());
        assert!(!turns.io.io.shut);
        turns.io.io.room = usize::MAX;
        assert_eq!(turns.write(b"x"), Some(1));
        assert!(turns.with(|io, context| io.poll_shutdown(context)).is_ready());
        assert!(turns.io.io.shut);
        assert_eq!(turns.writes().concat(), [&*part, &part, b"x"].concat());
    }

    #[test]
    fn what_is_large_is_not_copied() {
        let mut turns = Turns::new(2, usize::MAX);
        let large = std::vec![b'x'; MOST + 1];
        assert_eq!((turns.write(b"a"), turns.write(&large)), (Some(1), Some(large.len())));
        assert_eq!(turns.writes(), [b"a", &*large]);
    }
}
