//! The lane log against RFC 6962's recursive definitions, and against forged proofs.

use proptest::prelude::*;
use queue::digest::{Hash, Native};
use queue::log::{
    CompactRange, NodeId, prove_consistency, prove_inclusion, range_at, root_from_consistency, root_from_inclusion,
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// A log's perfect subtrees, as a node stores them.
pub struct Nodes(BTreeMap<NodeId, Hash>);

impl Nodes {
    /// Appends all leaves to an empty log.
    pub fn of(leaves: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut nodes = BTreeMap::new();
        let mut range = CompactRange::default();
        for leaf in leaves {
            range.append::<Native>(&leaf, |id, hash| assert_eq!(nodes.insert(id, hash), None, "{id:?} twice"));
        }
        Nodes(nodes)
    }

    fn read(&self, id: NodeId) -> Result<Hash, Infallible> {
        Ok(*self.0.get(&id).expect("every perfect subtree was reported when it became complete"))
    }

    fn range(&self, size: u64) -> CompactRange {
        range_at(size, |id| self.read(id)).unwrap_or_else(|never| match never {})
    }

    /// The root of the first `size` leaves.
    pub fn root(&self, size: u64) -> Hash {
        self.range(size).root::<Native>()
    }

    /// The inclusion proof of leaf `index` among the first `size`.
    pub fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        prove_inclusion::<Native, _>(index, size, |id| self.read(id)).unwrap_or_else(|never| match never {})
    }

    /// The consistency proof between the first `old` and the first `new` leaves.
    pub fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        prove_consistency::<Native, _>(old, new, |id| self.read(id)).unwrap_or_else(|never| match never {})
    }
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let hasher = parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part));
    Hash(hasher.finalize().into())
}

/// RFC 6962's hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

/// RFC 6962 §2.1 by its recursive definitions: slow, and written to be read.
mod reference {
    use super::{Hash, leaf_hash, sha256};

    fn split(size: usize) -> usize {
        (0..).map(|power| 1 << power).take_while(|power| *power < size).last().expect("at least two leaves")
    }

    pub fn root(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => leaf_hash(leaf),
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                sha256(&[&[1], &root(left).0, &root(right).0])
            }
        }
    }

    pub fn inclusion(index: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return vec![];
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        if index < left.len() {
            [inclusion(index, left), vec![root(right)]].concat()
        } else {
            [inclusion(index - left.len(), right), vec![root(left)]].concat()
        }
    }

    pub fn consistency(old: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
        if old == 0 { vec![] } else { subproof(old, leaves, true) }
    }

    fn subproof(old: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { vec![] } else { vec![root(leaves)] };
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        if old <= left.len() {
            [subproof(old, left, whole), vec![root(right)]].concat()
        } else {
            [subproof(old - left.len(), right, false), vec![root(left)]].concat()
        }
    }
}

/// Different leaves, so that no two claims about them are both true.
fn leaves(size: usize) -> Vec<Vec<u8>> {
    (0..size).map(|index| format!("message {index}").into_bytes()).collect()
}

fn log(leaves: &[Vec<u8>]) -> Nodes {
    Nodes::of(leaves.iter().cloned())
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).expect("usize has at most 64 bits")
}

#[derive(Debug, Clone)]
enum Forgery {
    Insert { at: prop::sample::Index, hash: [u8; 32] },
    Repeat { at: prop::sample::Index },
    Remove { at: prop::sample::Index },
    Flip { at: prop::sample::Index, bit: usize },
    Swap { at: prop::sample::Index, with: prop::sample::Index },
    Truncate { to: prop::sample::Index },
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<[u8; 32]>()).prop_map(|(at, hash)| Forgery::Insert { at, hash }),
        at().prop_map(|at| Forgery::Repeat { at }),
        at().prop_map(|at| Forgery::Remove { at }),
        (at(), 0..256usize).prop_map(|(at, bit)| Forgery::Flip { at, bit }),
        (at(), at()).prop_map(|(at, with)| Forgery::Swap { at, with }),
        at().prop_map(|to| Forgery::Truncate { to }),
    ]
}

/// `None` if the forgery changes nothing of this proof.
fn forge(proof: &[Hash], forgery: &Forgery) -> Option<Vec<Hash>> {
    let mut forged = proof.to_vec();
    match forgery {
        Forgery::Insert { at, hash } => forged.insert(at.index(proof.len() + 1), Hash(*hash)),
        _ if proof.is_empty() => return None,
        Forgery::Repeat { at } => forged.insert(at.index(proof.len()), proof[at.index(proof.len())]),
        Forgery::Remove { at } => drop(forged.remove(at.index(proof.len()))),
        Forgery::Flip { at, bit } => forged[at.index(proof.len())].0[bit / 8] ^= 1 << (bit % 8),
        Forgery::Swap { at, with } => forged.swap(at.index(proof.len()), with.index(proof.len())),
        Forgery::Truncate { to } => forged.truncate(to.index(proof.len())),
    }
    (forged != proof).then_some(forged)
}

#[test]
fn appending_gives_the_same_root_as_the_definition() {
    let leaves = leaves(300);
    let mut range = CompactRange::default();
    for size in 0..leaves.len() {
        assert_eq!(range.root::<Native>(), reference::root(&leaves[..size]), "size {size}");
        range.append::<Native>(&leaves[size], |_, _| {});
    }
}

