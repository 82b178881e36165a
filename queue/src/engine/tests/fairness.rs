//! Backlogs of several peers that are read back beside each other.

use super::super::*;
use super::world::{World, name, registered};
use crate::digest::empty_root;
use crate::frame::{FRAME_HEADER_BYTES, ReceiverFrame, encode_frame};
use crate::store::CrashPlan;

/// More than one turn reads back.
const LARGE_BYTES: usize = 600_000;

/// The peers to which alpha sends data in one turn, one entry per message.
fn sent_in_one_turn(world: &mut World) -> Vec<ShardId> {
    let now = world.now();
    let alpha = world.engine_mut("alpha");
    alpha.commit(now).unwrap();
    alpha.poll_durable().unwrap();
    let outputs: Vec<Output> = std::iter::from_fn(|| alpha.poll_output()).collect();
    let mut bytes = BTreeMap::<ShardId, usize>::new();
    for output in outputs {
        if let Output::Frame { peer, frame, .. } = output {
            *bytes.entry(peer).or_default() += frame.data.map_or(0, |data| data.as_ref().len());
        }
    }
    bytes.into_iter().flat_map(|(peer, bytes)| vec![peer; bytes / LARGE_BYTES]).collect()
}

/// Alpha has a backlog for beta and one for gamma, `each` messages long, and both are back.
fn two_backlogs(each: usize) -> World {
    let mut world = World::new(CrashPlan::Prompt);
    let mut shards = world.registry();
    shards.push(registered("gamma"));
    world.engine_mut("alpha").handle_registry(shards).unwrap();
    for _ in 0..each {
        for peer in ["beta", "gamma"] {
            world.send("alpha", peer, &"x".repeat(LARGE_BYTES));
        }
    }
    world.run();
    for peer in ["beta", "gamma"].map(name) {
        let alpha = world.engine_mut("alpha");
        alpha.handle_connected(&peer);
        let lane = alpha.outbound[&peer].record.lane.clone();
        let root = empty_root::<Native>();
        let open = encode_frame(&ReceiverFrame::Open { lane, size: 0, root, staged_size: 0, staged_root: root });
        alpha.handle_receiver_frame(&peer, &open[FRAME_HEADER_BYTES..]).unwrap();
    }
    world
}

#[test]
fn backlogs_of_two_peers_are_read_back_in_turn() {
    let mut world = two_backlogs(4);
    let turns: Vec<Vec<ShardId>> = (0..8).map(|_| sent_in_one_turn(&mut world)).collect();
    let peers: Vec<&str> = turns.iter().flatten().map(ShardId::as_str).collect();
    assert_eq!(peers, ["beta", "gamma", "beta", "gamma", "beta", "gamma", "beta", "gamma"]);
    assert!(turns.iter().all(|turn| turn.len() == 1), "one turn read back more than its part: {turns:?}");
}

#[test]
fn a_node_with_more_to_read_back_goes_on_at_once_and_one_without_waits() {
    let mut world = two_backlogs(1);
    let goes_on = |world: &World| {
        world.engine("alpha").poll_timeout().is_some_and(|(at_ns, why)| at_ns == 0 && why.contains("to be sent"))
    };
    assert_eq!(sent_in_one_turn(&mut world), [name("beta")]);
    assert!(goes_on(&world), "gamma waits for another event");
    assert_eq!(sent_in_one_turn(&mut world), [name("gamma")]);
    assert!(!goes_on(&world), "nothing is left to be sent");
}
