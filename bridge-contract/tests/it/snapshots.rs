//! What others rely on and the compiler doesn't check, kept in tests/snapshots: host functions,
//! storage layout, gas. `UPDATE_SNAPSHOTS=1` writes them anew, which is an explicit approval of the
//! change: a new layout of records needs a migration.

use crate::lanes::open_with;
use crate::upgrade::next_release;
use crate::wasm::imports;
use crate::world::*;
use queue::contract::method;
use queue::trust::Curve;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots")).join(name)
}

/// The kept text, once it was replaced if that is asked for.
fn kept(name: &str, found: &str) -> String {
    let path = path(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_kept(name: &str, found: &str) {
    let kept = kept(name, found);
    assert!(kept == found, "{} is\n{kept}\nfound\n{found}\nUPDATE_SNAPSHOTS=1 approves it", path(name).display());
}

#[test]
fn the_wasm_asks_for_the_host_functions_that_it_asked_for() {
    let mut imports = imports(&wasm());
    imports.sort();
    assert_kept("imports.txt", &(imports.join("\n") + "\n"));
}

/// First bytes of the keys of records that this release writes, see `src/storage_keys.rs`.
const KINDS: [u8; 13] = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];

/// Every kind of record, under its key, in a bridge in which something has happened. The layout is no
/// matter of the protocol, but the hash of a block is, and with it the instance: each has its own file.
#[test]
fn records_and_their_keys_have_the_layout_that_they_had() {
    let mut world = World::initialised_on("testnet");
    for name in ["alpha", "beta"] {
        world.reserve(name).success();
        world.activate(name).success();
    }
    let checkpoint = world.first_checkpoint("alpha");
    world.attest_endorsed(&checkpoint).signature();
    world.submit_endorsed(&world.first_checkpoint("beta")).success();
    world.close_in_time(Curve::Secp256k1).signature();
    open_with(&mut world, OWNER);
    world.json(OWNER, BRIDGE, method::OPEN_INCARNATION, &json!({ "shard": "alpha" }), NEAR).success();
    let members = [public_key_of("next member")];
    let rotation = json!({ "shard": "alpha", "members": members, "threshold": 1 });
    world.json(OWNER, BRIDGE, method::PROPOSE_ROTATION, &rotation, 0).success();
    world.grant("CodeStager", OWNER);
    world.grant("PauseManager", OWNER);
    world.json(OWNER, BRIDGE, method::PA_PAUSE_FEATURE, &json!({ "key": "rekey" }), 0).success();
    world.call(OWNER, BRIDGE, method::UP_STAGE_CODE, b"code".to_vec(), 0, 300).success();

    let storage = world.storage(BRIDGE);
    let kinds: BTreeSet<u8> = storage.keys().map(|key| key[0]).filter(u8::is_ascii_control).collect();
    assert_eq!(kinds, KINDS.into());
    let mut found = String::new();
    for (key, value) in storage {
        let text: String = key.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic).collect();
        writeln!(found, "{} {text}\n  {}", hex::encode(key), hex::encode(value)).unwrap();
    }
    assert_kept(&format!("records-{}.txt", protocol_version()), &found);
}

/// Gas may move by this many per cent before somebody has to look.
const GAS_TOLERANCE_PERCENT: u64 = 2;

/// Gas in 10^9 units that the main calls burn on the bridge, callbacks included.
fn gas() -> Vec<(&'static str, u64)> {
    let mut world = World::initialised();
    let alpha = json!({ "shard": "alpha" });
    let mut gas = Vec::new();
    let mut measured = |name, outcome: Outcome| gas.push((name, outcome.success().ggas_burnt_on(BRIDGE)));
    measured("reserve", world.reserve("alpha"));
    measured("activate", world.activate("alpha"));
    let checkpoint = world.first_checkpoint("alpha");
    measured("attest", world.attest_endorsed(&checkpoint));
    measured("attest, signed already", world.attest(&checkpoint, &[]));
    measured("top_up", world.json(MALLORY, BRIDGE, method::TOP_UP, &alpha, 1));
    measured("pause", world.json(OWNER, BRIDGE, method::PAUSE, &alpha, 0));
    measured("resume", world.json(OWNER, BRIDGE, method::RESUME, &alpha, 0));
    measured("open_incarnation", world.json(OWNER, BRIDGE, method::OPEN_INCARNATION, &alpha, NEAR));
    measured("sync_signer", world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0));
    let role = json!({ "role": "CodeStager", "account_id": OWNER });
    measured("acl_grant_role", world.json(ADMIN, BRIDGE, method::ACL_GRANT_ROLE, &role, 0));
    let code = vec![0; 256 * 1024];
    measured("up_stage_code, 256 KiB", world.call(OWNER, BRIDGE, method::UP_STAGE_CODE, code, 0, 300));
    measured("migrate", world.deploy(next_release(), method::MIGRATE));
    gas
}

#[test]
fn the_main_calls_burn_the_gas_that_they_burnt() {
    let found = gas();
    let name = format!("gas-{}.txt", protocol_version());
    let text: String = found.iter().map(|(call, ggas)| format!("{ggas:>6} Ggas {call}\n")).collect();
    println!("{text}");
    let kept = kept(&name, &text);
    assert_eq!(kept.lines().count(), found.len(), "{name}: other calls are measured: UPDATE_SNAPSHOTS=1 approves it");
    for (line, (call, ggas)) in kept.lines().zip(found) {
        let (before, _) = line.trim_start().split_once(" Ggas ").filter(|(_, name)| *name == call).unwrap();
        let before: u64 = before.parse().unwrap();
        let limit = before * GAS_TOLERANCE_PERCENT / 100;
        assert!(
            ggas.abs_diff(before) <= limit,
            "{call} burns {ggas} Ggas, burnt {before}: UPDATE_SNAPSHOTS=1 approves it"
        );
    }
}
