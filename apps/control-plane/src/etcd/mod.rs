//! The desired state in etcd, which several replicas share.

mod access;
pub(crate) mod client;
pub(crate) mod flags;
pub(crate) mod follow;
pub(crate) mod keys;
mod login;
pub(crate) mod proto;
pub(crate) mod replay;
