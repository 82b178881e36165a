//! An embedded NEAR chain: accounts, access keys, contracts in NEAR's own VM under the protocol's real
//! parameters, receipts, promises, yields, views, JSON-RPC, and a chain-signature signer.
//!
//! One [`Chain`] is one network with one shard, whose blocks are final when they are made. It is a state
//! machine: transactions and time go in, [`Diff`]s come out, [`View`]s answer questions. HTTP, files and
//! waiting belong to whoever drives it.
//!
//! This crate must never read a clock (time is an argument, in nanoseconds since the Unix epoch), never draw
//! randomness (all of it comes from the genesis seed), never do I/O (a driver may lend it a [`ContractCache`]
//! that keeps files), never spawn threads, and never iterate over anything whose order is not its own. The same
//! genesis and the same calls give the same bytes.
//!
//! What it leaves out, and refuses by name: staking, meta transactions, global contracts, gas keys, accounts
//! of Ethereum keys and of state inits. There is no trie: nothing is charged for touching its nodes, state
//! roots are hashes over the changes, and outcomes carry no proofs.

mod account;
mod actions;
mod block;
mod chain;
mod config;
mod execute;
mod external;
mod fees;
mod genesis;
mod keys;
mod outcome;
mod promises;
mod receipts;
pub mod rpc;
mod runtime;
mod signer;
mod state;
mod transaction;
mod validate;
mod view;
mod yields;

pub use chain::{Chain, FAST_FORWARD_LIMIT};
pub use config::{
    BLOCK_GAS_LIMIT, GAS_PRICE, HISTORY_BLOCKS, POOL_LIMIT, PROTOCOL_VERSION, PROTOCOL_VERSION_MAX,
    TRANSACTION_VALIDITY_BLOCKS, VIEW_GAS_LIMIT,
};
pub use execute::ContractCache;
pub use genesis::{DEFAULT_BLOCK_INTERVAL_NS, Genesis, GenesisAccount, SignerGenesis};
pub use outcome::TransactionStatus;
pub use signer::faults::{SignerCondition, SignerFault};
pub use signer::{FAN_OUT_LIMIT, NATIVE_CALL_GAS, SIGN_GAS_TGAS, TIMEOUT_MESSAGE};
pub use state::Diff;
pub use view::{CallOutcome, View, ViewError};

pub use near_crypto;
pub use near_primitives;
pub use near_vm_runner::{FilesystemContractRuntimeCache, noop_background_spawner};

use near_primitives::types::AccountId;

/// Why a chain could not be started or opened.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The state holds no chain.
    #[error("the store holds no chain: start one from genesis")]
    Empty,
    /// An entry of the state doesn't decode.
    #[error("entry {key} of the store is corrupt: restore the store or start a new chain")]
    CorruptEntry {
        /// The entry's key, in hex.
        key: String,
    },
    /// The chain belongs to a protocol version that this crate doesn't implement.
    #[error("protocol version {0} is not supported, expected {PROTOCOL_VERSION} to {PROTOCOL_VERSION_MAX}")]
    ProtocolVersion(u32),
    /// Genesis lists an account twice, the signer's accounts included.
    #[error("genesis lists account {account_id} twice")]
    DuplicateAccount {
        /// The account.
        account_id: AccountId,
    },
    /// The balances in genesis, the signer's included, don't fit into a u128 together.
    #[error("the balances of the genesis accounts add up to more than a u128 holds: use smaller ones")]
    SupplyTooLarge,
    /// The signer's account id is too long for a sub-account.
    #[error("signer account {account_id} leaves no room for node.{account_id}: use a shorter name")]
    SignerName {
        /// The signer's account.
        account_id: AccountId,
    },
    /// A genesis account's contract is too large.
    #[error("the contract of {account_id} has {size} bytes, at most {limit} are allowed")]
    ContractTooLarge {
        /// The account.
        account_id: AccountId,
        /// Size in bytes.
        size: u64,
        /// The protocol's limit in bytes.
        limit: u64,
    },
}
