//! What it takes a replica to look at its clients: for its record, and to choose those that go. The
//! streams are real, but in this process: they have no sockets.

use super::quantiles;
use crate::fleet::convergence::Convergence;
use crate::fleet::member::Going;
use crate::limits::count;
use clap::Args;
use pushlane::adapters::xds::proto::{DiscoveryRequest, DiscoveryResponse, Node};
use pushlane::adapters::xds::{Ads, AdsService, Limits, Resource, TypeUrl};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic_prost::ProstCodec;

#[derive(Clone, Debug, Args)]
pub(crate) struct Looks {
    /// Clients, each subscribed to clusters, endpoints, listeners and routes
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = count())]
    clients: usize,
    /// Looks of each kind
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count())]
    looks: usize,
}

const METHOD: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const TYPES: [&str; 4] = [TypeUrl::CLUSTER, TypeUrl::ENDPOINTS, TypeUrl::LISTENER, TypeUrl::ROUTES];
/// A resource of each type.
const NAME: &str = "one";
/// As long as a lease may be, and longer than this takes.
const GRACE: Duration = Duration::from_secs(600);

impl Looks {
    pub(super) async fn run(self) -> Result<(), String> {
        let mut limits = Limits::default();
        limits.streams = self.clients + self.looks;
        limits.admission_rate = 0;
        let ads = Ads::builder().limits(limits).shared_revisions().start();
        let resources = TYPES.map(|of| Resource::new(of, NAME, "1", Vec::new()));
        let published = ads.set("default", resources).map_err(|error| error.to_string())?;
        ads.reached(published.revision());
        let (told, mut served) = mpsc::unbounded_channel();
        let mut clients = JoinSet::new();
        let mut come = |number| clients.spawn(client(ads.service(), number, told.clone()));
        (0..self.clients).for_each(|number| drop(come(number)));
        for _ in 0..self.clients {
            served.recv().await;
        }
        let mut convergence = Convergence::new(ads.clone(), GRACE);
        let (mut one_more, mut going) = (Vec::new(), Vec::new());
        let mut all = vec![look(&mut convergence).await];
        let mut none = vec![look(&mut convergence).await];
        for number in self.clients..self.clients + self.looks {
            come(number);
            served.recv().await;
            one_more.push(look(&mut convergence).await);
            none.push(look(&mut convergence).await);
            let begin = Instant::now();
            Going::default().next(&ads, 1, begin);
            going.push(begin.elapsed());
        }
        println!("all clients are new     {}", quantiles(&mut all));
        println!("one client is new       {}", quantiles(&mut one_more));
        println!("nothing has happened    {}", quantiles(&mut none));
        println!("choosing those that go  {}", quantiles(&mut going));
        Ok(())
    }
}

async fn look(convergence: &mut Convergence) -> Duration {
    let begin = Instant::now();
    convergence.look(begin).await;
    begin.elapsed()
}

struct Requests(mpsc::UnboundedReceiver<DiscoveryRequest>);

impl Stream for Requests {
    type Item = DiscoveryRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Answers all that it is sent, and tells when it has answered each type once.
async fn client(service: AdsService, number: usize, told: mpsc::UnboundedSender<()>) {
    let (requests, outgoing) = mpsc::unbounded_channel();
    let node = Node { id: format!("client-{number}"), ..Node::default() };
    for of in TYPES {
        let _ = requests.send(DiscoveryRequest {
            node: Some(node.clone()),
            type_url: of.into(),
            resource_names: vec![NAME.into()],
            ..DiscoveryRequest::default()
        });
    }
    let mut grpc = tonic::client::Grpc::new(service);
    let codec = ProstCodec::<DiscoveryRequest, DiscoveryResponse>::default();
    let path = PathAndQuery::from_static(METHOD);
    let Ok(opened) = grpc.streaming(Request::new(Requests(outgoing)), path, codec).await else {
        return;
    };
    let (mut responses, mut count) = (opened.into_inner(), 0);
    while let Ok(Some(response)) = responses.message().await {
        let DiscoveryResponse { version_info, type_url, nonce, .. } = response;
        let _ = requests.send(DiscoveryRequest {
            type_url,
            version_info,
            resource_names: vec![NAME.into()],
            response_nonce: nonce,
            ..DiscoveryRequest::default()
        });
        count += 1;
        if count == TYPES.len() {
            let _ = told.send(());
        }
    }
}
