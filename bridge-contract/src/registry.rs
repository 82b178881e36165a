//! Which shards exist: their owners, members, keys and addresses.

use borsh::{BorshDeserialize, BorshSerialize};
use queue::contract::{EpochView, RotationView, ShardStatus, ShardView};
use queue::ids::{AccountId, ShardId};
use queue::trust::{Curve, PublicKey};

/// Storage that a shard can come to take, in bytes: its records with every list at its limit, keys
/// included, but for ended key epochs. The price of a name covers it; a test below holds the
/// records to it.
pub const SHARD_STORAGE_BYTES_MAX: u128 = 11 * 1024;

/// What of it stays of a retired shard, in bytes: its record, its tip, its place in the list and
/// its nodes in rounds.
pub const RETIRED_STORAGE_BYTES_MAX: u128 = 6 * 1024;

/// Storage of an ended key epoch, in bytes. It stays for ever.
pub const EPOCH_STORAGE_BYTES_MAX: u128 = 256;

/// Most yoctoNEAR that stay as a new shard's balance; what is attached beyond goes back. Enough
/// for a million signatures, and worth nothing.
pub const RESERVE_BALANCE_YOCTO_MAX: u128 = 1_000_000;

/// What `attest` reads of a shard. Never removed once it was active: a name is given once.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShardRecord {
    /// The account that registered it and pays for it.
    pub owner: AccountId,
    /// Ed25519 keys of its members, distinct, at least one.
    pub members: Vec<[u8; 32]>,
    /// How many members must endorse. Invariant: `members.len() / 2 < threshold <= members.len()`.
    pub threshold: u16,
    /// Counts its sets of members, from 0.
    pub members_version: u32,
    /// The number of its newest key epoch, from 0.
    pub key_epoch: u32,
    /// Its newest key epoch.
    pub epoch: Epoch,
    /// How often it started its lanes anew, from 0.
    pub incarnation: u32,
    /// What is left for the signer's deposits, in yoctoNEAR.
    pub balance_yocto: u128,
    /// What its owner paid for its storage, in yoctoNEAR.
    pub storage_yocto: u128,
    /// When it was reserved, in nanoseconds since the Unix epoch.
    pub reserved_at_ns: u64,
    /// Its place in the list of shards; `None` if the release before this one wrote the record.
    pub index: Option<u64>,
    /// Whether its owner has paused it.
    pub paused: bool,
    /// Whether it will never attest again.
    pub retired: bool,
    /// The height of the evidence for which it is frozen.
    pub frozen_height: Option<u64>,
    /// Evidence about heights below this one is settled: it freezes nothing again.
    pub evidence_floor: u64,
}

/// A key epoch of a shard: a range of heights and the key that signs them.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Epoch {
    /// The curve of its key.
    pub curve: Curve,
    /// Its first height.
    pub first_height: u64,
    /// The first height of the next epoch; `None` for the newest.
    pub end_height: Option<u64>,
    /// Its derived key; `None` until the signer has given it.
    pub key: Option<PublicKey>,
}

/// A shard's record as the release before this one wrote it.
#[derive(BorshDeserialize)]
pub struct ShardRecordV1 {
    owner: AccountId,
    members: Vec<[u8; 32]>,
    threshold: u16,
    members_version: u32,
    curve: Curve,
    key_epoch: u32,
    epoch_first_height: u64,
    incarnation: u32,
    key: Option<PublicKey>,
    balance_yocto: u128,
}

/// What the release before this one took for a shard's storage, in yoctoNEAR: 6 KiB at 10^19 a byte.
const STORAGE_YOCTO_V1: u128 = 6 * 1024 * 10_000_000_000_000_000_000;

impl From<ShardRecordV1> for ShardRecord {
    fn from(v1: ShardRecordV1) -> Self {
        ShardRecord {
            owner: v1.owner,
            members: v1.members,
            threshold: v1.threshold,
            members_version: v1.members_version,
            key_epoch: v1.key_epoch,
            epoch: Epoch { curve: v1.curve, first_height: v1.epoch_first_height, end_height: None, key: v1.key },
            incarnation: v1.incarnation,
            balance_yocto: v1.balance_yocto,
            storage_yocto: STORAGE_YOCTO_V1,
            reserved_at_ns: 0,
            index: None,
            paused: false,
            retired: false,
            frozen_height: None,
            evidence_floor: 0,
        }
    }
}

/// How a shard's nodes are reached. Apart from [`ShardRecord`], so that attesting doesn't pay for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct Transport {
    /// Ed25519 TLS keys, distinct.
    pub keys: Vec<[u8; 32]>,
    /// Public addresses, `host:port`.
    pub addresses: Vec<String>,
}

/// Members that the owner announced: everybody can see them before they can be installed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Rotation {
    /// Ed25519 keys, as in [`ShardRecord::members`].
    pub members: Vec<[u8; 32]>,
    /// As in [`ShardRecord::threshold`].
    pub threshold: u16,
    /// From when on they can be installed, in nanoseconds since the Unix epoch.
    pub ready_at_ns: u64,
}

impl ShardRecord {
    /// Where the shard stands.
    pub fn status(&self) -> ShardStatus {
        match self {
            ShardRecord { retired: true, .. } => ShardStatus::Retired,
            ShardRecord { frozen_height: Some(_), .. } => ShardStatus::Frozen,
            ShardRecord { paused: true, .. } => ShardStatus::Paused,
            ShardRecord { epoch: Epoch { key: None, .. }, .. } => ShardStatus::Reserved,
            _ => ShardStatus::Active,
        }
    }

    /// Whether it could ever attest.
    pub fn was_active(&self) -> bool {
        self.epoch.key.is_some() || self.key_epoch > 0
    }

