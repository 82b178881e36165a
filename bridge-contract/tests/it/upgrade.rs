//! Upgrades: staged in public, deployed after the delay, migrated in the same step.

use crate::world::*;
use bridge_contract::upgrade::ROOT_VERSION;
use queue::checkpoint::Checkpoint;
use queue::codec;
use queue::contract::{
    DelayStatus, DeployCall, DeployCodeArgs, Endorsement, InitArgs, PermissionedAccounts, ShardView, TipView, method,
};
use queue::digest::{Crypto, Native};
use queue::limits::UPGRADE_DELAY_NS;
use queue::trust::{Curve, TrustRoot};
use serde_json::{Value, json};

const STAGER: &str = OWNER;
const DEPLOYER: &str = OTHER_BRIDGE;

/// Code that does the same and has another hash: with a custom section (id 0) at its end.
pub fn next_release() -> Vec<u8> {
    [&wasm()[..], &[0, 5, 4], b"next"].concat()
}

pub fn deploy_args(code: &[u8], then: Option<(&str, Vec<u8>)>) -> DeployCodeArgs {
    DeployCodeArgs {
        hash: bs58(code),
        function_call_args: then.map(|(function_name, arguments)| DeployCall {
            function_name: function_name.to_owned(),
            arguments,
            amount: "0".to_owned(),
            gas: 50_000_000_000_000,
        }),
    }
}

/// SHA-256 in base58, as NEAR writes hashes of code.
fn bs58(code: &[u8]) -> String {
    chain::near_primitives::hash::CryptoHash(Native::sha256(&[code]).0).to_string()
}

fn code(world: &World) -> Vec<u8> {
    world.chain.view().code(&account(BRIDGE)).unwrap().to_vec()
}

/// A bridge on testnet with the next release staged, just now.
fn staged(code: Vec<u8>) -> World {
    let mut world = World::initialised_on("testnet");
    world.reserve("alpha").success();
    world.activate("alpha").success();
    world.grant("CodeStager", STAGER);
    world.grant("CodeDeployer", DEPLOYER);
    world.call(STAGER, BRIDGE, method::UP_STAGE_CODE, code, 0, 300).success();
    world
}

#[test]
fn the_first_release_is_migrated_with_all_it_knows_and_goes_on_attesting() {
    let mut world = World::with_code(wasm_v1());
    let args = InitArgs {
        network: "testnet".parse().unwrap(),
        signer: SIGNER.parse().unwrap(),
        admin: ADMIN.parse().unwrap(),
        open_registration: None,
    };
    world.json(BRIDGE, BRIDGE, method::INIT, &args, 0).success();
    world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
    for name in ["alpha", "beta"] {
        world.reserve(name).success();
        world.activate(name).success();
    }
    let first = world.first_checkpoint("alpha");
    let signature = attest_v1(&mut world, &first).signature();
    let pending = world.first_checkpoint("beta");
    world.chain.script_signer(chain::SignerFault::NoAnswer);
    attest_v1(&mut world, &pending).success();
    let before = state(&world);

    world.deploy(wasm(), method::MIGRATE).success();
    assert_eq!(state(&world), before);
    assert_eq!(world.attest(&first, &[]).signature(), signature);
    let second = world.attest_endorsed(&successor(&first)).signature();
    verify(&before.0, &successor(&first), &second).unwrap();
    let late = world.attest(&pending, &[]).signature();
    verify(&before.0, &pending, &late).unwrap();
    world.reserve("gamma").success();

    let accounts: PermissionedAccounts = world.view(BRIDGE, method::ACL_GET_PERMISSIONED_ACCOUNTS, &json!({}));
    assert_eq!(accounts.super_admins, [ADMIN]);
    assert!(world.view::<bool>(BRIDGE, method::OPEN_REGISTRATION, &json!({})));
    let delay: DelayStatus = world.view(BRIDGE, method::UP_GET_DELAY_STATUS, &json!({}));
    assert_eq!(delay.staging_duration, Some(UPGRADE_DELAY_NS));
}

