//! The server of the crate.

use std::future::pending;
use std::time::Duration;

use pushlane::adapters::xds::{Ads, Limits, Resource, Server, TypeUrl};
use tokio::net::TcpListener;

use crate::changes::Changes;
use crate::cli::Cli;
use crate::world::Service;

pub(crate) struct Pushlane {
    ads: Ads,
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
        let ads = Ads::builder().limits(limits).start();
        // The queue is open: it can't be refused.
        let _ = ads.set("default", changes.all().map(resource));
        tokio::spawn(Server::plaintext(&ads).serve(listener, pending()));
        Pushlane { ads }
    }

    pub(crate) fn apply(&self, service: &Service) {
        let _ = self.ads.update("default", |edit| edit.put(resource(service)));
    }

    pub(crate) fn metrics(&self) -> String {
        let metrics = self.ads.metrics();
        format!("pushes={} evicted={}", metrics.pushes, metrics.ended.evicted())
    }
}
