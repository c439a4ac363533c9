//! The names of the groups: directories of criterion's results, headings of the report.

/// A publish that queues everybody.
pub const IDLE: &str = "fan-out to idle clients";
/// The same with something to say.
pub const PAYLOAD: &str = "fan-out to idle clients, with a payload";
/// A publish to those who are queued already.
pub const MERGE_NOTHING: &str = "fan-out to queued clients, nothing to merge";
/// One key into one.
pub const MERGE_1: &str = "fan-out to queued clients, merging 1 key";
/// 16 keys into 16.
pub const MERGE_16: &str = "fan-out to queued clients, merging 16 keys";
/// 256 keys into 256.
pub const MERGE_256: &str = "fan-out to queued clients, merging 256 keys";
/// A publish that concerns some.
pub const SCOPE: &str = "fan-out to a part of 100,000 idle clients";
/// A publish that leaves the marks to others.
pub const ON_DEMAND: &str = "publish to everyone, on demand";
/// One publish, one push.
pub const CYCLE: &str = "publish, lease, complete";
/// As many pushes as there are clients.
pub const DRAIN: &str = "drain after a publish to all";
/// Threads.
pub const CONTENDED: &str = "publishers and workers at once";
/// The same, and each publish is to all.
pub const CONTENDED_ALL: &str = "publishers to all, and workers at once";
/// Coming and going.
pub const CHURN: &str = "register and unregister";
/// Convergence.
pub const CONVERGENCE: &str = "is everyone up to date";
/// Coming and going, and topics that the client has nothing to do with.
pub const LEAVE: &str = "unregister and register, by topics";
/// The end of a subscription.
pub const FORGET: &str = "a push that forgets a subscription, by topics";
/// The search for a place.
pub const VACANCY: &str = "register when the only vacancy is a round away";
/// Pushes that somebody waits for.
pub const AWAITED: &str = "a push while convergence is awaited";
/// Pushes of what was published meanwhile.
pub const BEHIND: &str = "a push some publishes to everyone behind";
/// Wake-ups.
pub const LATENCY: &str = "publish to handler, asleep";
