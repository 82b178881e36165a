//! What calls burn, and what they take: printed as the rows of the table in `specs/contract.md`.
//! The embedded chain has no trie and charges nothing for its nodes, so every bound leaves room.

use crate::world::*;
use chain::near_primitives::types::Gas;
use chain::near_primitives::views::ExecutionStatusView;
use ed25519_dalek::SigningKey;
use queue::checkpoint::Checkpoint;
use queue::contract::{Endorsement, ReserveArgs, method};
use queue::digest::Native;
use queue::statement::{Statement, StatementScope};
use queue::trust::{Curve, PublicKey};
use serde_json::{Value, json};

/// NEAR burns at most this in one call, in Tgas.
const CALL_TGAS_MAX: f64 = 300.0;

/// Members of `alpha` in these tests.
fn member(index: u16) -> SigningKey {
    key_of(&format!("member {index} of alpha"))
}

fn majority(members: u16) -> u16 {
    members / 2 + 1
}

fn listed(members: u16) -> Vec<PublicKey> {
    (0..members).map(|index| PublicKey::Ed25519(member(index).verifying_key().to_bytes())).collect()
}

/// As many signatures as there are members: the most that a call can bring.
fn by_all(world: &World, members: u16, statement: &Statement) -> Vec<Endorsement> {
    let view = world.shard("alpha").unwrap();
    let domain = world.trust(BRIDGE).domain;
    let scope = StatementScope { domain, shard: shard("alpha"), members_version: view.members_version };
    (0..members).map(|index| sign_statement(index, &member(index), &scope, statement)).collect()
}

fn attest_by_all(world: &World, members: u16, checkpoint: &Checkpoint) -> Vec<u8> {
    let statement = Statement::Endorse { checkpoint: checkpoint.hash::<Native>() };
    attest_args(checkpoint, &by_all(world, members, &statement))
}

/// With every list of a shard at its limit but the members, of which there are so many.
fn world_with_members(members: u16, curve: Curve) -> (World, Outcome, Outcome) {
    let mut world = World::initialised();
    let args = ReserveArgs {
        members: listed(members),
        threshold: majority(members),
        curve,
        transport_keys: (0..16).map(|index| public_key_of(&format!("transport {index}"))).collect(),
        addresses: (0..8).map(|index| format!("{}.example:{}", "a".repeat(240), 3000 + index)).collect(),
        ..reservation("alpha")
    };
    let reserved = world.json(OWNER, BRIDGE, method::RESERVE, &args, NEAR).success();
    let activated = world.activate("alpha").success();
    (world, reserved, activated)
}

/// Tgas of a call itself, and of its callback on the contract if it has one.
fn tgas(outcome: &Outcome) -> (f64, Option<f64>) {
    let mut burnt = outcome
        .receipts()
        .filter(|receipt| receipt.executor_id == BRIDGE)
        .inspect(|receipt| assert!(!matches!(receipt.status, ExecutionStatusView::Failure(_)), "{receipt:?}"))
        .map(|receipt| Gas::from_gas(receipt.gas_burnt.as_gas()).as_gigagas() as f64 / 1000.0);
    (burnt.next().unwrap(), burnt.next())
}

fn row(call: &str, outcome: &Outcome) -> f64 {
    let (own, callback) = tgas(outcome);
    let callback = callback.map_or("–".to_owned(), |tgas| format!("{tgas:.1}"));
    println!("| {call} | {own:.1} | {callback} |");
    own
}

#[test]
fn attest_burns_little_and_grows_by_the_member() {
    for curve in CURVES {
        for (members, tgas_max) in [(1, 6.0), (4, 12.0), (16, 30.0), (64, CALL_TGAS_MAX / 3.0)] {
            let (mut world, ..) = world_with_members(members, curve);
            let checkpoint = world.first_checkpoint("alpha");
            let args = attest_by_all(&world, members, &checkpoint);
            let outcome = world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 300);
            outcome.signature();
            row(&format!("`attest`, {members} endorsements, {curve}"), &outcome);
            let (own, callback) = tgas(&outcome);
            let burnt = own + callback.unwrap();
            assert!(burnt <= tgas_max, "{members} members: {burnt} Tgas, at most {tgas_max}");
        }
    }
}

