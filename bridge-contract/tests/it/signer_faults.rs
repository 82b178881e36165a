use crate::world::*;
use chain::near_primitives::hash::CryptoHash;
use chain::{FAN_OUT_LIMIT, SignerCondition, SignerFault};
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestResult, AttestationFailed, AttestationFailure, Event, method};
use queue::digest::{Hash, Native};
use queue::statement::Statement;
use queue::trust::{Curve, PublicKey};
use serde_json::json;

/// Blocks after which the signer gives up on a request.
const TIMEOUT_BLOCKS: u64 = 200;

fn failed(checkpoint: &Checkpoint, reason: AttestationFailure) -> Vec<Event> {
    let hash = checkpoint.hash::<Native>();
    let (shard, height) = (checkpoint.shard.clone(), checkpoint.height);
    vec![Event::AttestationFailed([AttestationFailed { shard, height, hash, reason }])]
}

#[test]
fn a_checkpoint_whose_signer_timed_out_is_attested_by_asking_again() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let checkpoint = world.first_checkpoint("alpha");
        let asked_at = world.chain.view().height();
        world.chain.script_signer(SignerFault::NoAnswer);
        let outcome = world.attest_endorsed(&checkpoint);
        assert_eq!(outcome.value::<AttestResult>(), AttestResult::Failed);
        assert_eq!(outcome.events(), failed(&checkpoint, AttestationFailure::SignerFailed));
        let tip = world.tip("alpha").unwrap();
        assert_eq!((tip.hash, tip.signature, tip.attempts), (checkpoint.hash::<Native>(), None, 1));
        let failed_at = tip.last_failure_block.unwrap();
        assert!((asked_at + TIMEOUT_BLOCKS..=world.chain.view().height()).contains(&failed_at), "{failed_at}");

        let signature = world.attest(&checkpoint, &[]).signature();
        verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
        assert_eq!(world.tip("alpha").unwrap().attempts, 2);
    }
}

#[test]
fn while_a_checkpoint_is_pending_no_other_gets_its_height_or_the_next() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    world.attest_endorsed(&checkpoint).success();

    let other = Checkpoint { heads_root: Hash([66; 32]), ..checkpoint.clone() };
    let refused = world.attest_endorsed(&other).failure();
    assert!(refused.contains("height 0 of shard alpha is taken"), "{refused}");
    let refused = world.attest_endorsed(&successor(&checkpoint)).failure();
    assert!(refused.contains("checkpoint 0 of shard alpha has no signature yet"), "{refused}");
}

#[test]
fn a_signature_that_comes_after_the_timeout_is_the_only_one_at_its_height() {
    let mut world = World::with_alpha();
    let trust = world.trust(BRIDGE);
    let checkpoint = world.first_checkpoint("alpha");
    let other = Checkpoint { heads_root: Hash([66; 32]), ..checkpoint.clone() };
    world.chain.script_signer(SignerFault::AnswerAfterBlocks(TIMEOUT_BLOCKS + 50));
    let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
    let asked = world.submit(MALLORY, BRIDGE, method::ATTEST, args, 0, 60);
    world.make_blocks(TIMEOUT_BLOCKS + 20);
    assert_eq!(world.outcome(&asked).value::<AttestResult>(), AttestResult::Failed);
    assert_eq!(world.published_signatures(), []);

    let refused = world.submit(MALLORY, BRIDGE, method::ATTEST, attest_args(&other, &[endorse(&other)]), 0, 60);
    world.make_blocks(60);
    assert!(world.outcome(&refused).failure().contains("height 0 of shard alpha is taken"));
    let published = world.published_signatures();
    assert_eq!(published.len(), 1);
    verify(&trust, &checkpoint, &published[0]).unwrap();
    assert!(verify(&trust, &other, &published[0]).is_err());
    assert_eq!(world.tip("alpha").unwrap().signature, None);

    let signature = world.attest(&checkpoint, &[]).signature();
    verify(&trust, &checkpoint, &signature).unwrap();
}

#[test]
fn a_signer_that_answers_with_a_wrong_signature_is_not_believed() {
    for curve in CURVES {
        for fault in [SignerFault::WrongKey, SignerFault::WrongPayload, SignerFault::HighS] {
            let mut world = World::with_alpha_on(curve);
            let checkpoint = world.first_checkpoint("alpha");
            world.chain.script_signer(fault);
            let outcome = world.attest_endorsed(&checkpoint);
            assert_eq!(outcome.value::<AttestResult>(), AttestResult::Failed, "{fault:?}");
            assert_eq!(outcome.events(), failed(&checkpoint, AttestationFailure::WrongSignature), "{fault:?}");
            assert_eq!(world.tip("alpha").unwrap().signature, None);

            let signature = world.attest(&checkpoint, &[]).signature();
            verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
        }
    }
}

#[test]
fn a_signature_in_hex_of_mixed_case_is_believed() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let checkpoint = world.first_checkpoint("alpha");
        world.chain.script_signer(SignerFault::MixedCase);
        let signature = world.attest_endorsed(&checkpoint).signature();
        verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
    }
}

