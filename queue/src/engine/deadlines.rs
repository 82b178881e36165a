//! What a lane's stored tree says beside its hashes: the bytes of results, and the smallest and
//! largest deadline below each node. So the messages that a moment expires are found without a row
//! for each, and without reading the others.

use super::records::STORED_LEVEL_MIN;
use super::tree::LaneTree;
use crate::log::NodeId;
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::stream::stream_bytes;
use borsh::{BorshDeserialize, BorshSerialize};

/// Leaves below a stored node of the lowest stored level.
const BLOCK: u64 = 1 << STORED_LEVEL_MIN;

/// How many blocks of 64 messages one search for the next deadline reads. Deadlines mostly come in
/// order, and then it reads one or two; for somebody who mixes minutes with years it gives up, and a later
/// search goes on.
const BLOCKS_SEARCHED_MAX: u32 = 16;

/// The smallest and the largest deadline of some messages, in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Deadlines {
    /// `u64::MAX` if none has a deadline.
    pub(super) min_ns: u64,
    /// 0 if none has a deadline.
    pub(super) max_ns: u64,
}

impl Deadlines {
    pub(super) const NONE: Deadlines = Deadlines { min_ns: u64::MAX, max_ns: 0 };

    fn of(deadline_ns: Option<u64>) -> Self {
        deadline_ns.map_or(Deadlines::NONE, |ns| Deadlines { min_ns: ns, max_ns: ns })
    }

    pub(super) fn join(self, other: Deadlines) -> Self {
        Deadlines { min_ns: self.min_ns.min(other.min_ns), max_ns: self.max_ns.max(other.max_ns) }
    }
}

/// What is kept with a stored node of a lane's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct NodeNotes {
    /// Bytes of results among all messages up to the node's end, each with its length.
    pub(super) result_bytes_end: u64,
    /// Deadlines of the requests below the node.
    pub(super) deadlines: Deadlines,
}

impl NodeNotes {
    /// Where nothing was noted.
    pub(super) const NONE: NodeNotes = NodeNotes { result_bytes_end: 0, deadlines: Deadlines::NONE };
}

/// The right edge of what the nodes keep: what appending needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct LaneNotes {
    /// Bytes of results since the lane began, each with its length.
    pub(super) result_bytes: u64,
    /// Whether a message of the lane ever had a deadline.
    pub(super) has_deadlines: bool,
    /// Deadlines below each peak of the log, by the peak's level; what is missing has none.
    pub(super) peaks: Vec<Deadlines>,
    /// The same of the subtrees that the newest message completed.
    #[borsh(skip)]
    completed: Vec<Deadlines>,
}

impl LaneNotes {
    /// Notes the message that becomes number `nonce`. Says whether that changes what has to be kept.
    pub(super) fn note(&mut self, nonce: u64, deadline_ns: Option<u64>, result_bytes: u64) -> bool {
        self.completed.clear();
        self.result_bytes += result_bytes;
        if deadline_ns.is_none() && self.peaks.is_empty() {
            return result_bytes > 0;
        }
        self.has_deadlines |= deadline_ns.is_some();
        let mut joined = Deadlines::of(deadline_ns);
        self.completed.push(joined);
        let levels = usize::try_from(nonce.trailing_ones()).expect("at most 64");
        for level in 0..levels {
            let left =
                self.peaks.get_mut(level).map_or(Deadlines::NONE, |peak| std::mem::replace(peak, Deadlines::NONE));
            joined = joined.join(left);
            self.completed.push(joined);
        }
        if joined != Deadlines::NONE {
            self.peaks.resize(self.peaks.len().max(levels + 1), Deadlines::NONE);
            self.peaks[levels] = joined;
        }
        while self.peaks.last() == Some(&Deadlines::NONE) {
            self.peaks.pop();
        }
        true
    }

    /// What is kept with the subtree of this level that the newest message completed.
    pub(super) fn of_completed(&self, level: u32) -> NodeNotes {
        let deadlines = usize::try_from(level).ok().and_then(|level| self.completed.get(level)).copied();
        NodeNotes { result_bytes_end: self.result_bytes, deadlines: deadlines.unwrap_or(Deadlines::NONE) }
    }
}

