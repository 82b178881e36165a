//! Why a request is refused.

use queue::checkpoint::CheckpointError;
use queue::digest::Hash;
use queue::ids::{AccountId, BridgeDomain, ShardId};
use queue::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, CHECKPOINT_AHEAD_NS_MAX, MEMBERS_MAX, TRANSPORT_KEYS_MAX};
use queue::trust::PublicKey;

/// A refused request: nothing was changed, an attached deposit goes back to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No shard of this name was ever reserved.
    #[error("shard {0} is not registered: reserve it first")]
    UnknownShard(ShardId),
    /// The name is taken, or was once.
    #[error("shard name {0} is taken, and names are never given twice: choose another")]
    NameTaken(ShardId),
    /// The derived key isn't known yet.
    #[error("shard {0} is reserved but not active: call activate")]
    NotActive(ShardId),
    /// Only the owner may do this.
    #[error("{caller} is not the owner of shard {shard}: {owner} is")]
    NotOwner {
        /// Who called.
        caller: AccountId,
        /// The shard.
        shard: ShardId,
        /// Who may.
        owner: AccountId,
    },
    /// The attached deposit doesn't cover the storage.
    #[error("the attached deposit is {found_yocto} yoctoNEAR, reserving a shard takes {expected_yocto}")]
    DepositTooSmall {
        /// The attached deposit.
        found_yocto: u128,
        /// The price of the shard's storage.
        expected_yocto: u128,
    },
    /// A top-up of nothing.
    #[error("no deposit is attached: attach what the balance of shard {0} shall grow by")]
    NoDeposit(ShardId),
    /// The shard can't pay the signer's deposit.
    #[error("shard {0} has no balance left for the signer's deposit of 1 yoctoNEAR: call top_up")]
    BalanceEmpty(ShardId),
    /// Too little gas for the signer and the callback.
    #[error("the call has {found_tgas} Tgas, attest takes at least {expected_tgas}")]
    GasTooLow {
        /// The prepaid gas, in 10^12 gas units.
        found_tgas: u64,
        /// The least that suffices.
        expected_tgas: u64,
    },
    /// No members, or too many.
    #[error("{0} members are listed, expected 1 to {MEMBERS_MAX}")]
    MemberCount(usize),
    /// Too few or too many members must endorse.
    #[error("the threshold is {threshold}, expected more than half of {members} members and at most all")]
    Threshold {
        /// The threshold asked for.
        threshold: u16,
        /// How many members are listed.
        members: usize,
    },
    /// Members and transport keys are ed25519.
    #[error("{0} is a {curve} key, expected ed25519", curve = .0.curve())]
    KeyCurve(PublicKey),
    /// A key would count twice, or serve two purposes.
    #[error("key {0} is listed twice: members and transport keys are all distinct")]
    KeyTwice(PublicKey),
    /// Too many transport keys.
    #[error("{0} transport keys are listed, the limit is {TRANSPORT_KEYS_MAX}")]
    TransportKeyCount(usize),
    /// Too many addresses.
    #[error("{0} addresses are listed, the limit is {ADDRESSES_MAX}")]
    AddressCount(usize),
    /// An address that can't be one.
    #[error("address {0:?} is not host:port of at most {ADDRESS_BYTES_MAX} printable characters")]
    Address(String),
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
    /// More endorsements than members.
    #[error("{found} endorsements for {members} members")]
    EndorsementCount {
        /// How many came.
        found: usize,
        /// How many members there are.
        members: usize,
    },
    /// An endorsement by somebody who isn't a member.
    #[error("shard {shard} has no member {member}")]
    NoSuchMember {
        /// The shard.
        shard: ShardId,
        /// The index in the endorsement.
        member: u16,
    },
    /// A member counted twice.
    #[error("member {0} endorses twice: endorsements are ordered by member, each once")]
    MemberTwice(u16),
    /// A signature that isn't the member's endorsement of this checkpoint.
    #[error(
        "the endorsement of member {member} is not its signature for this checkpoint, bridge and members' version of shard {shard}"
    )]
    Endorsement {
        /// The shard.
        shard: ShardId,
        /// The index of the member.
        member: u16,
    },
    /// Too few members agree.
    #[error("{found} members of shard {shard} endorse the checkpoint, the threshold is {threshold}")]
    BelowThreshold {
        /// The shard.
        shard: ShardId,
        /// How many endorse.
        found: usize,
        /// How many must.
        threshold: u16,
    },
}

#[cfg(target_family = "wasm")]
impl near_sdk::FunctionError for Refusal {
    fn panic(&self) -> ! {
        near_sdk::env::panic_str(&self.to_string())
    }
}
