//! Certificates, and a client that subscribes to all clusters and acknowledges what it gets.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pushlane::adapters::xds::TypeUrl;
use pushlane::adapters::xds::proto::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tokio::sync::mpsc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate chain and its key, in PEM.
pub(crate) struct Leaf {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Authority { issuer: Issuer::new(params, key), pem })
    }

    /// For DNS names, and for URIs.
    pub(crate) fn sign(&self, names: &[&str]) -> Result<Leaf, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        for &name in names {
            let name = match name.contains("://") {
                true => SanType::URI(name.try_into()?),
                false => SanType::DnsName(name.try_into()?),
            };
            params.subject_alt_names.push(name);
        }
        let key = KeyPair::generate()?;
        let chain = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf { chain, key: key.serialize_pem() })
    }
}

/// A client with one stream.
pub(crate) struct Peer {
    requests: mpsc::UnboundedSender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

struct Requests(mpsc::UnboundedReceiver<DeltaDiscoveryRequest>);

impl Stream for Requests {
    type Item = DeltaDiscoveryRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

impl Peer {
    pub(crate) async fn connect(
        address: SocketAddr,
        authority: &Authority,
        leaf: &Leaf,
    ) -> Result<Self, Box<dyn Error>> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&authority.pem))
            .identity(Identity::from_pem(&leaf.chain, &leaf.key))
            .domain_name("localhost");
        let endpoint = Channel::from_shared(format!("https://{address}"))?.tls_config(tls)?;
        let mut grpc = tonic::client::Grpc::new(endpoint.connect().await?);
        grpc.ready().await?;
        let (requests, stream) = mpsc::unbounded_channel();
        let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
        let request = tonic::Request::new(Requests(stream));
        requests.send(DeltaDiscoveryRequest {
            // It claims what it likes.
            node: Some(Node { id: "shop".into(), ..Node::default() }),
            type_url: TypeUrl::CLUSTER.into(),
            resource_names_subscribe: vec!["*".into()],
            ..DeltaDiscoveryRequest::default()
        })?;
        let path = PathAndQuery::from_static(DELTA);
        let responses = grpc.streaming(request, path, codec).await?.into_inner();
        Ok(Peer { requests, responses })
    }

    /// The names in the next response, which is acknowledged.
    pub(crate) async fn next(&mut self) -> Result<Vec<String>, Status> {
        let response = self.responses.message().await?.ok_or_else(|| Status::ok("the end"))?;
        let ack = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        };
        // Refused only after the stream has ended, which the next call finds out.
        let _ = self.requests.send(ack);
        let mut names: Vec<_> = response.resources.into_iter().map(|it| it.name).collect();
        names.sort();
        Ok(names)
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(200), self.responses.message()).await.is_err()
    }
}
