use crate::world::*;
use chain::SignerFault;
use queue::attestation::{Attestation, AttestationKind};
use queue::checkpoint::Checkpoint;
use queue::contract::{
    AttestResult, AttestationFailure, Event, ReserveArgs, RoundArgs, RoundFailed, RoundPosition, RoundSigned,
    RoundsView, SubmitResult, method,
};
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::limits::{CLOSE_INTERVAL_NS, ROUNDS_KEPT};
use queue::trust::Curve;
use serde_json::json;

/// Blocks after which the signer gives up on a request.
const TIMEOUT_BLOCKS: u64 = 200;

impl World {
    /// Active shards `shard-0`, `shard-1`, … on a curve.
    fn with_shards(count: usize, curve: Curve) -> Self {
        let mut world = Self::initialised();
        let price = world.storage_price_yocto() + 1_000;
        for name in names(count) {
            let args = serde_json::to_vec(&ReserveArgs { curve, ..reservation(&name) }).unwrap();
            world.submit(OWNER, BRIDGE, method::RESERVE, args, price, 30);
        }
        world.run_until_idle();
        for name in names(count) {
            let args = serde_json::to_vec(&json!({ "shard": name })).unwrap();
            world.submit(MALLORY, BRIDGE, method::ACTIVATE, args, 0, 60);
        }
        world.run_until_idle();
        world
    }

    /// Submits a checkpoint that the shard's member endorses, by somebody else's hand.
    pub fn submit_endorsed(&mut self, checkpoint: &Checkpoint) -> Outcome {
        self.call(MALLORY, BRIDGE, method::SUBMIT, attest_args(checkpoint, &[endorse(checkpoint)]), 0, 30)
    }

    /// Submits the first checkpoint of each of the first `count` shards, within one block.
    fn submit_first_of(&mut self, count: usize) -> Vec<Checkpoint> {
        let checkpoints: Vec<_> = names(count).map(|name| self.first_checkpoint(&name)).collect();
        self.submit_all(&checkpoints);
        checkpoints
    }

    fn submit_all(&mut self, checkpoints: &[Checkpoint]) {
        for checkpoint in checkpoints {
            let args = attest_args(checkpoint, &[endorse(checkpoint)]);
            self.submit(MALLORY, BRIDGE, method::SUBMIT, args, 0, 30);
        }
        self.run_until_idle();
    }

    /// Closes at once, whether or not it is time.
    fn close(&mut self, curve: Curve) -> Outcome {
        let args = serde_json::to_vec(&RoundArgs { curve }).unwrap();
        self.call(MALLORY, BRIDGE, method::CLOSE, args, 0, 60)
    }

    /// Closes when it is time.
    pub fn close_in_time(&mut self, curve: Curve) -> Outcome {
        while self.now_ns < self.rounds(curve).closable_at_ns {
            self.make_blocks(1);
        }
        self.close(curve)
    }

    fn rounds(&self, curve: Curve) -> RoundsView {
        self.view(BRIDGE, method::ROUNDS, &RoundArgs { curve })
    }

    pub fn round_proof(&self, name: &str) -> Option<Attestation> {
        self.view(BRIDGE, method::ROUND_PROOF, &json!({ "shard": name }))
    }

    #[track_caller]
    fn assert_proved(&self, checkpoint: &Checkpoint) -> Attestation {
        let attestation = self.round_proof(checkpoint.shard.as_str()).unwrap();
        assert_eq!(attestation.kind, AttestationKind::Round);
        assert_eq!(&attestation.checkpoint, checkpoint);
        attestation.clone().verify::<Native>(&self.trust(BRIDGE), derive_public_key).unwrap();
        attestation
    }
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|index| format!("shard-{index}"))
}

fn position(curve: Curve, round: u64, index: u64) -> SubmitResult {
    SubmitResult::Submitted { position: RoundPosition { curve, round, index } }
}

