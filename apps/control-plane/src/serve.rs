//! Runs the server: from files to clients, until the process ends.

use crate::admin::{self, Sight};
use crate::certificates::{self, CertificateWatch, Certificates};
use crate::cli::Cli;
use crate::fleet::replica::Replica;
use crate::resources::{FILES, Resource, nothing_in, parse};
use crate::signals::{Signals, Told};
use crate::source::Source;
use crate::virtual_hosts::with_domains;
use crate::watch::{News, Watch};
use pushlane::adapters::xds::{self, Ads, Published, Server, ServerBuilder, ViewId};
use std::io::Write;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};

/// All clients are served the same.
const VIEW: &str = "default";
/// How long the record of a replica may take to be written at the end.
const RECORD: Duration = Duration::from_secs(1);
const BUILTIN: (&str, &[u8]) = ("builtin.json", include_bytes!("builtin.json"));

pub(crate) fn run(cli: Cli) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(serve(cli))
}

async fn serve(cli: Cli) -> Result<(), String> {
    if let Some(warning) = cli.limits.check()? {
        complain(&warning);
    }
    let mut signals = Signals::new().map_err(|error| error.to_string())?;
    let clients = bind(cli.listen).await?;
    let admin = bind(cli.admin.admin).await?;
    let mut limits = cli.limits.limits();
    if cli.etcd.is_given() {
        // Of each departure it has to be known for a while what the client lacked.
        limits.history = limits.history.max(limits.streams);
    }
    let mut ads = Ads::builder().limits(limits);
    if cli.events {
        ads = ads.observe(|event| complain(&event.to_string()));
    }
    if cli.etcd.is_given() {
        ads = ads.shared_revisions();
    }
    if cli.fleet.view_by_cluster {
        ads = ads.view(|node, _| ViewId::from(&*node.cluster));
    }
    let ads = ads.start();
    let source = Arc::new(Mutex::new(Source::new(cli.resources.as_deref())));
    let mut replica = None;
    if cli.etcd.is_given() {
        let (flags, listen) = ((&cli.etcd, &cli.fleet), address(&clients)?);
        let source = Arc::clone(&source);
        replica = Some(Replica::start(flags, &ads, source, listen, (say, complain))?);
    }
    let taker = Taker { ads: ads.clone(), source: Arc::clone(&source), tasks: Handle::current() };

    say(&format!("ADS on {}", address(&clients)?));
    say(&format!("admin page on http://{}", address(&admin)?));
    let certificates = Certificates::load(&cli.tls)?;
    let (server, duration) = (server(&cli, &ads, certificates.as_ref()), cli.duration);
    let certificates =
        certificates.map(|them| them.watch(certificates::PATROL, tell_of_certificates)).transpose();
    let certificates = certificates.map_err(|error| error.to_string())?;
    let watch = match cli.resources {
        Some(dir) => {
            if !FILES.iter().any(|file| dir.join(file).exists()) {
                say(&format!("{}: nothing is served yet", nothing_in(&dir)));
            }
            Some(Watch::new(dir, move |news| taker.take(news)).map_err(|error| error.to_string())?)
        }
        None if replica.is_some() => None,
        None => {
            let resources = parse(BUILTIN.0, BUILTIN.1).map_err(|faults| format!("{faults:?}"))?;
            taker.take(News::Read { file: BUILTIN.0, resources });
            None
        }
    };

    let (stop_admin, stopped) = tokio::sync::watch::channel(());
    let router = cli.admin.router(Sight { ads: ads.clone(), source });
    let page = tokio::spawn(admin::serve(admin, router, cli.admin.bounds(), stopped));
    let stop = async {
        let mut time_is_up = pin!(time_is_up(duration));
        let reason = loop {
            let told = tokio::select! {
                () = time_is_up.as_mut() => Told::End("time is up"),
                told = signals.next() => told,
            };
            if let Told::End(reason) = told {
                break reason;
            }
            say("hangup: reading resources and certificates");
            watch.iter().for_each(Watch::look);
            certificates.iter().for_each(CertificateWatch::look);
        };
        say(&format!("{reason}: draining"));
        drop(watch);
        if let Some(replica) = replica {
            replica.end(RECORD, cli.drain).await;
        }
    };
    let served = server.serve(clients, stop).await;
    drop(stop_admin);
    let _ = page.await;
    say("ended");
    served.map_err(|error| error.to_string())
}

/// In plain text, unless there is a certificate.
fn server(cli: &Cli, ads: &Ads, certificates: Option<&Certificates>) -> ServerBuilder {
    let server = match certificates {
        Some(certificates) => Server::tls(ads, certificates.tls()),
        None => {
            if !cli.listen.ip().is_loopback() {
                complain("clients are served in plain text: the network can read every resource");
            }
            Server::plaintext(ads)
        }
    };
    let server = cli.limits.server(server).drain_grace(cli.drain);
    server.health(cli.health).client_status(cli.client_status)
}

fn tell_of_certificates(result: Result<(), String>) {
    match result {
        Ok(()) => say("certificates: the new ones are in use"),
        Err(why) => complain(&format!("certificates: {why}; the old ones stay in use")),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}

/// Never, unless there is a limit.
async fn time_is_up(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Serves what the directory holds.
struct Taker {
    ads: Ads,
    source: Arc<Mutex<Source>>,
    tasks: Handle,
}

impl Taker {
    fn take(&self, news: News) {
        let begin = Instant::now();
        let News::Read { file, resources } = news else {
            let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
            source.bad(&news);
            source.faults.iter().for_each(|line| complain(line));
            return;
        };
        // During the drain nothing is changed.
        let Ok(published) = self.ads.set(VIEW, resources.iter().map(resource)) else { return };
        say(&format!(
            "{file}: {} resources, {} changed",
            resources.len(),
            published.changed().count()
        ));
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.good(file, &resources);
        if !published.is_empty() {
            source.newest = Some(published.clone());
            self.tasks.spawn(report(self.ads.clone(), published, begin));
        }
    }
}

fn resource(from: &Resource) -> xds::Resource {
    let (type_url, name) = (from.type_url.as_str(), from.name.as_str());
    with_domains(xds::Resource::hashed(type_url, name, from.value.clone()))
}

/// Prints when all clients have acknowledged a change, or the rejections.
async fn report(ads: Ads, published: Published, begin: Instant) {
    let revision = published.revision();
    match ads.wait_acked(&published).await {
        Ok(acked) => {
            let left = match acked.departed.len() {
                0 => String::new(),
                some => format!(", {some} left before they had"),
            };
            let took = begin.elapsed();
            say(&format!("revision {revision}: acknowledged by all after {took:.1?}{left}"));
        }
        Err(rejected) => rejected.nacks.iter().for_each(|nack| complain(&nack.to_string())),
    }
}

/// Prints a line. A console that is gone is no reason to end.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", plain(line));
}

pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", plain(line));
}

/// Prints what a command was asked for.
pub(crate) fn print(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{}", plain(line))
        .map_err(|error| format!("standard output: {error}"))
}

/// Text from clients must not control the terminal.
pub(crate) fn plain(line: &str) -> String {
    line.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
