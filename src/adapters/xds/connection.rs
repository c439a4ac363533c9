//! [`Connection`]: what the streams of one connection and the server that accepted it have to tell
//! one another, and [`Connections`]: how many there may be.

use core::sync::atomic::AtomicBool;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::prelude::v1::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ::tokio::sync::watch;

use super::mailbox::Notice;
use super::status::StreamInfo;

/// How a connection is to end. Later ones overrule earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// Not at all.
    Open,
    /// It takes no new stream; those that it has stay.
    Leaving,
    /// Its streams are to end in good order.
    Closing,
    /// One of its streams is stuck, and the connection with it.
    Cut,
    /// Another connection takes its place.
    Gone,
}

/// Put into the extensions of each request by [`Server`](super::Server).
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    all: Weak<Connections>,
    ending: watch::Sender<Ending>,
    /// The streams that it has.
    streams: Mutex<Vec<Arc<StreamInfo>>>,
    /// HTTP/2 has begun.
    pub(super) spoken: AtomicBool,
    /// There has been a request.
    pub(super) used: AtomicBool,
    /// Its place among the idle, and whether it counts.
    place: Mutex<Place>,
}

#[derive(Default)]
struct Place {
    idle: Option<u64>,
    counted: bool,
}

impl Connection {
    pub(super) fn end(&self, how: Ending) {
        self.ending.send_if_modified(|ending| {
            let later = how > *ending;
            *ending = how.max(*ending);
            later
        });
        if how == Ending::Closing {
            // Copied: a stream that is told may end, and that takes the lock.
            let streams = self.streams().clone();
            for info in streams {
                info.mailbox.end(Notice::Closing);
            }
        }
    }

    fn streams(&self) -> MutexGuard<'_, Vec<Arc<StreamInfo>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ending(&self) -> watch::Receiver<Ending> {
        self.ending.subscribe()
    }

    pub(super) fn begun(self: &Arc<Self>, info: &Arc<StreamInfo>) {
        let mut streams = self.streams();
        streams.push(Arc::clone(info));
        let is_first = streams.len() == 1;
        drop(streams);
        // Looked at behind the lock: either it is seen here, or the stream there.
        if *self.ending.borrow() == Ending::Closing {
            info.mailbox.end(Notice::Closing);
        }
        if is_first {
            self.rank();
        }
    }

    pub(super) fn ended(self: &Arc<Self>, info: &Arc<StreamInfo>) {
        let mut streams = self.streams();
        if let Some(at) = streams.iter().position(|stream| Arc::ptr_eq(stream, info)) {
            streams.swap_remove(at);
        }
        let was_last = streams.is_empty();
        drop(streams);
        if was_last {
            self.rank();
        }
    }

    /// It may have become idle, or busy. Behind the lock, so that the last to come sees the last
    /// count.
    fn rank(self: &Arc<Self>) {
        if let Some(all) = self.all.upgrade() {
            all.table().rank(self);
        }
    }

    /// A stream has missed a deadline. If it is the only one, the connection is as stuck as it is,
    /// and holds buffers.
    pub(super) fn evicted(&self) {
        if self.streams().len() <= 1 {
            self.end(Ending::Cut);
        }
    }
}

/// All connections of one server: how many there are, of each peer, and which of them are idle. One
/// lock, held for a few map operations when a connection comes, goes, or changes between idle and
/// busy.
pub(super) struct Connections {
    most: usize,
    most_of_peer: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    count: usize,
    peers: HashMap<IpAddr, Peer>,
    /// Without streams, since the longest first: whose they are.
    idle: BTreeMap<u64, IpAddr>,
    next: u64,
}

#[derive(Default)]
struct Peer {
    count: usize,
    idle: BTreeMap<u64, Arc<Connection>>,
}

/// What becomes of a new connection.
pub(super) enum Admitted {
    /// There is room, or one that was idle has made room.
    Yes { connection: Arc<Connection>, instead: bool },
    /// All are busy.
    No,
}

