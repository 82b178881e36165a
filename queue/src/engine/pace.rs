//! How soon a busy node seals again: a signature costs the same however much it covers.

use super::Now;
use super::config::{BUSY_BYTES, BUSY_SEAL_INTERVAL_NS};

/// A checkpoint that covers little may be followed by the next at once. One that covers much comes with a
/// load under which messages wait for each other anyway: the next gathers more of them.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes of messages taken or received since the last seal.
    unsealed_bytes: usize,
    /// When the next checkpoint may be sealed.
    next_at_ns: u64,
    /// Whether there is a reason to seal that waits for it.
    is_held: bool,
}

impl Pace {
    /// A turn brings messages.
    pub(super) fn note(&mut self, bytes: usize) {
        self.unsealed_bytes = self.unsealed_bytes.saturating_add(bytes);
        self.is_held = false;
    }

    /// Whether a checkpoint for which there is a reason waits.
    pub(super) fn holds(&mut self, now: Now) -> bool {
        self.is_held = now.mono_ns < self.next_at_ns;
        self.is_held
    }

    /// A checkpoint is sealed.
    pub(super) fn handle_sealed(&mut self, now: Now) {
        if std::mem::take(&mut self.unsealed_bytes) >= BUSY_BYTES {
            self.next_at_ns = now.mono_ns + BUSY_SEAL_INTERVAL_NS;
        }
    }

    /// When the checkpoint that waits is due.
    pub(super) fn timer_ns(&self) -> Option<u64> {
        self.is_held.then_some(self.next_at_ns)
    }
}