#[test]
fn one_signature_proves_the_checkpoints_of_a_round_of_any_size_offline() {
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        let mut world = World::with_shards(9, curve);
        for round in 0..9u64 {
            // Sizes 1 to 9: each shard goes on from where it stands.
            let size = usize::try_from(round + 1).unwrap();
            let checkpoints: Vec<_> = names(size)
                .map(|name| match world.tip(&name) {
                    Some(tip) => successor(&tip.checkpoint),
                    None => world.first_checkpoint(&name),
                })
                .collect();
            world.submit_all(&checkpoints);
            let outcome = world.close_in_time(curve);

            let [Event::RoundSigned([signed])] = &outcome.events()[..] else { panic!("{:?}", outcome.events()) };
            assert_eq!((signed.curve, signed.round, signed.size), (curve, round, round + 1));
            for (index, checkpoint) in (0..).zip(&checkpoints) {
                let attestation = world.assert_proved(checkpoint);
                assert_eq!((attestation.index, attestation.size), (index, round + 1));
                assert_eq!(attestation.signed_root::<Native>(), Some(signed.root));
                assert_eq!(attestation.signature, signed.signature);
            }
        }
        assert_eq!(world.published_signatures().len(), 9);
    }
}

#[test]
fn a_shard_goes_on_once_its_round_is_signed_and_not_before() {
    let mut world = World::with_shards(2, Curve::Secp256k1);
    let checkpoints = world.submit_first_of(2);
    let next = successor(&checkpoints[0]);
    let pending = "checkpoint 0 of shard shard-0 has no signature yet";
    let refused = world.submit_endorsed(&next).failure();
    assert!(refused.contains(pending), "{refused}");
    let tip = world.tip("shard-0").unwrap();
    assert_eq!((tip.attested, tip.signature), (None, None));
    assert_eq!(world.round_proof("shard-0"), None);

    world.chain.script_signer(SignerFault::NoAnswer);
    world.close(Curve::Secp256k1).success();
    let refused = world.submit_endorsed(&next).failure();
    assert!(refused.contains(pending), "{refused}");
    assert_eq!(world.round_proof("shard-0"), None);
    let refused = world.json(OWNER, BRIDGE, method::RETIRE, &json!({ "shard": "shard-0" }), 0).failure();
    assert!(refused.contains("shard-0"), "{refused}");

    world.close_in_time(Curve::Secp256k1).signature();
    let tip = world.tip("shard-0").unwrap();
    assert_eq!((tip.attested, tip.signature), (Some(AttestationKind::Round), None));
    assert_eq!(world.submit_endorsed(&next).value::<SubmitResult>(), position(Curve::Secp256k1, 1, 0));
    // The other shard may go on by itself.
    world.attest_endorsed(&successor(&checkpoints[1])).signature();
    assert_eq!(world.tip("shard-1").unwrap().attested, Some(AttestationKind::Shard));
    world.json(OWNER, BRIDGE, method::RETIRE, &json!({ "shard": "shard-1" }), 0).success();
}

#[test]
fn a_checkpoint_submitted_twice_stands_once_and_is_paid_once() {
    let mut world = World::with_shards(2, Curve::Secp256k1);
    let checkpoints = world.submit_first_of(2);
    let balance = world.shard("shard-0").unwrap().balance_yocto;
    let again = world.submit_endorsed(&checkpoints[0]);
    assert_eq!(again.value::<SubmitResult>(), position(Curve::Secp256k1, 0, 0));
    let rounds = world.rounds(Curve::Secp256k1);
    assert_eq!((rounds.size, rounds.pot_yocto), (2, 2));
    assert_eq!(world.shard("shard-0").unwrap().balance_yocto, balance);

    world.close(Curve::Secp256k1).signature();
    let again = world.submit_endorsed(&checkpoints[0]);
    assert_eq!(again.value::<SubmitResult>(), position(Curve::Secp256k1, 0, 0));
    assert_eq!(world.rounds(Curve::Secp256k1).size, 0);
}

#[test]
fn a_checkpoint_may_be_submitted_and_attested_in_either_order() {
    let mut world = World::with_shards(2, Curve::Secp256k1);
    let trust = world.trust(BRIDGE);
    let first = world.first_checkpoint("shard-0");
    world.submit_endorsed(&first).success();
    let signature = world.attest_endorsed(&first).signature();
    verify(&trust, &first, &signature).unwrap();
    let again = world.submit_endorsed(&first).value::<SubmitResult>();
    assert_eq!(again, SubmitResult::Attested { signature });

    let other = world.first_checkpoint("shard-1");
    world.chain.script_signer(SignerFault::NoAnswer);
    world.attest_endorsed(&other).success();
    assert_eq!(world.submit_endorsed(&other).value::<SubmitResult>(), position(Curve::Secp256k1, 0, 1));
    world.close(Curve::Secp256k1).signature();
    for checkpoint in [&first, &other] {
        world.assert_proved(checkpoint);
    }
}

