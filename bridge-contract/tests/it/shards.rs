//! The life of a shard: members, key epochs, incarnations, pauses, lapse, retirement.

use crate::world::*;
use bridge_contract::registry::{EPOCH_STORAGE_BYTES_MAX, RETIRED_STORAGE_BYTES_MAX, SHARD_STORAGE_BYTES_MAX};
use bridge_contract::rules::{RESERVATION_NS, ROTATION_DELAY_NS};
use chain::SignerFault;
use ed25519_dalek::{Signer as _, SigningKey};
use queue::attestation::{ChainSignature, shard_path};
use queue::checkpoint::Checkpoint;
use queue::contract::{
    AmountYocto, AttestResult, Endorsement, Endorsements, EpochArgs, EpochOpened, EpochView, Event, MembersRotated,
    ProposeRotationArgs, RekeyArgs, RotateArgs, RotationProposed, ShardArgs, ShardStatus, WithdrawArgs, method,
};
use queue::derivation::derive_public_key;
use queue::digest::Hash;
use queue::statement::{Statement, StatementScope};
use queue::trust::{Curve, PublicKey};
use serde_json::json;

const PRICE_PER_BYTE: u128 = 10u128.pow(19);

fn alpha() -> ShardArgs {
    ShardArgs { shard: shard("alpha") }
}

fn scope(world: &World) -> StatementScope {
    let members_version = world.shard("alpha").unwrap().members_version;
    StatementScope { domain: world.trust(BRIDGE).domain, shard: shard("alpha"), members_version }
}

fn endorsed(scope: &StatementScope, statement: &Statement, keys: &[&SigningKey]) -> Endorsements {
    let bytes = statement.signed_bytes(scope);
    let endorsement =
        |(member, key): (u16, &&SigningKey)| Endorsement { member, signature: key.sign(&bytes).to_bytes() };
    (0..).zip(keys).map(endorsement).collect::<Vec<_>>().try_into().unwrap()
}

fn rotation(world: &World, to: &SigningKey, by: &SigningKey) -> RotateArgs {
    let key = to.verifying_key().to_bytes();
    let statement = Statement::Rotate { members: vec![key], threshold: 1 };
    let endorsements = endorsed(&scope(world), &statement, &[by]);
    RotateArgs { shard: shard("alpha"), members: vec![PublicKey::Ed25519(key)], threshold: 1, endorsements }
}

fn rekeying(world: &World, key_epoch: u32, curve: Curve) -> RekeyArgs {
    let statement = Statement::Rekey { key_epoch, curve };
    let endorsements = endorsed(&scope(world), &statement, &[&member_of("alpha")]);
    RekeyArgs { shard: shard("alpha"), curve, endorsements }
}

fn call_as(world: &mut World, caller: &str, method: &str) -> Outcome {
    world.json(caller, BRIDGE, method, &alpha(), 0)
}

/// The first checkpoint of the shard's newest epoch, after the tip.
fn opening(world: &World, previous: &Checkpoint) -> Checkpoint {
    let shard = world.shard("alpha").unwrap();
    Checkpoint { key_epoch: shard.key_epoch, epoch_first_height: shard.epoch_first_height, ..successor(previous) }
}

fn attest_by(world: &mut World, key: &SigningKey, members_version: u32, checkpoint: &Checkpoint) -> Outcome {
    let scope = StatementScope { members_version, ..scope_of(checkpoint) };
    world.attest(checkpoint, &[sign_endorsement(key, &scope, checkpoint)])
}

#[test]
fn members_rotate_at_once_and_what_the_old_ones_sign_is_void() {
    let mut world = World::with_alpha();
    let (old, new) = (member_of("alpha"), key_of("new member"));
    let first = world.first_checkpoint("alpha");
    let signed_before = endorse(&first);
    let args = rotation(&world, &new, &old);
    let rotated = world.json(MALLORY, BRIDGE, method::ROTATE, &args, 0).success();
    let event = MembersRotated { shard: shard("alpha"), members_version: 1 };
    assert_eq!(rotated.events(), [Event::MembersRotated([event])]);

    for refused in [world.attest(&first, &[signed_before]), attest_by(&mut world, &old, 1, &first)] {
        assert!(refused.failure().contains("the endorsement of member 0 is not its signature"));
    }
    attest_by(&mut world, &new, 1, &first).signature();
}

