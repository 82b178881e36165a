//! Why a checkpoint isn't recorded.

use queue::checkpoint::CheckpointError;
use queue::contract::ShardStatus;
use queue::digest::Hash;
use queue::ids::{BridgeDomain, ShardId};
use queue::limits::CHECKPOINT_AHEAD_NS_MAX;

/// A refused checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointRefusal {
    /// The checkpoint contradicts itself.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint belongs to another bridge.
    #[error("the checkpoint is for bridge {found_bridge} on {found_network} (instance {found_instance}), this is {bridge} on {network} (instance {instance})",
        found_bridge = .found.bridge, found_network = .found.network, found_instance = .found.instance,
        bridge = .expected.bridge, network = .expected.network, instance = .expected.instance)]
    OtherBridge {
        /// The checkpoint's bridge.
        found: Box<BridgeDomain>,
        /// This one.
        expected: Box<BridgeDomain>,
    },
    /// The checkpoint is not of the shard's key epoch.
    #[error(
        "the checkpoint is of key epoch {found} from height {found_first_height}, shard {shard} is in epoch {expected} from height {expected_first_height}"
    )]
    OtherEpoch {
        /// The shard.
        shard: ShardId,
        /// The checkpoint's epoch.
        found: u32,
        /// Where the checkpoint says that it begins.
        found_first_height: u64,
        /// The shard's epoch.
        expected: u32,
        /// Where it begins.
        expected_first_height: u64,
    },
    /// The shard records no new checkpoint.
    #[error("shard {shard} is {status:?}: no new checkpoint of it is recorded")]
    Stopped {
        /// The shard.
        shard: ShardId,
        /// Why.
        status: ShardStatus,
    },
    /// The shard can't pay the signer's deposit.
    #[error("shard {0} has no balance left for the signer's deposit of 1 yoctoNEAR: call top_up")]
    BalanceEmpty(ShardId),
    /// The height isn't the one after the tip.
    #[error("the checkpoint has height {found}, the next of shard {shard} is {expected}")]
    Height {
        /// The shard.
        shard: ShardId,
        /// The checkpoint's height.
        found: u64,
        /// The height after the tip's.
        expected: u64,
    },
    /// Another checkpoint occupies the height, for ever.
    #[error("height {height} of shard {shard} is taken by checkpoint {recorded}, {found} can't have it")]
    HeightTaken {
        /// The shard.
        shard: ShardId,
        /// The height.
        height: u64,
        /// Hash of the recorded checkpoint.
        recorded: Hash,
        /// Hash of the refused one.
        found: Hash,
    },
    /// The checkpoint doesn't continue the tip.
    #[error("the checkpoint continues {found}, the tip of shard {shard} is {expected}")]
    Previous {
        /// The shard.
        shard: ShardId,
        /// What the checkpoint continues.
        found: Hash,
        /// The tip's hash, or zeros.
        expected: Hash,
    },
    /// The tip of the same key epoch has no signature yet.
    #[error("checkpoint {height} of shard {shard} has no signature yet: have it attested again before the next")]
    PreviousPending {
        /// The shard.
        shard: ShardId,
        /// The pending tip's height.
        height: u64,
    },
    /// The checkpoint's time lies before the tip's.
    #[error("the checkpoint's time {found_ns} lies before the tip's, {tip_ns} (nanoseconds since 1970)")]
    TimeFalls {
        /// The checkpoint's time.
        found_ns: u64,
        /// The tip's.
        tip_ns: u64,
    },
    /// The checkpoint's time lies too far ahead of NEAR's.
    #[error("the checkpoint's time {found_ns} lies more than {limit_ns} ahead of the block's, {block_ns} (nanoseconds since 1970)", limit_ns = CHECKPOINT_AHEAD_NS_MAX)]
    TimeAhead {
        /// The checkpoint's time.
        found_ns: u64,
        /// NEAR's block time.
        block_ns: u64,
    },
}
