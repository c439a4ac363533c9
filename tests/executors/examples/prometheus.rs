//! `cargo run -p executor-tests --example prometheus`: what Prometheus scrapes from a dispatcher.
//!
//! The program chooses the exporter; with `metrics-exporter-prometheus`' feature `http-listener`,
//! `install` would serve the text over HTTP.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use pushlane::adapters::{AsyncQueue, Dispatcher, Measured, Outcome, QueueHandle, TokioTimer};
use pushlane::backlog::ChangeSet;
use pushlane::{Config, Lane, Target};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    // First the recorder, then the dispatcher.
    let prometheus = PrometheusBuilder::new().install_recorder()?;

    let queue: QueueHandle<Measured<ChangeSet<u32>>> =
        Arc::new(AsyncQueue::new(Config::new(100).permits(8)));
    let dispatcher = Dispatcher::builder(Arc::clone(&queue)).measure().metrics("flags").start(
        |mut push| async move {
            push.release_permit();
            tokio::time::sleep(Duration::from_millis(2)).await; // a send
            if push.attempt() == 1 && push.key().index() == 0 {
                return Err("connection reset".into());
            }
            Ok(())
        },
    );
    for _ in 0..20 {
        queue.register()?;
    }
    for change in 0..50 {
        let change = Measured::new(ChangeSet::from([change]));
        queue.publish(Target::Everyone, Lane::Normal, change)?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let timer = TokioTimer::default();
    queue.converged_within(queue.barrier(), &timer, Duration::from_secs(10)).await?;
    let text = prometheus.render();
    println!("{text}");
    assert!(
        text.contains(
            "pushlane_pushes_total{queue=\"flags\",lane=\"normal\",outcome=\"completed\"}"
        )
    );
    dispatcher.drain(Duration::from_secs(10)).await?;
    Ok(())
}