#[test]
fn a_rotation_that_mallory_replays_or_signs_herself_is_refused() {
    let mut world = World::with_alpha();
    let (old, new) = (member_of("alpha"), key_of("new member"));
    let forged = rotation(&world, &key_of(MALLORY), &key_of(MALLORY));
    let refused = world.json(MALLORY, BRIDGE, method::ROTATE, &forged, 0).failure();
    assert!(refused.contains("the endorsement of member 0 is not its signature"), "{refused}");

    // To another key and back: the first statement would count again, did versions not rise.
    let there = rotation(&world, &new, &old);
    world.json(OWNER, BRIDGE, method::ROTATE, &there, 0).success();
    let back = rotation(&world, &old, &new);
    world.json(OWNER, BRIDGE, method::ROTATE, &back, 0).success();
    let refused = world.json(MALLORY, BRIDGE, method::ROTATE, &there, 0).failure();
    assert!(refused.contains("the endorsement of member 0 is not its signature"), "{refused}");
    assert_eq!(world.shard("alpha").unwrap().members_version, 2);
}

#[test]
fn a_rotation_takes_the_threshold_and_no_transport_key() {
    let mut world = World::initialised();
    let members = ["one", "two", "three"].map(key_of);
    let args = queue::contract::ReserveArgs {
        members: members.iter().map(|key| PublicKey::Ed25519(key.verifying_key().to_bytes())).collect(),
        threshold: 2,
        ..reservation("alpha")
    };
    world.json(OWNER, BRIDGE, method::RESERVE, &args, NEAR).success();
    world.activate("alpha").success();
    let one_of_three = rotation(&world, &key_of("new member"), &members[0]);
    let refused = world.json(OWNER, BRIDGE, method::ROTATE, &one_of_three, 0).failure();
    assert!(refused.contains("1 members of shard alpha endorse it, the threshold is 2"), "{refused}");

    let transport = rotation(&world, &key_of("transport"), &members[0]);
    let refused = world.json(OWNER, BRIDGE, method::ROTATE, &transport, 0).failure();
    assert!(refused.contains("is listed twice"), "{refused}");

    let key = key_of("new member").verifying_key().to_bytes();
    let statement = Statement::Rotate { members: vec![key], threshold: 1 };
    let endorsements = endorsed(&scope(&world), &statement, &[&members[0], &members[1]]);
    let args = RotateArgs { endorsements, ..one_of_three };
    world.json(OWNER, BRIDGE, method::ROTATE, &args, 0).success();
}

#[test]
fn an_owner_replaces_lost_members_after_a_delay_that_everybody_can_see() {
    let mut world = World::initialised_on("testnet");
    world.reserve("alpha").success();
    world.activate("alpha").success();
    let new = key_of("new member");
    let members = vec![PublicKey::Ed25519(new.verifying_key().to_bytes())];
    let args = ProposeRotationArgs { shard: shard("alpha"), members: members.clone(), threshold: 1 };
    let refused = world.json(MALLORY, BRIDGE, method::PROPOSE_ROTATION, &args, 0).failure();
    assert!(refused.contains("mallory is not the owner of shard alpha"), "{refused}");

    let proposed = world.json(OWNER, BRIDGE, method::PROPOSE_ROTATION, &args, 0).success();
    let announced = world.shard("alpha").unwrap().rotation.unwrap();
    let ready_at_ns = announced.ready_at_ns;
    let event = RotationProposed { shard: shard("alpha"), ready_at_ns };
    assert_eq!(proposed.events(), [Event::RotationProposed([event])]);
    assert_eq!((announced.members, announced.threshold), (members.clone(), 1));
    assert!(ready_at_ns > world.now_ns - 10_000_000_000 + ROTATION_DELAY_NS);

    let refused = call_as(&mut world, OWNER, method::APPLY_ROTATION).failure();
    assert!(refused.contains(&format!("can be installed at {ready_at_ns}")), "{refused}");
    world.now_ns = ready_at_ns;
    call_as(&mut world, MALLORY, method::APPLY_ROTATION).success();
    let view = world.shard("alpha").unwrap();
    assert_eq!((view.members, view.members_version, view.rotation), (members, 1, None));
    let refused = call_as(&mut world, MALLORY, method::APPLY_ROTATION).failure();
    assert!(refused.contains("has announced no members"), "{refused}");
}

