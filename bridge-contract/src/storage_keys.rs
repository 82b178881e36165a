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

/// What belongs to upgrades, under near-plugins' keys: the prefix and this.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum UpgradeKey {
    /// The staged code, as it stands.
    Code = 0,
    /// When it may be deployed; nanoseconds since 1970, borsh as all times here.
    StagingTimestamp = 1,
    /// How long staged code waits, in nanoseconds.
    StagingDuration = 2,
    /// The delay that was announced, in nanoseconds.
    NewStagingDuration = 3,
    /// When that may take effect; nanoseconds since 1970.
    NewStagingDurationTimestamp = 4,
}

impl UpgradeKey {
    /// With what these keys begin: no [`StorageKey`] does.
    pub const PREFIX: &'static [u8] = b"__up__";

    /// The key's bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        [Self::PREFIX, &[self as u8]].concat()
    }
}

impl StorageKey<'_> {
    /// The key's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
