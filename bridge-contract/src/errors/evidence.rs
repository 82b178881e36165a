//! Why a report or a lift changes nothing.

use super::ProofRefusal;
use crate::from_json::FieldError;
use queue::attestation::AttestationError;
use queue::evidence::EvidenceError;
use queue::ids::ShardId;

/// A refused report or lift.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceRefusal {
    /// Not a file of the expected kind.
    #[error("{} is missing, or not what the file's format says", .0.name())]
    Field(#[from] FieldError),
    /// An attestation is of a key epoch or a round that this contract holds no key for.
    #[error(transparent)]
    Key(#[from] ProofRefusal),
    /// An attestation doesn't hold.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// A file that is no evidence.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Two checkpoints that can both be true.
    #[error(
        "checkpoint {} of shard {} and checkpoint {} of shard {} can both be true: expected two at one height",
        .one.1, .one.0, .other.1, .other.0
    )]
    NoContradiction {
        /// Shard and height of one.
        one: (ShardId, u64),
        /// Of the other.
        other: (ShardId, u64),
    },
    /// Evidence that holds and doesn't follow from signatures alone.
    #[error("what is signed in the file can all be true: {0:?} is only claimed")]
    OnlyClaimed(String),
    /// There is no lane to freeze.
    #[error("there is no open lane between {0} and {1}: nothing to freeze")]
    NoLane(ShardId, ShardId),
    /// Owner and members have settled it.
    #[error("evidence about heights of shard {shard} below {evidence_floor} is settled, this shows height {height}")]
    Settled {
        /// The shard.
        shard: ShardId,
        /// A height in the evidence.
        height: u64,
        /// From where on evidence counts.
        evidence_floor: u64,
    },
    /// It is frozen already.
    #[error("it is frozen already, for evidence about height {0}")]
    Frozen(u64),
    /// Nothing to lift.
    #[error("shard {0} is not frozen, nor is its side of a lane: there is nothing to lift")]
    NotFrozen(ShardId),
    /// The members agree to something else.
    #[error("the floor is {found}, expected {expected}: one above the height that the evidence shows")]
    Floor {
        /// The floor asked for.
        found: u64,
        /// One above the height of the freeze.
        expected: u64,
    },
}
