//! Honest nodes under a hostile schedule: crashes, connections that break, clocks that differ, a
//! signer that fails, answers that come late. Whatever is not durable is lost in a crash, and
//! everything happens in an order drawn from a seed.

mod bridge;
mod checks;
mod random;
mod recovery;
mod store;
mod world;

use proptest::prelude::*;
use world::World;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_of_crashes_loses_doubles_or_reorders_a_message(seed in any::<u64>()) {
        let mut world = World::new(seed, &["alpha", "beta", "gamma"]);
        for _ in 0..1500 {
            world.step();
        }
        world.calm_down();
        world.ask_for_all_outcomes();
        world.assert_all_is_settled_alike_on_both_sides();
    }
}

/// Disks are lost, keys replaced, and operators accept late: nothing is delivered twice within an
/// incarnation, and every request to a shard that began anew ends in one of settled, never received
/// and unknown.
#[test]
fn no_schedule_of_lost_disks_delivers_twice_or_says_two_things_of_a_request() {
    let (mut never_received, mut unknown, mut losses) = (0, 0, 0);
    for seed in 0..48 {
        let mut world = World::new(seed, &["alpha", "beta", "gamma"]);
        world.is_lossy = true;
        for _ in 0..1500 {
            world.step();
        }
        world.is_lossy = false;
        world.forget_connections();
        world.calm_down();
        world.ask_for_all_outcomes();
        world.assert_all_is_settled_alike_on_both_sides();
        world.assert_the_past_adds_up();
        let counts = world.past_counts();
        (never_received, unknown, losses) =
            (never_received + counts.never_received, unknown + counts.unknown, losses + counts.losses);
    }
    assert!(losses > 48, "only {losses} disks were lost");
    assert!(never_received > 30 && unknown > 100, "{never_received} never received, {unknown} unknown: too few");
}

#[test]
fn some_schedules_expire_messages_and_some_deliver_them_before_their_deadlines() {
    let mut expired = 0;
    for seed in 0..8 {
        let mut world = World::new(seed, &["alpha", "beta"]);
        for _ in 0..1500 {
            world.step();
        }
        world.calm_down();
        world.ask_for_all_outcomes();
        world.assert_all_is_settled_alike_on_both_sides();
        expired += world.expired();
    }
    assert!(expired > 20, "only {expired} messages expired: the deadlines are too long to show anything");
}

/// Schedules that once showed a mistake, of the world or of the engine.
#[test]
fn schedules_that_once_failed_do_not_fail_again() {
    for seed in [3_718_568_512_601_290_857, 4_006_875_672_850_688_806] {
        let mut world = World::new(seed, &["alpha", "beta", "gamma"]);
        for _ in 0..1500 {
            world.step();
        }
        world.calm_down();
        world.ask_for_all_outcomes();
        world.assert_all_is_settled_alike_on_both_sides();
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = || {
        let mut world = World::new(7, &["alpha", "beta"]);
        for _ in 0..400 {
            world.step();
        }
        world.calm_down();
        world.story()
    };
    assert_eq!(story(), story());
}
