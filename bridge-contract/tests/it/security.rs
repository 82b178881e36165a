//! The security argument: what the contract promises, one test each, honest and adversarial, on
//! both curves. `specs/threat-model.md` says which threat each answers. Nothing here looks inside:
//! it calls the Wasm, and verifies offline what becomes public.

use crate::world::*;
use chain::SignerFault;
use ed25519_dalek::{Signer as _, SigningKey};
use queue::attestation::shard_path;
use queue::checkpoint::Checkpoint;
use queue::contract::{AttestArgs, Endorsement, Endorsements, EpochView, ReserveArgs, method};
use queue::derivation::derive_public_key;
use queue::digest::{Hash, Native};
use queue::statement::{Statement, StatementScope};
use queue::trust::{Curve, PublicKey};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The signer forgets a request after this many blocks, and its nodes may still answer.
const TIMEOUT_BLOCKS: u64 = 200;

const EVE: &str = "eve";

fn other(curve: Curve) -> Curve {
    if curve == Curve::Secp256k1 { Curve::Ed25519 } else { Curve::Secp256k1 }
}

/// What Mallory would rather have signed at the same height.
fn rival_of(checkpoint: &Checkpoint) -> Checkpoint {
    Checkpoint { heads_root: Hash([66; 32]), ..checkpoint.clone() }
}

fn member(index: u16) -> SigningKey {
    key_of(&format!("member {index} of alpha"))
}

/// One bridge with the active shard `alpha` of four members, of whom three must agree.
fn world_of_four(curve: Curve) -> World {
    let mut world = World::initialised();
    let members = (0..4).map(|index| PublicKey::Ed25519(member(index).verifying_key().to_bytes())).collect();
    let args = ReserveArgs { members, threshold: 3, curve, ..reservation("alpha") };
    world.json(OWNER, BRIDGE, method::RESERVE, &args, NEAR).success();
    world.activate("alpha").success();
    world
}

fn by(members: &[u16], scope: &StatementScope, statement: &Statement) -> Vec<Endorsement> {
    members.iter().map(|index| sign_statement(*index, &member(*index), scope, statement)).collect()
}

fn endorsed_by(members: &[u16], checkpoint: &Checkpoint) -> Vec<Endorsement> {
    by(members, &scope_of(checkpoint), &Statement::Endorse { checkpoint: checkpoint.hash::<Native>() })
}

fn rekey(world: &mut World, to: Curve, statement: &Statement, key: &SigningKey) -> Outcome {
    let scope = scope_of(&world.first_checkpoint("alpha"));
    let endorsement = sign_statement(0, key, &scope, statement);
    let args = json!({ "shard": "alpha", "curve": to, "endorsements": [endorsement] });
    world.json(MALLORY, BRIDGE, method::REKEY, &args, NEAR)
}

/// Opens key epoch 1 of `alpha`, right after the tip.
fn open_epoch_1(world: &mut World, curve: Curve) {
    rekey(world, curve, &Statement::Rekey { key_epoch: 1, curve }, &member_of("alpha")).success();
    world.activate("alpha").success();
}

#[test]
fn what_another_bridge_has_signed_means_nothing_under_this_trust_root() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        world.init(OTHER_BRIDGE, SIGNER).success();
        world.json(MALLORY, OTHER_BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
        let (trust, mallorys) = (world.trust(BRIDGE), world.trust(OTHER_BRIDGE));
        let args = ReserveArgs { curve, ..reservation("alpha") };
        world.json(MALLORY, OTHER_BRIDGE, method::RESERVE, &args, NEAR).success();
        world.json(MALLORY, OTHER_BRIDGE, method::ACTIVATE, &json!({ "shard": "alpha" }), 0).success();

        let honest = world.first_checkpoint("alpha");
        let forged = Checkpoint { domain: mallorys.domain.clone(), ..honest.clone() };
        let args = attest_args(&forged, &[endorse(&forged)]);
        let signature = world.call(MALLORY, OTHER_BRIDGE, method::ATTEST, args, 0, 60).signature();
        verify(&mallorys, &forged, &signature).unwrap();
        for claimed in [&forged, &honest] {
            assert!(verify(&trust, claimed, &signature).is_err());
        }
        let signature = world.attest_endorsed(&honest).signature();
        verify(&trust, &honest, &signature).unwrap();
        assert!(verify(&mallorys, &honest, &signature).is_err());
    }
}

