//! The demo's own record of what it sent on one lane, against which an inbox is counted.

use std::collections::BTreeMap;

/// Smallest payload: room for the text that numbers it.
pub const PAYLOAD_BYTES_MIN: usize = 32;

/// Messages numbered from 0, each with a payload that follows from lane, number and size.
#[derive(Debug)]
pub struct Ledger {
    lane: String,
    size: usize,
    /// When each message was durably accepted, in nanoseconds since the Unix epoch; `None` where
    /// the answer was lost with the node that gave it.
    accepted_at_ns: Vec<Option<u64>>,
}

/// What an inbox turned out to hold of a ledger's messages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Messages that arrived at least once, byte-equal.
    pub delivered: u64,
    /// Arrivals of a message that had arrived before.
    pub duplicates: u64,
    /// Arrivals after a message with a higher number.
    pub out_of_order: u64,
    /// Arrivals that no sent message is equal to.
    pub foreign: u64,
    seen: BTreeMap<u64, u64>,
    highest: Option<u64>,
}

impl Ledger {
    /// An empty record for `from → to`, with payloads of `size` bytes, at least
    /// [`PAYLOAD_BYTES_MIN`].
    pub fn new(from: &str, to: &str, size: usize) -> Self {
        Ledger { lane: format!("{from}>{to}"), size: size.max(PAYLOAD_BYTES_MIN), accepted_at_ns: Vec::new() }
    }

    /// How many messages were accepted.
    pub fn sent(&self) -> u64 {
        u64::try_from(self.accepted_at_ns.len()).expect("a length fits 64 bits")
    }

    /// The next message was accepted.
    pub fn accept(&mut self, at_ns: Option<u64>) {
        self.accepted_at_ns.push(at_ns);
    }

    /// The payload of message `number`: its name, then hex digits that no other message has.
    pub fn payload(&self, number: u64) -> Vec<u8> {
        let mut payload = format!("{} {number} ", self.lane).into_bytes();
        let mut state = number;
        while payload.len() < self.size {
            // SplitMix64 (Steele, Lea, Flood 2014): cheap, and different for every number.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            payload.extend_from_slice(hex::encode((word ^ (word >> 31)).to_be_bytes()).as_bytes());
        }
        payload.truncate(self.size);
        payload
    }

    /// Counts an arrival. Gives the time from accepted to delivered, where both are known.
    pub fn count(&self, tally: &mut Tally, payload: &[u8], delivered_at_ns: Option<u64>) -> Option<u64> {
        let Some(number) = self.number_of(payload).filter(|number| self.payload(*number) == payload) else {
            tally.foreign += 1;
            return None;
        };
        let arrivals = tally.seen.entry(number).or_default();
        *arrivals += 1;
        if *arrivals > 1 {
            tally.duplicates += 1;
            return None;
        }
        tally.delivered += 1;
        if tally.highest.is_some_and(|highest| highest > number) {
            tally.out_of_order += 1;
        }
        tally.highest = tally.highest.max(Some(number));
        let accepted_at_ns = usize::try_from(number).ok().and_then(|index| *self.accepted_at_ns.get(index)?)?;
        delivered_at_ns?.checked_sub(accepted_at_ns)
    }

    fn number_of(&self, payload: &[u8]) -> Option<u64> {
        let rest = payload.strip_prefix(self.lane.as_bytes())?.strip_prefix(b" ")?;
        let end = rest.iter().position(|byte| *byte == b' ')?;
        std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(numbers: &[u64]) -> Tally {
        let mut ledger = Ledger::new("alpha", "beta", 64);
        (0..10).for_each(|number| ledger.accept(Some(number)));
        let mut tally = Tally::default();
        for number in numbers {
            ledger.count(&mut tally, &ledger.payload(*number), Some(100));
        }
        tally
    }

    #[test]
    fn every_message_once_in_order_counts_as_delivered() {
        let tally = counted(&[0, 1, 2]);
        assert_eq!((tally.delivered, tally.duplicates, tally.out_of_order, tally.foreign), (3, 0, 0, 0));
    }

    #[test]
    fn duplicates_and_disorder_are_counted_apart() {
        let tally = counted(&[0, 2, 1, 1, 3]);
        assert_eq!((tally.delivered, tally.duplicates, tally.out_of_order), (4, 1, 1));
    }

    #[test]
    fn a_changed_byte_makes_a_message_foreign() {
        let ledger = Ledger::new("alpha", "beta", 64);
        let mut payload = ledger.payload(3);
        payload[63] ^= 1;
        let mut tally = Tally::default();
        assert_eq!(ledger.count(&mut tally, &payload, None), None);
        assert_eq!((tally.delivered, tally.foreign), (0, 1));
    }
}
