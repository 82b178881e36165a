//! Shards that lost their data, on both sides of the lanes.

use super::audit::audited;
use super::limits::call;
use super::*;
use crate::derivation::derive_public_key;
use crate::frame::{ReceiverFrame, encode_frame};
use crate::store::MemoryStore;

/// A world in which both have seen that beta began anew, and are connected.
fn beta_recovered(world: &mut World) {
    world.lose_and_recover("beta");
    world.show_registry("alpha");
    world.run();
}

fn accept(world: &mut World) -> AcceptedIncarnation {
    let now = world.now();
    let accepted = world.engine_mut("alpha").handle_accept_incarnation(&name("beta"), 1, now).unwrap();
    world.connect();
    world.run();
    accepted
}

fn states(world: &World, incarnation: u32, nonces: std::ops::Range<u64>) -> Vec<String> {
    let engine = world.engine("alpha");
    nonces.map(|nonce| engine.past_outcome(&name("beta"), incarnation, nonce).unwrap().to_string()).collect()
}

fn unsettled(world: &World) -> Vec<u64> {
    let unsettled = world.engine("alpha").unsettled(&name("beta"), 0, 0, usize::MAX).unwrap();
    assert_eq!(unsettled.next_nonce, None);
    unsettled.messages.iter().map(|message| message.nonce).collect()
}

#[test]
fn a_shard_that_lost_its_data_begins_anew_and_messages_flow_both_ways_once_its_peer_accepts() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "before");
    world.send("beta", "alpha", "from before");
    world.run();
    let tip = world.tip("beta").unwrap();
    beta_recovered(&mut world);
    assert_eq!(world.engine("beta").status().attested_height, Some(tip.checkpoint.height));
    accept(&mut world);
    for round in 0..3 {
        world.send("alpha", "beta", &format!("a{round}"));
        world.send("beta", "alpha", &format!("b{round}"));
        world.run();
    }
    world.advance(31 * S);
    world.run();
    assert_eq!(world.inbox("beta"), ["a0", "a1", "a2"]);
    assert_eq!(world.inbox("alpha"), ["from before", "b0", "b1", "b2"], "the old inbox is gone");
    let after = world.tip("beta").unwrap().checkpoint;
    assert_eq!((after.key_epoch, after.epoch_first_height), (1, tip.checkpoint.height + 1));
    for shard in ["alpha", "beta"] {
        let lane = &world.engine(shard).status().outbound[0];
        assert_eq!((lane.accepted, lane.acknowledged, lane.settled), (3, 3, 3), "{lane:?}");
    }
    for shard in ["alpha", "beta"] {
        assert_eq!(audited(&world, shard, &world.copy(shard)).findings, [], "{shard}");
    }
    let (beta, trust) = (name("beta"), world.config("alpha").trust);
    let received = world.engine("alpha").prove(&beta, Some(0), 0).unwrap();
    let received = received.verify::<Native>(&trust, derive_public_key).unwrap();
    assert_eq!(received.message.body, Body::Data(b"from before".to_vec()));
    let delivered = world.engine("alpha").prove_delivery(&beta, Some(0), 0).unwrap();
    let delivered = delivered.verify::<Native>(&trust, derive_public_key).unwrap();
    let delivered = Message::decode(&delivered.message).unwrap();
    assert_eq!(delivered.body, Body::Data(b"before".to_vec()));
    let entries = world.engine("alpha").inbox(0, usize::MAX).unwrap();
    assert_eq!((entries[0].incarnation, entries[0].nonce), (0, 0));
    assert_eq!(world.engine("alpha").inbox(1, 1).unwrap()[0].incarnation, 1);
}

#[test]
fn before_the_operator_accepts_nothing_is_taken_and_nothing_crosses() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "before");
    world.run();
    beta_recovered(&mut world);
    let refused = world.try_send("alpha", "beta", "now").unwrap_err();
    assert!(matches!(refused, EnqueueError::Over { .. }), "{refused}");
    assert!(refused.to_string().contains("shard-node lane accept-incarnation beta"), "{refused}");
    let status = world.engine("alpha").status();
    assert_eq!((status.outbound[0].awaits_incarnation, status.inbound[0].awaits_incarnation), (Some(1), Some(1)));

    world.engine_mut("alpha").handle_connected(&name("beta"));
    assert!(world.next_frame("alpha").is_none(), "it opens no stream");
    let lane = world.inbound_lane("beta");
    let root = crate::digest::empty_root::<Native>();
    let open = encode_frame(&ReceiverFrame::Open { lane, size: 0, root, staged_size: 0, staged_root: root });
    let body = &open[crate::frame::FRAME_HEADER_BYTES..];
    world.engine_mut("alpha").handle_receiver_frame(&name("beta"), body).unwrap();
    assert!(world.next_frame("alpha").is_none(), "it answers on a stream");
    assert_eq!(world.inbox("beta"), Vec::<String>::new());
}

