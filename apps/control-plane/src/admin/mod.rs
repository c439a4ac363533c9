//! The admin page and the metrics, on a port of their own.

mod escape;
mod hosts;
mod json;
mod metrics;
mod page;
mod server;

pub(crate) use server::{Bounds, serve};

use crate::limits::{count, seconds};
use crate::source::Source;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Args;
use hosts::Hosts;
use pushlane::adapters::xds::{Ads, ClientStatus, Laggard, Metrics, Snapshot, ViewId};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Everything that is shown, as it is at one moment.
#[derive(Debug, Default)]
struct Seen {
    metrics: Metrics,
    clients: Vec<ClientStatus>,
    /// Clients that haven't answered the newest change yet, by node and type.
    laggards: Vec<Laggard>,
    source: Source,
}

/// The sources of what is shown.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) ads: Ads,
    pub(crate) source: Arc<Mutex<Source>>,
}

impl Sight {
    fn look(&self) -> Seen {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let laggards =
            source.newest.as_ref().map(|newest| self.ads.laggards(newest)).unwrap_or_default();
        Seen { metrics: self.ads.metrics(), clients: self.ads.clients(), laggards, source }
    }

    /// The views that hold something.
    fn views(&self) -> Vec<(ViewId, Arc<Snapshot>)> {
        let views = self.ads.views().into_iter();
        views.filter_map(|view| Some((view.clone(), self.ads.snapshot(view)?))).collect()
    }

    /// Why clients can't be served yet.
    fn unready(&self) -> Option<&'static str> {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        if source.good.is_none() {
            return Some("nothing has been read yet");
        }
        // A replica without a lease, or with a limit of 0.
        (self.ads.stream_limit() == 0).then_some("no client is admitted")
    }
}

/// The flags of the admin page.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Admin page")]
pub(crate) struct AdminFlags {
    /// Address of the admin page and /metrics. Every client that reaches it can read it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:18001")]
    pub(crate) admin: SocketAddr,
    /// A host name under which the page is asked for, beside localhost and its address. May be
    /// repeated
    #[arg(long, value_name = "NAME")]
    admin_host: Vec<String>,
    /// Connections at once; one more waits
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count())]
    admin_connections: usize,
    /// How long a request may take to come, and a connection may stay silent
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    admin_timeout: Duration,
}

impl AdminFlags {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { connections: self.admin_connections, header: self.admin_timeout }
    }

    pub(crate) fn router(&self, sight: Sight) -> Router {
        let hosts = Hosts::new(self.admin.ip(), self.admin_host.clone());
        Router::new()
            .route("/", get(show_page))
            .route("/metrics", get(show_metrics))
            .route("/status.json", get(show_status))
            .route("/clients.json", get(show_clients))
            .route("/config_dump", get(show_config))
            .route("/ready", get(show_ready))
            .route("/healthz", get(|| async { (NO_STORE, "ok\n") }))
            .with_state(sight)
            .layer(from_fn_with_state(hosts, hosts::check))
    }
}

const NO_STORE: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

async fn show_page(State(sight): State<Sight>) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        // Nothing that a client smuggles into the page can run.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    (headers, page::html(&sight.look()))
}

async fn show_metrics(State(sight): State<Sight>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")],
        metrics::text(&sight.look()),
    )
}

async fn show_status(State(sight): State<Sight>) -> impl IntoResponse {
    in_json(&json::status(&sight.look()))
}

async fn show_clients(State(sight): State<Sight>) -> impl IntoResponse {
    in_json(&json::clients(&sight.look()))
}

async fn show_config(
    State(sight): State<Sight>,
    Query(query): Query<HashMap<String, String>>,
) -> impl IntoResponse {
    let node = query.get("node").map(String::as_str);
    match json::config_dump(&sight.look(), &sight.views(), node) {
        Some(dump) => in_json(&dump).into_response(),
        None => {
            let what = json!({ "error": "no stream of this node" });
            (StatusCode::NOT_FOUND, in_json(&what)).into_response()
        }
    }
}

/// For supervisors that start programs in order: whether there is something to serve.
async fn show_ready(State(sight): State<Sight>) -> impl IntoResponse {
    match sight.unready() {
        None => (StatusCode::OK, NO_STORE, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, NO_STORE, format!("{why}\n")),
    }
}

fn in_json(value: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_without_a_state_or_that_admits_no_client_is_not_ready() {
        let (ads, mut state) = (Ads::builder().start(), Source::new(None));
        let unready = |state: &Source| {
            Sight { ads: ads.clone(), source: Arc::new(Mutex::new(state.clone())) }.unready()
        };
        assert_eq!(unready(&state), Some("nothing has been read yet"));
        state.good("file", &[]);
        assert_eq!(unready(&state), None);
        ads.set_stream_limit(0);
        assert_eq!(unready(&state), Some("no client is admitted"));
    }
}
