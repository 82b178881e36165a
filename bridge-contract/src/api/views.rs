//! What anybody may read.

use super::args;
use crate::bridge::{Bridge, BridgeExt};
use crate::storage;
use near_sdk::near;
use queue::contract::{EpochArgs, EpochView, SHARDS_PER_PAGE_MAX, ShardArgs, ShardView, ShardsArgs, TipView};
use queue::ids::ShardId;
use queue::trust::TrustRoot;

#[near]
impl Bridge {
    /// What a verifier of this bridge pins. Keys are null until `sync_signer` has fetched them.
    pub fn trust(&self) -> TrustRoot {
        TrustRoot { domain: self.domain.clone(), secp256k1: self.secp256k1, ed25519: self.ed25519 }
    }

    /// A shard; null if its name was never reserved.
    pub fn shard(&self) -> Option<ShardView> {
        let ShardArgs { shard } = args();
        view(shard)
    }

    /// Registered shards, at most [`SHARDS_PER_PAGE_MAX`]. The list has no gaps: a page that isn't
    /// full is the last.
    pub fn shards(&self) -> Vec<ShardView> {
        let ShardsArgs { from_index, limit } = args();
        (u64::from(from_index)..self.shard_count)
            .zip(0..limit.min(SHARDS_PER_PAGE_MAX))
            .filter_map(|(index, _)| view(storage::shard_at(index)?))
            .collect()
    }

    /// A key epoch of a shard; null if there is no such epoch.
    pub fn epoch(&self) -> Option<EpochView> {
        let EpochArgs { shard, key_epoch } = args();
        let record = storage::read_shard(&shard)?;
        storage::read_epoch(&shard, &record, key_epoch).map(EpochView::from)
    }

    /// A shard's tip; null before its first checkpoint.
    pub fn tip(&self) -> Option<TipView> {
        let ShardArgs { shard } = args();
        storage::read_tip(&shard).map(TipView::from)
    }
}

fn view(shard: ShardId) -> Option<ShardView> {
    let record = storage::read_shard(&shard)?;
    let (transport, rotation) = (storage::read_transport(&shard), storage::read_rotation(&shard));
    Some(record.into_view(shard, transport, rotation))
}