#[test]
fn one_height_gets_one_checkpoint_through_timeouts_late_answers_and_epochs() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let trust = world.trust(BRIDGE);
        let first = world.first_checkpoint("alpha");
        world.chain.script_signer(SignerFault::AnswerAfterBlocks(TIMEOUT_BLOCKS + 50));
        let args = attest_args(&first, &[endorse(&first)]);
        world.submit(OWNER, BRIDGE, method::ATTEST, args, 0, 60);
        world.make_blocks(TIMEOUT_BLOCKS + 20);
        assert_eq!(world.tip("alpha").unwrap().signature, None, "the request has timed out");

        // Mallory, who has the member's key, tries within the epoch and across it.
        let rival = rival_of(&first);
        world.submit(MALLORY, BRIDGE, method::ATTEST, attest_args(&rival, &[endorse(&rival)]), 0, 60);
        world.make_blocks(60);
        open_epoch_1(&mut world, other(curve));
        let rivals =
            [rival.clone(), Checkpoint { key_epoch: 1, ..rival.clone() }, Checkpoint { key_epoch: 1, ..first.clone() }];
        for rival in &rivals {
            let refused = world.attest_endorsed(rival).failure();
            assert!(refused.contains("height 0 of shard alpha is taken"), "{refused}");
        }
        let next = Checkpoint { key_epoch: 1, epoch_first_height: 1, ..successor(&first) };
        assert_eq!(world.attest_endorsed(&next).signature().curve(), other(curve));

        let published = world.published_signatures();
        assert_eq!(published.len(), 2);
        for signature in &published {
            let of_first = verify(&trust, &first, signature).is_ok();
            let of_next = verify(&trust, &next, signature).is_ok();
            assert!(of_first != of_next);
            assert!(rivals.iter().all(|rival| verify(&trust, rival, signature).is_err()));
        }
    }
}

#[test]
fn the_next_checkpoint_of_an_epoch_waits_for_the_signature_of_the_one_before() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let first = world.first_checkpoint("alpha");
        world.chain.script_signer(SignerFault::NoAnswer);
        world.attest_endorsed(&first).success();
        let refused = world.attest_endorsed(&successor(&first)).failure();
        assert!(refused.contains("checkpoint 0 of shard alpha has no signature yet"), "{refused}");
        world.attest(&first, &[]).signature();
        world.attest_endorsed(&successor(&first)).signature();
    }
}

#[test]
fn a_checkpoint_continues_the_recorded_one_or_is_refused() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let first = world.first_checkpoint("alpha");
        let skipped = successor(&first);
        let refused = world.attest_endorsed(&skipped).failure();
        assert!(refused.contains("the checkpoint has height 1, the next of shard alpha is 0"), "{refused}");
        world.attest_endorsed(&first).signature();
        let forked = Checkpoint { previous: rival_of(&first).hash::<Native>(), ..successor(&first) };
        let refused = world.attest_endorsed(&forked).failure();
        assert!(refused.contains("the checkpoint continues"), "{refused}");
        world.attest_endorsed(&skipped).signature();
    }
}

#[test]
fn a_retired_name_is_never_given_again_and_its_heights_stay_taken() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let (trust, first) = (world.trust(BRIDGE), world.first_checkpoint("alpha"));
        world.chain.script_signer(SignerFault::NoAnswer);
        world.attest_endorsed(&first).success();
        let retire = json!({ "shard": "alpha" });
        let refused = world.json(OWNER, BRIDGE, method::RETIRE, &retire, 0).failure();
        assert!(refused.contains("have it attested again, then retire"), "{refused}");
        world.attest(&first, &[]).signature();
        world.json(OWNER, BRIDGE, method::RETIRE, &retire, 0).success();

        for taker in [OWNER, MALLORY] {
            let refused = world.json(taker, BRIDGE, method::RESERVE, &reservation("alpha"), NEAR).failure();
            assert!(refused.contains("shard name alpha is taken"), "{refused}");
            let refused = world.json(taker, BRIDGE, method::LAPSE, &retire, 0).failure();
            assert!(refused.contains("can't lapse"), "{refused}");
        }
        for checkpoint in [rival_of(&first), successor(&first)] {
            world.attest_endorsed(&checkpoint).failure();
        }
        let last = world.tip("alpha").unwrap();
        verify(&trust, &first, &last.signature.unwrap()).unwrap();
        assert_eq!(world.attest(&first, &[]).signature(), world.published_signatures()[0]);
    }
}

