//! Streams that the control plane ends go elsewhere, and new ones are admitted in order: what
//! replicas need that share clients.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::client::*;
use crate::raw::*;

/// On the same connection the client would come back to the same server, whatever a balancer does.
#[tokio::test]
async fn the_connection_of_a_stream_that_is_ended_takes_no_new_one() {
    let rig = Rig::start().await;
    let mut socket = begin(&rig).await;
    for stream in [1, 3] {
        let open = frame(HEADERS, END_HEADERS, stream, &request());
        socket.write_all(&open).await.unwrap();
        while next_frame(&mut socket).await != (HEADERS, END_HEADERS, stream) {}
    }
    let clients = rig.ads.clients();
    assert!(rig.ads.disconnect(clients[0].stream));
    let mut away = false;
    loop {
        match next_frame(&mut socket).await {
            (GOAWAY, ..) => away = true,
            (HEADERS, flags, 1) if flags & END_STREAM != 0 => break,
            (PING, 0, 0) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(away, "the client learns it before its stream ends");
    assert_eq!(rig.ads.metrics().streams, 1, "the other stream stays");
    // The last one that is ended closes the connection.
    assert!(rig.ads.disconnect(clients[1].stream));
    closed(&mut socket).await;
}

#[tokio::test]
async fn a_storm_is_admitted_in_order_of_arrival() {
    let rig = Rig::with(|limits| {
        (limits.admission_rate, limits.admission_burst) = (2_000, 1);
        limits.admission_wait = Duration::from_secs(10);
    })
    .await;
    let mut socket = begin(&rig).await;
    let streams: Vec<u32> = (0..60).map(|at| 2 * at + 1).collect();
    let storm = streams.iter().map(|stream| frame(HEADERS, END_HEADERS, *stream, &request()));
    socket.write_all(&storm.collect::<Vec<_>>().concat()).await.unwrap();
    let mut admitted = Vec::new();
    while admitted.len() < streams.len() {
        if let (HEADERS, _, stream) = next_frame(&mut socket).await {
            admitted.push(stream);
        }
    }
    assert_eq!(admitted, streams);
    assert_eq!(rig.ads.metrics().refused.rate, 0);
}