#[test]
fn an_owner_takes_an_announcement_back() {
    let mut world = World::with_alpha();
    let members = vec![public_key_of("new member")];
    let args = ProposeRotationArgs { shard: shard("alpha"), members, threshold: 1 };
    world.json(OWNER, BRIDGE, method::PROPOSE_ROTATION, &args, 0).success();
    assert!(call_as(&mut world, MALLORY, method::CANCEL_ROTATION).failure().contains("is not the owner"));
    let cancelled = call_as(&mut world, OWNER, method::CANCEL_ROTATION).success();
    assert_eq!(cancelled.events(), [Event::RotationCancelled([alpha()])]);
    let refused = call_as(&mut world, OWNER, method::APPLY_ROTATION).failure();
    assert!(refused.contains("has announced no members"), "{refused}");
}

#[test]
fn a_new_key_epoch_signs_from_the_height_after_the_tip_on_either_curve() {
    let mut world = World::with_alpha();
    let trust = world.trust(BRIDGE);
    let first = world.first_checkpoint("alpha");
    world.attest_endorsed(&first).success();
    let args = rekeying(&world, 1, Curve::Ed25519);
    let price = EPOCH_STORAGE_BYTES_MAX * PRICE_PER_BYTE;
    let refused = world.json(MALLORY, BRIDGE, method::REKEY, &args, price - 1).failure();
    assert!(refused.contains("a key epoch takes"), "{refused}");
    let opened = world.json(MALLORY, BRIDGE, method::REKEY, &args, price).success();
    let event = EpochOpened { shard: shard("alpha"), key_epoch: 1, first_height: 1, incarnation: 0 };
    assert_eq!(opened.events(), [Event::EpochOpened([event])]);
    let second = opening(&world, &first);
    assert!(world.attest_endorsed(&second).failure().contains("call activate"));

    world.activate("alpha").success();
    let of_the_old_epoch = world.attest_endorsed(&successor(&first)).failure();
    assert!(of_the_old_epoch.contains("shard alpha is in epoch 1 from height 1"), "{of_the_old_epoch}");
    let signature = world.attest_endorsed(&second).signature();
    assert!(matches!(signature, ChainSignature::Ed25519 { .. }));
    verify(&trust, &second, &signature).unwrap();

    let epoch = |key_epoch| EpochArgs { shard: shard("alpha"), key_epoch };
    let ended: EpochView = world.view(BRIDGE, method::EPOCH, &epoch(0));
    let path = shard_path(&trust.domain, &shard("alpha"), 0);
    let public_key = derive_public_key(&trust.secp256k1.unwrap(), BRIDGE, &path);
    assert_eq!(ended, EpochView { curve: Curve::Secp256k1, first_height: 0, end_height: Some(1), public_key });
    let newest: EpochView = world.view(BRIDGE, method::EPOCH, &epoch(1));
    assert_eq!((newest.curve, newest.first_height, newest.end_height), (Curve::Ed25519, 1, None));
    assert_eq!(world.view::<Option<EpochView>>(BRIDGE, method::EPOCH, &epoch(2)), None);
}

#[test]
fn a_rekeying_is_for_the_next_epoch_only_and_not_before_the_last_one_has_its_key() {
    let mut world = World::with_alpha();
    let (next, later) = (rekeying(&world, 1, Curve::Secp256k1), rekeying(&world, 2, Curve::Secp256k1));
    let refused = world.json(OWNER, BRIDGE, method::REKEY, &later, NEAR).failure();
    assert!(refused.contains("the endorsement of member 0 is not its signature"), "{refused}");
    world.json(OWNER, BRIDGE, method::REKEY, &next, NEAR).success();
    let refused = world.json(MALLORY, BRIDGE, method::REKEY, &next, NEAR).failure();
    assert!(refused.contains("the endorsement of member 0 is not its signature"), "{refused}");
    let refused = world.json(OWNER, BRIDGE, method::REKEY, &later, NEAR).failure();
    assert!(refused.contains("call activate"), "{refused}");
}

