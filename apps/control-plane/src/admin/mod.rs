//! The admin page and the metrics, on a port of their own.

mod escape;
mod metrics;
mod page;

use crate::source::Source;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use pushlane::adapters::xds::{Ads, ClientStatus, Laggard, Metrics};
use std::sync::{Arc, Mutex, PoisonError};

/// All that is shown, as it was at one moment.
#[derive(Debug, Default)]
struct Seen {
    metrics: Metrics,
    clients: Vec<ClientStatus>,
    /// Who hasn't answered the newest change yet, by node and type.
    laggards: Vec<Laggard>,
    source: Source,
}

/// Where it is looked up.
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
}

pub(crate) fn router(sight: Sight) -> Router {
    Router::new().route("/", get(show_page)).route("/metrics", get(show_metrics)).with_state(sight)
}

async fn show_page(State(sight): State<Sight>) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        // Whatever a client might smuggle into the page, nothing would run.
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
