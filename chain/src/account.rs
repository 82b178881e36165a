//! Accounts and access keys as the state holds them, and what their storage must be covered by.

use near_crypto::PublicKey;
use near_primitives::account::{AccessKey, Account};
use near_primitives::types::{AccountId, Balance, BlockHeight, Nonce};

use crate::config::ChainConfig;
use crate::keys::{self, Column};
use crate::state::{Entries, State, encode, read, scan};

/// Bytes of storage that need no balance behind them (NEP-448).
const ZERO_BALANCE_STORAGE_BYTES: u64 = 770;

pub(crate) fn account(entries: &Entries, id: &AccountId) -> Option<Account> {
    read(entries, &keys::account(id))
}

pub(crate) fn set_account(state: &mut State, id: &AccountId, account: &Account) {
    state.write(&keys::account(id), account);
}

pub(crate) fn access_key(entries: &Entries, id: &AccountId, public_key: &PublicKey) -> Option<AccessKey> {
    read(entries, &keys::access_key(id, public_key))
}

pub(crate) fn set_access_key(state: &mut State, id: &AccountId, public_key: &PublicKey, key: &AccessKey) {
    state.write(&keys::access_key(id, public_key), key);
}

/// All access keys of an account, in the order of their encodings.
pub(crate) fn access_keys(entries: &Entries, id: &AccountId) -> Vec<(PublicKey, AccessKey)> {
    scan(entries, &keys::owned(Column::AccessKey, id))
        .map(|(key, value)| {
            let public_key = keys::access_key_of(key).expect("keys of access keys are checked at open");
            (public_key, crate::state::decode(value))
        })
        .collect()
}

/// Bytes of storage that an access key takes.
pub(crate) fn access_key_storage(config: &ChainConfig, public_key: &PublicKey, key: &AccessKey) -> u64 {
    let bytes = encode(public_key).len() + encode(key).len();
    u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(config.runtime.fees.storage_usage_config.num_extra_bytes_record)
}

/// The nonce that a new access key starts with, so that a key deleted and added again never reuses one.
pub(crate) fn initial_nonce(height: BlockHeight) -> Nonce {
    height.saturating_sub(1).saturating_mul(AccessKey::ACCESS_KEY_NONCE_RANGE_MULTIPLIER)
}

/// How much balance an account lacks for its storage, if any.
pub(crate) fn storage_shortfall(config: &ChainConfig, account: &Account) -> Option<Balance> {
    if account.storage_usage() <= ZERO_BALANCE_STORAGE_BYTES {
        return None;
    }
    let required = config.runtime.storage_amount_per_byte().saturating_mul(u128::from(account.storage_usage()));
    let held = account.amount().saturating_add(account.locked());
    required.checked_sub(held).filter(|missing| !missing.is_zero())
}
