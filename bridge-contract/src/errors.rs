//! Why a request is refused, one file per family of methods.

mod admin;
mod attest;
mod endorsements;
mod evidence;
mod lanes;
mod members;
mod rounds;
mod shards;
mod verify;

pub use admin::AdminRefusal;
pub use attest::CheckpointRefusal;
pub use endorsements::EndorsementRefusal;
pub use evidence::EvidenceRefusal;
pub use lanes::LaneRefusal;
pub use members::MembersRefusal;
pub use rounds::RoundRefusal;
pub use shards::ShardRefusal;
pub use verify::ProofRefusal;

use queue::ids::{AccountId, ShardId};

/// A refused request: nothing was changed, an attached deposit goes back to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No shard of this name was ever reserved.
    #[error("shard {0} is not registered: reserve it first")]
    UnknownShard(ShardId),
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
    #[error("the attached deposit is {found_yocto} yoctoNEAR, {what} takes {expected_yocto}")]
    DepositTooSmall {
        /// What is to be stored.
        what: &'static str,
        /// The attached deposit.
        found_yocto: u128,
        /// The price of its storage.
        expected_yocto: u128,
    },
    /// Nothing is paid for by the caller.
    #[error("{method} doesn't accept deposits: {found_yocto} yoctoNEAR are attached, attach none")]
    DepositNotTaken {
        /// The method.
        method: &'static str,
        /// The attached deposit.
        found_yocto: u128,
    },
    /// Too little gas for the signer and the callback.
    #[error("the call has {found_tgas} Tgas, {method} takes at least {expected_tgas}")]
    GasTooLow {
        /// The method.
        method: &'static str,
        /// The prepaid gas, in 10^12 gas units.
        found_tgas: u64,
        /// The least that suffices.
        expected_tgas: u64,
    },
    /// The contract's administration refuses.
    #[error(transparent)]
    Admin(#[from] AdminRefusal),
    /// The shard can't have these members, or be reached like this.
    #[error(transparent)]
    Members(#[from] MembersRefusal),
    /// The shard's registration doesn't change.
    #[error(transparent)]
    Shard(#[from] ShardRefusal),
    /// The lane doesn't change.
    #[error(transparent)]
    Lane(#[from] LaneRefusal),
    /// The report or the lift changes nothing.
    #[error(transparent)]
    Evidence(#[from] EvidenceRefusal),
    /// The members' endorsements don't count.
    #[error(transparent)]
    Endorsement(#[from] EndorsementRefusal),
    /// The checkpoint isn't recorded.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointRefusal),
    /// The round takes no checkpoint, isn't closed, or proves nothing.
    #[error(transparent)]
    Round(#[from] RoundRefusal),
}

#[cfg(target_family = "wasm")]
impl near_sdk::FunctionError for Refusal {
    fn panic(&self) -> ! {
        near_sdk::env::panic_str(&self.to_string())
    }
}
