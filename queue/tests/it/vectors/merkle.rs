use super::parse;
use crate::log::{Nodes, leaf_hash};
use queue::digest::{Hash, Native};
use queue::log::{root_from_consistency, root_from_inclusion};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    roots: Vec<Root>,
    inclusion: Vec<Inclusion>,
    consistency: Vec<Consistency>,
    refused_inclusion: Vec<RefusedInclusion>,
    refused_consistency: Vec<RefusedConsistency>,
}

#[derive(Deserialize)]
struct Root {
    size: u64,
    root: Hash,
}

#[derive(Deserialize)]
struct Inclusion {
    index: u64,
    size: u64,
    path: Vec<Hash>,
}

#[derive(Deserialize)]
struct Consistency {
    old: u64,
    new: u64,
    proof: Vec<Hash>,
}

#[derive(Deserialize)]
struct RefusedInclusion {
    name: String,
    leaf: u64,
    index: u64,
    size: u64,
    path: Vec<Hash>,
}

#[derive(Deserialize)]
struct RefusedConsistency {
    name: String,
    old: u64,
    new: u64,
    proof: Vec<Hash>,
}

fn file() -> File {
    parse(include_str!("../../../../specs/vectors/merkle.json"))
}

fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

fn nodes() -> Nodes {
    Nodes::of((0..70).map(leaf))
}

#[test]
fn roots_equal_the_vectors() {
    let nodes = nodes();
    for case in file().roots {
        assert_eq!(nodes.root(case.size), case.root, "size {}", case.size);
    }
}

#[test]
fn inclusion_proofs_equal_the_vectors_and_hold() {
    let nodes = nodes();
    for case in file().inclusion {
        assert_eq!(nodes.inclusion(case.index, case.size), case.path, "{} of {}", case.index, case.size);
        let root = root_from_inclusion::<Native>(leaf_hash(&leaf(case.index)), case.index, case.size, &case.path);
        assert_eq!(root, Some(nodes.root(case.size)), "{} of {}", case.index, case.size);
    }
}

#[test]
fn consistency_proofs_equal_the_vectors_and_hold() {
    let nodes = nodes();
    for case in file().consistency {
        assert_eq!(nodes.consistency(case.old, case.new), case.proof, "{} to {}", case.old, case.new);
        if case.old > 0 || case.new == 0 {
            let root = root_from_consistency::<Native>(case.old, nodes.root(case.old), case.new, &case.proof);
            assert_eq!(root, Some(nodes.root(case.new)), "{} to {}", case.old, case.new);
        }
    }
}

#[test]
fn refused_inclusion_proofs_of_the_vectors_are_refused() {
    let nodes = nodes();
    for case in file().refused_inclusion {
        let root = root_from_inclusion::<Native>(leaf_hash(&leaf(case.leaf)), case.index, case.size, &case.path);
        assert_ne!(root, Some(nodes.root(case.size)), "{}", case.name);
    }
}

#[test]
fn refused_consistency_proofs_of_the_vectors_are_refused() {
    let nodes = nodes();
    for case in file().refused_consistency {
        let root = root_from_consistency::<Native>(case.old, nodes.root(case.old), case.new, &case.proof);
        assert_ne!(root, Some(nodes.root(case.new)), "{}", case.name);
    }
}
