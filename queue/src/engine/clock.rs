//! The clock rule: the time of the blocks that decide messages. See `specs/checkpoint.md`.

use super::io::Now;
use crate::limits::CLOCK_AHEAD_NS_MAX;

/// Invariant: `last_ns` never falls.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    last_ns: u64,
    near: Option<NearTime>,
}

/// Time of the newest final NEAR block, and when it was seen.
#[derive(Debug, Clone, Copy)]
struct NearTime {
    block_ns: u64,
    seen_mono_ns: u64,
}

impl Clock {
    /// A clock whose last block had this time.
    pub(super) fn new(last_ns: u64) -> Self {
        Clock { last_ns, near: None }
    }

    /// Whether a NEAR block was seen: before that, no block can have a time.
    pub(super) fn is_set(&self) -> bool {
        self.near.is_some()
    }

    /// A final NEAR block was seen.
    pub(super) fn handle_near_time(&mut self, block_ns: u64, now: Now) {
        if self.near.is_none_or(|near| near.block_ns < block_ns) {
            self.near = Some(NearTime { block_ns, seen_mono_ns: now.mono_ns });
        }
    }

    /// The time of a block made now: max(previous block's, min(own clock, newest final NEAR block
    /// time + time measured since it was seen + 30 s)).
    pub(super) fn make_block(&mut self, now: Now) -> u64 {
        self.last_ns = self.time_ns(now).expect("callers make blocks only once a NEAR block was seen");
        self.last_ns
    }

    /// The time that a block made now would have; none before a NEAR block was seen.
    pub(super) fn time_ns(&self, now: Now) -> Option<u64> {
        let near = self.near?;
        let since_seen_ns = now.mono_ns.saturating_sub(near.seen_mono_ns);
        let bound_ns = near.block_ns.saturating_add(since_seen_ns).saturating_add(CLOCK_AHEAD_NS_MAX);
        Some(self.last_ns.max(now.unix_ns.min(bound_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn at(mono_s: u64, unix_s: u64) -> Now {
        Now { mono_ns: mono_s * S, unix_ns: unix_s * S }
    }

    #[test]
    fn a_clock_that_jumps_to_the_far_future_is_held_near_nears_time() {
        let mut clock = Clock::new(0);
        clock.handle_near_time(1_000 * S, at(0, 1_000));
        assert_eq!(clock.make_block(at(1, 1_001)), 1_001 * S);
        assert_eq!(clock.make_block(at(5, 4_000_000)), (1_000 + 5 + 30) * S);
    }

    #[test]
    fn a_clock_that_steps_back_never_takes_a_block_back() {
        let mut clock = Clock::new(2_000 * S);
        clock.handle_near_time(1_000 * S, at(0, 1_000));
        assert_eq!(clock.make_block(at(1, 10)), 2_000 * S);
    }
}