#[test]
fn a_round_holds_one_checkpoint_of_a_shard_however_often_it_attests_meanwhile() {
    let mut world = World::with_shards(1, Curve::Secp256k1);
    let mut checkpoint = world.submit_first_of(1).remove(0);
    for _ in 0..3 {
        world.attest_endorsed(&checkpoint).signature();
        checkpoint = successor(&checkpoint);
        let refused = world.submit_endorsed(&checkpoint).failure();
        assert!(refused.contains("secp256k1 round 0 already has a checkpoint of shard shard-0"), "{refused}");
    }
    assert_eq!(world.rounds(Curve::Secp256k1).size, 1);
    world.close(Curve::Secp256k1).signature();
    assert_eq!(world.submit_endorsed(&checkpoint).value::<SubmitResult>(), position(Curve::Secp256k1, 1, 0));
}

#[test]
fn mallory_closes_at_every_moment_and_the_signer_is_asked_once_in_an_interval_whoever_submits() {
    let mut per_minute = Vec::new();
    for shards in [1, 20] {
        let mut world = World::with_shards(shards, Curve::Secp256k1);
        let mut checkpoints: Vec<_> = names(shards).map(|name| world.first_checkpoint(&name)).collect();
        let (started_ns, before) = (world.now_ns, world.published_signatures().len());
        let close = serde_json::to_vec(&RoundArgs { curve: Curve::Secp256k1 }).unwrap();
        while world.now_ns < started_ns + 60_000_000_000 {
            for checkpoint in &mut checkpoints {
                let tip = world.tip(checkpoint.shard.as_str());
                if tip.is_some_and(|tip| tip.hash == checkpoint.hash::<Native>() && tip.attested.is_some()) {
                    *checkpoint = successor(checkpoint);
                }
                let args = attest_args(checkpoint, &[endorse(checkpoint)]);
                world.submit(OWNER, BRIDGE, method::SUBMIT, args, 0, 30);
            }
            world.submit(MALLORY, BRIDGE, method::CLOSE, close.clone(), 0, 60);
            world.make_blocks(1);
        }
        world.run_until_idle();
        let signatures = world.published_signatures().len() - before;
        println!("{shards} shards that never wait: {signatures} signatures in a minute");
        assert!(checkpoints.iter().all(|checkpoint| checkpoint.height > 3), "a shard was left behind");
        per_minute.push(signatures);
    }
    let most = usize::try_from(60_000_000_000 / CLOSE_INTERVAL_NS).unwrap();
    assert!(per_minute.iter().all(|signatures| (most / 2..=most + 1).contains(signatures)), "{per_minute:?}");
    assert_eq!(per_minute[0], per_minute[1], "more shards cost more signatures");
}

#[test]
fn mallory_cannot_close_what_is_empty_under_way_or_too_early() {
    let mut world = World::with_shards(2, Curve::Secp256k1);
    let refused = world.close(Curve::Secp256k1).failure();
    assert!(refused.contains("secp256k1 round 0 has no checkpoint yet"), "{refused}");
    world.submit_first_of(2);
    let close = serde_json::to_vec(&RoundArgs { curve: Curve::Secp256k1 }).unwrap();
    let first = world.submit(OWNER, BRIDGE, method::CLOSE, close.clone(), 0, 60);
    let second = world.submit(MALLORY, BRIDGE, method::CLOSE, close, 0, 60);
    world.run_until_idle();
    world.outcome(&first).signature();
    let refused = world.outcome(&second).failure();
    assert!(refused.contains("the signer can be asked for secp256k1 round 0 from"), "{refused}");
    assert_eq!(world.published_signatures().len(), 1);
    let refused = world.close_in_time(Curve::Secp256k1).failure();
    assert!(refused.contains("secp256k1 round 1 has no checkpoint yet"), "{refused}");
}

