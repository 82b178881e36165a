use crate::world::*;
use ed25519_dalek::Signer as _;
use queue::checkpoint::Checkpoint;
use queue::contract::{Attested, Endorsement, Event, ReserveArgs, method};
use queue::digest::{Hash, Native, Tag};
use queue::trust::Curve;
use serde_json::json;

#[test]
fn a_checkpoint_gets_a_signature_that_verifies_under_the_pinned_trust_root() {
    let mut world = World::with_alpha();
    let trust = world.trust(BRIDGE);
    let checkpoint = world.first_checkpoint("alpha");
    let outcome = world.attest_endorsed(&checkpoint);

    let signature = outcome.signature();
    verify(&trust, &checkpoint, &signature).unwrap();
    let hash = checkpoint.hash::<Native>();
    let attested = Attested { shard: shard("alpha"), height: 0, hash, signature: signature.clone() };
    assert_eq!(outcome.events(), [Event::Attested([attested])]);
    let tip = world.tip("alpha").unwrap();
    assert_eq!((tip.hash, tip.signature, tip.attempts), (hash, Some(signature), 1));

    let own = outcome.tgas_burnt_on(BRIDGE);
    println!("attest burns {own} Tgas on the contract, {} on the signer", outcome.tgas_burnt_on(SIGNER));
    for receipt in outcome.receipts() {
        println!("  {}: {} Ggas", receipt.executor_id, receipt.gas_burnt.as_gigagas());
    }
    assert!(own <= 12.0, "{own} Tgas");
}

#[test]
fn checkpoints_follow_each_other_and_each_is_signed() {
    let mut world = World::with_alpha();
    let trust = world.trust(BRIDGE);
    let mut checkpoint = world.first_checkpoint("alpha");
    for height in 0..3 {
        let signature = world.attest_endorsed(&checkpoint).signature();
        verify(&trust, &checkpoint, &signature).unwrap();
        assert_eq!(world.tip("alpha").unwrap().checkpoint.height, height);
        checkpoint = successor(&checkpoint);
    }
}

#[test]
fn a_shard_on_ed25519_is_attested_as_well() {
    let mut world = World::initialised();
    let args = ReserveArgs { curve: Curve::Ed25519, ..reservation("alpha") };
    world.json(OWNER, BRIDGE, method::RESERVE, &args, NEAR).success();
    world.activate("alpha").success();
    let checkpoint = world.first_checkpoint("alpha");
    let signature = world.attest_endorsed(&checkpoint).signature();
    verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
}

#[test]
fn asking_again_for_a_signed_tip_answers_without_the_signer() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let signature = world.attest_endorsed(&checkpoint).signature();
    let again = world.attest(&checkpoint, &[]);
    assert_eq!(again.signature(), signature);
    assert!(!again.executors().contains(SIGNER));
    assert_eq!(world.tip("alpha").unwrap().attempts, 1);
}

#[test]
fn two_who_ask_at_once_get_one_signature() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
    let first = world.submit(OWNER, BRIDGE, method::ATTEST, args.clone(), 0, 60);
    let second = world.submit(MALLORY, BRIDGE, method::ATTEST, args, 0, 60);
    world.run_until_idle();
    let signature = world.outcome(&first).signature();
    assert_eq!(world.outcome(&second).signature(), signature);
    assert_eq!(world.tip("alpha").unwrap().signature, Some(signature));
    assert_eq!(world.published_signatures().len(), 1);
}

#[test]
fn a_second_checkpoint_at_a_height_is_refused_for_ever() {
    let mut world = World::with_alpha();
    let first = world.first_checkpoint("alpha");
    let other = Checkpoint { heads_root: Hash([66; 32]), ..first.clone() };
    world.attest_endorsed(&first).success();
    let refused = world.attest_endorsed(&other).failure();
    assert!(refused.contains("height 0 of shard alpha is taken"), "{refused}");

    world.attest_endorsed(&successor(&first)).success();
    for old in [&first, &other] {
        let refused = world.attest_endorsed(old).failure();
        assert!(refused.contains("the next of shard alpha is 2"), "{refused}");
    }
    assert_eq!(world.published_signatures().len(), 2);
}

