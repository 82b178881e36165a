//! Proof files before the contract: what a third contract, or anybody with a view call, is told.

use crate::attested::*;
use crate::world::*;
use bridge_contract::rules::verify::VERIFY_MESSAGE_BYTES_MAX;
use queue::attestation::{Attestation, AttestationKind};
use queue::checkpoint::Checkpoint;
use queue::contract::{
    AttestedHead, Endorsements, Proven, RekeyArgs, ReserveArgs, ShardArgs, ShardStatus, Shows, Verification,
    VerifyArgs, method,
};
use queue::digest::Hash;
use queue::heads::Head;
use queue::ids::Lane;
use queue::message::{Body, Message, Outcome as Became, RequestResult, Tombstone};
use queue::proof::{EXPIRY_PROOF_FORMAT, ExpiryGround, ExpiryProof, HeadProof, MessageProof, ResultProof};
use queue::statement::Statement;
use queue::trust::Curve;
use serde_json::{Value, json};

fn lane() -> Lane {
    let (source, destination) = (shard("alpha"), shard("beta"));
    Lane { source, destination, source_incarnation: 0, destination_incarnation: 0 }
}

fn attested(name: &str, height: u64, time_ns: u64, size: u64, status: ShardStatus) -> AttestedHead {
    AttestedHead { shard: shard(name), height, time_ns, size, status }
}

fn with_alpha_and_beta_on(curve: Curve) -> World {
    let mut world = World::with_alpha_on(curve);
    world.json(OWNER, BRIDGE, method::RESERVE, &ReserveArgs { curve, ..reservation("beta") }, NEAR).success();
    world.activate("beta").success();
    world
}

#[track_caller]
fn refused(world: &World, method: &str, proof: &impl serde::Serialize) -> String {
    match world.view(BRIDGE, method, &VerifyArgs { proof }) {
        Verification::Refused(why) => {
            assert!(!why.verified);
            why.reason
        }
        Verification::Proven(proven) => panic!("{proven:?}"),
    }
}

#[track_caller]
fn proven(world: &World, method: &str, proof: &impl serde::Serialize) -> Proven {
    match world.view(BRIDGE, method, &VerifyArgs { proof }) {
        Verification::Proven(proven) => {
            assert!(proven.verified);
            proven
        }
        Verification::Refused(why) => panic!("{}", why.reason),
    }
}

#[test]
fn any_message_ever_sent_is_verified_under_the_newest_attestation() {
    for curve in CURVES {
        let mut world = with_alpha_and_beta_on(curve);
        let log = Log::numbered("message", 11);
        for size in [1, 4, 11] {
            world.attest_head("alpha", log.sent("beta", size));
        }
        let newest = world.attest_head("alpha", log.sent("beta", 11));
        let Checkpoint { height, time_ns, .. } = newest.attestation.checkpoint;
        for nonce in 0..11 {
            let proof = world.message_proof(&log, nonce, newest.clone());
            let shown = proven(&world, method::VERIFY_MESSAGE, &proof);
            let attested = vec![attested("alpha", height, time_ns, 11, ShardStatus::Active)];
            let (shows, lane) = (Shows::Sent, lane());
            assert_eq!(shown, Proven { verified: true, shows, reason: None, lane, nonce, attested });
        }
    }
}

#[test]
fn another_contract_and_a_person_with_a_view_call_get_the_same_answer() {
    let mut world = World::with_alpha();
    let log = Log::numbered("message", 3);
    let head = world.attest_head("alpha", log.sent("beta", 3));
    let args = VerifyArgs { proof: world.message_proof(&log, 1, head) };
    let viewed: Value = world.view(BRIDGE, method::VERIFY_MESSAGE, &args);
    let called: Value = world.json(MALLORY, BRIDGE, method::VERIFY_MESSAGE, &args, 0).value();
    assert_eq!(viewed, called);
    assert_eq!(viewed["verified"], true);
    assert_eq!(viewed["attested"][0]["status"], "active");
}

#[test]
fn a_message_is_verified_in_logs_of_any_length_within_a_tenth_of_a_calls_gas() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        for size in [1_000, 1_000_000, 1_000_000_000] {
            let message = data("a message of usual length, some two hundred bytes as most of them are").encode();
            let (inclusion, sent_root) = tall_log(&message, size);
            let head = world.attest_head("alpha", Head { sent_size: size, sent_root, ..idle("beta") });
            let log = Log::numbered("other", 1);
            let proof = MessageProof { message, inclusion, ..world.message_proof(&log, 0, head_of_one(&head)) };
            let args = VerifyArgs { proof: MessageProof { head, ..proof } };
            let outcome = world.json(MALLORY, BRIDGE, method::VERIFY_MESSAGE, &args, 0);
            assert_eq!(outcome.value::<Value>()["verified"], true);
            let tgas = outcome.tgas_burnt_on(BRIDGE);
            println!("verify_message in a log of {size} on {curve} burns {tgas:.2} Tgas");
            assert!(tgas < 30.0, "{tgas}");
        }
    }
}

