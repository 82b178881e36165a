//! Where each kind of thing lives in the state, and that what came from disk decodes.
//!
//! A key is one byte for the column, then the parts. An account id never contains a zero byte, so a zero ends
//! it. Numbers are big-endian, so that the map's order is theirs. Columns are append-only: a number that was
//! ever used keeps its meaning.

use borsh::BorshDeserialize;
use near_crypto::PublicKey;
use near_primitives::account::{AccessKey, Account};
use near_primitives::hash::CryptoHash;
use near_primitives::receipt::{PromiseYieldTimeout, Receipt, ReceivedData};
use near_primitives::transaction::SignedTransaction;
use near_primitives::types::AccountId;

use crate::ChainError;
use crate::block::BlockRecord;
use crate::genesis::GenesisRecord;
use crate::outcome::OutcomeRecord;
use crate::receipts::Counters;
use crate::signer::{SignJob, WaitingRequest};
use crate::state::encode;

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Column {
    /// The one record that says which chain this is.
    Genesis = 0,
    /// The newest block's height is found here.
    Head = 1,
    /// Running numbers of the queues.
    Counters = 2,
    /// Block by height.
    Block = 3,
    /// Height by block hash.
    BlockHeight = 4,
    /// Account by id.
    Account = 10,
    /// Access key by account and public key.
    AccessKey = 11,
    /// Contract code by account.
    Code = 12,
    /// A contract's own storage, by account and key.
    Data = 13,
    /// Receipts that may run, in order.
    Runnable = 20,
    /// Receipts that wait for data, by receiver and receipt id.
    Postponed = 21,
    /// How many inputs a postponed receipt still lacks.
    Missing = 22,
    /// The postponed receipt that waits for a data id.
    AwaitedBy = 23,
    /// Data that arrived before its receipt could run.
    Received = 24,
    /// Receipts made by a promise that yields, by account and data id.
    Yielded = 25,
    /// When yields end, by height.
    YieldTimeout = 26,
    /// Execution outcome by transaction hash or receipt id.
    Outcome = 30,
    /// Transaction by hash.
    Transaction = 31,
    /// Receipt by id, kept for whoever asks.
    Receipt = 32,
    /// What a block left in the columns above, to forget it later.
    History = 33,
    /// Signature requests that wait, by request.
    SignRequest = 40,
    /// What the signer's nodes are working on, in order.
    SignJob = 41,
}

pub(crate) fn single(column: Column) -> Vec<u8> {
    vec![column as u8]
}

pub(crate) fn by_number(column: Column, number: u64) -> Vec<u8> {
    let mut key = vec![column as u8];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn by_two_numbers(column: Column, first: u64, second: u64) -> Vec<u8> {
    let mut key = by_number(column, first);
    key.extend_from_slice(&second.to_be_bytes());
    key
}

pub(crate) fn by_hash(column: Column, hash: &CryptoHash) -> Vec<u8> {
    let mut key = vec![column as u8];
    key.extend_from_slice(hash.as_bytes());
    key
}

pub(crate) fn account(id: &AccountId) -> Vec<u8> {
    let mut key = vec![Column::Account as u8];
    key.extend_from_slice(id.as_bytes());
    key
}

/// The prefix of everything that one account has in a column.
pub(crate) fn owned(column: Column, owner: &AccountId) -> Vec<u8> {
    let mut key = vec![column as u8];
    key.extend_from_slice(owner.as_bytes());
    key.push(0);
    key
}

pub(crate) fn access_key(owner: &AccountId, public_key: &PublicKey) -> Vec<u8> {
    owned_part(Column::AccessKey, owner, &encode(public_key))
}

pub(crate) fn code(owner: &AccountId) -> Vec<u8> {
    owned(Column::Code, owner)
}

pub(crate) fn owned_part(column: Column, owner: &AccountId, part: &[u8]) -> Vec<u8> {
    let mut key = owned(column, owner);
    key.extend_from_slice(part);
    key
}

pub(crate) fn owned_hash(column: Column, owner: &AccountId, hash: &CryptoHash) -> Vec<u8> {
    owned_part(column, owner, hash.as_bytes())
}

/// Checks an entry that comes from disk, so that later reads can rely on it.
pub(crate) fn check(key: &[u8], value: &[u8]) -> Result<(), ChainError> {
    let is_well_formed = match key.first().copied() {
        Some(0) => decodes::<GenesisRecord>(value),
        Some(1) => decodes::<u64>(value) && key.len() == 1,
        Some(2) => decodes::<Counters>(value),
        Some(3) => decodes::<BlockRecord>(value) && key.len() == 9,
        Some(4) => decodes::<u64>(value),
        Some(10) => decodes::<Account>(value),
        Some(11) => decodes::<AccessKey>(value) && access_key_of(key).is_some(),
        Some(12 | 13) => true,
        Some(20) => decodes::<Receipt>(value) && key.len() == 9,
        Some(21 | 25 | 32) => decodes::<Receipt>(value),
        Some(22) => decodes::<u32>(value),
        Some(23) => decodes::<CryptoHash>(value),
        Some(24) => decodes::<ReceivedData>(value),
        Some(26) => decodes::<PromiseYieldTimeout>(value) && key.len() == 17,
        Some(30) => decodes::<OutcomeRecord>(value),
        Some(31) => decodes::<SignedTransaction>(value),
        Some(33) => decodes::<Vec<CryptoHash>>(value),
        Some(40) => decodes::<WaitingRequest>(value),
        Some(41) => decodes::<SignJob>(value) && key.len() == 9,
        _ => false,
    };
    if is_well_formed { Ok(()) } else { Err(ChainError::CorruptEntry { key: hex::encode(key) }) }
}

/// The public key in the key of an access key's entry.
pub(crate) fn access_key_of(key: &[u8]) -> Option<PublicKey> {
    let end_of_account = key.iter().position(|byte| *byte == 0)?;
    borsh::from_slice(key.get(end_of_account + 1..)?).ok()
}

fn decodes<T: BorshDeserialize>(value: &[u8]) -> bool {
    borsh::from_slice::<T>(value).is_ok()
}
