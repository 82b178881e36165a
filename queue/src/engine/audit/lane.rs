//! One lane: its messages hashed again, its stored nodes and all sizes and roots that records
//! claim compared with the result.

use super::settled::Side;
use super::{AuditedLane, Finding, Rows, reason};
use crate::digest::{Hash, Native, node};
use crate::engine::deadlines::{Deadlines, LaneNotes, NodeNotes};
use crate::engine::records::{NodeRecord, STORED_LEVEL_MIN, decode_record, nodes_key, nodes_prefix};
use crate::engine::tree::LaneTree;
use crate::ids::Lane;
use crate::log::{CompactRange, NodeId, perfect_subtrees, range_at};
use crate::store::{Store, StoreError};
use crate::stream::stream_bytes;

/// Bytes of messages that are read at once.
const READ_BYTES: usize = 1024 * 1024;

/// Most findings of one lane: what follows from the first ones says nothing more.
const FINDINGS_MAX: usize = 20;

/// What a record claims of a lane at one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) size: u64,
    pub(super) root: Option<Hash>,
    /// Bytes of all messages below `size`, each with its length.
    pub(super) bytes: Option<u64>,
    /// Who claims it.
    pub(super) by: &'static str,
}

impl Expected {
    /// The lane as it was at a size.
    pub(super) fn whole(log: &CompactRange, bytes: u64, by: &'static str) -> Self {
        Expected { size: log.size(), root: Some(log.root::<Native>()), bytes: Some(bytes), by }
    }
}

/// The reading of one lane.
pub(super) struct Walk<'a, S> {
    store: &'a S,
    lane: &'a Lane,
    size: u64,
    /// Smaller messages aren't kept, and of smaller subtrees only the peaks at this size.
    kept_from: u64,
    /// Sorted by size.
    expected: Vec<Expected>,
    side: Side<'a, S>,
    audited: AuditedLane,
    findings: Vec<Finding>,
}

impl<'a, S: Store> Walk<'a, S> {
    /// Of the lane of `size` messages that is kept from `kept_from` on, a multiple of 64.
    pub(super) fn new(
        store: &'a S,
        lane: &'a Lane,
        size: u64,
        kept_from: u64,
        mut expected: Vec<Expected>,
        side: Side<'a, S>,
    ) -> Self {
        expected.sort_by_key(|expected| expected.size);
        let audited = AuditedLane {
            source: lane.source.clone(),
            destination: lane.destination.clone(),
            size,
            kept_from,
            messages: 0,
            bytes: 0,
            nodes: 0,
        };
        Walk { store, lane, size, kept_from, expected, side, audited, findings: Vec::new() }
    }