/// The same head proof, of a log of one: for a proof whose inclusion is put in later.
fn head_of_one(head: &HeadProof) -> HeadProof {
    HeadProof { head: Head { sent_size: 1, ..head.head.clone() }, ..head.clone() }
}

#[test]
fn the_longest_message_that_is_verified_fits_one_call_and_a_longer_one_is_refused_by_name() {
    let mut world = World::with_alpha();
    let empty = data("").encode().len();
    for (length, fits) in [(VERIFY_MESSAGE_BYTES_MAX, true), (VERIFY_MESSAGE_BYTES_MAX + 1, false)] {
        let log = Log::of([data(&"x".repeat(length - empty))]);
        assert_eq!(log.messages[0].len(), length);
        let head = world.attest_head("alpha", log.sent("beta", 1));
        let args = VerifyArgs { proof: world.message_proof(&log, 0, head) };
        let outcome = world.json(MALLORY, BRIDGE, method::VERIFY_MESSAGE, &args, 0);
        let tgas = outcome.tgas_burnt_on(BRIDGE);
        println!("verify_message of {length} bytes burns {tgas:.1} Tgas");
        let answer: Value = outcome.value();
        assert_eq!(answer["verified"], fits, "{answer}");
        let too_long = format!("the message has {length} bytes, one call verifies at most {VERIFY_MESSAGE_BYTES_MAX}");
        assert!(fits || answer["reason"].as_str().unwrap().starts_with(&too_long), "{answer}");
    }
}

#[test]
fn mallory_changes_a_proof_anywhere_and_is_told_that_it_proves_nothing() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let log = Log::numbered("message", 5);
        let head = world.attest_head("alpha", log.sent("beta", 5));
        let proof = world.message_proof(&log, 2, head);
        proven(&world, method::VERIFY_MESSAGE, &proof);

        let good = serde_json::to_value(&proof).unwrap();
        let other_hash = Value::from("66".repeat(32));
        for (place, value, reason) in [
            ("/nonce", Value::from(3), "is not number 3 of the attested lane"),
            ("/message", Value::from("AAAA"), "is not number 2 of the attested lane"),
            ("/inclusion/0", other_hash.clone(), "is not number 2 of the attested lane"),
            ("/inclusion", json!(vec![other_hash.clone(); 64]), "a path of 64 hashes is longer than the limit of 63"),
            ("/head/head/sent_size", Value::from(6), "is not in the attested checkpoint"),
            ("/head/head/peer", Value::from("gamma"), "is not in the attested checkpoint"),
            ("/head/path/0", other_hash.clone(), "is not in the attested checkpoint"),
            ("/head/attestation/checkpoint/heads_root", other_hash.clone(), "the signature is not the signer's"),
            ("/head/attestation/checkpoint/height", Value::from(1), "names no previous checkpoint"),
            ("/head/attestation/checkpoint/shard", Value::from("gamma"), "shard gamma is not registered"),
            ("/head/attestation/checkpoint/domain/instance", other_hash.clone(), "attested by bridge bridge on"),
            ("/head/attestation/kind", Value::from("round"), "the signature is not the signer's"),
            ("/trust/instance", other_hash, "the file's trust root is not the pinned one"),
            ("/format", Value::from("something else"), "file format is \"something else\""),
            ("/head/head", Value::Null, "head is missing, or not what the file's format says"),
        ] {
            let mut changed = good.clone();
            *changed.pointer_mut(place).unwrap() = value;
            let found = refused(&world, method::VERIFY_MESSAGE, &changed);
            assert!(found.contains(reason), "{place}: {found}");
        }
    }
}

