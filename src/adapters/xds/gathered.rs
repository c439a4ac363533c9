//! [`Gathered`]: what many streams of a connection write at about the same time goes out at once.
//!
//! HTTP/2 writes a response as soon as it has it. A connection with many streams would make a
//! system call, and often a packet, for each of them. Here what is written waits for a task that
//! sends it after those that are ready by then, or until there is enough of it.
//!
//! ```text
//! HTTP/2:     write ──► write ──► write ──► ...
//! kept:         a         ab        abc
//! the task:   spawned, yields ................. sends abc
//! ```
//!
//! A change for few is urgent. Its response doesn't wait, nor does what was written before it.

use core::pin::Pin;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context, Poll, Waker, ready};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::task::yield_now;
use bytes::{Buf, BytesMut};

use super::connection::Connection;

/// How many bytes are kept at most. At rest none are, nor the memory for them.
const MOST: usize = 64 << 10;

pub(super) struct Gathered<IO> {
    shared: Arc<Mutex<Shared<IO>>>,
    connection: Arc<Connection>,
    /// In this turn of HTTP/2 nothing waits.
    urgent: bool,
}

struct Shared<IO> {
    io: IO,
    /// Written, and not sent yet.
    kept: BytesMut,
    /// A task is about to send it. Otherwise the connection does, when the socket can take more.
    soon: bool,
}

fn lock<IO>(shared: &Mutex<Shared<IO>>) -> MutexGuard<'_, Shared<IO>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<IO> Gathered<IO> {
    pub(super) fn new(io: IO, connection: Arc<Connection>) -> Self {
        let shared = Arc::new(Mutex::new(Shared { io, kept: BytesMut::new(), soon: false }));
        Gathered { shared, connection, urgent: false }
    }
}

