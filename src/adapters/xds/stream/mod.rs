//! One stream: a task that owns its subscriptions, and sends when the queue says that it is its
//! turn.

mod ends;
mod entry;
mod pushes;
mod requests;
mod review;
mod shared;

use core::future::poll_fn;
use core::pin::pin;
use core::time::Duration;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use ::tokio::select;
use ::tokio::sync::watch;
use ::tokio::time::{Instant, sleep_until};
use tonic::codegen::Body as HttpBody;
use tonic::{Code, Status};

use self::entry::Entry;
use self::shared::Shared;
use super::connection::{Connection, Ending};
use super::identity::Identity;
use super::inbound::Requests;
use super::mailbox::{Letters, Notice};
use super::outbound::Outbound;
use super::state::ServerState;
use super::status::StreamInfo;
use super::store::View;
use super::wire::Wire;

/// Why a stream ends.
pub(super) enum End {
    /// The client has closed it, or its connection is gone.
    Left,
    /// The server ends it in good order: the client may come back at once.
    Closing,
    /// The server is being drained.
    Stopped,
    /// The control plane ends it.
    Disconnected,
    /// A deadline has passed.
    Evicted(Missed, String),
    /// A request that can't be accepted, or a client that isn't wanted.
    Malformed(Status),
}

/// Which deadline.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missed {
    FirstRequest,
    Reading,
    Answer,
}

/// When a stream without deadlines looks all the same: long enough not to matter.
const IDLE: Duration = Duration::from_secs(3_600);

pub(super) struct Stream {
    server: Arc<ServerState>,
    info: Arc<StreamInfo>,
    identity: Option<Identity>,
    connection: Option<Arc<Connection>>,
    out: Outbound,
    /// From the first request on.
    view: Option<Arc<View>>,
    /// Told when the view changes.
    changed: Option<watch::Receiver<()>>,
    shared: Shared,
    /// In the order in which they are sent.
    types: Vec<Entry>,
    nonces: u64,
    /// Something has begun that has a deadline: the timer may have to come earlier.
    sooner: bool,
    departed: bool,
}

impl Stream {
    pub(super) fn new(
        server: Arc<ServerState>,
        info: Arc<StreamInfo>,
        identity: Option<Identity>,
        connection: Option<Arc<Connection>>,
        out: Outbound,
    ) -> Self {
        let (view, changed, types, nonces) = (None, None, Vec::new(), 0);
        let shared = Shared::new(server.shared());
        Stream {
            server,
            info,
            identity,
            connection,
            out,
            view,
            changed,
            shared,
            types,
            nonces,
            sooner: false,
            departed: false,
        }
    }

    pub(super) async fn run<W: Wire, B: HttpBody>(mut self, body: B) {
        let end = self.serve::<W, B>(body).await;
        let counters = &self.server.counters;
        let (reason, result) = match end {
            End::Left => {
                counters.ended.left.one();
                ("it closed its stream".into(), Ok(()))
            }
            // An orderly end: a client that has been served comes back without waiting.
            End::Closing => {
                counters.ended.closed.one();
                ("its connection has reached its age".into(), Ok(()))
            }
            End::Disconnected => {
                counters.ended.disconnected.one();
                // On the same connection the client would come back to this server at once. Told
                // before the stream ends.
                if let Some(connection) = &self.connection {
                    connection.end(Ending::Leaving);
                }
                ("it was disconnected".into(), Ok(()))
            }
            End::Stopped => {
                counters.ended.stopped.one();
                ("the server has ended".into(), Err(Status::unavailable("the server is ending")))
            }
            End::Evicted(missed, reason) => {
                match missed {
                    Missed::FirstRequest => counters.ended.silent.one(),
                    Missed::Reading => counters.ended.unread.one(),
                    Missed::Answer => counters.ended.unanswered.one(),
                }
                if let Some(connection) = &self.connection {
                    connection.evicted();
                }
                (reason.clone(), Err(Status::deadline_exceeded(reason)))
            }
            End::Malformed(status) => {
                match status.code() {
                    Code::PermissionDenied => counters.ended.denied.one(),
                    Code::ResourceExhausted => counters.ended.limited.one(),
                    Code::Unavailable => counters.ended.stopped.one(),
                    _ => counters.ended.malformed.one(),
                }
                (status.message().into(), Err(status))
            }
        };
        self.depart(reason);
        self.out.end(result);
    }

    async fn serve<W: Wire, B: HttpBody>(&mut self, body: B) -> End {
        let body = pin!(body);
        let mut requests = Requests::new(body, self.server.limits.request_bytes);
        let mut timer = pin!(sleep_until(self.info.since + self.server.limits.first_request));
        let (info, mut letters) = (Arc::clone(&self.info), Letters::default());
        loop {
            // Only forwards: most deadlines move away before they pass, and a timer that comes
            // early is set anew.
            if core::mem::take(&mut self.sooner)
                && let Some(deadline) = self.deadline().filter(|at| *at < timer.deadline())
            {
                timer.as_mut().reset(deadline);
            }
            let mut request = None;
            select! {
                // Leases first, because they hold permits: a client that never pauses must not keep
                // them. Requests are followed by a look at all that `told` and `reached` tell of.
                biased;
                () = poll_fn(|context| info.mailbox.poll(&mut letters, context)) => {}
                () = timer.as_mut() => {
                    if let Some(reason) = self.shared.expired(&self.server.limits) {
                        return End::Malformed(Status::unavailable(reason));
                    }
                    if let Some((missed, reason)) = self.expired() {
                        return End::Evicted(missed, reason);
                    }
                    let deadline = self.deadline().unwrap_or_else(|| Instant::now() + IDLE);
                    timer.as_mut().reset(deadline);
                }
                message = requests.next() => request = Some(message),
                // What is held back may have to be something else by now. What changes for others
                // merges in the queue.
                () = told(&mut self.changed), if self.types.iter().any(Entry::is_held) => {}
                () = self.shared.reached() => {}
            }
            match request {
                Some(Ok(Some(request))) => {
                    if let Err(status) = self.request::<W>(&request) {
                        return End::Malformed(status);
                    }
                }
                Some(Ok(None)) => return End::Left,
                Some(Err(status)) => return End::Malformed(status),
                None => {}
            }
            match letters.end.take() {
                Some(Notice::Left) => return End::Left,
                Some(Notice::Closing) => return End::Closing,
                Some(Notice::Disconnected) => return End::Disconnected,
                Some(Notice::Stopped) => return End::Stopped,
                None => {}
            }
            if core::mem::take(&mut letters.review)
                && let Err(status) = self.review()
            {
                return End::Malformed(status);
            }
            while let Some(lease) = letters.next_lease() {
                self.granted(lease);
            }
            self.pump();
        }
    }
}

/// Waits until the view has changed.
async fn told(changed: &mut Option<watch::Receiver<()>>) {
    if let Some(changed) = changed
        && changed.changed().await.is_ok()
    {
        return;
    }
    core::future::pending().await
}
