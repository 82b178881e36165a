//! Inclusion proofs (RFC 9162 §2.1.3): that a message is leaf `index` of a log of `size` leaves.

use super::{NodeId, split, subtree_root};
use crate::digest::{Crypto, Hash, node};

/// Makes the inclusion proof of leaf `index` in the log of `size` leaves, nearest sibling first.
///
/// # Errors
/// Those of `read`.
///
/// # Panics
/// Unless `index < size`.
pub fn prove_inclusion<C: Crypto, E>(
    index: u64,
    size: u64,
    mut read: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(index < size, "leaf {index} of a log of {size}");
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(subtree_root::<C, E>(middle, end, &mut read)?);
            end = middle;
        } else {
            path.push(subtree_root::<C, E>(begin, middle, &mut read)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The root of the log of `size` leaves in which leaf `index` is `leaf`, as the proof has it.
/// `None` if the proof's length doesn't fit.
///
/// The caller compares the root with an attested one: that is the check.
pub fn root_from_inclusion<C: Crypto>(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut position, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if position % 2 == 1 || position == last {
            hash = node::<C>(sibling, &hash);
            while position.is_multiple_of(2) && position != 0 {
                position /= 2;
                last /= 2;
            }
        } else {
            hash = node::<C>(&hash, sibling);
        }
        position /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}
