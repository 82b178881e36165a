//! Transactions: what is refused, what actions do, and what they cost.

use chain::near_primitives::account::{AccessKey, AccessKeyPermission, FunctionCallPermission};
use chain::near_primitives::action::{
    AddKeyAction, CreateAccountAction, DeleteAccountAction, DeleteKeyAction, DeployContractAction, StakeAction,
    TransferAction,
};
use chain::near_primitives::errors::{ActionErrorKind, ActionsValidationError, InvalidAccessKeyError, InvalidTxError};
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::transaction::Action;
use chain::near_primitives::types::Balance;

use chain::near_primitives::views::FinalExecutionStatus;
use chain::{Chain, ChainError, PROTOCOL_VERSION, PROTOCOL_VERSION_MAX, SignerGenesis};

use crate::contracts;
use crate::harness::{NEAR, SIGNER, TestChain, call, failure, genesis, id, key, key_from, sign, value};

fn transfer(yocto: u128) -> Action {
    Action::Transfer(TransferAction { deposit: Balance::from_yoctonear(yocto) })
}

fn add_key(access_key: AccessKey) -> Action {
    let public_key = key_from(&[9; 32]).public_key();
    Action::AddKey(Box::new(AddKeyAction { public_key, access_key }))
}

fn restricted(allowance: Option<u128>, methods: &[&str]) -> AccessKey {
    AccessKey {
        nonce: 0,
        permission: AccessKeyPermission::FunctionCall(FunctionCallPermission {
            allowance: allowance.map(Balance::from_yoctonear),
            receiver_id: "notebook.near".to_owned(),
            method_names: methods.iter().map(|&name| name.to_owned()).collect(),
        }),
    }
}

#[test]
fn a_transfer_costs_what_the_recorded_node_charged() {
    let mut test = TestChain::new();
    let before = test.balance("alice.near");
    let outcome = test.run("alice.near", "near", vec![transfer(1)]);
    assert_eq!(outcome.transaction_outcome.outcome.gas_burnt.as_gas(), 223_182_562_500);
    assert_eq!(outcome.receipts_outcome[0].outcome.gas_burnt.as_gas(), 223_182_562_500);
    assert_eq!(outcome.receipts_outcome.len(), 1, "nothing is left to refund");
    assert_eq!(before - test.balance("alice.near"), 44_636_512_500_000_000_000 + 1);
}

#[test]
fn an_account_is_created_as_the_recorded_node_did_it() {
    let mut test = TestChain::new();
    let actions =
        vec![Action::CreateAccount(CreateAccountAction {}), transfer(50 * NEAR), add_key(AccessKey::full_access())];
    let outcome = test.run("alice.near", "probe.alice.near", actions);
    assert_eq!(outcome.transaction_outcome.outcome.gas_burnt.as_gas(), 4_174_947_687_500);
    let account = test.chain.view().account(&id("probe.alice.near")).unwrap();
    assert_eq!(account.storage_usage(), 182);
    let created_at = 2;
    let new_key = key_from(&[9; 32]);
    let nonce = test.chain.view().access_key(&id("probe.alice.near"), &new_key.public_key()).unwrap().nonce;
    assert_eq!(nonce, (created_at - 1) * 1_000_000);
}

#[test]
fn accounts_are_created_only_below_their_creator_or_by_the_registrar() {
    let mut test = TestChain::new();
    let create = || vec![Action::CreateAccount(CreateAccountAction {}), transfer(NEAR)];
    let outcome = test.run("alice.near", "mallory.near", create());
    assert!(matches!(failure(&outcome), ActionErrorKind::CreateAccountNotAllowed { .. }));
    let outcome = test.run("alice.near", "shorttop", create());
    assert!(matches!(failure(&outcome), ActionErrorKind::CreateAccountOnlyByRegistrar { .. }));
    let outcome = test.run("near", "alice.near", create());
    assert!(matches!(failure(&outcome), ActionErrorKind::AccountAlreadyExists { .. }));
    let outcome = test.run("alice.near", "nobody.near", vec![transfer(1)]);
    assert!(matches!(failure(&outcome), ActionErrorKind::AccountDoesNotExist { .. }));
}

