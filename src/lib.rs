#![no_std]
#![forbid(unsafe_code)]
//! Placeholder until the core lands.
#[cfg(feature = "alloc")]
extern crate alloc;

pub mod backlog;
#[cfg(feature = "mesh")]
pub mod mesh;

/// Stand-in for the core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// First.
    Urgent,
    /// Then.
    Normal,
}

/// Stand-in for the core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(pub u32);

/// Stand-in for the core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    any: &'a [Topic],
    and: Option<&'a [Topic]>,
}

impl<'a> Scope<'a> {
    /// Any of these.
    pub const fn any(topics: &'a [Topic]) -> Self {
        Scope {
            any: topics,
            and: None,
        }
    }

    /// And any of these.
    #[must_use]
    pub const fn and_any(self, topics: &'a [Topic]) -> Self {
        Scope {
            any: self.any,
            and: Some(topics),
        }
    }
}

/// Stand-in for the core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// All.
    Everyone,
    /// Some.
    Topics(Scope<'a>),
}
