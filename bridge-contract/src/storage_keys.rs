//! Where each record stands in the contract's storage. Append only: a discriminant is never
//! reused. near-sdk keeps the root state under `STATE`, which begins with none of them.

use borsh::BorshSerialize;
use queue::codec;
use queue::ids::ShardId;

/// Borsh of this is the storage key of a record.
#[derive(BorshSerialize)]
pub enum StorageKey<'a> {
    /// [`crate::registry::ShardRecord`].
    Shard(&'a ShardId),
    /// [`crate::registry::Transport`].
    Transport(&'a ShardId),
    /// [`crate::pending::Tip`].
    Tip(&'a ShardId),
    /// The name of the shard that was reserved as the n-th, from 0.
    ShardAt(u64),
}

impl StorageKey<'_> {
    /// The key's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
