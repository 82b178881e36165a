//! Consistency proofs (RFC 9162 §2.1.4): that a log of `new` leaves begins with the known `old`.

use super::{NodeId, split, subtree_root};
use crate::digest::{Crypto, Hash, empty_root, node};

/// Makes the consistency proof between the logs of `old` and of `new` leaves. Empty when they are
/// the same, or when the old log is empty.
///
/// # Errors
/// Those of `read`.
///
/// # Panics
/// Unless `old <= new`.
pub fn prove_consistency<C: Crypto, E>(
    old: u64,
    new: u64,
    mut read: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(old <= new, "a log of {new} leaves does not extend one of {old}");
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut begin, mut end) = (0, new);
    let mut proof = Vec::new();
    while end != old {
        let middle = begin + split(end - begin);
        if old <= middle {
            proof.push(subtree_root::<C, E>(middle, end, &mut read)?);
            end = middle;
        } else {
            proof.push(subtree_root::<C, E>(begin, middle, &mut read)?);
            begin = middle;
        }
    }
    if begin > 0 {
        proof.push(subtree_root::<C, E>(begin, end, &mut read)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the log of `new` leaves that begins with the log of `old` leaves and `old_root`, as
/// the proof has it. `None` if the proof doesn't fit the sizes or the old root.
///
/// The caller compares the root with an attested one: that is the check. An empty old log is the
/// beginning of every log, which no root follows from: `None` unless `new` is 0 too.
pub fn root_from_consistency<C: Crypto>(old: u64, old_root: Hash, new: u64, proof: &[Hash]) -> Option<Hash> {
    if old == new {
        return proof.is_empty().then_some(old_root);
    }
    if old == 0 || old > new {
        return None;
    }
    let (first, siblings) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        let (first, siblings) = proof.split_first()?;
        (*first, siblings)
    };
    let skipped = (old - 1).trailing_ones();
    let (mut position, mut last) = ((old - 1) >> skipped, (new - 1) >> skipped);
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in siblings {
        if last == 0 {
            return None;
        }
        if position % 2 == 1 || position == last {
            old_hash = node::<C>(sibling, &old_hash);
            new_hash = node::<C>(sibling, &new_hash);
            while position.is_multiple_of(2) && position != 0 {
                position /= 2;
                last /= 2;
            }
        } else {
            new_hash = node::<C>(&new_hash, sibling);
        }
        position /= 2;
        last /= 2;
    }
    (last == 0 && old_hash == old_root).then_some(new_hash)
}

/// Whether the log of `new` leaves and `new_root` begins with the log of `old` leaves and
/// `old_root`. Nothing is the beginning of every log, without proof.
pub fn proves_prefix<C: Crypto>(old: u64, old_root: Hash, new: u64, new_root: Hash, proof: &[Hash]) -> bool {
    if old == 0 && new > 0 {
        return proof.is_empty() && old_root == empty_root::<C>();
    }
    root_from_consistency::<C>(old, old_root, new, proof) == Some(new_root)
}
