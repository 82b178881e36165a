//! Having checkpoints signed.

use super::endorsements::Endorsements;
use super::rounds::RoundPosition;
use crate::attestation::{AttestationKind, ChainSignature};
use crate::checkpoint::Checkpoint;
use crate::digest::Hash;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Arguments of `attest`, in borsh.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AttestArgs {
    /// The checkpoint to sign.
    pub checkpoint: Checkpoint,
    /// Under [`crate::statement::Statement::Endorse`], at least the threshold.
    pub endorsements: Endorsements,
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

/// A shard's tip: its newest recorded checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TipView {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its hash.
    pub hash: Hash,
    /// How it is attested: by its own signature, or by that of its round; `null` while pending.
    pub attested: Option<AttestationKind>,
    /// Its own signature, of kind shard; `null` while there is none.
    pub signature: Option<ChainSignature>,
    /// How often the signer was asked for it.
    pub attempts: u32,
    /// Block height at which the last attempt was found to have failed; `null` if none has.
    pub last_failure_block: Option<u64>,
    /// Where in a round it stands; `null` if it was never submitted to one.
    pub round: Option<RoundPosition>,
}
