//! Which shards exist: their owners, members, keys and addresses.

use borsh::{BorshDeserialize, BorshSerialize};
use queue::contract::{ShardStatus, ShardView};
use queue::ids::{AccountId, ShardId};
use queue::trust::{Curve, PublicKey};

/// Storage that a shard can come to take, in bytes: its records with every list at its limit, keys
/// included. The price of a name covers it for ever; a test below holds the records to it.
pub const SHARD_STORAGE_BYTES_MAX: u128 = 6 * 1024;

/// Most yoctoNEAR that stay as a new shard's balance; what is attached beyond goes back. Enough
/// for a million signatures, and worth nothing.
pub const RESERVE_BALANCE_YOCTO_MAX: u128 = 1_000_000;

/// What `attest` reads of a shard. Never removed: a name is given once.
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
    /// Curve of its derived key.
    pub curve: Curve,
    /// Its newest key epoch.
    pub key_epoch: u32,
    /// First height of that epoch.
    pub epoch_first_height: u64,
    /// How often it started its lanes anew, from 0.
    pub incarnation: u32,
    /// The derived key of the newest epoch; `None` until the signer has given it.
    pub key: Option<PublicKey>,
    /// What is left for the signer's deposits, in yoctoNEAR.
    pub balance_yocto: u128,
}

/// How a shard's nodes are reached. Apart from [`ShardRecord`], so that attesting doesn't pay for it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transport {
    /// Ed25519 TLS keys, distinct.
    pub keys: Vec<[u8; 32]>,
    /// Public addresses, `host:port`.
    pub addresses: Vec<String>,
}

impl ShardRecord {
    /// Whether the shard can attest.
    pub fn status(&self) -> ShardStatus {
        if self.key.is_some() { ShardStatus::Active } else { ShardStatus::Reserved }
    }

    /// The shard as callers see it.
    pub fn into_view(self, shard: ShardId, transport: Transport) -> ShardView {
        let keys = |keys: Vec<[u8; 32]>| keys.into_iter().map(PublicKey::Ed25519).collect();
        ShardView {
            shard,
            status: self.status(),
            owner: self.owner,
            members: keys(self.members),
            threshold: self.threshold,
            members_version: self.members_version,
            transport_keys: keys(transport.keys),
            addresses: transport.addresses,
            curve: self.curve,
            key_epoch: self.key_epoch,
            epoch_first_height: self.epoch_first_height,
            incarnation: self.incarnation,
            public_key: self.key,
            balance_yocto: self.balance_yocto,
        }
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
    use queue::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, MEMBERS_MAX, SHARD_ID_BYTES_MAX, TRANSPORT_KEYS_MAX};

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
        let record = ShardRecord {
            owner: "o".repeat(64).parse().expect("a valid account id"),
            members: vec![[1; 32]; MEMBERS_MAX],
            threshold: u16::MAX,
            members_version: 0,
            curve: Curve::Secp256k1,
            key_epoch: 0,
            epoch_first_height: 0,
            incarnation: 0,
            key: Some(PublicKey::Secp256k1([2; 64])),
            balance_yocto: u128::MAX,
        };
        let transport = Transport {
            keys: vec![[3; 32]; TRANSPORT_KEYS_MAX],
            addresses: vec!["h".repeat(ADDRESS_BYTES_MAX); ADDRESSES_MAX],
        };
        let signature = Some(ChainSignature::Secp256k1 { rs: [4; 64], recovery_id: 1 });
        let tip_bytes = CHECKPOINT_BYTES_MAX + Tip::BYTES_BESIDE_CHECKPOINT_MAX;
        assert!(encoded_bytes(&(signature, [0u8; 32], 0u32)) <= Tip::BYTES_BESIDE_CHECKPOINT_MAX);

        let total = stored_bytes(&StorageKey::Shard(&shard), encoded_bytes(&record))
            + stored_bytes(&StorageKey::Transport(&shard), encoded_bytes(&transport))
            + stored_bytes(&StorageKey::Tip(&shard), tip_bytes)
            + stored_bytes(&StorageKey::ShardAt(u64::MAX), encoded_bytes(&shard));
        assert!(total as u128 <= SHARD_STORAGE_BYTES_MAX, "{total} bytes");
    }
}
