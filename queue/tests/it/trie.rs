//! The trie of heads: one head per peer, whoever looks.

use proptest::prelude::*;
use queue::codec;
use queue::digest::{Hash, Native, head_leaf, head_node};
use queue::heads::{Head, HeadTrie, SidePosition, root_from_path};
use std::collections::BTreeSet;

/// A head for `peer` that says `sent_size` messages were sent.
pub fn head(peer: &str, sent_size: u64) -> Head {
    Head {
        peer: peer.parse().expect("a valid shard name"),
        own_incarnation: 0,
        peer_incarnation: 0,
        sent_size,
        sent_root: Hash([1; 32]),
        received_size: 0,
        received_root: Hash([2; 32]),
        salt: Hash([3; 32]),
    }
}

fn empty_side(position: SidePosition) -> Hash {
    let mut hash = position.prefix;
    hash.0[31] ^= u8::try_from(position.depth % 256).expect("below 256");
    hash.0[30] ^= 0xee;
    hash
}

fn leaf(head: &Head) -> Hash {
    head_leaf::<Native>(&codec::encode(head))
}

/// All roots under which `head` can be shown with at most `depth` siblings out of `siblings`.
fn provable_roots(head: &Head, siblings: &[Hash], depth: usize) -> BTreeSet<Hash> {
    let mut roots = BTreeSet::new();
    let mut paths: Vec<Vec<Hash>> = vec![vec![]];
    for _ in 0..=depth {
        roots.extend(paths.iter().filter_map(|path| root_from_path::<Native>(head, path)));
        let longer =
            |path: &Vec<Hash>| siblings.iter().map(|sibling| [&path[..], &[*sibling]].concat()).collect::<Vec<_>>();
        paths = paths.iter().flat_map(longer).collect();
    }
    roots
}

#[test]
fn mallory_cannot_prove_two_heads_for_one_peer_whatever_tree_she_builds() {
    let (one, other) = (head("beta", 10), head("beta", 7));
    let leaves = [leaf(&one), leaf(&other), leaf(&head("gamma", 1)), Hash([9; 32])];
    let joined = leaves.iter().flat_map(|left| leaves.iter().map(|right| head_node::<Native>(left, right)));
    let siblings: Vec<Hash> = leaves.iter().copied().chain(joined).collect();
    let (first, second) = (provable_roots(&one, &siblings, 3), provable_roots(&other, &siblings, 3));
    assert!(first.len() > 8_000 && second.len() > 8_000, "every tree of three levels over these hashes");
    assert_eq!(first.intersection(&second).next(), None, "a root under which beta has two heads");
}

#[test]
fn mallory_swaps_the_siblings_of_a_second_head_and_reaches_no_attested_root() {
    let peers: Vec<Head> = (0..9).map(|number| head(&format!("shard-{number}"), number)).collect();
    let trie = HeadTrie::new::<Native>(&peers).expect("one head per peer");
    let root = trie.root::<Native>(&empty_side);
    for honest in &peers {
        let path = trie.path::<Native>(&honest.peer, &empty_side).expect("it has a head");
        let second = Head { sent_size: honest.sent_size + 1, ..honest.clone() };
        for peer in &peers {
            let borrowed = trie.path::<Native>(&peer.peer, &empty_side).expect("it has a head");
            assert_ne!(root_from_path::<Native>(&second, &borrowed), Some(root), "by the path of {}", peer.peer);
        }
        for from in 0..path.len() {
            for to in 0..path.len() {
                let mut swapped = path.clone();
                swapped.swap(from, to);
                assert_ne!(root_from_path::<Native>(&second, &swapped), Some(root));
            }
            assert_ne!(root_from_path::<Native>(&second, &path[from..]), Some(root));
            assert_ne!(root_from_path::<Native>(&second, &path[..from]), Some(root));
        }
    }
}

#[test]
fn a_checkpoint_with_two_heads_for_one_peer_cannot_be_made() {
    let refused = HeadTrie::new::<Native>(&[head("beta", 1), head("gamma", 1), head("beta", 2)]);
    assert_eq!(refused.expect_err("beta has two heads").0.as_str(), "beta");
}

#[test]
fn a_peer_without_a_head_has_no_path() {
    let trie = HeadTrie::new::<Native>(&[head("beta", 1), head("gamma", 1)]).expect("one head per peer");
    let absent = "delta".parse().expect("a valid shard name");
    assert_eq!(trie.path::<Native>(&absent, &empty_side), None);
}

proptest! {
    #[test]
    fn every_head_of_every_trie_has_a_path_that_holds(numbers in prop::collection::btree_set(0..100_000u64, 0..60)) {
        let heads: Vec<Head> = numbers.iter().map(|number| head(&format!("shard-{number}"), *number)).collect();
        let trie = HeadTrie::new::<Native>(&heads).expect("one head per peer");
        let root = trie.root::<Native>(&empty_side);
        for head in &heads {
            let path = trie.path::<Native>(&head.peer, &empty_side).expect("it has a head");
            prop_assert_eq!(root_from_path::<Native>(head, &path), Some(root));
            let other = Head { received_size: 1, ..head.clone() };
            prop_assert_ne!(root_from_path::<Native>(&other, &path), Some(root));
        }
    }

    #[test]
    fn the_order_of_the_heads_does_not_matter(
        numbers in Just((0..20u64).collect::<Vec<u64>>()).prop_shuffle(),
    ) {
        let root = |numbers: &[u64]| {
            let heads: Vec<Head> = numbers.iter().map(|number| head(&format!("shard-{number}"), *number)).collect();
            HeadTrie::new::<Native>(&heads).expect("one head per peer").root::<Native>(&empty_side)
        };
        let sorted: Vec<u64> = (0..20).collect();
        prop_assert_eq!(root(&numbers), root(&sorted));
    }
}