#[test]
fn requests_behind_the_last_recorded_checkpoint_were_never_received_and_those_below_are_settled_or_unknown() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0: delivered");
    world.run();
    world.enqueue("alpha", call("alpha", "beta")).unwrap();
    world.run();
    world.advance(31 * S);
    world.run();
    world.engine_mut("beta").handle_disconnected(&name("alpha"));
    world.engine_mut("alpha").handle_disconnected(&name("beta"));
    world.send("alpha", "beta", "2: attested, never received");
    world.run();
    beta_recovered(&mut world);
    let accepted = accept(&mut world);
    assert_eq!((accepted.past, accepted.incarnation, accepted.size), (0, 1, 3));
    assert_eq!(accepted.never_received_from, Some(2), "beta's last checkpoint is in hand");
    let expected =
        ["settled as delivered", "settled as a call to a shard without contracts", "settled as never received"];
    assert_eq!(
        states(&world, 0, 0..3),
        expected.map(str::to_owned),
        "a call is buried as long as there are no contracts"
    );
    assert_eq!(unsettled(&world), Vec::<u64>::new());
}

#[test]
fn without_the_head_of_the_last_recorded_checkpoint_all_that_is_open_is_unknown_until_the_operator_rules() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0: delivered");
    world.run();
    world.send("alpha", "beta", "1: received, and the head that says so is lost");
    world.run();
    for shard in ["alpha", "beta"] {
        let other = if shard == "alpha" { "beta" } else { "alpha" };
        world.engine_mut(shard).handle_disconnected(&name(other));
    }
    // Beta records one more checkpoint, of which alpha never sees the head.
    world.advance(31 * S);
    world.run();
    world.send("alpha", "beta", "2: not even sent");
    beta_recovered(&mut world);
    let accepted = accept(&mut world);
    assert_eq!(accepted.never_received_from, None);
    let unknown = "of unknown outcome".to_owned();
    let delivered = "settled as delivered".to_owned();
    assert_eq!(states(&world, 0, 0..3), [delivered, unknown.clone(), unknown]);
    assert_eq!(unsettled(&world), [1, 2]);

    let mut rule = |nonces: &[u64], ruling| {
        let nonces = nonces.iter().copied().collect();
        world.engine_mut("alpha").handle_ruling(&name("beta"), 0, &nonces, ruling)
    };
    let known = rule(&[1, 0], Ruling::Failed).unwrap_err();
    assert!(matches!(known, RulingError::Known { nonce: 0, .. }), "{known}");
    rule(&[1], Ruling::Succeeded).unwrap();
    rule(&[1], Ruling::Succeeded).unwrap();
    let settled = rule(&[1, 2], Ruling::Failed).unwrap_err();
    assert!(settled.to_string().contains("settled by hand as succeeded"), "{settled}");
    rule(&[2], Ruling::Failed).unwrap();
    world.run();
    assert!(matches!(rule_missing(&mut world), RulingError::Message(OutcomeError::NotThere { size: 3, .. })));

    world.crash("alpha");
    let by_hand = ["settled by hand as succeeded".to_owned(), "settled by hand as failed".to_owned()];
    assert_eq!(states(&world, 0, 1..3), by_hand, "a ruling is durable");
    assert_eq!(audited(&world, "alpha", &world.copy("alpha")).findings, []);
    assert_eq!(unsettled(&world), Vec::<u64>::new());
}

fn rule_missing(world: &mut World) -> RulingError {
    world.engine_mut("alpha").handle_ruling(&name("beta"), 0, &[3].into(), Ruling::Failed).unwrap_err()
}

#[test]
fn a_recorded_checkpoint_without_a_signature_counts_as_the_last_one() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    world.signer_is_down_for = Some(name("beta"));
    world.send("alpha", "beta", "1");
    world.run();
    world.advance(31 * S);
    world.run();
    let tip = world.tip("beta").unwrap();
    assert_eq!((tip.checkpoint.height, tip.signature), (1, None));
    world.signer_is_down_for = None;
    beta_recovered(&mut world);
    let accepted = accept(&mut world);
    assert_eq!(accepted.never_received_from, None, "the pending checkpoint may cover message 1");
    assert_eq!(unsettled(&world), [1]);
    world.send("beta", "alpha", "after");
    world.run();
    assert_eq!(world.tip("beta").unwrap().checkpoint.height, 2);
    assert_eq!(world.inbox("alpha"), ["after"]);
}