#[test]
fn every_call_about_a_shard_at_its_limits_fits_a_third_of_what_near_allows() {
    const MEMBERS: u16 = 64;
    let (mut world, reserved, activated) = world_with_members(MEMBERS, Curve::Secp256k1);
    let mut burnt = vec![row("`reserve`", &reserved), row("`activate`", &activated)];
    let mut measure = |call: &str, outcome: Outcome| burnt.push(row(call, &outcome.success()));
    let first = world.first_checkpoint("alpha");
    let args = attest_by_all(&world, MEMBERS, &first);
    world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, 300).signature();

    let (members, threshold) = (listed(MEMBERS), majority(MEMBERS));
    let keys = (0..MEMBERS).map(|index| member(index).verifying_key().to_bytes()).collect();
    let endorsements = by_all(&world, MEMBERS, &Statement::Rotate { members: keys, threshold });
    let announced = json!({ "shard": "alpha", "members": members, "threshold": threshold });
    let mut rotate = announced.clone();
    rotate["endorsements"] = json!(endorsements);
    measure("`rotate`, 64 endorsements", world.json(MALLORY, BRIDGE, method::ROTATE, &rotate, 0));
    measure("`propose_rotation`, 64 members", world.json(OWNER, BRIDGE, method::PROPOSE_ROTATION, &announced, 0));
    let alpha = json!({ "shard": "alpha" });
    measure("`apply_rotation`, 64 members", world.json(MALLORY, BRIDGE, method::APPLY_ROTATION, &alpha, 0));

    let endorsements = by_all(&world, MEMBERS, &Statement::Rekey { key_epoch: 1, curve: Curve::Ed25519 });
    let rekey = json!({ "shard": "alpha", "curve": "ed25519", "endorsements": endorsements });
    measure("`rekey`, 64 endorsements", world.json(MALLORY, BRIDGE, method::REKEY, &rekey, NEAR));
    measure("`activate`, ed25519", world.activate("alpha"));
    measure("`open_incarnation`", world.json(OWNER, BRIDGE, method::OPEN_INCARNATION, &alpha, NEAR));
    measure("`pause`", world.json(OWNER, BRIDGE, method::PAUSE, &alpha, 0));
    measure("`resume`", world.json(OWNER, BRIDGE, method::RESUME, &alpha, 0));
    measure("`top_up`", world.json(MALLORY, BRIDGE, method::TOP_UP, &alpha, 1));
    measure(
        "`withdraw`",
        world.json(OWNER, BRIDGE, method::WITHDRAW, &json!({ "shard": "alpha", "amount_yocto": null }), 0),
    );
    measure("`retire`", world.json(OWNER, BRIDGE, method::RETIRE, &alpha, 0));
    measure("`sync_signer`", world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &Value::Null, 0));
    for tgas in burnt {
        assert!(tgas <= CALL_TGAS_MAX / 3.0, "{tgas} Tgas");
    }
}

#[test]
fn the_least_gas_that_attest_names_suffices_for_any_number_of_members() {
    for curve in CURVES {
        for members in [1, 2, 16, 64] {
            let (mut world, ..) = world_with_members(members, curve);
            let checkpoint = world.first_checkpoint("alpha");
            let args = attest_by_all(&world, members, &checkpoint);
            let least = 35 + u64::from(members) / 2;
            let refused = world.call(MALLORY, BRIDGE, method::ATTEST, args.clone(), 0, least - 1).failure();
            let named = format!("the call has {} Tgas, attest takes at least {least}", least - 1);
            assert!(refused.contains(&named), "{refused}");
            world.call(MALLORY, BRIDGE, method::ATTEST, args, 0, least).signature();
        }
    }
}
