//! What a dispatcher reports, to the recorder of `metrics` and to the subscriber of `tracing`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pushlane::adapters::{AsyncQueue, Backoff, Dispatcher, Measured, QueueHandle, Stats};
use pushlane::backlog::ChangeSet;
use pushlane::{ClientKey, Config, Lane};

/// One at a time: what a thread without a subscriber does meanwhile, `tracing` may take for all.
static ALONE: Mutex<()> = Mutex::new(());

type Queue = QueueHandle<Measured<ChangeSet<u32>>>;

fn virtual_time(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
}

/// A good client, one that hangs, one whose pushes fail, and one whose first push panics and whose
/// second one comes too early.
async fn serve(queue: Queue) -> Stats {
    let clients: Vec<ClientKey> = (0..4).map(|_| queue.register().unwrap()).collect();
    for change in 0..3 {
        publish(&queue, clients[0], Lane::Urgent, change);
    }
    for &client in &clients[1..] {
        publish(&queue, client, Lane::Normal, 7);
    }
    let early = std::sync::atomic::AtomicU32::new(0);
    let named = clients.clone();
    let dispatcher = Dispatcher::builder(Arc::clone(&queue))
        .deadline(Duration::from_secs(4))
        .backoff(Backoff::new(Duration::from_millis(10), Duration::from_millis(10)))
        .attempts(3)
        .measure()
        .metrics("flags")
        .start(move |push| {
            let nth = early
                .fetch_add(u32::from(push.key() == named[3]), std::sync::atomic::Ordering::Relaxed);
            let (hangs, fails) = (push.key() == named[1], push.key() == named[2]);
            let odd = push.key() == named[3];
            async move {
                match (odd, nth) {
                    (true, 0) => panic!("on purpose"),
                    (true, 1) => push.requeue_after(Duration::from_millis(1)),
                    _ if hangs => std::future::pending::<()>().await,
                    _ if fails => return Err("no route".into()),
                    _ => {
                        tracing::info!("sent");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                Ok(())
            }
        });
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let held = dispatcher.stats();
    assert_eq!(held.in_progress, 1);
    queue.converged(queue.barrier()).await;
    let stats = dispatcher.stats();
    dispatcher.drain(Duration::MAX).await.unwrap();
    stats
}

fn publish(queue: &Queue, client: ClientKey, lane: Lane, change: u32) {
    queue.publish(client, lane, Measured::new(ChangeSet::from([change]))).unwrap();
}

fn queue() -> Queue {
    Arc::new(AsyncQueue::new(Config::new(10).permits(7)))
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

#[test]
fn prometheus_sees_what_happened() {
    let _alone = ALONE.lock();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle: PrometheusHandle = recorder.handle();
    let mut stats = Stats::default();
    metrics::with_local_recorder(&recorder, || {
        virtual_time(async { stats = serve(queue()).await });
    });
    let text = handle.render();
    let get = |series: &str| value(&text, &format!("pushlane_{series}"));
    for (series, expected) in [
        (r#"pushes_total{queue="flags",lane="urgent",outcome="completed"}"#, 1.0),
        (r#"pushes_total{queue="flags",lane="normal",outcome="completed"}"#, 1.0),
        // Two of the client that fails, and the panic; the third ends with its client.
        (r#"pushes_total{queue="flags",lane="normal",outcome="failed"}"#, 3.0),
        (r#"pushes_total{queue="flags",lane="normal",outcome="requeued"}"#, 1.0),
        (r#"pushes_total{queue="flags",lane="normal",outcome="evicted"}"#, 2.0),
        (r#"panics_total{queue="flags"}"#, 1.0),
        (r#"evictions_total{queue="flags",reason="deadline"}"#, 1.0),
        (r#"evictions_total{queue="flags",reason="failures"}"#, 1.0),
        (r#"publishes_per_push_sum{queue="flags",lane="urgent"}"#, 3.0),
        (r#"publishes_per_push_count{queue="flags",lane="urgent"}"#, 1.0),
        (r#"queue_seconds_count{queue="flags",lane="urgent"}"#, 1.0),
        (r#"push_seconds_count{queue="flags",lane="urgent"}"#, 1.0),
        (r#"convergence_seconds_count{queue="flags"}"#, 1.0),
        (r#"clients{queue="flags"}"#, 3.0),
        (r#"permits{queue="flags"}"#, 7.0),
        (r#"in_progress{queue="flags"}"#, 1.0),
    ] {
        assert_eq!(get(series), expected, "{series} in\n{text}");
    }
    // Virtual time: the good push took 100 ms, and the last look was 3 s into the one that hangs.
    assert!(get(r#"push_seconds_sum{queue="flags",lane="urgent"}"#) >= 0.1);
    assert!(get(r#"longest_push_seconds{queue="flags"}"#) >= 2.0, "{text}");
    assert_eq!(
        (stats.begun, stats.completed, stats.failed, stats.requeued, stats.merged, stats.evicted),
        (8, 2, 4, 1, 2, 2),
    );
}

/// One client backs off, one holds the only permit, and one waits for it.
#[test]
fn gauges_show_what_waits() {
    let _alone = ALONE.lock();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle: PrometheusHandle = recorder.handle();
    let minute = Duration::from_secs(60);
    metrics::with_local_recorder(&recorder, || {
        virtual_time(async {
            let queue: Queue = Arc::new(AsyncQueue::new(Config::new(10).permits(1)));
            let clients: Vec<ClientKey> = (0..3).map(|_| queue.register().unwrap()).collect();
            let fails = clients[0];
            let _dispatcher = Dispatcher::builder(Arc::clone(&queue))
                .no_deadline()
                .backoff(Backoff::new(minute, minute))
                .metrics("flags")
                .start(move |push| async move {
                    if push.key() == fails {
                        return Err("no route".into());
                    }
                    std::future::pending().await
                });
            for &client in &clients {
                publish(&queue, client, Lane::Normal, 7);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(3_500)).await;
        });
    });
    let text = handle.render();
    let get = |series: &str| value(&text, &format!("pushlane_{series}"));
    for (series, expected) in [
        (r#"backing_off{queue="flags"}"#, 1.0),
        (r#"in_progress{queue="flags"}"#, 1.0),
        (r#"permits_held{queue="flags"}"#, 1.0),
        (r#"waiting{queue="flags",lane="normal"}"#, 1.0),
        (r#"waiting{queue="flags",lane="urgent"}"#, 0.0),
    ] {
        assert_eq!(get(series), expected, "{series} in\n{text}");
    }
    assert!(get(r#"oldest_waiting_seconds{queue="flags"}"#) >= 2.0, "{text}");
}

/// What a subscriber writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_subscriber_sees_each_push_and_what_went_wrong() {
    let _alone = ALONE.lock();
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        virtual_time(async {
            serve(queue()).await;
        });
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let has = |parts: &[&str]| {
        assert!(
            text.lines().any(|line| parts.iter().all(|part| line.contains(part))),
            "no {parts:?} in\n{text}"
        );
    };
    has(&[" INFO ", "push{client=0.1 lane=\"urgent\" attempt=1", "sent"]);
    has(&["push{client=0.1", "outcome=\"completed\"", "close"]);
    has(&["push{client=2.1", "attempt=2", "outcome=\"failed\"", "close"]);
    has(&["DEBUG", "push failed", "client=2.1", "attempt=1", "error=no route"]);
    has(&["ERROR", "push panicked", "client=3.1", "on purpose"]);
    has(&["push{client=3.1", "outcome=\"requeued\"", "close"]);
    has(&["WARN", "client evicted", "client=1.1", "a push had not ended after 4s"]);
    has(&["WARN", "client evicted", "client=2.1", "3 pushes failed in a row"]);
    has(&["push{client=1.1", "outcome=\"evicted\"", "close"]);
}

/// A subscriber is user code: it may ask the dispatcher for its counts whenever it is called.
#[test]
fn a_subscriber_is_called_without_the_dispatchers_lock() {
    let _alone = ALONE.lock();
    let dispatcher = Arc::new(OnceLock::<Dispatcher<Queue>>::new());
    let (asks, calls) = (Arc::clone(&dispatcher), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&calls);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || {
            // On another thread, so that a lock that is held fails the test and hangs nothing.
            let (asks, (answer, answered)) = (Arc::clone(&asks), mpsc::channel());
            std::thread::spawn(move || answer.send(asks.get().map(Dispatcher::stats)));
            log.lock().unwrap().push(answered.recv_timeout(Duration::from_secs(5)).is_ok());
            io::sink()
        })
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        virtual_time(async {
            let queue = queue();
            let clients: Vec<ClientKey> = (0..2).map(|_| queue.register().unwrap()).collect();
            let fails = clients[1];
            let started = Dispatcher::builder(Arc::clone(&queue))
                .backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(1)))
                .attempts(2)
                .start(move |push| async move {
                    if push.key() == fails { Err("no route".into()) } else { Ok(()) }
                });
            assert!(dispatcher.set(started).is_ok());
            for &client in &clients {
                publish(&queue, client, Lane::Normal, 7);
            }
            queue.converged(queue.barrier()).await;
        });
    });
    let calls = calls.lock().unwrap();
    assert!(calls.len() > 10 && calls.iter().all(|answered| *answered), "{calls:?}");
}
