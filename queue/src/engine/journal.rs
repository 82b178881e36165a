//! The open turn: what it will write, and the outputs that wait for it.

use super::config::BATCH_BYTES;
use super::deadlines::{LaneNotes, NodeNotes};
use super::io::Output;
use super::records::{NODES_PER_ROW, NodeRecord, STORED_LEVEL_MIN, leaf_key, nodes_key};
use super::tree::STORED_LEAVES;
use crate::codec;
use crate::digest::{Hash, Native, leaves};
use crate::ids::{Lane, ShardId};
use crate::log::{CompactRange, NodeId};
use crate::store::{Appended, Turn, TurnId};
use crate::stream::{Stream, stream_bytes};
use borsh::BorshSerialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What the open turn appends to a lane.
#[derive(Debug)]
struct Appending {
    lane: Lane,
    first_nonce: u64,
    messages: Stream,
    /// The subtrees that it completes, in this order.
    nodes: Vec<NodeRecord>,
    /// Whether what comes next stands apart from it.
    is_cut: bool,
}

impl Appending {
    fn close(self) -> Appended {
        let Appending { lane, first_nonce, mut messages, .. } = self;
        // They may be kept for a while.
        messages.shrink();
        Appended { lane, first_nonce, messages: Arc::new(messages) }
    }
}

/// Invariant: no output waits for a turn that is not closed; no key is both put and deleted.
#[derive(Debug)]
pub(super) struct Journal {
    committed: TurnId,
    durable: TurnId,
    truncates: Vec<(Lane, u64)>,
    messages: Vec<Appending>,
    puts: BTreeMap<Vec<u8>, Vec<u8>>,
    deletes: BTreeSet<Vec<u8>>,
    prunes: Vec<(Lane, u64)>,
    /// Bytes of the longest lane in the turn before, rounded up to a power of two, at most a batch: so much
    /// is made room for at once, because moving what is there to a larger place costs as much as copying it.
    expected_bytes: usize,
    /// What was emitted since outputs were last released, and whether it waits for the open turn.
    waiting: Vec<(bool, Output)>,
    outputs: VecDeque<(TurnId, Output)>,
}