#[test]
fn a_round_whose_signer_timed_out_is_signed_later_with_the_root_that_it_closed_with() {
    let mut world = World::with_shards(4, Curve::Secp256k1);
    let mut checkpoints = world.submit_first_of(2);
    world.chain.script_signer(SignerFault::NoAnswer);
    let outcome = world.close(Curve::Secp256k1);
    assert_eq!(outcome.value::<AttestResult>(), AttestResult::Failed);
    let failed = RoundFailed { curve: Curve::Secp256k1, round: 0, reason: AttestationFailure::SignerFailed };
    assert_eq!(outcome.events(), [Event::RoundFailed([failed])]);

    // Others gather in the next round, which waits for the one before.
    let late: Vec<_> = ["shard-2", "shard-3"].map(|name| world.first_checkpoint(name)).into();
    world.submit_all(&late);
    let rounds = world.rounds(Curve::Secp256k1);
    assert_eq!((rounds.open, rounds.size, rounds.closing), (1, 2, Some(0)));
    for round in 0..2 {
        let outcome = world.close_in_time(Curve::Secp256k1);
        let events = outcome.events();
        assert!(matches!(&events[..], [Event::RoundSigned([RoundSigned { round: of, size: 2, .. }])] if *of == round));
    }
    checkpoints.extend(late);
    for checkpoint in &checkpoints {
        world.assert_proved(checkpoint);
    }
}

#[test]
fn a_signature_that_comes_after_the_timeout_is_the_only_one_of_its_round() {
    let mut world = World::with_shards(2, Curve::Secp256k1);
    let checkpoints = world.submit_first_of(1);
    world.chain.script_signer(SignerFault::AnswerAfterBlocks(TIMEOUT_BLOCKS + 50));
    let close = serde_json::to_vec(&RoundArgs { curve: Curve::Secp256k1 }).unwrap();
    let asked = world.submit(MALLORY, BRIDGE, method::CLOSE, close.clone(), 0, 60);
    world.make_blocks(TIMEOUT_BLOCKS + 20);
    assert_eq!(world.outcome(&asked).value::<AttestResult>(), AttestResult::Failed);

    // The shard pays once more; its round stays as it is whatever is submitted since.
    world.submit(MALLORY, BRIDGE, method::SUBMIT, attest_args(&checkpoints[0], &[]), 0, 30);
    let other = world.first_checkpoint("shard-1");
    world.submit(OWNER, BRIDGE, method::SUBMIT, attest_args(&other, &[endorse(&other)]), 0, 30);
    world.make_blocks(2);
    let again = world.submit(MALLORY, BRIDGE, method::CLOSE, close, 0, 60);
    world.make_blocks(60);
    world.run_until_idle();
    let signature = world.outcome(&again).signature();
    assert_eq!(world.assert_proved(&checkpoints[0]).signature, signature);
    assert_eq!(world.round_proof("shard-1"), None);
    let published = world.published_signatures();
    for signature in published {
        let forged = Attestation { checkpoint: other.clone(), signature, ..world.assert_proved(&checkpoints[0]) };
        assert!(forged.verify::<Native>(&world.trust(BRIDGE), derive_public_key).is_err());
    }
}

#[test]
fn a_signer_that_signs_a_round_wrongly_is_not_believed() {
    for curve in [Curve::Secp256k1, Curve::Ed25519] {
        for fault in [SignerFault::WrongKey, SignerFault::WrongPayload, SignerFault::HighS] {
            let mut world = World::with_shards(2, curve);
            let checkpoints = world.submit_first_of(2);
            world.chain.script_signer(fault);
            let outcome = world.close(curve);
            let failed = RoundFailed { curve, round: 0, reason: AttestationFailure::WrongSignature };
            assert_eq!(outcome.events(), [Event::RoundFailed([failed])], "{fault:?}");
            assert_eq!(world.round_proof("shard-0"), None);
            assert_eq!(world.tip("shard-0").unwrap().attested, None);

            world.close_in_time(curve).signature();
            world.assert_proved(&checkpoints[1]);
        }
    }
}

#[test]
fn a_halted_signer_costs_a_request_and_whoever_waits_pays_for_the_next() {
    let mut world = World::with_shards(1, Curve::Secp256k1);
    let balance = world.shard("shard-0").unwrap().balance_yocto;
    let checkpoints = world.submit_first_of(1);
    world.chain.script_signer(SignerFault::Halted);
    assert_eq!(world.close(Curve::Secp256k1).value::<AttestResult>(), AttestResult::Failed);
    let refused = world.close_in_time(Curve::Secp256k1).failure();
    assert!(refused.contains("the pot of secp256k1 rounds has nothing left"), "{refused}");

    for _ in 0..2 {
        let again = world.submit_endorsed(&checkpoints[0]).value::<SubmitResult>();
        assert_eq!(again, position(Curve::Secp256k1, 0, 0));
    }
    assert_eq!(world.rounds(Curve::Secp256k1).pot_yocto, 1);
    world.close(Curve::Secp256k1).signature();
    assert_eq!(world.shard("shard-0").unwrap().balance_yocto, balance - 2);
    world.assert_proved(&checkpoints[0]);
}