impl<IO: AsyncWrite + Unpin> Shared<IO> {
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

/// Sends what is kept, after the tasks that are ready now have had their turns.
async fn send_soon<IO: AsyncWrite + Unpin>(shared: Arc<Mutex<Shared<IO>>>, connection: Waker) {
    yield_now().await;
    // Not this task but the connection goes on when the socket can take more, and it is told of an
    // error by its next read or write.
    let mut shared = lock(&shared);
    shared.soon = false;
    let _ = shared.send(&mut Context::from_waker(&connection));
}

impl<IO: AsyncRead + Unpin> AsyncRead for Gathered<IO> {
    /// Each turn of HTTP/2 begins with this.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.urgent = self.connection.urgent.swap(false, Relaxed);
        Pin::new(&mut lock(&self.shared).io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin + Send + 'static> AsyncWrite for Gathered<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.shared);
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if shared.kept.len() + length > MOST {
            ready!(shared.send(context))?;
        }
        if shared.kept.is_empty() {
            // A single stream has nobody to wait for.
            if length > MOST || !self.connection.is_shared() {
                return Pin::new(&mut shared.io).poll_write_vectored(context, parts);
            }
            if !core::mem::replace(&mut shared.soon, true) {
                ::tokio::spawn(send_soon(Arc::clone(&self.shared), context.waker().clone()));
            }
        }
        parts.iter().for_each(|part| shared.kept.extend_from_slice(part));
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// HTTP/2 flushes in each of its turns, and after every frame of some size. A flush sends what
    /// has waited for the socket, not what waits for more.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        if self.urgent || !shared.soon {
            ready!(shared.send(context))?;
        }
        Pin::new(&mut shared.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        ready!(shared.send(context))?;
        Pin::new(&mut shared.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
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

    struct Turns(Gathered<Socket>);

    impl Turns {
        fn new(streams: usize, room: usize) -> Self {
            let address = ([127, 0, 0, 1], 1).into();
            let Admitted::Yes { connection, .. } = Connections::new(1, 1).admit(address) else {
                panic!("there is room");
            };
            let info = StreamInfo::new(StreamId(1), None, Vec::new(), Variant::Sotw);
            (0..streams).for_each(|_| connection.begun(&info));
            Turns(Gathered::new(Socket { room, ..Socket::default() }, connection))
        }

        fn with<T>(
            &mut self,
            act: impl FnOnce(Pin<&mut Gathered<Socket>>, &mut Context<'_>) -> T,
        ) -> T {
            act(Pin::new(&mut self.0), &mut Context::from_waker(Waker::noop()))
        }

        fn flush(&mut self) -> bool {
            self.with(|io, context| io.poll_flush(context)).is_ready()
        }

        fn shut(&mut self) -> bool {
            self.with(|io, context| io.poll_shutdown(context)).is_ready()
        }

        /// Writes and flushes. How much was taken; `None`: it has to wait.
        fn write(&mut self, bytes: &[u8]) -> Option<usize> {
            let Poll::Ready(taken) = self.with(|io, context| io.poll_write(context, bytes)) else {
                return None;
            };
            assert!(self.flush());
            Some(taken.unwrap())
        }

        fn socket<T>(&self, look: impl FnOnce(&mut Socket) -> T) -> T {
            look(&mut lock(&self.0.shared).io)
        }

        fn writes(&self) -> Vec<Vec<u8>> {
            self.socket(|socket| socket.writes.clone())
        }
    }

    /// Other tasks have their turns.
    async fn later() {
        for _ in 0..3 {
            yield_now().await;
        }
    }

    #[::tokio::test]
    async fn what_is_written_at_about_the_same_time_goes_out_at_once() {
        let mut turns = Turns::new(2, usize::MAX);
        for round in 1..=2 {
            for bytes in [b"a", b"b", b"c"] {
                assert_eq!(turns.write(bytes), Some(1));
            }
            assert_eq!(turns.writes().len(), round - 1);
            later().await;
            assert_eq!(turns.writes().len(), round);
            assert_eq!(turns.writes()[round - 1], b"abc");
        }
        assert_eq!(lock(&turns.0.shared).kept.capacity(), 0, "at rest it keeps no memory");
    }

    #[::tokio::test]
    async fn a_single_stream_is_written_as_it_comes() {
        let mut turns = Turns::new(1, usize::MAX);
        assert_eq!((turns.write(b"a"), turns.write(b"b")), (Some(1), Some(1)));
        assert_eq!(turns.writes(), [b"a", b"b"]);
    }

    #[::tokio::test]
    async fn nothing_is_lost_when_the_socket_is_full() {
        let mut turns = Turns::new(2, 10);
        let part: Vec<u8> = (0..MOST / 2).map(|at| at as u8).collect();
        assert_eq!(turns.write(&part), Some(part.len()));
        assert_eq!(turns.write(&part), Some(part.len()));
        assert_eq!(turns.write(b"x"), None, "ten bytes have gone, and no more do");
        turns.socket(|socket| socket.room = 5);
        later().await;
        assert!(!turns.flush(), "from now on the connection waits for the socket");
        assert!(!turns.shut() && !turns.socket(|socket| socket.shut));
        turns.socket(|socket| socket.room = MOST);
        assert!(turns.flush());
        assert_eq!(turns.writes().concat(), [&*part, &part].concat());
        assert_eq!(turns.write(b"x"), Some(1));
        assert!(turns.shut() && turns.socket(|socket| socket.shut));
        assert_eq!(turns.writes().concat(), [&*part, &part, b"x"].concat());
    }

    #[::tokio::test]
    async fn what_is_urgent_does_not_wait() {
        let mut turns = Turns::new(2, usize::MAX);
        let read = |turns: &mut Turns| {
            let mut nothing = ReadBuf::new(&mut []);
            assert!(turns.with(|io, context| io.poll_read(context, &mut nothing)).is_pending());
        };
        read(&mut turns);
        assert_eq!(turns.write(b"a"), Some(1));
        turns.0.connection.urgent.store(true, Relaxed);
        read(&mut turns);
        assert_eq!((turns.write(b"b"), turns.writes()), (Some(1), [b"ab".to_vec()].to_vec()));
        read(&mut turns);
        assert_eq!((turns.write(b"c"), turns.writes().len()), (Some(1), 1));
    }

    #[::tokio::test]
    async fn what_is_large_is_not_copied() {
        let mut turns = Turns::new(2, usize::MAX);
        let large = std::vec![b'x'; MOST + 1];
        assert_eq!((turns.write(b"a"), turns.write(&large)), (Some(1), Some(large.len())));
        assert_eq!(turns.writes(), [b"a".to_vec(), large]);
    }
}
