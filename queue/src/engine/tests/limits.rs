//! Deadlines, keys, windows and budgets at the door.

use super::super::config::{BUSY_BYTES, BUSY_SEAL_INTERVAL_NS};
use super::super::*;
use super::world::{S, World, name};
use crate::message::{Action, Call, Tombstone};
use crate::store::CrashPlan;

pub(super) fn call(from: &str, to: &str) -> Enqueue {
    let action = Action::FunctionCall { method: "run".to_owned(), args: vec![], gas: 1, deposit_yocto: 0 };
    let refund_to = format!("ann.{from}").parse().unwrap();
    let body = Body::Call(Call { refund_to, actions: vec![action], promise_results: vec![] });
    Enqueue { body, ..World::request(from, to, "") }
}

fn keyed(key: &str, text: &str) -> Enqueue {
    Enqueue { key: Some(key.parse().unwrap()), ..World::request("alpha", "beta", text) }
}

#[test]
fn two_lanes_full_of_requests_that_all_expire_drain_completely() {
    let mut world = World::with_backlog(CrashPlan::Prompt, 200_000);
    let text = "x".repeat(1_000);
    for (from, to) in [("alpha", "beta"), ("beta", "alpha")] {
        loop {
            let deadline_ns = Some(world.now().unix_ns + 5 * S);
            match world.enqueue(from, Enqueue { deadline_ns, ..World::request(from, to, &text) }) {
                Ok(_) => {}
                Err(EnqueueError::Busy { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    world.run();
    world.advance(6 * S);
    world.connect();
    world.run();
    for _ in 0..3 {
        world.advance(31 * S);
        world.run();
    }
    for (shard, other) in [("alpha", "beta"), ("beta", "alpha")] {
        let status = world.engine(shard).status();
        let lane = &status.outbound[0];
        assert_eq!((lane.backlog_bytes, lane.settled), (0, lane.accepted), "{shard}: {lane:?}");
        let requests = lane.accepted / 2;
        assert!(requests > 150, "only {requests} requests filled the lane");
        for nonce in 0..requests {
            let outcome = world.engine(shard).outcome(&name(other), nonce);
            let reason = Tombstone::Expired;
            let expected = MessageState::Settled(Settled::Tombstone { reason, result_nonce: requests + nonce });
            assert_eq!(outcome, Ok(expected), "{shard} {nonce}");
        }
        assert!(world.try_send(shard, other, &text).is_ok(), "{shard} is still busy");
    }
}

#[test]
fn the_call_window_is_full_by_its_own_name_and_opens_with_the_results() {
    let settling = Settling { call_window: Some(3), ..Settling::default() };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
    for _ in 0..3 {
        world.enqueue("alpha", call("alpha", "beta")).unwrap();
    }
    let full = world.enqueue("alpha", call("alpha", "beta"));
    assert!(matches!(full, Err(EnqueueError::CallWindow { calls: 3, call_window: 3, .. })), "{full:?}");
    assert!(world.try_send("alpha", "beta", "data needs no window").is_ok());
    world.run();
    world.crash("alpha");
    world.run();
    let full = world.enqueue("alpha", call("alpha", "beta"));
    assert!(matches!(full, Err(EnqueueError::CallWindow { calls: 3, .. })), "a restart emptied the window: {full:?}");
    world.connect();
    world.run();
    let status = world.engine("alpha").status();
    assert_eq!((status.outbound[0].calls, status.outbound[0].settled), (0, 4));
    assert!(world.enqueue("alpha", call("alpha", "beta")).is_ok());
}

#[test]
fn results_take_no_room_of_the_backlog() {
    let mut world = World::with_backlog(CrashPlan::Prompt, 5_000);
    for number in 0..20 {
        world.send_within("beta", "alpha", &number.to_string(), S);
    }
    world.run();
    world.advance(2 * S);
    world.connect();
    world.signer_is_down = true;
    world.run();
    world.send("alpha", "beta", &"x".repeat(4_000));
    assert!(matches!(world.try_send("alpha", "beta", &"x".repeat(4_000)), Err(EnqueueError::Busy { .. })));
}

#[test]
fn a_lane_gives_its_default_deadline_to_messages_that_name_none() {
    let settling = Settling { deadline_default_ms: Some(5_000), ..Settling::default() };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
    world.send("alpha", "beta", "default");
    world.send_within("alpha", "beta", "own", 60 * S);
    world.run();
    world.advance(6 * S);
    world.connect();
    world.run();
    assert_eq!(world.inbox_texts("beta"), ["expired", "own"]);
}

#[test]
fn a_deadline_that_has_passed_is_refused_at_the_door() {
    let mut world = World::new(CrashPlan::Prompt);
    let deadline_ns = Some(world.now().unix_ns);
    let late = world.enqueue("alpha", Enqueue { deadline_ns, ..World::request("alpha", "beta", "late") });
    assert!(matches!(late, Err(EnqueueError::DeadlinePassed { .. })), "{late:?}");
}

#[test]
fn the_same_key_is_the_same_message_through_restarts_and_another_content_is_refused() {
    let mut world = World::new(CrashPlan::Manual);
    let first = world.enqueue("alpha", keyed("invoice-7", "pay")).unwrap();
    assert_eq!(world.enqueue("alpha", keyed("invoice-7", "pay")), Ok(first.clone()), "within the turn");
    world.run();
    world.crash("alpha");
    world.run();
    assert_eq!(world.enqueue("alpha", keyed("invoice-7", "pay")), Ok(first.clone()), "after a restart");
    let reused = world.enqueue("alpha", keyed("invoice-7", "pay twice")).unwrap_err();
    assert!(matches!(&reused, EnqueueError::KeyReused { nonce: 0, .. }), "{reused}");
    assert_eq!(world.enqueue("alpha", keyed("invoice-8", "pay")).unwrap().nonce, 1);
    assert_eq!(world.engine("alpha").status().outbound[0].accepted, 2);
}

#[test]
fn a_key_whose_message_was_lost_in_a_crash_is_free_again() {
    let mut world = World::new(CrashPlan::Manual);
    world.enqueue("alpha", keyed("invoice-7", "pay")).unwrap();
    world.run_without_sync();
    world.crash("alpha");
    world.run();
    let again = world.enqueue("alpha", keyed("invoice-7", "something else")).unwrap();
    assert_eq!(again.nonce, 0);
}

#[test]
fn a_key_is_kept_for_a_day_and_then_forgotten() {
    let mut world = World::new(CrashPlan::Prompt);
    world.enqueue("alpha", keyed("invoice-7", "pay")).unwrap();
    world.run();
    world.advance(KEY_KEPT_NS - S);
    world.run();
    assert_eq!(world.enqueue("alpha", keyed("invoice-7", "pay")).unwrap().nonce, 0);
    world.enqueue("alpha", keyed("invoice-8", "pay")).unwrap();
    world.advance(2 * S);
    world.run();
    assert_eq!(world.enqueue("alpha", keyed("invoice-7", "pay anew")).unwrap().nonce, 2);
    assert_eq!(world.enqueue("alpha", keyed("invoice-8", "pay")).unwrap().nonce, 1);
}

#[test]
fn a_key_is_visible_ascii_of_bounded_length() {
    for refused in ["", "two words", "naïve", "a\n", &"k".repeat(KEY_BYTES_MAX + 1)] {
        assert!(refused.parse::<IdempotencyKey>().is_err(), "{refused:?}");
    }
    assert!("k".repeat(KEY_BYTES_MAX).parse::<IdempotencyKey>().is_ok());
}

/// A world whose shards may spend 1,000 gas a day, of which an attempt takes `gas`.
fn with_budget(gas: u64) -> World {
    let budget = Budget { gas_per_day: 1_000, deposit_yocto_per_day: 1_000 };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, Settling::default(), Some(budget));
    world.cost = AttestCost { gas, deposit_yocto: 1 };
    world.connect();
    world
}

#[test]
fn an_exhausted_budget_seals_nothing_until_the_next_day_and_survives_a_restart() {
    let mut world = with_budget(500);
    for number in 0..4 {
        world.send("alpha", "beta", &number.to_string());
        world.run();
    }
    assert_eq!(world.heights_asked("alpha"), [0, 1]);
    world.crash("alpha");
    world.connect();
    world.run();
    assert_eq!(world.heights_asked("alpha"), [0, 1], "a restart filled the budget");
    let status = world.engine("alpha").status();
    let until_ns = status.budget_until_ns.expect("the budget holds a checkpoint back");
    assert!(status.outbound[0].waiting_for.as_ref().is_some_and(|reason| reason.contains("budget")));
    let (at_ns, why) = world.engine("alpha").poll_timeout().unwrap();
    assert!(why.contains("budget"), "{why}");
    assert_eq!(at_ns - world.now().mono_ns, until_ns - world.now().unix_ns);
    world.advance(until_ns - world.now().unix_ns);
    world.run();
    assert_eq!(world.heights_asked("alpha"), [0, 1, 2]);
    assert_eq!(world.inbox_texts("beta"), ["0", "1", "2", "3"]);
    assert_eq!(world.engine("alpha").status().budget_until_ns, None);
}

#[test]
fn acknowledgements_stop_before_messages_do() {
    let mut world = with_budget(300);
    for number in 0..4 {
        world.send("alpha", "beta", &number.to_string());
        world.run();
        world.advance(31 * S);
        world.run();
    }
    assert_eq!(world.heights_asked("beta").len(), 3, "nine tenths are spent by three acknowledgements");
    world.send("beta", "alpha", "a message still goes");
    world.run();
    assert_eq!(world.heights_asked("beta").len(), 4);
    assert_eq!(world.inbox_texts("alpha"), ["a message still goes"]);
}

#[test]
fn attempts_that_fail_count_and_stop_with_the_budget() {
    let mut world = with_budget(400);
    world.signer_is_down = true;
    world.send("alpha", "beta", "0");
    for _ in 0..20 {
        world.run();
        world.advance(60 * S);
    }
    assert_eq!(world.attempts("alpha"), 3, "failed attempts went on beyond the budget");
    assert!(world.engine("alpha").poll_timeout().is_some_and(|(_, why)| why.contains("budget")));
}

#[test]
fn a_checkpoint_that_covers_much_is_followed_after_a_pause_and_one_that_covers_little_at_once() {
    let mut world = World::new(CrashPlan::Prompt);
    world.connect();
    for text in ["one", "two"] {
        world.send("alpha", "beta", text);
        world.run();
    }
    assert_eq!(world.heights_asked("alpha"), [0, 1], "an idle node waited");
    let half = "x".repeat(BUSY_BYTES / 2);
    for text in [&half, &half] {
        world.send("alpha", "beta", text);
    }
    world.run();
    world.send("alpha", "beta", "behind much");
    world.run();
    assert_eq!(world.heights_asked("alpha"), [0, 1, 2], "a busy node sealed again at once");
    let (at_ns, why) = world.engine("alpha").poll_timeout().unwrap();
    assert_eq!((at_ns - world.now().mono_ns, why), (BUSY_SEAL_INTERVAL_NS, "seal under load"));
    world.advance(BUSY_SEAL_INTERVAL_NS);
    world.run();
    world.send("alpha", "beta", "idle again");
    world.run();
    assert_eq!(world.heights_asked("alpha"), [0, 1, 2, 3, 4]);
    assert_eq!(world.inbox_texts("beta").len(), 6);
}
