//! Refusals of what administers the contract itself.

use crate::roles::HOLDERS_MAX;
use queue::contract::Role;
use queue::ids::AccountId;

/// Why the contract's administration refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefusal {
    /// Names are given to registrars only.
    #[error("registration is closed: {0} has no role Registrar, ask a super admin of this bridge for it")]
    RegistrationClosed(AccountId),
    /// Only accounts with this role may do this.
    #[error("{caller} has no role {role:?} on this bridge: acl_get_permissioned_accounts lists who has")]
    NoRole {
        /// Who called.
        caller: AccountId,
        /// What they need.
        role: Role,
    },
    /// Too many accounts have a role.
    #[error("{HOLDERS_MAX} accounts have a role on this bridge, which is the limit: take one first")]
    TooManyHolders,
    /// Nobody would be left who can give roles.
    #[error("{0} is the last super admin of this bridge: name another one first")]
    LastSuperAdmin(AccountId),
    /// No method of this name can be paused.
    #[error("{0:?} is no method that can be paused, nor ALL")]
    NotPausable(String),
    /// An administrator has stopped this.
    #[error("{0} is paused: wait until an UnpauseManager of this bridge lifts it")]
    Paused(&'static str),
    /// No code to deploy. This and what follows about upgrades has near-plugins' words, for what knows
    /// them.
    #[error("Upgradable: No staged code")]
    NothingStaged,
    /// The staged code's delay isn't over.
    #[error("Upgradable: Deploy code too early: staging ends on {0}")]
    DeployTooEarly(u64),
    /// Other code is staged than the deployer means.
    #[error("Upgradable: Cannot deploy due to wrong hash: expected hash: {expected}")]
    OtherCode {
        /// The hash of what is staged.
        expected: String,
    },
    /// The deposit of a deployer's call isn't written as an amount.
    #[error("the amount is {0:?}, expected a decimal number of yoctoNEAR")]
    NoAmount(String),
    /// There is a delay already.
    #[error("Upgradable: staging duration was already initialized")]
    DelayIsSet,
    /// No other delay was announced.
    #[error("Upgradable: No staged update")]
    NoDelayAnnounced,
    /// The present delay isn't over since another was announced.
    #[error("Upgradable: Update duration too early: staging ends on {0}")]
    DelayTooEarly(u64),
    /// There is nothing to migrate.
    #[error("the contract has no state to migrate: call init")]
    NotInitialised,
    /// The root state is of a release that this code doesn't know.
    #[error(
        "the root state of {bytes} bytes is neither of version 1 nor of version {expected}: deploy a release that knows it"
    )]
    UnknownState {
        /// Its length.
        bytes: usize,
        /// The version that this code writes.
        expected: u8,
    },
}
