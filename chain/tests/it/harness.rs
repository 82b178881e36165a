//! A chain with a few accounts, and short ways to use it.

use std::collections::BTreeMap;

use chain::near_crypto::{ED25519SecretKey, SecretKey};
use chain::near_primitives::errors::{ActionErrorKind, FunctionCallError, InvalidTxError, TxExecutionError};
use chain::near_primitives::hash::CryptoHash;
use chain::near_primitives::transaction::{Action, FunctionCallAction, SignedTransaction, Transaction, TransactionV0};
use chain::near_primitives::types::{AccountId, Balance, Gas};
use chain::near_primitives::views::{FinalExecutionOutcomeView, FinalExecutionStatus};
use chain::{Chain, DEFAULT_BLOCK_INTERVAL_NS, Diff, Genesis, GenesisAccount, PROTOCOL_VERSION, SignerGenesis};

use crate::contracts;

pub const NEAR: u128 = 1_000_000_000_000_000_000_000_000;
pub const GENESIS_NS: u64 = 1_700_000_000_000_000_000;
pub const SIGNER_DELAY_NS: u64 = 3_000_000_000;
pub const SIGNER: &str = "v1.signer";

/// Everyone's key.
pub fn key() -> SecretKey {
    key_from(&[7; 32])
}

pub fn key_from(seed: &[u8; 32]) -> SecretKey {
    let pair = ed25519_dalek::SigningKey::from_bytes(seed).to_keypair_bytes();
    SecretKey::ED25519(ED25519SecretKey(pair))
}

pub fn id(name: &str) -> AccountId {
    name.parse().unwrap()
}

pub fn genesis() -> Genesis {
    let account = |name: &str, code: Option<Vec<u8>>| GenesisAccount {
        id: id(name),
        balance_yocto: 1_000 * NEAR,
        full_access_keys: vec![key().public_key()],
        code,
    };
    Genesis {
        chain_id: "localnet".to_owned(),
        protocol_version: PROTOCOL_VERSION,
        time_ns: GENESIS_NS,
        seed: [1; 32],
        accounts: vec![
            account("alice.near", None),
            account("near", None),
            account("notebook.near", Some(contracts::notebook())),
            account("caller.near", Some(contracts::caller())),
            account("sleeper.near", Some(contracts::sleeper())),
            account("client.near", Some(contracts::client())),
        ],
        signer: Some(SignerGenesis { account_id: id(SIGNER), delay_ns: SIGNER_DELAY_NS }),
        block_interval_ns: DEFAULT_BLOCK_INTERVAL_NS,
    }
}

/// A chain, its clock, and what a driver would have on disk.
pub struct TestChain {
    pub chain: Chain,
    pub disk: BTreeMap<Vec<u8>, Vec<u8>>,
    nonces: BTreeMap<AccountId, u64>,
}

impl TestChain {
    pub fn new() -> Self {
        let (chain, diff) = Chain::from_genesis(genesis()).unwrap();
        let mut test = Self { chain, disk: BTreeMap::new(), nonces: BTreeMap::new() };
        test.persist(diff);
        test
    }

    pub fn persist(&mut self, diff: Diff) {
        for key in diff.deletes {
            self.disk.remove(&key);
        }
        self.disk.extend(diff.puts);
    }

    /// Drops the chain and opens it from what is on disk.
    pub fn restart(&mut self) {
        self.chain = Chain::open(self.disk.clone().into_iter()).unwrap();
    }

    pub fn now_ns(&self) -> u64 {
        self.chain.view().block_time_ns()
    }

    pub fn block(&mut self) {
        let diff = self.chain.make_block(self.now_ns() + 1);
        self.persist(diff);
    }

    pub fn settle(&mut self) {
        for diff in self.chain.run_until_idle(self.now_ns()) {
            self.persist(diff);
        }
    }

    /// Signs a transaction with the next nonce of its signer.
    pub fn transaction(&mut self, from: &str, to: &str, actions: Vec<Action>) -> SignedTransaction {
        let nonce = self.nonces.entry(id(from)).or_default();
        *nonce += 1;
        sign(from, &key(), *nonce, to, self.chain.view().block_hash(), actions)
    }

    pub fn submit(&mut self, from: &str, to: &str, actions: Vec<Action>) -> CryptoHash {
        let transaction = self.transaction(from, to, actions);
        self.chain.submit(transaction).unwrap()
    }

    /// Runs a transaction and everything that follows from it.
    pub fn run(&mut self, from: &str, to: &str, actions: Vec<Action>) -> FinalExecutionOutcomeView {
        let hash = self.submit(from, to, actions);
        self.settle();
        self.outcome(&hash)
    }

    pub fn call(&mut self, from: &str, to: &str, method: &str, args: &[u8]) -> FinalExecutionOutcomeView {
        self.run(from, to, vec![call(method, args, 0)])
    }

    pub fn outcome(&self, hash: &CryptoHash) -> FinalExecutionOutcomeView {
        self.chain.view().outcome(hash).expect("the transaction was included")
    }

    pub fn refused(&mut self, from: &str, to: &str, actions: Vec<Action>) -> InvalidTxError {
        let transaction = self.transaction(from, to, actions);
        self.chain.submit(transaction).unwrap_err()
    }

    pub fn balance(&self, account: &str) -> u128 {
        self.chain.view().account(&id(account)).expect("the account exists").amount().as_yoctonear()
    }
}

pub fn sign(
    from: &str,
    key: &SecretKey,
    nonce: u64,
    to: &str,
    block_hash: CryptoHash,
    actions: Vec<Action>,
) -> SignedTransaction {
    let transaction = Transaction::V0(TransactionV0 {
        signer_id: id(from),
        public_key: key.public_key(),
        nonce,
        receiver_id: id(to),
        block_hash,
        actions,
    });
    let (hash, _) = transaction.get_hash_and_size();
    SignedTransaction::new(key.sign(hash.as_ref()), transaction)
}

pub fn call(method: &str, args: &[u8], deposit: u128) -> Action {
    Action::FunctionCall(Box::new(FunctionCallAction {
        method_name: method.to_owned(),
        args: args.to_vec(),
        gas: Gas::from_teragas(100),
        deposit: Balance::from_yoctonear(deposit),
    }))
}

/// The bytes that a transaction has returned.
pub fn value(outcome: &FinalExecutionOutcomeView) -> Vec<u8> {
    match &outcome.status {
        FinalExecutionStatus::SuccessValue(value) => value.clone(),
        other => panic!("expected a value, found {other:?}"),
    }
}

/// The text of the failure that a transaction has ended with.
pub fn failure(outcome: &FinalExecutionOutcomeView) -> ActionErrorKind {
    match &outcome.status {
        FinalExecutionStatus::Failure(TxExecutionError::ActionError(error)) => error.kind.clone(),
        other => panic!("expected a failure, found {other:?}"),
    }
}

pub fn panic_message(kind: &ActionErrorKind) -> String {
    match kind {
        ActionErrorKind::FunctionCallError(FunctionCallError::ExecutionError(text)) => text.clone(),
        other => panic!("expected a panic, found {other:?}"),
    }
}