impl Connections {
    pub(super) fn new(most: usize, most_of_peer: usize) -> Arc<Self> {
        Arc::new(Connections { most, most_of_peer, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a new one in, if need be in place of the one that has been idle the longest: of the
    /// same peer, if that has too many.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Admitted {
        let mut table = self.table();
        let ip = peer.ip();
        let mut instead = false;
        while table.of_peer(ip) >= self.most_of_peer || table.count >= self.most {
            let of_peer = table.of_peer(ip) >= self.most_of_peer;
            let Some(oldest) = table.longest_idle(of_peer.then_some(ip)) else {
                return Admitted::No;
            };
            table.leave(&oldest);
            oldest.end(Ending::Gone);
            instead = true;
        }
        let place = Place { idle: None, counted: true };
        let connection = Arc::new(Connection {
            peer,
            all: Arc::downgrade(self),
            ending: watch::Sender::new(Ending::Open),
            streams: Mutex::default(),
            spoken: AtomicBool::new(false),
            used: AtomicBool::new(false),
            place: Mutex::new(place),
        });
        table.count += 1;
        table.peers.entry(ip).or_default().count += 1;
        table.rank(&connection);
        Admitted::Yes { connection, instead }
    }

    pub(super) fn left(&self, connection: &Arc<Connection>) {
        self.table().leave(connection);
    }
}

impl Table {
    fn of_peer(&self, ip: IpAddr) -> usize {
        self.peers.get(&ip).map_or(0, |peer| peer.count)
    }

    fn longest_idle(&self, of: Option<IpAddr>) -> Option<Arc<Connection>> {
        let ip = match of {
            Some(ip) => ip,
            None => *self.idle.values().next()?,
        };
        self.peers.get(&ip)?.idle.values().next().cloned()
    }

    fn rank(&mut self, connection: &Arc<Connection>) {
        let mut place = connection.place.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = place.counted && connection.streams().is_empty();
        let ip = connection.peer.ip();
        match place.idle {
            None if idle => {
                self.next += 1;
                place.idle = Some(self.next);
                self.idle.insert(self.next, ip);
                let peer = self.peers.entry(ip).or_default();
                peer.idle.insert(self.next, Arc::clone(connection));
            }
            Some(at) if !idle => {
                place.idle = None;
                self.idle.remove(&at);
                if let Some(peer) = self.peers.get_mut(&ip) {
                    peer.idle.remove(&at);
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, connection: &Arc<Connection>) {
        let counted = {
            let mut place = connection.place.lock().unwrap_or_else(PoisonError::into_inner);
            core::mem::take(&mut place.counted)
        };
        if !counted {
            return;
        }
        self.rank(connection);
        let ip = connection.peer.ip();
        self.count -= 1;
        if let Some(peer) = self.peers.get_mut(&ip) {
            peer.count -= 1;
            if peer.count == 0 {
                self.peers.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::task::{Context, Waker};
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::adapters::xds::mailbox::Letters;
    use crate::adapters::xds::status::StreamId;
    use crate::adapters::xds::subscription::Variant;

    fn info() -> Arc<StreamInfo> {
        StreamInfo::new(StreamId(1), None, Vec::new(), Variant::Sotw)
    }

    fn admit(all: &Arc<Connections>, ip: u8) -> Option<(Arc<Connection>, bool)> {
        match all.admit(([127, 0, 0, ip], 1).into()) {
            Admitted::Yes { connection, instead } => Some((connection, instead)),
            Admitted::No => None,
        }
    }

    fn is_gone(connection: &Connection) -> bool {
        *connection.ending().borrow() == Ending::Gone
    }

    #[test]
    fn the_longest_idle_goes_first() {
        let info = info();
        let all = Connections::new(3, 3);
        let [(a, _), (b, _), (c, _)] = [1, 2, 3].map(|ip| admit(&all, ip).unwrap());
        a.begun(&info);
        let (d, instead) = admit(&all, 4).unwrap();
        assert!(instead && is_gone(&b) && !is_gone(&a) && !is_gone(&c));
        // It counts no more, and leaves for good later.
        all.left(&b);
        assert_eq!(all.table().count, 3);
        // Idle anew, it is the youngest.
        a.ended(&info);
        for expected in [&c, &d] {
            admit(&all, 5).unwrap().0.begun(&info);
            assert!(is_gone(expected));
        }
        a.begun(&info);
        assert!(admit(&all, 6).is_none(), "all are busy");
        all.left(&a);
        assert!(!admit(&all, 6).unwrap().1);
    }

    #[test]
    fn a_peer_has_no_more_than_its_share() {
        let info = info();
        let all = Connections::new(10, 2);
        let [(a, _), (b, _)] = [1, 1].map(|ip| admit(&all, ip).unwrap());
        let (other, _) = admit(&all, 2).unwrap();
        let (c, instead) = admit(&all, 1).unwrap();
        assert!(instead && is_gone(&a) && !is_gone(&b) && !is_gone(&other));
        b.begun(&info);
        c.begun(&info);
        assert!(admit(&all, 1).is_none());
        assert!(!admit(&all, 2).unwrap().1, "others have theirs");
    }

    #[test]
    fn nothing_is_kept_of_a_peer_that_has_left() {
        let info = info();
        let all = Connections::new(10, 2);
        let (a, _) = admit(&all, 1).unwrap();
        a.begun(&info);
        all.left(&a);
        a.ended(&info);
        let table = all.table();
        assert!(table.peers.is_empty() && table.idle.is_empty() && table.count == 0);
    }

    #[test]
    fn streams_are_told_that_their_connection_closes() {
        let all = Connections::new(1, 1);
        let (connection, _) = admit(&all, 1).unwrap();
        let [before, left, after] = [info(), info(), info()];
        connection.begun(&before);
        connection.begun(&left);
        connection.ended(&left);
        connection.end(Ending::Closing);
        connection.begun(&after);
        let told = |info: &StreamInfo| {
            let mut letters = Letters::default();
            let mut context = Context::from_waker(Waker::noop());
            info.mailbox.poll(&mut letters, &mut context).is_ready().then_some(letters.end)
        };
        assert_eq!([&before, &left, &after].map(|info| told(info)), {
            [Some(Some(Notice::Closing)), None, Some(Some(Notice::Closing))]
        });
    }

    /// Four threads, each many times. (In turns, begun and ended would hardly meet.)
    fn at_once(act: impl Fn() + Sync) {
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    (0..100_000).for_each(|_| act());
                });
            }
        });
    }

    /// One count too many or too few, and a stuck connection is kept or a good one cut; one place
    /// too many or too few, and a busy connection has to go or an idle one can't.
    #[test]
    fn streams_that_begin_or_end_at_once_are_all_counted() {
        let info = info();
        let all = Connections::new(1, 1);
        let (connection, _) = admit(&all, 1).unwrap();
        at_once(|| {
            connection.begun(&info);
            connection.ended(&info);
        });
        assert_eq!(connection.streams().len(), 0);
        assert_eq!(all.table().idle.len(), 1);
        connection.begun(&info);
        at_once(|| connection.begun(&info));
        assert_eq!(connection.streams().len(), 400_001);
        assert!(all.table().idle.is_empty());
        at_once(|| connection.ended(&info));
        assert_eq!(connection.streams().len(), 1);
        assert!(all.table().idle.is_empty());
    }
}
