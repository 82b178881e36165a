use super::parse;
use queue::attestation::{round_path, shard_path};
use queue::derivation::{derive_public_key, tweak};
use queue::digest::Hash;
use queue::ids::{BridgeDomain, ShardId};
use queue::trust::{Curve, PublicKey};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    root_keys: Keys,
    derived: Vec<Derived>,
    domain: BridgeDomain,
    shard_paths: Vec<ShardPath>,
    round_paths: Vec<RoundPath>,
}

#[derive(Deserialize)]
struct Keys {
    secp256k1: PublicKey,
    ed25519: PublicKey,
}

#[derive(Deserialize)]
struct Derived {
    predecessor: String,
    path: String,
    tweak: Hash,
    keys: Keys,
}

#[derive(Deserialize)]
struct ShardPath {
    shard: ShardId,
    key_epoch: u32,
    path: String,
}

#[derive(Deserialize)]
struct RoundPath {
    curve: Curve,
    path: String,
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/derivation.json"))
}

#[test]
fn keys_are_derived_as_in_the_vectors() {
    let file = file();
    for case in &file.derived {
        assert_eq!(Hash(tweak(&case.predecessor, &case.path)), case.tweak, "{}", case.path);
        for (root, expected) in
            [(file.root_keys.secp256k1, case.keys.secp256k1), (file.root_keys.ed25519, case.keys.ed25519)]
        {
            assert_eq!(derive_public_key(&root, &case.predecessor, &case.path), Some(expected), "{}", case.path);
        }
    }
}

#[test]
fn derivation_paths_equal_the_vectors() {
    let file = file();
    for case in file.shard_paths {
        assert_eq!(shard_path(&file.domain, &case.shard, case.key_epoch), case.path);
    }
    for case in file.round_paths {
        assert_eq!(round_path(&file.domain, case.curve), case.path);
    }
}
