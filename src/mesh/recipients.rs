//! Which clients a request is for, in topics.

use alloc::vec::Vec;

use crate::{Scope, Target, Topic};

/// Which clients a request is for, in topics: what
/// [`Directory::recipients`](super::Directory::recipients) makes of a request, ready to be
/// published to.
///
/// ```
/// use pushlane::Target;
/// use pushlane::mesh::{clear_cache, Directory, Isolation};
///
/// let directory = Directory::new(100, Isolation::Service)?;
/// let change = clear_cache(0);
/// assert!(matches!(directory.recipients(&change.request).target(), Target::Everyone));
/// # Ok::<(), pushlane::mesh::TooFewTopics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Every client.
    Everyone,
    /// The clients that are subscribed to one of `any` and, if given, to one of `and_any`. None, if
    /// `any` is empty.
    Topics {
        /// Subscribed to one of these …
        any: Vec<Topic>,
        /// … and to one of these.
        and_any: Option<Vec<Topic>>,
    },
}

impl Recipients {
    /// As the target of a publish.
    ///
    /// ```
    /// use pushlane::{Scope, Target, Topic};
    /// use pushlane::mesh::Recipients;
    ///
    /// let recipients = Recipients::Topics { any: vec![Topic(7)], and_any: None };
    /// assert!(matches!(recipients.target(), Target::Topics(scope) if scope == Scope::any(&[Topic(7)])));
    /// ```
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        match self {
            Self::Everyone => Target::Everyone,
            Self::Topics { any, and_any: None } => Target::Topics(Scope::any(any)),
            Self::Topics { any, and_any: Some(filter) } => {
                Target::Topics(Scope::any(any).and_any(filter))
            }
        }
    }
}
