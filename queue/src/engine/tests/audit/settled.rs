//! The same for what is kept of settling, of callers and of costs.

use super::super::super::records::{
    FEED, HeadRow, INBOX, KEY, OutcomeKind, OutcomeRecord, SPENT, SettlementRecord, decode_record, head_row_key,
    outcome_key, settlement_key,
};
use super::super::limits::call;
use super::*;
use crate::message::Tombstone;
use borsh::BorshSerialize;

/// Requests from alpha of which some are delivered, some buried, some expired and proved so, one is
/// open; some under keys, and taken from a feed, under a budget.
fn settled_world() -> World {
    let budget = Budget { gas_per_day: 1_000_000, deposit_yocto_per_day: 1_000_000 };
    let mut world = World::with(CrashPlan::Prompt, u64::MAX, Settling::default(), Some(budget));
    world.cost = AttestCost { gas: 7, deposit_yocto: 1 };
    world.connect();
    for number in 0..70 {
        world.send_within("alpha", "beta", &number.to_string(), (600 + number) * S);
    }
    for body in [call("alpha", "beta").body, Body::Data(b"once".to_vec())] {
        let key = Some(format!("key-of-{}", body.kind()).parse().unwrap());
        let request = World::request("alpha", "beta", "");
        world.enqueue("alpha", Enqueue { key, body, ..request }).unwrap();
    }
    world.engine_mut("alpha").handle_feed_taken(&"orders".parse().unwrap(), 72).unwrap();
    world.run();
    world.signer_is_down_for = Some(name("alpha"));
    world.send_within("alpha", "beta", "too late", 5 * S);
    let deadline_ns = Some(world.now().unix_ns + 5 * S);
    world.enqueue("alpha", Enqueue { deadline_ns, ..call("alpha", "beta") }).unwrap();
    world.run();
    world.advance(6 * S);
    world.send("beta", "alpha", "news of the time");
    world.run();
    world.signer_is_down_for = None;
    world.advance(45 * S);
    world.run();
    world.signer_is_down = true;
    world
        .enqueue("alpha", Enqueue { deadline_ns: Some(world.now().unix_ns + 90 * S), ..call("alpha", "beta") })
        .unwrap();
    world.run();
    world
}

fn lane(world: &World) -> Lane {
    world.engine("alpha").outbound[&name("beta")].record.lane.clone()
}

fn record<T: borsh::BorshDeserialize>(store: &MemoryStore, key: &[u8]) -> T {
    decode_record("record", &store.get(key).unwrap().unwrap()).unwrap()
}

/// What is found once a record of alpha says something else.
fn with_record(world: &World, key: Vec<u8>, value: &impl BorshSerialize) -> String {
    let store = changed(&world.copy("alpha"), Turn { puts: vec![(key, codec::encode(value))], ..Turn::default() });
    format!("{:?}", audited(world, "alpha", &store).findings)
}

#[test]
fn a_store_with_requests_in_every_state_is_sound() {
    let world = settled_world();
    let lane = lane(&world);
    let states: Vec<MessageState> =
        [0, 70, 72, 73, 74].map(|nonce| world.engine("alpha").outcome(&name("beta"), nonce).unwrap()).to_vec();
    let buried = Settled::Tombstone { reason: Tombstone::NoContracts, result_nonce: 0 };
    let settled = [Settled::Delivered, buried, Settled::Expired, Settled::Expired].map(MessageState::Settled);
    assert_eq!((&states[..4], &states[4]), (&settled[..], &MessageState::Sealed));
    let store = world.copy("alpha");
    assert!(!store.scan(&head_row_key(&lane, None), b"", 1).unwrap().is_empty());
    for shard in ["alpha", "beta"] {
        assert_eq!(audited(&world, shard, &world.copy(shard)).findings, [], "{shard}");
    }
}

