//! One push through a dispatcher, from the lease to its end, with a handler that does nothing.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Builder, Dispatcher, Timer};
use pushlane::backlog::Dirty;
use pushlane::{Config, Lane};

use crate::operations::counted;

type Queue = Arc<AsyncQueue<Dirty>>;

/// A clock that stands still.
struct Still;

impl Timer for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        pending().await
    }
}

fn push(build: impl FnOnce(Builder<Queue>) -> Builder<Queue>) {
    let queue = Arc::new(AsyncQueue::<Dirty>::new(Config::new(2_048)));
    let register = || queue.register().unwrap_or_else(|error| unreachable!("{error}"));
    let (busy, client) = (register(), register());
    let builder = build(Dispatcher::builder(Arc::clone(&queue)));
    let (dispatcher, serving) = builder.run(Still, move |push| async move {
        if push.key() == busy {
            pending().await
        }
        Ok(())
    });
    let (mut serving, mut context) = (pin!(serving), Context::from_waker(Waker::noop()));
    // Another push is in progress: the dispatcher's timer is set already, as it is under load.
    assert!(queue.publish(busy, Lane::Normal, ()).is_ok());
    assert!((0..3).all(|_| serving.as_mut().poll(&mut context).is_pending()));
    // Once before: what is done only the first time doesn't count.
    for round in 0..2 {
        assert!(queue.publish(client, Lane::Normal, ()).is_ok());
        let polled = match round {
            0 => serving.as_mut().poll(&mut context),
            _ => counted(|| serving.as_mut().poll(&mut context)),
        };
        assert!(polled.is_pending());
        assert_eq!(dispatcher.stats().completed, round + 1);
    }
}

#[cfg(feature = "metrics")]
fn metered() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder();
    assert!(recorder.is_ok());
    push(|builder| builder.metrics("counted"));
}

#[cfg(feature = "tracing")]
fn traced() {
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
    assert!(tracing::subscriber::set_global_default(subscriber).is_ok());
    push(|builder| builder);
}

/// Name and operation.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("push, dispatched", || push(|builder| builder)),
    #[cfg(feature = "metrics")]
    ("push, with metrics", metered),
    #[cfg(feature = "tracing")]
    ("push, with tracing", traced),
];
