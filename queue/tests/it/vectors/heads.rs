use super::{Hex, parse};
use queue::codec;
use queue::digest::{Hash, Native, Tag, head_leaf, tagged};
use queue::heads::{Head, HeadTrie, root_from_path};
use queue::ids::ShardId;
use queue::salt::SaltSecret;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    secret: Hash,
    tries: Vec<Trie>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Trie {
    name: String,
    own: ShardId,
    height: u64,
    root: Hash,
    heads: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    head: Head,
    bytes: Hex,
    place: Hash,
    leaf: Hash,
    path: Vec<Hash>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    head: Head,
    path: Vec<Hash>,
    root: Hash,
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/heads.json"))
}

#[test]
fn tries_of_heads_have_the_roots_and_paths_of_the_vectors() {
    let file = file();
    let secret = SaltSecret::new(file.secret.0);
    for case in &file.tries {
        let empty_side = |position| secret.empty_side(&case.own, case.height, position);
        let heads: Vec<Head> = case.heads.iter().map(|entry| entry.head.clone()).collect();
        let trie = HeadTrie::new::<Native>(&heads).expect("one head per peer");
        assert_eq!(trie.root::<Native>(&empty_side), case.root, "{}", case.name);
        for entry in &case.heads {
            let peer = &entry.head.peer;
            assert_eq!(trie.path::<Native>(peer, &empty_side).as_ref(), Some(&entry.path), "{}: {peer}", case.name);
            assert_eq!(root_from_path::<Native>(&entry.head, &entry.path), Some(case.root), "{}: {peer}", case.name);
        }
    }
}

#[test]
fn heads_encode_hash_and_are_salted_as_in_the_vectors() {
    let file = file();
    let secret = SaltSecret::new(file.secret.0);
    for case in &file.tries {
        for entry in &case.heads {
            let head = &entry.head;
            assert_eq!(codec::encode(head), entry.bytes.0, "{}: {}", case.name, head.peer);
            assert_eq!(codec::decode::<Head>("head", &entry.bytes.0, 512).as_ref(), Ok(head));
            assert_eq!(tagged::<Native>(Tag::Peer, head.peer.as_str().as_bytes()), entry.place);
            assert_eq!(head_leaf::<Native>(&entry.bytes.0), entry.leaf);
            let incarnations = (head.own_incarnation, head.peer_incarnation);
            assert_eq!(secret.head(&case.own, &head.peer, incarnations, case.height), head.salt);
        }
    }
}

#[test]
fn refused_claims_of_the_vectors_about_heads_are_refused() {
    for case in file().refused {
        assert_ne!(root_from_path::<Native>(&case.head, &case.path), Some(case.root), "{}", case.name);
    }
}