#[test]
fn a_pending_checkpoint_is_signed_by_its_own_epoch_after_the_shard_began_another() {
    let mut world = World::with_alpha();
    let trust = world.trust(BRIDGE);
    let first = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    assert_eq!(world.attest_endorsed(&first).value::<AttestResult>(), AttestResult::Failed);
    let args = rekeying(&world, 1, Curve::Ed25519);
    world.json(OWNER, BRIDGE, method::REKEY, &args, NEAR).success();

    let signature = world.attest(&first, &[]).signature();
    assert!(matches!(signature, ChainSignature::Secp256k1 { .. }));
    verify(&trust, &first, &signature).unwrap();
}

#[test]
fn an_incarnation_goes_on_over_a_pending_checkpoint_whose_height_stays_taken() {
    let mut world = World::with_alpha();
    let first = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    world.attest_endorsed(&first);
    let refused = world.json(MALLORY, BRIDGE, method::OPEN_INCARNATION, &alpha(), NEAR).failure();
    assert!(refused.contains("is not the owner"), "{refused}");
    let opened = world.json(OWNER, BRIDGE, method::OPEN_INCARNATION, &alpha(), NEAR).success();
    let event = EpochOpened { shard: shard("alpha"), key_epoch: 1, first_height: 1, incarnation: 1 };
    assert_eq!(opened.events(), [Event::EpochOpened([event])]);
    world.activate("alpha").success();

    let other = Checkpoint { key_epoch: 1, heads_root: Hash([66; 32]), ..first.clone() };
    let refused = world.attest_endorsed(&other).failure();
    assert!(refused.contains("height 0 of shard alpha is taken"), "{refused}");
    let second = opening(&world, &first);
    let signature = world.attest_endorsed(&second).signature();
    verify(&world.trust(BRIDGE), &second, &signature).unwrap();
    assert_eq!(world.shard("alpha").unwrap().incarnation, 1);
}

#[test]
fn a_paused_shard_records_nothing_until_its_owner_resumes_it() {
    let mut world = World::with_alpha();
    assert!(call_as(&mut world, MALLORY, method::PAUSE).failure().contains("is not the owner"));
    call_as(&mut world, OWNER, method::PAUSE).success();
    assert_eq!(world.shard("alpha").unwrap().status, ShardStatus::Paused);
    let first = world.first_checkpoint("alpha");
    let refused = world.attest_endorsed(&first).failure();
    assert!(refused.contains("shard alpha is Paused"), "{refused}");
    call_as(&mut world, OWNER, method::RESUME).success();
    world.attest_endorsed(&first).signature();
}

#[test]
fn a_pause_does_not_hold_back_a_pending_checkpoint() {
    let mut world = World::with_alpha();
    let first = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    world.attest_endorsed(&first);
    call_as(&mut world, OWNER, method::PAUSE).success();
    world.attest(&first, &[]).signature();
}

#[test]
fn a_retired_shard_is_a_tombstone_and_its_last_checkpoint_stays() {
    let mut world = World::with_alpha();
    let first = world.first_checkpoint("alpha");
    world.attest_endorsed(&first).signature();
    let tip = world.tip("alpha");
    let before = world.balance_yocto(OWNER);
    let retired = call_as(&mut world, OWNER, method::RETIRE).success();
    assert_eq!(retired.events(), [Event::ShardRetired([alpha()])]);
    let back = (SHARD_STORAGE_BYTES_MAX - RETIRED_STORAGE_BYTES_MAX) * PRICE_PER_BYTE;
    assert!(world.balance_yocto(OWNER) > before + back - NEAR / 100, "the price of what went comes back");

    let view = world.shard("alpha").unwrap();
    assert_eq!((view.status, view.transport_keys, view.balance_yocto), (ShardStatus::Retired, vec![], 0));
    assert_eq!(world.tip("alpha"), tip);
    let refused = world.attest_endorsed(&successor(&first)).failure();
    assert!(refused.contains("shard alpha is Retired"), "{refused}");
    let refused = world.reserve("alpha").failure();
    assert!(refused.contains("shard name alpha is taken"), "{refused}");
    for method in [method::RESUME, method::PAUSE, method::RETIRE, method::CANCEL_ROTATION] {
        assert!(call_as(&mut world, OWNER, method).failure().contains("shard alpha is retired, for ever"));
    }
    for method in [method::OPEN_INCARNATION, method::TOP_UP] {
        let refused = world.json(OWNER, BRIDGE, method, &alpha(), NEAR).failure();
        assert!(refused.contains("shard alpha is retired, for ever"), "{refused}");
    }
}