#[test]
fn what_is_no_json_fails_the_call_and_a_file_of_another_shape_is_answered() {
    let mut world = World::with_alpha();
    let refused = world.call(MALLORY, BRIDGE, method::VERIFY_MESSAGE, b"{".to_vec(), 0, 100).failure();
    assert!(refused.contains("the arguments do not parse"), "{refused}");
    let refused = world.json(MALLORY, BRIDGE, method::VERIFY_MESSAGE, &json!({}), 0).failure();
    assert!(refused.contains("missing field `proof`"), "{refused}");
    for args in [json!({ "proof": 7 }), json!({ "proof": {} }), json!({ "proof": [] })] {
        let answer: Value = world.json(MALLORY, BRIDGE, method::VERIFY_MESSAGE, &args, 0).value();
        assert_eq!(answer["verified"], false, "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains("not what the file's format says"), "{answer}");
    }
}

#[test]
fn a_proof_from_mallorys_own_bridge_proves_nothing_here() {
    let mut world = World::with_alpha();
    world.init(OTHER_BRIDGE, SIGNER).success();
    world.json(MALLORY, OTHER_BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
    let log = Log::numbered("message", 1);
    let head = world.attest_head("alpha", log.sent("beta", 1));
    let proof = world.message_proof(&log, 0, head);
    let args = VerifyArgs { proof: MessageProof { trust: world.trust(OTHER_BRIDGE), ..proof.clone() } };
    let there: Value = world.view(OTHER_BRIDGE, method::VERIFY_MESSAGE, &args);
    assert_eq!(there["reason"], "shard alpha is not registered at this bridge");
    let found = refused(&world, method::VERIFY_MESSAGE, &args.proof);
    assert!(found.contains("the file's trust root is not the pinned one: it names bridge bridge-b"), "{found}");
}

#[test]
fn a_height_outside_of_its_key_epoch_proves_nothing_though_its_key_signed_it() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let log = Log::numbered("message", 2);
        let in_epoch = world.attest_head("alpha", log.sent("beta", 2));
        rekey(&mut world, curve);
        let newest = world.attest_head("alpha", log.sent("beta", 2));
        for head in [&in_epoch, &newest] {
            proven(&world, method::VERIFY_MESSAGE, &world.message_proof(&log, 1, head.clone()));
        }

        let at = |height, key_epoch, epoch_first_height| Checkpoint {
            height,
            key_epoch,
            epoch_first_height,
            previous: Hash([1; 32]),
            ..in_epoch.attestation.checkpoint.clone()
        };
        for (checkpoint, reason) in [
            (at(1, 0, 0), "height 1 of shard alpha is not in key epoch 0, which begins at 0 and has ended before 1"),
            (at(2, 1, 2), "height 2 of shard alpha is not in key epoch 1, which begins at 1 and has not ended"),
            (at(3, 2, 3), "shard alpha has no key epoch 2 with a known key"),
        ] {
            let attestation = world.attested_behind_the_contract(checkpoint, curve);
            let head = HeadProof { attestation, ..in_epoch.clone() };
            let found = refused(&world, method::VERIFY_MESSAGE, &world.message_proof(&log, 1, head));
            assert_eq!(found, reason);
        }
    }
}

fn rekey(world: &mut World, curve: Curve) {
    let checkpoint = world.tip("alpha").unwrap().checkpoint;
    let statement = Statement::Rekey { key_epoch: 1, curve };
    let signed = sign_statement(0, &member_of("alpha"), &scope_of(&checkpoint), &statement);
    let endorsements = Endorsements::try_from(vec![signed]).unwrap();
    let args = RekeyArgs { shard: shard("alpha"), curve, endorsements };
    world.json(OWNER, BRIDGE, method::REKEY, &args, NEAR).success();
    world.activate("alpha").success();
}

#[test]
fn a_message_is_verified_under_a_round_as_under_a_signature_of_its_own() {
    for curve in CURVES {
        let mut world = with_alpha_and_beta_on(curve);
        let log = Log::numbered("message", 3);
        let head = log.sent("beta", 3);
        let (root, path) = trie(&head);
        let checkpoint = world.next_checkpoint("alpha", root);
        world.submit_endorsed(&world.first_checkpoint("beta")).success();
        world.submit_endorsed(&checkpoint).success();
        world.close_in_time(curve).success();
        let attestation = world.round_proof("alpha").unwrap();
        assert_eq!((attestation.kind, attestation.size), (AttestationKind::Round, 2));
        let head = HeadProof { head, path, attestation };
        let proof = world.message_proof(&log, 2, head.clone());
        assert_eq!(proven(&world, method::VERIFY_MESSAGE, &proof).attested[0].height, 0);

        let attestation = Attestation { index: 0, ..head.attestation.clone() };
        let elsewhere = world.message_proof(&log, 2, HeadProof { attestation, ..head });
        let found = refused(&world, method::VERIFY_MESSAGE, &elsewhere);
        assert!(found.contains("the signature is not the signer's for this checkpoint"), "{found}");
    }
}

