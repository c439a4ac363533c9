//! [`Subject`]: what is measured, by its name in tables and plots.

use std::sync::Arc;

use pushlane_peers::Peer;
use pushlane_peers::merge_queue::{MergeQueue, ParkingLot};
use pushlane_peers::notify_each::NotifyEach;
#[cfg(feature = "kube")]
use pushlane_peers::scheduler::Scheduled;
use pushlane_peers::sharded::Sharded;
use pushlane_peers::state_words::StateWords;
use pushlane_peers::work_queue::WorkQueue;
use rustc_hash::FxBuildHasher;

use crate::keys::Keys;

/// A [`Peer`] with a name, which may have something better than a list for publishing to some
/// clients.
pub trait Subject: Peer + 'static {
    /// In tables and plots.
    const NAME: &str;
    /// Some of the clients.
    type Group: Send + Sync;

    /// Makes a group of clients, which are in ascending order.
    fn group(&self, clients: &[u32]) -> Self::Group;

    /// Publishes to a group.
    fn publish_group(&self, group: &Self::Group, request: &Self::Request);
}

/// The merge queue on faster locks and a faster hasher.
pub type FastMergeQueue<R> = MergeQueue<u32, R, FxBuildHasher, ParkingLot>;

macro_rules! peers {
    ($($type:ty = $name:literal;)+) => {$(
        impl Subject for $type {
            const NAME: &str = $name;
            type Group = Vec<u32>;

            fn group(&self, clients: &[u32]) -> Vec<u32> {
                clients.to_vec()
            }

            fn publish_group(&self, group: &Vec<u32>, request: &Self::Request) {
                self.publish_many(group, request);
            }
        }
    )+};
}

peers! {
    MergeQueue<u32, ()> = "merge queue";
    MergeQueue<u32, Arc<Keys>> = "merge queue";
    FastMergeQueue<()> = "merge queue, parking_lot";
    FastMergeQueue<Arc<Keys>> = "merge queue, parking_lot";
    Sharded<()> = "dashmap and channel";
    Sharded<Arc<Keys>> = "dashmap and channel";
    WorkQueue<u32> = "client-go work queue";
    NotifyEach<()> = "tokio Notify each";
    NotifyEach<Arc<Keys>> = "tokio Notify each";
    StateWords<()> = "state words";
    StateWords<Arc<Keys>> = "state words";
}

#[cfg(feature = "kube")]
peers! {
    Scheduled = "kube-runtime scheduler";
}

/// Runs a generic function for each peer that carries nothing.
#[macro_export]
macro_rules! each_peer {
    ($run:ident $arguments:tt) => {
        $crate::each_peer!(@ $run $arguments:
            pushlane_peers::merge_queue::MergeQueue<u32, ()>,
            $crate::subject::FastMergeQueue<()>,
            pushlane_peers::sharded::Sharded<()>,
            pushlane_peers::work_queue::WorkQueue<u32>,
            pushlane_peers::notify_each::NotifyEach<()>,
            pushlane_peers::state_words::StateWords<()>,
        );
        #[cfg(feature = "kube")]
        $crate::each_peer!(@call $run $arguments pushlane_peers::scheduler::Scheduled);
    };
    (@ $run:ident $arguments:tt: $($subject:ty,)+) => {
        $($crate::each_peer!(@call $run $arguments $subject);)+
    };
    (@call $run:ident ($($argument:expr),*) $subject:ty) => { $run::<$subject>($($argument),*) };
}

/// Runs a generic function for each peer that merges sets of keys.
#[macro_export]
macro_rules! each_merging_peer {
    ($run:ident $arguments:tt) => {
        $crate::each_peer!(@ $run $arguments:
            pushlane_peers::merge_queue::MergeQueue<u32, std::sync::Arc<$crate::keys::Keys>>,
            $crate::subject::FastMergeQueue<std::sync::Arc<$crate::keys::Keys>>,
            pushlane_peers::sharded::Sharded<std::sync::Arc<$crate::keys::Keys>>,
            pushlane_peers::notify_each::NotifyEach<std::sync::Arc<$crate::keys::Keys>>,
            pushlane_peers::state_words::StateWords<std::sync::Arc<$crate::keys::Keys>>,
        )
    };
}
