//! Two engines, a network between them, and a signer with a real key: the whole protocol, one
//! step at a time.

#![allow(clippy::unwrap_used, reason = "a test stops where its world breaks")]

mod adversaries;
mod ahead;
mod audit;
mod bulk;
mod fairness;
mod files;
mod limits;
mod recovery;
mod rekey;
mod retention;
mod settlement;
mod terms;
mod world;

use super::records::HOME;
use super::*;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::store::CrashPlan;
use world::{S, World, name};

#[test]
fn messages_cross_both_ways_in_order_and_are_acknowledged() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    for round in 0..20 {
        for number in 0..7 {
            world.send("alpha", "beta", &format!("a{}", round * 7 + number));
            world.send("beta", "alpha", &format!("b{}", round * 7 + number));
        }
        world.run();
    }
    world.advance(31 * S);
    world.run();
    for (from, to, letter) in [("alpha", "beta", 'a'), ("beta", "alpha", 'b')] {
        let expected: Vec<String> = (0..140).map(|number| format!("{letter}{number}")).collect();
        assert_eq!(world.inbox(to), expected);
        let status = world.engine(from).status();
        let lane = &status.outbound[0];
        assert_eq!((lane.accepted, lane.sealed, lane.attested, lane.delivered), (140, 140, 140, 140));
        assert_eq!(lane.acknowledged, 140, "{from} waits for {:?}", lane.waiting_for);
        assert_eq!(lane.backlog_bytes, 0);
    }
}

#[test]
fn nothing_leaves_before_the_turn_that_it_depends_on_is_durable() {
    let mut world = World::new(CrashPlan::Manual);
    world.connect();
    world.run_without_sync();
    world.send("alpha", "beta", "hello");
    assert_eq!(world.run_without_sync(), 0, "an output left while its turn was not durable");
    world.run();
    assert_eq!(world.inbox("beta"), ["hello"]);
}

#[test]
fn a_crash_at_any_step_loses_nothing_accepted_and_delivers_nothing_twice() {
    let mut crashed_at_every_step = false;
    for step in 0..200 {
        let mut world = World::new(CrashPlan::Manual);
        world.connect();
        let mut accepted = Vec::new();
        for number in 0..5 {
            accepted.push(world.send("alpha", "beta", &number.to_string()));
            world.send("beta", "alpha", &number.to_string());
            world.run_steps(step);
        }
        let durable = world.engine("alpha").durable();
        let survivors = accepted.iter().filter(|ticket| ticket.turn <= durable).count();
        for victim in ["alpha", "beta"] {
            world.crash(victim);
            world.connect();
            world.run();
            world.advance(31 * S);
            world.run();
        }
        let inbox = world.inbox("beta");
        let expected: Vec<String> = (0..inbox.len()).map(|number| number.to_string()).collect();
        assert_eq!(inbox, expected, "after a crash at step {step}");
        assert!(inbox.len() >= survivors, "step {step}: {survivors} were accepted, {} arrived", inbox.len());
        crashed_at_every_step |= inbox.len() == 5;
    }
    assert!(crashed_at_every_step, "no run was long enough to finish");
}

#[test]
fn a_backlog_while_the_peer_is_away_is_released_by_the_newest_signature_in_parts() {
    let mut world = World::new(CrashPlan::Prompt);
    let large = "x".repeat(300_000);
    for _ in 0..60 {
        world.send("alpha", "beta", &large);
        world.run();
    }
    assert_eq!(world.inbox("beta").len(), 0);
    world.connect();
    world.run();
    assert_eq!(world.inbox("beta"), vec![large; 60]);
    assert_eq!(world.releases("alpha"), 3, "the head, half a flight of 32 MiB, and the rest of 18 MB");
}

#[test]
fn a_full_backlog_answers_busy_and_room_comes_back_with_the_acknowledgement() {
    let mut world = World::with_backlog(CrashPlan::Prompt, 1_000_000);
    let large = "x".repeat(600_000);
    let first = world.try_send("alpha", "beta", &large);
    assert!(first.is_ok());
    let busy = world.try_send("alpha", "beta", &large);
    assert!(matches!(busy, Err(EnqueueError::Busy { backlog_bytes_max: 1_000_000, .. })), "{busy:?}");
    world.connect();
    world.run();
    world.advance(31 * S);
    world.run();
    assert!(world.try_send("alpha", "beta", &large).is_ok());
}

