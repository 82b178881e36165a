//! What becomes of each message: results, expiry, proofs; and those who lie about it.

use super::super::records::expiry_evidence_key;
use super::super::*;
use super::world::{S, World, name};
use crate::derivation::derive_public_key;
use crate::message::{Outcome, RequestResult, Tombstone};
use crate::proof::{DeliveryVerdict, ExpiryGround};
use crate::store::CrashPlan;

fn settled(world: &World, from: &str, to: &str, nonce: u64) -> Option<Settled> {
    match world.engine(from).outcome(&name(to), nonce).unwrap() {
        MessageState::Settled(settled) => Some(settled),
        _ => None,
    }
}

fn buried_at(result_nonce: u64) -> Option<Settled> {
    Some(Settled::Tombstone { reason: Tombstone::Expired, result_nonce })
}

/// What an inbox shows: the nonce, and the content or why there is none.
fn entries(world: &World, shard: &str) -> Vec<(u64, Result<Body, Tombstone>)> {
    let entries = world.engine(shard).inbox(0, usize::MAX).unwrap();
    let mut shown: Vec<InboxEntry> = entries;
    while let Some(last) = shown.last() {
        let more = world.engine(shard).inbox(last.position + 1, usize::MAX).unwrap();
        if more.is_empty() {
            break;
        }
        shown.extend(more);
    }
    let body = |bytes: Vec<u8>| Message::decode(&bytes).unwrap().body;
    shown.into_iter().map(|entry| (entry.nonce, entry.content.map(body))).collect()
}

fn tombstone_for(request_nonce: u64) -> Body {
    Body::Result(RequestResult { request_nonce, outcome: Outcome::Tombstone(Tombstone::Expired) })
}

/// A world in which beta has buried message 1 of three, and said so by a result.
fn buried() -> World {
    let mut world = World::new(CrashPlan::Prompt);
    world.send("alpha", "beta", "0");
    world.send_within("alpha", "beta", "1", 5 * S);
    world.send("alpha", "beta", "2");
    world.run();
    world.advance(6 * S);
    world.connect();
    world.run();
    world
}

/// A world in which beta has attested, after the deadline of message 1, that it has message 0 only.
fn expired() -> World {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    world.signer_is_down_for = Some(name("alpha"));
    world.send_within("alpha", "beta", "1", 5 * S);
    world.run();
    world.advance(6 * S);
    world.send("beta", "alpha", "news of the time");
    world.run();
    world.signer_is_down_for = None;
    world.advance(45 * S);
    world.run();
    world
}

#[test]
fn a_request_that_expires_comes_back_as_a_result_and_the_lane_goes_on() {
    let world = buried();
    assert_eq!(world.inbox_texts("beta"), ["0", "expired", "2"]);
    assert_eq!(entries(&world, "alpha"), [(0, Ok(tombstone_for(1)))]);
    assert_eq!(settled(&world, "alpha", "beta", 0), Some(Settled::Delivered));
    assert_eq!(settled(&world, "alpha", "beta", 1), buried_at(0));
    assert_eq!(settled(&world, "alpha", "beta", 2), Some(Settled::Delivered));
    assert_eq!(world.engine("alpha").status().outbound[0].settled, 3);
}

#[test]
fn a_result_speaks_for_the_shard_to_whoever_sent_the_request() {
    let world = buried();
    let entry = world.engine("alpha").inbox(0, 0).unwrap().remove(0);
    let message = Message::decode(&entry.content.unwrap()).unwrap();
    assert_eq!((message.sender.as_str(), message.receiver.as_str()), ("beta", "ann.alpha"));
}

#[test]
fn a_data_message_is_settled_once_the_reverse_lane_has_come_as_far_as_the_head_that_acknowledges_it() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    assert_eq!(world.engine("alpha").outcome(&name("beta"), 0), Ok(MessageState::Accepted));
    world.run();
    assert_eq!(settled(&world, "alpha", "beta", 0), Some(Settled::Delivered));
    world.send("alpha", "beta", "1");
    world.run();
    assert_eq!(world.engine("alpha").outcome(&name("beta"), 1), Ok(MessageState::Delivered));
    assert!(matches!(world.engine("alpha").outcome(&name("beta"), 2), Err(OutcomeError::NotThere { size: 2, .. })));
}