#[test]
fn an_answer_that_is_too_long_is_not_read_however_right_it_is() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let checkpoint = world.first_checkpoint("alpha");
        world.chain.script_signer(SignerFault::TooLong);
        let outcome = world.attest_endorsed(&checkpoint);
        assert_eq!(outcome.events(), failed(&checkpoint, AttestationFailure::UnknownAnswer));
        assert_eq!(world.tip("alpha").unwrap().signature, None);

        let signature = world.attest(&checkpoint, &[]).signature();
        verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
        assert_eq!(world.published_signatures()[0], signature, "the answer was right");
    }
}

#[test]
fn a_halted_signer_costs_an_attempt_and_nothing_else() {
    let mut world = World::with_alpha();
    let balance = world.shard("alpha").unwrap().balance_yocto;
    let checkpoint = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::Halted);
    let outcome = world.attest_endorsed(&checkpoint);
    assert_eq!(outcome.events(), failed(&checkpoint, AttestationFailure::SignerFailed));
    world.attest(&checkpoint, &[]).signature();
    assert_eq!(world.shard("alpha").unwrap().balance_yocto, balance - 2);
}

#[test]
fn callers_beyond_those_who_may_wait_for_a_signature_fail_alone() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
    let calls: Vec<_> =
        (0..=FAN_OUT_LIMIT).map(|_| world.submit(MALLORY, BRIDGE, method::ATTEST, args.clone(), 0, 60)).collect();
    world.run_until_idle();

    let (beyond, waiting) = calls.split_last().unwrap();
    let beyond = world.outcome(beyond);
    assert_eq!(beyond.value::<AttestResult>(), AttestResult::Failed);
    assert_eq!(beyond.events(), failed(&checkpoint, AttestationFailure::SignerFailed));
    let signature = world.outcome(&waiting[0]).signature();
    assert!(waiting.iter().all(|call| world.outcome(call).signature() == signature));
    let tip = world.tip("alpha").unwrap();
    assert_eq!((tip.signature, tip.attempts), (Some(signature), u32::try_from(calls.len()).unwrap()));
}

#[test]
fn while_the_signer_makes_its_keys_those_that_are_known_serve_on() {
    let initializing = SignerCondition { is_initializing: true, ..SignerCondition::default() };
    let mut world = World::with_alpha();
    let (trust, alpha) = (world.trust(BRIDGE), world.shard("alpha").unwrap());
    world.reserve("beta").success();
    world.chain.set_signer_condition(initializing);

    world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0);
    assert_eq!(world.trust(BRIDGE), trust);
    assert_eq!(world.activate("alpha").value::<Option<PublicKey>>(), alpha.public_key);
    assert_eq!(world.activate("beta").value::<Option<PublicKey>>(), None);
    let checkpoint = world.first_checkpoint("alpha");
    let outcome = world.attest_endorsed(&checkpoint);
    assert_eq!(outcome.events(), failed(&checkpoint, AttestationFailure::SignerFailed));

    world.chain.set_signer_condition(SignerCondition::default());
    verify(&trust, &checkpoint, &world.attest(&checkpoint, &[]).signature()).unwrap();
    assert!(world.activate("beta").value::<Option<PublicKey>>().is_some());
}

#[test]
fn a_signer_that_asks_for_more_gas_gets_the_callers_surplus_and_then_its_due() {
    let mut world = World::with_alpha();
    let first = world.first_checkpoint("alpha");
    let args = attest_args(&first, &[endorse(&first)]);
    world.chain.set_signer_condition(SignerCondition { sign_gas_tgas: 40, ..SignerCondition::default() });
    let starved = world.call(MALLORY, BRIDGE, method::ATTEST, args.clone(), 0, 35);
    assert_eq!(starved.events(), failed(&first, AttestationFailure::SignerFailed));
    world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 100).signature();

    world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
    let second = successor(&first);
    let args = attest_args(&second, &[endorse(&second)]);
    let refused = world.call(MALLORY, BRIDGE, method::ATTEST, args.clone(), 0, 59).failure();
    assert!(refused.contains("the call has 59 Tgas, attest takes at least 60"), "{refused}");
    world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 60).signature();
}

#[test]
fn a_pending_checkpoint_survives_every_fault_and_gives_way_to_none() {
    const FAULTS: [SignerFault; 7] = [
        SignerFault::NoAnswer,
        SignerFault::WrongKey,
        SignerFault::WrongPayload,
        SignerFault::HighS,
        SignerFault::TooLong,
        SignerFault::Halted,
        SignerFault::AnswerAfterBlocks(TIMEOUT_BLOCKS + 1),
    ];
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let checkpoint = world.first_checkpoint("alpha");
        let other = Checkpoint { heads_root: Hash([66; 32]), ..checkpoint.clone() };
        for (attempts, fault) in (1..).zip(FAULTS) {
            world.chain.script_signer(fault);
            let outcome = world.attest_endorsed(&checkpoint);
            assert_eq!(outcome.value::<AttestResult>(), AttestResult::Failed, "{fault:?}");
            let tip = world.tip("alpha").unwrap();
            assert_eq!((tip.hash, tip.signature), (checkpoint.hash::<Native>(), None), "{fault:?}");
            assert_eq!((tip.attempts, tip.last_failure_block.is_some()), (attempts, true), "{fault:?}");
            let refused = world.attest_endorsed(&other).failure();
            assert!(refused.contains("height 0 of shard alpha is taken"), "{refused}");
        }
        let signature = world.attest(&checkpoint, &[]).signature();
        verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
    }
}

