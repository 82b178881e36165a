//! Each shard's tip: the newest recorded checkpoint, pending until its signature comes.
//!
//! A tip is written before the signer is asked, and never removed: a height is occupied for ever.

use borsh::{BorshDeserialize, BorshSerialize};
use queue::attestation::{AttestationKind, ChainSignature};
use queue::checkpoint::Checkpoint;
use queue::contract::{RoundPosition, TipView};
use queue::digest::Hash;
use queue::trust::Curve;

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
    /// By curve, the first round that may take a checkpoint of this shard: none holds two, so that
    /// the price of a name covers the rounds' nodes.
    pub rounds_from: [u64; 2],
    /// Whether its round has its signature: found when the tip is read, and not stored.
    #[borsh(skip)]
    pub is_in_signed_round: bool,
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
    pub const BYTES_BESIDE_CHECKPOINT_MAX: usize = 32 + 67 + 4 + 9 + 18 + 16;

    /// A checkpoint that the signer was not asked for yet.
    pub fn new(checkpoint: Checkpoint, hash: Hash) -> Self {
        Tip {
            checkpoint,
            hash,
            signature: None,
            attempts: 0,
            last_failure_block: None,
            round: None,
            rounds_from: [0; 2],
            is_in_signed_round: false,
        }
    }

    /// How it is attested; `None` while it is pending.
    pub fn attested(&self) -> Option<AttestationKind> {
        match self {
            Tip { signature: Some(_), .. } => Some(AttestationKind::Shard),
            Tip { is_in_signed_round: true, .. } => Some(AttestationKind::Round),
            _ => None,
        }
    }

    /// The first round of `curve` that may take a checkpoint of this shard.
    pub fn round_from(&mut self, curve: Curve) -> &mut u64 {
        let [secp256k1, ed25519] = &mut self.rounds_from;
        match curve {
            Curve::Secp256k1 => secp256k1,
            Curve::Ed25519 => ed25519,
        }
    }
}

impl From<Tip> for TipView {
    fn from(tip: Tip) -> Self {
        let attested = tip.attested();
        let Tip { checkpoint, hash, signature, attempts, last_failure_block, round, .. } = tip;
        TipView { checkpoint, hash, attested, signature, attempts, last_failure_block, round }
    }
}