#[test]
fn every_proof_up_to_size_66_is_the_definitions_and_holds() {
    let leaves = leaves(66);
    let nodes = log(&leaves);
    for size in 1..=leaves.len() {
        let root = reference::root(&leaves[..size]);
        for at in 0..size {
            let path = nodes.inclusion(wide(at), wide(size));
            assert_eq!(path, reference::inclusion(at, &leaves[..size]), "{at} of {size}");
            let found = root_from_inclusion::<Native>(leaf_hash(&leaves[at]), wide(at), wide(size), &path);
            assert_eq!(found, Some(root), "{at} of {size}");
        }
        for old in 0..=size {
            let proof = nodes.consistency(wide(old), wide(size));
            assert_eq!(proof, reference::consistency(old, &leaves[..size]), "{old} to {size}");
            let old_root = reference::root(&leaves[..old]);
            let found = root_from_consistency::<Native>(wide(old), old_root, wide(size), &proof);
            assert_eq!(found, (old > 0).then_some(root), "{old} to {size}");
        }
    }
}

#[test]
fn a_prefix_read_back_from_its_nodes_goes_on_as_if_it_had_never_stopped() {
    let leaves = leaves(130);
    let nodes = log(&leaves);
    for size in 0..leaves.len() {
        let mut range = nodes.range(wide(size));
        for leaf in &leaves[size..] {
            range.append::<Native>(leaf, |_, _| {});
        }
        assert_eq!(range, nodes.range(130), "from size {size}");
    }
}

#[test]
fn peaks_that_do_not_fit_a_size_are_no_prefix() {
    for (size, peaks) in [(0, 1), (1, 0), (1, 2), (3, 1), (4, 2), (u64::MAX, 63)] {
        assert!(CompactRange::from_parts(size, vec![Hash::ZERO; peaks]).is_err(), "{peaks} peaks for size {size}");
    }
}

proptest! {
    #[test]
    fn mallory_proves_no_message_with_a_forged_path(
        size in 1..200usize,
        at in any::<prop::sample::Index>(),
        forgery in forgery(),
    ) {
        let leaves = leaves(size);
        let (nodes, at) = (log(&leaves), at.index(size));
        let path = nodes.inclusion(wide(at), wide(size));
        if let Some(forged) = forge(&path, &forgery) {
            let found = root_from_inclusion::<Native>(leaf_hash(&leaves[at]), wide(at), wide(size), &forged);
            prop_assert_ne!(found, Some(nodes.root(wide(size))));
        }
    }

    #[test]
    fn mallory_proves_no_other_message_at_a_nonce(
        size in 2..200usize,
        at in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let leaves = leaves(size);
        let (nodes, at, other) = (log(&leaves), at.index(size), other.index(size));
        prop_assume!(at != other);
        let root = Some(nodes.root(wide(size)));
        for path in [nodes.inclusion(wide(at), wide(size)), nodes.inclusion(wide(other), wide(size))] {
            let found = root_from_inclusion::<Native>(leaf_hash(&leaves[other]), wide(at), wide(size), &path);
            prop_assert_ne!(found, root);
        }
        let node_as_leaf = [nodes.root(wide(size)).0, [0; 32]].concat();
        let found = root_from_inclusion::<Native>(leaf_hash(&node_as_leaf), 0, 1, &[]);
        prop_assert_ne!(found, root);
    }

    #[test]
    fn mallory_proves_no_extension_with_a_forged_proof(
        old in 1..150usize,
        more in 0..150usize,
        forgery in forgery(),
    ) {
        let (nodes, new) = (log(&leaves(old + more)), old + more);
        let proof = nodes.consistency(wide(old), wide(new));
        if let Some(forged) = forge(&proof, &forgery) {
            let found = root_from_consistency::<Native>(wide(old), nodes.root(wide(old)), wide(new), &forged);
            prop_assert_ne!(found, Some(nodes.root(wide(new))));
        }
    }

    #[test]
    fn mallory_cannot_rewrite_what_was_received(
        old in 1..150usize,
        more in 0..150usize,
        rewritten in any::<prop::sample::Index>(),
        forgery in forgery(),
    ) {
        let honest = leaves(old + more);
        let mut other = honest.clone();
        other[rewritten.index(old)].push(b'!');
        let (honest, other, new) = (log(&honest), log(&other), old + more);
        let (held, claimed) = (honest.root(wide(old)), other.root(wide(new)));
        for source in [&honest, &other] {
            let proof = source.consistency(wide(old), wide(new));
            let forged = forge(&proof, &forgery);
            for proof in [Some(proof), forged].into_iter().flatten() {
                let found = root_from_consistency::<Native>(wide(old), held, wide(new), &proof);
                prop_assert_ne!(found, Some(claimed));
            }
        }
    }

    #[test]
    fn proofs_of_any_length_for_any_sizes_are_judged_without_a_panic(
        old in any::<u64>(),
        new in any::<u64>(),
        hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let hashes: Vec<Hash> = hashes.into_iter().map(Hash).collect();
        let _ = root_from_inclusion::<Native>(Hash::ZERO, old, new, &hashes);
        let _ = root_from_consistency::<Native>(old, Hash::ZERO, new, &hashes);
    }
}
