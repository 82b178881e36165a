//! What is kept of delivered messages, and what goes.

use super::super::records::{INBOX, leaf_prefix, nodes_prefix, pruned_key};
use super::super::retention::PRUNED_PER_TURN;
use super::super::*;
use super::audit::audited;
use super::files::{file_of, import};
use super::world::{S, World, name};
use crate::derivation::derive_public_key;
use crate::store::{CrashPlan, MemoryStore, Store};
use std::collections::BTreeMap;
use std::ops::Range;

const RETENTION_BYTES: u64 = 20_000;

fn world_with(plan: CrashPlan) -> World {
    let settling = Settling { inbound_retention_bytes_max: RETENTION_BYTES, ..Settling::default() };
    let mut world = World::with(plan, u64::MAX, settling, None);
    world.connect();
    world
}

/// Sends rounds of messages from alpha to beta, each attested by itself.
fn send_rounds(world: &mut World, rounds: u64, messages: u64) {
    for round in 0..rounds {
        for number in 0..messages {
            world.send("alpha", "beta", &format!("{round}/{number}"));
        }
        world.run();
    }
}

/// Messages that beta has delivered and still keeps: the first, the number of all, and their bytes.
fn kept(world: &World) -> (u64, u64, u64) {
    let inbound = &world.engine("beta").inbound[&name("alpha")];
    (inbound.kept_from(), inbound.record.log.size(), inbound.record.bytes - inbound.retention.record.bytes)
}

fn rows(store: &MemoryStore, prefix: &[u8]) -> usize {
    store.scan(prefix, prefix, usize::MAX).unwrap().len()
}

#[test]
fn the_bound_holds_while_running_and_after_a_restart_and_nothing_is_left_of_what_went() {
    let mut world = world_with(CrashPlan::Prompt);
    for _ in 0..10 {
        send_rounds(&mut world, 3, 50);
        let (_, _, bytes) = kept(&world);
        assert!(bytes <= RETENTION_BYTES, "{bytes} bytes are kept");
    }
    let (first, size, bytes) = kept(&world);
    assert_eq!(size, 1_500);
    assert!(first > 1_000 && bytes > RETENTION_BYTES / 2, "{bytes} bytes from {first} on are kept");
    let (store, lane) = (world.copy("beta"), world.inbound_lane("beta"));
    assert!(store.message(&lane, first - 1).is_err(), "a pruned message is still there");
    assert!(rows(&store, INBOX) < 15 && rows(&store, &nodes_prefix(&lane)) < 20);
    assert_eq!(audited(&world, "beta", &store).findings, []);

    world.crash("beta");
    assert_eq!(kept(&world), (first, size, bytes));
    world.connect();
    send_rounds(&mut world, 3, 50);
    let (later, size, bytes) = kept(&world);
    assert!(later > first && size == 1_650 && bytes <= RETENTION_BYTES, "{bytes} bytes from {later} on are kept");
    let store = world.copy("beta");
    assert_eq!(audited(&world, "beta", &store).findings, []);
}

#[test]
fn what_is_kept_is_proved_read_and_exported_and_what_went_is_called_pruned() {
    let mut world = world_with(CrashPlan::Prompt);
    send_rounds(&mut world, 20, 50);
    let (first, size, _) = kept(&world);
    let (engine, trust) = (world.engine("beta"), world.config("beta").trust);
    for nonce in first..size {
        let proof = engine.prove(&name("alpha"), None, nonce).unwrap();
        let verified = proof.verify::<Native>(&trust, derive_public_key).unwrap();
        assert_eq!(verified.message.body, Body::Data(format!("{}/{}", nonce / 50, nonce % 50).into_bytes()));
    }
    let pruned = ProveError::Pruned { peer: name("alpha"), nonce: first - 1, first };
    assert_eq!(engine.prove(&name("alpha"), None, first - 1), Err(pruned));

    for position in [0, first - 1] {
        assert_eq!(engine.inbox(position, 1), Err(InboxError::Pruned { position, first }));
    }
    assert_eq!(engine.inbox(first, 1).unwrap()[0].nonce, first);

    let (header, mut export) = engine.export(Direction::Inbound, &name("alpha"), None).unwrap();
    assert_eq!((header.begin.size(), header.end), (first, size));
    let mut verifier = header.verify::<Native>(&trust, derive_public_key).unwrap();
    while let Some(part) = engine.export_part(&mut export).unwrap() {
        verifier.verify_part::<Native>(part).unwrap();
    }
    let error = engine.export(Direction::Inbound, &name("alpha"), Some(first - 1..size)).unwrap_err();
    assert!(matches!(error, ExportError::Range { kept, .. } if kept == first), "{error}");
}

#[test]
fn who_reads_an_inbox_of_which_everything_went_is_told_what_was_missed() {
    let settling = Settling { inbound_retention_bytes_max: 100, ..Settling::default() };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
    world.connect();
    send_rounds(&mut world, 1, 64);
    assert_eq!(kept(&world), (64, 64, 0));
    let engine = world.engine("beta");
    for position in [0, 63] {
        assert_eq!(engine.inbox(position, 1), Err(InboxError::Pruned { position, first: 64 }));
    }
    assert_eq!(engine.inbox(64, 1), Ok(Vec::new()));
}