#[test]
fn a_crash_at_any_step_settles_each_message_once_and_alike_on_both_sides() {
    for step in 0..120 {
        let mut world = World::new(CrashPlan::Manual);
        for number in 0..3 {
            world.send_within("alpha", "beta", &number.to_string(), 5 * S);
            world.send_within("beta", "alpha", &number.to_string(), 5 * S);
        }
        world.run();
        world.advance(6 * S);
        world.connect();
        world.run_steps(step);
        for victim in ["alpha", "beta"] {
            world.crash(victim);
            world.connect();
            world.run();
        }
        world.advance(31 * S);
        world.run();
        for (from, to) in [("alpha", "beta"), ("beta", "alpha")] {
            let requests = entries(&world, to).into_iter().filter(|(_, entry)| *entry == Err(Tombstone::Expired));
            assert_eq!(requests.count(), 3, "step {step}: {to} buried another number");
            let answers = entries(&world, from);
            let mut expired = 0;
            for nonce in 0..3 {
                let is_answer = |entry: &&(u64, Result<Body, Tombstone>)| entry.1 == Ok(tombstone_for(nonce));
                let of: Vec<u64> = answers.iter().filter(is_answer).map(|(at, _)| *at).collect();
                // After a crash, an acknowledgement may prove the expiry before the tombstone comes.
                let expected = match of[..] {
                    [] => Some(Settled::Expired),
                    [result_nonce] => buried_at(result_nonce),
                    _ => panic!("step {step}: {from} has {of:?} for its message {nonce}"),
                };
                assert_eq!(settled(&world, from, to, nonce), expected, "step {step}: {from} {nonce}");
                expired += usize::from(of.is_empty());
            }
            let unexpected = answers.iter().filter(|(_, entry)| *entry == Err(Tombstone::UnexpectedResult)).count();
            assert_eq!(unexpected, expired, "step {step}: {from} has a tombstone too few or too many");
            assert_eq!(super::audit::audited(&world, from, &world.copy(from)).findings, [], "step {step}: {from}");
        }
    }
}

#[test]
fn a_message_is_expired_by_the_first_attested_head_that_is_past_its_deadline_without_it() {
    let world = expired();
    assert_eq!(settled(&world, "alpha", "beta", 0), Some(Settled::Delivered));
    assert_eq!(settled(&world, "alpha", "beta", 1), Some(Settled::Expired));
    let buried = entries(&world, "beta").into_iter().find(|(nonce, _)| *nonce == 1);
    assert_eq!(buried, Some((1, Err(Tombstone::Expired))), "beta ran what it had attested to be expired");
    let late = entries(&world, "alpha").into_iter().filter(|(_, entry)| *entry == Err(Tombstone::UnexpectedResult));
    assert_eq!(late.count(), 1, "the tombstone came second, and settles nothing");
    assert_eq!(world.engine("alpha").status().outbound[0].frozen, None);
}

#[test]
fn expiry_is_still_known_and_proved_after_a_restart() {
    let mut world = expired();
    world.crash("alpha");
    assert_eq!(settled(&world, "alpha", "beta", 1), Some(Settled::Expired));
    let trust = world.config("beta").trust;
    let proof = world.engine("alpha").prove_expiry(&name("beta"), None, 1).unwrap();
    assert!(matches!(proof.ground, ExpiryGround::Checkpoint(_)));
    let verified = proof.verify::<Native>(&trust, derive_public_key).unwrap();
    assert_eq!((verified.nonce, verified.reason, verified.result_nonce), (1, Tombstone::Expired, None));
}

#[test]
fn a_tombstone_proves_to_a_stranger_that_a_message_never_ran() {
    let world = buried();
    let trust = world.config("beta").trust;
    let proof = world.engine("alpha").prove_expiry(&name("beta"), None, 1).unwrap();
    let verified = proof.verify::<Native>(&trust, derive_public_key).unwrap();
    assert_eq!((verified.reason, verified.result_nonce), (Tombstone::Expired, Some(0)));
    for delivered in [0, 2] {
        let refused = world.engine("alpha").prove_expiry(&name("beta"), None, delivered);
        assert!(matches!(refused, Err(SettlementProofError::NotExpired { .. })), "{refused:?}");
        let proof = world.engine("alpha").prove_delivery(&name("beta"), None, delivered).unwrap();
        let verified = proof.verify::<Native>(&trust, derive_public_key).unwrap();
        assert!(matches!(verified.verdict, DeliveryVerdict::Delivered(_)));
    }
    let refused = world.engine("alpha").prove_delivery(&name("beta"), None, 1);
    assert!(matches!(refused, Err(SettlementProofError::NeverRan { .. })), "{refused:?}");
}

