//! pushlane beside the designs that one could use instead.
//!
//! * [`subject`], [`lanes`]: what is measured; [`keys`]: the payload.
//! * [`scenarios`]: what is measured of it, one module a group of criterion's.
#![forbid(unsafe_code)]

pub mod keys;
pub mod lanes;
pub mod scenarios;
pub mod subject;