#[test]
fn a_forged_endorsement_is_refused() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let forged = sign_endorsement(&key_of(MALLORY), &scope_of(&checkpoint), &checkpoint);
    let refused = world.attest(&checkpoint, &[forged]).failure();
    assert!(refused.contains("the endorsement of member 0 is not its signature"), "{refused}");
    let refused = world.attest(&checkpoint, &[]).failure();
    assert!(refused.contains("the threshold is 1"), "{refused}");
    assert_eq!(world.tip("alpha"), None);
}

#[test]
fn an_endorsement_for_another_bridge_is_refused() {
    let mut world = World::with_alpha();
    world.init(OTHER_BRIDGE, SIGNER).success();
    let checkpoint = world.first_checkpoint("alpha");
    let elsewhere = Checkpoint { domain: world.trust(OTHER_BRIDGE).domain, ..checkpoint.clone() };

    let refused = world.attest_endorsed(&elsewhere).failure();
    assert!(refused.contains("the checkpoint is for bridge bridge-b"), "{refused}");
    let replayed = sign_endorsement(&member_of("alpha"), &scope_of(&elsewhere), &checkpoint);
    let refused = world.attest(&checkpoint, &[replayed]).failure();
    assert!(refused.contains("the endorsement of member 0 is not its signature"), "{refused}");
}

#[test]
fn a_member_statement_under_another_tag_is_no_endorsement() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let content = queue::codec::encode(&(scope_of(&checkpoint), checkpoint.hash::<Native>()));
    for tag in [Tag::Rotate, Tag::Rekey, Tag::Attestation] {
        let signature = member_of("alpha").sign(&[tag.as_bytes(), &content].concat()).to_bytes();
        let refused = world.attest(&checkpoint, &[Endorsement { member: 0, signature }]).failure();
        assert!(refused.contains("the endorsement of member 0 is not its signature"), "{refused}");
    }
}

#[test]
fn a_clock_that_jumps_ahead_is_refused() {
    let mut world = World::with_alpha();
    let year_2100 = Checkpoint { time_ns: 4_102_444_800_000_000_000, ..world.first_checkpoint("alpha") };
    let refused = world.attest_endorsed(&year_2100).failure();
    assert!(refused.contains("ahead of the block's"), "{refused}");
}

#[test]
fn a_shard_that_is_unknown_or_not_active_cannot_attest() {
    let mut world = World::initialised();
    let checkpoint = world.first_checkpoint("alpha");
    let refused = world.attest_endorsed(&checkpoint).failure();
    assert!(refused.contains("shard alpha is not registered"), "{refused}");
    world.reserve("alpha").success();
    let refused = world.attest_endorsed(&checkpoint).failure();
    assert!(refused.contains("call activate"), "{refused}");
}

#[test]
fn too_little_gas_is_refused_by_name() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
    let refused = world.call(MALLORY, BRIDGE, method::ATTEST, args.clone(), 0, 34).failure();
    assert!(refused.contains("the call has 34 Tgas, attest takes at least 35"), "{refused}");
    world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 35).signature();
}

#[test]
fn a_shard_pays_the_signer_from_its_balance_until_it_is_empty() {
    let mut world = World::initialised();
    let price = world.storage_price_yocto();
    world.json(OWNER, BRIDGE, method::RESERVE, &reservation("alpha"), price + 1).success();
    world.activate("alpha").success();
    let first = world.first_checkpoint("alpha");
    world.attest_endorsed(&first).success();
    assert_eq!(world.shard("alpha").unwrap().balance_yocto, 0);

    let second = successor(&first);
    let refused = world.attest_endorsed(&second).failure();
    assert!(refused.contains("call top_up"), "{refused}");
    world.json(MALLORY, BRIDGE, method::TOP_UP, &json!({ "shard": "alpha" }), 5).success();
    world.attest_endorsed(&second).signature();
    assert_eq!(world.shard("alpha").unwrap().balance_yocto, 4);
}

#[test]
fn attesting_calls_nobody_but_the_signer_and_the_contract_itself() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let outcome = world.attest_endorsed(&checkpoint).success();
    // The caller's receipts are refunds of gas.
    let expected = [BRIDGE, MALLORY, SIGNER].map(String::from);
    assert!(outcome.executors().into_iter().all(|executor| expected.contains(&executor)));
}