#[test]
fn a_shard_does_not_retire_over_a_pending_checkpoint() {
    let mut world = World::with_alpha();
    let first = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    world.attest_endorsed(&first);
    let refused = call_as(&mut world, OWNER, method::RETIRE).failure();
    assert!(refused.contains("checkpoint 0 of shard alpha has no signature yet"), "{refused}");
    world.attest(&first, &[]).signature();
    call_as(&mut world, OWNER, method::RETIRE).success();
}

#[test]
fn a_reservation_that_never_was_active_lapses_with_a_full_refund_and_frees_its_name() {
    let mut world = World::deployed();
    world.init(BRIDGE, "nobody.signer").success();
    for name in ["alpha", "beta", "gamma"] {
        world.reserve(name).success();
    }
    let refused = call_as(&mut world, MALLORY, method::LAPSE).failure();
    assert!(refused.contains("or earlier by its owner"), "{refused}");
    let before = world.balance_yocto(OWNER);
    let lapsed = call_as(&mut world, OWNER, method::LAPSE).success();
    assert_eq!(lapsed.events(), [Event::ShardLapsed([alpha()])]);
    let price = SHARD_STORAGE_BYTES_MAX * PRICE_PER_BYTE;
    assert!(world.balance_yocto(OWNER) > before + price - NEAR / 100);

    assert_eq!(world.shard("alpha"), None);
    let args = json!({ "from_index": 0, "limit": 100 });
    let listed: Vec<queue::contract::ShardView> = world.view(BRIDGE, method::SHARDS, &args);
    assert_eq!(listed.iter().map(|view| view.shard.as_str()).collect::<Vec<_>>(), ["gamma", "beta"]);
    world.json(MALLORY, BRIDGE, method::RESERVE, &reservation("alpha"), NEAR).success();
    assert_eq!(world.shard("alpha").unwrap().owner, MALLORY);

    world.now_ns += RESERVATION_NS;
    call_as(&mut world, OWNER, method::LAPSE).success();
    assert_eq!(world.shard("alpha"), None);
}

#[test]
fn an_active_shard_never_lapses() {
    let mut world = World::with_alpha();
    world.now_ns += RESERVATION_NS;
    for caller in [OWNER, MALLORY] {
        let refused = call_as(&mut world, caller, method::LAPSE).failure();
        assert!(refused.contains("the name alpha can't lapse"), "{refused}");
    }
}

#[test]
fn an_owner_withdraws_what_the_shard_has_and_no_more() {
    let mut world = World::with_alpha();
    world.json(MALLORY, BRIDGE, method::TOP_UP, &alpha(), NEAR).success();
    let has = world.shard("alpha").unwrap().balance_yocto;
    let withdraw = |amount_yocto| WithdrawArgs { shard: shard("alpha"), amount_yocto };
    let too_much = withdraw(Some(AmountYocto(has + 1)));
    let refused = world.json(OWNER, BRIDGE, method::WITHDRAW, &too_much, 0).failure();
    assert!(refused.contains("can't be withdrawn"), "{refused}");
    let refused = world.json(MALLORY, BRIDGE, method::WITHDRAW, &withdraw(None), 0).failure();
    assert!(refused.contains("is not the owner"), "{refused}");

    let before = world.balance_yocto(OWNER);
    world.json(OWNER, BRIDGE, method::WITHDRAW, &withdraw(Some(AmountYocto(NEAR))), 0).success();
    assert!(world.balance_yocto(OWNER) > before + NEAR - NEAR / 100);
    assert_eq!(world.shard("alpha").unwrap().balance_yocto, has - NEAR);
    world.json(OWNER, BRIDGE, method::WITHDRAW, &withdraw(None), 0).success();
    assert_eq!(world.shard("alpha").unwrap().balance_yocto, 0);
}
