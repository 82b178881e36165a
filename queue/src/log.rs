//! The lane log: an RFC 6962 / RFC 9162 Merkle tree over a lane's messages.
//!
//! Whoever appends keeps a [`CompactRange`] (O(log n)). Proofs are made from the perfect subtrees
//! that [`CompactRange::append`] reports as they become complete.

mod consistency;
mod inclusion;
mod range;

pub use consistency::{prove_consistency, proves_prefix, root_from_consistency};
pub use inclusion::{prove_inclusion, root_from_inclusion};
pub use range::{CompactRange, RangeError, range_at};

use crate::digest::{Crypto, Hash, node};

/// A perfect subtree: `2^level` leaves, beginning at leaf `index · 2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId {
    /// 0 for a leaf.
    pub level: u32,
    /// Counted from the left among the subtrees of this level.
    pub index: u64,
}

/// The perfect subtrees that make up the leaves `begin..end`, left to right, where `begin` is a
/// multiple of the largest power of two that is not above `end - begin`.
pub(crate) fn perfect_subtrees(begin: u64, end: u64) -> impl Iterator<Item = NodeId> {
    let mut at = begin;
    std::iter::from_fn(move || {
        let left = end - at;
        let level = left.checked_ilog2()?;
        let id = NodeId { level, index: at >> level };
        at += 1 << level;
        Some(id)
    })
}

/// RFC 6962 hash of the leaves `begin..end` (not empty), from the perfect subtrees in it.
fn subtree_root<C: Crypto, E>(
    begin: u64,
    end: u64,
    read: &mut impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let hashes = perfect_subtrees(begin, end).map(read).collect::<Result<Vec<Hash>, E>>()?;
    Ok(fold_right::<C>(&hashes))
}

/// The root over peaks, largest first: each joins all that stands to its right.
///
/// `hashes` must not be empty.
fn fold_right<C: Crypto>(hashes: &[Hash]) -> Hash {
    hashes.iter().rev().copied().reduce(|right, left| node::<C>(&left, &right)).expect("callers pass at least one hash")
}

/// Where RFC 6962 splits a tree of `size` ≥ 2 leaves: the largest power of two below `size`.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