#[test]
fn a_name_that_is_free_again_was_never_signed_for() {
    for curve in CURVES {
        let mut world = World::initialised();
        let args = ReserveArgs { curve, ..reservation("alpha") };
        world.json(MALLORY, BRIDGE, method::RESERVE, &args, NEAR).success();
        let first = world.first_checkpoint("alpha");
        let refused = world.attest_endorsed(&first).failure();
        assert!(refused.contains("call activate"), "{refused}");
        world.json(MALLORY, BRIDGE, method::LAPSE, &json!({ "shard": "alpha" }), 0).success();
        assert_eq!((world.tip("alpha"), world.published_signatures()), (None, vec![]));

        let members = vec![public_key_of("member of the new alpha")];
        let args = ReserveArgs { members, curve: other(curve), ..reservation("alpha") };
        world.json(OWNER, BRIDGE, method::RESERVE, &args, NEAR).success();
        world.activate("alpha").success();
        let refused = world.attest_endorsed(&first).failure();
        assert!(refused.contains("is not its signature"), "{refused}");
        let endorsement = sign_endorsement(&key_of("member of the new alpha"), &scope_of(&first), &first);
        verify(&world.trust(BRIDGE), &first, &world.attest(&first, &[endorsement]).signature()).unwrap();
    }
}

#[test]
fn each_shard_and_key_epoch_has_a_key_of_its_own_that_anybody_can_derive() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        world.json(OWNER, BRIDGE, method::RESERVE, &ReserveArgs { curve, ..reservation("beta") }, NEAR).success();
        world.activate("beta").success();
        open_epoch_1(&mut world, curve);
        let trust = world.trust(BRIDGE);
        let mut keys = BTreeSet::new();
        for (name, key_epoch) in [("alpha", 0), ("alpha", 1), ("beta", 0)] {
            let args = json!({ "shard": name, "key_epoch": key_epoch });
            let epoch: EpochView = world.view(BRIDGE, method::EPOCH, &args);
            let path = shard_path(&trust.domain, &shard(name), key_epoch);
            assert_eq!(epoch.public_key, derive_public_key(trust.root_key(curve).unwrap(), BRIDGE, &path));
            keys.insert(epoch.public_key.unwrap().to_string());
        }
        assert_eq!(keys.len(), 3);

        let betas = world.first_checkpoint("beta");
        let signature = world.attest_endorsed(&betas).signature();
        verify(&trust, &betas, &signature).unwrap();
        let as_alphas = Checkpoint { shard: shard("alpha"), ..betas };
        assert!(verify(&trust, &as_alphas, &signature).is_err());
    }
}

#[test]
fn a_checkpoint_of_an_epoch_that_is_over_or_not_open_is_refused() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let first = world.first_checkpoint("alpha");
        let early = Checkpoint { key_epoch: 1, ..first.clone() };
        let refused = world.attest_endorsed(&early).failure();
        assert!(refused.contains("the checkpoint is of key epoch 1 from height 0"), "{refused}");
        world.attest_endorsed(&first).signature();
        open_epoch_1(&mut world, other(curve));
        for (key_epoch, epoch_first_height) in [(0, 0), (1, 0), (0, 1), (2, 1)] {
            let wrong = Checkpoint { key_epoch, epoch_first_height, ..successor(&first) };
            let refused = world.attest_endorsed(&wrong).failure();
            assert!(refused.contains("is in epoch 1 from height 1"), "{refused}");
        }
        let right = Checkpoint { key_epoch: 1, epoch_first_height: 1, ..successor(&first) };
        verify(&world.trust(BRIDGE), &right, &world.attest_endorsed(&right).signature()).unwrap();
    }
}

