//! The audit finds what was changed behind the engine's back, wherever it is.

mod settled;

use super::super::deadlines::{Deadlines, NodeNotes};
use super::super::records::{INBOX, InboxRecord, NodeRecord, PRUNED, nodes_key, nodes_prefix};
use super::*;
use crate::codec;
use crate::ids::Lane;
use crate::store::{Appended, MemoryStore, Turn};
use crate::stream::Stream;
use std::ops::Range;

/// Traffic both ways beyond two stored levels, pruned in part, with a checkpoint pending at alpha.
fn worn_world() -> World {
    worn_world_with(Settling { retention_bytes_max: 0, ..Settling::default() })
}

fn worn_world_with(settling: Settling) -> World {
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
    world.connect();
    for round in 0..6 {
        for number in 0..35 {
            world.send("alpha", "beta", &format!("a{round}/{number}"));
            world.send("beta", "alpha", &format!("b{round}/{number}"));
        }
        world.run();
        world.advance(31 * S);
        world.run();
    }
    world.signer_is_down = true;
    world.send("alpha", "beta", "not attested");
    world.run();
    world
}

pub(super) fn audited(world: &World, shard: &str, store: &MemoryStore) -> AuditReport {
    let config = world.config(shard);
    let expectation = Expectation { shard: &config.shard, trust: &config.trust, salts: Some(&config.salt_secret) };
    audit(store, &expectation, &mut |_| {})
}

fn changed(store: &MemoryStore, turn: Turn) -> MemoryStore {
    let mut store = store.clone();
    let id = store.poll_durable().unwrap() + 1;
    store.append(Turn { id, ..turn }).unwrap();
    store
}

#[test]
fn a_store_that_was_never_touched_is_sound_and_its_lanes_are_counted() {
    let world = worn_world();
    let store = world.copy("alpha");
    let report = audited(&world, "alpha", &store);
    assert_eq!(report.findings, []);
    let [out, back] = &report.lanes[..] else { panic!("{report:?}") };
    assert_eq!((out.size, out.kept_from, out.messages, out.nodes), (211, 192, 19, 2));
    assert_eq!((back.size, back.kept_from, back.messages, back.nodes), (210, 0, 210, 3 + 1));
    assert_eq!(report.inbox_size, 210);
    assert!(report.pending_height.is_some() && report.attested_height.is_some());
}

/// Every byte of every record is changed, but for those that nothing else tells of.
fn flip_each(world: &World, shard: &str, unchecked: impl Fn(&[u8], &[u8]) -> Range<usize>) {
    let store = world.copy(shard);
    for (key, value) in store.scan(b"", b"", usize::MAX).unwrap() {
        let unchecked = unchecked(&key, &value);
        for at in (0..value.len()).filter(|at| !unchecked.contains(at)) {
            let mut flipped = value.clone();
            flipped[at] ^= 0x20;
            let store = changed(&store, Turn { puts: vec![(key.clone(), flipped)], ..Turn::default() });
            let report = audited(world, shard, &store);
            let name = String::from_utf8_lossy(&key);
            assert_ne!(report.findings, [], "{shard}: byte {at} of {} of {name}", value.len());
        }
    }
}

/// Every record is taken away, but for those that nothing else tells of.
fn delete_each(world: &World, shard: &str, is_unchecked: impl Fn(&[u8]) -> bool) {
    let store = world.copy(shard);
    for (key, _) in store.scan(b"", b"", usize::MAX).unwrap().into_iter().filter(|(key, _)| !is_unchecked(key)) {
        let store = changed(&store, Turn { deletes: vec![key.clone()], ..Turn::default() });
        let report = audited(world, shard, &store);
        assert_ne!(report.findings, [], "{shard}: {}", String::from_utf8_lossy(&key));
    }
}

#[test]
fn a_flipped_bit_in_any_record_is_found() {
    let world = worn_world();
    for shard in ["alpha", "beta"] {
        let lane = &world.engine(shard).outbound.values().next().unwrap().record.lane;
        let nodes = nodes_prefix(lane);
        let leftmost = [&7u32.to_le_bytes()[..], &0u64.to_le_bytes()].concat();
        // Nothing but the clock said what time it was; the turn of a run of the inbox only has to
        // rise; where messages are pruned, bytes are counted at the last peak only. The store's own
        // checksum covers them all.
        flip_each(&world, shard, |key, value| match key {
            key if key == BLOCK_TIME => 0..8,
            key if key == ATTESTOR_KEY && shard == "alpha" => pending_time(&world, value),
            // No head of this checkpoint says something new, so none was kept with its signature:
            // at its next start the node compares it with the contract's tip.
            key if key == ATTESTOR_KEY => 0..value.len(),
            key if key.starts_with(&nodes) && value[4..16] == leftmost => 48..56,
            key if key.starts_with(INBOX) => turn_of_run(value),
            _ => 0..0,
        });
    }
}