#[test]
fn a_peer_of_which_nothing_was_ever_recorded_never_received_anything() {
    let mut world = World::new(CrashPlan::Prompt);
    world.send("alpha", "beta", "0");
    world.run();
    beta_recovered(&mut world);
    let accepted = accept(&mut world);
    assert_eq!((accepted.never_received_from, accepted.unsettled_max), (Some(0), 0));
    world.send("alpha", "beta", "again");
    world.run();
    assert_eq!(world.inbox("beta"), ["again"]);
}

#[test]
fn what_was_not_sent_is_not_sent_again_by_itself_and_its_key_does_not_pass_for_a_new_message() {
    let mut world = World::new(CrashPlan::Prompt);
    let key: IdempotencyKey = "invoice-7".parse().unwrap();
    let request = |text: &str| Enqueue { key: Some(key.clone()), ..World::request("alpha", "beta", text) };
    world.enqueue("alpha", request("pay")).unwrap();
    beta_recovered(&mut world);
    accept(&mut world);
    assert_eq!(world.inbox("beta"), Vec::<String>::new());
    let past = world.enqueue("alpha", request("pay")).unwrap_err();
    assert!(matches!(past, EnqueueError::KeyPast { nonce: 0, incarnation: 0, .. }), "{past}");
    let fresh: IdempotencyKey = "invoice-7-again".parse().unwrap();
    let ticket = world.enqueue("alpha", Enqueue { key: Some(fresh.clone()), ..request("pay") }).unwrap();
    let again = world.enqueue("alpha", Enqueue { key: Some(fresh), ..request("pay") }).unwrap();
    assert_eq!(ticket, again, "in the very turn in which it was accepted too");
    world.run();
    assert_eq!(world.inbox("beta"), ["pay"]);
}

#[test]
fn what_is_known_of_a_peer_that_began_anew_outlives_a_crash_and_a_server_that_lags() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    let old = world.registry();
    beta_recovered(&mut world);
    world.engine_mut("alpha").handle_registry(old.clone()).unwrap();
    assert!(world.try_send("alpha", "beta", "x").is_err(), "an older list took the new incarnation back");
    world.crash("alpha");
    world.run();
    world.engine_mut("alpha").handle_registry(old).unwrap();
    assert!(world.try_send("alpha", "beta", "x").is_err(), "a crash took the new incarnation back");
    accept(&mut world);
    world.crash("alpha");
    world.connect();
    world.run();
    world.send("alpha", "beta", "1");
    world.run();
    assert_eq!(world.inbox("beta"), ["1"]);
    let past = &world.engine("alpha").status().past;
    assert_eq!(past.iter().map(|past| (past.incarnation, past.accepted)).collect::<Vec<_>>(), [(0, 1)]);
}

#[test]
fn two_shards_that_lose_their_data_one_after_the_other_go_on_after_two_acceptances() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    beta_recovered(&mut world);
    accept(&mut world);
    world.send("alpha", "beta", "1");
    world.run();
    world.lose_and_recover("alpha");
    world.show_registry("beta");
    world.run();
    let now = world.now();
    let accepted = world.engine_mut("beta").handle_accept_incarnation(&name("alpha"), 1, now).unwrap();
    assert_eq!((accepted.past, accepted.incarnation), (0, 1));
    world.connect();
    world.run();
    world.send("alpha", "beta", "2");
    world.send("beta", "alpha", "3");
    world.run();
    assert_eq!(world.inbox("beta"), ["1", "2"]);
    assert_eq!(world.inbox("alpha"), ["3"]);
}

#[test]
fn the_lost_copy_of_a_recovered_shard_stops_when_it_comes_back() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("beta", "alpha", "before");
    world.run();
    let lost = world.copy("beta");
    let tip = world.tip("beta");
    let old = world.registry();
    beta_recovered(&mut world);
    let mut copy = Engine::open(world.config("beta"), lost, world.now()).unwrap();
    copy.handle_registry(old).unwrap();
    copy.handle_tip(tip, world.now()).unwrap();
    let stop = copy.handle_registry(world.registry()).unwrap_err();
    assert!(matches!(stop, Stop::OtherIncarnation { found: 1, expected: 0, .. }), "{stop}");
    let fresh = Engine::open(world.config("beta"), MemoryStore::new(CrashPlan::Prompt), world.now()).unwrap();
    let stop = { fresh }.handle_registry(world.registry()).unwrap_err();
    assert!(stop.to_string().contains("shard-node shard recover"), "{stop}");
}

