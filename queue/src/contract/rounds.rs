//! Rounds: many shards' checkpoints under one signature.

use crate::trust::Curve;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Arguments that name a sequence of rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundArgs {
    /// The curve of the key that signs them.
    pub curve: Curve,
}

/// Where in the rounds of its shard's curve a checkpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RoundPosition {
    /// Counts the rounds of the curve from 0.
    pub round: u64,
    /// The checkpoint's index in the round's tree.
    pub index: u64,
}

/// The rounds of one curve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundsView {
    /// The round that takes checkpoints.
    pub open: u64,
    /// How many it has.
    pub size: u64,
    /// The round whose signature was asked for and has not come.
    pub closing: Option<u64>,
}