#[test]
fn mallory_cannot_submit_for_another_shard_or_against_its_tip() {
    let mut world = World::with_shards(2, Curve::Secp256k1);
    let checkpoint = world.first_checkpoint("shard-0");
    let forged = sign_endorsement(&member_of("shard-1"), &scope_of(&checkpoint), &checkpoint);
    for endorsements in [vec![], vec![forged]] {
        let args = attest_args(&checkpoint, &endorsements);
        world.call(MALLORY, BRIDGE, method::SUBMIT, args, 0, 30).failure();
    }
    assert_eq!(world.tip("shard-0"), None);

    world.submit_endorsed(&checkpoint).success();
    let other = Checkpoint { heads_root: Hash([66; 32]), ..checkpoint.clone() };
    for outcome in [world.submit_endorsed(&other), world.attest_endorsed(&other)] {
        let refused = outcome.failure();
        assert!(refused.contains("height 0 of shard shard-0 is taken"), "{refused}");
    }
    assert_eq!(world.rounds(Curve::Secp256k1).size, 1);
    let curve = queue::codec::encode(&Curve::Secp256k1);
    for (private, args) in [("on_round_signature", [&curve[..], &[0; 8]].concat()), ("on_round_key", curve)] {
        let refused = world.call(MALLORY, BRIDGE, private, args, 0, 300).failure();
        assert!(refused.contains("private"), "{refused}");
    }
}

#[test]
fn a_round_proves_a_checkpoint_of_an_epoch_that_ended_while_it_waited() {
    let mut world = World::with_shards(1, Curve::Secp256k1);
    let checkpoints = world.submit_first_of(1);
    world.json(OWNER, BRIDGE, method::OPEN_INCARNATION, &json!({ "shard": "shard-0" }), NEAR).success();
    world.activate("shard-0").success();
    world.close(Curve::Secp256k1).signature();
    world.assert_proved(&checkpoints[0]);
    let opening = Checkpoint { key_epoch: 1, epoch_first_height: 1, ..successor(&checkpoints[0]) };
    assert_eq!(world.submit_endorsed(&opening).value::<SubmitResult>(), position(Curve::Secp256k1, 1, 0));
    world.close_in_time(Curve::Secp256k1).signature();
    world.assert_proved(&opening);
}

