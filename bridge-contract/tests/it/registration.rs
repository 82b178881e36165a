use crate::world::*;
use queue::attestation::shard_path;
use queue::codec;
use queue::contract::{Event, ReserveArgs, ShardActivated, ShardArgs, ShardReserved, ShardStatus, ShardView, method};
use queue::derivation::derive_public_key;
use queue::ids::RESERVED_SHARD_IDS;
use queue::trust::{Curve, PublicKey};
use serde_json::{Value, json};

#[test]
fn a_reserved_shard_becomes_active_with_its_derived_key() {
    let mut world = World::initialised();
    let reserved = world.reserve("alpha").success();
    let (alpha, owner) = (shard("alpha"), OWNER.parse().unwrap());
    assert_eq!(reserved.events(), [Event::ShardReserved([ShardReserved { shard: alpha.clone(), owner }])]);
    assert_eq!(world.shard("alpha").unwrap().status, ShardStatus::Reserved);

    let activated = world.activate("alpha").success();
    let trust = world.trust(BRIDGE);
    let path = shard_path(&trust.domain, &alpha, 0);
    let public_key = derive_public_key(&trust.secp256k1.unwrap(), BRIDGE, &path).unwrap();
    let event = ShardActivated { shard: alpha, key_epoch: 0, public_key };
    assert_eq!(activated.events(), [Event::ShardActivated([event])]);

    let view = world.shard("alpha").unwrap();
    let args = reservation("alpha");
    assert_eq!((view.status, view.public_key), (ShardStatus::Active, Some(public_key)));
    assert_eq!((view.members, view.threshold, view.members_version), (args.members, 1, 0));
    assert_eq!((view.transport_keys, view.addresses), (args.transport_keys, args.addresses));
    assert_eq!(view.owner, OWNER);
}

#[test]
fn activating_again_changes_nothing() {
    let mut world = World::with_alpha();
    let before = world.shard("alpha");
    let again = world.activate("alpha");
    assert_eq!(again.value::<Option<PublicKey>>(), before.as_ref().unwrap().public_key);
    assert_eq!(again.events(), []);
    assert_eq!(world.shard("alpha"), before);
}

#[test]
fn a_shard_stays_reserved_while_the_signer_is_unavailable() {
    let mut world = World::deployed();
    world.init(BRIDGE, "nobody.signer").success();
    world.reserve("alpha").success();
    let outcome = world.activate("alpha");
    assert_eq!(outcome.value::<Option<PublicKey>>(), None);
    assert_eq!(outcome.events(), [Event::ShardActivationFailed([ShardArgs { shard: shard("alpha") }])]);
    assert_eq!(world.shard("alpha").unwrap().status, ShardStatus::Reserved);
    world.json(MALLORY, BRIDGE, method::SYNC_SIGNER, &json!({}), 0);
    assert_eq!(world.trust(BRIDGE).secp256k1, None);
}

#[test]
fn a_squatter_cannot_take_a_name_twice_or_one_that_is_reserved() {
    let mut world = World::with_alpha();
    let refused = world.json(MALLORY, BRIDGE, method::RESERVE, &reservation("alpha"), NEAR).failure();
    assert!(refused.contains("shard name alpha is taken"), "{refused}");
    for name in RESERVED_SHARD_IDS {
        let refused = reserve_named(&mut world, name);
        assert!(refused.contains("is reserved"), "{refused}");
    }
}

#[test]
fn a_shard_cannot_be_named_like_a_kind_of_path() {
    let mut world = World::initialised();
    for name in ["round/secp256k1", "alpha/1", "shard/alpha", "a.b", "", "0xab", "Alpha", "x"] {
        let refused = reserve_named(&mut world, name);
        assert!(refused.contains("shard name"), "{name:?}: {refused}");
    }
    assert_eq!(world.view::<Vec<ShardView>>(BRIDGE, method::SHARDS, &json!({ "from_index": 0, "limit": 10 })), []);
}

fn reserve_named(world: &mut World, name: &str) -> String {
    let mut args = serde_json::to_value(reservation("alpha")).unwrap();
    args["shard"] = Value::from(name);
    world.json(MALLORY, BRIDGE, method::RESERVE, &args, NEAR).failure()
}

#[test]
fn a_deposit_covers_the_storage_and_the_rest_goes_back() {
    let mut world = World::initialised();
    let price = world.storage_price_yocto();
    let refused = world.json(OWNER, BRIDGE, method::RESERVE, &reservation("alpha"), price - 1).failure();
    assert!(refused.contains(&format!("reserving a shard takes {price}")), "{refused}");

    let before = world.balance_yocto(OWNER);
    world.reserve("alpha").success();
    let spent = before - world.balance_yocto(OWNER);
    let view = world.shard("alpha").unwrap();
    assert!((price + view.balance_yocto..price + NEAR / 100).contains(&spent), "{spent} for {price}");
}

