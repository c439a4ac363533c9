//! The models of topics once more: here the publishes mark whole banks, and whoever serves carries that down.

#[path = "topics.rs"]
mod topics;
