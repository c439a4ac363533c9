//! Client status discovery, CSDS: which clients there are and how far each is with each type.
//!
//! What a client has accepted is known by type, so there is one entry for each type that it
//! subscribes to, without a resource's name and contents.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::format;
use std::prelude::v1::*;
use std::sync::Arc;

use prost::Message;
use tonic::codegen::BoxFuture;
use tonic::codegen::tokio_stream::Stream;
use tonic::server::{StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};

use super::proto::Node;
use super::state::ServerState;
use super::status::{ClientStatus, TypeStatus};

pub(super) const FETCH: &str =
    "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus";
pub(super) const STREAM: &str =
    "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus";

const SYNCED: i32 = 1;
const NOT_SENT: i32 = 2;
const STALE: i32 = 3;
const ERROR: i32 = 4;

/// `ClientStatusRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ClientStatusRequest {
    /// One of them has to match; none: all clients.
    #[prost(message, repeated, tag = "1")]
    node_matchers: Vec<NodeMatcher>,
}

/// `envoy.type.matcher.v3.NodeMatcher`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeMatcher {
    #[prost(message, optional, tag = "1")]
    node_id: Option<StringMatcher>,
    /// Not understood: told so.
    #[prost(bytes = "vec", repeated, tag = "2")]
    node_metadatas: Vec<Vec<u8>>,
}

/// `envoy.type.matcher.v3.StringMatcher`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StringMatcher {
    #[prost(string, optional, tag = "1")]
    exact: Option<String>,
    #[prost(string, optional, tag = "2")]
    prefix: Option<String>,
    #[prost(string, optional, tag = "3")]
    suffix: Option<String>,
    /// Not understood: told so.
    #[prost(bytes = "vec", optional, tag = "5")]
    safe_regex: Option<Vec<u8>>,
    #[prost(bool, tag = "6")]
    ignore_case: bool,
    #[prost(string, optional, tag = "7")]
    contains: Option<String>,
}

/// `ClientStatusResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ClientStatusResponse {
    #[prost(message, repeated, tag = "1")]
    config: Vec<ClientConfig>,
}

/// `ClientConfig`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ClientConfig {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
    #[prost(message, repeated, tag = "3")]
    generic_xds_configs: Vec<GenericXdsConfig>,
    /// The stream.
    #[prost(string, tag = "4")]
    client_scope: String,
}

/// `ClientConfig.GenericXdsConfig`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GenericXdsConfig {
    #[prost(string, tag = "1")]
    type_url: String,
    /// The last revision that was accepted.
    #[prost(string, tag = "3")]
    version_info: String,
    #[prost(int32, tag = "6")]
    config_status: i32,
    #[prost(message, optional, tag = "8")]
    error_state: Option<UpdateFailureState>,
}

/// `envoy.admin.v3.UpdateFailureState`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct UpdateFailureState {
    #[prost(string, tag = "3")]
    details: String,
    #[prost(string, tag = "4")]
    version_info: String,
}

impl StringMatcher {
    fn matches(&self, text: &str) -> Result<bool, Status> {
        if self.safe_regex.is_some() {
            return Err(Status::unimplemented("nodes are not matched by regular expressions"));
        }
        let fold = |text: &str| if self.ignore_case { text.to_lowercase() } else { text.into() };
        let text = fold(text);
        let has = |part: &Option<String>, is: fn(&str, &str) -> bool| {
            part.as_ref().is_none_or(|part| is(&text, &fold(part)))
        };
        Ok(has(&self.exact, |text, part| text == part)
            && has(&self.prefix, |text, part| text.starts_with(part))
            && has(&self.suffix, |text, part| text.ends_with(part))
            && has(&self.contains, |text, part| text.contains(part)))
    }
}

impl NodeMatcher {
    fn matches(&self, node: &Node) -> Result<bool, Status> {
        if !self.node_metadatas.is_empty() {
            return Err(Status::unimplemented("nodes are not matched by metadata"));
        }
        self.node_id.as_ref().map_or(Ok(true), |matcher| matcher.matches(&node.id))
    }
}

