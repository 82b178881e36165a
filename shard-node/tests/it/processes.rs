//! Real processes, killed as a power cut would.

use shard_node::demo::fleet::{Fleet, NEAR, SHARDS};
use shard_node::demo::scenario::{self, Plan};
use std::path::PathBuf;
use std::time::Duration;

/// Far above what a busy machine needs; without it, a lost message would be waited for for ever.
const TIME_LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_each_way_arrive_once_in_order_across_a_kill_of_each_process_and_of_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_shard-node"));
    let mut fleet = Fleet::new(program, folder.path().to_owned(), 20);
    fleet.start_all(drop).await.expect("a running bridge");
    let [alpha, beta] = SHARDS;
    let kills = vec![vec![alpha], vec![NEAR], vec![beta], vec![NEAR, alpha, beta]];
    let plan = Plan { messages: 10_000, size: 256, kills };
    let lanes = scenario::lanes(&plan);

    let played = tokio::time::timeout(TIME_LIMIT, scenario::play(&mut fleet, &plan, &lanes)).await;

    let played = played.unwrap_or_else(|_| panic!("messages were lost: {lanes:?}")).expect("a run");
    assert_eq!(played.sent, 20_000);
    for tally in &played.tallies {
        assert_eq!((tally.delivered, tally.duplicates, tally.out_of_order, tally.foreign), (10_000, 0, 0, 0));
    }
    fleet.stop().await.expect("a clean stop");
}
