//! Lanes: agreed by two owners, changed by both, stopped and resumed by each for its side.

use crate::world::*;
use bridge_contract::lanes::LANE_SIDE_STORAGE_BYTES_MAX;
use queue::contract::{
    Event, LaneArgs, LaneDirection, LaneProposal, LaneStatus, LaneStopArgs, LaneStops, LaneStopsChanged, LaneTerms,
    LaneView, LanesArgs, Permissions, ShardArgs, method,
};

const PRICE_YOCTO: u128 = LANE_SIDE_STORAGE_BYTES_MAX * 10u128.pow(19);

fn terms() -> LaneTerms {
    LaneTerms {
        message_bytes_max: 65_536,
        result_bytes_max: 4_096,
        call_window: 64,
        call_gas_max: 100_000_000_000_000,
        deadline_ms: Some(60_000),
        permissions: Permissions::Everybody,
    }
}

fn wider() -> LaneTerms {
    LaneTerms { message_bytes_max: 1 << 20, permissions: Permissions::Public("*.alpha → pay".to_owned()), ..terms() }
}

fn ends(name: &str, peer: &str) -> LaneArgs {
    LaneArgs { shard: shard(name), peer: shard(peer) }
}

fn propose(world: &mut World, caller: &str, name: &str, peer: &str, terms: LaneTerms) -> Outcome {
    let args = LaneProposal { shard: shard(name), peer: shard(peer), terms };
    world.json(caller, BRIDGE, method::PROPOSE_LANE, &args, PRICE_YOCTO)
}

fn accept(world: &mut World, caller: &str, name: &str, peer: &str, terms: LaneTerms) -> Outcome {
    let args = LaneProposal { shard: shard(name), peer: shard(peer), terms };
    world.json(caller, BRIDGE, method::ACCEPT_LANE, &args, PRICE_YOCTO)
}

fn withdraw(world: &mut World, caller: &str, name: &str, peer: &str) -> Outcome {
    world.json(caller, BRIDGE, method::WITHDRAW_PROPOSAL, &ends(name, peer), 0)
}

fn lane(world: &World, name: &str, peer: &str) -> Option<LaneView> {
    world.view(BRIDGE, method::LANE, &ends(name, peer))
}

fn peers(world: &World, name: &str) -> Vec<String> {
    let args = LanesArgs { shard: shard(name), from_index: 0, limit: 100 };
    let lanes: Vec<LaneView> = world.view(BRIDGE, method::LANES, &args);
    lanes.into_iter().map(|lane| lane.peer.to_string()).collect()
}

#[test]
fn two_owners_open_a_lane_by_the_same_terms_and_each_sees_its_own_side() {
    let mut world = World::with_alpha_and_beta();
    let proposed = propose(&mut world, OWNER, "alpha", "beta", terms()).success();
    assert_eq!(proposed.events(), [Event::LaneProposed([ends("alpha", "beta")])]);
    let seen = lane(&world, "beta", "alpha").unwrap();
    assert_eq!((seen.status, &seen.proposed, &seen.proposed_by_peer), (LaneStatus::Proposed, &None, &Some(terms())));
    assert_eq!((peers(&world, "alpha"), peers(&world, "beta")), (vec!["beta".to_owned()], vec![]));

    let accepted = accept(&mut world, BETA_OWNER, "beta", "alpha", terms()).success();
    assert_eq!(accepted.events(), [Event::LaneAgreed([ends("beta", "alpha")])]);
    for (name, peer) in [("alpha", "beta"), ("beta", "alpha")] {
        let open = lane(&world, name, peer).unwrap();
        assert_eq!((open.status, open.terms.as_ref()), (LaneStatus::Open, Some(&terms())));
        assert_eq!((open.proposed.as_ref(), open.proposed_by_peer.as_ref()), (None, None));
        assert!(open.may_send() && open.may_receive());
        assert_eq!(peers(&world, name), [peer]);
    }
    for (what, outcome) in [("propose_lane", proposed), ("accept_lane", accepted)] {
        println!("{what} burns {:.2} Tgas", outcome.tgas_burnt_on(BRIDGE));
    }
}