#[test]
fn an_incarnation_begins_only_in_an_empty_store_and_behind_the_contracts_tip() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("beta", "alpha", "0");
    world.run();
    let (config, tip) = (world.config("beta"), world.tip("beta"));
    let mut empty = MemoryStore::new(CrashPlan::Prompt);
    let first = world.registry().into_iter().find(|listed| listed.shard == name("beta")).unwrap();
    let refused = begin_incarnation(&config, &mut empty, &first, tip.as_ref());
    assert_eq!(refused, Err(RecoveryError::NotOpened));
    let own = world.open_epoch("beta", true);
    let mut full = world.copy("beta");
    assert_eq!(begin_incarnation(&config, &mut full, &own, tip.as_ref()), Err(RecoveryError::NotEmpty(1)));
    let older =
        TipView { checkpoint: Checkpoint { height: 5, ..tip.clone().unwrap().checkpoint }, ..tip.clone().unwrap() };
    for moved in [None, Some(&older)] {
        let refused = begin_incarnation(&config, &mut empty, &own, moved).unwrap_err();
        assert!(matches!(refused, RecoveryError::MovedOn { first_height: 1, .. }), "{refused}");
    }
    assert_eq!(begin_incarnation(&config, &mut empty, &own, tip.as_ref()), Ok(1));
    assert_eq!(
        begin_incarnation(&config, &mut empty, &own, tip.as_ref()),
        Ok(1),
        "it is taken up again where it was cut"
    );
}

#[test]
fn mallorys_heads_of_a_past_and_of_a_future_incarnation_are_refused_by_name() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("beta", "alpha", "0");
    world.run();
    let release = |world: &mut World, incarnation: u32| {
        let frame = encode_frame(&world.forged_release("beta", |head| head.own_incarnation = incarnation));
        let (body, now) = (&frame[crate::frame::FRAME_HEADER_BYTES..], world.now());
        world.engine_mut("alpha").handle_sender_frame(&name("beta"), body, now).unwrap_err().to_string()
    };
    let future = release(&mut world, 1);
    assert!(future.contains("beta (incarnation 1) → alpha") && future.contains("beta (incarnation 0)"), "{future}");
    beta_recovered(&mut world);
    accept(&mut world);
    for (incarnation, named) in [(0, "beta (incarnation 0) → alpha"), (2, "beta (incarnation 2) → alpha")] {
        let refused = release(&mut world, incarnation);
        assert!(refused.contains(named) && refused.contains("here it is beta (incarnation 1)"), "{refused}");
    }
    assert_eq!(world.engine("alpha").status().inbound[0].frozen, None, "an unsigned mix-up freezes nothing");
}

#[test]
fn only_the_incarnation_that_the_operator_looked_at_is_accepted() {
    let mut world = World::new(CrashPlan::Prompt);
    let now = world.now();
    let mut accept = |peer: &str| world.engine_mut("alpha").handle_accept_incarnation(&name(peer), 1, now).unwrap_err();
    assert!(matches!(accept("beta"), AcceptError::Current { incarnation: 0, .. }));
    assert!(matches!(accept("gamma"), AcceptError::NoLane(_)));
    beta_recovered(&mut world);
    let other = world.engine_mut("alpha").handle_accept_incarnation(&name("beta"), 2, now).unwrap_err();
    assert!(matches!(other, AcceptError::Other { found: 1, asked: 2, .. }), "{other}");
}

#[test]
fn a_lane_that_mallorys_heads_contradict_says_nothing_of_what_was_never_received() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    let last_height = world.tip("beta").unwrap().checkpoint.height;
    let frozen = &mut world.engine_mut("alpha").outbound.get_mut(&name("beta")).unwrap().record.frozen;
    *frozen = Some("attested to have received 9 messages, of 1 sealed".to_owned());
    beta_recovered(&mut world);
    let head = world.engine("alpha").inbound[&name("beta")].record.head.clone().unwrap();
    assert_eq!(head.attestation.checkpoint.height, last_height, "the head of its last checkpoint is in hand");
    assert_eq!(accept(&mut world).never_received_from, None);
}