impl<S: Store> LaneTree<'_, S> {
    /// Deadlines of the messages `begin..end`, all of which are stored.
    pub(super) fn deadlines(&self, begin: u64, end: u64) -> Result<Deadlines, StoreError> {
        let mut joined = Deadlines::NONE;
        for part in parts(begin, end) {
            joined = joined.join(match part {
                Part::Node(id) => self.stored(id)?.notes.deadlines,
                Part::Messages(begin, end) => self.deadlines_read(begin, end)?,
            });
        }
        Ok(joined)
    }

    /// The smallest deadline above `after_ns` of the messages `begin..end`, all of which are stored;
    /// or, where finding it would read too much, a moment not above `fallback_ns`: who looks again then
    /// finds it late by no more than that.
    pub(super) fn next_deadline(
        &self,
        begin: u64,
        end: u64,
        after_ns: u64,
        fallback_ns: u64,
    ) -> Result<Option<u64>, StoreError> {
        let mut best: Option<u64> = None;
        let mut blocks_left = BLOCKS_SEARCHED_MAX;
        let mut open: Vec<Part> = parts(begin, end).collect();
        open.reverse();
        while let Some(part) = open.pop() {
            let (begin, end) = match part {
                Part::Messages(begin, end) => (begin, end),
                Part::Node(id) => {
                    let Deadlines { min_ns, max_ns } = self.stored(id)?.notes.deadlines;
                    if max_ns <= after_ns || best.is_some_and(|best| min_ns >= best) {
                        continue;
                    }
                    if min_ns > after_ns {
                        best = Some(min_ns);
                        continue;
                    }
                    if id.level > STORED_LEVEL_MIN {
                        let child = |index| Part::Node(NodeId { level: id.level - 1, index });
                        open.extend([child(2 * id.index + 1), child(2 * id.index)]);
                        continue;
                    }
                    (id.index * BLOCK, (id.index + 1) * BLOCK)
                }
            };
            let Some(left) = blocks_left.checked_sub(1) else {
                return Ok(Some(best.map_or(fallback_ns, |best| best.min(fallback_ns))));
            };
            blocks_left = left;
            self.for_each(begin, end, |_, message| {
                let found = deadline_ns(message).filter(|found| *found > after_ns);
                best = best.into_iter().chain(found).min();
                Ok(())
            })?;
        }
        Ok(best)
    }

    /// Bytes of results among the first `size` messages, each with its length.
    pub(super) fn result_bytes_at(&self, size: u64) -> Result<u64, StoreError> {
        let whole = size / BLOCK;
        let mut bytes = match whole * BLOCK {
            0 => 0,
            completed => self.ending_at(completed)?.notes.result_bytes_end,
        };
        self.for_each(whole * BLOCK, size, |_, message| {
            if Message::decode(message).is_ok_and(|message| message.is_result()) {
                bytes += stream_bytes(message);
            }
            Ok(())
        })?;
        Ok(bytes)
    }

    fn deadlines_read(&self, begin: u64, end: u64) -> Result<Deadlines, StoreError> {
        let mut joined = Deadlines::NONE;
        self.for_each(begin, end, |_, message| {
            joined = joined.join(Deadlines::of(deadline_ns(message)));
            Ok(())
        })?;
        Ok(joined)
    }
}

fn deadline_ns(message: &[u8]) -> Option<u64> {
    Message::decode(message).ok().and_then(|message| message.request_deadline_ns())
}

/// A part of a range of messages: a stored node, or some messages of a block.
enum Part {
    Node(NodeId),
    Messages(u64, u64),
}

