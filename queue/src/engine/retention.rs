//! Retention: lets go of the oldest acknowledged and delivered messages, with the subtrees and the rows of
//! the inbox that only they needed.
//!
//! What is acknowledged is kept to prove what became of it. What is delivered was decided, and nothing of
//! the protocol asks for it again: the verified log goes on from its compact range. It is kept to be read,
//! proved and exported.

use super::Engine;
use super::inbound::Inbound;
use super::journal::Journal;
use super::outbound::Outbound;
use super::records::{
    INBOX, InboxRecord, NodeRecord, PrunedRecord, decode_record, inbox_end, inbox_key, leaf_key, leaf_prefix,
    nodes_key, nodes_prefix, pruned_key, read_record,
};
use super::tree::{LaneTree, STORED_LEAVES, prune_point};
use crate::ids::Lane;
use crate::log::perfect_subtrees;
use crate::store::{Store, StoreError, TurnId};

/// Rows of the inbox that are looked at in one turn, so that a turn stays short; the others are
/// looked at with the next.
const INBOX_ROWS_MAX: usize = 1_024;

/// Once the bound is exceeded, so much of it is let go at once: finding out how far to go costs some
/// reads, which pay only for many messages.
const SLACK_DIVISOR: u64 = 16;

/// Messages of a lane that go with one turn, so that a turn stays short, however many a head has
/// acknowledged or released; the others go with the next ones.
pub(super) const PRUNED_PER_TURN: u64 = 16_384;

const _: () = assert!(PRUNED_PER_TURN.is_multiple_of(STORED_LEAVES));

/// How far a lane's messages are pruned.
///
/// Invariant: `record` is in the store or in the open turn.
#[derive(Debug, Default)]
pub(super) struct Retention {
    pub(super) record: PrunedRecord,
    /// Messages below are to go.
    target: u64,
    /// So many messages were delivered by durable turns: those behind them nobody could read yet, and
    /// so they stay.
    shown: u64,
    /// A turn, and how many messages are delivered with it.
    next: (TurnId, u64),
    /// No run of the lane that ends at or below this position of the inbox is left.
    inbox_position: u64,
    /// Whether runs of pruned messages may be left behind that position.
    inbox_lags: bool,
}

impl Retention {
    /// Of a lane of `size` durable messages.
    pub(super) fn from_record(record: PrunedRecord, size: u64) -> Self {
        let (target, next) = (record.below, (0, size));
        Retention { record, target, shown: size, next, inbox_position: 0, inbox_lags: record.below > 0 }
    }
}

impl<S: Store> Engine<S> {
    /// Prunes the lanes that hold more than is kept, each by at most [`PRUNED_PER_TURN`] messages.
    pub(super) fn prune(&mut self) -> Result<(), StoreError> {
        let bytes_max = self.config.settling.inbound_retention_bytes_max;
        for inbound in self.inbound.values_mut() {
            inbound.prune(bytes_max, &self.store, &mut self.journal)?;
        }
        for outbound in self.outbound.values_mut().filter(|outbound| outbound.is_pruning()) {
            outbound.prune(&self.store, &mut self.journal)?;
        }
        Ok(())
    }

    /// Whether a lane holds more than is kept, which goes with the next turn.
    pub(super) fn is_pruning(&self) -> bool {
        self.inbound.values().any(Inbound::is_pruning) || self.outbound.values().any(Outbound::is_pruning)
    }

    /// First message of a lane that is kept, also of one that is over.
    pub(super) fn kept_from(&self, lane: &Lane) -> Result<u64, StoreError> {
        if let Some(inbound) = self.inbound.get(&lane.source).filter(|inbound| inbound.record.lane == *lane) {
            return Ok(inbound.kept_from());
        }
        let record: Option<PrunedRecord> = read_record(&self.store, "pruned lane", &pruned_key(lane))?;
        Ok(record.map_or(0, |record| record.below))
    }
}

impl Inbound {
    /// First message that is kept.
    pub(super) fn kept_from(&self) -> u64 {
        self.retention.record.below
    }

    /// Whether more is to go than has.
    pub(super) fn is_pruning(&self) -> bool {
        self.retention.target > self.retention.record.below
    }

    fn prune<S: Store>(&mut self, bytes_max: u64, store: &S, journal: &mut Journal) -> Result<(), StoreError> {
        let (lane, known) = (&self.record.lane, self.retention.record);
        if self.retention.next.0 <= journal.durable() {
            self.retention.shown = self.retention.next.1;
            self.retention.next = (journal.open_turn(), self.record.log.size());
        }
        let tree = LaneTree { store, lane };
        if !self.is_pruning() && self.record.bytes - known.bytes > bytes_max {
            let target_bytes = self.record.bytes - (bytes_max - bytes_max / SLACK_DIVISOR);
            self.retention.target = furthest(&tree, known.below, self.retention.shown, target_bytes)?;
        }
        if self.is_pruning() {
            let below = self.retention.target.min(known.below + PRUNED_PER_TURN);
            prune_nodes(&tree, below, journal)?;
            delete_up_to(store, &leaf_prefix(lane), &leaf_key(lane, below - 1), journal)?;
            journal.prune(lane, below);
            let record = PrunedRecord { below, bytes: tree.bytes_at(below)? };
            journal.put(pruned_key(lane), &record);
            self.retention.record = record;
            self.retention.inbox_lags = true;
        }
        if self.retention.inbox_lags { self.prune_inbox(store, journal) } else { Ok(()) }
    }