#[test]
fn a_proof_holds_for_ever_and_the_answer_tells_where_its_shard_stands() {
    let mut world = World::with_alpha();
    let log = Log::numbered("message", 1);
    let head = world.attest_head("alpha", log.sent("beta", 1));
    let proof = world.message_proof(&log, 0, head);
    for (method, status) in [(method::PAUSE, ShardStatus::Paused), (method::RETIRE, ShardStatus::Retired)] {
        world.json(OWNER, BRIDGE, method, &ShardArgs { shard: shard("alpha") }, 0).success();
        assert_eq!(proven(&world, method::VERIFY_MESSAGE, &proof).attested[0].status, status);
    }
}

#[test]
fn a_delivery_is_told_from_a_mere_decision() {
    for curve in CURVES {
        let mut world = with_alpha_and_beta_on(curve);
        let call = Message { sender: "beta".parse().unwrap(), ..data("from another shard's account") };
        let log = Log::of([data("hello"), call]);
        let head = world.attest_head("beta", log.received("alpha", 2));
        let Checkpoint { height, time_ns, .. } = head.attestation.checkpoint;
        let delivered = proven(&world, method::VERIFY_DELIVERY, &world.delivery_proof(&log, 0, head.clone()));
        assert_eq!((delivered.shows, delivered.lane, delivered.reason), (Shows::Delivered, lane(), None));
        assert_eq!(delivered.attested, [attested("beta", height, time_ns, 2, ShardStatus::Active)]);
        let decided = proven(&world, method::VERIFY_DELIVERY, &world.delivery_proof(&log, 1, head.clone()));
        assert_eq!(decided.shows, Shows::Decided);
        assert!(decided.reason.unwrap().contains("not from an account of its source"));

        let mut beyond = world.delivery_proof(&log, 1, head);
        beyond.nonce = 2;
        let found = refused(&world, method::VERIFY_DELIVERY, &beyond);
        assert!(found.contains("is not number 2 of the attested lane of 2 messages"), "{found}");
    }
}

#[test]
fn an_expiry_is_proven_by_a_later_checkpoint_or_by_the_tombstone_and_not_before_its_time() {
    for curve in CURVES {
        let mut world = with_alpha_and_beta_on(curve);
        let deadline_ns = world.now_ns + 60_000_000_000;
        let log = Log::of([Message { deadline_ns: Some(deadline_ns), ..data("in time or not at all") }]);
        let sent = world.attest_head("alpha", log.sent("beta", 1));
        let early = world.attest_head("beta", idle("alpha"));
        let expiry = |ground| ExpiryProof {
            format: EXPIRY_PROOF_FORMAT.to_owned(),
            trust: world.trust(BRIDGE),
            nonce: 0,
            message: log.messages[0].clone(),
            inclusion: Vec::new(),
            sent: sent.clone(),
            ground,
        };
        let too_early = expiry(ExpiryGround::Checkpoint(early));
        let template = too_early.clone();
        let found = refused(&world, method::VERIFY_EXPIRY, &too_early);
        assert!(found.contains("is before the deadline"), "{found}");

        world.wait(70_000_000_000);
        let late = world.attest_head("beta", idle("alpha"));
        let Checkpoint { height, time_ns, .. } = late.attestation.checkpoint;
        let shown = proven(
            &world,
            method::VERIFY_EXPIRY,
            &ExpiryProof { ground: ExpiryGround::Checkpoint(late), ..template.clone() },
        );
        assert_eq!((shown.shows, shown.lane, shown.reason.as_deref()), (Shows::NeverRuns, lane(), Some("expired")));
        assert_eq!(shown.attested[1], attested("beta", height, time_ns, 0, ShardStatus::Active));
        assert_eq!((shown.attested[0].shard.as_str(), shown.attested[0].size), ("alpha", 1));

        let outcome = Became::Tombstone(Tombstone::ReceiverNotMine);
        let body = Body::Result(RequestResult { request_nonce: 0, outcome });
        let (sender, receiver) = ("beta".parse().unwrap(), "ann.alpha".parse().unwrap());
        let results = Log::of([Message { sender, receiver, body, ..data("") }]);
        let head = world.attest_head("beta", Head { sent_size: 1, sent_root: results.root_at(1), ..idle("alpha") });
        let (message, inclusion) = (results.messages[0].clone(), Vec::new());
        let ground = ExpiryGround::Result(ResultProof { nonce: 0, message, inclusion, head });
        let outcome = world.json(
            MALLORY,
            BRIDGE,
            method::VERIFY_EXPIRY,
            &VerifyArgs { proof: ExpiryProof { ground, ..template } },
            0,
        );
        println!("verify_expiry by a tombstone on {curve} burns {:.2} Tgas", outcome.tgas_burnt_on(BRIDGE));
        let Verification::Proven(shown) = outcome.value() else { panic!("not proven") };
        assert_eq!(shown.reason.as_deref(), Some("not for an account of its destination"));
    }
}