#[test]
fn a_flipped_bit_or_a_missing_record_of_pruned_inbound_lanes_is_found() {
    let settling = Settling { inbound_retention_bytes_max: 4_000, ..Settling::default() };
    let world = worn_world_with(settling);
    let store = world.copy("beta");
    let report = audited(&world, "beta", &store);
    assert_eq!(report.findings, []);
    let back = &report.lanes[1];
    assert_eq!((back.kept_from, back.messages), (192, back.size - 192), "two peaks stand for what was pruned");
    let nodes = nodes_prefix(&world.inbound_lane("beta"));
    let is_of_lane = |key: &[u8]| key.starts_with(&nodes) || key.starts_with(PRUNED) || key.starts_with(INBOX);
    flip_each(&world, "beta", |key, value| match key {
        key if !is_of_lane(key) => 0..value.len(),
        // Bytes up to a peak are counted at the last one only.
        key if key.starts_with(&nodes) => 48..56,
        key if key.starts_with(INBOX) => turn_of_run(value),
        _ => 0..0,
    });
    delete_each(&world, "beta", |key| !is_of_lane(key));
}

/// Where the attestor's record has the time of alpha's pending checkpoint.
fn pending_time(world: &World, value: &[u8]) -> Range<usize> {
    let time = world.engine("alpha").attestor.pending().unwrap().time_ns.to_le_bytes();
    let at = value.windows(8).rposition(|bytes| bytes == time).unwrap();
    at..at + 8
}

/// Where a run of the inbox has its turn.
fn turn_of_run(value: &[u8]) -> Range<usize> {
    let tombstones = codec::decode::<InboxRecord>("inbox", value, value.len()).unwrap().tombstones;
    let end = value.len() - codec::encode(&tombstones).len();
    end - 8..end
}

#[test]
fn a_missing_record_is_found() {
    delete_each(&worn_world(), "alpha", |key| key == BLOCK_TIME);
}

#[test]
fn a_changed_message_contradicts_the_roots_above_it_by_name() {
    let world = worn_world();
    let store = world.copy("alpha");
    let lanes: Vec<Lane> = ["outbound", "inbound"]
        .map(|direction| match direction {
            "outbound" => world.engine("alpha").outbound[&name("beta")].record.lane.clone(),
            _ => world.engine("alpha").inbound[&name("beta")].record.lane.clone(),
        })
        .to_vec();
    for (lane, nonces) in lanes.iter().zip([192..211, 0..210]) {
        for nonce in nonces {
            let mut message = store.message(lane, nonce).unwrap().unwrap();
            *message.last_mut().unwrap() ^= 1;
            let messages = Stream::of([message]).into();
            let messages = vec![Appended { lane: lane.clone(), first_nonce: nonce, messages }];
            let store = changed(&store, Turn { messages, ..Turn::default() });
            let findings = audited(&world, "alpha", &store).findings;
            let place = format!("lane {lane}");
            let is_named = findings.iter().any(|found| found.place == place && found.reason.contains("root at size"));
            assert!(is_named, "message {nonce}: {findings:?}");
        }
    }
}

#[test]
fn a_missing_message_and_one_too_many_are_found() {
    let world = worn_world();
    let store = world.copy("alpha");
    let lane = world.engine("alpha").inbound[&name("beta")].record.lane.clone();
    let pruned = changed(&store, Turn { prunes: vec![(lane.clone(), 64)], ..Turn::default() });
    let findings = audited(&world, "alpha", &pruned).findings;
    assert!(findings.iter().any(|found| found.place == format!("lane {lane}")), "{findings:?}");
    let messages = vec![Appended { lane: lane.clone(), first_nonce: 210, messages: Stream::of([b"more"]).into() }];
    let longer = changed(&store, Turn { messages, ..Turn::default() });
    let findings = audited(&world, "alpha", &longer).findings;
    assert!(findings.iter().any(|found| found.reason.contains("behind its end")), "{findings:?}");
}

#[test]
fn mallorys_head_under_a_bridge_of_her_own_is_found_under_the_pinned_trust_root() {
    let world = worn_world();
    let store = world.copy("alpha");
    let config = world.config("alpha");
    let mut trust = config.trust.clone();
    trust.domain.instance = Hash([8; 32]);
    let expectation = Expectation { shard: &config.shard, trust: &trust, salts: None };
    let findings = audit(&store, &expectation, &mut |_| {}).findings;
    for expected in ["another bridge than the pinned", "proves nothing", "another shard or bridge"] {
        assert!(findings.iter().any(|found| found.reason.contains(expected)), "{expected}: {findings:?}");
    }
}

#[test]
fn a_tree_node_too_many_is_found() {
    let world = worn_world();
    let store = world.copy("alpha");
    let lane = world.engine("alpha").outbound[&name("beta")].record.lane.clone();
    let notes = NodeNotes { result_bytes_end: 0, deadlines: Deadlines::NONE };
    let node = NodeRecord { level: 6, index: 3, hash: Hash([7; 32]), bytes_end: u64::MAX, notes };
    let (key, value) = (nodes_key(&lane, node.completed()), codec::encode(&vec![node]));
    let store = changed(&store, Turn { puts: vec![(key, value)], ..Turn::default() });
    let findings = audited(&world, "alpha", &store).findings;
    assert!(findings.iter().any(|found| found.reason.contains("tree node")), "{findings:?}");
}
