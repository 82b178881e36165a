//! Reading and writing the records of shards.

use crate::pending::Tip;
use crate::registry::{ShardRecord, Transport};
use crate::storage_keys::StorageKey;
use borsh::{BorshDeserialize, BorshSerialize};
use near_sdk::env;
use queue::codec;
use queue::ids::ShardId;

/// Reads a shard's record.
pub fn read_shard(shard: &ShardId) -> Option<ShardRecord> {
    read(&StorageKey::Shard(shard))
}

/// Writes a shard's record.
pub fn write_shard(shard: &ShardId, record: &ShardRecord) {
    write(&StorageKey::Shard(shard), record);
}

/// Reads how a registered shard's nodes are reached.
pub fn read_transport(shard: &ShardId) -> Transport {
    read(&StorageKey::Transport(shard)).expect("written when the shard was reserved, and never removed")
}

/// Writes how a shard's nodes are reached.
pub fn write_transport(shard: &ShardId, transport: &Transport) {
    write(&StorageKey::Transport(shard), transport);
}

/// Reads a shard's tip; `None` before its first checkpoint.
pub fn read_tip(shard: &ShardId) -> Option<Tip> {
    read(&StorageKey::Tip(shard))
}

/// Writes a shard's tip.
pub fn write_tip(shard: &ShardId, tip: &Tip) {
    write(&StorageKey::Tip(shard), tip);
}

/// The shard that was reserved as the `index`-th, from 0.
pub fn shard_at(index: u64) -> Option<ShardId> {
    read(&StorageKey::ShardAt(index))
}

/// Lists a new shard under its index.
pub fn list_shard(index: u64, shard: &ShardId) {
    write(&StorageKey::ShardAt(index), shard);
}

fn read<T: BorshDeserialize>(key: &StorageKey<'_>) -> Option<T> {
    let bytes = env::storage_read(&key.to_bytes())?;
    Some(borsh::from_slice(&bytes).expect("the contract reads what it wrote"))
}

fn write<T: BorshSerialize>(key: &StorageKey<'_>, record: &T) {
    env::storage_write(&key.to_bytes(), &codec::encode(record));
}
