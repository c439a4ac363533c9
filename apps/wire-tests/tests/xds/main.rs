//! The xDS server on the wire: a tonic client on loopback, one stream at a time or many.

mod client;
mod delta;
mod floods;
mod kinds;
mod lifecycle;
mod limits;
mod on_demand;
mod order;
mod raw;
mod reconnect;
mod silent;
mod size;
mod sotw;
mod tls;
mod views;
mod waiting;
