//! What has arrived of a lane ahead of its release: durable, and worth nothing yet.

use super::deadlines::NodeNotes;
use super::journal::Journal;
use super::records::{MarkRecord, StagedRecord, StagedRun, staged_key};
use super::refusal::Refusal;
use crate::digest::{Hash, LeafHasher};
use crate::ids::Lane;
use crate::limits::{MARKS_MAX, MESSAGE_BYTES_MAX};
use crate::log::CompactRange;
use crate::message::{PlainMessages, Tombstone, decide};
use crate::stream::LENGTH_BYTES;
use std::collections::VecDeque;

/// Bytes of a common message in its stream.
const COMMON_BYTES: usize = 256;

/// The staged end of a lane.
///
/// Invariant: `record`, `runs` and the messages are in the store, or in the open turn.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) record: StagedRecord,
    /// Closed runs, in order, up to where `open` begins.
    pub(super) runs: VecDeque<StagedRun>,
    /// Tombstones in these runs.
    tombstones: usize,
    /// The run that the open turn writes.
    open: Option<StagedRun>,
    /// The next message, as far as it has arrived on this connection.
    partial: Partial,
}

/// The beginning of a message.
#[derive(Debug)]
enum Partial {
    /// Length and bytes so far.
    Kept(Vec<u8>),
    /// Of a message above the limit, which is hashed and not kept.
    Hashed { hasher: LeafHasher, left: usize },
}

impl Staged {
    pub(super) fn new(record: StagedRecord, runs: VecDeque<StagedRun>) -> Self {
        let tombstones = runs.iter().map(|run| run.tombstones.len()).sum();
        Staged { record, runs, tombstones, open: None, partial: Partial::Kept(Vec::new()) }
    }

    /// Number of messages, with those that are verified.
    pub(super) fn size(&self) -> u64 {
        self.record.log.size()
    }

    /// How many of the staged messages will be settled without a delivery, whenever they are released.
    pub(super) fn tombstones(&self) -> usize {
        self.tombstones + self.open.as_ref().map_or(0, |run| run.tombstones.len())
    }

    /// Whether the last message has arrived only in part.
    pub(super) fn is_partial(&self) -> bool {
        !matches!(&self.partial, Partial::Kept(bytes) if bytes.is_empty())
    }

    /// Forgets the part of a message that a connection left behind.
    pub(super) fn forget_partial(&mut self) {
        self.partial = Partial::Kept(Vec::new());
    }

    /// The lane's log at a size that may be released: a marked one, or all that has arrived.
    pub(super) fn at(&self, size: u64) -> Option<MarkRecord> {
        let newest = MarkRecord { log: self.record.log.clone(), bytes: self.record.bytes };
        let marks = self.record.marks.iter().cloned().chain((!self.is_partial()).then_some(newest));
        marks.into_iter().find(|mark| mark.log.size() == size)
    }

