use crate::world::*;
use chain::SignerFault;
use queue::contract::{Event, RegistrationSet, ShardView, method};
use serde_json::{Value, json};

/// Every function that can be paused, with arguments under which it succeeds once `alpha` exists.
fn pausable() -> [(&'static str, Value, u128); 5] {
    let alpha = json!({ "shard": "alpha" });
    let transport = json!({ "shard": "alpha", "transport_keys": [], "addresses": [] });
    [
        (method::RESERVE, serde_json::to_value(reservation("beta")).unwrap(), NEAR),
        (method::ACTIVATE, alpha.clone(), 0),
        (method::TOP_UP, alpha, 1),
        (method::SET_TRANSPORT, transport, 0),
        (method::SYNC_SIGNER, json!({}), 0),
    ]
}

fn pause(world: &mut World, feature: &str) {
    assert!(world.json(OWNER, BRIDGE, "pa_pause_feature", &json!({ "key": feature }), 0).value::<bool>());
}

#[test]
fn the_admin_of_init_is_the_only_super_admin_and_nobody_has_a_role() {
    let mut world = World::initialised();
    let accounts: Value = world.view(BRIDGE, "acl_get_permissioned_accounts", &json!({}));
    assert_eq!(accounts["super_admins"], json!([ADMIN]));
    let roles = accounts["roles"].as_object().unwrap();
    assert_eq!(roles.len(), 6);
    assert!(roles.values().all(|role| *role == json!({ "admins": [], "grantees": [] })), "{roles:?}");

    for caller in [MALLORY, BRIDGE] {
        for (method, args) in [
            ("acl_add_super_admin", json!({ "account_id": caller })),
            ("acl_transfer_super_admin", json!({ "account_id": caller })),
            ("acl_revoke_super_admin", json!({ "account_id": ADMIN })),
            ("acl_grant_role", json!({ "role": "CodeDeployer", "account_id": caller })),
            ("acl_add_admin", json!({ "role": "CodeDeployer", "account_id": caller })),
        ] {
            assert_eq!(world.json(caller, BRIDGE, method, &args, 0).value::<Option<bool>>(), None, "{method}");
        }
    }
    let init = json!({ "account_id": MALLORY });
    let refused = world.json(MALLORY, BRIDGE, "acl_init_super_admin", &init, 0).failure();
    assert!(refused.contains("Method acl_init_super_admin is private"), "{refused}");
    assert!(!world.json(BRIDGE, BRIDGE, "acl_init_super_admin", &init, 0).value::<bool>());
    assert_eq!(world.view::<Value>(BRIDGE, "acl_get_permissioned_accounts", &json!({})), accounts);
}

#[test]
fn each_power_belongs_to_one_role_alone() {
    let roles = ["Registrar", "PauseManager", "UnpauseManager", "CodeStager", "CodeDeployer", "DurationManager"];
    let powers = [
        ("pa_pause_feature", json!({ "key": "reserve" }), "PauseManager"),
        ("pa_unpause_feature", json!({ "key": "reserve" }), "UnpauseManager"),
        ("up_stage_code", json!({}), "CodeStager"),
        ("up_deploy_code", json!({ "hash": "", "function_call_args": null }), "CodeDeployer"),
        ("up_init_staging_duration", json!({ "staging_duration": 0 }), "DurationManager"),
        ("up_stage_update_staging_duration", json!({ "staging_duration": 0 }), "DurationManager"),
        ("up_apply_update_staging_duration", json!({}), "DurationManager"),
    ];
    let mut world = World::initialised_on("testnet");
    for role in roles {
        world.grant(role, role_account(role));
        for (method, args, entitled) in &powers {
            let outcome = world.json(role_account(role), BRIDGE, method, args, 0);
            let denied = format!("Insufficient permissions for method {method} restricted");
            let refused = outcome.try_failure().unwrap_or_default();
            assert_eq!(refused.contains(&denied), role != *entitled, "{method} by {role}: {refused}");
        }
        let args = json!({ "role": role, "account_id": role_account(role) });
        world.json(ADMIN, BRIDGE, "acl_revoke_role", &args, 0).success();
    }
}

/// Accounts of the world, one a role.
fn role_account(role: &str) -> &'static str {
    if role == "Registrar" { OWNER } else { MALLORY }
}

#[test]
fn a_closed_bridge_gives_names_to_registrars_only() {
    let mut world = World::initialised();
    let closed = json!({ "open": false });
    let refused = world.json(MALLORY, BRIDGE, method::SET_OPEN_REGISTRATION, &closed, 0).failure();
    assert!(refused.contains("mallory is no super admin of this bridge"), "{refused}");
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
fn each_function_is_paused_by_its_name_and_no_other_with_it() {
    let mut world = World::with_alpha();
    world.grant("PauseManager", OWNER);
    world.grant("UnpauseManager", ADMIN);
    for (feature, args, yocto) in pausable() {
        pause(&mut world, feature);
        for (method, _, _) in pausable().iter().filter(|(method, ..)| *method != method::RESERVE) {
            let (_, args, yocto) = pausable().into_iter().find(|(name, ..)| name == method).unwrap();
            let refused = world.json(OWNER, BRIDGE, method, &args, yocto).try_failure().unwrap_or_default();
            assert_eq!(refused.contains("Pausable: Method is paused"), *method == feature, "{method}: {refused}");
        }
        let refused = world.json(OWNER, BRIDGE, feature, &args, yocto).failure();
        assert!(refused.contains("Pausable: Method is paused"), "{feature}: {refused}");
        world.json(ADMIN, BRIDGE, "pa_unpause_feature", &json!({ "key": feature }), 0).success();
        world.json(OWNER, BRIDGE, feature, &args, yocto).success();
    }
    let checkpoint = world.first_checkpoint("alpha");
    pause(&mut world, method::ATTEST);
    let refused = world.attest_endorsed(&checkpoint).failure();
    assert!(refused.contains("attest is paused: wait until an UnpauseManager of this bridge lifts it"), "{refused}");
    assert_eq!(world.tip("alpha"), None);
    world.json(ADMIN, BRIDGE, "pa_unpause_feature", &json!({ "key": method::ATTEST }), 0).success();
    world.attest_endorsed(&checkpoint).signature();
}

#[test]
fn what_is_recorded_gets_its_signature_and_everything_is_readable_while_all_is_paused() {
    let mut world = World::with_alpha();
    world.grant("PauseManager", OWNER);
    let checkpoint = world.first_checkpoint("alpha");
    world.chain.script_signer(SignerFault::NoAnswer);
    world.attest_endorsed(&checkpoint).success();
    pause(&mut world, "ALL");

    for (method, args, yocto) in pausable() {
        let refused = world.json(OWNER, BRIDGE, method, &args, yocto).failure();
        assert!(refused.contains("Pausable: Method is paused"), "{method}: {refused}");
    }
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
    let paused = world.submit(OWNER, BRIDGE, "pa_pause_feature", key, 0, 30);
    // One block takes the two transactions in, the next runs them, and the signer takes three seconds.
    world.make_blocks(2);
    assert!(world.outcome(&paused).value::<bool>());
    assert_eq!(world.tip("alpha").unwrap().signature, None);
    world.run_until_idle();
    let signature = world.outcome(&attest).signature();
    assert_eq!(world.tip("alpha").unwrap().signature, Some(signature));
}
