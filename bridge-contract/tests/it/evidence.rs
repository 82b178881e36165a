//! Signed contradictions before the contract: what freezes, what doesn't, and how a freeze ends.

use crate::attested::*;
use crate::world::*;
use queue::attestation::{Attestation, ChainSignature};
use queue::checkpoint::Checkpoint;
use queue::contract::{
    Endorsements, Event, Frozen, LaneArgs, LaneProposal, LaneStatus, LaneTerms, LaneView, LiftArgs, Permissions,
    ReportLaneArgs, ReportShardArgs, ReserveArgs, ShardFrozen, ShardStatus, method,
};
use queue::digest::Hash;
use queue::evidence::{ConsistencyStep, Contradiction, EVIDENCE_FORMAT, Evidence, RootProof};
use queue::heads::Head;
use queue::ids::{Lane, ShardId};
use queue::proof::HeadProof;
use queue::statement::{Statement, StatementScope};
use queue::trust::Curve;
use serde_json::json;

fn report_shard(world: &mut World, one: &Attestation, other: &Attestation) -> Outcome {
    let args = ReportShardArgs { one: one.clone(), other: other.clone() };
    world.json(MALLORY, BRIDGE, method::REPORT_SHARD, &args, 0)
}

fn report_lane(world: &mut World, contradiction: Contradiction) -> Outcome {
    let (source, destination) = (shard("alpha"), shard("beta"));
    let evidence = Evidence {
        format: EVIDENCE_FORMAT.to_owned(),
        trust: world.trust(BRIDGE),
        lane: Lane { source, destination, source_incarnation: 0, destination_incarnation: 0 },
        reason: "so it seemed".to_owned(),
        contradiction,
    };
    world.json(MALLORY, BRIDGE, method::REPORT_LANE, &ReportLaneArgs { evidence }, 0)
}

/// Two heads of one shard, the lower height first.
fn heads(earlier: &HeadProof, later: &HeadProof) -> Contradiction {
    Contradiction::Heads { earlier: Box::new(earlier.clone()), later: Box::new(later.clone()) }
}

/// Owner and member of a shard agree to lift.
fn lift(world: &mut World, caller: &str, name: &str, peer: Option<&str>, evidence_floor: u64) -> Outcome {
    let statement = Statement::Lift { peer: peer.map(shard), evidence_floor };
    lift_with(world, caller, name, peer, evidence_floor, vec![(member_of(name), statement)])
}

fn lift_with(
    world: &mut World,
    caller: &str,
    name: &str,
    peer: Option<&str>,
    evidence_floor: u64,
    signed: Vec<(ed25519_dalek::SigningKey, Statement)>,
) -> Outcome {
    let scope = StatementScope { domain: world.trust(BRIDGE).domain, shard: shard(name), members_version: 0 };
    let endorsements: Vec<_> =
        (0..).zip(&signed).map(|(member, (key, statement))| sign_statement(member, key, &scope, statement)).collect();
    let endorsements = Endorsements::try_from(endorsements).unwrap();
    let args = LiftArgs { shard: shard(name), peer: peer.map(shard), evidence_floor, endorsements };
    world.json(caller, BRIDGE, method::LIFT_FREEZE, &args, 0)
}

/// Another checkpoint at the height of one that is attested, signed by whoever holds the bridge account.
fn double(world: &mut World, attested: &Attestation, curve: Curve) -> Attestation {
    let other = Checkpoint { heads_root: Hash([66; 32]), ..attested.checkpoint.clone() };
    world.attested_behind_the_contract(other, curve)
}

fn status(world: &World) -> ShardStatus {
    world.shard("alpha").unwrap().status
}

#[test]
fn two_checkpoints_at_one_height_freeze_their_shard_whoever_reports_them() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let one = world.attest_head("alpha", idle("beta")).attestation;
        let other = double(&mut world, &one, curve);
        let outcome = report_shard(&mut world, &one, &other).success();
        let frozen = ShardFrozen { shard: shard("alpha"), height: 0 };
        assert_eq!(outcome.events(), [Event::ShardFrozen([frozen])]);
        println!("report_shard on {curve} burns {:.2} Tgas", outcome.tgas_burnt_on(BRIDGE));
        assert_eq!((status(&world), world.shard("alpha").unwrap().frozen_height), (ShardStatus::Frozen, Some(0)));

        let next = world.next_checkpoint("alpha", Hash([5; 32]));
        let refused = world.attest_endorsed(&next).failure();
        assert!(refused.to_lowercase().contains("frozen"), "{refused}");
        let again = report_shard(&mut world, &one, &other).failure();
        assert!(again.contains("it is frozen already, for evidence about height 0"), "{again}");
    }
}