#[test]
fn a_late_answer_after_another_attempt_succeeded_changes_nothing() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let checkpoint = world.first_checkpoint("alpha");
        world.chain.script_signer(SignerFault::AnswerAfterBlocks(TIMEOUT_BLOCKS + 50));
        let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
        let first = world.submit(MALLORY, BRIDGE, method::ATTEST, args.clone(), 0, 60);
        world.make_blocks(TIMEOUT_BLOCKS + 20);
        assert_eq!(world.outcome(&first).value::<AttestResult>(), AttestResult::Failed);

        let second = world.submit(OWNER, BRIDGE, method::ATTEST, args, 0, 60);
        world.make_blocks(10);
        let signature = world.outcome(&second).signature();
        let signed = world.tip("alpha");
        world.make_blocks(60);
        assert_eq!(world.published_signatures().len(), 2, "the late one is there for everybody to read");
        assert_eq!(world.tip("alpha"), signed);
        assert_eq!(world.outcome(&first).value::<AttestResult>(), AttestResult::Failed);
        for published in world.published_signatures() {
            verify(&world.trust(BRIDGE), &checkpoint, &published).unwrap();
        }
        assert_eq!(world.attest(&checkpoint, &[]).signature(), signature);
    }
}

#[test]
fn a_pending_checkpoint_is_signed_by_its_own_epochs_key_while_the_next_epoch_is_open() {
    for (old, new) in [(CURVES[0], CURVES[1]), (CURVES[1], CURVES[0])] {
        for rekeyed in [true, false] {
            let mut world = World::with_alpha_on(old);
            let checkpoint = world.first_checkpoint("alpha");
            // Late, and yet in time: the answer comes after the epoch was opened.
            world.chain.script_signer(SignerFault::AnswerAfterBlocks(TIMEOUT_BLOCKS - 50));
            let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
            let asked = world.submit(MALLORY, BRIDGE, method::ATTEST, args, 0, 60);
            world.make_blocks(5);
            let opened = if rekeyed { rekey(&mut world, new) } else { open_incarnation(&mut world) };
            world.make_blocks(5);
            assert_eq!(world.outcome(&opened).success().events().len(), 1);
            assert_eq!(world.shard("alpha").unwrap().key_epoch, 1);
            assert_eq!(world.tip("alpha").unwrap().signature, None);

            world.run_until_idle();
            let signature = world.outcome(&asked).signature();
            assert_eq!(signature.curve(), old);
            verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
            assert_eq!(world.tip("alpha").unwrap().signature, Some(signature));
        }
    }
}

#[test]
fn a_timeout_of_a_checkpoint_that_the_shard_has_passed_changes_nothing() {
    let mut world = World::with_alpha();
    let passed = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    let args = attest_args(&passed, &[endorse(&passed)]);
    let asked = world.submit(MALLORY, BRIDGE, method::ATTEST, args, 0, 60);
    world.make_blocks(5);
    rekey(&mut world, Curve::Ed25519);
    let activate = serde_json::to_vec(&json!({ "shard": "alpha" })).unwrap();
    world.submit(MALLORY, BRIDGE, method::ACTIVATE, activate, 0, 60);
    world.make_blocks(5);
    let next = Checkpoint { key_epoch: 1, epoch_first_height: 1, ..successor(&passed) };
    world.submit(MALLORY, BRIDGE, method::ATTEST, attest_args(&next, &[endorse(&next)]), 0, 60);
    world.make_blocks(10);
    let signed = world.tip("alpha").unwrap();
    assert_eq!(signed.hash, next.hash::<Native>());
    verify(&world.trust(BRIDGE), &next, &signed.signature.clone().unwrap()).unwrap();

    world.run_until_idle();
    let outcome = world.outcome(&asked);
    assert_eq!(outcome.value::<AttestResult>(), AttestResult::Failed);
    assert_eq!(outcome.events(), []);
    assert_eq!(world.tip("alpha"), Some(signed));
}

fn rekey(world: &mut World, curve: Curve) -> CryptoHash {
    let scope = scope_of(&world.first_checkpoint("alpha"));
    let statement = Statement::Rekey { key_epoch: 1, curve };
    let endorsement = sign_statement(0, &member_of("alpha"), &scope, &statement);
    let args = json!({ "shard": "alpha", "curve": curve, "endorsements": [endorsement] });
    world.submit(OWNER, BRIDGE, method::REKEY, serde_json::to_vec(&args).unwrap(), NEAR, 60)
}

fn open_incarnation(world: &mut World) -> CryptoHash {
    let args = serde_json::to_vec(&json!({ "shard": "alpha" })).unwrap();
    world.submit(OWNER, BRIDGE, method::OPEN_INCARNATION, args, NEAR, 60)
}
