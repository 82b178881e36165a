//! Shards: registering them, and what becomes of them.

use super::endorsements::Endorsements;
use crate::codec;
use crate::ids::{AccountId, NetworkName, ShardId};
use crate::trust::{Curve, PublicKey};
use serde::{Deserialize, Serialize};

/// Most shards in one answer of `shards`.
pub const SHARDS_PER_PAGE_MAX: u32 = 100;

/// Arguments of `init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitArgs {
    /// Name of the NEAR network that the contract is on.
    pub network: NetworkName,
    /// Account of the chain-signature signer.
    pub signer: AccountId,
    /// The first super admin.
    pub admin: AccountId,
    /// Whether everybody may reserve a name, or the role Registrar only; everybody, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_registration: Option<bool>,
}

/// Arguments of `reserve`. The caller becomes the shard's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveArgs {
    /// The name to take, for ever.
    pub shard: ShardId,
    /// Ed25519 keys of the members, distinct.
    pub members: Vec<PublicKey>,
    /// How many members must endorse a checkpoint.
    pub threshold: u16,
    /// Curve of the shard's derived key.
    pub curve: Curve,
    /// Ed25519 TLS keys of the shard's nodes, at most [`crate::limits::TRANSPORT_KEYS_MAX`].
    pub transport_keys: Vec<PublicKey>,
    /// Public addresses (`host:port`) of the shard's nodes; empty if they are given to peers
    /// otherwise.
    pub addresses: Vec<String>,
}

/// Arguments that name a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardArgs {
    /// The shard.
    pub shard: ShardId,
}

/// Arguments of `shards`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardsArgs {
    /// How many shards to skip.
    pub from_index: u32,
    /// How many to list, at most [`SHARDS_PER_PAGE_MAX`].
    pub limit: u32,
}

/// Arguments of `set_transport`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTransportArgs {
    /// The shard.
    pub shard: ShardId,
    /// As in [`ReserveArgs`].
    pub transport_keys: Vec<PublicKey>,
    /// As in [`ReserveArgs`].
    pub addresses: Vec<String>,
}

/// Arguments of `withdraw`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawArgs {
    /// The shard.
    pub shard: ShardId,
    /// How much, in yoctoNEAR; `null` for all.
    pub amount_yocto: Option<AmountYocto>,
}

/// An amount of yoctoNEAR; a decimal string in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountYocto(#[serde(with = "codec::u128_string")] pub u128);

/// Arguments of `rotate`: the new members, and the agreement of the present ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateArgs {
    /// The shard.
    pub shard: ShardId,
    /// As in [`ReserveArgs`].
    pub members: Vec<PublicKey>,
    /// As in [`ReserveArgs`].
    pub threshold: u16,
    /// Under [`crate::statement::Statement::Rotate`], at least the present threshold.
    pub endorsements: Endorsements,
}

/// Arguments of `propose_rotation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposeRotationArgs {
    /// The shard.
    pub shard: ShardId,
    /// As in [`ReserveArgs`].
    pub members: Vec<PublicKey>,
    /// As in [`ReserveArgs`].
    pub threshold: u16,
}

/// Arguments of `rekey`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RekeyArgs {
    /// The shard.
    pub shard: ShardId,
    /// The curve of the new epoch's key.
    pub curve: Curve,
    /// Under [`crate::statement::Statement::Rekey`], at least the threshold.
    pub endorsements: Endorsements,
}

/// Arguments of `epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochArgs {
    /// The shard.
    pub shard: ShardId,
    /// The key epoch.
    pub key_epoch: u32,
}

/// A key epoch of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochView {
    /// The curve of its key.
    pub curve: Curve,
    /// Its first height.
    pub first_height: u64,
    /// The first height of the next epoch; `null` for the newest.
    pub end_height: Option<u64>,
    /// Its derived key, once fetched.
    pub public_key: Option<PublicKey>,
}

/// Members that the owner announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationView {
    /// As in [`ReserveArgs`].
    pub members: Vec<PublicKey>,
    /// As in [`ReserveArgs`].
    pub threshold: u16,
    /// From when on they can be installed; nanoseconds since the Unix epoch.
    #[serde(with = "codec::u64_string")]
    pub ready_at_ns: u64,
}

/// A shard, as the contract knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardView {
    /// Its name.
    pub shard: ShardId,
    /// The account that registered it and pays for it.
    pub owner: AccountId,
    /// Whether it can attest.
    pub status: ShardStatus,
    /// Ed25519 keys of its members.
    pub members: Vec<PublicKey>,
    /// How many members must endorse.
    pub threshold: u16,
    /// Counts its sets of members, from 0.
    pub members_version: u32,
    /// Ed25519 TLS keys of its nodes.
    pub transport_keys: Vec<PublicKey>,
    /// Public addresses of its nodes.
    pub addresses: Vec<String>,
    /// Curve of its derived key.
    pub curve: Curve,
    /// Its newest key epoch.
    pub key_epoch: u32,
    /// First height of that epoch.
    pub epoch_first_height: u64,
    /// How often it started its lanes anew, from 0.
    pub incarnation: u32,
    /// The derived key of its newest key epoch, once fetched.
    pub public_key: Option<PublicKey>,
    /// Members that the owner announced.
    pub rotation: Option<RotationView>,
    /// The height of the evidence for which it is frozen.
    pub frozen_height: Option<u64>,
    /// What is left for the signer's deposits, in yoctoNEAR.
    #[serde(with = "codec::u128_string")]
    pub balance_yocto: u128,
}

/// Where a shard stands. Of several the later one in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardStatus {
    /// The derived key of its newest key epoch isn't known yet: it can't attest.
    Reserved,
    /// It can attest.
    Active,
    /// Its owner has paused it: no new checkpoint is recorded.
    Paused,
    /// It signed a contradiction: no new checkpoint is recorded until owner and members lift it.
    Frozen,
    /// It will never attest again; what it attested last is final.
    Retired,
}