#[test]
fn a_checkpoint_recorded_before_the_freeze_still_gets_its_signature() {
    let mut world = World::with_alpha();
    let one = world.attest_head("alpha", idle("beta")).attestation;
    let other = double(&mut world, &one, Curve::Secp256k1);
    world.chain.script_signer(chain::SignerFault::NoAnswer);
    let pending = world.next_checkpoint("alpha", Hash([5; 32]));
    world.attest_endorsed(&pending).success();
    report_shard(&mut world, &one, &other).success();
    verify(&world.trust(BRIDGE), &pending, &world.attest(&pending, &[]).signature()).unwrap();
}

#[test]
fn mallory_freezes_no_honest_shard() {
    for curve in CURVES {
        let mut world = World::with_alpha_on(curve);
        let one = world.attest_head("alpha", idle("beta")).attestation;
        let next = world.attest_head("alpha", idle("beta")).attestation;
        let forged = Attestation {
            checkpoint: Checkpoint { heads_root: Hash([66; 32]), ..one.checkpoint.clone() },
            ..one.clone()
        };
        let unsigned = match one.signature {
            ChainSignature::Secp256k1 { .. } => ChainSignature::Secp256k1 { rs: [1; 64], recovery_id: 0 },
            ChainSignature::Ed25519 { .. } => ChainSignature::Ed25519 { signature: [1; 64] },
        };
        let of_gamma = Checkpoint { shard: shard("gamma"), ..one.checkpoint.clone() };
        for (other, reason) in [
            (one.clone(), "can both be true: expected two at one height"),
            (next, "can both be true"),
            (forged.clone(), "the signature is not the signer's for this checkpoint"),
            (Attestation { signature: unsigned, ..forged }, "the signature is not the signer's for this checkpoint"),
            (Attestation { checkpoint: of_gamma, ..one.clone() }, "shard gamma is not registered"),
        ] {
            let refused = report_shard(&mut world, &one, &other).failure();
            assert!(refused.contains(reason), "{refused}");
        }
        let refused = world.json(MALLORY, BRIDGE, method::REPORT_SHARD, &json!({ "one": one }), 0).failure();
        assert!(refused.contains("missing field `other`"), "{refused}");
        assert_eq!(status(&world), ShardStatus::Active);
    }
}

#[test]
fn a_freeze_ends_only_by_owner_and_members_together_and_its_evidence_is_settled() {
    let mut world = World::with_alpha();
    let one = world.attest_head("alpha", idle("beta")).attestation;
    let other = double(&mut world, &one, Curve::Secp256k1);
    let nothing = lift(&mut world, OWNER, "alpha", None, 1).failure();
    assert!(nothing.contains("there is nothing to lift"), "{nothing}");
    report_shard(&mut world, &one, &other).success();

    let member = || member_of("alpha");
    let lifting = |peer: Option<ShardId>, evidence_floor| Statement::Lift { peer, evidence_floor };
    for (caller, floor, signed, reason) in [
        (MALLORY, 1, vec![(member(), lifting(None, 1))], "mallory is not the owner of shard alpha"),
        (OWNER, 1, vec![], "0 members of shard alpha endorse it, the threshold is 1"),
        (OWNER, 1, vec![(key_of(MALLORY), lifting(None, 1))], "is not its signature for this statement"),
        (OWNER, 1, vec![(member(), lifting(None, 2))], "is not its signature for this statement"),
        (OWNER, 1, vec![(member(), lifting(Some(shard("beta")), 1))], "is not its signature for this statement"),
        (OWNER, 2, vec![(member(), lifting(None, 2))], "the floor is 2, expected 1"),
    ] {
        let refused = lift_with(&mut world, caller, "alpha", None, floor, signed).failure();
        assert!(refused.contains(reason), "{refused}");
        assert_eq!(status(&world), ShardStatus::Frozen);
    }
    let lifted = lift(&mut world, OWNER, "alpha", None, 1).success();
    let frozen = Frozen { shard: shard("alpha"), peer: None, height: 0 };
    assert_eq!((lifted.events(), status(&world)), (vec![Event::FreezeLifted([frozen])], ShardStatus::Active));

    let settled = report_shard(&mut world, &one, &other).failure();
    assert!(
        settled.contains("evidence about heights of shard alpha below 1 is settled, this shows height 0"),
        "{settled}"
    );
    let one = world.attest_head("alpha", idle("beta")).attestation;
    let other = double(&mut world, &one, Curve::Secp256k1);
    report_shard(&mut world, &one, &other).success();
    let stale = lift(&mut world, OWNER, "alpha", None, 1).failure();
    assert!(stale.contains("the floor is 1, expected 2"), "{stale}");
}

