//! What the bridge contract and its callers share: methods, arguments, views and events.
//! Specified in `specs/contract.md`.
//!
//! Arguments and results are JSON, as NEAR's tools expect, but for `attest`, whose arguments are
//! borsh: a checkpoint has one encoding, the one that is hashed.

use crate::attestation::ChainSignature;
use crate::checkpoint::Checkpoint;
use crate::codec;
use crate::digest::Hash;
use crate::ids::{AccountId, NetworkName, ShardId};
use crate::trust::{Curve, PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Names of the contract's methods.
pub mod method {
    /// Initialises the contract, once: [`super::InitArgs`].
    pub const INIT: &str = "init";
    /// Fetches the signer's root keys; anyone, repeatable.
    pub const SYNC_SIGNER: &str = "sync_signer";
    /// Takes a shard's name: [`super::ReserveArgs`], with a deposit.
    pub const RESERVE: &str = "reserve";
    /// Fetches a reserved shard's derived key; anyone, repeatable: [`super::ShardArgs`].
    pub const ACTIVATE: &str = "activate";
    /// Replaces a shard's transport keys and addresses; its owner: [`super::SetTransportArgs`].
    pub const SET_TRANSPORT: &str = "set_transport";
    /// Adds the attached deposit to a shard's balance; anyone: [`super::ShardArgs`].
    pub const TOP_UP: &str = "top_up";
    /// Has a checkpoint signed; anyone, repeatable: borsh [`super::AttestArgs`], result
    /// [`super::AttestResult`].
    pub const ATTEST: &str = "attest";
    /// View: the trust root, [`crate::trust::TrustRoot`].
    pub const TRUST: &str = "trust";
    /// View: [`super::ShardArgs`] → `null` or [`super::ShardView`].
    pub const SHARD: &str = "shard";
    /// View: [`super::ShardsArgs`] → list of [`super::ShardView`], in the order of reservation.
    pub const SHARDS: &str = "shards";
    /// View: [`super::ShardArgs`] → `null` or [`super::TipView`].
    pub const TIP: &str = "tip";
}

/// Most shards in one answer of `shards`.
pub const SHARDS_PER_PAGE_MAX: u32 = 100;

/// Arguments of `init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitArgs {
    /// Name of the NEAR network that the contract is on.
    pub network: NetworkName,
    /// Account of the chain-signature signer.
    pub signer: AccountId,
    /// Account that administers the contract.
    pub admin: AccountId,
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

/// Arguments of `attest`, in borsh.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AttestArgs {
    /// The checkpoint to sign.
    pub checkpoint: Checkpoint,
    /// Endorsements of distinct members, at least the threshold.
    pub endorsements: Vec<Endorsement>,
}

/// One member's endorsement of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Endorsement {
    /// Index in the shard's list of members.
    pub member: u16,
    /// Over [`crate::statement::Statement::Endorse`].
    pub signature: [u8; 64],
}

/// Result of `attest`, once the signer has answered or failed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum AttestResult {
    /// The checkpoint is signed.
    Attested {
        /// The signature, verified by the contract.
        signature: ChainSignature,
    },
    /// No signature came, or not the right one. The checkpoint stays recorded; calling `attest`
    /// again with the same one is always safe.
    Failed,
}

/// A shard, as the contract knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardView {
    /// Its name.
    pub shard: ShardId,
    /// The account that registered it and pays for it.
    pub owner: AccountId,
    /// Whether it can attest yet.
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
    /// Its derived key, once active.
    pub public_key: Option<PublicKey>,
    /// What is left for the signer's deposits, in yoctoNEAR.
    #[serde(with = "codec::u128_string")]
    pub balance_yocto: u128,
}

/// Where a shard's registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardStatus {
    /// The name is taken; its derived key isn't known yet.
    Reserved,
    /// It can attest.
    Active,
}

/// A shard's tip: its newest recorded checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TipView {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its hash.
    pub hash: Hash,
    /// Its signature; `null` while pending.
    pub signature: Option<ChainSignature>,
    /// How often the signer was asked for it.
    pub attempts: u32,
}

/// NEP-297 standard of the contract's events.
pub const EVENT_STANDARD: &str = "private-shard-bridge";

/// NEP-297 version of the contract's events.
pub const EVENT_VERSION: &str = "1.0.0";

/// The contract's events; `data` is a list of one, as NEP-297 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// A shard's name was taken.
    ShardReserved([ShardReserved; 1]),
    /// A shard's derived key is known: it can attest.
    ShardActivated([ShardActivated; 1]),
    /// The signer gave no key; `activate` may be called again.
    ShardActivationFailed([ShardArgs; 1]),
    /// A checkpoint has its signature.
    Attested([Attested; 1]),
    /// A recorded checkpoint has no signature yet; `attest` may be called again.
    AttestationFailed([AttestationFailed; 1]),
}

/// Data of [`Event::ShardReserved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReserved {
    /// The shard.
    pub shard: ShardId,
    /// Its owner.
    pub owner: AccountId,
}

/// Data of [`Event::ShardActivated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardActivated {
    /// The shard.
    pub shard: ShardId,
    /// Its key epoch.
    pub key_epoch: u32,
    /// The derived key of that epoch.
    pub public_key: PublicKey,
}

/// Data of [`Event::Attested`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The shard.
    pub shard: ShardId,
    /// The checkpoint's height.
    pub height: u64,
    /// The checkpoint's hash.
    pub hash: Hash,
    /// The signature.
    pub signature: ChainSignature,
}

/// Data of [`Event::AttestationFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationFailed {
    /// The shard.
    pub shard: ShardId,
    /// The checkpoint's height.
    pub height: u64,
    /// The checkpoint's hash.
    pub hash: Hash,
    /// What the callback saw.
    pub reason: AttestationFailure,
}

/// Why a signature did not come, as far as a callback can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttestationFailure {
    /// The signer's promise failed: a timeout, or it is unavailable. The receipt tells which.
    SignerFailed,
    /// The signer's answer is no signature in a form that the contract knows, or too long.
    UnknownAnswer,
    /// The signer's answer doesn't verify under the shard's derived key.
    WrongSignature,
}
