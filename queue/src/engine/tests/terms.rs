//! What both shards have agreed upon in the bridge contract, and what a node refuses by it.

use super::super::*;
use super::limits::call;
use super::world::{S, World, name};
use crate::contract::{LaneStatus, LaneStops, LaneTerms, Permissions};
use crate::ids::AccountId;
use crate::limits::{LANE_BYTES_MIN, MESSAGE_BYTES_MAX};
use crate::message::{Action, FAILURE_REASON_BYTES_MAX, Outcome, RequestResult, Tombstone};
use crate::store::{CrashPlan, MemoryStore};

/// Gas that the world's calls attach.
const CALL_GAS: u64 = 1;

fn terms() -> LaneTerms {
    LaneTerms {
        message_bytes_max: 4_096,
        result_bytes_max: 2_048,
        call_window: 8,
        call_gas_max: CALL_GAS,
        deadline_ms: None,
        permissions: Permissions::Everybody,
    }
}

fn listed(list: &str) -> LaneTerms {
    LaneTerms { permissions: Permissions::Public(list.to_owned()), ..terms() }
}

/// What the contract lists of a shard's lanes, where one is open on these terms or none is.
pub(super) fn lanes(shard: &str, terms: Option<&LaneTerms>) -> Vec<LaneView> {
    let open = |terms: &LaneTerms| LaneView {
        shard: name(shard),
        peer: name(if shard == "alpha" { "beta" } else { "alpha" }),
        status: LaneStatus::Open,
        terms: Some(terms.clone()),
        proposed: None,
        proposed_by_peer: None,
        stops: LaneStops::default(),
        peer_stops: LaneStops::default(),
        frozen_height: None,
        peer_frozen_height: None,
    };
    terms.map(open).into_iter().collect()
}

/// Both shards agree, and their nodes read so.
fn agree(world: &mut World, terms: LaneTerms) {
    for shard in ["alpha", "beta"] {
        world.engine_mut(shard).handle_lanes(lanes(shard, Some(&terms)));
    }
    world.terms = Some(terms);
}

fn agreed(terms: LaneTerms) -> World {
    let mut world = World::new(CrashPlan::Prompt);
    agree(&mut world, terms);
    world
}

/// The text with which a message of alpha's to beta has so many bytes encoded.
fn text_of(encoded_bytes: usize) -> String {
    let empty = Message {
        version: MESSAGE_VERSION,
        salt: Hash::ZERO,
        sender: "ann.alpha".parse().unwrap(),
        receiver: "bob.beta".parse().unwrap(),
        deadline_ns: None,
        body: Body::Data(vec![]),
    };
    "x".repeat(encoded_bytes - empty.encode().len())
}

fn take(world: &mut World, texts: &[&str]) -> Result<TakenRun, EnqueueError> {
    let payloads = texts.iter().map(|text| text.as_bytes());
    let [sender, receiver]: [AccountId; 2] = ["ann.alpha", "bob.beta"].map(|account| account.parse().unwrap());
    let now = world.now();
    world.engine_mut("alpha").handle_enqueue_payloads(&sender, &receiver, payloads, now)
}

