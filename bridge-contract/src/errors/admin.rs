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
