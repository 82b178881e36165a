use crate::world::*;
use bridge_contract::roles::PAUSABLE;
use chain::SignerFault;
use queue::contract::{
    Event, PauseChanged, PermissionedAccounts, RegistrationSet, Role, RoleChanged, ShardView, method,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn pause(world: &mut World, feature: &str) {
    assert!(world.json(OWNER, BRIDGE, method::PA_PAUSE_FEATURE, &json!({ "key": feature }), 0).value::<bool>());
}

#[test]
fn the_admin_of_init_is_the_only_super_admin_and_nobody_gets_a_role_from_another() {
    let mut world = World::initialised();
    let accounts: PermissionedAccounts = world.view(BRIDGE, method::ACL_GET_PERMISSIONED_ACCOUNTS, &json!({}));
    assert_eq!(accounts.super_admins, [ADMIN]);
    let roles = serde_json::to_value(&accounts.roles).unwrap();
    let roles = roles.as_object().unwrap();
    assert_eq!(roles.len(), Role::ALL.len() - 1);
    assert!(roles.values().all(|role| *role == json!({ "admins": [], "grantees": [] })), "{roles:?}");

    // Whoever has a role can't give it away either.
    world.grant("CodeDeployer", MALLORY);
    let before: Value = world.view(BRIDGE, method::ACL_GET_PERMISSIONED_ACCOUNTS, &json!({}));
    for caller in [MALLORY, BRIDGE] {
        for (method, role, of) in [
            (method::ACL_GRANT_ROLE, "SuperAdmin", caller),
            (method::ACL_GRANT_ROLE, "CodeDeployer", OWNER),
            (method::ACL_REVOKE_ROLE, "SuperAdmin", ADMIN),
        ] {
            let refused = world.json(caller, BRIDGE, method, &json!({ "role": role, "account_id": of }), 0).failure();
            assert!(refused.contains(&format!("{caller} has no role SuperAdmin on this bridge")), "{refused}");
        }
    }
    assert_eq!(world.view::<Value>(BRIDGE, method::ACL_GET_PERMISSIONED_ACCOUNTS, &json!({})), before);
}

#[test]
fn super_admins_name_others_and_the_last_one_stays() {
    let mut world = World::initialised();
    let args = |account: &str| json!({ "role": "SuperAdmin", "account_id": account });
    let refused = world.json(ADMIN, BRIDGE, method::ACL_REVOKE_ROLE, &args(ADMIN), 0).failure();
    assert!(refused.contains("admin is the last super admin of this bridge"), "{refused}");

    let granted = world.json(ADMIN, BRIDGE, method::ACL_GRANT_ROLE, &args(OWNER), 0);
    let (by, account_id) = (ADMIN.parse().unwrap(), OWNER.parse().unwrap());
    let changed = RoleChanged { role: Role::SuperAdmin, account_id, by };
    assert_eq!(granted.events(), [Event::RoleGranted([changed])]);
    let revoked = world.json(OWNER, BRIDGE, method::ACL_REVOKE_ROLE, &args(ADMIN), 0);
    let (by, account_id) = (OWNER.parse().unwrap(), ADMIN.parse().unwrap());
    let changed = RoleChanged { role: Role::SuperAdmin, account_id, by };
    assert_eq!(revoked.events(), [Event::RoleRevoked([changed])]);
    let refused = world.json(ADMIN, BRIDGE, method::ACL_GRANT_ROLE, &args(ADMIN), 0).failure();
    assert!(refused.contains("admin has no role SuperAdmin"), "{refused}");
}

#[test]
fn each_power_belongs_to_one_role_alone() {
    let registrar = json!({ "role": "Registrar", "account_id": MALLORY });
    let powers = [
        (method::ACL_GRANT_ROLE, registrar.clone(), Role::SuperAdmin),
        (method::ACL_REVOKE_ROLE, registrar, Role::SuperAdmin),
        (method::SET_OPEN_REGISTRATION, json!({ "open": false }), Role::SuperAdmin),
        (method::RESERVE, serde_json::to_value(reservation("alpha")).unwrap(), Role::Registrar),
        (method::PA_PAUSE_FEATURE, json!({ "key": "top_up" }), Role::PauseManager),
        (method::PA_UNPAUSE_FEATURE, json!({ "key": "top_up" }), Role::UnpauseManager),
        (method::UP_STAGE_CODE, json!({}), Role::CodeStager),
        (method::UP_DEPLOY_CODE, json!({ "hash": "", "function_call_args": null }), Role::CodeDeployer),
        ("up_init_staging_duration", json!({ "staging_duration": 0 }), Role::DurationManager),
        ("up_stage_update_staging_duration", json!({ "staging_duration": 0 }), Role::DurationManager),
        ("up_apply_update_staging_duration", json!({}), Role::DurationManager),
    ];
    let mut world = World::initialised_on("testnet");
    world.json(ADMIN, BRIDGE, method::SET_OPEN_REGISTRATION, &json!({ "open": false }), 0).success();
    for role in Role::ALL {
        world.grant(role.into(), OWNER);
        for (method, args, entitled) in &powers {
            let yocto = if *method == method::RESERVE { NEAR } else { 0 };
            let refused = world.json(OWNER, BRIDGE, method, args, yocto).try_failure().unwrap_or_default();
            assert_eq!(refused.contains("owner has no role"), role != *entitled, "{method} by {role:?}: {refused}");
        }
        let args = json!({ "role": role, "account_id": OWNER });
        world.json(ADMIN, BRIDGE, method::ACL_REVOKE_ROLE, &args, 0).success();
    }
}

#[test]
fn a_closed_bridge_gives_names_to_registrars_only() {
    let mut world = World::initialised();
    let closed = json!({ "open": false });
    let refused = world.json(MALLORY, BRIDGE, method::SET_OPEN_REGISTRATION, &closed, 0).failure();
    assert!(refused.contains("mallory has no role SuperAdmin on this bridge"), "{refused}");
    let outcome = world.json(ADMIN, BRIDGE, method::SET_OPEN_REGISTRATION, &closed, 0);
    assert_eq!(outcome.events(), [Event::RegistrationSet([RegistrationSet { open: false }])]);
    assert!(!world.view::<bool>(BRIDGE, method::OPEN_REGISTRATION, &json!({})));

    let refused = world.reserve("alpha").failure();
    assert!(refused.contains("registration is closed: owner has no role Registrar"), "{refused}");
    world.grant("Registrar", OWNER);
    world.reserve("alpha").success();
    let refused = world.json(MALLORY, BRIDGE, method::RESERVE, &reservation("beta"), NEAR).failure();
    assert!(refused.contains("registration is closed: mallory has no role Registrar"), "{refused}");

    world.json(ADMIN, BRIDGE, method::SET_OPEN_REGISTRATION, &json!({ "open": true }), 0).success();
    world.json(MALLORY, BRIDGE, method::RESERVE, &reservation("beta"), NEAR).success();
}

#[test]
fn a_bridge_can_be_closed_from_its_first_block() {
    let mut world = World::deployed();
    let args = json!({ "network": "localnet", "signer": SIGNER, "admin": ADMIN, "open_registration": false });
    world.json(BRIDGE, BRIDGE, method::INIT, &args, 0).success();
    let refused = world.reserve("alpha").failure();
    assert!(refused.contains("registration is closed"), "{refused}");
}

#[test]
fn each_method_is_paused_by_its_name_and_no_other_with_it() {
    let mut world = World::with_alpha();
    world.grant("PauseManager", OWNER);
    world.grant("UnpauseManager", ADMIN);
    let checkpoint = world.first_checkpoint("alpha");
    let is_paused = |world: &mut World, method: &str| {
        let args = if records(method) { attest_args(&checkpoint, &[endorse(&checkpoint)]) } else { any_args(method) };
        let refused = world.call(MALLORY, BRIDGE, method, args, 0, 300).try_failure().unwrap_or_default();
        refused.contains("Pausable: Method is paused") || refused.contains(&format!("{method} is paused: wait until"))
    };
    let methods = &PAUSABLE[1..];
    for feature in methods {
        pause(&mut world, feature);
        for method in methods.iter().filter(|method| !records(method) || method == &feature) {
            assert_eq!(is_paused(&mut world, method), method == feature, "{method} while {feature} is paused");
        }
        world.json(ADMIN, BRIDGE, method::PA_UNPAUSE_FEATURE, &json!({ "key": feature }), 0).success();
        assert_eq!(world.tip("alpha"), None);
    }
    pause(&mut world, "ALL");
    for method in methods {
        assert!(is_paused(&mut world, method), "{method}");
    }
    world.json(ADMIN, BRIDGE, method::PA_UNPAUSE_FEATURE, &json!({ "key": "ALL" }), 0).success();
    world.attest_endorsed(&checkpoint).signature();
}

fn records(method: &str) -> bool {
    [method::ATTEST, method::SUBMIT].contains(&method)
}

/// Arguments that have all names that any method takes, and of which no method refuses the form.
fn any_args(method: &str) -> Vec<u8> {
    let mut args = serde_json::to_value(reservation("beta")).unwrap();
    for (name, value) in
        [("shard", json!(if method == method::RESERVE { "beta" } else { "alpha" })), ("endorsements", json!([]))]
    {
        args[name] = value;
    }
    serde_json::to_vec(&args).unwrap()
}

#[test]
fn a_pause_is_an_event_and_a_name_that_is_none_is_refused() {
    let mut world = World::initialised();
    world.grant("PauseManager", OWNER);
    let args = |key: &str| json!({ "key": key });
    let paused = world.json(OWNER, BRIDGE, method::PA_PAUSE_FEATURE, &args("reserve"), 0);
    let (key, by) = ("reserve".to_owned(), OWNER.parse().unwrap());
    assert_eq!(paused.events(), [Event::Paused([PauseChanged { key, by }])]);
    let again = world.json(OWNER, BRIDGE, method::PA_PAUSE_FEATURE, &args("reserve"), 0);
    assert_eq!((again.value::<bool>(), again.events()), (false, Vec::new()));
    for name in ["reserv", "", "shard", "on_signature"] {
        let refused = world.json(OWNER, BRIDGE, method::PA_PAUSE_FEATURE, &args(name), 0).failure();
        assert!(refused.contains("is no method that can be paused, nor ALL"), "{refused}");
    }
    assert_eq!(world.view::<Vec<String>>(BRIDGE, method::PA_ALL_PAUSED, &json!({})), ["reserve"]);
}

#[test]
fn what_is_recorded_gets_its_signature_and_everything_is_readable_while_all_is_paused() {
    let mut world = World::with_alpha();
    world.grant("PauseManager", OWNER);
    let checkpoint = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    world.attest_endorsed(&checkpoint).success();
    pause(&mut world, "ALL");

    let signature = world.attest(&checkpoint, &[]).signature();
    assert_eq!(world.attest(&checkpoint, &[]).signature(), signature);
    assert_eq!(world.tip("alpha").unwrap().signature, Some(signature));
    let refused = world.attest_endorsed(&successor(&checkpoint)).failure();
    assert!(refused.contains("attest is paused"), "{refused}");

    assert!(world.trust(BRIDGE).secp256k1.is_some());
    assert!(world.shard("alpha").is_some());
    let page = json!({ "from_index": 0, "limit": 1 });
    assert_eq!(world.view::<Vec<ShardView>>(BRIDGE, method::SHARDS, &page).len(), 1);
}

#[test]
fn a_callback_that_is_under_way_when_all_is_paused_stores_its_signature() {
    let mut world = World::with_alpha();
    world.grant("PauseManager", OWNER);
    let checkpoint = world.first_checkpoint("alpha");
    let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
    let attest = world.submit(MALLORY, BRIDGE, method::ATTEST, args, 0, 60);
    let key = serde_json::to_vec(&json!({ "key": "ALL" })).unwrap();
    let paused = world.submit(OWNER, BRIDGE, method::PA_PAUSE_FEATURE, key, 0, 30);
    // One block takes the two transactions in, the next runs them, and the signer takes three seconds.
    world.make_blocks(2);
    assert!(world.outcome(&paused).value::<bool>());
    assert_eq!(world.tip("alpha").unwrap().signature, None);
    world.run_until_idle();
    let signature = world.outcome(&attest).signature();
    assert_eq!(world.tip("alpha").unwrap().signature, Some(signature));
}

#[test]
fn every_method_with_the_attribute_pause_is_in_the_list_of_what_can_be_paused() {
    let mut found = BTreeSet::from(["ALL", method::ATTEST, method::CLOSE].map(str::to_owned));
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api")).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let after = source.split("#[pause]").skip(1);
        found.extend(after.map(|rest| {
            let (_, signature) = rest.split_once("pub fn ").unwrap();
            signature.split_once('(').unwrap().0.to_owned()
        }));
    }
    assert_eq!(found, PAUSABLE.iter().map(|name| (*name).to_owned()).collect());
}