#[test]
fn enqueue_refuses_by_name_what_no_destination_would_take() {
    let mut world = World::new(CrashPlan::Prompt);
    let mut refused = |sender: &str, receiver: &str, body: Body| {
        let (sender, receiver) = (sender.parse().unwrap(), receiver.parse().unwrap());
        let request = Enqueue { sender, receiver, body, deadline_ns: None, key: None };
        world.enqueue("alpha", request).unwrap_err().to_string()
    };
    let data = || Body::Data(Vec::new());
    assert!(refused("eve.beta", "bob.beta", data()).contains("does not belong to shard alpha"));
    assert!(refused("ann.alpha", "bob.alpha", data()).contains("local"));
    assert!(refused("ann.alpha", "0x06012c8cf97bead5deae237070f9587f8e7a266d", data()).contains("local"));
    assert!(refused("ann.alpha", "bob.near", data()).contains("near has no lane"));
    assert!(refused("ann.alpha", "bob.gamma", data()).contains("shard gamma is not registered"));
    assert!(refused("ann.alpha", "bob.beta", Body::Data(vec![0; MESSAGE_BYTES_MAX])).contains("limit"));
    let outcome = crate::message::Outcome::Success(Vec::new());
    let result = Body::Result(crate::message::RequestResult { request_nonce: 0, outcome });
    assert!(refused("ann.alpha", "bob.beta", result).contains("kind result"));
}

#[test]
fn an_unavailable_signer_is_asked_again_for_the_same_checkpoint() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.signer_is_down = true;
    world.send("alpha", "beta", "first");
    world.run();
    let waiting = world.engine("alpha").status().outbound[0].waiting_for.clone().unwrap();
    assert!(waiting.contains("signer unavailable"), "{waiting}");
    world.send("alpha", "beta", "second");
    for _ in 0..10 {
        world.advance(40 * S);
        world.run();
    }
    assert_eq!(world.heights_asked("alpha"), [0], "another checkpoint was sealed over a pending one");
    world.signer_is_down = false;
    world.advance(40 * S);
    world.run();
    assert_eq!(world.inbox("beta"), ["first", "second"]);
    assert_eq!(world.heights_asked("alpha"), [0, 1]);
}

#[test]
fn only_acknowledging_checkpoints_come_at_once_and_then_every_30_seconds() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "0");
    world.run();
    assert_eq!(world.engine("alpha").status().outbound[0].acknowledged, 1, "the first comes at once");
    world.send("alpha", "beta", "1");
    world.run();
    assert_eq!(world.engine("alpha").status().outbound[0].acknowledged, 1);
    world.advance(29 * S);
    world.run();
    assert_eq!(world.engine("alpha").status().outbound[0].acknowledged, 1);
    world.advance(2 * S);
    world.run();
    assert_eq!(world.engine("alpha").status().outbound[0].acknowledged, 2);
    let heights = (world.heights_asked("alpha").len(), world.heights_asked("beta").len());
    for _ in 0..5 {
        world.advance(60 * S);
        world.run();
    }
    let later = (world.heights_asked("alpha").len(), world.heights_asked("beta").len());
    assert_eq!(later, heights, "an acknowledgement was acknowledged");
}

#[test]
fn a_restored_old_copy_finds_that_it_is_not_the_newest_and_stops() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    let old = world.copy("alpha");
    world.send("alpha", "beta", "hello");
    world.run();
    let tip = world.tip("alpha");
    let mut restored = world.open("alpha", old);
    let stop = restored.handle_tip(tip, world.now()).unwrap_err();
    assert!(matches!(stop, Stop::NotNewest { .. }), "{stop}");
    restored.commit(world.now()).unwrap();
    restored.poll_durable().unwrap();
    while let Some(output) = restored.poll_output() {
        assert_eq!(output, Output::FetchTip, "an old copy sealed or sent");
    }
}