fn lane(world: &World) -> LaneView {
    world.view(BRIDGE, method::LANE, &LaneArgs { shard: shard("alpha"), peer: shard("beta") })
}

/// Alpha and beta, both on this curve, with an open lane.
fn with_lane_on(curve: Curve) -> World {
    let mut world = World::with_alpha_on(curve);
    world.json(BETA_OWNER, BRIDGE, method::RESERVE, &ReserveArgs { curve, ..reservation("beta") }, NEAR).success();
    world.activate("beta").success();
    let terms = LaneTerms {
        message_bytes_max: 65_536,
        result_bytes_max: 4_096,
        call_window: 64,
        call_gas_max: 0,
        deadline_ms: None,
        permissions: Permissions::Everybody,
    };
    let proposal =
        |name: &str, peer: &str| LaneProposal { shard: shard(name), peer: shard(peer), terms: terms.clone() };
    world.json(OWNER, BRIDGE, method::PROPOSE_LANE, &proposal("alpha", "beta"), NEAR).success();
    world.json(BETA_OWNER, BRIDGE, method::ACCEPT_LANE, &proposal("beta", "alpha"), NEAR).success();
    world
}

#[test]
fn two_heads_that_cannot_both_be_true_freeze_the_lane_on_the_side_of_their_shard() {
    for curve in CURVES {
        let mut world = with_lane_on(curve);
        let (log, rewritten) = (Log::numbered("message", 4), Log::numbered("other", 4));
        let earlier = world.attest_head("alpha", log.sent("beta", 4));
        let fork = world.attest_head("alpha", rewritten.sent("beta", 4));
        let outcome = report_lane(&mut world, heads(&earlier, &fork)).success();
        println!("report_lane of two heads on {curve} burns {:.2} Tgas", outcome.tgas_burnt_on(BRIDGE));
        let frozen = Frozen { shard: shard("alpha"), peer: Some(shard("beta")), height: 1 };
        assert_eq!(outcome.events(), [Event::LaneFrozen([frozen])]);
        let seen = lane(&world);
        assert_eq!((seen.status, seen.frozen_height, seen.peer_frozen_height), (LaneStatus::Frozen, Some(1), None));
        assert!(!seen.may_send() && !seen.may_receive());
        assert_eq!(status(&world), ShardStatus::Active, "the shard's other lanes go on");
    }
}

#[test]
fn two_roots_of_one_log_freeze_the_lane_through_their_consistency_proofs() {
    let mut world = with_lane_on(Curve::Secp256k1);
    let (log, rewritten) = (Log::numbered("message", 8), Log::numbered("other", 9));
    let root = |log: &Log, size, head: &HeadProof| {
        let attested = head.head.sent_size;
        let steps = vec![ConsistencyStep { size: attested, proof: log.consistency(size, attested) }];
        Box::new(RootProof { size, root: log.root_at(size), steps, head: Some(head.clone()) })
    };
    let earlier = world.attest_head("alpha", log.sent("beta", 8));
    let later = world.attest_head("alpha", rewritten.sent("beta", 9));
    let honest = Contradiction::Roots { one: root(&log, 5, &earlier), other: root(&log, 5, &earlier) };
    let refused = report_lane(&mut world, honest).failure();
    assert!(refused.contains("what is signed in the file can all be true"), "{refused}");

    let forked = Contradiction::Roots { one: root(&log, 5, &earlier), other: root(&rewritten, 5, &later) };
    report_lane(&mut world, forked).success();
    assert_eq!(lane(&world).frozen_height, Some(1));
}

#[test]
fn where_both_shards_are_attested_and_contradict_the_lane_freezes_on_both_sides_and_each_lifts_its_own() {
    let mut world = with_lane_on(Curve::Ed25519);
    let (log, other) = (Log::numbered("message", 4), Log::numbered("other", 4));
    let sent = world.attest_head("alpha", log.sent("beta", 4));
    world.attest_head("beta", idle("alpha"));
    let received = world.attest_head("beta", other.received("alpha", 4));
    let contradiction = || Contradiction::Received {
        head: Box::new(received.clone()),
        log: Box::new(RootProof::of_head(sent.clone())),
    };
    let outcome = report_lane(&mut world, contradiction()).success();
    assert_eq!(outcome.events().len(), 2);
    assert_eq!((lane(&world).frozen_height, lane(&world).peer_frozen_height), (Some(0), Some(1)));

    let refused = lift(&mut world, OWNER, "beta", Some("alpha"), 2).failure();
    assert!(refused.contains("owner is not the owner of shard beta"), "{refused}");
    lift(&mut world, BETA_OWNER, "beta", Some("alpha"), 2).success();
    assert_eq!((lane(&world).status, lane(&world).peer_frozen_height), (LaneStatus::Frozen, None));
    lift(&mut world, OWNER, "alpha", Some("beta"), 1).success();
    assert_eq!(lane(&world).status, LaneStatus::Open);
    let settled = report_lane(&mut world, contradiction()).failure();
    assert!(settled.contains("is settled"), "{settled}");
}

