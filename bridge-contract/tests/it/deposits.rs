//! What is attached by mistake to a method that takes no deposit comes back.

use crate::world::*;
use queue::contract::{ReserveArgs, RoundArgs, SubmitResult, method};
use queue::trust::Curve;
use serde_json::json;

/// Mallory attaches 1 NEAR: it comes back, nothing else happens, and the same call without it goes through.
#[track_caller]
fn only_without_a_deposit(world: &mut World, method: &str, args: Vec<u8>) -> Outcome {
    let (held, bridge_held, records) =
        (world.balance_yocto(MALLORY), world.balance_yocto(BRIDGE), world.storage(BRIDGE));
    let refused = world.call(MALLORY, BRIDGE, method, args.clone(), NEAR, 300).failure();
    let expected = format!("{method} doesn't accept deposits: {NEAR} yoctoNEAR are attached, attach none");
    assert!(refused.contains(&expected), "{refused}");
    // But for gas, of which the contract gets its share.
    assert!(held - world.balance_yocto(MALLORY) < NEAR / 100);
    assert!(world.balance_yocto(BRIDGE) - bridge_held < NEAR / 100);
    assert_eq!(world.storage(BRIDGE), records);
    world.call(MALLORY, BRIDGE, method, args, 0, 300).success()
}

#[test]
fn attest_sends_a_deposit_back_and_records_nothing() {
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        let mut world = World::with_alpha_on(curve);
        let checkpoint = world.first_checkpoint("alpha");
        let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
        only_without_a_deposit(&mut world, method::ATTEST, args.clone()).signature();
        // Nor is it kept where the signature is there already, and is the answer.
        only_without_a_deposit(&mut world, method::ATTEST, args).signature();
    }
}

#[test]
fn submit_sends_a_deposit_back_and_records_nothing() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
    let submitted = only_without_a_deposit(&mut world, method::SUBMIT, args);
    assert!(matches!(submitted.value(), SubmitResult::Submitted { .. }));
}

#[test]
fn close_sends_a_deposit_back_and_closes_nothing() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    world.submit_endorsed(&checkpoint).success();
    let args = serde_json::to_vec(&RoundArgs { curve: Curve::Secp256k1 }).unwrap();
    only_without_a_deposit(&mut world, method::CLOSE, args).signature();
}

#[test]
fn activate_sends_a_deposit_back_and_asks_for_nothing() {
    let mut world = World::initialised();
    let args = ReserveArgs { curve: Curve::Ed25519, ..reservation("alpha") };
    world.json(OWNER, BRIDGE, method::RESERVE, &args, NEAR).success();
    let shard = serde_json::to_vec(&json!({ "shard": "alpha" })).unwrap();
    only_without_a_deposit(&mut world, method::ACTIVATE, shard);
    assert!(world.shard("alpha").unwrap().public_key.is_some());
}

#[test]
fn sync_signer_sends_a_deposit_back_and_asks_for_nothing() {
    let mut world = World::initialised();
    only_without_a_deposit(&mut world, method::SYNC_SIGNER, b"{}".to_vec());
}
