//! What a reader of one head or one proof learns about the others: nothing.

use crate::trie::head;
use queue::digest::{Hash, Native, leaf};
use queue::heads::{Head, HeadTrie};
use queue::ids::{Lane, ShardId};
use queue::message::{Body, MESSAGE_VERSION, Message};
use queue::salt::SaltSecret;
use std::collections::BTreeSet;

fn shard(name: &str) -> ShardId {
    name.parse().expect("a valid shard name")
}

fn lane(destination: &str) -> Lane {
    Lane { source: shard("alpha"), destination: shard(destination), source_incarnation: 0, destination_incarnation: 0 }
}

fn message(salt: Hash, content: &[u8]) -> Message {
    Message {
        version: MESSAGE_VERSION,
        salt,
        sender: "ann.alpha".parse().expect("a valid account"),
        receiver: "bob.beta".parse().expect("a valid account"),
        deadline_ns: None,
        body: Body::Data(content.to_vec()),
    }
}

/// The siblings that `reader` sees in alpha's checkpoint at `height`, in which every lane is idle.
fn siblings_at(height: u64, reader: &str) -> Vec<Hash> {
    let secret = SaltSecret::new([5; 32]);
    let salted =
        |peer: &str| Head { salt: secret.head(&shard("alpha"), &shard(peer), (0, 0), height), ..head(peer, 4) };
    let heads = ["beta", "gamma", "delta", "epsilon", "zeta"].map(salted);
    let trie = HeadTrie::new::<Native>(&heads).expect("one head per peer");
    let empty_side = |position| secret.empty_side(&shard("alpha"), height, position);
    trie.path::<Native>(&shard(reader), &empty_side).expect("the reader has a head")
}

#[test]
fn an_idle_lane_looks_like_a_busy_one_to_every_neighbour() {
    let readers = ["beta", "gamma", "delta", "epsilon", "zeta"];
    for reader in readers {
        let seen: Vec<Hash> = (0..8).flat_map(|height| siblings_at(height, reader)).collect();
        assert!(!seen.is_empty(), "{reader} has siblings");
        let distinct: BTreeSet<&Hash> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{reader} saw a sibling twice, so that lane was idle");
    }
}

#[test]
fn eve_cannot_guess_a_neighbours_message_from_its_hash() {
    let secret = SaltSecret::new([5; 32]);
    let sibling = leaf::<Native>(&message(secret.message(&lane("beta"), 6), b"yes").encode());
    let eve = SaltSecret::new([6; 32]);
    let salts_she_knows = (0..100)
        .filter(|nonce| *nonce != 6)
        .map(|nonce| secret.message(&lane("beta"), nonce))
        .chain((0..100).map(|nonce| secret.message(&lane("gamma"), nonce)))
        .chain((0..100).map(|nonce| eve.message(&lane("beta"), nonce)))
        .chain([Hash::ZERO]);
    for salt in salts_she_knows {
        for guess in [&b"yes"[..], b"no"] {
            assert_ne!(leaf::<Native>(&message(salt, guess).encode()), sibling);
        }
    }
}

#[test]
fn the_same_content_sent_twice_has_two_hashes() {
    let secret = SaltSecret::new([5; 32]);
    let sent_at = |nonce| leaf::<Native>(&message(secret.message(&lane("beta"), nonce), b"yes").encode());
    assert_ne!(sent_at(0), sent_at(1));
    let restarted = Lane { source_incarnation: 1, ..lane("beta") };
    assert_ne!(secret.message(&lane("beta"), 0), secret.message(&restarted, 0));
}

#[test]
fn a_salt_secret_never_shows_in_a_log() {
    assert_eq!(format!("{:?}", SaltSecret::new([5; 32])), "SaltSecret(…)");
}
