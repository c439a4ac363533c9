//! `grpc.health.v1`: whether the server takes streams, for what starts and stops it.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::prelude::v1::*;
use std::sync::Arc;

use ::tokio::sync::watch;
use prost::Message;
use tonic::codegen::BoxFuture;
use tonic::codegen::tokio_stream::Stream;
use tonic::server::{ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};

use super::service::SERVICE;
use super::state::{Phase, ServerState};

pub(super) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(super) const WATCH: &str = "/grpc.health.v1.Health/Watch";

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const UNKNOWN: i32 = 3;

/// `HealthCheckRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct HealthRequest {
    /// Empty for the server as a whole.
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct HealthResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl HealthRequest {
    fn is_known(&self) -> bool {
        matches!(&*self.service, "" | SERVICE)
    }
}

fn health(phase: Phase) -> HealthResponse {
    HealthResponse { status: if phase == Phase::Serving { SERVING } else { NOT_SERVING } }
}

/// One answer.
pub(super) struct Check(pub(super) Arc<ServerState>);

impl UnaryService<HealthRequest> for Check {
    type Response = HealthResponse;
    type Future = BoxFuture<Response<HealthResponse>, Status>;

    fn call(&mut self, request: Request<HealthRequest>) -> Self::Future {
        let answer = if request.get_ref().is_known() {
            Ok(Response::new(health(*self.0.phase.borrow())))
        } else {
            Err(Status::not_found("no such service"))
        };
        Box::pin(async { answer })
    }
}

/// An answer now, and at each change.
pub(super) struct Watch(pub(super) Arc<ServerState>);

impl ServerStreamingService<HealthRequest> for Watch {
    type Response = HealthResponse;
    type ResponseStream = Changes;
    type Future = BoxFuture<Response<Changes>, Status>;

    fn call(&mut self, request: Request<HealthRequest>) -> Self::Future {
        let known = request.get_ref().is_known();
        let mut phase = self.0.phase.subscribe();
        phase.mark_changed();
        let changes = Changes { known, next: Box::pin(next(phase)) };
        Box::pin(async { Ok(Response::new(changes)) })
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Phase, watch::Receiver<Phase>)>> + Send>>;

async fn next(mut phase: watch::Receiver<Phase>) -> Option<(Phase, watch::Receiver<Phase>)> {
    phase.changed().await.ok()?;
    let now = *phase.borrow_and_update();
    Some((now, phase))
}

pub(super) struct Changes {
    known: bool,
    next: Next,
}

impl Stream for Changes {
    type Item = Result<HealthResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some((phase, receiver)) = ready!(self.next.as_mut().poll(context)) else {
            return Poll::Ready(None);
        };
        // After the last one the server ends, and the stream with it.
        self.next = if phase == Phase::Stopped {
            Box::pin(async { None })
        } else {
            Box::pin(next(receiver))
        };
        let unknown = HealthResponse { status: UNKNOWN };
        Poll::Ready(Some(Ok(if self.known { health(phase) } else { unknown })))
    }
}