#[test]
fn a_delivery_before_the_deadline_can_be_proved_when_newer_heads_are_past_it() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    for round in 0..5 {
        world.send_within("alpha", "beta", &round.to_string(), 60 * S);
        world.run();
        world.advance(31 * S);
        world.run();
    }
    world.advance(100 * S);
    world.send("alpha", "beta", "later");
    world.run();
    world.advance(31 * S);
    world.run();
    let trust = world.config("beta").trust;
    for nonce in 0..5 {
        let proof = world.engine("alpha").prove_delivery(&name("beta"), None, nonce).unwrap();
        let verified = proof.verify::<Native>(&trust, derive_public_key).unwrap();
        assert!(matches!(verified.verdict, DeliveryVerdict::Delivered(_)), "{nonce}: {:?}", verified.verdict);
    }
}

#[test]
fn what_retention_has_let_go_is_pruned_and_says_so() {
    let settling = Settling { retention_bytes_max: 100_000, ..Settling::default() };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
    world.connect();
    let text = "x".repeat(1_000);
    for _ in 0..8 {
        for _ in 0..50 {
            world.send_within("alpha", "beta", &text, 1_000 * S);
        }
        world.run();
        world.advance(31 * S);
        world.run();
    }
    let alpha = world.engine("alpha");
    let pruned = alpha.prove_delivery(&name("beta"), None, 0);
    assert!(
        matches!(pruned, Err(SettlementProofError::Message(OutcomeError::Pruned { first: 256, .. }))),
        "{pruned:?}"
    );
    assert!(matches!(alpha.outcome(&name("beta"), 255), Err(OutcomeError::Pruned { .. })));
    assert!(alpha.prove_delivery(&name("beta"), None, 256).is_ok());
    assert_eq!(alpha.outcome(&name("beta"), 256), Ok(MessageState::Settled(Settled::Delivered)));
}

#[test]
fn a_deadline_that_passes_makes_the_source_wish_for_a_head_and_the_destination_seal_one() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    world.signer_is_down_for = Some(name("alpha"));
    let deadline_ns = world.now().mono_ns + 40 * S;
    world.send_within("alpha", "beta", "1", 40 * S);
    world.run();
    let before = world.heights_asked("beta").len();
    while world.now().mono_ns < deadline_ns {
        assert_eq!(world.heights_asked("beta").len(), before, "sealed before the deadline");
        let (at_ns, _) = world.engine("alpha").poll_timeout().unwrap();
        world.advance(at_ns - world.now().mono_ns);
        world.run();
    }
    assert_eq!(world.now().mono_ns, deadline_ns, "no timer was set for the deadline");
    assert_eq!(world.heights_asked("beta").len(), before + 1, "one wish, one checkpoint");
    assert_eq!(settled(&world, "alpha", "beta", 1), Some(Settled::Expired));
    for _ in 0..3 {
        world.advance(31 * S);
        world.run();
    }
    assert_eq!(world.heights_asked("beta").len(), before + 1, "a wish was answered twice");
}

#[test]
fn mallory_wishing_without_end_gets_one_checkpoint_in_30_seconds() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    let before = world.heights_asked("beta").len();
    for time_ns in (0..300).chain([u64::MAX]) {
        let now = world.now();
        let wish = crate::codec::encode(&crate::frame::SenderFrame::Wish { time_ns });
        world.engine_mut("beta").handle_sender_frame(&name("alpha"), &wish, now).unwrap();
        world.run();
    }
    assert_eq!(world.heights_asked("beta").len(), before, "the interval has not passed, and the last is far ahead");
    for second in 0..60 {
        let now = world.now();
        let wish = crate::codec::encode(&crate::frame::SenderFrame::Wish { time_ns: second });
        world.engine_mut("beta").handle_sender_frame(&name("alpha"), &wish, now).unwrap();
        world.advance(S);
        world.run();
    }
    assert_eq!(world.heights_asked("beta").len(), before + 2);
}

