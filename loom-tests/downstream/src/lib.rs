//! A control plane in fifty lines: a registry of connections, publish, serve, disconnect.
//!
//! `RUSTFLAGS="--cfg loom" cargo test` explores the interleavings of its threads, with those inside
//! pushlane. It shows what a crate that depends on pushlane does to check itself.

use std::collections::HashMap;

#[cfg(loom)]
use loom::sync::{Arc, Mutex};
use pushlane::backlog::Bits;
use pushlane::{ClientKey, Config, Lane, PushQueue, RegisterError, Target, Version};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex};

/// What a client has been sent: flags of what changed.
#[derive(Debug, Default)]
pub struct Connection {
    sent: Mutex<u32>,
}

impl Connection {
    /// All flags that have been sent.
    pub fn sent(&self) -> u32 {
        *self.sent.lock().unwrap()
    }
}

/// The queue, and who is connected.
#[derive(Debug)]
pub struct ControlPlane {
    queue: PushQueue<Bits<1>>,
    connections: Mutex<HashMap<ClientKey, Arc<Connection>>>,
}

impl ControlPlane {
    /// Room for so many clients.
    pub fn new(clients: usize) -> Self {
        let connections = Mutex::new(HashMap::new());
        ControlPlane { queue: PushQueue::new(Config::new(clients)), connections }
    }

    /// Registers first and stores the connection under the same lock that `serve` takes, so a push
    /// always finds it.
    pub fn connect(&self) -> Result<(ClientKey, Arc<Connection>), RegisterError> {
        let mut connections = self.connections.lock().unwrap();
        let key = self.queue.register()?;
        let connection = Arc::new(Connection::default());
        connections.insert(key, Arc::clone(&connection));
        Ok((key, connection))
    }

    /// Returns whether the client was connected.
    pub fn disconnect(&self, client: ClientKey) -> bool {
        let left = self.queue.unregister(client).is_ok();
        self.connections.lock().unwrap().remove(&client);
        left
    }

    /// Tells every client of a change.
    pub fn publish(&self, flags: u32) -> Version {
        self.queue.publish(Target::Everyone, Lane::Normal, [flags]).expect("it is open")
    }

    /// Sends one client what it is owed. False: nothing was ready.
    pub fn serve(&self) -> bool {
        let Some(lease) = self.queue.try_lease() else { return false };
        let connection = self.connections.lock().unwrap().get(&lease.key()).cloned();
        if let Some(connection) = connection {
            *connection.sent.lock().unwrap() |= lease.request()[0];
        }
        lease.complete();
        true
    }

    /// Whether every client that the change concerned has it.
    pub fn is_everywhere(&self, version: Version) -> bool {
        self.queue.is_converged(version)
    }
}