/// Takes `begin..end` apart into the largest stored nodes, and messages at both ends.
fn parts(begin: u64, end: u64) -> impl Iterator<Item = Part> {
    let mut at = begin;
    std::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|left| *left > 0)?;
        let level = at.trailing_zeros().min(left.ilog2()).min(u64::BITS - 1);
        if level >= STORED_LEVEL_MIN {
            let id = NodeId { level, index: at >> level };
            at += 1 << level;
            return Some(Part::Node(id));
        }
        let block_end = (at / BLOCK + 1) * BLOCK;
        let part = Part::Messages(at, block_end.min(end));
        at = block_end.min(end);
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::super::journal::Journal;
    use super::*;
    use crate::digest::{Hash, Native, leaf};
    use crate::ids::Lane;
    use crate::log::CompactRange;
    use crate::message::{Body, MESSAGE_VERSION, Outcome, RequestResult, Tombstone};
    use crate::store::{CrashPlan, MemoryStore};
    use proptest::prelude::*;

    fn lane() -> Lane {
        let [source, destination] = ["alpha", "beta"].map(|name| name.parse().expect("a valid shard name"));
        Lane { source, destination, source_incarnation: 0, destination_incarnation: 0 }
    }

    fn message(deadline_ns: Option<u64>, is_result: bool) -> Message {
        let outcome = Outcome::Tombstone(Tombstone::Expired);
        let result = Body::Result(RequestResult { request_nonce: 0, outcome });
        Message {
            version: MESSAGE_VERSION,
            salt: Hash::ZERO,
            sender: "alpha".parse().expect("a valid account"),
            receiver: "beta".parse().expect("a valid account"),
            deadline_ns,
            body: if is_result { result } else { Body::Data(vec![7]) },
        }
    }

    /// A store that holds the messages, a turn for every hundred.
    fn stored(messages: &[Message]) -> MemoryStore {
        let (mut store, mut journal) = (MemoryStore::new(CrashPlan::Manual), Journal::new(0));
        let (mut log, mut bytes, mut notes) = (CompactRange::default(), 0, LaneNotes::default());
        for turn in messages.chunks(100) {
            for message in turn {
                let encoded = message.encode();
                let result_bytes = if message.is_result() { stream_bytes(&encoded) } else { 0 };
                notes.note(log.size(), message.request_deadline_ns(), result_bytes);
                let leaf = leaf::<Native>(&encoded);
                journal.append(&lane(), &mut log, &mut bytes, leaf, &encoded, &notes);
            }
            store.append(journal.close().expect("messages")).expect("memory");
        }
        store
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_the_tree_says_of_deadlines_and_results_is_what_the_messages_say(
            kinds in prop::collection::vec((0u8..8, 1u64..50), 0..1_500),
            ranges in prop::collection::vec((0usize..1_500, 0usize..1_500, 0u64..50), 20),
        ) {
            let of = |&(kind, ns): &(u8, u64)| message((kind > 5).then_some(ns), kind == 0);
            let messages: Vec<Message> = kinds.iter().map(of).collect();
            let store = stored(&messages);
            let (lane, count) = (lane(), messages.len());
            let tree = LaneTree { store: &store, lane: &lane };
            for (a, b, after_ns) in ranges {
                let (begin, end) = (a.min(b).min(count), a.max(b).min(count));
                let deadlines = || messages[begin..end].iter().filter_map(Message::request_deadline_ns);
                let expected = deadlines().fold(Deadlines::NONE, |all, ns| all.join(Deadlines::of(Some(ns))));
                let at = |index: usize| u64::try_from(index).expect("small");
                prop_assert_eq!(tree.deadlines(at(begin), at(end)), Ok(expected));
                let next = deadlines().filter(|ns| *ns > after_ns).min();
                let found = tree.next_deadline(at(begin), at(end), after_ns, after_ns + 5).expect("memory");
                // Parts of a block at both ends are read, too.
                let is_searched = at(end - begin) / BLOCK + 2 <= u64::from(BLOCKS_SEARCHED_MAX);
                let gave_up = !is_searched && found.is_some_and(|found| found <= after_ns + 5);
                prop_assert!(found == next || gave_up, "found {:?} above {}, there is {:?}", found, after_ns, next);
                let results = messages[..end].iter().filter(|message| message.is_result());
                let bytes: u64 = results.map(|message| stream_bytes(&message.encode())).sum();
                prop_assert_eq!(tree.result_bytes_at(at(end)), Ok(bytes));
            }
        }
    }

    #[test]
    fn a_lane_without_deadlines_and_results_keeps_nothing_for_them() {
        let mut notes = LaneNotes::default();
        for nonce in 0..1_000 {
            assert!(!notes.note(nonce, None, 0));
        }
        assert_eq!(notes, LaneNotes::default());
        assert!(notes.note(1_000, Some(5), 0));
        assert_ne!(notes, LaneNotes::default());
    }

    #[test]
    fn deadlines_in_order_are_found_without_reading_the_lane() {
        let messages: Vec<Message> = (1..=64_000).map(|ns| message(Some(ns), false)).collect();
        let store = stored(&messages);
        let lane = lane();
        let tree = LaneTree { store: &store, lane: &lane };
        assert_eq!(tree.next_deadline(0, 64_000, 50_000, 0), Ok(Some(50_001)));
    }
}