#[test]
fn mallory_agrees_to_nothing_for_a_shard_that_is_not_hers() {
    let mut world = World::with_alpha_and_beta();
    let not_hers = "mallory is not the owner of shard beta";
    for refused in [
        propose(&mut world, MALLORY, "beta", "alpha", terms()),
        accept(&mut world, MALLORY, "beta", "alpha", terms()),
        withdraw(&mut world, MALLORY, "beta", "alpha"),
    ] {
        assert!(refused.failure().contains(not_hers));
    }
    open(&mut world);
    let args = LaneStopArgs { shard: shard("beta"), peer: shard("alpha"), direction: LaneDirection::Both };
    for method in [method::STOP_LANE, method::RESUME_LANE] {
        let refused = world.json(MALLORY, BRIDGE, method, &args, 0).failure();
        assert!(refused.contains(not_hers), "{refused}");
    }
}

#[test]
fn terms_that_are_exchanged_before_they_are_accepted_are_not_agreed_on() {
    let mut world = World::with_alpha_and_beta();
    propose(&mut world, OWNER, "alpha", "beta", terms()).success();
    propose(&mut world, OWNER, "alpha", "beta", wider()).success();
    let refused = accept(&mut world, BETA_OWNER, "beta", "alpha", terms()).failure();
    assert!(refused.contains("shard alpha proposes other terms for its lane with beta"), "{refused}");
    assert_eq!(lane(&world, "alpha", "beta").unwrap().terms, None);
    accept(&mut world, BETA_OWNER, "beta", "alpha", wider()).success();
    assert_eq!(lane(&world, "alpha", "beta").unwrap().terms, Some(wider()));
}

#[test]
fn an_open_lane_changes_only_when_both_agree() {
    let mut world = World::with_alpha_and_beta();
    open(&mut world);
    let before = world.balance_yocto(BRIDGE);
    propose(&mut world, BETA_OWNER, "beta", "alpha", wider()).success();
    let seen = lane(&world, "alpha", "beta").unwrap();
    assert_eq!((seen.status, seen.terms, seen.proposed_by_peer), (LaneStatus::Open, Some(terms()), Some(wider())));
    withdraw(&mut world, BETA_OWNER, "beta", "alpha").success();
    let refused = accept(&mut world, OWNER, "alpha", "beta", wider()).failure();
    assert!(refused.contains("shard beta proposes nothing for a lane with alpha"), "{refused}");

    propose(&mut world, BETA_OWNER, "beta", "alpha", wider()).success();
    accept(&mut world, OWNER, "alpha", "beta", wider()).success();
    assert_eq!(lane(&world, "alpha", "beta").unwrap().terms, Some(wider()));
    assert_eq!((peers(&world, "alpha"), peers(&world, "beta")), (vec!["beta".to_owned()], vec!["alpha".to_owned()]));
    assert!(world.balance_yocto(BRIDGE) - before < PRICE_YOCTO / 2, "a change takes no deposit");
}

#[test]
fn a_lane_is_between_two_active_shards() {
    let mut world = World::with_alpha_and_beta();
    world.reserve("gamma").success();
    for (peer, reason) in [
        ("alpha", "a lane joins two shards, and both are alpha"),
        ("delta", "shard delta is not registered"),
        ("gamma", "shard gamma is Reserved, lanes are agreed between active shards"),
    ] {
        let refused = propose(&mut world, OWNER, "alpha", peer, terms()).failure();
        assert!(refused.contains(reason), "{refused}");
    }
    propose(&mut world, OWNER, "alpha", "beta", terms()).success();
    world.json(OWNER, BRIDGE, method::RETIRE, &ShardArgs { shard: shard("alpha") }, 0).success();
    let refused = accept(&mut world, BETA_OWNER, "beta", "alpha", terms()).failure();
    assert!(refused.contains("shard alpha is Retired"), "{refused}");
}

#[test]
fn a_proposal_takes_its_price_and_gives_it_back_when_it_is_withdrawn() {
    let mut world = World::with_alpha_and_beta();
    let args = LaneProposal { shard: shard("alpha"), peer: shard("beta"), terms: terms() };
    let refused = world.json(OWNER, BRIDGE, method::PROPOSE_LANE, &args, PRICE_YOCTO - 1).failure();
    assert!(refused.contains("a lane takes 20480000000000000000000"), "{refused}");

    let start = world.balance_yocto(OWNER);
    world.json(OWNER, BRIDGE, method::PROPOSE_LANE, &args, NEAR).success();
    let paid = start - world.balance_yocto(OWNER);
    assert!((PRICE_YOCTO..PRICE_YOCTO + NEAR / 100).contains(&paid), "{paid}");
    propose(&mut world, OWNER, "alpha", "beta", wider()).success();
    let paid_again = start - world.balance_yocto(OWNER);
    assert!(paid_again - paid < NEAR / 100, "the other terms took {}", paid_again - paid);
    withdraw(&mut world, OWNER, "alpha", "beta").success();
    let spent = start - world.balance_yocto(OWNER);
    assert!(spent < NEAR / 100, "{spent} did not come back");
    assert_eq!((lane(&world, "alpha", "beta"), peers(&world, "alpha")), (None, vec![]));
}

