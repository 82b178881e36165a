//! Reporting contradictions to the contract, and lifting what they froze. Specified in
//! `specs/contract-evidence.md`.

use super::endorsements::Endorsements;
use crate::attestation::Attestation;
use crate::evidence::Evidence;
use crate::ids::ShardId;
use serde::{Deserialize, Serialize};

/// Arguments of `report_shard`: attestations of two checkpoints of one shard at one height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportShardArgs {
    /// One.
    pub one: Attestation,
    /// The other.
    pub other: Attestation,
}

/// Arguments of `report_lane`: an evidence file, as `shard-node evidence` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportLaneArgs {
    /// The file.
    pub evidence: Evidence,
}

/// Arguments of `lift_freeze`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftArgs {
    /// The caller's shard.
    pub shard: ShardId,
    /// The other end of the frozen lane; `null` if the shard itself is frozen.
    pub peer: Option<ShardId>,
    /// One above the height that the freeze shows: evidence about lower heights is settled.
    pub evidence_floor: u64,
    /// Under [`crate::statement::Statement::Lift`], at least the threshold.
    pub endorsements: Endorsements,
}

/// Data of [`super::Event::ShardFrozen`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFrozen {
    /// The shard.
    pub shard: ShardId,
    /// At which height it has two checkpoints.
    pub height: u64,
}

/// Data of [`super::Event::LaneFrozen`] and of [`super::Event::FreezeLifted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// The shard whose checkpoints or heads contradict.
    pub shard: ShardId,
    /// The other end of the lane; `null` if the shard itself is frozen.
    pub peer: Option<ShardId>,
    /// Its highest height in the evidence.
    pub height: u64,
}