    /// Reads everything. What can't be read ends it, with a finding.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(u64)) -> (AuditedLane, Vec<Finding>) {
        if let Err(error) = self.check_nodes().and_then(|()| self.check_messages(progress)) {
            self.find(reason(error));
        }
        (self.audited, self.findings)
    }

    fn find(&mut self, reason: impl ToString) {
        if self.findings.len() < FINDINGS_MAX {
            let place = format!("lane {}", self.lane);
            self.findings.push(Finding { place, reason: reason.to_string() });
        }
    }

    /// Whether exactly the nodes are stored that a lane of this size has, each made of its two
    /// children. Those of the lowest stored level are compared with messages where these are kept; of
    /// what is pruned, the peaks are left.
    fn check_nodes(&mut self) -> Result<(), StoreError> {
        let prefix = nodes_prefix(self.lane);
        let mut rows = Rows::new(self.store, &prefix);
        let pruned = self.kept_from;
        let mut expected = perfect_subtrees(0, pruned).chain(stored_nodes(self.size).filter(move |id| {
            let completed = (id.index + 1) << id.level;
            completed > pruned
        }));
        // The largest subtrees so far, left to right: the last two are a parent's children.
        let mut peaks: Vec<NodeRecord> = Vec::new();
        while let Some((key, value)) = rows.next()? {
            let nodes: Vec<NodeRecord> = decode_record("tree nodes", &value)?;
            let mut completed = 0;
            for found in nodes {
                let NodeRecord { level, index, .. } = found;
                let Some(id) = expected.next().filter(|id| (id.level, id.index) == (level, index)) else {
                    self.find(format!("the tree node {index} at level {level} is out of place, or one is missing"));
                    return Ok(());
                };
                self.audited.nodes += 1;
                if found.completed() > pruned && level > STORED_LEVEL_MIN {
                    self.check_parent(id, &found, &mut peaks);
                } else {
                    self.check_first(id, &found, peaks.last());
                }
                peaks.push(found);
                completed = found.completed();
            }
            if key != nodes_key(self.lane, completed) {
                self.find(format!("the row of tree nodes up to size {completed} stands under another key"));
            }
        }
        if let Some(NodeId { level, index }) = expected.next() {
            self.find(format!("the tree node {index} at level {level} is missing"));
        }
        Ok(())
    }

    /// A node whose children aren't stored, against the one to its left.
    fn check_first(&mut self, NodeId { level, index }: NodeId, found: &NodeRecord, left: Option<&NodeRecord>) {
        if left.is_some_and(|left| left.bytes_end > found.bytes_end) {
            self.find(format!("the bytes up to tree node {index} at level {level} fall to {}", found.bytes_end));
        }
        let NodeNotes { result_bytes_end, deadlines } = found.notes;
        let left_bytes = left.map_or(0, |left| left.notes.result_bytes_end);
        if !(left_bytes..=found.bytes_end).contains(&result_bytes_end) {
            self.find(format!("the bytes of results up to tree node {index} at level {level} are {result_bytes_end}"));
        }
        if deadlines != Deadlines::NONE && deadlines.min_ns > deadlines.max_ns {
            self.find(format!("the deadlines below tree node {index} at level {level} end before they begin"));
        }
        if !self.side.may_note() && found.notes != LaneNotes::default().of_completed(level) {
            self.find(format!("the tree node {index} at level {level} has notes, which only sent messages have"));
        }
    }

    /// A node against its two children.
    fn check_parent(&mut self, id: NodeId, found: &NodeRecord, peaks: &mut Vec<NodeRecord>) {
        let right = peaks.pop().expect("a parent is expected behind its two children");
        let left = peaks.pop().expect("a parent is expected behind its two children");
        let notes = NodeNotes {
            result_bytes_end: right.notes.result_bytes_end,
            deadlines: left.notes.deadlines.join(right.notes.deadlines),
        };
        let expected = (node::<Native>(&left.hash, &right.hash), right.bytes_end, notes);
        if (found.hash, found.bytes_end, found.notes) != expected {
            self.find(format!("the tree node {} at level {} is not made of its children", id.index, id.level));
        }
    }

    fn stored(&self, id: NodeId) -> Result<NodeRecord, StoreError> {
        LaneTree { store: self.store, lane: self.lane }.stored(id)
    }

    /// Hashes the messages that are kept, on top of the stored nodes below them.
    fn check_messages(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        let mut log = range_at(self.kept_from, |id| self.stored(id).map(|node| node.hash))?;
        let tree = LaneTree { store: self.store, lane: self.lane };
        let below = (self.kept_from > 0).then(|| tree.ending_at(self.kept_from)).transpose()?;
        let mut bytes = below.map_or(0, |node| node.bytes_end);
        self.compare(&log, bytes);
        self.side.begin(self.kept_from, |id| LaneTree { store: self.store, lane: self.lane }.stored(id))?;
        while log.size() < self.size {
            let messages = self.store.read(self.lane, log.size()..self.size, READ_BYTES)?;
            if messages.is_empty() {
                return Err(StoreError::Damaged(format!("message {} is missing", log.size())));
            }
            let bytes_before = bytes;
            for message in messages.messages() {
                bytes += stream_bytes(message);
                self.append(&mut log, message, bytes)?;
                self.compare(&log, bytes);
            }
            self.audited.bytes += bytes - bytes_before;
            progress(bytes - bytes_before);
        }
        self.audited.messages = log.size() - self.kept_from;
        if let Some(reason) = self.side.end() {
            self.find(reason);
        }
        if self.store.message(self.lane, self.size)?.is_some() {
            self.find(format!("there are messages behind its end at {}", self.size));
        }
        Ok(())
    }

    fn append(&mut self, log: &mut CompactRange, message: &[u8], bytes_end: u64) -> Result<(), StoreError> {
        if let Some(reason) = self.side.note(log.size(), message)? {
            self.find(reason);
        }
        let mut completed = Vec::new();
        let leaf = LaneTree { store: self.store, lane: self.lane }.leaf(log.size(), message)?;
        log.append_leaf::<Native>(leaf, |id, hash| {
            if id.level >= STORED_LEVEL_MIN {
                completed.push((id, hash));
            }
        });
        for (id, hash) in completed {
            let found = self.stored(id)?;
            if (found.hash, found.bytes_end, found.notes) != (hash, bytes_end, self.side.of_completed(id.level)) {
                self.find(format!("the tree node {} at level {} is not that of its messages", id.index, id.level));
            }
        }
        Ok(())
    }

    /// Compares what is claimed at this size.
    fn compare(&mut self, log: &CompactRange, bytes: u64) {
        while let Some(expected) = self.expected.first().copied().filter(|expected| expected.size <= log.size()) {
            self.expected.remove(0);
            let Expected { size, by, .. } = expected;
            if size < log.size() {
                self.find(format!("{by} tells of size {size}, below the first message that is kept"));
                continue;
            }
            let root = log.root::<Native>();
            if let Some(claimed) = expected.root.filter(|claimed| *claimed != root) {
                self.find(format!("the root at size {size} is {root}, but {claimed} by {by}"));
            }
            if let Some(claimed) = expected.bytes.filter(|claimed| *claimed != bytes) {
                self.find(format!("the first {size} messages have {bytes} bytes, but {claimed} by {by}"));
            }
        }
    }
}

/// The nodes that are stored of a lane of `size` messages, in the order in which they are completed.
fn stored_nodes(size: u64) -> impl Iterator<Item = NodeId> {
    let lowest = 0..size >> STORED_LEVEL_MIN;
    lowest.flat_map(|index| {
        let parents = (index + 1).trailing_zeros();
        (0..=parents).map(move |height| NodeId { level: STORED_LEVEL_MIN + height, index: ((index + 1) >> height) - 1 })
    })
}
