//! Each shard's tip: the newest recorded checkpoint, pending until its signature comes.
//!
//! A tip is written before the signer is asked, and never removed: a height is occupied for ever.

use borsh::{BorshDeserialize, BorshSerialize};
use queue::attestation::ChainSignature;
use queue::checkpoint::Checkpoint;
use queue::contract::{RoundPosition, TipView};
use queue::digest::Hash;

/// A recorded checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tip {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its hash.
    pub hash: Hash,
    /// Its signature of kind shard, verified by this contract; `None` while there is none.
    pub signature: Option<ChainSignature>,
    /// How often the signer was asked for it.
    pub attempts: u32,
    /// Block height at which the last attempt was found to have failed.
    pub last_failure_block: Option<u64>,
    /// Where in a round it stands, if it was submitted to one.
    pub round: Option<RoundPosition>,
}

/// A tip as the release before this one wrote it.
#[derive(BorshDeserialize)]
pub struct TipV1 {
    checkpoint: Checkpoint,
    hash: Hash,
    signature: Option<ChainSignature>,
    attempts: u32,
}

impl From<TipV1> for Tip {
    fn from(TipV1 { checkpoint, hash, signature, attempts }: TipV1) -> Self {
        Tip { signature, attempts, ..Tip::new(checkpoint, hash) }
    }
}

impl Tip {
    /// Encoded length of all fields but the checkpoint, at most, in bytes.
    pub const BYTES_BESIDE_CHECKPOINT_MAX: usize = 32 + 67 + 4 + 9 + 17;

    /// A checkpoint that the signer was not asked for yet.
    pub fn new(checkpoint: Checkpoint, hash: Hash) -> Self {
        Tip { checkpoint, hash, signature: None, attempts: 0, last_failure_block: None, round: None }
    }
}

impl From<Tip> for TipView {
    fn from(tip: Tip) -> Self {
        let Tip { checkpoint, hash, signature, attempts, last_failure_block, round } = tip;
        TipView { checkpoint, hash, signature, attempts, last_failure_block, round }
    }
}