#[test]
fn a_flipped_bit_in_any_record_of_settling_is_found() {
    let world = settled_world();
    let heads = head_row_key(&lane(&world), None);
    // Times and turns as above. Which turn took the message of a key, how much of a feed was taken,
    // what attesting cost, and from where below its end on a head without one before it delivered is
    // told by nothing else.
    flip_each(&world, "alpha", |key, value| match key {
        key if key == BLOCK_TIME => 0..8,
        key if key == ATTESTOR_KEY => pending_time(&world, value),
        key if key.starts_with(INBOX) => turn_of_run(value),
        key if key.starts_with(KEY) => value.len() - 40..value.len() - 32,
        key if key.starts_with(FEED) || key == SPENT => 0..value.len(),
        key if key.starts_with(&heads) && value[8] == 0 => 0..1,
        _ => 0..0,
    });
}

#[test]
fn a_missing_record_of_settling_is_found() {
    let world = settled_world();
    let heads = head_row_key(&lane(&world), None);
    let proves_a_call = |key: &[u8]| key.starts_with(&heads) && key > head_row_key(&lane(&world), Some(73)).as_slice();
    // A feed that is missing was forgotten; without a budget no cost is kept. That a head was kept is
    // known only where it expires a call: a data message without one counts as delivered.
    delete_each(&world, "alpha", |key| {
        key == BLOCK_TIME || key == SPENT || key.starts_with(FEED) || (key.starts_with(&heads) && !proves_a_call(key))
    });
}

#[test]
fn an_outcome_that_no_result_says_is_found() {
    let world = settled_world();
    for (nonce, result_nonce) in [(70, 1), (71, 0), (72, 1), (70, 500), (900, 0)] {
        let outcome = OutcomeKind::Tombstone(Tombstone::NoContracts);
        let findings = with_record(&world, outcome_key(&lane(&world), nonce), &OutcomeRecord { result_nonce, outcome });
        assert!(findings.contains(&format!("the outcome of request {nonce} is not")), "{nonce}: {findings}");
    }
}

#[test]
fn a_settlement_record_that_says_more_or_less_than_the_lanes_is_found() {
    let world = settled_world();
    let key = settlement_key(&name("beta"));
    let found = |change: &dyn Fn(&mut SettlementRecord), expected: &str| {
        let mut record: SettlementRecord = record(&world.copy("alpha"), &key);
        change(&mut record);
        let findings = with_record(&world, key.clone(), &record);
        assert!(findings.contains(expected), "{expected}: {findings}");
    };
    found(&|record| record.reached += 1, "are acknowledged");
    found(&|record| record.pruned = 63, "pruned up to 63");
    found(&|record| record.pruned = 128, "pruned up to 128");
    found(&|record| record.ahead.push((record.reached, 1)), "it waits for sizes");
    found(&|record| record.open_calls.clear(), "call 74 awaits no result");
    found(&|record| record.open_calls.extend([(74, 5)]), "call 74 is open with another deadline");
    found(&|record| record.open_calls.extend([(3, 5)]), "message 3 awaits a result, but is no call");
    found(&|record| record.open_calls.extend([(900, 5)]), "call 900 awaits a result, but the lane has");
    found(&|record| record.acknowledged_result_bytes += 1, "acknowledged results have");
    found(&|record| record.notes.has_deadlines = false, "the notes of results and deadlines");
    let stray = with_record(&world, settlement_key(&name("gamma")), &SettlementRecord::default());
    assert!(stray.contains("of a lane that is not there"), "{stray}");
}

#[test]
fn a_kept_head_of_another_range_or_lane_is_found() {
    let world = settled_world();
    let prefix = head_row_key(&lane(&world), None);
    let (key, value) = world.copy("alpha").scan(&prefix, &prefix, usize::MAX).unwrap().pop().unwrap();
    let row: HeadRow = decode_record("row", &value).unwrap();
    assert!(row.before.is_some());
    let own = world.engine("alpha").outbound[&name("beta")].record.head.clone();
    let none = HeadRow { before: None, after: None, ..row.clone() };
    for (changed, expected) in [
        (HeadRow { begin: row.begin - 1, ..row.clone() }, "is not of these lanes' messages"),
        (HeadRow { begin: 900, ..row.clone() }, "heads are kept of 900"),
        (HeadRow { before: own, ..row.clone() }, "not of this lane"),
        (none, "prove nothing of a deadline"),
    ] {
        let findings = with_record(&world, key.clone(), &changed);
        assert!(findings.contains(expected), "{expected}: {findings}");
    }
}