fn refused(result: Result<impl std::fmt::Debug, EnqueueError>) -> TermsError {
    match result {
        Err(EnqueueError::Terms(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_of_the_largest_size_agreed_upon_passes_and_one_byte_more_is_refused_by_both_numbers() {
    let mut world = agreed(terms());
    world.connect();
    let (largest, larger) = (text_of(4_096), text_of(4_097));
    world.send("alpha", "beta", &largest);
    let error = refused(world.try_send("alpha", "beta", &larger));
    assert_eq!(error, TermsError::TooLarge { peer: name("beta"), found: 4_097, message_bytes_max: 4_096 });
    for part in ["4097", "4096", "terms with beta", "bridge contract", "lane propose beta", "lane accept"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    let run = take(&mut world, &["short", &largest, &larger, "short"]).unwrap();
    assert_eq!((run.nonces, run.refused), (1..3, Some(error.into())), "in bulk");
    world.run();
    assert_eq!(world.inbox("beta"), [largest.clone(), "short".to_owned(), largest]);
}

#[test]
fn terms_that_allow_the_largest_message_that_there_is_leave_its_own_limit() {
    let mut world = agreed(LaneTerms { message_bytes_max: MESSAGE_BYTES_MAX.try_into().unwrap(), ..terms() });
    world.send("alpha", "beta", &text_of(MESSAGE_BYTES_MAX));
    let refused = world.try_send("alpha", "beta", &text_of(MESSAGE_BYTES_MAX + 1));
    assert_eq!(refused, Err(EnqueueError::TooLarge { found: MESSAGE_BYTES_MAX + 1 }));
}

#[test]
fn a_call_with_the_most_gas_agreed_upon_passes_and_one_unit_more_over_all_its_actions_is_refused() {
    let mut world = agreed(LaneTerms { call_gas_max: 10, ..terms() });
    let with_gas = |gas: &[u64]| {
        let mut request = call("alpha", "beta");
        let Body::Call(call) = &mut request.body else { panic!("no call") };
        let action =
            |gas: &u64| Action::FunctionCall { method: "run".to_owned(), args: vec![], gas: *gas, deposit_yocto: 0 };
        call.actions = gas.iter().map(action).collect();
        request
    };
    world.enqueue("alpha", with_gas(&[4, 6])).unwrap();
    for (gas, found) in [(&[4, 7][..], 11), (&[u64::MAX, u64::MAX], u64::MAX)] {
        let error = refused(world.enqueue("alpha", with_gas(gas)));
        assert_eq!(error, TermsError::CallGas { peer: name("beta"), found, call_gas_max: 10 });
    }
}

#[test]
fn the_smaller_of_the_call_window_agreed_upon_and_the_nodes_own_counts() {
    for (agreed, own, expected) in [
        (Some(2), None, 2),
        (Some(2), Some(3), 2),
        (Some(3), Some(2), 2),
        (Some(2_000), None, 2_000),
        (None, None, 1_024),
    ] {
        let settling = Settling { call_window: own, ..Settling::default() };
        let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
        if let Some(call_window) = agreed {
            agree(&mut world, LaneTerms { call_window, ..terms() });
        }
        for _ in 0..expected {
            world.enqueue("alpha", call("alpha", "beta")).unwrap();
        }
        let full = world.enqueue("alpha", call("alpha", "beta"));
        let EnqueueError::CallWindow { calls, call_window, .. } = full.unwrap_err() else { panic!("no full window") };
        assert_eq!((calls, call_window), (expected, expected), "agreed {agreed:?}, own {own:?}");
    }
}

#[test]
fn a_lane_without_a_call_window_takes_data_and_says_that_trying_a_call_again_is_of_no_use() {
    let mut world = agreed(LaneTerms { call_window: 0, ..terms() });
    assert_eq!(refused(world.enqueue("alpha", call("alpha", "beta"))), TermsError::NoCalls(name("beta")));
    world.send("alpha", "beta", "data");
}

#[test]
fn the_deadline_agreed_upon_takes_the_place_of_the_nodes_own_where_a_message_names_none() {
    for (agreed_ms, expected) in
        [(Some(20_000), ["agreed", "in bulk", "named"]), (None, ["expired", "expired", "named"])]
    {
        let settling = Settling { deadline_default_ms: Some(5_000), ..Settling::default() };
        let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
        agree(&mut world, LaneTerms { deadline_ms: agreed_ms, ..terms() });
        world.send("alpha", "beta", "agreed");
        take(&mut world, &["in bulk"]).unwrap();
        world.send_within("alpha", "beta", "named", 60 * S);
        world.run();
        world.advance(6 * S);
        world.connect();
        world.run();
        assert_eq!(world.inbox_texts("beta"), expected, "{agreed_ms:?}");
    }
    let mut world = agreed(LaneTerms { deadline_ms: Some(2_000), ..terms() });
    world.send("alpha", "beta", "0");
    world.run();
    world.advance(3 * S);
    world.connect();
    world.run();
    assert_eq!(world.inbox_texts("beta"), ["expired"]);
}

#[test]
fn only_pairs_that_the_public_list_has_may_send_whichever_way_they_ask() {
    let mut world = agreed(listed("eve.alpha *\nann.alpha pay.beta\nbob.beta *.alpha"));
    let error = refused(world.try_send("alpha", "beta", "ann to bob"));
    let [sender, receiver]: [AccountId; 2] = ["ann.alpha", "bob.beta"].map(|account| account.parse().unwrap());
    assert_eq!(error, TermsError::NotPermitted { peer: name("beta"), sender, receiver });
    assert!(error.to_string().contains("ann.alpha may not send to bob.beta"), "{error}");
    assert_eq!(refused(take(&mut world, &[])), error, "also when it only asks");
    assert_eq!(refused(world.enqueue("alpha", call("alpha", "beta"))), error);
    let receiver = "pay.beta".parse().unwrap();
    world.enqueue("alpha", Enqueue { receiver, ..World::request("alpha", "beta", "ann pays") }).unwrap();
    let [sender, receiver] = ["bob.beta", "ann.alpha"].map(|account| account.parse().unwrap());
    world.enqueue("beta", Enqueue { sender, receiver, ..World::request("beta", "alpha", "back") }).unwrap();
    agree(&mut world, listed("*.alpha *.beta"));
    world.send("alpha", "beta", "ann to bob");
}

#[test]
fn a_public_list_that_cannot_be_read_permits_nobody_until_another_is_agreed_upon() {
    let mut world = agreed(listed("* *\nann.alpha may send"));
    let error = refused(world.try_send("alpha", "beta", "0"));
    assert!(matches!(&error, TermsError::Unreadable { reason, .. } if reason.line == 2), "{error}");
    assert!(error.to_string().contains("ann.alpha may send"), "{error}");
    agree(&mut world, LaneTerms { permissions: Permissions::Private(Hash([1; 32])), ..terms() });
    world.send("alpha", "beta", "of a hash nobody here knows the list");
}

#[test]
fn terms_that_both_shards_change_count_from_the_next_request_on_and_keep_what_was_accepted() {
    let mut world = agreed(LaneTerms { message_bytes_max: 65_536, ..terms() });
    let text = text_of(5_000);
    world.send("alpha", "beta", &text);
    world.run();
    agree(&mut world, terms());
    assert!(matches!(refused(world.try_send("alpha", "beta", &text)), TermsError::TooLarge { .. }));
    let [stopped] = &mut lanes("alpha", Some(&terms()))[..] else { panic!("one lane") };
    stopped.peer_stops.inbound = true;
    world.engine_mut("alpha").handle_lanes(vec![stopped.clone()]);
    assert_eq!(world.try_send("alpha", "beta", "0"), Err(EnqueueError::LaneStopped(name("beta"))));
    let lane = &world.engine("alpha").status().outbound[0];
    assert_eq!((lane.stopped, lane.terms.as_ref()), (true, Some(&terms())));

    world.connect();
    world.run();
    assert_eq!(world.inbox("beta"), std::slice::from_ref(&text), "it was accepted before");
    agree(&mut world, LaneTerms { message_bytes_max: 65_536, ..terms() });
    world.send("alpha", "beta", &text);
    let lane = &world.engine("alpha").status().outbound[0];
    assert_eq!((lane.stopped, lane.terms.as_ref().map(|terms| terms.message_bytes_max)), (false, Some(65_536)));
}

#[test]
fn what_one_shard_merely_offers_binds_nobody() {
    let mut world = World::new(CrashPlan::Prompt);
    let [mut offered] = <[LaneView; 1]>::try_from(lanes("alpha", Some(&terms()))).unwrap();
    offered = LaneView { status: LaneStatus::Proposed, terms: None, proposed: offered.terms, ..offered };
    world.engine_mut("alpha").handle_lanes(vec![offered]);
    world.send("alpha", "beta", &text_of(5_000));
    assert_eq!(world.engine("alpha").status().outbound[0].terms, None);
}

#[test]
fn a_node_that_starts_takes_no_request_before_it_has_read_on_which_terms() {
    let mut world = agreed(terms());
    world.send("alpha", "beta", "0");
    world.run();
    let disk: MemoryStore = world.copy("alpha").crash();
    let mut engine = Engine::open(world.config("alpha"), disk, world.now()).unwrap();
    engine.handle_registry(world.registry()).unwrap();
    engine.handle_near_time(world.now().unix_ns, world.now());
    engine.handle_tip(world.tip("alpha"), world.now()).unwrap();
    assert!(engine.status().resumed);
    let request = || World::request("alpha", "beta", &text_of(5_000));
    let [sender, receiver] = [request().sender, request().receiver];
    let asked = engine.handle_enqueue_payloads(&sender, &receiver, [], world.now());
    assert_eq!(asked, Err(EnqueueError::Starting));
    assert_eq!(engine.handle_enqueue(request(), world.now()), Err(EnqueueError::Starting));
    engine.handle_lanes(lanes("alpha", Some(&terms())));
    assert!(matches!(refused(engine.handle_enqueue(request(), world.now())), TermsError::TooLarge { .. }));
    assert_eq!(
        engine.handle_enqueue(World::request("alpha", "beta", "1"), world.now()).map(|ticket| ticket.nonce),
        Ok(1)
    );
}

#[test]
fn a_key_stands_for_its_message_also_when_the_terms_would_refuse_it_by_then() {
    let mut world = World::new(CrashPlan::Prompt);
    let request =
        || Enqueue { key: Some("invoice-7".parse().unwrap()), ..World::request("alpha", "beta", &text_of(5_000)) };
    let first = world.enqueue("alpha", request()).unwrap();
    agree(&mut world, LaneTerms { deadline_ms: Some(1), ..listed("") });
    assert_eq!(world.enqueue("alpha", request()), Ok(first));
}

#[test]
fn what_goes_beyond_the_terms_that_its_destination_has_read_is_delivered_all_the_same() {
    let mut world = World::new(CrashPlan::Prompt);
    let text = text_of(5_000);
    world.send("alpha", "beta", &text);
    agree(&mut world, listed(""));
    world.connect();
    world.run();
    assert_eq!(world.inbox("beta"), [text]);
}

#[test]
fn a_result_flows_whatever_is_agreed_upon_or_stopped() {
    let mut world = World::new(CrashPlan::Prompt);
    let sender = format!("{}.alpha", "a".repeat(58)).parse().unwrap();
    world.enqueue("alpha", Enqueue { sender, ..call("alpha", "beta") }).unwrap();
    let least = u32::try_from(LANE_BYTES_MIN).unwrap();
    let narrow = LaneTerms { message_bytes_max: least, result_bytes_max: least, call_window: 0, ..listed("") };
    agree(&mut world, narrow.clone());
    let [mut stopped] = <[LaneView; 1]>::try_from(lanes("beta", Some(&narrow))).unwrap();
    (stopped.stops, stopped.peer_stops) =
        (LaneStops { inbound: true, outbound: true }, LaneStops { inbound: true, outbound: true });
    world.engine_mut("beta").handle_lanes(vec![stopped]);
    world.connect();
    world.run();
    let reason = Tombstone::NoContracts;
    let outcome = world.engine("alpha").outcome(&name("beta"), 0);
    assert_eq!(outcome, Ok(MessageState::Settled(Settled::Tombstone { reason, result_nonce: 0 })));
    let entries = world.engine("alpha").inbox(0, usize::MAX).unwrap();
    let bytes = entries[0].content.as_ref().unwrap().len();
    assert!(bytes <= LANE_BYTES_MIN, "{bytes}");
}

#[test]
fn the_longest_failure_fits_the_least_limit_on_results() {
    let account = |shard: &str| format!("{}.{shard}", "a".repeat(63 - shard.len())).parse::<AccountId>().unwrap();
    let outcome = Outcome::Failure("x".repeat(FAILURE_REASON_BYTES_MAX));
    let message = Message {
        version: MESSAGE_VERSION,
        salt: Hash::ZERO,
        sender: account("beta"),
        receiver: account("alpha"),
        deadline_ns: Some(0),
        body: Body::Result(RequestResult { request_nonce: 0, outcome }),
    };
    let bytes = message.encode().len();
    assert!(message.check().is_ok() && bytes <= LANE_BYTES_MIN, "{bytes}");
}