/// The callbacks of the first release have other arguments: an answer that comes after the upgrade isn't
/// read, and the request is made again.
#[test]
fn what_the_first_release_asked_for_is_asked_for_again_when_its_answer_comes_after_the_upgrade() {
    let mut world = World::with_code(wasm_v1());
    world.init(BRIDGE, SIGNER).success();
    world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
    world.reserve("alpha").success();
    world.activate("alpha").success();
    let checkpoint = world.first_checkpoint("alpha");
    world.chain.script_signer(chain::SignerFault::AnswerAfterBlocks(20));
    let asked = world.submit(MALLORY, BRIDGE, method::ATTEST, attest_args_v1(&checkpoint), 0, 60);
    world.make_blocks(5);

    world.deploy(wasm(), method::MIGRATE).success();
    assert!(world.outcome(&asked).failure().contains("Failed to deserialize input from Borsh"));
    let tip = world.tip("alpha").unwrap();
    assert_eq!((&tip.checkpoint, tip.signature), (&checkpoint, None));
    let signature = world.attest(&checkpoint, &[]).signature();
    verify(&world.trust(BRIDGE), &checkpoint, &signature).unwrap();
}

/// A call to `attest` as the first release takes it, with a list of endorsements.
fn attest_v1(world: &mut World, checkpoint: &Checkpoint) -> Outcome {
    world.call(MALLORY, BRIDGE, method::ATTEST, attest_args_v1(checkpoint), 0, 60)
}

fn attest_args_v1(checkpoint: &Checkpoint) -> Vec<u8> {
    let Endorsement { member, signature } = endorse(checkpoint);
    codec::encode(&(checkpoint, vec![(member, signature)]))
}

/// Everything that a reader of the bridge sees of its shards, but for what the first release did not
/// say: by what a tip is attested.
fn state(world: &World) -> (TrustRoot, Vec<Value>, Vec<Value>) {
    let shards: Vec<ShardView> = world.view(BRIDGE, method::SHARDS, &json!({ "from_index": 0, "limit": 100 }));
    let tip = |view: &ShardView| world.tip(view.shard.as_str()).map(|tip| TipView { attested: None, ..tip });
    let tips = shards.iter().map(|view| json!(tip(view))).collect();
    (world.trust(BRIDGE), shards.iter().map(|view| json!(view)).collect(), tips)
}

#[test]
fn without_its_migration_code_does_nothing_with_the_state_of_another_release() {
    let mut world = World::with_code(wasm_v1());
    world.init(BRIDGE, SIGNER).success();
    let refused = world.deploy(wasm(), method::SYNC_SIGNER).failure();
    assert!(refused.contains("Cannot deserialize the contract state"), "{refused}");
    // The deployment was in the same transaction: the first release is still there, and works.
    assert_eq!(code(&world), wasm_v1());
    world.reserve("alpha").success();
}

#[test]
fn migrating_again_changes_nothing_and_mallory_cannot_migrate() {
    let mut world = staged(next_release());
    let before = state(&world);
    for caller in [MALLORY, ADMIN, STAGER] {
        let refused = world.json(caller, BRIDGE, method::MIGRATE, &json!({}), 0).failure();
        assert!(refused.contains("Method migrate is private"), "{refused}");
    }
    world.json(BRIDGE, BRIDGE, method::MIGRATE, &json!({}), 0).success();
    assert_eq!(state(&world), before);

    let mut empty = World::deployed();
    let refused = empty.json(BRIDGE, BRIDGE, method::MIGRATE, &json!({}), 0).failure();
    assert!(refused.contains("the contract has no state to migrate: call init"), "{refused}");
}

