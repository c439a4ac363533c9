//! How etcd is reached: with which secrets, at which endpoints, and over which connection.

use super::flags::{EtcdFlags, Secrets};
use super::login::Login;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

pub(super) struct Access {
    secrets: Secrets,
    endpoints: Vec<Endpoint>,
    connection: Mutex<Connection>,
    login: Option<Login>,
}

#[derive(Default)]
struct Connection {
    /// `None`: at first, and after a failure.
    channel: Option<Channel>,
    /// The endpoint of this or the last connection.
    to: Option<usize>,
}

impl Access {
    /// Reads the files; connects when it is first used.
    pub(super) fn new(flags: &EtcdFlags) -> Result<Self, String> {
        Self::with(flags, flags.secrets()?)
    }

    fn with(flags: &EtcdFlags, secrets: Secrets) -> Result<Self, String> {
        let endpoints = flags.endpoints(&secrets)?;
        let login = secrets.login.clone().map(Login::new);
        Ok(Self { secrets, endpoints, connection: Mutex::default(), login })
    }

    /// Reads the files again. `None`: they hold what is in use.
    pub(super) fn read_again(&self, flags: &EtcdFlags) -> Result<Option<Self>, String> {
        let secrets = flags.secrets()?;
        (secrets != self.secrets).then(|| Self::with(flags, secrets)).transpose()
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The next call connects anew.
    pub(super) fn disconnect(&self) {
        self.connection().channel = None;
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the endpoint that is the first to answer. The one before comes last: it may be
    /// there and serve nothing.
    pub(super) async fn channel(&self) -> Result<Channel, Status> {
        let last = {
            let connection = self.connection();
            if let Some(channel) = &connection.channel {
                return Ok(channel.clone());
            }
            connection.to
        };
        let (others, last): (Vec<_>, Vec<_>) =
            (0..self.endpoints.len()).partition(|at| Some(*at) != last);
        let mut why = String::new();
        for group in [others, last] {
            let mut attempts = JoinSet::new();
            for at in group {
                let endpoint = self.endpoints[at].clone();
                attempts.spawn(async move { (at, endpoint.connect().await) });
            }
            while let Some(attempt) = attempts.join_next().await {
                match attempt {
                    Ok((at, Ok(channel))) => {
                        let new = Connection { channel: Some(channel.clone()), to: Some(at) };
                        *self.connection() = new;
                        return Ok(channel);
                    }
                    Ok((_, Err(error))) => why = chain(error.to_string(), error.source()),
                    Err(error) => why = error.to_string(),
                }
            }
        }
        Err(Status::unavailable(why))
    }
}

/// An error and its causes in one line. Most of them repeat what their own cause says.
pub(super) fn chain(mut line: String, mut next: Option<&dyn Error>) -> String {
    while let Some(cause) = next {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    line
}