#[test]
fn a_transfer_creates_the_account_that_a_key_names() {
    let mut test = TestChain::new();
    let secret = key_from(&[9; 32]);
    let name = hex::encode(secret.public_key().key_data());
    test.run("alice.near", &name, vec![transfer(NEAR)]);
    assert_eq!(test.balance(&name), NEAR);
    let view = test.chain.view();
    let nonce = view.access_key(&id(&name), &secret.public_key()).unwrap().nonce;
    let spend = sign(&name, &secret, nonce + 1, "alice.near", view.block_hash(), vec![transfer(7)]);
    test.chain.submit(spend).unwrap();
    test.settle();
    assert!(test.balance(&name) < NEAR - 7);
}

#[test]
fn a_used_nonce_is_refused_in_the_shape_that_clients_parse() {
    let mut test = TestChain::new();
    test.run("alice.near", "near", vec![transfer(1)]);
    let hash = test.chain.view().block_hash();
    let again = sign("alice.near", &key(), 1, "near", hash, vec![transfer(2)]);
    let error = test.chain.submit(again).unwrap_err();
    assert_eq!(error, InvalidTxError::InvalidNonce { tx_nonce: 1, ak_nonce: 1 });
    let far = sign("alice.near", &key(), 1_000_000_000_000, "near", hash, vec![transfer(2)]);
    assert!(matches!(test.chain.submit(far).unwrap_err(), InvalidTxError::NonceTooLarge { .. }));
}

#[test]
fn an_executed_transaction_may_be_sent_again_and_changes_nothing() {
    let mut test = TestChain::new();
    let transaction = test.transaction("alice.near", "near", vec![transfer(1)]);
    let hash = test.chain.submit(transaction.clone()).unwrap();
    assert_eq!(test.chain.submit(transaction.clone()).unwrap(), hash);
    test.settle();
    let before = test.balance("alice.near");
    assert_eq!(test.chain.submit(transaction).unwrap(), hash);
    assert_eq!(test.chain.next_block_at(0), None);
    assert_eq!(test.balance("alice.near"), before);
}

#[test]
fn what_is_wrong_with_a_transaction_is_said() {
    let mut test = TestChain::new();
    let hash = test.chain.view().block_hash();
    let stranger = key_from(&[9; 32]);

    let unknown = sign("nobody.near", &key(), 1, "near", hash, vec![transfer(1)]);
    assert!(matches!(test.chain.submit(unknown), Err(InvalidTxError::SignerDoesNotExist { .. })));

    let wrong_key = sign("alice.near", &stranger, 1, "near", hash, vec![transfer(1)]);
    assert!(matches!(
        test.chain.submit(wrong_key),
        Err(InvalidTxError::InvalidAccessKeyError(InvalidAccessKeyError::AccessKeyNotFound { .. }))
    ));

    let mut forged = sign("alice.near", &key(), 1, "near", hash, vec![transfer(1)]);
    forged.signature = stranger.sign(forged.get_hash().as_ref());
    assert_eq!(test.chain.submit(forged), Err(InvalidTxError::InvalidSignature));

    let stale = sign("alice.near", &key(), 1, "near", CryptoHash::hash_bytes(b"?"), vec![transfer(1)]);
    assert_eq!(test.chain.submit(stale), Err(InvalidTxError::Expired));

    let error = test.refused("alice.near", "near", vec![transfer(2_000 * NEAR)]);
    assert!(matches!(error, InvalidTxError::NotEnoughBalance { .. }), "{error:?}");
}

#[test]
fn actions_that_the_chain_lacks_are_refused_by_name() {
    let mut test = TestChain::new();
    let stake =
        Action::Stake(Box::new(StakeAction { stake: Balance::from_yoctonear(1), public_key: key().public_key() }));
    let error = test.refused("alice.near", "alice.near", vec![stake]);
    let InvalidTxError::ActionsValidation(ActionsValidationError::UnsupportedProtocolFeature {
        protocol_feature, ..
    }) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(protocol_feature, "Stake");
}

