//! Where each record stands in the contract's storage. Append only: a discriminant is never
//! reused. near-sdk keeps the root state under `STATE`, which begins with none of them.

use borsh::BorshSerialize;
use queue::codec;
use queue::ids::ShardId;
use queue::trust::Curve;

/// Borsh of this is the storage key of a record.
#[derive(BorshSerialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum StorageKey<'a> {
    /// [`crate::registry::ShardRecordV1`]: read, and never written.
    ShardV1(&'a ShardId) = 0,
    /// [`crate::registry::Transport`].
    Transport(&'a ShardId) = 1,
    /// [`crate::pending::TipV1`]: read, and never written.
    TipV1(&'a ShardId) = 2,
    /// The name of the n-th listed shard, from 0.
    ShardAt(u64) = 3,
    /// [`crate::registry::ShardRecord`].
    Shard(&'a ShardId) = 4,
    /// [`crate::pending::Tip`].
    Tip(&'a ShardId) = 5,
    /// [`crate::registry::Epoch`] of a key epoch that is not the newest.
    Epoch(&'a ShardId, u32) = 6,
    /// [`crate::registry::Rotation`].
    Rotation(&'a ShardId) = 7,
    /// [`crate::lanes::LaneRecord`] of two shards, in the order of their names.
    Lane(&'a ShardId, &'a ShardId) = 8,
    /// The other shard of a shard's n-th open lane or proposal, from 0.
    LaneAt(&'a ShardId, u32) = 9,
    /// [`crate::rounds::SignedRound`], by slot.
    Round(Curve, u8) = 10,
    /// Hash of a node of a round's tree, by slot, level and index within the level.
    RoundNode(Curve, u8, u8, u64) = 11,
    /// How many open lanes and proposals a shard lists.
    LaneCount(&'a ShardId) = 12,
    /// [`crate::rounds::Rounds`].
    Rounds(Curve) = 13,
    /// [`crate::roles::Roles`].
    Roles = 14,
}

impl StorageKey<'_> {
    /// The key's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