#[test]
fn a_retired_shards_owner_gets_back_what_its_proposal_paid() {
    let mut world = World::with_alpha_and_beta();
    propose(&mut world, OWNER, "alpha", "beta", terms()).success();
    world.json(OWNER, BRIDGE, method::RETIRE, &ShardArgs { shard: shard("alpha") }, 0).success();
    let before = world.balance_yocto(OWNER);
    withdraw(&mut world, OWNER, "alpha", "beta").success();
    assert!(world.balance_yocto(OWNER) > before + PRICE_YOCTO / 2);
}

#[test]
fn the_list_of_lanes_has_no_gaps_whichever_proposal_goes() {
    let mut world = World::with_alpha_and_beta();
    for name in ["gamma", "delta"] {
        world.reserve(name).success();
        world.activate(name).success();
    }
    for peer in ["beta", "gamma", "delta"] {
        propose(&mut world, OWNER, "alpha", peer, terms()).success();
    }
    withdraw(&mut world, OWNER, "alpha", "beta").success();
    assert_eq!(peers(&world, "alpha"), ["delta", "gamma"]);
    withdraw(&mut world, OWNER, "alpha", "gamma").success();
    withdraw(&mut world, OWNER, "alpha", "delta").success();
    assert_eq!(peers(&world, "alpha"), Vec::<String>::new());
    propose(&mut world, OWNER, "alpha", "delta", terms()).success();
    accept(&mut world, OWNER, "delta", "alpha", terms()).success();
    assert_eq!((peers(&world, "alpha"), peers(&world, "delta")), (vec!["delta".to_owned()], vec!["alpha".to_owned()]));
}

#[test]
fn each_side_stops_and_resumes_requests_of_an_open_lane_for_itself() {
    let mut world = World::with_alpha_and_beta();
    let args = |direction| LaneStopArgs { shard: shard("alpha"), peer: shard("beta"), direction };
    let refused = world.json(OWNER, BRIDGE, method::STOP_LANE, &args(LaneDirection::Both), 0).failure();
    assert!(refused.contains("there is no open lane between alpha and beta"), "{refused}");
    open(&mut world);

    let stopped = world.json(OWNER, BRIDGE, method::STOP_LANE, &args(LaneDirection::Inbound), 0).success();
    let stops = LaneStops { inbound: true, outbound: false };
    let changed = LaneStopsChanged { shard: shard("alpha"), peer: shard("beta"), stops };
    assert_eq!(stopped.events(), [Event::LaneStopsChanged([changed])]);
    world.json(OWNER, BRIDGE, method::STOP_LANE, &args(LaneDirection::Inbound), 0).success();
    let seen = lane(&world, "beta", "alpha").unwrap();
    assert_eq!((seen.stops, seen.peer_stops), (LaneStops::default(), stops));
    assert_eq!((seen.may_send(), seen.may_receive()), (false, true), "beta's requests stop, alpha's don't");

    world.json(OWNER, BRIDGE, method::STOP_LANE, &args(LaneDirection::Both), 0).success();
    world.json(OWNER, BRIDGE, method::RESUME_LANE, &args(LaneDirection::Inbound), 0).success();
    let seen = lane(&world, "alpha", "beta").unwrap();
    assert_eq!((seen.may_send(), seen.may_receive()), (false, true));
    world.json(OWNER, BRIDGE, method::RESUME_LANE, &args(LaneDirection::Both), 0).success();
    assert!(lane(&world, "alpha", "beta").unwrap().may_send());
}

fn open(world: &mut World) {
    open_with(world, BETA_OWNER);
}

/// Opens the lane between alpha and beta, where this is beta's owner.
pub fn open_with(world: &mut World, beta_owner: &str) {
    propose(world, OWNER, "alpha", "beta", terms()).success();
    accept(world, beta_owner, "beta", "alpha", terms()).success();
}
