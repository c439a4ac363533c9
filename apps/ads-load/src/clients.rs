//! A run: starts the server, connects everybody, lets changes happen, and looks who has what.

use std::collections::HashMap;
use std::error::Error;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pushlane::adapters::xds::proto::Node;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

use crate::cli::{Cli, Design, Kind};
use crate::process::{Cost, cost};
use crate::stream::{self, Client, Seen};

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From the first connection until everybody had their first response.
    pub(crate) connected: Duration,
    /// From when a change was due to its ACK, in microseconds, sorted: changes for some, and for
    /// everybody.
    pub(crate) latencies: [Vec<u32>; 2],
    pub(crate) responses: usize,
    /// How long after the last change everybody had everything.
    pub(crate) settled: Option<Duration>,
    /// Clients whose state is not the server's in the end; clients that lost their stream. Without
    /// those stuck.
    pub(crate) wrong: usize,
    pub(crate) broken: usize,
    /// The server: without clients, with them, at the end; and its own counters.
    pub(crate) before: Cost,
    pub(crate) idle: Cost,
    pub(crate) after: Cost,
    pub(crate) metrics: String,
    pub(crate) clients: usize,
    pub(crate) ran: Duration,
    /// Responses that came during the changes.
    pub(crate) pushed: usize,
    /// The server's cost during the changes, with the time since they began.
    pub(crate) samples: Vec<(Duration, Cost)>,
}

struct Served {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Served {
    async fn start(design: Design, cli: &Cli) -> Result<(Self, String), Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        let design = match design {
            Design::Pushlane => "pushlane",
            Design::Naive => "naive",
            Design::Floor => "floor",
        };
        command.args(["--serve", design]);
        for (name, value) in [
            ("--clients", cli.clients as u64),
            ("--services", cli.services as u64),
            ("--rate", cli.rate),
            ("--seconds", cli.seconds),
            ("--everyone", cli.everyone),
            ("--views", cli.views as u64),
        ] {
            command.args([name, &value.to_string()]);
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.kill_on_drop(true).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut served = Served { child, input, output: BufReader::new(output).lines() };
        let addr = served.hear().await?;
        Ok((served, addr))
    }

    async fn hear(&mut self) -> Result<String, Box<dyn Error>> {
        Ok(self.output.next_line().await?.ok_or("the server is gone")?)
    }

    async fn ask(&mut self, word: &str) -> Result<String, Box<dyn Error>> {
        self.input.write_all(format!("{word}\n").as_bytes()).await?;
        self.hear().await
    }

    /// Lets it end by itself: a profiler writes what it has found at the end of a program.
    async fn end(self) {
        let Served { mut child, input, output } = self;
        drop((input, output));
        // Past this it is killed.
        let _ = timeout(PATIENCE, child.wait()).await;
    }

    fn cost(&self) -> Cost {
        self.child.id().map(cost).unwrap_or_default()
    }
}

/// How long everybody may take to connect, and to settle.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn run(design: Design, cli: &Cli) -> Result<Outcome, Box<dyn Error>> {
    let (mut served, addr) = Served::start(design, cli).await?;
    let mut outcome = Outcome { clients: cli.clients, before: served.cost(), ..Outcome::default() };
    let seen = Arc::<Seen>::default();
    let clients: Vec<_> = (0..cli.clients)
        .map(|number| Client { names: cli.watches(number), ..Client::default() })
        .map(Arc::new)
        .collect();
    let start = Instant::now();
    let (mut channel, mut on_it) = (None, 0);
    let mut tasks = tokio::task::JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let kind = cli.kind(number);
        let endpoint = Channel::from_shared(format!("http://{addr}"))?;
        // A client that misbehaves has a connection of its own, so that only its stream suffers.
        let mine = if kind != Kind::Healthy {
            endpoint.connect().await?
        } else {
            if channel.is_none() || on_it == cli.per_connection {
                (channel, on_it) = (Some(endpoint.connect().await?), 0);
            }
            on_it += 1;
            channel.clone().ok_or("no connection")?
        };
        let (client, seen, delta) = (Arc::clone(client), Arc::clone(&seen), cli.delta);
        let (id, cluster) = (format!("client-{number}"), cli.view(number));
        let node = Node { id, cluster, ..Node::default() };
        tasks.spawn(async move {
            let ended = stream::run(mine, (node, kind), delta, &client, &seen).await;
            if kind != Kind::Stuck {
                seen.ended.fetch_add(1, Relaxed);
                eprintln!("client-{number} lost its stream: {ended:?}");
            }
        });
    }
    while seen.ready.load(Relaxed) < cli.clients {
        if start.elapsed() > PATIENCE {
            return Err(format!("only {} clients were served", seen.ready.load(Relaxed)).into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    outcome.connected = start.elapsed();
    sleep(Duration::from_secs(1)).await;
    outcome.idle = served.cost();

    let start = Instant::now();
    let stop = Arc::<AtomicBool>::default();
    let before = seen.responses.load(Relaxed);
    let sampler = served.child.id().map(|pid| tokio::spawn(sample(pid, start, Arc::clone(&stop))));
    served.ask("go").await?;
    outcome.ran = start.elapsed();
    outcome.after = served.cost();
    outcome.pushed = seen.responses.load(Relaxed) - before;
    if let Some(sampler) = sampler {
        stop.store(true, Relaxed);
        outcome.samples = sampler.await?;
    }
    let state = served.ask("state").await?;
    let expected: HashMap<&str, u64> = state
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, version)| Some((name, version.parse().ok()?)))
        .collect();
    let start = Instant::now();
    loop {
        outcome.wrong = wrong(cli, &clients, &expected);
        if outcome.wrong == 0 {
            outcome.settled = Some(start.elapsed());
            break;
        }
        if start.elapsed() > PATIENCE {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    outcome.broken = seen.ended.load(Relaxed);
    outcome.metrics = served.ask("metrics").await?;
    outcome.responses = seen.responses.load(Relaxed);
    outcome.latencies = [&seen.some, &seen.everyone].map(|all| {
        let mut all = std::mem::take(&mut *all.lock().expect("not poisoned"));
        all.sort_unstable();
        all
    });
    tasks.abort_all();
    served.end().await;
    Ok(outcome)
}

/// The cost of a process, twice a second until it is enough.
async fn sample(pid: u32, start: Instant, stop: Arc<AtomicBool>) -> Vec<(Duration, Cost)> {
    let mut samples = Vec::new();
    while !stop.load(Relaxed) {
        samples.push((start.elapsed(), cost(pid)));
        sleep(Duration::from_millis(500)).await;
    }
    samples
}

/// How many clients have something else than the server, of those that answer.
fn wrong(cli: &Cli, clients: &[Arc<Client>], expected: &HashMap<&str, u64>) -> usize {
    let differs = |(_, client): &(usize, &Arc<Client>)| {
        let has = client.versions.lock().expect("not poisoned");
        client.names.iter().any(|name| has.get(name) != expected.get(&**name))
    };
    let answering =
        clients.iter().enumerate().filter(|(number, _)| cli.kind(*number) != Kind::Stuck);
    answering.filter(differs).count()
}
