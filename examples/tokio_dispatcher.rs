//! `cargo run --example tokio_dispatcher --features tokio`: feature flags on tokio. Clients
//! subscribe to a tenant; a kill switch goes in the urgent lane; a client that hangs is evicted.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use pushlane::adapters::{AsyncQueue, Clients, Dispatcher, Outcome, QueueHandle, TokioTimer};
use pushlane::backlog::ChangeSet;
use pushlane::{Config, Lane, Topic};

const TENANT_A: Topic = Topic(0);
const TENANT_B: Topic = Topic(1);

/// One end of a channel stands for a socket.
struct Connection {
    frames: mpsc::Sender<String>,
    hangs: bool,
}

async fn serve() -> Outcome {
    let config = Config::new(10_000).topics(2).permits(32);
    let queue: QueueHandle<ChangeSet<&str>> = Arc::new(AsyncQueue::new(config));
    let clients = Clients::<_, Connection>::new(Arc::clone(&queue));
    let evicted = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&evicted);

    let dispatcher = Dispatcher::builder(clients.clone())
        .deadline(Duration::from_millis(100))
        .close_evicted(move |_connection, reason| seen.lock().unwrap().push(reason.to_string()))
        .start(|mut push| async move {
            let Some(connection) = push.client() else { return Ok(()) }; // it has left
            let frame = match push.request().keys() {
                Some(keys) => keys.copied().collect::<Vec<_>>().join(" "),
                None => String::from("everything"),
            };
            push.release_permit(); // a slow send costs the others nothing
            if connection.hangs {
                std::future::pending::<()>().await;
            }
            connection.frames.send(frame)?;
            Ok(())
        });

    let connect = |tenant, hangs| {
        let (frames, received) = mpsc::channel();
        let everything = Arc::new(ChangeSet::everything());
        let connection = Connection { frames, hangs };
        let key =
            clients.map().connect(&clients, connection, [tenant], Lane::Normal, everything)?;
        Ok::<_, pushlane::ConnectError<Connection>>((key, received))
    };
    let (_, of_a) = connect(TENANT_A, false)?;
    let (_, of_b) = connect(TENANT_B, false)?;
    let timer = TokioTimer::default();
    queue.converged_within(queue.barrier(), &timer, Duration::from_secs(10)).await?;
    let (hung, _) = connect(TENANT_A, true)?;
    let version = queue.publish(TENANT_A, Lane::Urgent, ChangeSet::from(["kill-switch"]))?;
    match queue.converged_within(version, &timer, Duration::from_millis(10)).await {
        Ok(delivered) => println!("{version}: {delivered}"),
        Err(laggards) => println!("{version}: {laggards}"),
    }
    // The client that hangs is evicted at its deadline, and holds nothing back any more.
    println!("{}", queue.converged_within(version, &timer, Duration::from_secs(10)).await?);
    assert!(!queue.is_registered(hung));
    assert_eq!(*evicted.lock().unwrap(), ["a push had not ended after 100ms"]);
    dispatcher.drain(Duration::from_secs(10)).await?;

    drop(clients);
    assert_eq!(of_a.try_iter().collect::<Vec<_>>(), ["everything", "kill-switch"]);
    assert_eq!(of_b.try_iter().collect::<Vec<_>>(), ["everything"]);
    Ok(())
}

fn main() -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(serve())
}
