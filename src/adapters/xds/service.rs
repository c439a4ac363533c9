//! The gRPC service: a stream for each call of either protocol, and the small services beside them.

use core::convert::Infallible;
use core::task::{Context, Poll};
use std::prelude::v1::*;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, Service, StdError};
use tonic::server::{Grpc, NamedService};
use tonic_prost::ProstCodec;

use super::ads::Ads;
use super::connection::Connection;
use super::csds::{Each, FETCH, Fetch, STREAM};
use super::health::{CHECK, Check, WATCH, Watch};
use super::identity::Identity;
use super::inbound::is_compressed;
use super::outbound::Outbound;
use super::state::Phase;
use super::status::StreamInfo;
use super::stream::Stream;
use super::wire::{Delta, Sotw, Wire};

pub(super) const SERVICE: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// Envoy asks for virtual hosts on a stream of their own, and nowhere else.
const VIRTUAL_HOSTS: &str = "/envoy.service.route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts";

/// `AggregatedDiscoveryService`, for a tonic server or any other that takes a tower service. From
/// [`Ads::service`].
///
/// An [`Identity`] in the extensions of a request is the client's.
#[derive(Clone, Debug)]
pub struct AdsService {
    ads: Ads,
    extras: Extras,
}

/// What else there is on the same port.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    pub(super) health: bool,
    pub(super) client_status: bool,
}

impl AdsService {
    pub(super) fn new(ads: Ads) -> Self {
        AdsService { ads, extras: Extras::default() }
    }

    pub(super) fn with(self, extras: Extras) -> Self {
        AdsService { extras, ..self }
    }
}

impl NamedService for AdsService {
    const NAME: &'static str = SERVICE;
}

impl<B> Service<Request<B>> for AdsService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match request.uri().path() {
            SOTW => Box::pin(open::<Sotw, B>(self.ads.clone(), request)),
            DELTA | VIRTUAL_HOSTS => Box::pin(open::<Delta, B>(self.ads.clone(), request)),
            CHECK if self.extras.health => {
                let check = Check(Arc::clone(&self.ads.server));
                Box::pin(async { Ok(grpc().unary(check, request).await) })
            }
            WATCH if self.extras.health => {
                let watch = Watch(Arc::clone(&self.ads.server));
                Box::pin(async { Ok(grpc().server_streaming(watch, request).await) })
            }
            FETCH if self.extras.client_status => {
                let fetch = Fetch(Arc::clone(&self.ads.server));
                Box::pin(async { Ok(grpc().unary(fetch, request).await) })
            }
            STREAM if self.extras.client_status => {
                let each = Each(Arc::clone(&self.ads.server));
                Box::pin(async { Ok(grpc().streaming(each, request).await) })
            }
            _ => Box::pin(async { Ok(Status::unimplemented("no such method").into_http()) }),
        }
    }
}

/// For the small services, whose requests are small.
fn grpc<Q, A>() -> Grpc<ProstCodec<A, Q>>
where
    Q: Message + Default + Send + 'static,
    A: Message + Default + Send + 'static,
{
    Grpc::new(ProstCodec::default()).max_decoding_message_size(SMALL)
}

const SMALL: usize = 64 << 10;

/// The future is boxed by the caller.
async fn open<W: Wire, B>(ads: Ads, request: Request<B>) -> Result<Response<Body>, Infallible>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    Ok(begin::<W, B>(ads, request).await.unwrap_or_else(Status::into_http))
}

/// Begins a stream, and answers at once: some clients send nothing before they have the response's
/// headers.
async fn begin<W: Wire, B>(ads: Ads, request: Request<B>) -> Result<Response<Body>, Status>
where
    B: HttpBody + Send + 'static,
{
    let (parts, body) = request.into_parts();
    if let Some(status) = is_compressed(&parts.headers) {
        return Err(status);
    }
    let server = Arc::clone(&ads.server);
    if *server.phase.borrow() != Phase::Serving {
        server.counters.refusals.draining.one();
        return Err(Status::unavailable("the server is being drained"));
    }
    if !ads.admission.enter().await {
        server.counters.refusals.rate.one();
        return Err(Status::resource_exhausted("too many new streams at once"));
    }
    let connection = parts.extensions.get::<Arc<Connection>>().cloned();
    let identity = parts.extensions.get::<Identity>().cloned();
    let names = identity.as_ref().map(|identity| identity.names().to_vec()).unwrap_or_default();
    let peer = connection.as_ref().map(|connection| connection.peer);
    let info = StreamInfo::new(server.next_stream(), peer, names, W::VARIANT);
    if !server.enter(&info) {
        server.counters.refusals.full.one();
        return Err(Status::resource_exhausted(match server.stream_limit() {
            0 => "no stream is admitted now".into(),
            most => std::format!("{most} streams are open already"),
        }));
    }
    let out = Outbound::new(Arc::clone(&info));
    let mut response = Response::new(Body::new(out.responses::<W>()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let stream = Stream::new(server, Arc::clone(&info), identity, connection.clone(), out);
    ::tokio::spawn(async move {
        if let Some(connection) = &connection {
            connection.begun(&info);
        }
        stream.run::<W, B>(body).await;
        if let Some(connection) = &connection {
            connection.ended(&info);
        }
    });
    // The handle keeps the server alive as long as there is somebody to accept streams; the stream
    // doesn't.
    drop(ads);
    Ok(response)
}
