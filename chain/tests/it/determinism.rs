//! The same inputs give the same bytes, and a restart changes nothing.

use std::collections::BTreeMap;

use chain::near_primitives::views::FinalExecutionStatus;
use chain::{Chain, Diff, HISTORY_BLOCKS, SignerFault};
use serde_json::json;

use crate::harness::{GENESIS_NS, SIGNER, TestChain, call, genesis, id};

/// A run with promises, yields and signatures in flight. After block `restart_after`, the chain is reopened.
fn run(restart_after: Option<usize>) -> Vec<Diff> {
    let mut test = TestChain::new();
    let request = json!({"path": "p", "payload_v2": {"Ecdsa": "05".repeat(32)}, "domain_id": 0});
    let sign = serde_json::to_vec(&json!({ "request": request })).unwrap();
    test.submit("alice.near", "caller.near", vec![call("ask_both", b"", 0)]);
    test.submit("alice.near", "sleeper.near", vec![call("wait", b"", 0)]);
    test.submit("client.near", SIGNER, vec![call("sign", &sign, 1)]);
    test.submit("alice.near", "client.near", vec![call("ask", &sign, 0)]);
    let mut now_ns = GENESIS_NS;
    let mut diffs = Vec::new();
    while let Some(at) = test.chain.next_block_at(now_ns) {
        now_ns = now_ns.max(at);
        let diff = test.chain.make_block(now_ns);
        test.persist(diff.clone());
        diffs.push(diff);
        if restart_after == Some(diffs.len()) {
            test.restart();
        }
    }
    diffs
}

#[test]
fn two_runs_give_equal_bytes() {
    assert_eq!(run(None), run(None));
}

#[test]
fn a_restart_after_any_block_changes_nothing() {
    let uninterrupted = run(None);
    assert!(uninterrupted.len() > 200, "the sleeper's timeout is part of the run");
    for restart_after in (1..=12).chain([199, 200, 201, 202, uninterrupted.len()]) {
        assert_eq!(run(Some(restart_after)), uninterrupted, "restart after block {restart_after}");
    }
}

#[test]
fn another_seed_gives_another_chain() {
    let (one, _) = Chain::from_genesis(genesis()).unwrap();
    let mut other = genesis();
    other.seed = [2; 32];
    let (two, _) = Chain::from_genesis(other).unwrap();
    assert_ne!(one.view().block_hash(), two.view().block_hash());
    let key = |chain: &Chain| chain.view().call(&id(SIGNER), "public_key", b"").unwrap();
    assert_ne!(key(&one), key(&two));
}

#[test]
fn a_diff_is_complete_and_absolute() {
    let mut test = TestChain::new();
    test.call("alice.near", "notebook.near", "put", b"x");
    let reopened = Chain::open(test.disk.clone().into_iter()).unwrap();
    assert_eq!(reopened.view().block_hash(), test.chain.view().block_hash());
    assert_eq!(reopened.view().call(&id("notebook.near"), "get", b"").unwrap(), b"x");
}

#[test]
fn corrupt_entries_are_refused_by_name_when_the_chain_opens() {
    let test = TestChain::new();
    for key in test.disk.keys() {
        // Code and contract storage are any bytes.
        if matches!(key[0], 12 | 13) {
            continue;
        }
        let mut disk: BTreeMap<_, _> = test.disk.clone();
        disk.insert(key.clone(), vec![0xff; 3]);
        assert!(Chain::open(disk.into_iter()).is_err(), "key {key:?}");
    }
    assert!(Chain::open(std::iter::empty()).is_err());
}

#[test]
fn old_blocks_and_outcomes_are_forgotten() {
    let mut test = TestChain::new();
    let hash = test.submit("alice.near", "notebook.near", vec![call("put", b"x", 0)]);
    test.settle();
    let now_ns = test.now_ns();
    let diff = test.chain.fast_forward(now_ns, HISTORY_BLOCKS);
    test.persist(diff);
    for _ in 0..10 {
        test.block();
    }
    assert!(test.chain.view().outcome(&hash).is_none());
    let blocks = test.disk.keys().filter(|key| key[0] == 3).count();
    assert!(blocks <= usize::try_from(HISTORY_BLOCKS).unwrap() + 1, "{blocks}");
    let leftovers = test.disk.keys().filter(|key| (30..=33).contains(&key[0])).count();
    assert_eq!(leftovers, 0);
}

#[test]
fn scripted_faults_are_used_once() {
    let mut test = TestChain::new();
    test.chain.script_signer(SignerFault::None);
    test.chain.script_signer(SignerFault::Halted);
    let request = json!({"path": "p", "payload_v2": {"Ecdsa": "05".repeat(32)}, "domain_id": 0});
    let sign = serde_json::to_vec(&json!({ "request": request })).unwrap();
    let outcomes: Vec<bool> = (0..3)
        .map(|_| {
            let outcome = test.run("client.near", SIGNER, vec![call("sign", &sign, 1)]);
            matches!(outcome.status, FinalExecutionStatus::SuccessValue(_))
        })
        .collect();
    assert_eq!(outcomes, vec![true, false, true]);
}