#[test]
fn of_two_running_copies_of_a_home_the_one_whose_checkpoint_is_rejected_stops() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    let mut copy = world.open("alpha", world.copy("alpha"));
    copy.handle_tip(world.tip("alpha"), world.now()).unwrap();
    world.send("alpha", "beta", "of the original");
    world.run();

    let body = Body::Data(b"of the copy".to_vec());
    let (sender, receiver) = ("alpha".parse().unwrap(), "beta".parse().unwrap());
    copy.handle_enqueue(Enqueue { sender, receiver, body, deadline_ns: None, key: None }, world.now()).unwrap();
    let mut rejected = false;
    let mut stopped = None;
    while stopped.is_none() {
        copy.commit(world.now()).unwrap();
        copy.poll_durable().unwrap();
        match copy.poll_output().expect("the copy learns that it is not the newest") {
            Output::Attest(checkpoint) => {
                let taken = Err(AttestFailure::Rejected("the height is taken".to_owned()));
                copy.handle_attest_result(checkpoint.hash::<Native>(), taken, AttestCost::default(), world.now());
                rejected = true;
            }
            Output::FetchTip if rejected => stopped = copy.handle_tip(world.tip("alpha"), world.now()).err(),
            Output::FetchTip => {}
            Output::Frame { .. } => panic!("the copy sent something"),
        }
    }
    assert!(matches!(stopped, Some(Stop::NotNewest { .. })), "{stopped:?}");
}

#[test]
fn a_home_of_another_shard_or_format_is_refused() {
    let mut world = World::new(CrashPlan::Prompt);
    world.run();
    let store = world.copy("alpha");
    let stop = Engine::open(world.config("beta"), store.clone(), world.now()).unwrap_err();
    assert!(matches!(stop, Stop::OtherHome { .. }), "{stop}");
    let mut store = store;
    let mut home = store.get(HOME).unwrap().unwrap();
    home[0] = 9;
    let id = store.poll_durable().unwrap() + 1;
    store.append(crate::store::Turn { id, puts: vec![(HOME.to_vec(), home)], ..Default::default() }).unwrap();
    let stop = Engine::open(world.config("alpha"), store, world.now()).unwrap_err();
    assert_eq!(stop, Stop::OtherFormat { found: 9, expected: STORE_FORMAT });
}

#[test]
fn a_failed_store_stops_the_node_and_a_restart_recovers() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    world.send("alpha", "beta", "kept");
    world.run();
    world.engine_mut("alpha").store.fail("disk full");
    world.send("alpha", "beta", "lost with the failure, and never said to be accepted");
    let now = world.now();
    assert!(matches!(world.engine_mut("alpha").commit(now), Err(Stop::Store(_))));
    assert!(matches!(world.engine_mut("alpha").poll_durable(), Err(Stop::Store(_))));
    world.crash("alpha");
    world.connect();
    world.run();
    world.send("alpha", "beta", "after");
    world.run();
    assert_eq!(world.inbox("beta"), ["kept", "after"]);
}

#[test]
fn the_inbox_is_one_durable_order_over_all_lanes() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    for number in 0..3 {
        world.send("alpha", "beta", &number.to_string());
        world.run();
    }
    let entries = world.engine("beta").inbox(1, 1).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].position, entries[0].nonce, &entries[0].peer), (1, 1, &name("alpha")));
    assert_eq!(world.engine("beta").inbox(3, 1).unwrap(), []);
    assert_eq!(world.engine("beta").inbox(u64::MAX, 1).unwrap(), []);
}

#[test]
fn every_message_of_a_lane_can_be_proved_to_a_stranger() {
    use crate::derivation::derive_public_key;
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    for number in 0..150 {
        world.send("alpha", "beta", &number.to_string());
    }
    world.run();
    let trust = world.config("beta").trust;
    for nonce in 0..150 {
        let proof = world.engine("beta").prove(&name("alpha"), None, nonce).unwrap();
        let verified = proof.verify::<Native>(&trust, derive_public_key).unwrap();
        assert_eq!(verified.message.body, Body::Data(nonce.to_string().into_bytes()));
    }
    let missing = world.engine("beta").prove(&name("alpha"), None, 150);
    assert!(matches!(missing, Err(ProveError::NotThere { size: 150, .. })));
}