#[test]
fn staged_code_is_public_and_deployed_only_after_the_delay_and_by_its_hash() {
    let mut world = staged(next_release());
    let staged_at = world.now_ns;
    let first = world.first_checkpoint("alpha");
    world.attest_endorsed(&first).signature();
    assert_eq!(world.view::<String>(BRIDGE, method::UP_STAGED_CODE_HASH, &json!({})), bs58(&next_release()));
    let delay: DelayStatus = world.view(BRIDGE, method::UP_GET_DELAY_STATUS, &json!({}));
    let due = delay.staging_timestamp.unwrap();
    assert!(due >= staged_at - 10_000_000_000 + UPGRADE_DELAY_NS, "{due} for {staged_at}");

    let args = deploy_args(&next_release(), Some((method::MIGRATE, Vec::new())));
    world.wait(due - world.now_ns - 10_000_000_000);
    let refused = world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).failure();
    assert!(refused.contains("Deploy code too early"), "{refused}");
    world.wait(20_000_000_000);
    let other = deploy_args(&wasm(), Some((method::MIGRATE, Vec::new())));
    let refused = world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &other, 0).failure();
    assert!(refused.contains("Cannot deploy due to wrong hash"), "{refused}");
    let refused = world.json(STAGER, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).failure();
    assert!(refused.contains("owner has no role CodeDeployer"), "{refused}");
    assert_eq!(code(&world), wasm());

    world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).success();
    assert_eq!(code(&world), next_release());
    let second = world.attest_endorsed(&successor(&first)).signature();
    verify(&world.trust(BRIDGE), &successor(&first), &second).unwrap();
}

#[test]
fn code_staged_anew_waits_anew() {
    let mut world = staged(next_release());
    world.wait(UPGRADE_DELAY_NS + 20_000_000_000);
    let swapped = [&next_release()[..], &[0, 5, 4], b"evil"].concat();
    world.call(STAGER, BRIDGE, method::UP_STAGE_CODE, swapped.clone(), 0, 300).success();
    for code in [swapped, next_release()] {
        let refused = world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &deploy_args(&code, None), 0).failure();
        assert!(refused.contains("Deploy code too early"), "{refused}");
    }
}

#[test]
fn a_deployment_whose_migration_fails_leaves_the_old_code() {
    for (staged_code, then) in [
        (next_release(), Some(("no_such_method", Vec::new()))),
        (next_release(), Some(("up_stage_code", Vec::new()))),
        (wasm_v1(), None),
        (b"no Wasm".to_vec(), None),
    ] {
        let args = deploy_args(&staged_code, then);
        let mut world = staged(staged_code);
        world.wait(UPGRADE_DELAY_NS + 20_000_000_000);
        world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).failure();
        assert_eq!(code(&world), wasm());
        let first = world.first_checkpoint("alpha");
        world.attest_endorsed(&first).signature();
    }
}

#[test]
fn a_deployer_cannot_answer_in_the_signers_place_or_begin_the_contract_anew() {
    let mut world = staged(next_release());
    let checkpoint = world.first_checkpoint("alpha");
    world.chain.script_signer(chain::SignerFault::NoAnswer);
    world.attest_endorsed(&checkpoint).success();
    world.wait(UPGRADE_DELAY_NS + 20_000_000_000);
    let before = state(&world);
    let hash = world.tip("alpha").unwrap().hash;
    let anew = json!({ "network": "testnet", "signer": MALLORY, "admin": MALLORY });
    for (method, args) in [
        ("on_signature", codec::encode(&(shard("alpha"), hash))),
        ("on_root_key", codec::encode(&Curve::Secp256k1)),
        ("init", serde_json::to_vec(&anew).unwrap()),
    ] {
        let args = deploy_args(&next_release(), Some((method, args)));
        world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).failure();
        assert_eq!(code(&world), wasm(), "{method}");
        assert_eq!(state(&world), before, "{method}");
    }
}

#[test]
fn the_delay_shrinks_only_after_the_delay() {
    let mut world = staged(next_release());
    world.grant("DurationManager", DEPLOYER);
    let none = json!({ "staging_duration": 0 });
    let refused = world.json(DEPLOYER, BRIDGE, "up_init_staging_duration", &none, 0).failure();
    assert!(refused.contains("staging duration was already initialized"), "{refused}");
    world.json(DEPLOYER, BRIDGE, "up_stage_update_staging_duration", &none, 0).success();
    let refused = world.json(DEPLOYER, BRIDGE, "up_apply_update_staging_duration", &json!({}), 0).failure();
    assert!(refused.contains("Update duration too early"), "{refused}");
    let delay: DelayStatus = world.view(BRIDGE, method::UP_GET_DELAY_STATUS, &json!({}));
    assert_eq!((delay.staging_duration, delay.new_staging_duration), (Some(UPGRADE_DELAY_NS), Some(0)));
    world.wait(UPGRADE_DELAY_NS);
    world.json(DEPLOYER, BRIDGE, "up_apply_update_staging_duration", &json!({}), 0).success();
    let delay: DelayStatus = world.view(BRIDGE, method::UP_GET_DELAY_STATUS, &json!({}));
    assert_eq!(delay.staging_duration, Some(0));
    world.call(STAGER, BRIDGE, method::UP_STAGE_CODE, next_release(), 0, 300).success();
    world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &deploy_args(&next_release(), None), 0).success();
    assert_eq!(code(&world), next_release());
}

