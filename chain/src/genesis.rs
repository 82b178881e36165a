//! What a chain starts from.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use near_crypto::PublicKey;
use near_primitives::account::{AccessKey, Account, AccountContract};
use near_primitives::hash::CryptoHash;
use near_primitives::types::{AccountId, Balance};

use crate::ChainError;
use crate::account::{access_key_storage, set_access_key, set_account};
use crate::block::{self, BlockRecord};
use crate::config::ChainConfig;
use crate::keys::{self, Column};
use crate::signer::SignerAccount;
use crate::state::State;

/// Nanoseconds between blocks that only let time pass, unless genesis says otherwise: a second.
pub const DEFAULT_BLOCK_INTERVAL_NS: u64 = 1_000_000_000;

/// Balance of the signer's and its nodes' accounts. A node pays for `respond`: this is enough for a billion.
const SIGNER_BALANCE: Balance = Balance::from_near(10_000_000);

/// Everything that a new chain needs to be told.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// The network's name, such as `localnet`.
    pub chain_id: String,
    /// [`crate::PROTOCOL_VERSION`] to [`crate::PROTOCOL_VERSION_MAX`].
    pub protocol_version: u32,
    /// Time of the genesis block, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// All randomness of the chain, and the signer's secret keys, come from here: a fresh one for each chain.
    pub seed: [u8; 32],
    /// The accounts that exist from the start.
    pub accounts: Vec<GenesisAccount>,
    /// The chain-signature signer, if the chain has one.
    pub signer: Option<SignerGenesis>,
    /// Nanoseconds between blocks while something only waits for height or time.
    pub block_interval_ns: u64,
}

/// An account that exists from the start.
#[derive(Clone, Debug)]
pub struct GenesisAccount {
    /// Its name; it may be a top-level one.
    pub id: AccountId,
    /// Its balance, in yoctoNEAR.
    pub balance_yocto: u128,
    /// Keys that may do everything.
    pub full_access_keys: Vec<PublicKey>,
    /// Its contract, in Wasm.
    pub code: Option<Vec<u8>>,
}

/// The chain-signature signer: secp256k1 in domain 0, ed25519 in domain 1, keys from the genesis seed.
#[derive(Clone, Debug)]
pub struct SignerGenesis {
    /// The account that contracts call; on public networks `v1.signer`.
    pub account_id: AccountId,
    /// Nanoseconds after which its nodes answer.
    pub delay_ns: u64,
}

/// Which chain this is, as the state holds it.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug)]
pub(crate) struct GenesisRecord {
    pub(crate) chain_id: String,
    pub(crate) protocol_version: u32,
    pub(crate) time_ns: u64,
    pub(crate) seed: [u8; 32],
    pub(crate) block_interval_ns: u64,
    pub(crate) signer: Option<(AccountId, u64)>,
}

impl GenesisRecord {
    pub(crate) fn config(&self) -> Result<ChainConfig, ChainError> {
        ChainConfig::new(self.chain_id.clone(), self.protocol_version, self.block_interval_ns)
    }

    pub(crate) fn signer(&self) -> Result<Option<SignerAccount>, ChainError> {
        let Some((account_id, delay_ns)) = &self.signer else { return Ok(None) };
        SignerAccount::new(account_id.clone(), *delay_ns, &self.seed).map(Some)
    }
}

/// Writes the initial state.
pub(crate) fn write(state: &mut State, genesis: Genesis) -> Result<GenesisRecord, ChainError> {
    let record = GenesisRecord {
        chain_id: genesis.chain_id,
        protocol_version: genesis.protocol_version,
        time_ns: genesis.time_ns,
        seed: genesis.seed,
        block_interval_ns: genesis.block_interval_ns,
        signer: genesis.signer.map(|signer| (signer.account_id, signer.delay_ns)),
    };
    let config = record.config()?;
    let mut accounts = genesis.accounts;
    if let Some(signer) = record.signer()? {
        accounts.push(signer_account(signer.account_id.clone(), Vec::new()));
        accounts.push(signer_account(signer.node_id.clone(), vec![signer.node_key.public_key()]));
    }
    // No sum of balances can overflow later, since all tokens come from here.
    accounts
        .iter()
        .try_fold(0u128, |supply, account| supply.checked_add(account.balance_yocto))
        .ok_or(ChainError::SupplyTooLarge)?;
    let mut names = BTreeSet::new();
    for account in accounts {
        if !names.insert(account.id.clone()) {
            return Err(ChainError::DuplicateAccount { account_id: account.id });
        }
        write_account(state, &config, account)?;
    }
    state.write(&keys::single(Column::Genesis), &record);
    block::store(state, &BlockRecord::genesis(&record));
    Ok(record)
}

fn signer_account(id: AccountId, full_access_keys: Vec<PublicKey>) -> GenesisAccount {
    GenesisAccount { id, balance_yocto: SIGNER_BALANCE.as_yoctonear(), full_access_keys, code: None }
}

fn write_account(state: &mut State, config: &ChainConfig, genesis: GenesisAccount) -> Result<(), ChainError> {
    let limit = config.runtime.wasm_config.limit_config.max_contract_size;
    let mut storage = config.runtime.fees.storage_usage_config.num_bytes_account;
    let mut contract = AccountContract::None;
    if let Some(code) = &genesis.code {
        let size = u64::try_from(code.len()).unwrap_or(u64::MAX);
        if size > limit {
            return Err(ChainError::ContractTooLarge { account_id: genesis.id, size, limit });
        }
        storage = storage.saturating_add(size);
        contract = AccountContract::Local(CryptoHash::hash_bytes(code));
        state.put(&keys::code(&genesis.id), code.as_slice());
    }
    let key = AccessKey::full_access();
    for public_key in &genesis.full_access_keys {
        storage = storage.saturating_add(access_key_storage(config, public_key, &key));
        set_access_key(state, &genesis.id, public_key, &key);
    }
    let balance = Balance::from_yoctonear(genesis.balance_yocto);
    set_account(state, &genesis.id, &Account::new(balance, Balance::ZERO, contract, storage));
    Ok(())
}
