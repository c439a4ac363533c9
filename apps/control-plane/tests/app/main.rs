//! The control plane as its users have it: a process, its flags, its files, its signals.

#![cfg(unix)]

mod admin;
mod certificates;
mod check;
mod flags;
mod plane;
mod services;
mod signals;
