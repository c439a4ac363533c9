//! The server process: says where it listens, makes changes when told to, and says what there is in
//! the end.

use std::error::Error;
use std::io::Write;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use crate::changes::Changes;
use crate::cli::{Cli, Design};
use crate::floor::Floor;
use crate::naive::Naive;
use crate::pushlane_server::Pushlane;
use crate::world::Service;

/// Either server.
pub(crate) enum Server {
    Pushlane(Pushlane),
    Naive(Naive),
    Floor(Floor),
}

impl Server {
    fn apply(&self, service: &Service) {
        match self {
            Server::Pushlane(server) => server.apply(service),
            Server::Naive(server) => server.apply(service),
            Server::Floor(server) => server.apply(service),
        }
    }
}

/// One line a word: what is asked for comes in, what is answered goes out.
pub(crate) async fn serve(design: Design, cli: &Cli) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let mut changes = Changes::new(cli);
    let server = match design {
        Design::Pushlane => Server::Pushlane(Pushlane::start(cli, &changes, listener)),
        Design::Naive => Server::Naive(Naive::start(&changes, listener)),
        Design::Floor => Server::Floor(Floor::start(&changes, listener)),
    };
    say(format_args!("{addr}"))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match &*line {
            "go" => {
                // On the main thread, which is none of the runtime's workers.
                changes.run(cli, |service| server.apply(service));
                say(format_args!("done"))?;
            }
            "state" => {
                let versions: Vec<_> = changes
                    .all()
                    .map(|service| format!("{}={}", service.name, service.version))
                    .collect();
                say(format_args!("{}", versions.join(" ")))?;
            }
            "metrics" => match &server {
                Server::Pushlane(server) => say(format_args!("{}", server.metrics()))?,
                Server::Naive(server) => say(format_args!("{}", server.metrics()))?,
                Server::Floor(server) => say(format_args!("{}", server.metrics()))?,
            },
            _ => break,
        }
    }
    Ok(())
}

fn say(line: std::fmt::Arguments<'_>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
