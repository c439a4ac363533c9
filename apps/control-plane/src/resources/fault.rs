//! What is wrong with a file, and where.

use super::node::At;
use std::fmt;

/// One thing that is wrong. Displays as `12:7: cluster "shop", load_assignment.endpoints[0]: what`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// Nowhere in particular if it is about the file as a whole, for example one that can't be read.
    pub(crate) at: Option<At>,
    /// The resource, as a reader would call it.
    pub(crate) resource: Option<String>,
    /// The way from the resource to the field: `filter_chains[0].name`.
    pub(crate) field: String,
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn of_file(what: impl Into<String>) -> Self {
        Self { at: None, resource: None, field: String::new(), what: what.into() }
    }

    pub(crate) fn at(at: At, what: impl Into<String>) -> Self {
        Self { at: Some(at), resource: None, field: String::new(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        match (&self.resource, self.field.is_empty()) {
            (Some(resource), true) => write!(f, "{resource}: ")?,
            (Some(resource), false) => write!(f, "{resource}, {}: ", self.field)?,
            (None, true) => {}
            (None, false) => write!(f, "{}: ", self.field)?,
        }
        f.write_str(&self.what)
    }
}
