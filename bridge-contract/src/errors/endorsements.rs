//! Why members' endorsements don't count.

use queue::ids::ShardId;

/// Refused endorsements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndorsementRefusal {
    /// Not as many signatures as members that are said to have signed.
    #[error("{signatures} signatures for {members} members: expected one of each")]
    Count {
        /// How many members are said to have signed.
        members: u32,
        /// How many signatures came.
        signatures: usize,
    },
    /// An endorsement by somebody who isn't a member.
    #[error("shard {shard} has no member {member}")]
    NoSuchMember {
        /// The shard.
        shard: ShardId,
        /// The index in the endorsement.
        member: u16,
    },
    /// A signature that isn't the member's under this statement.
    #[error(
        "the endorsement of member {member} is not its signature for this statement, bridge and members' version of shard {shard}"
    )]
    Signature {
        /// The shard.
        shard: ShardId,
        /// The index of the member.
        member: u16,
    },
    /// Too few members agree.
    #[error("{found} members of shard {shard} endorse it, the threshold is {threshold}")]
    BelowThreshold {
        /// The shard.
        shard: ShardId,
        /// How many endorse.
        found: usize,
        /// How many must.
        threshold: u16,
    },
}
