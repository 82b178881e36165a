//! Every promise that the Wasm creates, over the life of a bridge and under any call: to the
//! signer's known methods, to itself, and refunds. Nothing else.

use crate::abi;
use crate::upgrade::{deploy_args, next_release};
use crate::world::*;
use chain::near_primitives::action::Action;
use chain::near_primitives::receipt::{Receipt, ReceiptEnum};
use chain::near_primitives::transaction::SignedTransaction;
use queue::contract::{ShardArgs, method};
use queue::trust::Curve;
use serde_json::json;
use std::collections::BTreeSet;

/// Who is asked for what.
type Promises = BTreeSet<(String, String)>;

/// What the bridge's receipts have asked for since the start, as the chain has recorded them.
fn promises(world: &World) -> Promises {
    let puts = || world.diffs.iter().flat_map(|diff| &diff.puts);
    // What the bridge account's own key asks for is no promise of the code.
    let transactions = puts().filter_map(|(_, value)| borsh::from_slice::<SignedTransaction>(value).ok());
    let outcomes = transactions.filter_map(|transaction| world.chain.view().outcome(&transaction.get_hash()));
    let of_keys: BTreeSet<_> = outcomes.flat_map(|outcome| outcome.transaction_outcome.outcome.receipt_ids).collect();

    let receipts = puts().filter_map(|(_, value)| borsh::from_slice::<Receipt>(value).ok());
    let of_code = |receipt: &Receipt| receipt.predecessor_id() == BRIDGE && !of_keys.contains(receipt.receipt_id());
    receipts.filter(of_code).flat_map(|receipt| actions(&receipt)).collect()
}

fn actions(receipt: &Receipt) -> Promises {
    let actions = match receipt.receipt() {
        ReceiptEnum::Action(action) => &action.actions,
        ReceiptEnum::ActionV2(action) => &action.actions,
        // An answer to a promise, not a promise.
        ReceiptEnum::Data(_) => return Promises::new(),
        other => panic!("the bridge created {other:?}"),
    };
    let name = |action: &Action| match action {
        Action::FunctionCall(call) => call.method_name.clone(),
        Action::Transfer(_) => "(transfer)".to_owned(),
        Action::DeployContract(_) => "(deploy)".to_owned(),
        other => panic!("the bridge asks for {other:?}"),
    };
    actions.iter().map(|action| (receipt.receiver_id().to_string(), name(action))).collect()
}

fn listed(promises: &[(&str, &str)]) -> Promises {
    promises.iter().map(|(receiver, what)| ((*receiver).to_owned(), (*what).to_owned())).collect()
}

/// All that may ever be asked of the signer.
const OF_THE_SIGNER: [(&str, &str); 4] =
    [(SIGNER, "config"), (SIGNER, "derived_public_key"), (SIGNER, "public_key"), (SIGNER, "sign")];

/// The contract's own callbacks.
const OF_ITSELF: [(&str, &str); 6] = [
    (BRIDGE, "on_config"),
    (BRIDGE, "on_derived_key"),
    (BRIDGE, "on_root_key"),
    (BRIDGE, "on_round_key"),
    (BRIDGE, "on_round_signature"),
    (BRIDGE, "on_signature"),
];

/// What an upgrade is made of: a migration is what the deployer names.
const OF_AN_UPGRADE: [(&str, &str); 3] = [(BRIDGE, "(deploy)"), (BRIDGE, "migrate"), (BRIDGE, "up_verify_state")];

#[test]
fn the_life_of_a_bridge_takes_the_listed_promises_and_no_other() {
    let mut world = World::with_alpha();
    let checkpoint = world.first_checkpoint("alpha");
    world.attest_endorsed(&checkpoint).signature();
    world.submit_endorsed(&successor(&checkpoint)).success();
    world.close_in_time(Curve::Secp256k1).signature();
    let expected = [&OF_THE_SIGNER[..], &OF_ITSELF, &[(OWNER, "(transfer)")]].concat();
    assert_eq!(promises(&world), listed(&expected));

    let beta = ShardArgs { shard: shard("beta") };
    world.reserve("beta").success();
    for (name, args) in [(method::WITHDRAW, json!({ "shard": "alpha" })), (method::LAPSE, json!(beta))] {
        world.json(OWNER, BRIDGE, name, &args, 0).success();
    }
    world.json(OWNER, BRIDGE, method::RETIRE, &json!({ "shard": "alpha" }), 0).success();
    assert_eq!(promises(&world), listed(&expected));

    world.grant("CodeStager", MALLORY);
    world.grant("CodeDeployer", MALLORY);
    world.call(MALLORY, BRIDGE, method::UP_STAGE_CODE, next_release(), 0, 300).success();
    let args = deploy_args(&next_release(), Some((method::MIGRATE, Vec::new())));
    world.json(MALLORY, BRIDGE, method::UP_DEPLOY_CODE, &args, 0).success();
    assert_eq!(promises(&world), listed(&[&expected[..], &OF_AN_UPGRADE].concat()));
}

#[test]
fn no_method_called_by_anybody_has_the_bridge_ask_a_stranger() {
    let mut world = World::with_alpha();
    for role in ["SuperAdmin", "Registrar", "PauseManager", "UnpauseManager", "CodeStager", "DurationManager"] {
        world.grant(role, MALLORY);
    }
    let checkpoint = world.first_checkpoint("alpha");
    world.attest_endorsed(&checkpoint).signature();
    for function in abi::functions() {
        for caller in [BRIDGE, OWNER, MALLORY] {
            for yocto in [0, NEAR] {
                world.json(caller, BRIDGE, &function.name, &function.all_args(), yocto);
                world.call(caller, BRIDGE, &function.name, b"not JSON".to_vec(), yocto, 300);
            }
        }
    }
    let refunds = [(BRIDGE, "(transfer)"), (OWNER, "(transfer)"), (MALLORY, "(transfer)")];
    let allowed = listed(&[&OF_THE_SIGNER[..], &OF_ITSELF, &refunds].concat());
    let found = promises(&world);
    assert!(found.is_subset(&allowed), "{:?}", found.difference(&allowed));
}
