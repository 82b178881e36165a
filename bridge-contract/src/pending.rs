//! Each shard's tip: the newest recorded checkpoint, pending until its signature comes.
//!
//! A tip is written before the signer is asked, and never removed: a height is occupied for ever.

use borsh::{BorshDeserialize, BorshSerialize};
use queue::attestation::ChainSignature;
use queue::checkpoint::Checkpoint;
use queue::contract::TipView;
use queue::digest::Hash;

/// A recorded checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tip {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its hash.
    pub hash: Hash,
    /// Its signature, verified by this contract; `None` while pending.
    pub signature: Option<ChainSignature>,
    /// How often the signer was asked for it.
    pub attempts: u32,
}

impl Tip {
    /// Encoded length of all fields but the checkpoint, at most, in bytes.
    pub const BYTES_BESIDE_CHECKPOINT_MAX: usize = 32 + 67 + 4;

    /// A checkpoint that the signer was not asked for yet.
    pub fn new(checkpoint: Checkpoint, hash: Hash) -> Self {
        Tip { checkpoint, hash, signature: None, attempts: 0 }
    }
}

impl From<Tip> for TipView {
    fn from(tip: Tip) -> Self {
        TipView { checkpoint: tip.checkpoint, hash: tip.hash, signature: tip.signature, attempts: tip.attempts }
    }
}
