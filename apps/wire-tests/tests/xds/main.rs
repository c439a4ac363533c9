//! The xDS server on the wire: a tonic client on loopback, one stream at a time or many.

mod aliases;
mod client;
mod delta;
mod exact;
mod extras;
mod floods;
mod kinds;
mod leaving;
mod lifecycle;
mod limits;
mod on_demand;
mod order;
mod raw;
mod reconnect;
mod shared;
mod silent;
mod size;
mod sotw;
mod tls;
mod ttl;
mod views;
mod waiting;
