//! What a lane has taken and not sent yet, as far as it is kept in memory: sending that needs no
//! reading back.

use super::config::BATCH_BYTES;
use crate::store::Appended;
use crate::stream::{Piece, Stream, split_stream};
use std::collections::VecDeque;
use std::sync::Arc;

/// Runs of messages behind those that were sent. There may be gaps between them: what was taken while
/// there was no room.
///
/// Invariant: the nonces of `parts` grow; `bytes` are those of their streams.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    parts: VecDeque<Part>,
    bytes: usize,
}

#[derive(Debug)]
struct Part {
    /// Nonce of the first message that wasn't sent, and where it stands.
    nonce: u64,
    at: usize,
    /// Behind the last message.
    end: u64,
    messages: Arc<Stream>,
}

impl Unsent {
    /// Keeps messages that follow all that were kept, unless there are `bytes_max` then.
    pub(super) fn keep(&mut self, appended: &Appended, bytes_max: usize) {
        let Appended { first_nonce, messages, .. } = appended;
        let bytes = self.bytes + messages.bytes().len();
        if bytes <= bytes_max {
            let (nonce, end) = (*first_nonce, *first_nonce + messages.count());
            self.parts.push_back(Part { nonce, at: 0, end, messages: messages.clone() });
            self.bytes = bytes;
        }
    }

    /// Nonce of the first message that is kept.
    pub(super) fn begin(&self) -> Option<u64> {
        self.parts.front().map(|part| part.nonce)
    }

    /// Takes messages from `nonce` on, up to about [`BATCH_BYTES`] and at most to `end_max`, with their
    /// number. `None` if they aren't kept. Nothing before `nonce` is asked for any more.
    pub(super) fn take(&mut self, nonce: u64, end_max: u64) -> Option<(Piece, u64)> {
        while self.parts.front().is_some_and(|part| part.end <= nonce) {
            self.pop();
        }
        let part = self.parts.front_mut().filter(|part| part.nonce == nonce)?;
        let rest = &part.messages.bytes()[part.at..];
        // Mostly all of it: then no message has to be looked at.
        let (bytes, count) = if rest.len() <= BATCH_BYTES && part.end <= end_max {
            (rest.len(), part.end - nonce)
        } else {
            let (taken, count, _) = split_stream(rest, BATCH_BYTES, end_max - nonce);
            (taken.len(), count)
        };
        let piece = Piece::new(part.messages.clone(), part.at..part.at + bytes);
        (part.nonce, part.at) = (part.nonce + count, part.at + bytes);
        if part.nonce == part.end {
            self.pop();
        }
        Some((piece, count))
    }

    fn pop(&mut self) {
        if let Some(part) = self.parts.pop_front() {
            self.bytes -= part.messages.bytes().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Lane;

    fn appended(first_nonce: u64, messages: &[&str]) -> Appended {
        let lane = Lane {
            source: "alpha".parse().expect("valid"),
            destination: "beta".parse().expect("valid"),
            source_incarnation: 0,
            destination_incarnation: 0,
        };
        Appended { lane, first_nonce, messages: Arc::new(Stream::of(messages)) }
    }

    fn taken(unsent: &mut Unsent, nonce: u64, end_max: u64) -> Option<(Vec<u8>, u64)> {
        unsent.take(nonce, end_max).map(|(piece, count)| (piece.as_ref().to_vec(), count))
    }

    #[test]
    fn what_is_kept_is_taken_in_order_and_whole_unless_the_end_lies_within() {
        let mut unsent = Unsent::default();
        unsent.keep(&appended(5, &["five", "six"]), 1_000);
        unsent.keep(&appended(7, &["seven", "eight", "nine"]), 1_000);
        assert_eq!(unsent.begin(), Some(5));
        assert_eq!(taken(&mut unsent, 4, 9), None, "message 4 isn't kept");
        assert_eq!(taken(&mut unsent, 5, 9), Some((Stream::of(["five", "six"]).into_bytes(), 2)));
        assert_eq!(taken(&mut unsent, 7, 9), Some((Stream::of(["seven", "eight"]).into_bytes(), 2)));
        assert_eq!(taken(&mut unsent, 9, 10), Some((Stream::of(["nine"]).into_bytes(), 1)));
        assert_eq!((taken(&mut unsent, 10, 11), unsent.bytes), (None, 0));
    }

    #[test]
    fn what_finds_no_room_leaves_a_gap_and_what_comes_later_is_kept_again() {
        let mut unsent = Unsent::default();
        let room = Stream::of(["zero"]).bytes().len();
        unsent.keep(&appended(0, &["zero"]), room);
        unsent.keep(&appended(1, &["one"]), room);
        assert!(taken(&mut unsent, 0, 9).is_some());
        unsent.keep(&appended(2, &["two"]), room);
        assert_eq!((taken(&mut unsent, 1, 9), unsent.begin()), (None, Some(2)));
        assert_eq!(taken(&mut unsent, 2, 9), Some((Stream::of(["two"]).into_bytes(), 1)));
    }

    #[test]
    fn a_long_run_is_taken_in_batches() {
        let mut unsent = Unsent::default();
        let messages = "x".repeat(BATCH_BYTES / 2 - 4);
        unsent.keep(&appended(0, &[&messages, &messages, &messages]), 2 * BATCH_BYTES);
        let counts: Vec<u64> = [0, 2].map(|nonce| unsent.take(nonce, 3).map_or(0, |(_, count)| count)).into();
        assert_eq!(counts, [2, 1]);
    }
}