#[test]
fn a_delay_that_nobody_announced_does_not_take_effect() {
    let mut world = World::initialised_on("testnet");
    world.grant("DurationManager", DEPLOYER);
    let refused = world.json(DEPLOYER, BRIDGE, "up_apply_update_staging_duration", &json!({}), 0).failure();
    assert!(refused.contains("Upgradable: No staged update"), "{refused}");
}

#[test]
fn code_that_was_taken_away_is_neither_shown_nor_deployed() {
    let mut world = staged(next_release());
    world.call(STAGER, BRIDGE, method::UP_STAGE_CODE, Vec::new(), 0, 300).success();
    assert_eq!(world.view::<Option<String>>(BRIDGE, method::UP_STAGED_CODE_HASH, &json!({})), None);
    world.wait(UPGRADE_DELAY_NS + 20_000_000_000);
    let refused =
        world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &deploy_args(&next_release(), None), 0).failure();
    assert!(refused.contains("Upgradable: No staged code"), "{refused}");
    assert_eq!(code(&world), wasm());
}

#[test]
fn a_deployers_call_whose_deposit_is_no_amount_is_refused() {
    let mut world = staged(next_release());
    world.wait(UPGRADE_DELAY_NS + 20_000_000_000);
    let mut args = deploy_args(&next_release(), Some((method::MIGRATE, Vec::new())));
    args.function_call_args.as_mut().unwrap().amount = "one".to_owned();
    let refused = world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).failure();
    assert!(refused.contains("expected a decimal number of yoctoNEAR"), "{refused}");
    assert_eq!(code(&world), wasm());
}

#[test]
fn on_localnet_staged_code_waits_for_nothing() {
    let mut world = World::initialised();
    world.grant("CodeStager", STAGER);
    world.grant("CodeDeployer", DEPLOYER);
    world.call(STAGER, BRIDGE, method::UP_STAGE_CODE, next_release(), 0, 300).success();
    let args = deploy_args(&next_release(), Some((method::MIGRATE, Vec::new())));
    world.json(DEPLOYER, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).success();
    assert_eq!(code(&world), next_release());
}

#[test]
fn the_root_state_begins_with_its_version() {
    let world = World::initialised();
    assert_eq!(world.storage(BRIDGE)[&b"STATE"[..]][0], ROOT_VERSION);
}

#[test]
fn the_contract_says_from_which_sources_it_was_built() {
    let world = World::initialised();
    let metadata: Value = world.view(BRIDGE, "contract_source_metadata", &json!({}));
    assert_eq!(metadata["version"], env!("CARGO_PKG_VERSION"));
    let standards = json!([{ "standard": "nep297", "version": "1.0.0" }, { "standard": "nep330", "version": "1.3.0" }]);
    assert_eq!(metadata["standards"], standards);
    let build = &metadata["build_info"];
    assert_eq!(build["build_command"], json!(["bash", "bridge-contract/build.sh"]));
    assert_eq!(build["contract_path"], "bridge-contract");
    assert!(build["build_environment"].as_str().unwrap().starts_with("rustc "), "{build}");
    let description = concat!(env!("CARGO_MANIFEST_DIR"), "/res/bridge_contract.json");
    let description: Value = serde_json::from_slice(&std::fs::read(description).unwrap()).unwrap();
    let snapshot = format!("sha256:{}", description["source_sha256"].as_str().unwrap());
    assert_eq!(build["source_code_snapshot"], snapshot);
}
