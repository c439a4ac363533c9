//! `cargo run --example converge`: publish, wait with a deadline, and name the clients that lag.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Dispatcher, QueueHandle};
use pushlane::backlog::ChangeSet;
use pushlane::{Config, Lane, Target};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::new(100).permits(8);
    let queue: QueueHandle<ChangeSet<&str>> = Arc::new(AsyncQueue::new(config));
    let clients: Vec<_> = (0..20).map(|_| queue.register()).collect::<Result<_, _>>()?;
    let (slow, gone) = (clients[3], clients[7]);

    // The slow client's connection stands still until this is set.
    let flows = Arc::new(AtomicBool::new(false));
    let is_flowing = Arc::clone(&flows);
    let pool = Dispatcher::builder(Arc::clone(&queue)).start_pool(2, move |push| {
        if push.key() == slow && !is_flowing.load(Ordering::Acquire) {
            push.requeue_after(Duration::from_millis(5));
        } else if push.key() == gone {
            // It disconnects in the middle of its push.
            push.queue().unregister(gone)?;
            return Err("connection reset".into());
        }
        Ok(())
    })?;

    let version = queue.publish(Target::Everyone, Lane::Normal, ChangeSet::from(["flags"]))?;
    let laggards = queue
        .wait_converged(version, Duration::from_millis(200))
        .expect_err("one connection stands still");
    println!("{version}: {laggards}");
    for client in &laggards.missing {
        println!("  {client} has not got it");
    }
    assert_eq!(laggards.missing, [slow]);

    flows.store(true, Ordering::Release);
    let delivered = queue.wait_converged(version, Duration::from_secs(10))?;
    println!("{version}: {delivered}");
    assert!(queue.is_converged(version));

    pool.drain(Duration::from_secs(10))?;
    Ok(())
}
