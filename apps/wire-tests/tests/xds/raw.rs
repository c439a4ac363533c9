//! HTTP/2 frame by frame, for what no client library would do.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::*;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

/// Nothing follows on the stream.
pub(crate) const END_STREAM: u8 = 1;
/// The header block is complete.
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// One frame of the server's: its kind, its flags and its stream. Pings are answered.
pub(crate) async fn next_frame(socket: &mut TcpStream) -> (u8, u8, u32) {
    let read = async {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        socket.read_exact(&mut payload).await.unwrap();
        if (kind, flags) == (PING, 0) {
            socket.write_all(&frame(PING, 1, 0, &payload)).await.unwrap();
        }
        (kind, flags, u32::from_be_bytes(stream))
    };
    timeout(Duration::from_secs(20), read).await.expect("a frame")
}

/// A request for a stream of state of the world, without its messages.
pub(crate) fn request() -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let field = |name: &str, value: &str| [vec![0], text(name), text(value)].concat();
    [
        vec![0x83, 0x86], // POST, http
        vec![0x04],
        text(SOTW),
        vec![0x01],
        text("localhost"),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
    ]
    .concat()
}

/// A connection that has said nothing.
pub(crate) async fn connect(rig: &Rig) -> TcpStream {
    TcpStream::connect(rig.addr).await.unwrap()
}

/// A connection that speaks HTTP/2, and says nothing more.
pub(crate) async fn begin(rig: &Rig) -> TcpStream {
    let mut socket = connect(rig).await;
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    socket
}

/// Writes it again and again until the server has closed the connection, or `most` times. True: it
/// has.
pub(crate) async fn flood(
    socket: &mut TcpStream,
    most: u32,
    frames: impl Fn(u32) -> Vec<u8>,
) -> bool {
    let (mut read, mut write) = socket.split();
    let mut sink = vec![0; 1 << 16];
    for at in 0..most {
        let frames = frames(at);
        // What it says is read, or not even it would be held by the server.
        tokio::select! {
            biased;
            said = read.read(&mut sink) => if matches!(said, Ok(0) | Err(_)) { return true },
            written = write.write_all(&frames) => if written.is_err() { return true },
        }
    }
    false
}

/// Waits until the server has closed the connection.
pub(crate) async fn closed(socket: &mut TcpStream) {
    let end = async {
        let mut sink = vec![0; 1 << 16];
        while !matches!(socket.read(&mut sink).await, Ok(0) | Err(_)) {}
    };
    timeout(Duration::from_secs(20), end).await.expect("it is closed");
}
