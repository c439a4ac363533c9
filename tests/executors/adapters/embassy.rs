//! The dispatcher on embassy's executor, by embassy's clock: on its port to the standard library.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use embassy_executor::{Executor, Spawner};
use pushlane::adapters::{Backoff, Dispatcher, EmbassyTimer, Stats};

use crate::rig::{Push, publish_to_all, queue};

#[embassy_executor::task]
async fn serve(done: Sender<Stats>) {
    let (queue, clients) = queue(3, 2);
    let (hung, flaky) = (clients[0], clients[1]);
    let (dispatcher, serving) = Dispatcher::builder(Arc::clone(&queue))
        .deadline(Duration::from_millis(50))
        .backoff(Backoff::new(Duration::from_millis(2), Duration::from_millis(10)))
        .run(EmbassyTimer, move |push: Push| async move {
            if push.key() == hung {
                std::future::pending::<()>().await;
            }
            if push.key() == flaky && push.attempt() < 3 {
                return Err("on purpose".into());
            }
            Ok(())
        });
    let version = publish_to_all(&queue, 1);
    let asking = async {
        queue.converged_within(version, &EmbassyTimer, Duration::from_secs(60)).await.unwrap();
        let stats = dispatcher.stats();
        dispatcher.drain(Duration::from_secs(60)).await.unwrap();
        done.send(stats).unwrap();
    };
    smol::future::zip(serving, asking).await;
}

#[test]
fn deadlines_and_backoff_go_by_embassys_clock() {
    let (done, stats) = channel();
    // An executor never ends. Its thread sleeps when the test is over.
    thread::spawn(|| {
        let executor = Box::leak(Box::new(Executor::new()));
        executor.run(|spawner: Spawner| spawner.spawn(serve(done).unwrap()));
    });
    let stats = stats.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!((stats.completed, stats.failed, stats.evicted), (2, 2, 1));
}