#[test]
fn a_shards_clock_neither_falls_nor_runs_ahead_of_nears() {
    const MINUTE_NS: u64 = 60_000_000_000;
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let first = world.first_checkpoint("alpha");
        let ahead = Checkpoint { time_ns: first.time_ns + 2 * MINUTE_NS, ..first.clone() };
        let refused = world.attest_endorsed(&ahead).failure();
        assert!(refused.contains("ahead of the block's"), "{refused}");
        let first = Checkpoint { time_ns: world.now_ns + MINUTE_NS, ..first };
        world.attest_endorsed(&first).signature();
        let fallen = Checkpoint { time_ns: first.time_ns - 1, ..successor(&first) };
        let refused = world.attest_endorsed(&fallen).failure();
        assert!(refused.contains("lies before the tip's"), "{refused}");
        world.attest_endorsed(&successor(&first)).signature();
    }
}

#[test]
fn members_who_disagree_get_nothing_signed_and_members_who_sign_twice_get_one() {
    for curve in CURVES {
        let mut world = world_of_four(curve);
        let first = world.first_checkpoint("alpha");
        let rival = rival_of(&first);
        for (checkpoint, members) in [(&first, [0, 1]), (&rival, [2, 3])] {
            let refused = world.attest(checkpoint, &endorsed_by(&members, checkpoint)).failure();
            assert!(refused.contains("2 members of shard alpha endorse it, the threshold is 3"), "{refused}");
        }
        assert_eq!(world.tip("alpha"), None);

        let args = |checkpoint, members: &[u16]| attest_args(checkpoint, &endorsed_by(members, checkpoint));
        let asked = world.submit(OWNER, BRIDGE, method::ATTEST, args(&first, &[0, 1, 2]), 0, 60);
        let rivals = world.submit(MALLORY, BRIDGE, method::ATTEST, args(&rival, &[1, 2, 3]), 0, 60);
        world.run_until_idle();
        let signature = world.outcome(&asked).signature();
        verify(&world.trust(BRIDGE), &first, &signature).unwrap();
        assert!(world.outcome(&rivals).failure().contains("height 0 of shard alpha is taken"));
        assert_eq!(world.published_signatures(), [signature]);
    }
}

#[test]
fn one_member_counts_once_however_often_it_signs() {
    for curve in CURVES {
        let mut world = world_of_four(curve);
        let first = world.first_checkpoint("alpha");
        let signatures: Vec<_> = endorsed_by(&[0, 0, 0], &first).into_iter().map(|one| one.signature).collect();
        for members in [0b1, 0b111] {
            let endorsements = Endorsements { members, signatures: signatures.clone() };
            let args = queue::codec::encode(&AttestArgs { checkpoint: first.clone(), endorsements });
            let refused = world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 60).failure();
            let reason = if members == 0b1 { "3 signatures for 1 members" } else { "is not its signature" };
            assert!(refused.contains(reason), "{refused}");
        }
        let twice = [public_key_of("one"), public_key_of("one")];
        let args = ReserveArgs { members: twice.into(), threshold: 2, curve, ..reservation("beta") };
        let refused = world.json(MALLORY, BRIDGE, method::RESERVE, &args, NEAR).failure();
        assert!(refused.contains("is listed twice"), "{refused}");
        world.attest(&first, &endorsed_by(&[0, 1, 3], &first)).signature();
    }
}

#[test]
fn a_members_signature_counts_for_one_purpose_shard_bridge_and_set_of_members() {
    for curve in CURVES {
        let mut world = world_of_four(curve);
        let first = world.first_checkpoint("alpha");
        let (scope, hash) = (scope_of(&first), first.hash::<Native>());
        let endorse = Statement::Endorse { checkpoint: hash };
        let mut network = scope.domain.clone();
        network.network = "testnet".parse().unwrap();
        let scopes = [
            StatementScope { shard: shard("beta"), ..scope.clone() },
            StatementScope { members_version: 1, ..scope.clone() },
            StatementScope { domain: network, ..scope.clone() },
        ];
        let mut attempts: Vec<_> = scopes.iter().map(|scope| by(&[0, 1, 2], scope, &endorse)).collect();
        let rekey = Statement::Rekey { key_epoch: 1, curve };
        let rotate = Statement::Rotate { members: vec![hash.0], threshold: 1 };
        attempts.extend([rekey, rotate].map(|statement| by(&[0, 1, 2], &scope, &statement)));
        let bare = |index: u16| Endorsement { member: index, signature: member(index).sign(&hash.0).to_bytes() };
        attempts.push((0..3).map(bare).collect());
        for endorsements in attempts {
            let refused = world.attest(&first, &endorsements).failure();
            assert!(refused.contains("is not its signature for this statement"), "{refused}");
        }
        world.attest(&first, &by(&[0, 1, 2], &scope, &endorse)).signature();
    }
}

