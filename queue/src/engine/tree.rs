//! A lane's log as the store holds it: roots, proofs and byte counts at any size since the prune
//! point.

use super::records::{NodeRecord, STORED_LEVEL_MIN, decode_record, leaf_key, nodes_key, nodes_prefix, read_record};
use super::subtrees::Subtrees;
use crate::digest::{Hash, Native, leaf, leaves};
use crate::ids::Lane;
use crate::log::{CompactRange, NodeId, prove_consistency, prove_inclusion, range_at};
use crate::store::{Store, StoreError};
use crate::stream::stream_bytes;

/// Bytes read at once where many messages are looked at.
const READ_BYTES: usize = 1024 * 1024;

/// Number of leaves below a stored node of the lowest stored level.
pub(super) const STORED_LEAVES: u64 = 1 << STORED_LEVEL_MIN;

pub(super) struct LaneTree<'a, S> {
    pub(super) store: &'a S,
    pub(super) lane: &'a Lane,
}

impl<S: Store> LaneTree<'_, S> {
    /// Root of the log of `size` messages.
    pub(super) fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        Ok(self.range_at(size)?.root::<Native>())
    }

    /// The log of `size` messages.
    pub(super) fn range_at(&self, size: u64) -> Result<CompactRange, StoreError> {
        let mut subtrees = Subtrees::new(self, size);
        range_at(size, |id| subtrees.node(id))
    }

    /// Message `nonce`, and its inclusion proof in the log of `size` messages.
    pub(super) fn inclusion(&self, nonce: u64, size: u64) -> Result<(Vec<u8>, Vec<Hash>), StoreError> {
        prove_message(Subtrees::new(self, size), nonce, size)
    }

    /// [`LaneTree::inclusion`] in a log whose right edge is known: what is read stands left of it.
    pub(super) fn inclusion_in(&self, nonce: u64, log: &CompactRange) -> Result<(Vec<u8>, Vec<Hash>), StoreError> {
        prove_message(Subtrees::of_log(self, log), nonce, log.size())
    }

    /// Consistency proof between the logs of `old` and `new` messages.
    pub(super) fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
        let mut subtrees = Subtrees::new(self, new);
        prove_consistency::<Native, _>(old, new, |id| subtrees.node(id))
    }

    /// Bytes of the first `size` messages, each with its length.
    pub(super) fn bytes_at(&self, size: u64) -> Result<u64, StoreError> {
        let whole = size / STORED_LEAVES;
        let mut bytes = match whole * STORED_LEAVES {
            0 => 0,
            completed => self.ending_at(completed)?.bytes_end,
        };
        self.for_each(whole * STORED_LEAVES, size, |_, message| {
            bytes += stream_bytes(message);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Whether only the leaf hash of an empty message is known.
    pub(super) fn is_hashed(&self, nonce: u64) -> Result<bool, StoreError> {
        Ok(self.store.get(&leaf_key(self.lane, nonce))?.is_some())
    }

    /// An empty message may stand for one that was too large to be kept: then its leaf hash is.
    pub(super) fn leaf(&self, nonce: u64, message: &[u8]) -> Result<Hash, StoreError> {
        let kept = if message.is_empty() { self.kept_leaf(nonce)? } else { None };
        Ok(kept.unwrap_or_else(|| leaf::<Native>(message)))
    }

    /// [`LaneTree::leaf`] of messages from `first` on, hashed side by side.
    pub(super) fn leaves(&self, first: u64, messages: &[&[u8]]) -> Result<Vec<Hash>, StoreError> {
        let mut hashes = leaves(messages);
        for ((nonce, message), hash) in (first..).zip(messages).zip(&mut hashes) {
            if message.is_empty() {
                *hash = self.kept_leaf(nonce)?.unwrap_or(*hash);
            }
        }
        Ok(hashes)
    }

    fn kept_leaf(&self, nonce: u64) -> Result<Option<Hash>, StoreError> {
        read_record(self.store, "leaf hash", &leaf_key(self.lane, nonce))
    }

    pub(super) fn stored(&self, id: NodeId) -> Result<NodeRecord, StoreError> {
        self.in_row(&self.row((id.index + 1) << id.level)?, id)
    }

    /// A subtree that is complete at this size, a multiple of 64. Of pruned messages few others are left.
    pub(super) fn ending_at(&self, completed: u64) -> Result<NodeRecord, StoreError> {
        let row = self.row(completed)?;
        let found = row.into_iter().find(|node| node.completed() == completed);
        found.ok_or_else(|| self.lacks(NodeId { level: STORED_LEVEL_MIN, index: completed / STORED_LEAVES - 1 }))
    }

    /// The row that holds the subtrees that are complete at this size; empty if there is none.
    pub(super) fn row(&self, completed: u64) -> Result<Vec<NodeRecord>, StoreError> {
        let row = self.store.scan(&nodes_prefix(self.lane), &nodes_key(self.lane, completed), 1)?.pop();
        row.map_or(Ok(Vec::new()), |(_, row)| decode_record("tree nodes", &row))
    }

    pub(super) fn in_row(&self, row: &[NodeRecord], id: NodeId) -> Result<NodeRecord, StoreError> {
        let found = row.iter().find(|node| (node.level, node.index) == (id.level, id.index));
        found.copied().ok_or_else(|| self.lacks(id))
    }

    pub(super) fn lacks(&self, id: NodeId) -> StoreError {
        StoreError::Damaged(format!("{} lacks the tree node {} at level {}", self.lane, id.index, id.level))
    }

    /// The keys of the subtrees that are complete only above `size`.
    pub(super) fn node_keys_above(&self, size: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let prefix = nodes_prefix(self.lane);
        let rows = self.store.scan(&prefix, &nodes_key(self.lane, size + 1), usize::MAX)?;
        Ok(rows.into_iter().map(|(key, _)| key).collect())
    }

    pub(super) fn for_each(
        &self,
        begin: u64,
        end: u64,
        mut f: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.for_each_part(begin, end, |first, messages| {
            (first..).zip(messages).try_for_each(|(nonce, message)| f(nonce, message))
        })
    }

    /// [`LaneTree::for_each`] by the parts in which messages are read, each with the nonce of its first.
    pub(super) fn for_each_part(
        &self,
        begin: u64,
        end: u64,
        mut f: impl FnMut(u64, &[&[u8]]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut at = begin;
        while at < end {
            let messages = self.store.read(self.lane, at..end, READ_BYTES)?;
            if messages.is_empty() {
                return Err(StoreError::Damaged(format!("{} lacks message {at}", self.lane)));
            }
            let part: Vec<&[u8]> = messages.messages().collect();
            f(at, &part)?;
            at += part.len() as u64;
        }
        Ok(())
    }
}

fn prove_message<S: Store>(
    mut subtrees: Subtrees<'_, S>,
    nonce: u64,
    size: u64,
) -> Result<(Vec<u8>, Vec<Hash>), StoreError> {
    let message = subtrees.message(nonce)?;
    Ok((message, prove_inclusion::<Native, _>(nonce, size, |id| subtrees.node(id))?))
}

/// The largest size up to which messages may go once `acknowledged` are: what is left can still
/// rebuild every root from there on.
pub(super) fn prune_point(acknowledged: u64) -> u64 {
    acknowledged - acknowledged % STORED_LEAVES
}