#[test]
fn a_restricted_key_calls_only_what_it_may() {
    let mut test = TestChain::new();
    test.run("alice.near", "alice.near", vec![add_key(restricted(Some(NEAR), &["put"]))]);
    let secret = key_from(&[9; 32]);
    let view = test.chain.view();
    let hash = view.block_hash();
    let nonce = view.access_key(&id("alice.near"), &secret.public_key()).unwrap().nonce;
    let mut attempt = |to: &str, actions| {
        let transaction = sign("alice.near", &secret, nonce + 1, to, hash, actions);
        match test.chain.submit(transaction) {
            Err(InvalidTxError::InvalidAccessKeyError(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let error = attempt("near", vec![transfer(1)]);
    assert_eq!(error, InvalidAccessKeyError::RequiresFullAccess);
    let error = attempt("notebook.near", vec![call("put", b"", 1)]);
    assert_eq!(error, InvalidAccessKeyError::DepositWithFunctionCall);
    let error = attempt("notebook.near", vec![call("get", b"", 0)]);
    assert!(matches!(error, InvalidAccessKeyError::MethodNameMismatch { .. }));
    let error = attempt("caller.near", vec![call("put", b"", 0)]);
    assert!(matches!(error, InvalidAccessKeyError::ReceiverMismatch { .. }));

    let good = sign("alice.near", &secret, nonce + 1, "notebook.near", hash, vec![call("put", b"ok", 0)]);
    let good = test.chain.submit(good).unwrap();
    test.settle();
    assert_eq!(value(&test.outcome(&good)), b"");
    let left = test.chain.view().access_key(&id("alice.near"), &secret.public_key()).unwrap();
    let allowance = left.permission.function_call_permission().unwrap().allowance.unwrap();
    let burnt: u128 = {
        let outcome = test.outcome(&good);
        std::iter::once(&outcome.transaction_outcome)
            .chain(&outcome.receipts_outcome)
            .map(|outcome| outcome.outcome.tokens_burnt.as_yoctonear())
            .sum()
    };
    assert_eq!(allowance.as_yoctonear(), NEAR - burnt, "unused gas returns to the allowance");
}

#[test]
fn a_contract_is_deployed_and_its_storage_must_be_paid_for() {
    let mut test = TestChain::new();
    let code = contracts::notebook();
    let deploy = Action::DeployContract(DeployContractAction { code: code.clone() });
    let poor = vec![Action::CreateAccount(CreateAccountAction {}), deploy.clone()];
    let outcome = test.run("alice.near", "poor.alice.near", poor);
    assert!(matches!(failure(&outcome), ActionErrorKind::LackBalanceForState { .. }));
    assert!(test.chain.view().account(&id("poor.alice.near")).is_none());

    let rich = vec![Action::CreateAccount(CreateAccountAction {}), transfer(NEAR), deploy];
    test.run("alice.near", "rich.alice.near", rich);
    assert_eq!(test.chain.view().code(&id("rich.alice.near")), Some(&*code));
    test.call("alice.near", "rich.alice.near", "put", b"works");
    assert_eq!(test.chain.view().call(&id("rich.alice.near"), "get", b"").unwrap(), b"works");
}

#[test]
fn only_the_owner_changes_an_account() {
    let mut test = TestChain::new();
    for action in [
        add_key(AccessKey::full_access()),
        Action::DeleteKey(Box::new(DeleteKeyAction { public_key: key().public_key() })),
        Action::DeployContract(DeployContractAction { code: contracts::notebook() }),
        Action::DeleteAccount(DeleteAccountAction { beneficiary_id: id("alice.near") }),
    ] {
        let outcome = test.run("alice.near", "near", vec![action]);
        assert!(matches!(failure(&outcome), ActionErrorKind::ActorNoPermission { .. }));
    }
}

#[test]
fn keys_come_and_go_and_a_deleted_account_leaves_its_balance() {
    let mut test = TestChain::new();
    test.run("alice.near", "alice.near", vec![add_key(AccessKey::full_access())]);
    let outcome = test.run("alice.near", "alice.near", vec![add_key(AccessKey::full_access())]);
    assert!(matches!(failure(&outcome), ActionErrorKind::AddKeyAlreadyExists { .. }));
    assert_eq!(test.chain.view().access_keys(&id("alice.near")).len(), 2);
    let delete = || Action::DeleteKey(Box::new(DeleteKeyAction { public_key: key_from(&[9; 32]).public_key() }));
    test.run("alice.near", "alice.near", vec![delete()]);
    let outcome = test.run("alice.near", "alice.near", vec![delete()]);
    assert!(matches!(failure(&outcome), ActionErrorKind::DeleteKeyDoesNotExist { .. }));
    assert_eq!(test.chain.view().account(&id("alice.near")).unwrap().storage_usage(), 182);

    let before = test.balance("near");
    let left = test.balance("alice.near");
    let gone = Action::DeleteAccount(DeleteAccountAction { beneficiary_id: id("near") });
    test.run("alice.near", "alice.near", vec![gone]);
    assert!(test.chain.view().account(&id("alice.near")).is_none());
    assert!(test.chain.view().access_keys(&id("alice.near")).is_empty());
    let received = test.balance("near") - before;
    assert!(received > left - NEAR && received < left);
}

#[test]
fn transactions_of_one_key_run_in_the_order_of_their_nonces() {
    let mut test = TestChain::new();
    let first = test.transaction("alice.near", "notebook.near", vec![call("put", b"first", 0)]);
    let second = test.transaction("alice.near", "notebook.near", vec![call("put", b"second", 0)]);
    test.chain.submit(second).unwrap();
    test.chain.submit(first).unwrap();
    test.settle();
    assert_eq!(test.chain.view().call(&id("notebook.near"), "get", b"").unwrap(), b"second");
}

#[test]
fn a_transaction_that_became_invalid_in_the_pool_says_why() {
    let mut test = TestChain::new();
    let one = test.transaction("alice.near", "near", vec![transfer(600 * NEAR)]);
    let two = test.transaction("alice.near", "near", vec![transfer(600 * NEAR)]);
    test.chain.submit(one).unwrap();
    let two = test.chain.submit(two).unwrap();
    test.settle();
    let view = test.chain.view();
    assert!(view.outcome(&two).is_none());
    assert!(matches!(view.rejection(&two), Some(InvalidTxError::NotEnoughBalance { .. })));
}

#[test]
fn a_block_stops_at_its_gas_limit_and_the_rest_waits() {
    let mut test = TestChain::new();
    let calls = 600;
    let hashes: Vec<_> =
        (0..calls).map(|_| test.submit("alice.near", SIGNER, vec![call("latest_key_version", b"", 0)])).collect();
    test.block();
    test.block();
    let finished = |test: &TestChain| {
        let done = |hash: &&CryptoHash| matches!(test.outcome(hash).status, FinalExecutionStatus::SuccessValue(_));
        hashes.iter().filter(done).count()
    };
    let at_once = finished(&test);
    assert!((200..calls).contains(&at_once), "{at_once}");
    assert_eq!(test.chain.next_block_at(0), Some(0));
    test.settle();
    assert_eq!(finished(&test), calls);
}

#[test]
fn genesis_is_checked() {
    let mut twice = genesis();
    twice.accounts.push(twice.accounts[0].clone());
    assert!(matches!(Chain::from_genesis(twice), Err(ChainError::DuplicateAccount { .. })));
    let mut rich = genesis();
    rich.accounts[0].balance_yocto = u128::MAX;
    assert!(matches!(Chain::from_genesis(rich), Err(ChainError::SupplyTooLarge)));
    for version in [PROTOCOL_VERSION - 1, PROTOCOL_VERSION_MAX + 1] {
        let mut other = genesis();
        other.protocol_version = version;
        assert!(matches!(Chain::from_genesis(other), Err(ChainError::ProtocolVersion(found)) if found == version));
    }
    let mut long = genesis();
    let account_id = id(&"s".repeat(64));
    long.signer = Some(SignerGenesis { account_id, delay_ns: 0 });
    assert!(matches!(Chain::from_genesis(long), Err(ChainError::SignerName { .. })));
}
