//! The right edge of a log: all that is needed to append to it and to know its root.

use super::{NodeId, fold_right, perfect_subtrees};
#[cfg(feature = "native")]
use crate::digest::nodes;
use crate::digest::{Crypto, Hash, empty_root, leaf, node};
use borsh::{BorshDeserialize, BorshSerialize};

/// The prefix of `size` leaves, by the roots of its maximal perfect subtrees.
///
/// Invariant: `peaks.len() == size.count_ones()`, largest (leftmost) first.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize)]
pub struct CompactRange {
    size: u64,
    peaks: Vec<Hash>,
}

/// Peaks that can't belong to a prefix of the given size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a prefix of {size} leaves has {expected} peaks, found {found}", expected = size.count_ones())]
pub struct RangeError {
    size: u64,
    found: usize,
}

impl CompactRange {
    /// A prefix from its parts.
    ///
    /// # Errors
    /// [`RangeError`] if the number of peaks doesn't fit the size.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Result<Self, RangeError> {
        if u32::try_from(peaks.len()) != Ok(size.count_ones()) {
            return Err(RangeError { size, found: peaks.len() });
        }
        Ok(CompactRange { size, peaks })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the maximal perfect subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The maximal perfect subtrees with their roots, largest first.
    #[cfg(feature = "native")]
    pub(crate) fn subtrees(&self) -> impl Iterator<Item = (NodeId, Hash)> {
        perfect_subtrees(0, self.size).zip(self.peaks.iter().copied())
    }

    /// RFC 6962 root of the prefix.
    pub fn root<C: Crypto>(&self) -> Hash {
        if self.peaks.is_empty() { empty_root::<C>() } else { fold_right::<C>(&self.peaks) }
    }

    /// Appends the bytes of one message.
    ///
    /// `completed` is told each perfect subtree that becomes complete, the leaf first.
    pub fn append<C: Crypto>(&mut self, message: &[u8], completed: impl FnMut(NodeId, Hash)) {
        self.append_leaf::<C>(leaf::<C>(message), completed);
    }

    /// Appends a leaf hash; see [`CompactRange::append`].
    pub fn append_leaf<C: Crypto>(&mut self, leaf: Hash, mut completed: impl FnMut(NodeId, Hash)) {
        let mut id = NodeId { level: 0, index: self.size };
        let mut hash = leaf;
        completed(id, hash);
        while id.index % 2 == 1 {
            let left = self.peaks.pop().expect("an odd index has a complete left sibling among the peaks");
            hash = node::<C>(&left, &hash);
            id = NodeId { level: id.level + 1, index: id.index / 2 };
            completed(id, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        debug_assert_eq!(u32::try_from(self.peaks.len()), Ok(self.size.count_ones()));
    }

    /// Appends many leaf hashes, which costs less than one after the other. `completed` is told the
    /// same subtrees, but level by level.
    #[cfg(feature = "native")]
    pub fn append_leaves(&mut self, leaves: Vec<Hash>, mut completed: impl FnMut(NodeId, Hash)) {
        let size = self.size + leaves.len() as u64;
        // What is left over at each level, the lowest first.
        let mut peaks = Vec::new();
        let (mut level, mut index, mut hashes) = (0, self.size, leaves);
        while !hashes.is_empty() {
            for (hash, index) in hashes.iter().zip(index..) {
                completed(NodeId { level, index }, *hash);
            }
            let (first, others) = hashes.split_at(usize::from(index % 2 == 1));
            let join = |right: &Hash| {
                let left = self.peaks.pop().expect("an odd index has a complete left sibling among the peaks");
                [left, *right]
            };
            let first = first.first().map(join);
            let (pairs, rest) = others.as_chunks();
            peaks.extend(rest);
            hashes = nodes(first.iter().chain(pairs));
            (level, index) = (level + 1, index / 2);
        }
        self.peaks.extend(peaks.iter().rev());
        self.size = size;
        debug_assert_eq!(u32::try_from(self.peaks.len()), Ok(self.size.count_ones()));
    }
}

/// The prefix of `size` leaves, read from its perfect subtrees.
///
/// # Errors
/// Those of `read`.
pub fn range_at<E>(size: u64, read: impl FnMut(NodeId) -> Result<Hash, E>) -> Result<CompactRange, E> {
    let peaks = perfect_subtrees(0, size).map(read).collect::<Result<Vec<Hash>, E>>()?;
    Ok(CompactRange { size, peaks })
}

impl BorshDeserialize for CompactRange {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let size = u64::deserialize_reader(reader)?;
        let peaks = Vec::<Hash>::deserialize_reader(reader)?;
        CompactRange::from_parts(size, peaks)
            .map_err(|error| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string()))
    }
}

#[cfg(all(test, feature = "native"))]
mod tests {
    use super::*;
    use crate::digest::Native;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn leaves_that_are_appended_together_complete_what_they_complete_one_by_one(
            runs in prop::collection::vec(0u64..80, 0..8),
        ) {
            let (mut one_by_one, mut together) = (CompactRange::default(), CompactRange::default());
            for run in runs {
                let begin = one_by_one.size();
                let leaves: Vec<Hash> = (begin..begin + run).map(|nonce| leaf::<Native>(&nonce.to_le_bytes())).collect();
                let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
                for leaf in &leaves {
                    one_by_one.append_leaf::<Native>(*leaf, |id, hash| {
                        expected.insert((id.level, id.index), hash);
                    });
                }
                together.append_leaves(leaves, |id, hash| {
                    assert_eq!(found.insert((id.level, id.index), hash), None, "a subtree was told twice");
                });
                prop_assert_eq!(&one_by_one, &together);
                prop_assert_eq!(expected, found);
            }
        }
    }
}
