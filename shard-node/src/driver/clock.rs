//! The machine's clocks.

use queue::engine::Now;
use std::time::{Duration, Instant, SystemTime};

/// The two clocks of [`Now`].
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Clock { start: Instant::now() }
    }

    pub(super) fn now(&self) -> Now {
        let mono_ns = nanoseconds(self.start.elapsed());
        let unix_ns = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds);
        Now { mono_ns, unix_ns }
    }

    pub(super) fn instant(&self, mono_ns: u64) -> Instant {
        let at = self.start.checked_add(Duration::from_nanos(mono_ns));
        at.unwrap_or_else(|| self.start + Duration::from_secs(u64::from(u32::MAX)))
    }
}

/// Saturates after 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