    /// The shard as callers see it.
    pub fn into_view(self, shard: ShardId, transport: Transport, rotation: Option<Rotation>) -> ShardView {
        ShardView {
            shard,
            status: self.status(),
            owner: self.owner,
            members: listed(self.members),
            threshold: self.threshold,
            members_version: self.members_version,
            transport_keys: listed(transport.keys),
            addresses: transport.addresses,
            curve: self.epoch.curve,
            key_epoch: self.key_epoch,
            epoch_first_height: self.epoch.first_height,
            incarnation: self.incarnation,
            public_key: self.epoch.key,
            rotation: rotation.map(RotationView::from),
            frozen_height: self.frozen_height,
            balance_yocto: self.balance_yocto,
        }
    }
}

fn listed(keys: Vec<[u8; 32]>) -> Vec<PublicKey> {
    keys.into_iter().map(PublicKey::Ed25519).collect()
}

impl From<Rotation> for RotationView {
    fn from(Rotation { members, threshold, ready_at_ns }: Rotation) -> Self {
        RotationView { members: listed(members), threshold, ready_at_ns }
    }
}

impl From<Epoch> for EpochView {
    fn from(Epoch { curve, first_height, end_height, key }: Epoch) -> Self {
        EpochView { curve, first_height, end_height, public_key: key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pending::Tip;
    use crate::storage_keys::StorageKey;
    use queue::attestation::ChainSignature;
    use queue::checkpoint::CHECKPOINT_BYTES_MAX;
    use queue::codec;
    use queue::contract::RoundPosition;
    use queue::digest::Hash;
    use queue::limits::{
        ADDRESS_BYTES_MAX, ADDRESSES_MAX, MEMBERS_MAX, ROUNDS_KEPT, SHARD_ID_BYTES_MAX, TRANSPORT_KEYS_MAX,
    };

    /// NEAR counts this beside key and value of each record (`num_extra_bytes_record`).
    const RECORD_EXTRA_BYTES: usize = 40;

    fn stored_bytes(key: &StorageKey<'_>, value_bytes: usize) -> usize {
        key.to_bytes().len() + value_bytes + RECORD_EXTRA_BYTES
    }

    fn encoded_bytes(record: &impl BorshSerialize) -> usize {
        codec::encode(record).len()
    }

    #[test]
    fn the_price_of_a_name_covers_every_record_at_its_limits() {
        let shard: ShardId = "a".repeat(SHARD_ID_BYTES_MAX).parse().expect("a valid name");
        let epoch = Epoch {
            curve: Curve::Secp256k1,
            first_height: 0,
            end_height: Some(u64::MAX),
            key: Some(PublicKey::Secp256k1([2; 64])),
        };
        let record = ShardRecord {
            owner: "o".repeat(64).parse().expect("a valid account id"),
            members: vec![[1; 32]; MEMBERS_MAX],
            threshold: u16::MAX,
            members_version: 0,
            key_epoch: 0,
            epoch: epoch.clone(),
            incarnation: 0,
            balance_yocto: u128::MAX,
            storage_yocto: u128::MAX,
            reserved_at_ns: u64::MAX,
            index: Some(u64::MAX),
            paused: false,
            retired: false,
            frozen_height: Some(u64::MAX),
            evidence_floor: u64::MAX,
        };
        let transport = Transport {
            keys: vec![[3; 32]; TRANSPORT_KEYS_MAX],
            addresses: vec!["h".repeat(ADDRESS_BYTES_MAX); ADDRESSES_MAX],
        };
        let signature = Some(ChainSignature::Secp256k1 { rs: [4; 64], recovery_id: 1 });
        let tip_bytes = CHECKPOINT_BYTES_MAX + Tip::BYTES_BESIDE_CHECKPOINT_MAX;
        let round = Some(RoundPosition { curve: Curve::Secp256k1, round: u64::MAX, index: u64::MAX });
        let beside = (signature, [0u8; 32], 0u32, Some(u64::MAX), round, [u64::MAX; 2]);
        assert_eq!(encoded_bytes(&beside), Tip::BYTES_BESIDE_CHECKPOINT_MAX);
        let rotation = Rotation { members: vec![[5; 32]; MEMBERS_MAX], threshold: u16::MAX, ready_at_ns: u64::MAX };

        // In each kept round of each curve a leaf and, as in any binary tree, at most one node above it.
        let node = StorageKey::RoundNode(Curve::Ed25519, u8::MAX, u8::MAX, u64::MAX);
        let kept = usize::try_from(2 * ROUNDS_KEPT).expect("a small number");
        let rounds = kept * 2 * stored_bytes(&node, encoded_bytes(&Hash::ZERO));
        let remains = stored_bytes(&StorageKey::Shard(&shard), encoded_bytes(&record))
            + stored_bytes(&StorageKey::Tip(&shard), tip_bytes)
            + stored_bytes(&StorageKey::ShardAt(u64::MAX), encoded_bytes(&shard))
            + rounds;
        assert!(remains as u128 <= RETIRED_STORAGE_BYTES_MAX, "{remains} bytes");
        let total = remains
            + stored_bytes(&StorageKey::Transport(&shard), encoded_bytes(&transport))
            + stored_bytes(&StorageKey::Rotation(&shard), encoded_bytes(&rotation));
        assert!(total as u128 <= SHARD_STORAGE_BYTES_MAX, "{total} bytes");
        let ended = stored_bytes(&StorageKey::Epoch(&shard, u32::MAX), encoded_bytes(&epoch));
        assert!(ended as u128 <= EPOCH_STORAGE_BYTES_MAX, "{ended} bytes");
    }
}