#[test]
fn only_the_owner_says_how_the_nodes_are_reached() {
    let mut world = World::with_alpha();
    let keys = [public_key_of("new transport")];
    let args = json!({ "shard": "alpha", "transport_keys": keys, "addresses": ["127.0.0.1:4000"] });
    let refused = world.json(MALLORY, BRIDGE, method::SET_TRANSPORT, &args, 0).failure();
    assert!(refused.contains("mallory is not the owner of shard alpha: owner is"), "{refused}");
    world.json(OWNER, BRIDGE, method::SET_TRANSPORT, &args, 0).success();
    let view = world.shard("alpha").unwrap();
    assert_eq!((view.transport_keys, view.addresses), (keys.to_vec(), vec!["127.0.0.1:4000".to_owned()]));
}

#[test]
fn shards_are_listed_in_the_order_of_their_reservation() {
    let mut world = World::initialised();
    for name in ["zeta", "alpha", "mu"] {
        world.json(OWNER, BRIDGE, method::RESERVE, &ReserveArgs { ..reservation(name) }, NEAR).success();
    }
    let list = |from_index: u32, limit: u32| {
        let args = json!({ "from_index": from_index, "limit": limit });
        let shards: Vec<ShardView> = world.view(BRIDGE, method::SHARDS, &args);
        shards.into_iter().map(|view| view.shard.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(0, u32::MAX), ["zeta", "alpha", "mu"]);
    assert_eq!(list(1, 1), ["alpha"]);
    assert!(list(3, 10).is_empty());
    assert_eq!(world.shard("nobody"), None);
}

#[test]
fn only_the_bridge_account_itself_initialises_the_contract_and_only_once() {
    let mut world = World::deployed();
    let args = json!({ "network": "localnet", "signer": MALLORY, "admin": MALLORY });
    let refused = world.json(MALLORY, BRIDGE, method::INIT, &args, 0).failure();
    assert!(refused.contains("Method init is private"), "{refused}");
    world.init(BRIDGE, SIGNER).success();
    let refused = world.init(BRIDGE, MALLORY).failure();
    assert!(refused.contains("The contract has already been initialized"), "{refused}");
}

#[test]
fn two_deployments_have_two_instances_and_nothing_of_one_holds_for_the_other() {
    let mut world = World::with_alpha();
    world.init(OTHER_BRIDGE, SIGNER).success();
    world.json(MALLORY, OTHER_BRIDGE, method::SYNC_SIGNER, &json!({}), 0).success();
    let (trust, other) = (world.trust(BRIDGE), world.trust(OTHER_BRIDGE));
    assert_eq!((trust.secp256k1, trust.ed25519), (other.secp256k1, other.ed25519));
    assert_ne!(trust.domain.instance, other.domain.instance);
    let path = |domain| shard_path(domain, &shard("alpha"), 0);
    assert_ne!(path(&trust.domain), path(&other.domain));

    // Mallory registers alpha with her own bridge, and the real signer signs.
    let args = json!({ "shard": "alpha" });
    world.json(MALLORY, OTHER_BRIDGE, method::RESERVE, &reservation("alpha"), NEAR).success();
    world.json(MALLORY, OTHER_BRIDGE, method::ACTIVATE, &args, 0).success();
    let mut checkpoint = world.first_checkpoint("alpha");
    checkpoint.domain = other.domain.clone();
    let args = attest_args(&checkpoint, &[endorse(&checkpoint)]);
    let signature = world.call(MALLORY, OTHER_BRIDGE, method::ATTEST, args, 0, 60).signature();
    verify(&other, &checkpoint, &signature).unwrap();
    assert!(verify(&trust, &checkpoint, &signature).is_err());
    checkpoint.domain = trust.domain.clone();
    assert!(verify(&trust, &checkpoint, &signature).is_err());
}

#[test]
fn nobody_else_can_answer_in_the_signers_place() {
    let mut world = World::with_alpha();
    let alpha = shard("alpha");
    let calls = [
        ("on_signature", codec::encode(&(&alpha, [0; 32]))),
        ("on_derived_key", codec::encode(&(&alpha, 0u32))),
        ("on_root_key", codec::encode(&Curve::Secp256k1)),
    ];
    for (method, args) in calls {
        let refused = world.call(MALLORY, BRIDGE, method, args, 0, 300).failure();
        assert!(refused.contains(&format!("Method {method} is private")), "{refused}");
    }
}