    /// The next bytes of the lane.
    pub(super) fn handle_data(&mut self, lane: &Lane, mut bytes: &[u8], journal: &mut Journal) -> Result<(), Refusal> {
        let mut begun = None;
        if self.is_partial() {
            (begun, bytes) = self.complete(lane, bytes, journal)?;
        }
        let mut messages = Vec::with_capacity(bytes.len() / COMMON_BYTES);
        messages.extend(begun.as_ref().map(|begun| &begun[LENGTH_BYTES..]));
        while let Some((header, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() {
            let length = announced(*header);
            if length > MESSAGE_BYTES_MAX {
                self.push_all(lane, &std::mem::take(&mut messages), journal);
                self.partial = Partial::Hashed { hasher: LeafHasher::begin(), left: length };
                (_, bytes) = self.complete(lane, rest, journal)?;
                continue;
            }
            let Some((message, behind)) = rest.split_at_checked(length) else { break };
            messages.push(message);
            bytes = behind;
        }
        self.push_all(lane, &messages, journal);
        if !bytes.is_empty() {
            self.partial = Partial::Kept(bytes.to_vec());
        }
        Ok(())
    }

    /// Goes on with the message that has begun; gives what is to be pushed with its length, once it is all there,
    /// and what is left of `bytes`.
    fn complete<'a>(
        &mut self,
        lane: &Lane,
        bytes: &'a [u8],
        journal: &mut Journal,
    ) -> Result<(Option<Vec<u8>>, &'a [u8]), Refusal> {
        match std::mem::replace(&mut self.partial, Partial::Kept(Vec::new())) {
            Partial::Hashed { mut hasher, left } => {
                let (part, behind) = bytes.split_at(left.min(bytes.len()));
                hasher.update(part);
                if part.len() < left {
                    self.partial = Partial::Hashed { hasher, left: left - part.len() };
                } else {
                    self.push_hashed(lane, hasher.finish(), journal);
                }
                Ok((None, behind))
            }
            Partial::Kept(mut begun) => {
                let missing = LENGTH_BYTES.saturating_sub(begun.len()).min(bytes.len());
                let (part, bytes) = bytes.split_at(missing);
                begun.extend_from_slice(part);
                let Some((header, _)) = begun.split_first_chunk::<LENGTH_BYTES>() else {
                    self.partial = Partial::Kept(begun);
                    return Ok((None, bytes));
                };
                let length = announced(*header);
                if length > MESSAGE_BYTES_MAX {
                    self.partial = Partial::Hashed { hasher: LeafHasher::begin(), left: length };
                    return self.complete(lane, bytes, journal);
                }
                let missing = (LENGTH_BYTES + length - begun.len()).min(bytes.len());
                let (part, behind) = bytes.split_at(missing);
                begun.extend_from_slice(part);
                if begun.len() < LENGTH_BYTES + length {
                    self.partial = Partial::Kept(begun);
                    return Ok((None, behind));
                }
                Ok((Some(begun), behind))
            }
        }
    }

    fn push_all(&mut self, lane: &Lane, messages: &[&[u8]], journal: &mut Journal) {
        if messages.is_empty() {
            return;
        }
        let first_nonce = self.size();
        let run = self.open_run();
        let mut plain = PlainMessages::new(&lane.source, &lane.destination);
        for (nonce, message) in (first_nonce..).zip(messages) {
            match plain.deadline_ns(message) {
                Some(deadline_ns) => run.note_deadline(deadline_ns),
                // Before the first block nothing has expired: what is left to check is the deadline.
                None => run.note(nonce, decide(message, &lane.source, &lane.destination, 0)),
            }
        }
        let record = &mut self.record;
        journal.append_all(lane, &mut record.log, &mut record.bytes, messages, |_, _| NodeNotes::NONE);
    }

    /// A message above the limit: its place is kept, and its leaf hash.
    fn push_hashed(&mut self, lane: &Lane, leaf: Hash, journal: &mut Journal) {
        let nonce = self.size();
        self.open_run().tombstones.push((nonce, Tombstone::Malformed));
        let record = &mut self.record;
        journal.append_hashed(lane, &mut record.log, &mut record.bytes, leaf);
    }

    fn open_run(&mut self) -> &mut StagedRun {
        let first_nonce = self.record.log.size();
        self.open.get_or_insert_with(|| StagedRun::new(first_nonce))
    }

    /// The source says that what has arrived so far may be attested at this size.
    pub(super) fn handle_mark(&mut self, lane: &Lane, size: u64, journal: &mut Journal) -> Result<(), Refusal> {
        if self.is_partial() || size != self.size() {
            let found = self.size();
            return Err(Refusal::Peer(format!("marked size {size}, but has sent {found} whole messages")));
        }
        if self.record.marks.last().is_some_and(|mark| mark.log.size() == size) {
            return Ok(());
        }
        if self.record.marks.len() >= MARKS_MAX {
            return Err(Refusal::Peer(format!("marked more than {MARKS_MAX} sizes without a release")));
        }
        self.record.marks.push(MarkRecord { log: self.record.log.clone(), bytes: self.record.bytes });
        self.close_run(lane, journal);
        Ok(())
    }

    /// Ends the open run: a release may end here.
    pub(super) fn close_run(&mut self, lane: &Lane, journal: &mut Journal) {
        let Some(mut run) = self.open.take() else { return };
        run.end = self.size();
        self.tombstones += run.tombstones.len();
        journal.put(staged_key(lane, run.end), &run);
        journal.cut(lane);
        self.runs.push_back(run);
    }

    /// The first message below `size` that this software can't decide.
    pub(super) fn stops_below(&self, size: u64) -> Option<u64> {
        self.runs.iter().find_map(|run| run.stops_at).filter(|nonce| *nonce < size)
    }

    /// The runs below `size`, which are staged no longer.
    pub(super) fn release(&mut self, lane: &Lane, size: u64, journal: &mut Journal) -> Vec<StagedRun> {
        self.record.marks.retain(|mark| mark.log.size() > size);
        let count = self.runs.partition_point(|run| run.end <= size);
        debug_assert!(count == self.runs.len() || self.runs[count].first_nonce >= size, "a run crosses a mark");
        let runs: Vec<StagedRun> = self.runs.drain(..count).collect();
        self.tombstones -= runs.iter().map(|run| run.tombstones.len()).sum::<usize>();
        runs.iter().for_each(|run| journal.delete(staged_key(lane, run.end)));
        runs
    }

    /// Forgets all but what is verified.
    pub(super) fn drop_all(&mut self, lane: &Lane, verified: &CompactRange, bytes: u64, journal: &mut Journal) {
        self.forget_partial();
        self.open = None;
        self.tombstones = 0;
        for run in self.runs.drain(..) {
            journal.delete(staged_key(lane, run.end));
        }
        if self.record.log.size() > verified.size() {
            journal.truncate(lane, verified.size());
        }
        self.record = StagedRecord { log: verified.clone(), bytes, marks: Vec::new() };
    }
}

fn announced(header: [u8; LENGTH_BYTES]) -> usize {
    usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX)
}