    /// Takes the runs of pruned messages out of the inbox. Those of other lanes between them stay.
    fn prune_inbox<S: Store>(&mut self, store: &S, journal: &mut Journal) -> Result<(), StoreError> {
        let (lane, retention) = (&self.record.lane, &mut self.retention);
        let Some(after) = retention.inbox_position.checked_add(1) else { return Ok(()) };
        let rows = store.scan(INBOX, &inbox_key(after), INBOX_ROWS_MAX)?;
        for (key, bytes) in rows {
            let run: InboxRecord = decode_record("inbox", &bytes)?;
            if run.lane == *lane {
                if run.first_nonce + run.count > retention.record.below {
                    retention.inbox_lags = false;
                    break;
                }
                journal.delete(key.clone());
            }
            retention.inbox_position = inbox_end(&key)?;
        }
        Ok(())
    }
}

impl Outbound {
    /// Finds out how many acknowledged messages are more than is kept: whole blocks of the tree, so that
    /// what is left can still rebuild every root from there on.
    pub(super) fn plan_prune<S: Store>(&mut self, retention_bytes_max: u64, store: &S) -> Result<(), StoreError> {
        let record = &self.record;
        let Some(bytes_max) = record.acknowledged_bytes.checked_sub(retention_bytes_max) else { return Ok(()) };
        let tree = LaneTree { store, lane: &record.lane };
        let known = self.settlement.record.pruned / STORED_LEAVES;
        // The open stream's next proof is from what it has released.
        let settled = record.acknowledged.min(record.attested).min(self.released().unwrap_or(u64::MAX));
        let (mut below, mut above) = (known, settled / STORED_LEAVES + 1);
        // The retention is mostly a few blocks wide of the mark: one look says so.
        if known + 1 < above && tree.bytes_at((known + 1) * STORED_LEAVES)? > bytes_max {
            return Ok(());
        }
        while above > below + 1 {
            let middle = below + (above - below) / 2;
            if tree.bytes_at(middle * STORED_LEAVES)? <= bytes_max { below = middle } else { above = middle }
        }
        self.prune_target = below * STORED_LEAVES;
        Ok(())
    }

    /// Whether more is to go than has.
    pub(super) fn is_pruning(&self) -> bool {
        self.prune_target > self.settlement.record.pruned
    }

    /// Lets go of what is to go, or of as much as one turn may.
    pub(super) fn prune<S: Store>(&mut self, store: &S, journal: &mut Journal) -> Result<(), StoreError> {
        let below = self.prune_target.min(self.settlement.record.pruned + PRUNED_PER_TURN);
        prune_nodes(&LaneTree { store, lane: &self.record.lane }, below, journal)?;
        journal.prune(&self.record.lane, below);
        self.settlement.handle_pruned(&self.record.lane, below, store, journal)
    }
}

/// The first block above `known` that begins behind at least `target_bytes` of messages, or the last one
/// of those that were shown.
fn furthest<S: Store>(tree: &LaneTree<'_, S>, known: u64, shown: u64, target_bytes: u64) -> Result<u64, StoreError> {
    let (mut below, mut above) = (known / STORED_LEAVES, prune_point(shown) / STORED_LEAVES);
    while above > below + 1 {
        let middle = below + (above - below) / 2;
        if tree.bytes_at(middle * STORED_LEAVES)? < target_bytes { below = middle } else { above = middle }
    }
    Ok((above * STORED_LEAVES).max(known))
}

/// Leaves one row of the subtrees that end at or below `below`: the peaks of the log of that size,
/// which every larger root and every proof of what is kept is made of. No others are needed.
fn prune_nodes<S: Store>(tree: &LaneTree<'_, S>, below: u64, journal: &mut Journal) -> Result<(), StoreError> {
    let peaks = perfect_subtrees(0, below).map(|id| tree.stored(id)).collect::<Result<Vec<NodeRecord>, _>>()?;
    let prefix = nodes_prefix(tree.lane);
    delete_up_to(tree.store, &prefix, &nodes_key(tree.lane, below), journal)?;
    // The row in which the pruned subtrees end may hold others.
    if let Some((key, bytes)) = tree.store.scan(&prefix, &nodes_key(tree.lane, below + 1), 1)?.pop() {
        let nodes: Vec<NodeRecord> = decode_record("tree nodes", &bytes)?;
        let kept: Vec<NodeRecord> = nodes.iter().copied().filter(|node| node.completed() > below).collect();
        if kept.len() < nodes.len() {
            journal.put(key, &kept);
        }
    }
    journal.put(nodes_key(tree.lane, below), &peaks);
    Ok(())
}

/// Deletes the keys that begin with `prefix` and are not above `last`.
fn delete_up_to(store: &impl Store, prefix: &[u8], last: &[u8], journal: &mut Journal) -> Result<(), StoreError> {
    const PAGE: usize = 256;
    let mut from = prefix.to_vec();
    loop {
        let page = store.scan(prefix, &from, PAGE)?;
        let count = page.len();
        for (key, _) in page {
            if key.as_slice() > last {
                return Ok(());
            }
            from = [key.as_slice(), &[0]].concat();
            journal.delete(key);
        }
        if count < PAGE {
            return Ok(());
        }
    }
}