/// Mallory's beta appends this to its lane to alpha, and has it attested.
fn beta_says(world: &mut World, body: Body) {
    let beta = world.engine_mut("beta");
    let outbound = beta.outbound.get_mut(&name("alpha")).unwrap();
    let message = Message {
        version: MESSAGE_VERSION,
        salt: Hash([1; 32]),
        sender: "beta".parse().unwrap(),
        receiver: "ann.alpha".parse().unwrap(),
        deadline_ns: None,
        body,
    };
    let note = Note { kind: NoteKind::Data, deadline_ns: None };
    outbound.enqueue(&message.encode(), note, &mut beta.journal);
    world.run();
}

#[test]
fn mallory_cannot_settle_a_request_twice_or_one_that_awaits_nothing() {
    let mut world = buried();
    for nonce in [0, 1, 2, 3, u64::MAX] {
        beta_says(&mut world, tombstone_for(nonce));
        beta_says(
            &mut world,
            Body::Result(RequestResult { request_nonce: nonce, outcome: Outcome::Failure("no".into()) }),
        );
        beta_says(&mut world, Body::Result(RequestResult { request_nonce: nonce, outcome: Outcome::Success(vec![]) }));
    }
    let unexpected = entries(&world, "alpha").into_iter().skip(1);
    assert_eq!(unexpected.filter(|(_, entry)| *entry == Err(Tombstone::UnexpectedResult)).count(), 15);
    assert_eq!(settled(&world, "alpha", "beta", 1), buried_at(0));
    assert_eq!(settled(&world, "alpha", "beta", 0), Some(Settled::Delivered));
    assert_eq!(world.engine("alpha").status().outbound[0].accepted, 3, "a result got a result");
    assert_eq!(world.engine("alpha").status().outbound[0].frozen, None);
}

#[test]
fn a_success_for_an_expired_request_is_a_signed_contradiction_and_freezes_the_lane_to_the_liar() {
    let mut world = expired();
    let success = Body::Result(RequestResult { request_nonce: 1, outcome: Outcome::Success(b"paid".to_vec()) });
    beta_says(&mut world, success);
    let status = world.engine("alpha").status();
    let reason = status.outbound[0].frozen.clone().expect("frozen");
    assert!(reason.contains("request 1 ran"), "{reason}");
    assert_eq!(status.inbound[0].frozen, None);
    assert_eq!(settled(&world, "alpha", "beta", 1), Some(Settled::Expired));
    assert!(matches!(world.try_send("alpha", "beta", "more"), Err(EnqueueError::Frozen { .. })));
    let alpha = world.engine("alpha");
    let lane = &alpha.outbound[&name("beta")].record.lane;
    assert_eq!(alpha.evidence().unwrap().len(), 1);
    assert!(alpha.store.get(&expiry_evidence_key(lane, 1)).unwrap().is_some());
}

#[test]
fn garbage_and_forged_senders_are_answered_to_the_shard_itself() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    let note = Note { kind: NoteKind::Data, deadline_ns: None };
    let beta = world.engine_mut("beta");
    let outbound = beta.outbound.get_mut(&name("alpha")).unwrap();
    outbound.enqueue(&[1; 40], note, &mut beta.journal);
    let mut forged = World::request("beta", "alpha", "as gamma");
    forged.sender = "ann.gamma".parse().unwrap();
    let message = Message {
        version: MESSAGE_VERSION,
        salt: Hash([1; 32]),
        sender: forged.sender,
        receiver: forged.receiver,
        deadline_ns: None,
        body: forged.body,
    };
    outbound.enqueue(&message.encode(), note, &mut beta.journal);
    world.run();
    let results = world.engine("beta").inbox(0, usize::MAX).unwrap();
    let reasons = [Tombstone::Malformed, Tombstone::SenderNotYours];
    for (nonce, (entry, reason)) in (0..).zip(results.into_iter().zip(reasons)) {
        let message = Message::decode(&entry.content.unwrap()).unwrap();
        assert_eq!((message.sender.as_str(), message.receiver.as_str()), ("alpha", "beta"));
        let outcome = Outcome::Tombstone(reason);
        assert_eq!(message.body, Body::Result(RequestResult { request_nonce: nonce, outcome }));
    }
}
