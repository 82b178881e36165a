//! New key epochs of a running shard.

use super::*;
use crate::attestation::ChainSignature;

#[test]
fn a_new_key_epoch_seals_the_next_checkpoint_behind_the_recorded_tip() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    let tip = world.tip("alpha").unwrap();
    world.open_epoch("alpha", false);
    world.show_registry("alpha");
    world.send("alpha", "beta", "1");
    world.run();
    let next = world.tip("alpha").unwrap().checkpoint;
    assert_eq!((next.key_epoch, next.epoch_first_height), (1, tip.checkpoint.height + 1));
    assert_eq!((next.height, next.previous), (tip.checkpoint.height + 1, tip.hash));
    assert_eq!(world.inbox("beta"), ["0", "1"]);
}

#[test]
fn a_candidate_that_was_not_recorded_before_the_epoch_says_the_same_in_the_new_one() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    world.send("alpha", "beta", "1");
    let candidate = sealed(&mut world);
    world.open_epoch("alpha", false);
    answer(&mut world, &candidate, Err(AttestFailure::Rejected("another key epoch".to_owned())));
    world.show_registry("alpha");
    world.run();
    let recorded = world.tip("alpha").unwrap().checkpoint;
    let Checkpoint { key_epoch, epoch_first_height, .. } = recorded;
    assert_eq!((key_epoch, epoch_first_height), (1, candidate.height));
    assert_eq!(recorded, Checkpoint { key_epoch, epoch_first_height, ..candidate }, "heads and time are the same");
    assert_eq!(world.inbox("beta"), ["0", "1"]);
}

#[test]
fn a_recorded_candidate_without_a_signature_is_asked_for_again_in_its_own_epoch() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.signer_is_down = true;
    world.send("alpha", "beta", "0");
    world.run();
    let pending = world.tip("alpha").unwrap();
    assert_eq!(pending.signature, None);
    world.open_epoch("alpha", false);
    world.show_registry("alpha");
    world.signer_is_down = false;
    world.advance(31 * S);
    world.run();
    assert_eq!(world.tip("alpha").unwrap().hash, pending.hash);
    assert_eq!(world.inbox("beta"), ["0"]);
    world.send("alpha", "beta", "1");
    world.run();
    assert_eq!(world.tip("alpha").unwrap().checkpoint.key_epoch, 1);
    assert_eq!(world.inbox("beta"), ["0", "1"]);
}

/// Mallory's server tells of a key epoch that there isn't, and holds back the request for the
/// candidate until the node has put it into that epoch.
#[test]
fn mallory_cannot_make_a_node_disown_its_candidate_by_a_key_epoch_that_there_is_not() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    world.send("alpha", "beta", "1");
    let candidate = sealed(&mut world);
    let mut forged = world.registry();
    forged.iter_mut().filter(|listed| listed.shard == name("alpha")).for_each(|listed| {
        (listed.key_epoch, listed.epoch_first_height) = (1, candidate.height);
    });
    world.engine_mut("alpha").handle_registry(forged).unwrap();
    // The candidate is recorded and signed after all; its answer never comes.
    world.record("alpha", &candidate);
    world.run();
    world.advance(31 * S);
    world.run();
    assert_eq!(world.tip("alpha").unwrap().checkpoint, candidate);
    assert_eq!(world.engine("alpha").status().attested_height, Some(candidate.height));
    assert_eq!(world.inbox("beta"), ["0", "1"]);

    world.send("alpha", "beta", "2: sealed in an epoch that there is not, and then in its own");
    world.run();
    assert_eq!(world.inbox("beta").len(), 2);
    world.show_registry("alpha");
    world.run();
    assert_eq!(world.inbox("beta").len(), 3);
}

/// The candidate that alpha seals next, whose request is on its way.
fn sealed(world: &mut World) -> Checkpoint {
    let now = world.now();
    let engine = world.engine_mut("alpha");
    loop {
        engine.commit(now).unwrap();
        engine.poll_durable().unwrap();
        if let Output::Attest(checkpoint) = engine.poll_output().expect("there is a reason to seal") {
            return checkpoint;
        }
    }
}

fn answer(world: &mut World, checkpoint: &Checkpoint, result: Result<ChainSignature, AttestFailure>) {
    let now = world.now();
    let hash = checkpoint.hash::<Native>();
    let result = result.map(|signature| Attestation::of_shard(checkpoint.clone(), signature));
    world.engine_mut("alpha").handle_attest_result(hash, result, AttestCost::default(), now);
}