#[test]
fn a_settled_fork_freezes_nothing_again_with_later_heads_and_a_new_one_does() {
    let mut world = with_lane_on(Curve::Secp256k1);
    let (log, rewritten) = (Log::numbered("message", 9), Log::numbered("other", 9));
    let earlier = world.attest_head("alpha", log.sent("beta", 6));
    let fork = world.attest_head("alpha", rewritten.sent("beta", 4));
    report_lane(&mut world, heads(&earlier, &fork)).success();
    lift(&mut world, OWNER, "alpha", Some("beta"), 2).success();

    let after = world.attest_head("alpha", rewritten.sent("beta", 5));
    let refused = report_lane(&mut world, heads(&earlier, &after)).failure();
    assert!(
        refused.contains("evidence about heights of shard alpha below 2 is settled, this shows height 0"),
        "{refused}"
    );
    let again = world.attest_head("alpha", rewritten.sent("beta", 3));
    report_lane(&mut world, heads(&after, &again)).success();
    assert_eq!(lane(&world).frozen_height, Some(3));
}

#[test]
fn mallory_freezes_no_honest_lane() {
    let mut world = with_lane_on(Curve::Secp256k1);
    let log = Log::numbered("message", 4);
    let earlier = world.attest_head("alpha", log.sent("beta", 2));
    let later = world.attest_head("alpha", log.sent("beta", 4));
    let of_beta = world.attest_head("beta", log.received("alpha", 2));
    let to_gamma = world.attest_head("alpha", idle("gamma"));
    let shorter = HeadProof { head: Head { sent_size: 1, ..later.head.clone() }, ..later.clone() };
    let claimed = RootProof::claimed(4, Hash([66; 32]));
    for (contradiction, reason) in [
        (heads(&earlier, &later), "is only claimed"),
        (heads(&later, &earlier), "is only claimed"),
        (heads(&earlier, &of_beta), "is only claimed"),
        (heads(&earlier, &shorter), "is not in the attested checkpoint"),
        (heads(&earlier, &to_gamma), "a head by alpha for gamma is not of lane alpha→beta"),
        (
            Contradiction::Roots { one: Box::new(RootProof::of_head(later.clone())), other: Box::new(claimed) },
            "is only claimed",
        ),
    ] {
        let refused = report_lane(&mut world, contradiction).failure();
        assert!(refused.contains(reason), "{refused}");
    }
    assert_eq!(lane(&world).status, LaneStatus::Open);
}

#[test]
fn a_lane_that_is_not_open_here_is_not_frozen_and_no_entry_is_made() {
    let mut world = World::with_alpha_and_beta();
    let log = Log::numbered("message", 4);
    let earlier = world.attest_head("alpha", log.sent("beta", 4));
    let fork = world.attest_head("alpha", log.sent("beta", 3));
    let before = world.storage(BRIDGE);
    let refused = report_lane(&mut world, heads(&earlier, &fork)).failure();
    assert!(refused.contains("there is no open lane between alpha and beta: nothing to freeze"), "{refused}");
    assert_eq!(world.storage(BRIDGE), before);
}

#[test]
fn reports_are_heard_while_everything_is_paused_and_cost_their_shard_no_storage() {
    let mut world = with_lane_on(Curve::Secp256k1);
    let one = world.attest_head("alpha", idle("beta")).attestation;
    let other = double(&mut world, &one, Curve::Secp256k1);
    world.grant("PauseManager", MALLORY);
    world.json(MALLORY, BRIDGE, method::PA_PAUSE_FEATURE, &json!({ "key": "ALL" }), 0).success();
    let before: Vec<_> = world.storage(BRIDGE).into_keys().collect();
    report_shard(&mut world, &one, &other).success();
    assert_eq!(world.storage(BRIDGE).into_keys().collect::<Vec<_>>(), before);
}
