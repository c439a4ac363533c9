//! HTTP/2 floods: they cost the connection they come on, and nobody else.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::client::*;
use crate::raw::*;

async fn served(rig: &Rig) -> Sotw {
    let mut client = rig.sotw().await;
    client.send(ask(EDS, &["a"]));
    let response = client.next().await;
    client.send(ack(&response, &["a"]));
    client
}

/// One that was there before goes on, and another one is let in.
async fn is_well(rig: &Rig, client: &mut Sotw) {
    rig.ads.update("default", |edit| edit.put(resource(EDS, "a", "2"))).unwrap();
    client.take(EDS, &["a@2"], &["a"]).await;
    served(rig).await;
}

async fn rig() -> (Rig, Sotw) {
    let rig = Rig::start().await;
    rig.ads.set("default", [resource(EDS, "a", "1")]).unwrap();
    let client = served(&rig).await;
    (rig, client)
}

#[tokio::test]
async fn rapid_resets() {
    let (rig, mut client) = rig().await;
    let mut socket = begin(&rig).await;
    let request = request();
    let ended = flood(&mut socket, 100_000, |at| {
        let stream = 2 * at + 1;
        let cancel = 8_u32.to_be_bytes();
        let begun = frame(HEADERS, END_HEADERS, stream, &request);
        [begun, frame(RST_STREAM, 0, stream, &cancel)].concat()
    });
    assert!(ended.await, "the server puts up with it");
    is_well(&rig, &mut client).await;
}

#[tokio::test]
async fn endless_headers() {
    let (rig, mut client) = rig().await;
    let mut socket = begin(&rig).await;
    socket.write_all(&frame(HEADERS, 0, 1, &request())).await.unwrap();
    let field = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
    let ended = flood(&mut socket, 100_000, |_| frame(CONTINUATION, 0, 1, &field.repeat(50)));
    assert!(ended.await, "the server puts up with it");
    is_well(&rig, &mut client).await;
}

#[tokio::test]
async fn pings_and_settings() {
    let (rig, mut client) = rig().await;
    for kind in [PING, SETTINGS] {
        // What it answers is never read: it must not pile up.
        let mut socket = begin(&rig).await;
        let payload: &[u8] = if kind == PING { &[0; 8] } else { &[] };
        let many = frame(kind, 0, 0, payload).repeat(1_000);
        let flood = async {
            for _ in 0..2_000 {
                if socket.write_all(&many).await.is_err() {
                    break;
                }
            }
        };
        // It ends, or the server reads no more until its answers are read.
        let _ = tokio::time::timeout(Duration::from_secs(2), flood).await;
        served(&rig).await;
    }
    is_well(&rig, &mut client).await;
}

#[tokio::test]
async fn streams_on_one_connection() {
    let (rig, mut client) = rig().await;
    let mut socket = begin(&rig).await;
    let request = request();
    flood(&mut socket, 5_000, |at| frame(HEADERS, END_HEADERS, 2 * at + 1, &request)).await;
    // The limits of the server are not reached by one connection: there is room for others.
    assert!(rig.ads.metrics().opened <= 200 + 1, "{:?}", rig.ads.metrics());
    drop(socket);
    is_well(&rig, &mut client).await;
}
