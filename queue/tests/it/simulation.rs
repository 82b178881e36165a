//! Honest nodes under a hostile schedule: crashes, connections that break, clocks that differ, a
//! signer that fails, answers that come late. Whatever is not durable is lost in a crash, and
//! everything happens in an order drawn from a seed.

mod bridge;
mod checks;
mod random;
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
        world.assert_all_is_delivered_and_acknowledged();
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