#[test]
fn a_crash_at_any_step_leaves_a_lane_that_is_pruned_as_a_whole_or_not_at_all() {
    for step in 0..120 {
        let mut world = world_with(CrashPlan::Manual);
        send_rounds(&mut world, 6, 40);
        for number in 0..80 {
            world.send("alpha", "beta", &format!("last {number}"));
        }
        world.run_steps(step);
        world.run_without_sync();
        world.crash("beta");
        let store = world.copy("beta");
        assert_eq!(audited(&world, "beta", &store).findings, [], "after a crash at step {step}");
        world.connect();
        world.run();
        send_rounds(&mut world, 2, 40);
        let (first, size, bytes) = kept(&world);
        assert!(size == 400 && bytes <= RETENTION_BYTES, "step {step}: {bytes} bytes from {first} on");
        let store = world.copy("beta");
        assert_eq!(audited(&world, "beta", &store).findings, [], "after the crash at step {step}");
    }
}

#[test]
fn a_file_of_pruned_messages_brings_nothing_and_harms_nothing() {
    let mut world = world_with(CrashPlan::Prompt);
    send_rounds(&mut world, 2, 50);
    let old = pieces_of(&world, 0..100);
    send_rounds(&mut world, 16, 50);
    let before = kept(&world);
    assert!(before.0 > 100, "the file's messages are still here");
    assert_eq!(import(&mut world, "beta", &old), Ok(0));
    let across = pieces_of(&world, before.0..before.1);
    assert_eq!(import(&mut world, "beta", &across), Ok(0));
    assert_eq!((kept(&world), &world.engine("beta").status().inbound[0].frozen), (before, &None));
}

/// The file that beta writes of what it has from alpha.
fn pieces_of(world: &World, range: Range<u64>) -> Vec<u8> {
    file_of(world, "beta", Direction::Inbound, "alpha", Some(range))
}

#[test]
fn a_lane_with_little_traffic_keeps_its_runs_of_the_inbox_between_those_that_went() {
    let mut world = world_with(CrashPlan::Prompt);
    send_rounds(&mut world, 2, 10);
    world.send("beta", "alpha", "the other way");
    send_rounds(&mut world, 30, 40);
    world.advance(31 * S);
    world.run();
    let store = world.copy("alpha");
    assert_eq!(audited(&world, "alpha", &store).findings, []);
    assert_eq!(world.inbox_texts("alpha"), ["the other way"]);
    assert!(store.get(&pruned_key(&world.inbound_lane("alpha"))).unwrap().is_none());
    assert_eq!(rows(&world.copy("beta"), &leaf_prefix(&world.inbound_lane("beta"))), 0);
}

/// Sends more from alpha to beta than two turns let go of.
fn send_many(world: &mut World) {
    let (from, to, now) = ("ann.alpha".parse().unwrap(), "bob.beta".parse().unwrap(), world.now());
    let payloads = (0..2 * PRUNED_PER_TURN + 5_000).map(|_| &b"x"[..]);
    world.engine_mut("alpha").handle_enqueue_payloads(&from, &to, payloads, now).unwrap();
}

fn pruned_below(world: &World, shard: &str) -> u64 {
    match shard {
        "alpha" => world.engine("alpha").outbound[&name("beta")].settlement.record.pruned,
        _ => world.engine("beta").inbound[&name("alpha")].kept_from(),
    }
}

#[test]
fn what_one_head_acknowledges_or_releases_goes_in_turns_that_stay_short() {
    let settling = Settling {
        retention_bytes_max: RETENTION_BYTES,
        inbound_retention_bytes_max: RETENTION_BYTES,
        ..Settling::default()
    };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, settling, None);
    world.connect();
    send_many(&mut world);
    let mut parts = BTreeMap::<&str, Vec<u64>>::new();
    // A step closes one turn of each shard. Alpha hears what is acknowledged within these seconds.
    for _ in 0..200 {
        let before = ["alpha", "beta"].map(|shard| (shard, pruned_below(&world, shard)));
        world.run_steps(1);
        for (shard, before) in before {
            let gone = pruned_below(&world, shard) - before;
            parts.entry(shard).or_default().extend(Some(gone).filter(|gone| *gone > 0));
            let goes_on = world.engine(shard).poll_timeout().is_some_and(|(at_ns, _)| at_ns == 0);
            assert!(goes_on || !world.engine(shard).is_pruning(), "{shard} waits before it lets go of the rest");
        }
        world.advance(S);
    }
    for (shard, parts) in parts {
        assert!(parts.len() == 3 && parts.iter().all(|gone| *gone <= PRUNED_PER_TURN), "{shard}: {parts:?}");
        let left = 2 * PRUNED_PER_TURN + 5_000 - pruned_below(&world, shard);
        // Of at least 60 bytes each; at alpha whole blocks of 64.
        assert!(left <= RETENTION_BYTES / 60 + 64, "{shard} still keeps {left} messages");
        let store = world.copy(shard);
        assert!(rows(&store, &nodes_prefix(&world.inbound_lane("beta"))) < 20, "subtrees of {shard} are left");
        assert_eq!(audited(&world, shard, &store).findings, []);
    }
}

#[test]
fn a_crash_among_the_turns_that_let_go_leaves_a_sound_store_that_lets_go_of_the_rest() {
    let mut world = world_with(CrashPlan::Prompt);
    send_many(&mut world);
    while pruned_below(&world, "beta") == 0 {
        world.run_steps(1);
    }
    assert!(world.engine("beta").is_pruning(), "nothing is left to let go");
    world.crash("beta");
    assert_eq!(pruned_below(&world, "beta"), PRUNED_PER_TURN);
    assert_eq!(audited(&world, "beta", &world.copy("beta")).findings, []);
    world.connect();
    world.run();
    while world.engine("beta").is_pruning() {
        world.run();
    }
    let (first, _, bytes) = kept(&world);
    assert!(bytes <= RETENTION_BYTES, "{bytes} bytes from {first} on are kept");
    assert_eq!(audited(&world, "beta", &world.copy("beta")).findings, []);
}
