//! A replica that may have lost its lease ends its streams: its record may be gone, and its clients
//! with it.

use super::gate::Gate;
use pushlane::adapters::xds::Ads;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Between two looks at whether a stream is left.
const AGAIN: Duration = Duration::from_millis(20);

/// Follows `valid`, until when the lease is valid at least, and acts a quarter of its time before
/// that. Returns when the sender is gone.
pub(super) async fn keep(
    ads: Ads,
    gate: Arc<Gate>,
    lease: Duration,
    mut valid: watch::Receiver<Instant>,
    tell: impl Fn(&str),
) {
    let margin = lease / 4;
    loop {
        let left = (*valid.borrow_and_update()).saturating_duration_since(Instant::now());
        let fenced = left <= margin;
        if gate.leased(!fenced) {
            tell(if fenced {
                "the lease can't be renewed: streams are ended, their clients go elsewhere"
            } else {
                "this replica has a lease: clients are admitted"
            });
        }
        let pause = if fenced {
            // A stream may have entered while the limit was being changed.
            for client in ads.clients() {
                ads.disconnect(client.stream);
            }
            AGAIN
        } else {
            left - margin
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = valid.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
