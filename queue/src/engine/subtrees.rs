//! The subtrees that one proof needs: each block of messages and each row of stored subtrees is read
//! once for it.

use super::records::{NodeRecord, STORED_LEVEL_MIN};
use super::tree::{LaneTree, STORED_LEAVES};
use crate::digest::Hash;
use crate::log::{CompactRange, NodeId};
use crate::store::{Store, StoreError};

/// What was read of a lane's log of `size` messages.
pub(super) struct Subtrees<'a, S> {
    tree: &'a LaneTree<'a, S>,
    size: u64,
    known: Vec<(NodeId, Hash)>,
    rows: Vec<Vec<NodeRecord>>,
    blocks: Vec<Block>,
}

/// The subtrees below a stored one of the lowest stored level.
struct Block {
    /// Its place among the blocks of the log.
    index: u64,
    /// By their level, left to right.
    levels: Vec<Vec<Hash>>,
}

impl<'a, S: Store> Subtrees<'a, S> {
    pub(super) fn new(tree: &'a LaneTree<'a, S>, size: u64) -> Self {
        Subtrees { tree, size, known: Vec::new(), rows: Vec::new(), blocks: Vec::new() }
    }

    /// Of a log whose right edge is known, and not read again.
    pub(super) fn of_log(tree: &'a LaneTree<'a, S>, log: &CompactRange) -> Self {
        Subtrees { known: log.subtrees().collect(), ..Subtrees::new(tree, log.size()) }
    }

    /// Message `nonce`, with all that its block has to say in its proof.
    pub(super) fn message(&mut self, nonce: u64) -> Result<Vec<u8>, StoreError> {
        let mut found = Vec::new();
        self.read_block(nonce / STORED_LEAVES, |at, message| {
            if at == nonce {
                found = message.to_vec();
            }
        })?;
        Ok(found)
    }

    pub(super) fn node(&mut self, id: NodeId) -> Result<Hash, StoreError> {
        if let Some((_, hash)) = self.known.iter().find(|(known, _)| *known == id) {
            return Ok(*hash);
        }
        if id.level >= STORED_LEVEL_MIN {
            return self.stored(id);
        }
        let index = (id.index << id.level) / STORED_LEAVES;
        let at = match self.blocks.iter().position(|block| block.index == index) {
            Some(at) => at,
            None => {
                self.read_block(index, |_, _| {})?;
                self.blocks.len() - 1
            }
        };
        self.blocks[at].node(id).ok_or_else(|| self.tree.lacks(id))
    }

    fn stored(&mut self, id: NodeId) -> Result<Hash, StoreError> {
        let completed = (id.index + 1) << id.level;
        let holds = |row: &&Vec<NodeRecord>| {
            let ends = row.first().zip(row.last());
            ends.is_some_and(|(first, last)| (first.completed()..=last.completed()).contains(&completed))
        };
        if let Some(row) = self.rows.iter().find(holds) {
            return self.tree.in_row(row, id).map(|node| node.hash);
        }
        let row = self.tree.row(completed)?;
        let node = self.tree.in_row(&row, id)?;
        self.rows.push(row);
        Ok(node.hash)
    }

    /// Hashes the messages of a block, as far as they are in the log.
    fn read_block(&mut self, index: u64, mut visit: impl FnMut(u64, &[u8])) -> Result<(), StoreError> {
        let begin = index * STORED_LEAVES;
        let mut leaves = Vec::new();
        self.tree.for_each_part(begin, (begin + STORED_LEAVES).min(self.size), |first, messages| {
            (first..).zip(messages).for_each(|(nonce, message)| visit(nonce, message));
            leaves.append(&mut self.tree.leaves(first, messages)?);
            Ok(())
        })?;
        let mut levels = vec![Vec::new()];
        CompactRange::default().append_leaves(leaves, |id, hash| {
            let level = usize::try_from(id.level).expect("a block has few levels");
            levels.resize(levels.len().max(level + 1), Vec::new());
            levels[level].push(hash);
        });
        self.blocks.push(Block { index, levels });
        Ok(())
    }
}

impl Block {
    fn node(&self, id: NodeId) -> Option<Hash> {
        let first = (self.index * STORED_LEAVES) >> id.level;
        let at = usize::try_from(id.index - first).ok()?;
        self.levels.get(usize::try_from(id.level).ok()?)?.get(at).copied()
    }
}