impl Journal {
    /// A journal whose store holds the turns up to `durable`.
    pub(super) fn new(durable: TurnId) -> Self {
        Journal {
            committed: durable,
            durable,
            truncates: Vec::new(),
            messages: Vec::new(),
            puts: BTreeMap::new(),
            deletes: BTreeSet::new(),
            prunes: Vec::new(),
            expected_bytes: 0,
            waiting: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The turn that is open.
    pub(super) fn open_turn(&self) -> TurnId {
        self.committed + 1
    }

    /// The newest turn that was closed.
    pub(super) fn committed(&self) -> TurnId {
        self.committed
    }

    /// The newest durable turn.
    pub(super) fn durable(&self) -> TurnId {
        self.durable
    }

    pub(super) fn put(&mut self, key: Vec<u8>, record: &impl BorshSerialize) {
        self.deletes.remove(&key);
        self.puts.insert(key, codec::encode(record));
    }

    /// What the open turn writes under a key.
    pub(super) fn pending(&self, key: &[u8]) -> Option<&[u8]> {
        self.puts.get(key).map(Vec::as_slice)
    }

    /// Removes a key, also one that the open turn has put.
    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.puts.remove(&key);
        self.deletes.insert(key);
    }

    /// Forgets the messages of a lane from nonce `from` on, at which a run of them began.
    pub(super) fn truncate(&mut self, lane: &Lane, from: u64) {
        self.messages.retain(|appending| appending.lane != *lane || appending.first_nonce < from);
        self.truncates.push((lane.clone(), from));
    }

    /// The messages that the open turn appends to a lane from `first_nonce` on, up to the next cut.
    pub(super) fn appended(&self, lane: &Lane, first_nonce: u64) -> Option<&Stream> {
        let is_it = |appending: &&Appending| appending.lane == *lane && appending.first_nonce == first_nonce;
        self.messages.iter().find(is_it).map(|appending| &appending.messages)
    }

    /// Bytes of the messages that the open turn appends, over all lanes.
    pub(super) fn open_bytes(&self) -> usize {
        self.messages.iter().map(|appending| appending.messages.bytes().len()).sum()
    }

    /// How many of a lane's `size` messages the store holds: all but those of the open turn.
    pub(super) fn stored_size(&self, lane: &Lane, size: u64) -> u64 {
        let of_lane = self.messages.iter().find(|appending| appending.lane == *lane);
        of_lane.map_or(size, |appending| appending.first_nonce)
    }

    /// Lets what is appended to the lane next stand apart, so that the lane can be truncated here.
    pub(super) fn cut(&mut self, lane: &Lane) {
        let of_lane = self.messages.iter_mut().filter(|appending| appending.lane == *lane);
        of_lane.for_each(|appending| appending.is_cut = true);
    }

    /// Whether the open turn deletes a key.
    pub(super) fn is_deleted(&self, key: &[u8]) -> bool {
        self.deletes.contains(key)
    }

    pub(super) fn prune(&mut self, lane: &Lane, below: u64) {
        self.prunes.push((lane.clone(), below));
    }

    /// Emits an output that becomes visible once all that this turn writes is durable.
    pub(super) fn emit(&mut self, output: Output) {
        self.waiting.push((true, output));
    }

    /// Emits an output that follows from nothing that isn't durable: it only keeps its place behind
    /// those that were emitted before.
    pub(super) fn emit_durable(&mut self, output: Output) {
        self.waiting.push((false, output));
    }

    /// Drops the frames for a peer that no connection has taken: they were for one that is gone.
    pub(super) fn forget_frames(&mut self, peer: &ShardId) {
        let keep = |output: &Output| !matches!(output, Output::Frame { peer: to, .. } if to == peer);
        self.waiting.retain(|(_, output)| keep(output));
        self.outputs.retain(|(_, output)| keep(output));
    }

    /// Appends a message to a lane's log, by its leaf hash, with the tree nodes that it completes.
    /// `notes` has noted it.
    pub(super) fn append(
        &mut self,
        lane: &Lane,
        log: &mut CompactRange,
        bytes: &mut u64,
        leaf: Hash,
        message: &[u8],
        notes: &LaneNotes,
    ) {
        let nonce = log.size();
        *bytes += stream_bytes(message);
        let bytes_end = *bytes;
        if message.is_empty() {
            // No leaf hash of a truncated message may stand for this one.
            self.delete(leaf_key(lane, nonce));
        }
        let appending = self.appending(lane, nonce);
        appending.messages.push(message);
        log.append_leaf::<Native>(leaf, |NodeId { level, index }, hash| {
            if level >= STORED_LEVEL_MIN {
                let notes = notes.of_completed(level);
                appending.nodes.push(NodeRecord { level, index, hash, bytes_end, notes });
            }
        });
    }

    /// Appends messages, at least one, to a lane's log, which costs less than one after the other. `notes`
    /// gives what was noted for the subtree of some level that is complete at some size.
    pub(super) fn append_all(
        &mut self,
        lane: &Lane,
        log: &mut CompactRange,
        bytes: &mut u64,
        messages: &[&[u8]],
        notes: impl Fn(u64, u32) -> NodeNotes,
    ) {
        let first_nonce = log.size();
        let mut block_ends = BTreeMap::new();
        for (nonce, message) in (first_nonce..).zip(messages) {
            *bytes += stream_bytes(message);
            if (nonce + 1).is_multiple_of(STORED_LEAVES) {
                block_ends.insert(nonce + 1, *bytes);
            }
            if message.is_empty() {
                // No leaf hash of a truncated message may stand for this one.
                self.delete(leaf_key(lane, nonce));
            }
        }
        let appending = self.appending(lane, first_nonce);
        messages.iter().for_each(|message| appending.messages.push(message));
        let mut nodes = Vec::new();
        log.append_leaves(leaves(messages), |NodeId { level, index }, hash| {
            if level >= STORED_LEVEL_MIN {
                let completed = (index + 1) << level;
                let (bytes_end, notes) = (block_ends[&completed], notes(completed, level));
                nodes.push(NodeRecord { level, index, hash, bytes_end, notes });
            }
        });
        nodes.sort_by_key(|node| (node.completed(), node.level));
        appending.nodes.append(&mut nodes);
    }

    /// Appends what stands for a message that isn't kept: nothing, with the leaf hash of the whole.
    pub(super) fn append_hashed(&mut self, lane: &Lane, log: &mut CompactRange, bytes: &mut u64, leaf: Hash) {
        let key = leaf_key(lane, log.size());
        self.append(lane, log, bytes, leaf, &[], &LaneNotes::default());
        self.put(key, &leaf);
    }

    fn appending(&mut self, lane: &Lane, first_nonce: u64) -> &mut Appending {
        let is_open = |appending: &Appending| appending.lane == *lane && !appending.is_cut;
        let at = self.messages.iter().rposition(is_open).unwrap_or_else(|| {
            let (lane, messages) = (lane.clone(), Stream::with_capacity(self.expected_bytes));
            self.messages.push(Appending { lane, first_nonce, messages, nodes: Vec::new(), is_cut: false });
            self.messages.len() - 1
        });
        &mut self.messages[at]
    }

    /// Puts the subtrees that the open turn completes. No row reaches across a cut, so that a
    /// truncation takes whole rows away.
    fn put_nodes(&mut self) {
        for Appending { lane, nodes, .. } in &mut self.messages {
            let mut nodes = std::mem::take(nodes).into_iter().peekable();
            while let Some(first) = nodes.next() {
                let mut row = vec![first];
                let mut completed = first.completed();
                while let Some(next) = nodes.next_if(|next| row.len() < NODES_PER_ROW || next.completed() == completed)
                {
                    completed = next.completed();
                    row.push(next);
                }
                self.puts.insert(nodes_key(lane, completed), codec::encode(&row));
            }
        }
    }

    /// Closes the turn. `None` if it writes nothing: then its outputs wait for the turn before.
    pub(super) fn close(&mut self) -> Option<Turn> {
        self.put_nodes();
        let writes = !(self.truncates.is_empty()
            && self.messages.is_empty()
            && self.puts.is_empty()
            && self.deletes.is_empty()
            && self.prunes.is_empty());
        if writes {
            self.committed += 1;
        }
        self.release_outputs();
        let messages: Vec<Appended> = std::mem::take(&mut self.messages).into_iter().map(Appending::close).collect();
        if let Some(most) = messages.iter().map(|appended| appended.messages.bytes().len()).max() {
            self.expected_bytes = most.next_power_of_two().min(BATCH_BYTES);
        }
        writes.then(|| Turn {
            id: self.committed,
            truncates: std::mem::take(&mut self.truncates),
            messages,
            puts: std::mem::take(&mut self.puts).into_iter().collect(),
            deletes: std::mem::take(&mut self.deletes).into_iter().collect(),
            prunes: std::mem::take(&mut self.prunes),
        })
    }

    /// Lets outputs that were emitted after the turn was closed wait for that turn: they depend on
    /// nothing that comes later.
    pub(super) fn release_outputs(&mut self) {
        let turn = |waits: bool| if waits { self.committed } else { 0 };
        self.outputs.extend(self.waiting.drain(..).map(|(waits, output)| (turn(waits), output)));
    }

    /// The store made turns durable.
    pub(super) fn handle_durable(&mut self, turn: TurnId) {
        debug_assert!(self.durable <= turn && turn <= self.committed);
        self.durable = turn;
    }

    /// The next output that may be visible.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        let (turn, _) = self.outputs.front()?;
        if *turn > self.durable {
            return None;
        }
        self.outputs.pop_front().map(|(_, output)| output)
    }
}
