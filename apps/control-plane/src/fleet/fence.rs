//! A replica that may have lost its lease ends its streams: its record may be gone, and its clients
//! with it.

use super::gate::Gate;
use pushlane::adapters::xds::Ads;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Between two looks at whether a stream is left.
const AGAIN: Duration = Duration::from_millis(20);

/// Follows `valid`, until when the lease is valid at least, and acts half of its time before that:
/// for so long the clients are counted here, while they connect elsewhere. Returns when the sender
/// is gone.
pub(super) async fn keep(
    ads: Ads,
    gate: Arc<Gate>,
    lease: Duration,
    mut valid: watch::Receiver<Instant>,
    tell: impl Fn(&str),
) {
    let margin = lease / 2;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_end_when_half_of_the_lease_is_left() {
        let ads = Ads::builder().start();
        let (begin, hour) = (Instant::now(), Duration::from_secs(3_600));
        let (valid, is_valid) = watch::channel(begin + hour.mul_f32(0.55));
        let gate = Arc::new(Gate::new(ads.clone()));
        let kept = tokio::spawn(keep(ads.clone(), gate, hour, is_valid, |_| ()));
        let admits = async |admits| {
            let is_so = async {
                while (ads.stream_limit() > 0) != admits {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), is_so).await.expect("a change");
        };
        admits(true).await;
        valid.send_replace(begin + hour.mul_f32(0.45));
        admits(false).await;
        drop(valid);
        kept.await.unwrap();
    }
}
