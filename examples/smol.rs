//! `cargo run --example smol --features smol`: feature flags on smol's reactor. The dispatcher is
//! one future, and `async_io` has the clock; `smol::spawn` would run it as well.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Clients, Dispatcher, Outcome, QueueHandle, SmolTimer};
use pushlane::backlog::ChangeSet;
use pushlane::{Config, Lane, Topic};

const TENANT: Topic = Topic(0);

/// One end of a channel stands for a socket; the first sends to it fail.
struct Connection {
    frames: mpsc::Sender<String>,
    failures: u32,
}

fn main() -> Outcome {
    let config = Config::new(1_000).topics(1);
    let queue: QueueHandle<ChangeSet<&str>> = Arc::new(AsyncQueue::new(config));
    let clients = Clients::<_, Connection>::new(Arc::clone(&queue));

    let (dispatcher, serving) = Dispatcher::builder(clients.clone())
        .deadline(Duration::from_secs(5))
        .close_evicted(|_connection, reason| println!("a connection is closed: {reason}"))
        .on_failure(|client, attempt, error| println!("{client}, attempt {attempt}: {error}"))
        .run(SmolTimer::default(), |mut push| async move {
            let Some(connection) = push.client() else { return Ok(()) };
            let frame = match push.request().keys() {
                Some(keys) => keys.copied().collect::<Vec<_>>().join(" "),
                None => String::from("everything"),
            };
            push.release_permit();
            if push.attempt() <= connection.failures {
                return Err("the connection is not ready".into()); // tried again, with backoff
            }
            connection.frames.send(frame)?;
            Ok(())
        });
    let server = std::thread::spawn(|| async_io::block_on(serving));

    let connect = |failures| {
        let (frames, received) = mpsc::channel();
        let (connection, everything) = (Connection { frames, failures }, ChangeSet::everything());
        let map = clients.map();
        map.connect(&clients, connection, [TENANT], Lane::Normal, Arc::new(everything))?;
        Ok::<_, pushlane::ConnectError<Connection>>(received)
    };
    let received = [connect(0)?, connect(2)?];

    async_io::block_on(async {
        let timer = SmolTimer::default();
        queue.converged_within(queue.barrier(), &timer, Duration::from_secs(10)).await?;
        let version = queue.publish(TENANT, Lane::Normal, ChangeSet::from(["dark-mode"]))?;
        let delivered = queue.converged_within(version, &timer, Duration::from_secs(10)).await?;
        println!("{version}: {delivered}");
        assert_eq!(delivered.completed, 2);
        assert_eq!(dispatcher.stats().failed, 4, "each of the two pushes, twice");
        dispatcher.drain(Duration::from_secs(10)).await?;
        Outcome::Ok(())
    })?;
    server.join().expect("it does not panic");
    drop(clients);
    for frames in received {
        let frames: Vec<_> = frames.try_iter().collect();
        assert_eq!(frames, ["everything", "dark-mode"]);
    }
    Ok(())
}