fn of_type(status: TypeStatus) -> GenericXdsConfig {
    let config_status = match (&status.nack, status.outstanding, status.sent) {
        (Some(_), ..) => ERROR,
        (None, _, None) => NOT_SENT,
        (None, Some(_), _) => STALE,
        (None, None, Some(_)) => SYNCED,
    };
    let acked = status.acked.map(|revision| format!("{revision}")).unwrap_or_default();
    GenericXdsConfig {
        type_url: status.type_url.to_string(),
        version_info: acked,
        config_status,
        error_state: status.nack.map(|nack| UpdateFailureState {
            details: nack.reason,
            version_info: format!("{}", nack.revision),
        }),
    }
}

fn of_client(status: ClientStatus) -> ClientConfig {
    ClientConfig {
        node: status.node,
        generic_xds_configs: status.types.into_iter().map(of_type).collect(),
        client_scope: format!("stream {}", status.stream),
    }
}

fn answer(
    server: &ServerState,
    request: &ClientStatusRequest,
) -> Result<ClientStatusResponse, Status> {
    let mut config = Vec::new();
    for client in server.streams().iter().map(|info| info.status()) {
        // Before its first request it is nobody.
        let Some(node) = &client.node else { continue };
        let mut matches = request.node_matchers.is_empty();
        for matcher in &request.node_matchers {
            matches |= matcher.matches(node)?;
        }
        if matches {
            config.push(of_client(client));
        }
    }
    Ok(ClientStatusResponse { config })
}

/// One answer.
pub(super) struct Fetch(pub(super) Arc<ServerState>);

impl UnaryService<ClientStatusRequest> for Fetch {
    type Response = ClientStatusResponse;
    type Future = BoxFuture<Response<ClientStatusResponse>, Status>;

    fn call(&mut self, request: Request<ClientStatusRequest>) -> Self::Future {
        let answer = answer(&self.0, request.get_ref()).map(Response::new);
        Box::pin(async { answer })
    }
}

/// An answer to each request.
pub(super) struct Each(pub(super) Arc<ServerState>);

impl StreamingService<ClientStatusRequest> for Each {
    type Response = ClientStatusResponse;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Streaming<ClientStatusRequest>>) -> Self::Future {
        let answers = Answers { server: Arc::clone(&self.0), requests: request.into_inner() };
        Box::pin(async { Ok(Response::new(answers)) })
    }
}

pub(super) struct Answers {
    server: Arc<ServerState>,
    requests: Streaming<ClientStatusRequest>,
}

impl Stream for Answers {
    type Item = Result<ClientStatusResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let request = ready!(Pin::new(&mut self.requests).poll_next(context));
        Poll::Ready(request.map(|request| answer(&self.server, &request?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_matched_by_their_identifier() {
        let text = |text: &str| Some(String::from(text));
        let matches = |matcher: StringMatcher| matcher.matches("Edge-7").unwrap();
        let none = StringMatcher::default;
        assert!(matches(none()));
        assert!(matches(StringMatcher { exact: text("Edge-7"), ..none() }));
        assert!(!matches(StringMatcher { exact: text("edge-7"), ..none() }));
        assert!(matches(StringMatcher { exact: text("edge-7"), ignore_case: true, ..none() }));
        assert!(matches(StringMatcher { prefix: text("Edge"), ..none() }));
        assert!(!matches(StringMatcher { prefix: text("7"), ..none() }));
        assert!(matches(StringMatcher { suffix: text("7"), ..none() }));
        assert!(matches(StringMatcher { contains: text("ge-"), ..none() }));
        assert!(!matches(StringMatcher { contains: text("x"), ..none() }));
        assert!(StringMatcher { safe_regex: Some(Vec::new()), ..none() }.matches("x").is_err());
    }
}
