//! What no server on this stack can be cheaper than: HTTP/2 of the same libraries, and nothing
//! else.
//!
//! At a change, each stream that watches the service is sent bytes that are made once. Requests are
//! read as far as HTTP/2 goes and thrown away, but for each stream's first, whose names say what it
//! watches. Nothing merges, nothing waits for an ACK, and a slow client is sent everything.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{Any, DiscoveryRequest, DiscoveryResponse};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::changes::Changes;
use crate::world::Service;

#[derive(Default)]
struct Watched {
    /// The encoded `Any`.
    any: Bytes,
    by: Vec<mpsc::UnboundedSender<Bytes>>,
}

#[derive(Default)]
struct State {
    services: Mutex<HashMap<String, Watched>>,
    pushes: AtomicU64,
}

#[derive(Clone)]
pub(crate) struct Floor(Arc<State>);

/// A message as gRPC frames it.
fn framed(resources: Vec<Bytes>) -> Bytes {
    let response = DiscoveryResponse {
        resources,
        type_url: TypeUrl::ENDPOINTS.into(),
        nonce: "1".into(),
        ..DiscoveryResponse::default()
    };
    let length = response.encoded_len();
    let mut message = BytesMut::with_capacity(5 + length);
    message.put_u8(0);
    message.put_u32(length as u32);
    response.encode(&mut message).expect("there is room");
    message.freeze()
}

impl Floor {
    pub(crate) fn start(changes: &Changes, listener: TcpListener) -> Self {
        let floor = Floor(Arc::default());
        changes.all().for_each(|service| floor.apply(service));
        tokio::spawn(floor.clone().accept(listener));
        floor
    }

    pub(crate) fn apply(&self, service: &Service) {
        let any = Any { type_url: TypeUrl::ENDPOINTS.into(), value: service.encode().into() };
        let any = Bytes::from(any.encode_to_vec());
        let message = framed(vec![any.clone()]);
        let mut services = self.0.services.lock().expect("not poisoned");
        let watched = services.entry(service.name.clone()).or_default();
        watched.any = any;
        watched.by.retain(|stream| stream.send(message.clone()).is_ok());
        self.0.pushes.fetch_add(watched.by.len() as u64, Relaxed);
    }

    pub(crate) fn metrics(&self) -> String {
        format!("pushes={} evicted=0", self.0.pushes.load(Relaxed))
    }

    fn watch(&self, names: &[String], stream: &mpsc::UnboundedSender<Bytes>) {
        let mut services = self.0.services.lock().expect("not poisoned");
        let mut all = Vec::new();
        for name in names {
            if let Some(watched) = services.get_mut(name) {
                watched.by.push(stream.clone());
                all.push(watched.any.clone());
            }
        }
        let _ = stream.send(framed(all));
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            let _ = socket.set_nodelay(true);
            let floor = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let (out, responses) = mpsc::unbounded_channel();
                    tokio::spawn(floor.clone().stream(request.into_body(), out));
                    let response = Response::builder()
                        .header("content-type", "application/grpc")
                        .body(Responses(responses));
                    std::future::ready(response)
                });
                let http = http2::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    }

    async fn stream(self, mut requests: Incoming, out: mpsc::UnboundedSender<Bytes>) {
        let mut first = BytesMut::new();
        let mut watches = false;
        while let Some(Ok(frame)) =
            std::future::poll_fn(|context| Pin::new(&mut requests).poll_frame(context)).await
        {
            let Ok(data) = frame.into_data() else { continue };
            if watches {
                continue;
            }
            first.put(data);
            let Some((header, rest)) = first.split_first_chunk::<5>() else { continue };
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
            if rest.len() < length {
                continue;
            }
            let Ok(request) = DiscoveryRequest::decode(&rest[..length]) else { return };
            self.watch(&request.resource_names, &out);
            (watches, first) = (true, BytesMut::new());
        }
    }
}

struct Responses(mpsc::UnboundedReceiver<Bytes>);

impl Body for Responses {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|message| message.map(|message| Ok(Frame::data(message))))
    }
}
