//! Payloads in bulk, and the feeds that they belong to.

use super::world::{World, name};
use super::*;
use crate::ids::AccountId;
use crate::store::CrashPlan;

fn account(text: &str) -> AccountId {
    text.parse().unwrap()
}

fn take(world: &mut World, texts: &[&str]) -> Result<TakenRun, EnqueueError> {
    let payloads = texts.iter().map(|text| text.as_bytes());
    let now = world.now();
    world.engine_mut("alpha").handle_enqueue_payloads(&account("ann.alpha"), &account("bob.beta"), payloads, now)
}

fn feed(text: &str) -> FeedName {
    text.parse().unwrap()
}

#[test]
fn payloads_taken_in_bulk_are_the_messages_that_one_by_one_would_be() {
    let texts = ["one", "", "three"];
    let [mut bulk, mut single] = [(); 2].map(|()| World::new(CrashPlan::Prompt));
    let run = take(&mut bulk, &texts).unwrap();
    texts.iter().for_each(|text| drop(single.send("alpha", "beta", text)));
    assert_eq!((run.peer, run.nonces, run.refused), (name("beta"), 0..3, None));
    for world in [&mut bulk, &mut single] {
        world.connect();
        world.run();
        assert_eq!(world.inbox("beta"), texts);
    }
    let tip = |world: &World| world.tip("alpha").unwrap().hash;
    assert_eq!(tip(&bulk), tip(&single), "the same messages and salts have the same root");
}

#[test]
fn a_run_stops_at_the_first_payload_for_which_there_is_no_room() {
    let mut world = World::with_backlog(CrashPlan::Prompt, 500);
    let long = "x".repeat(300);
    let run = take(&mut world, &["short", &long, &long, "short"]).unwrap();
    assert_eq!(run.nonces, 0..2);
    assert!(matches!(run.refused, Some(EnqueueError::Busy { .. })), "{:?}", run.refused);
    let nothing = take(&mut world, &[]).unwrap();
    assert_eq!((nothing.nonces, nothing.refused), (2..2, None), "the lane itself is open");
}

#[test]
fn what_no_payload_could_change_is_refused_before_the_first() {
    let mut world = World::new(CrashPlan::Prompt);
    let mut refused = |from: &str, to: &str| {
        let payloads = [&b"hello"[..]];
        let now = world.now();
        world.engine_mut("alpha").handle_enqueue_payloads(&account(from), &account(to), payloads, now).unwrap_err()
    };
    assert!(matches!(refused("ann.beta", "bob.beta"), EnqueueError::Sender { .. }));
    assert!(matches!(refused("ann.alpha", "bob.alpha"), EnqueueError::Local(_)));
    assert!(matches!(refused("ann.alpha", "bob.near"), EnqueueError::NearHasNoLane(_)));
    assert!(matches!(refused("ann.alpha", "bob.gamma"), EnqueueError::UnknownShard(_)));
    let lane = world.engine_mut("alpha").outbound.get_mut(&name("beta")).unwrap();
    lane.record.frozen = Some("a contradiction".to_owned());
    assert!(matches!(take(&mut world, &[]), Err(EnqueueError::Frozen { .. })));
}

#[test]
fn a_crash_takes_a_feeds_count_and_its_messages_together_or_neither() {
    let mut world = World::new(CrashPlan::Manual);
    let orders = feed("orders");
    take(&mut world, &["one", "two"]).unwrap();
    world.engine_mut("alpha").handle_feed_taken(&orders, 2).unwrap();
    assert_eq!(world.engine("alpha").feed(&orders).unwrap().taken, 2, "also before the turn closes");
    world.run();
    take(&mut world, &["three"]).unwrap();
    world.engine_mut("alpha").handle_feed_taken(&orders, 3).unwrap();
    let open = world.engine("alpha").feed(&orders).unwrap();
    world.run_without_sync();
    assert!(open.turn > world.engine("alpha").durable(), "the count tells the turn that it waits for");

    world.crash("alpha");

    let found = world.engine("alpha").feed(&orders).unwrap();
    assert_eq!((found.taken, world.engine("alpha").status().outbound[0].accepted), (2, 2));
    assert_eq!(world.engine("alpha").feed(&feed("other")).unwrap(), FeedState::default());
}

#[test]
fn the_feed_that_was_silent_longest_is_forgotten_when_there_are_too_many() {
    let mut world = World::new(CrashPlan::Prompt);
    let names: Vec<FeedName> = (0..FEEDS_MAX).map(|n| feed(&format!("feed-{n}"))).collect();
    for name in &names {
        world.engine_mut("alpha").handle_feed_taken(name, 1).unwrap();
    }
    world.run();
    // The first one speaks again: then the second is the oldest. Names of one turn go in order.
    world.engine_mut("alpha").handle_feed_taken(&names[0], 2).unwrap();
    world.run();
    world.engine_mut("alpha").handle_feed_taken(&feed("new"), 1).unwrap();
    world.run();
    let taken = |name: &FeedName| world.engine("alpha").feed(name).unwrap().taken;
    assert_eq!((taken(&names[0]), taken(&names[1]), taken(&names[2]), taken(&feed("new"))), (2, 0, 1, 1));
}
