//! Rounds: many shards' checkpoints under one signature.

use super::events::AttestationFailure;
use crate::attestation::ChainSignature;
use crate::codec;
use crate::digest::Hash;
use crate::trust::{Curve, PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Arguments that name a sequence of rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundArgs {
    /// The curve of the key that signs them.
    pub curve: Curve,
}

/// Where in the rounds of a curve a checkpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RoundPosition {
    /// The curve of the key that signs the round: that of the checkpoint's key epoch.
    pub curve: Curve,
    /// Counts the rounds of the curve from 0.
    pub round: u64,
    /// The checkpoint's index in the round's tree.
    pub index: u64,
}

/// Result of `submit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum SubmitResult {
    /// The checkpoint stands in a round.
    Submitted {
        /// Where.
        position: RoundPosition,
    },
    /// The checkpoint has a signature of its own, and needs no round.
    Attested {
        /// That signature, of kind shard.
        signature: ChainSignature,
    },
}

/// The rounds of one curve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundsView {
    /// The round that takes checkpoints.
    pub open: u64,
    /// How many it has.
    pub size: u64,
    /// The closed round that has no signature yet.
    pub closing: Option<u64>,
    /// From when on `close` may ask the signer; nanoseconds since the Unix epoch.
    #[serde(with = "codec::u64_string")]
    pub closable_at_ns: u64,
    /// What is left for the signer's deposits, in yoctoNEAR. While it is 0, whoever waits submits
    /// the same checkpoint again.
    #[serde(with = "codec::u128_string")]
    pub pot_yocto: u128,
    /// The key that signs the rounds; `null` until `sync_signer` has fetched it.
    pub public_key: Option<PublicKey>,
}

/// Data of [`super::Event::RoundSigned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSigned {
    /// The curve of the round.
    pub curve: Curve,
    /// The round.
    pub round: u64,
    /// How many checkpoints it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// The signature.
    pub signature: ChainSignature,
}

/// Data of [`super::Event::RoundFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundFailed {
    /// The curve of the round.
    pub curve: Curve,
    /// The round.
    pub round: u64,
    /// What the callback saw.
    pub reason: AttestationFailure,
}