#[test]
fn statements_of_earlier_members_or_epochs_are_void_for_ever() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let (first, old) = (world.first_checkpoint("alpha"), member_of("alpha"));
        let scope = scope_of(&first);
        let to = |name: &str| (key_of(name).verifying_key().to_bytes(), public_key_of(name));
        let rotate = |world: &mut World, name: &str, key: &SigningKey, scope: &StatementScope| {
            let (bytes, key_listed) = to(name);
            let statement = Statement::Rotate { members: vec![bytes], threshold: 1 };
            let endorsements = [sign_statement(0, key, scope, &statement)];
            let args =
                json!({ "shard": "alpha", "members": [key_listed], "threshold": 1, "endorsements": endorsements });
            world.json(MALLORY, BRIDGE, method::ROTATE, &args, 0)
        };
        rotate(&mut world, EVE, &old, &scope).success();
        let refused = world.attest_endorsed(&first).failure();
        assert!(refused.contains("is not its signature"), "{refused}");
        // Back to the first member: what it signed as a member then is void nevertheless.
        let version = |members_version| StatementScope { members_version, ..scope.clone() };
        rotate(&mut world, "member of alpha", &key_of(EVE), &version(1)).success();
        let replayed = rotate(&mut world, EVE, &old, &scope).failure();
        assert!(replayed.contains("is not its signature"), "{replayed}");
        let refused = world.attest_endorsed(&first).failure();
        assert!(refused.contains("is not its signature"), "{refused}");

        let statement = Statement::Rekey { key_epoch: 1, curve };
        let endorsement = sign_statement(0, &old, &version(2), &statement);
        let args = json!({ "shard": "alpha", "curve": curve, "endorsements": [endorsement] });
        world.json(MALLORY, BRIDGE, method::REKEY, &args, NEAR).success();
        world.activate("alpha").success();
        let replayed = world.json(MALLORY, BRIDGE, method::REKEY, &args, NEAR).failure();
        assert!(replayed.contains("is not its signature"), "{replayed}");
        let first = Checkpoint { key_epoch: 1, ..first };
        let signature = world.attest(&first, &[sign_endorsement(&old, &version(2), &first)]).signature();
        verify(&world.trust(BRIDGE), &first, &signature).unwrap();
    }
}

#[test]
fn a_stranger_can_do_nothing_to_a_shard_but_bring_what_its_members_signed() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let alpha = json!({ "shard": "alpha" });
        let members = json!({ "shard": "alpha", "members": [public_key_of(EVE)], "threshold": 1 });
        let transport = json!({ "shard": "alpha", "transport_keys": [], "addresses": [] });
        let withdraw = json!({ "shard": "alpha", "amount_yocto": null });
        let of_the_owner: [(&str, &Value, u128); 8] = [
            (method::PAUSE, &alpha, 0),
            (method::RESUME, &alpha, 0),
            (method::RETIRE, &alpha, 0),
            (method::OPEN_INCARNATION, &alpha, NEAR),
            (method::PROPOSE_ROTATION, &members, 0),
            (method::CANCEL_ROTATION, &alpha, 0),
            (method::SET_TRANSPORT, &transport, 0),
            (method::WITHDRAW, &withdraw, 0),
        ];
        let before = world.shard("alpha");
        for (method, args, yocto) in of_the_owner {
            let refused = world.json(MALLORY, BRIDGE, method, args, yocto).failure();
            assert!(refused.contains("mallory is not the owner of shard alpha"), "{method}: {refused}");
        }
        let statement = Statement::Rekey { key_epoch: 1, curve };
        let refused = rekey(&mut world, curve, &statement, &key_of(MALLORY)).failure();
        assert!(refused.contains("is not its signature"), "{refused}");
        assert_eq!(world.shard("alpha"), before);

        rekey(&mut world, curve, &statement, &member_of("alpha")).success();
        assert_eq!(world.shard("alpha").unwrap().key_epoch, 1);
    }
}