#[test]
fn rounds_are_kept_in_a_ring_that_does_not_grow_and_one_that_is_gone_is_named() {
    let mut world = World::with_shards(3, Curve::Secp256k1);
    let gone = world.first_checkpoint("shard-2");
    world.submit_endorsed(&gone).success();
    let mut checkpoints: Vec<_> = ["shard-0", "shard-1"].map(|name| world.first_checkpoint(name)).into();
    let mut bytes = Vec::new();
    for round in 0..3 * ROUNDS_KEPT {
        world.submit_all(&checkpoints);
        let proved = world.chain.view().call(&account(BRIDGE), method::ROUND_PROOF, br#"{"shard": "shard-2"}"#);
        if round < ROUNDS_KEPT {
            let gone_is_signed = round > 0;
            assert_eq!(world.round_proof("shard-2").is_some(), gone_is_signed, "round {round}");
        } else {
            let refused = format!("{:?}", proved.unwrap_err());
            assert!(refused.contains("secp256k1 round 0 is not kept any more"), "{refused}");
        }
        world.close_in_time(Curve::Secp256k1).signature();
        for checkpoint in &mut checkpoints {
            world.assert_proved(checkpoint);
            *checkpoint = successor(checkpoint);
        }
        bytes.push(world.chain.view().account(&account(BRIDGE)).unwrap().storage_usage());
    }
    let kept = usize::try_from(ROUNDS_KEPT).unwrap();
    assert_eq!(bytes[2 * kept - 1], bytes[3 * kept - 1], "{bytes:?}");
    // The way out: the same checkpoint, by itself.
    let signature = world.attest_endorsed(&gone).signature();
    verify(&world.trust(BRIDGE), &gone, &signature).unwrap();
}

#[test]
fn rounds_call_nobody_but_the_signer_and_the_contract_itself() {
    let mut world = World::with_shards(1, Curve::Secp256k1);
    let checkpoint = world.first_checkpoint("shard-0");
    let outcomes = [world.submit_endorsed(&checkpoint), world.close(Curve::Secp256k1)];
    // The caller's receipts are refunds of gas.
    let expected = [BRIDGE, MALLORY, SIGNER].map(String::from);
    for outcome in outcomes {
        assert!(outcome.success().executors().into_iter().all(|executor| expected.contains(&executor)));
    }
}

#[test]
fn too_little_gas_for_closing_is_refused_by_name() {
    let mut world = World::with_shards(1, Curve::Secp256k1);
    world.submit_first_of(1);
    let args = serde_json::to_vec(&RoundArgs { curve: Curve::Secp256k1 }).unwrap();
    let refused = world.call(MALLORY, BRIDGE, method::CLOSE, args.clone(), 0, 30).failure();
    assert!(refused.contains("the call has 30 Tgas, close takes at least 31"), "{refused}");
    world.call(MALLORY, BRIDGE, method::CLOSE, args, 0, 31).signature();
}

#[test]
fn nothing_is_submitted_or_closed_before_the_keys_of_rounds_are_known() {
    let mut world = World::deployed();
    world.init(BRIDGE, SIGNER).success();
    world.reserve("alpha").success();
    world.activate("alpha").success();
    let checkpoint = world.first_checkpoint("alpha");
    let refused = world.submit_endorsed(&checkpoint).failure();
    assert!(refused.contains("the key that signs secp256k1 rounds is not known yet"), "{refused}");
    assert_eq!(world.tip("alpha"), None);
    world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
    assert!(world.rounds(Curve::Ed25519).public_key.is_some());
    world.submit_endorsed(&checkpoint).success();
}

/// Real calls for every shard; gas by the number of shards whose checkpoints the round has.
#[test]
fn a_round_of_a_thousand_shards_takes_the_gas_of_a_small_one_and_one_signature() {
    const SHARDS: usize = 1_000;
    let mut world = World::with_shards(SHARDS, Curve::Secp256k1);
    let signatures = world.published_signatures().len();
    let checkpoints: Vec<_> = names(SHARDS).map(|name| world.first_checkpoint(&name)).collect();
    // An even index completes no other node, the last of a power of two the most.
    let mut most_by_size = Vec::new();
    let mut submitted = 0;
    for size in [1, 100, SHARDS] {
        let mut hashes = Vec::new();
        for checkpoint in &checkpoints[submitted..size] {
            let args = attest_args(checkpoint, &[endorse(checkpoint)]);
            hashes.push(world.submit(MALLORY, BRIDGE, method::SUBMIT, args, 0, 30));
        }
        world.run_until_idle();
        let gas: Vec<_> = hashes.iter().map(|hash| world.outcome(hash).success().tgas_burnt_on(BRIDGE)).collect();
        let most = gas.iter().copied().fold(0.0, f64::max);
        let average = gas.iter().sum::<f64>() / f64::from(u32::try_from(gas.len()).unwrap());
        println!("submit up to {size} shards: {average:.2} Tgas on average, {most:.2} at most");
        most_by_size.push(most);
        submitted = size;
    }
    assert!(most_by_size[2] < 2.0 * most_by_size[0], "{most_by_size:?}");

    let outcome = world.close(Curve::Secp256k1);
    outcome.signature();
    assert_eq!(world.published_signatures().len(), signatures + 1);
    let own = outcome.tgas_burnt_on(BRIDGE);
    println!("close with {SHARDS} shards: {own:.2} Tgas, callback included");
    assert!(own < 12.0, "{own} Tgas");
    for checkpoint in checkpoints.iter().step_by(97).chain(checkpoints.last()) {
        world.assert_proved(checkpoint);
    }
}

#[test]
fn closing_a_round_takes_little_gas_whatever_its_size() {
    for size in [1, 100] {
        let mut world = World::with_shards(size, Curve::Secp256k1);
        world.submit_first_of(size);
        let outcome = world.close(Curve::Secp256k1);
        outcome.signature();
        println!("close with {size} shards: {:.2} Tgas, callback included", outcome.tgas_burnt_on(BRIDGE));
    }
}
