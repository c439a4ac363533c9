//! A small server of the naive kind, as it is written first: a map, a broadcast channel, and a task
//! for each stream that computes its response anew at every change and sends it if it differs. It
//! waits for no ACK, and every stream looks at every change.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{Any, DiscoveryRequest, DiscoveryResponse};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tonic::Status;
use tonic::codegen::tokio_stream::Stream;
use tonic::server::{Grpc, StreamingService};
use tonic_prost::ProstCodec;

use crate::changes::Changes;
use crate::world::Service;

struct State {
    /// By name: version, and the encoded `Any`.
    services: RwLock<HashMap<String, (u64, Bytes)>>,
    changed: broadcast::Sender<()>,
    pushes: AtomicU64,
}

#[derive(Clone)]
pub(crate) struct Naive(Arc<State>);

impl Naive {
    pub(crate) fn start(changes: &Changes, listener: TcpListener) -> Self {
        let state = State {
            services: RwLock::default(),
            changed: broadcast::Sender::new(1_024),
            pushes: AtomicU64::new(0),
        };
        let naive = Naive(Arc::new(state));
        changes.all().for_each(|service| naive.put(service));
        tokio::spawn(naive.clone().accept(listener));
        naive
    }

    fn put(&self, service: &Service) {
        let any = Any { type_url: TypeUrl::ENDPOINTS.into(), value: service.encode().into() };
        let entry = (service.version, any.encode_to_vec().into());
        self.0.services.write().expect("not poisoned").insert(service.name.clone(), entry);
    }

    pub(crate) fn apply(&self, service: &Service) {
        self.put(service);
        let _ = self.0.changed.send(());
    }

    pub(crate) fn metrics(&self) -> String {
        format!("pushes={} evicted=0", self.0.pushes.load(Relaxed))
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            let _ = socket.set_nodelay(true);
            let naive = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let open = Open(naive.clone());
                    async move {
                        let codec = ProstCodec::<DiscoveryResponse, DiscoveryRequest>::default();
                        Ok::<_, Infallible>(Grpc::new(codec).streaming(open, request).await)
                    }
                });
                let http = http2::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    }

    async fn stream(
        self,
        mut requests: tonic::Streaming<DiscoveryRequest>,
        out: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) {
        let mut changed = self.0.changed.subscribe();
        let (mut names, mut sent, mut nonce) = (Vec::new(), Vec::new(), 0);
        loop {
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => names = request.resource_names,
                    _ => return,
                },
                // A stream that lags looks all the same.
                told = changed.recv() => if told == Err(RecvError::Closed) { return },
            }
            let mut versions = Vec::new();
            let mut resources = Vec::new();
            {
                let services = self.0.services.read().expect("not poisoned");
                for (version, any) in names.iter().filter_map(|name| services.get(name)) {
                    versions.push(*version);
                    resources.push(any.clone());
                }
            }
            if versions == sent || versions.is_empty() {
                continue;
            }
            nonce += 1;
            let response = DiscoveryResponse {
                resources,
                type_url: TypeUrl::ENDPOINTS.into(),
                nonce: nonce.to_string(),
                ..DiscoveryResponse::default()
            };
            sent = versions;
            self.0.pushes.fetch_add(1, Relaxed);
            if out.send(Ok(response)).await.is_err() {
                return;
            }
        }
    }
}

struct Open(Naive);

impl StreamingService<DiscoveryRequest> for Open {
    type Response = DiscoveryResponse;
    type ResponseStream = Responses;
    type Future = std::future::Ready<Result<tonic::Response<Responses>, Status>>;

    fn call(
        &mut self,
        request: tonic::Request<tonic::Streaming<DiscoveryRequest>>,
    ) -> Self::Future {
        let (out, responses) = mpsc::channel(16);
        tokio::spawn(self.0.clone().stream(request.into_inner(), out));
        std::future::ready(Ok(tonic::Response::new(Responses(responses))))
    }
}

struct Responses(mpsc::Receiver<Result<DiscoveryResponse, Status>>);

impl Stream for Responses {
    type Item = Result<DiscoveryResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
