//! The push designs that pushlane is compared with.
