//! The server of the crate.

use std::future::pending;
use std::time::Duration;

use pushlane::adapters::xds::{Ads, Limits, Resource, Server, TypeUrl, ViewId};
use tokio::net::TcpListener;

use crate::changes::Changes;
use crate::cli::{Cli, view};
use crate::world::Service;

pub(crate) struct Pushlane {
    ads: Ads,
    views: Vec<ViewId>,
}

fn resource(service: &Service) -> Resource {
    let version = service.version.to_string();
    Resource::new(TypeUrl::ENDPOINTS, &*service.name, version, service.encode())
}

impl Pushlane {
    pub(crate) fn start(cli: &Cli, changes: &Changes, listener: TcpListener) -> Self {
        let mut limits = Limits::default();
        // One type a stream; all of them come at once.
        (limits.streams, limits.types) = (cli.clients + 100, 1);
        (limits.topics, limits.admission_rate) = (1_024, 0);
        limits.ack_deadline = Duration::from_secs(20);
        let of = |node: &pushlane::adapters::xds::proto::Node| ViewId::from(&*node.cluster);
        let ads = Ads::builder().limits(limits).view(move |node, _| of(node)).start();
        let views: Vec<_> = (0..cli.views.max(1)).map(view).map(ViewId::from).collect();
        let all: Vec<_> = changes.all().map(resource).collect();
        for view in &views {
            // The queue is open: it can't be refused.
            let _ = ads.set(view.clone(), all.iter().cloned());
        }
        tokio::spawn(Server::plaintext(&ads).serve(listener, pending()));
        Pushlane { ads, views }
    }

    pub(crate) fn apply(&self, service: &Service) {
        let resource = resource(service);
        for view in &self.views {
            let _ = self.ads.update(view.clone(), |edit| edit.put(resource.clone()));
        }
    }

    pub(crate) fn metrics(&self) -> String {
        let metrics = self.ads.metrics();
        format!(
            "pushes={} nothing={} evicted={}",
            metrics.pushes,
            metrics.nothing,
            metrics.ended.evicted()
        )
    }
}
