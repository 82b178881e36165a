//! Why a shard's registration doesn't change.

use queue::ids::ShardId;

/// A refused change of a shard's registration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardRefusal {
    /// The name is taken, or was once.
    #[error("shard name {0} is taken, and names are never given twice: choose another")]
    NameTaken(ShardId),
    /// The derived key of the newest key epoch isn't known yet.
    #[error("the key of shard {0} is not known yet: call activate")]
    NotActive(ShardId),
    /// What became active once never lapses, nor what an earlier release reserved.
    #[error("the name {0} can't lapse: its shard was active, or reserved under an earlier release; retire it instead")]
    NoLapse(ShardId),
    /// Somebody else than the owner wants a reservation to lapse too early.
    #[error(
        "the reservation of shard {shard} lapses at {lapses_at_ns}, or earlier by its owner; it is {block_ns} (nanoseconds since 1970)"
    )]
    LapseTooEarly {
        /// The shard.
        shard: ShardId,
        /// From when on anybody may have it lapse.
        lapses_at_ns: u64,
        /// NEAR's block time.
        block_ns: u64,
    },
    /// It will never attest again, and so nothing about it changes.
    #[error("shard {0} is retired, for ever")]
    Retired(ShardId),
    /// Retiring would leave a checkpoint between recorded and signed.
    #[error("checkpoint {height} of shard {shard} has no signature yet: have it attested again, then retire")]
    RetireWhilePending {
        /// The shard.
        shard: ShardId,
        /// The pending tip's height.
        height: u64,
    },
    /// No members were announced.
    #[error("the owner of shard {0} has announced no members: call propose_rotation")]
    NoRotation(ShardId),
    /// The announced members' time has not come.
    #[error(
        "the members announced for shard {shard} can be installed at {ready_at_ns}, it is {block_ns} (nanoseconds since 1970)"
    )]
    RotationTooEarly {
        /// The shard.
        shard: ShardId,
        /// From when on they can be installed.
        ready_at_ns: u64,
        /// NEAR's block time.
        block_ns: u64,
    },
    /// A top-up of nothing.
    #[error("no deposit is attached: attach what the balance of shard {0} shall grow by")]
    NoDeposit(ShardId),
    /// More than there is.
    #[error("shard {shard} has a balance of {balance_yocto} yoctoNEAR, {asked_yocto} can't be withdrawn")]
    BalanceTooLow {
        /// The shard.
        shard: ShardId,
        /// What it has.
        balance_yocto: u128,
        /// What was asked for.
        asked_yocto: u128,
    },
}
