//! Why a request about a lane is refused.

use queue::contract::ShardStatus;
use queue::ids::ShardId;
use queue::limits::LANES_PER_SHARD_MAX;

/// A refused request about a lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaneRefusal {
    /// A shard has no lane to itself.
    #[error("a lane joins two shards, and both are {0}")]
    ToItself(ShardId),
    /// One of the shards isn't active.
    #[error("shard {shard} is {status:?}, lanes are agreed between active shards")]
    NotActive {
        /// The shard.
        shard: ShardId,
        /// Where it stands.
        status: ShardStatus,
    },
    /// Terms that no node can keep.
    #[error("{what} is {found}, expected {least} to {most}")]
    Term {
        /// Which of the terms.
        what: &'static str,
        /// What it is.
        found: u64,
        /// The least that it may be.
        least: u64,
        /// The most.
        most: u64,
    },
    /// The shard's list is full.
    #[error("shard {0} has {LANES_PER_SHARD_MAX} lanes and proposals, the limit: withdraw proposals first")]
    TooMany(ShardId),
    /// Accepting or withdrawing what isn't there.
    #[error("shard {by} proposes nothing for a lane with {to}")]
    NothingProposed {
        /// Whose proposal it would be.
        by: ShardId,
        /// The other shard.
        to: ShardId,
    },
    /// Accepting other terms than those proposed.
    #[error("shard {by} proposes other terms for its lane with {to}: read them again with the view lane")]
    OtherTerms {
        /// Whose proposal it is.
        by: ShardId,
        /// The other shard.
        to: ShardId,
    },
    /// Stopping what isn't open.
    #[error("there is no open lane between {shard} and {peer}: propose_lane and accept_lane open one")]
    NotOpen {
        /// The caller's shard.
        shard: ShardId,
        /// The other shard.
        peer: ShardId,
    },
}
