//! How fast a replica admits new streams: the same token bucket as the server's.

use crate::setting::{SECOND, Setting};

#[derive(Clone, Debug, Default)]
pub(crate) struct Admission {
    /// When the bucket is full again.
    full: u64,
}

impl Admission {
    /// When a stream that comes now is admitted: in order of arrival. `None`: it is refused, since
    /// it would have to wait for too long.
    pub(crate) fn reserve(&mut self, setting: &Setting, now: u64) -> Option<u64> {
        let interval = SECOND / setting.admissions;
        let full = self.full.max(now);
        let enters = full.saturating_sub(interval * (setting.burst - 1)).max(now);
        if enters > now + setting.wait {
            return None;
        }
        self.full = full + interval;
        Some(enters)
    }
}
