use crate::world::*;
use chain::SignerFault;
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestResult, AttestationFailed, AttestationFailure, Event, method};
use queue::digest::{Hash, Native};

/// Blocks after which the signer gives up on a request.
const TIMEOUT_BLOCKS: u64 = 200;

fn failed(checkpoint: &Checkpoint, reason: AttestationFailure) -> Vec<Event> {
    let hash = checkpoint.hash::<Native>();
    let (shard, height) = (checkpoint.shard.clone(), checkpoint.height);
    vec![Event::AttestationFailed([AttestationFailed { shard, height, hash, reason }])]
}

#[test]
fn a_checkpoint_whose_signer_timed_out_is_attested_by_asking_again() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    let outcome = world.attest_endorsed(&checkpoint);
    assert_eq!(outcome.value::<AttestResult>(), AttestResult::Failed);
    assert_eq!(outcome.events(), failed(&checkpoint, AttestationFailure::SignerFailed));
    let tip = world.tip("alpha").unwrap();
    assert_eq!((tip.hash, tip.signature), (checkpoint.hash::<Native>(), None));

    let signature = world.attest(&checkpoint, &[]).signature();
    verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
    assert_eq!(world.tip("alpha").unwrap().attempts, 2);
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
    for fault in [SignerFault::WrongKey, SignerFault::WrongPayload, SignerFault::HighS] {
        let mut world = World::with_alpha();
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
